"""What a profile costs, before it is run: ``irmas estimate --profile full``.

Every training of a profile is set up at its real size and takes a few steps on noise, on one core,
as each job of a run does; hours follow from these and from the number of clips, epochs and seeds.
What is measured is kept in the cache. What a job really took is kept in the manifest, and counts
in place of the estimate from then on. Left out is how an input is read, and what is scored besides
validation and testing set; a clip of the latter counts as one of IRMAS's mean length.
"""

import functools
import gc
import json
import math
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from irmas_utils.data import published
from irmas_utils.paper import jobs, studies, timing
from irmas_utils.project import files, kernels, paths, records
from irmas_utils.project.settings import Fft, Lstm, Settings
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import registry

CORES = (1, 2, 8, 16, 64)
MAIN = (*jobs.MODELS, "09_comparison")
_SAME = {"epochs", "seeds", "learning_rate", "loss", "input_scale", "prior", "balanced", "fraction",
         "pan", "streams", "cause", "balance", "below_db", "negative", "sources", "warmup",
         "published"}  # fmt: skip
"""Settings on which neither the seconds of a step nor its memory depend."""
_MEASURED = 1.5  # seconds of each training
_NOTEBOOK = 10.0  # seconds of a notebook around the steps of its trainings
_SCORED = 1 / 3  # of the time of a clip that is trained on


class Training(NamedTuple):
    """One network, trained with one seed: how it is set up, and how many clips it sees."""

    kind: str  # lstm, fft, bosch or a network of notebook 07
    setup: dict[str, Any]
    clips: float  # each as often as it is trained on; if only scored, `_SCORED` of one

    @property
    def key(self) -> str:
        """What a step's time depends on, as text."""
        kept = {key: value for key, value in self.setup.items() if key not in _SAME}
        return f"{self.kind} {json.dumps(kept, sort_keys=True)}"


def trainings(job: jobs.Job, settings: Settings) -> Iterator[Training]:
    """Yield what a job trains."""
    for network, notebook in studies.NOTEBOOKS.items():
        if job.notebook == notebook:
            setup = getattr(settings, network).model_dump() | dict(job.parameters)
            change = setup.pop("change", {})
            yield from _by_seed(settings, network, setup | change)
    if job.notebook == "06_fft_hyperparameters":
        causes = settings.study.fft.causes
        setup = settings.with_base("fft", **causes.base)
        for cause in ("printed", *causes.changes):  # what changes the size of a network aside
            one = {"cause": cause, "seeds": setup["seeds"][:1]}
            yield from _by_seed(settings, "fft", setup | one)
    elif job.notebook == registry.NOTEBOOK:
        from irmas_utils.systems.networks import training

        for name in job.parameters.get("train", registry.NETWORKS):
            plan = training.configure(name, settings, job.parameters.get("change")).model_dump()
            if "epochs" in plan:
                yield from _by_seed(settings, name, plan | {"seeds": settings.networks.seeds})
    elif job.notebook == "08_bosch_baselines":
        streams = {"streams": settings.study.fft.separated}
        yield from _by_seed(settings, "fft", settings.with_base("fft") | streams)
        windows = settings.corpus.testing_clips * _testing_seconds() / 3
        yield Training("bosch", {}, settings.corpus.training_clips + windows)


def _by_seed(settings: Settings, kind: str, setup: dict[str, Any]) -> Iterator[Training]:
    own, held = settings.corpus, settings.evaluation.validation_fraction
    window, hop = (setup.get(key, 3) for key in ("window", "hop"))  # the LSTM hears all of a clip
    windows = 1 if kind == "fft" else 1 + max(0, _testing_seconds() - window) / hop
    trained = setup["epochs"] * own.training_clips * (1 - held)
    scored = setup["epochs"] * own.training_clips * held + own.testing_clips * windows
    for seed in setup["seeds"]:
        yield Training(kind, setup | {"seeds": [seed]}, trained + _SCORED * scored)


def _testing_seconds() -> float:
    testing = published.load("irmas")["testing"]
    return testing["duration_total"] / testing["n_clips"]


def measure(training: Training) -> tuple[float, float]:
    """Set a training up at its real size, and let it take a few steps on noise.

    Returns the seconds of a clip on one core, not counting what else the machine does meanwhile,
    and the process's peak of memory [MiB].
    """
    from irmas_utils.project.backend import keras

    keras.backend.clear_session(free_memory=False)
    gc.collect()  # what was measured before
    kernels.lower_peak()
    step, n_clips = _step(training.kind, training.setup)
    step()  # compiles
    began, spent, turns = time.process_time(), 0.0, 0
    while spent < _MEASURED and turns < 64:  # of noise: training on it for long may diverge
        step()
        spent, turns = time.process_time() - began, turns + 1
    return spent / turns / n_clips, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _step(kind: str, setup: Mapping[str, Any]) -> tuple[Callable[[], Any], int]:
    """Return what takes a step on a batch of noise, and of how many clips that is."""
    rng = np.random.default_rng(0)
    if kind == "bosch":  # to train on descriptors of these windows takes minutes in all
        from irmas_utils.systems.bosch.streams import ALL_STREAMS, describe_clip

        clip = rng.normal(scale=0.1, size=(3 * 44_100, 2)).astype(np.float32)
        return functools.partial(describe_clip, clip, 44_100, streams=ALL_STREAMS), 1
    from irmas_utils.models import fft, lstm, training

    section = {"lstm": Lstm, "fft": Fft}.get(kind) or type(registry.plan(kind))
    own = section(**{key: setup[key] for key in section.model_fields})
    if kind in ("lstm", "fft"):
        cell = setup.get("cell", "lstm")
        network = fft.Network(own) if kind == "fft" else lstm.Network(own, 0, cell)
        trainer = network.trainer(network.build(), own.loss, own.learning_rate)
        length = network.n_features if kind == "fft" else 3 * network.rate
    else:
        own = own.model_copy(update={"published": False})  # as large, and at hand
        trainer = training.Trainer(own.build(0, None), "binary", own.schedule(1), own.ema)
        length = round(own.window * own.sample_rate)
    x = rng.normal(scale=0.1, size=(own.batch_size, length)).astype(np.float32)
    y = np.eye(len(INSTRUMENTS), dtype=np.float32)[rng.integers(11, size=own.batch_size)]
    x = (x, np.full(len(x), length, np.int32)) if kind == "lstm" else x
    return functools.partial(trainer.train, [(x, y)], 1, 1, False), own.batch_size


def estimate(settings: Settings, measures: bool = True) -> pd.DataFrame | None:
    """Return what each job of a profile costs, those that others need first.

    What was not measured on this machine yet is, if it `measures`; else None may be returned.
    Index: the jobs. Columns: hours (on one core), MiB (peak), took (hours, NaN where unknown).
    """
    file = paths.cache_root() / "estimates" / f"{settings.profile}.json"
    kept, of = files.read_json(file), files.seal([settings.model_dump(), [*jobs.jobs(settings)]])
    if kept.get("of") != of:
        if not measures:
            return None
        measured = kept.get("measured", {})
        kept = {"of": of, "jobs": _costs(settings, measured), "measured": measured}
        files.write_json(file, kept)
    table = pd.DataFrame(kept["jobs"], index=["hours", "MiB"]).T
    took = pd.Series(timing.took(records.results_dir(settings.profile)), dtype=float)
    return table.assign(took=took / 3600)


def _costs(settings: Settings, measured: dict[str, Sequence[float]]) -> dict[str, list[float]]:
    """Return hours and MiB of each job, and add to `measured` what is not there."""
    before, done, found = timing.took(paths.reference_dir("sample")), set(), {}
    known = jobs.jobs(settings)
    for name in sorted(known, key=lambda name: not _is_main(name)):
        seconds, mib = 0.0, 1000.0  # what another job trains is read back
        for training in trainings(known[name], settings):
            if training.key not in measured:
                print(f"measuring: {name}", flush=True)
                measured[training.key] = measure(training)
            of_clip, peak = measured[training.key]
            same, mib = json.dumps(training[:2], sort_keys=True), max(mib, peak)
            if same not in done:
                seconds += of_clip * training.clips
            done.add(same)
        found[name] = [(_NOTEBOOK + (seconds or before.get(name, 0.0))) / 3600, mib]
    return {name: found[name] for name in known}


def _is_main(name: str) -> bool:
    return name in MAIN or jobs.SEED in name


def expected(table: pd.DataFrame) -> pd.Series:
    """Return the hours of each job of `estimate`: what it took, else what was estimated."""
    return table["took"].fillna(table["hours"])


def span(hours: Mapping[str, float], settings: Settings, cores: int) -> float:
    """Return the hours from the first job's start to the last one's end.

    They are those of all jobs, divided among the cores, or of the longest chain of jobs that need
    each other, whichever is more: so many jobs leave hardly a core idle before that.
    """
    known = jobs.jobs(settings)

    @functools.cache
    def end(name: str) -> float:
        return hours.get(name, 0.0) + max(map(end, known[name].needs), default=0.0)

    shared = sum(hours.get(name, 0.0) for name in known) / cores
    return max(shared, *map(end, known))


def disk(settings: Settings) -> float:
    """Return the GiB that the data set and its features take, roughly."""
    own = settings.corpus
    audio = 3 * own.training_clips + _testing_seconds() * own.testing_clips
    audio += 12 * settings.networks.mixtures
    # 16-bit stereo; as float32 in stereo at two networks' rates, and mono at half the files' own.
    rates = 44_100 + 2 * 22_050 + 2 * 32_000 + 22_050
    # Half as many magnitudes as samples, of the mix-down and of the streams.
    spectra = (own.training_clips + own.testing_clips) * settings.fft.samples
    return 4 * (audio * rates + spectra) / 2**30


def tables(table: pd.DataFrame, settings: Settings, cores: Sequence[int]) -> list[pd.DataFrame]:
    """Return what there is to say of `estimate`: jobs, cores, and which settings cost most."""
    known, shown = jobs.jobs(settings), expected(table)
    main = shown[[*map(_is_main, shown.index)]]
    spans = [[n, span(shown, settings, n), span(main, settings, n)] for n in cores]
    by_cores = pd.DataFrame(spans, columns=["cores", "hours, everything", "hours, main results"])
    groups = [name if known[name].run is None else name.rpartition("-")[0] for name in table.index]
    most = shown.groupby(groups).sum().sort_values(ascending=False).head(10)
    top = {"costs most": most.index, "hours": [*most], "share": [*most / shown.sum()]}
    return [table.astype({"MiB": int}).reset_index(names="job"), by_cores, pd.DataFrame(top)]


def lasting(hours: float) -> str:
    """Write hours for people."""
    return f"{hours:.3g} h" if hours >= 1 else f"{math.ceil(60 * hours)} min"


def in_words(table: pd.DataFrame, settings: Settings, cores: int) -> str:
    """Say in a line what a run will take."""
    hours, memory = lasting(span(expected(table), settings, cores)), table["MiB"].max() / 1024
    return (
        f"Estimate: {hours} on {cores} cores, {len(table)} jobs of at most {memory:.1f} GiB "
        f"of memory each, {disk(settings):.0f} GiB of disk."
    )
