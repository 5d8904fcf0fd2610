"""What a profile costs, before it is run: ``irmas estimate --profile full``.

Every training of a profile is set up at its real size and takes a few steps on noise, on one core,
as each job of a run does; hours follow from these and from the number of clips, epochs and seeds.
What is measured is kept in the cache. What a job really took is kept in the manifest, and counts
in place of the estimate from then on. Left out is how an input is read; a clip of the testing set
counts as one of IRMAS's mean length.
"""

import functools
import gc
import heapq
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
from irmas_utils.project.settings import Fft, Lstm, LstmChange, Settings
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.networks import registry

CORES = (1, 2, 8, 16, 64)
MAIN = (*jobs.MODELS, "09_comparison")
_SAME = {"epochs", "learning_rate", "loss", "input_scale", "prior", "balanced", "fraction", "pan",
         "streams", "cause", "balance", "below_db", "negative", "sources", "warmup",
         "published"}  # fmt: skip
"""Settings on which neither the seconds of a step nor its memory depend."""
_MEASURED = 1.5  # seconds of each training
_NOTEBOOK = 4.0  # seconds of a notebook around its trainings


class Training(NamedTuple):
    """One network, trained with one seed: how it is set up, and how many clips it sees."""

    kind: str  # lstm, fft, bosch or a network of notebook 07
    setup: dict[str, Any]
    seed: Any
    trained: float  # clips, each as often as it is seen
    scored: float  # clips or windows

    @property
    def key(self) -> str:
        """What a step's time depends on, as text."""
        kept = {key: value for key, value in self.setup.items() if key not in _SAME}
        return f"{self.kind} {json.dumps(kept, sort_keys=True)}"


class Speed(NamedTuple):
    """Measured on one core: seconds to set a training up, a clip, a scored one; its peak [MiB]."""

    start: float
    trained: float
    scored: float
    mib: float


class Clips(NamedTuple):
    """How many a profile has, the seconds of a testing clip, and how many the levels' sweep has."""

    fitting: float
    validation: float
    testing: int
    seconds: float
    swept: int


def clips(settings: Settings) -> Clips:
    """Count a profile's clips, before any of them need be there."""
    own, sweep, testing = settings.corpus, settings.sweep, published.load("irmas")["testing"]
    held = settings.evaluation.validation_fraction * own.training_clips
    seconds = testing["duration_total"] / testing["n_clips"]
    swept = len(INSTRUMENTS) * sweep.excerpts * len(sweep.others) * (len(sweep.decibels) + 1)
    return Clips(own.training_clips - held, held, own.testing_clips, seconds, swept)


def trainings(job: jobs.Job, settings: Settings) -> Iterator[Training]:
    """Yield what a job trains."""
    if job.notebook in studies.NOTEBOOKS.values():
        own = settings.lstm if job.notebook.startswith("03") else settings.fft
        known = {k: v for k, v in job.parameters.items() if k in type(own).model_fields}
        change = LstmChange(**job.parameters.get("change", {})).model_dump()
        more = change if own is settings.lstm else {}
        yield from _of(settings, own.model_copy(update=known), more)
    elif job.notebook == "06_fft_hyperparameters":
        yield from _causes(settings)
    elif job.notebook == registry.NOTEBOOK:
        yield from _networks(job, settings)
    elif job.notebook == "08_bosch_baselines":
        own, of = Fft(**settings.with_base("fft")), clips(settings)
        yield from _of(settings, own, {"streams": settings.study.fft.separated})
        heard = of.testing * math.ceil(of.seconds / 3) + settings.bosch.mixtures * 4
        heard += of.swept * len(settings.sweep.experiments)
        yield Training("bosch", {}, 0, of.fitting, heard)


def _of(settings: Settings, own: Lstm | Fft, more: Mapping[str, Any]) -> Iterator[Training]:
    of, kind = clips(settings), type(own).__name__.lower()
    scored = own.epochs * of.validation + of.testing * (of.seconds / 3 if kind == "lstm" else 1)
    for seed in own.seeds:
        setup = own.model_dump(exclude={"seeds"}) | more
        yield Training(kind, setup, seed, own.epochs * of.fitting, scored)


def _causes(settings: Settings) -> Iterator[Training]:
    from irmas_utils.models.fft_variants import BANDS, CHANGES, PRINTED

    study = settings.study.fft.causes
    for change in (PRINTED, *(CHANGES[name] for name in study.changes)):
        own = Fft(**settings.with_base("fft", **study.base | change.settings))
        size = 2 * (len(BANDS) - 1) if change.reads == "bands" else own.samples
        yield next(_of(settings, own, {"samples": size, "cause": change.description}))


def _networks(job: jobs.Job, settings: Settings) -> Iterator[Training]:
    from irmas_utils.systems.networks import fine_tuning, training

    of, mixtures = clips(settings), settings.networks.mixtures
    for name in job.parameters.get("train", registry.NETWORKS):
        plan = training.configure(name, settings, job.parameters.get("change"))
        seeds, epochs, kind = settings.networks.seeds, getattr(plan, "epochs", 0), name
        if not isinstance(plan, fine_tuning.Plan):  # what the published network hears is read
            plan, seeds, kind = training.configure("mn04", settings), [name], "mn04"
        windows = [1 + max(0, seconds - plan.window) / plan.hop for seconds in (of.seconds, 12)]
        scored = of.testing * windows[0] + mixtures * windows[1]
        # Alone, joined with the other seeds' and in the ensemble.
        scored *= 1 + (len(seeds) > 1) + (job.run is None)
        scored += (of.swept if job.run is None else 0) + (epochs * of.validation or of.fitting)
        for seed in seeds:
            yield Training(kind, plan.model_dump(), seed, epochs * of.fitting, scored)


def measure(training: Training) -> Speed:
    """Set a training up at its real size, and let it take a few steps on noise."""
    gc.collect()  # what was measured before
    kernels.lower_peak()
    if training.kind == "bosch":  # to train on descriptors of these windows takes minutes in all
        from irmas_utils.systems.bosch.streams import ALL_STREAMS, describe_clip

        noise = np.random.default_rng(0).normal(scale=0.1, size=(3 * 44_100, 2)).astype(np.float32)
        describe = functools.partial(describe_clip, noise, 44_100, streams=ALL_STREAMS)
        describe()
        seconds = _seconds(lambda n: [describe() for _ in range(n)])
        return Speed(0.0, seconds, seconds, 1000.0)
    from irmas_utils.project.backend import keras

    began = time.process_time()
    trainer, batch = _set_up(training.kind, training.setup)
    trainer.train([batch], 1, 1, False)  # compiles, as does the next
    trainer.predict([batch])
    start, size = time.process_time() - began, len(batch[1])
    trained = _seconds(lambda n: trainer.train([batch] * n, 1, 1, False)) / size
    scored = _seconds(lambda n: trainer.predict([batch] * n)) / size
    keras.backend.clear_session(free_memory=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Speed(start, trained, scored, peak)


def _seconds(task: Callable[[int], Any]) -> float:
    """Processor time of one turn: other work on the machine does not lengthen it."""
    spent = 0.0
    for turns in (1, 4, 64):
        if spent < _MEASURED:
            began = time.process_time()
            task(turns := min(turns, math.ceil(_MEASURED / max(spent, 1e-3))))
            spent, a_turn = time.process_time() - began, (time.process_time() - began) / turns
    return a_turn


def _set_up(kind: str, setup: Mapping[str, Any]) -> tuple[Any, tuple]:
    """Return a trainer, and a batch of noise as it reads them."""
    from irmas_utils.models import fft, lstm, training

    rng = np.random.default_rng(0)
    if section := {"lstm": Lstm, "fft": Fft}.get(kind):
        known = setup.keys() & section.model_fields.keys()
        own = section(seeds=[0], **{key: setup[key] for key in known})
        network = fft.Network(own) if kind == "fft" else lstm.Network(own, 0, setup["cell"])
        trainer = network.trainer(network.build(), own.loss, own.learning_rate)
        length = network.n_features if kind == "fft" else 3 * network.rate
    else:
        own = type(registry.plan(kind)).model_validate(setup)
        own = own.model_copy(update={"published": False})  # as large, and at hand
        trainer = training.Trainer(own.build(0, None), "binary", own.schedule(1), own.ema)
        length = round(own.window * own.sample_rate)
    x = rng.normal(scale=0.1, size=(own.batch_size, length)).astype(np.float32)
    y = np.eye(len(INSTRUMENTS), dtype=np.float32)[rng.integers(11, size=own.batch_size)]
    return trainer, ((x, np.full(len(x), length, np.int32)) if kind == "lstm" else x, y)


def estimate(settings: Settings, measures: bool = True) -> pd.DataFrame | None:
    """Return what each job of a profile costs, those that others need first.

    What was not measured on this machine yet is, if it `measures`; else None may be returned.
    Index: the jobs. Columns: hours (on one core), took (hours, NaN where unknown), MiB (peak).
    """
    file = paths.cache_root() / "estimates" / f"{settings.profile}.json"
    kept = files.read_json(file)
    known = kept.get("jobs", {}).keys() == jobs.jobs(settings).keys()
    if not known or kept["settings"] != settings.model_dump():
        if not measures:
            return None
        speeds = {key: Speed(*speed) for key, speed in kept.get("speeds", {}).items()}
        kept = {"jobs": _costs(settings, speeds)}  # which measures
        files.write_json(file, kept | {"speeds": speeds, "settings": settings.model_dump()})
    table = pd.DataFrame(kept["jobs"], index=["hours", "MiB"]).T
    before = timing.took(records.results_dir(settings.profile))
    return table.assign(took=[before.get(name, np.nan) / 3600 for name in table.index])


def _costs(settings: Settings, speeds: dict[str, Speed]) -> dict[str, list[float]]:
    """Return hours and MiB of each job, and measure for `speeds` what is not there."""
    before, done, found = timing.took(paths.reference_dir("sample")), set(), {}
    known = jobs.jobs(settings)
    for name in sorted(known, key=lambda name: (jobs.SEED not in name, name not in MAIN)):
        seconds, mib = 0.0, 1000.0  # what another job trains is read back
        for training in trainings(known[name], settings):
            same = json.dumps(training[:3], sort_keys=True)
            if training.key not in speeds:
                print(f"measuring: {name}", flush=True)
                speeds[training.key] = measure(training)
            speed = speeds[training.key]
            mib = max(mib, speed.mib)
            if same not in done:
                seconds += speed.start + speed.trained * training.trained
                seconds += speed.scored * training.scored
            done.add(same)
        found[name] = [(_NOTEBOOK + (seconds or before.get(name, 0.0))) / 3600, mib]
    return {name: found[name] for name in known}


def expected(table: pd.DataFrame) -> pd.Series:
    """Return the hours of each job of `estimate`: what it took, else what was estimated."""
    return table["took"].fillna(table["hours"])


def span(hours: Mapping[str, float], settings: Settings, cores: int) -> float:
    """Return the hours from the first job's start to the last one's end, the longest way first."""
    known = jobs.jobs(settings)
    after = {name: [k for k, job in known.items() if name in job.needs] for name in known}

    @functools.cache
    def tail(name: str) -> float:
        return hours.get(name, 0.0) + max(map(tail, after[name]), default=0.0)

    left, running, now = dict.fromkeys(sorted(known, key=tail, reverse=True)), [], 0.0
    while left or running:
        busy = {name for _, name in running}
        ready = [n for n in left if not any(k in left or k in busy for k in known[n].needs)]
        for name in ready[: cores - len(running)]:
            del left[name]
            heapq.heappush(running, (now + hours.get(name, 0.0), name))
        now, _ = heapq.heappop(running)
    return now


def disk(settings: Settings) -> float:
    """Return the GiB that the data set and its features take, roughly."""
    of = clips(settings)
    audio = 3 * (of.fitting + of.validation) + of.seconds * of.testing
    audio += 12 * settings.networks.mixtures
    spectra = (of.fitting + of.validation + of.testing) * settings.fft.samples / 2
    # 16-bit stereo; as float32 in stereo at two networks' rates, and mono at half the files' own.
    rates = 44_100 + 2 * 22_050 + 2 * 32_000 + 22_050
    return 4 * (audio * rates + 2 * spectra) / 2**30  # spectra of the mix-down and of the streams


def tables(table: pd.DataFrame, settings: Settings, cores: Sequence[int]) -> list[pd.DataFrame]:
    """Return what there is to say of `estimate`: jobs, cores, and which settings cost most."""
    known, shown = jobs.jobs(settings), expected(table)
    main = shown.where(shown.index.isin(MAIN) | shown.index.str.contains(jobs.SEED), 0.0)
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
