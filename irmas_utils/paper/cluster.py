"""What each job of a profile asks a cluster for, by what is estimated (`paper.estimate`)."""

import math
from typing import Any, NamedTuple

from irmas_utils.paper import estimate, jobs
from irmas_utils.project.settings import Settings

_UNKNOWN = 8.0  # hours; a job asks for three times as many, a day


class Request(NamedTuple):
    """What a job asks a cluster for; a second attempt gets twice the memory and the time."""

    mib: float
    hours: float
    trains: bool
    on_gpu: bool

    @property
    def short(self) -> bool:
        """Whether several are better submitted as one."""
        return self.trains and self.hours < 0.5

    def resources(self, gpus: int) -> dict[str, Any]:
        """Return the resources of its rule; if it trains on a GPU, with so many of them."""
        asked = {"mem_mb": self.mem_mb, "runtime": self.runtime}
        return asked | {"gpu": gpus if self.on_gpu else 0}

    def mem_mb(self, wildcards: Any, attempt: int) -> int:
        """Half as much again as was measured, and a GiB for what surrounds the kernel."""
        return math.ceil(1024 + 1.5 * self.mib) * attempt

    def runtime(self, wildcards: Any, attempt: int) -> int:
        """Minutes: three times the estimate."""
        return max(20, math.ceil(180 * self.hours)) * attempt


def requests(settings: Settings) -> dict[str, Request]:
    """Return what each job of a profile asks for; without an estimate, a day."""
    hours, mib = {}, {}
    if (table := estimate.estimate(settings, measures=False)) is not None:
        hours, mib = estimate.expected(table), table["MiB"]
    asked = {}
    for name, job in jobs.jobs(settings).items():
        trains = bool(job.run) or name in jobs.MODELS
        # The processor computes the LSTM wherever it is trained (`models.recurrence`).
        on_gpu = trains and job.notebook != "03_lstm_model"
        asked[name] = Request(mib.get(name, 4000.0), hours.get(name, _UNKNOWN), trains, on_gpu)
    return asked
