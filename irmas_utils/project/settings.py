"""One profile file in, one checked, immutable `Settings` out.

A profile is a YAML file of nested sections. ``profiles/full.yaml`` states every key, with the
paper's own values and a comment on each; one that ``extends`` another states what differs.
"""

import difflib
import functools
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from irmas_utils.project import paths, plain_yaml
from irmas_utils.project.errors import SettingsError

Positive = Annotated[float, Field(gt=0, le=1e6)]
PositiveInt = Annotated[int, Field(gt=0, le=10**6)]  # what is beyond is a slip of the keyboard
BatchSize = Annotated[int, Field(gt=0, le=256)]  # a batch is filled up, however few the clips
Count = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _of_a_profile(name: str) -> str:
    if name.lower() in {"reference", "benchmarks"}:  # a Mac's folders differ not by case alone
        raise ValueError("another name: that folder of results holds what is committed")
    return name


def _each_once(values: list[Any]) -> list[Any]:
    if any(value in values[:n] for n, value in enumerate(values)):
        raise ValueError("each value once: the same one again brings nothing new")
    return values


def _ascending(values: list[Any]) -> list[Any]:
    if values != sorted({*values}):
        raise ValueError("each once, from the lowest to the highest")
    return values


Seeds = Annotated[list[Seed], Field(min_length=1, max_length=1000), AfterValidator(_each_once)]
Values = Annotated[list[Any], Field(min_length=1, max_length=1000), AfterValidator(_each_once)]
Name = Annotated[str, Field(pattern=r"^\w[\w.+-]*$", max_length=60)]  # of folders and files
_BYTES = 2**20  # of a profile, which has some 6000
Others = Annotated[int, Field(ge=1, le=10)]  # instruments besides one of the eleven
Decibels = Annotated[float, Field(ge=-100, le=100)]
NONE = BeforeValidator(lambda value: None if value == "none" else value)
"""A study's null is handed to a notebook as `none`: there None means, as the profile says."""
Widths = Annotated[list[PositiveInt], Field(min_length=1)]
Stream = Literal["mono", "left", "right", "mid", "side", "drums", "bass", "melody", "other",
                 "pitched", "lead", "backing"]  # fmt: skip
Cause = Literal["binary", "log", "bands", "waveform", "working", "half", "quarter"]
Loss = Literal["paper", "binary"]


class Section(BaseModel):
    """Unknown keys, wrong types and values out of range are refused; a bool is no int."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Corpus(Section):
    source: Literal["sample", "irmas", "rebuilt"]
    training_clips: PositiveInt
    testing_clips: PositiveInt
    soundfont: str | None
    skip_bad_clips: bool
    allow_incomplete: bool


class Evaluation(Section):
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)]
    bootstrap_samples: PositiveInt


class Lstm(Section):
    seeds: Seeds
    loss: Loss
    units: PositiveInt
    dense: Widths
    learning_rate: Positive
    batch_size: PositiveInt
    epochs: PositiveInt
    decimation: PositiveInt
    padded_seconds: Annotated[Annotated[float, Field(gt=0, le=3600)] | None, NONE]
    pad_training: bool
    frame_size: PositiveInt
    n_mels: Annotated[PositiveInt | None, NONE]
    input_scale: Positive


class Fft(Section):
    seeds: Seeds
    loss: Loss
    dense: Widths
    learning_rate: Positive
    batch_size: PositiveInt
    epochs: PositiveInt
    samples: Annotated[PositiveInt, Field(multiple_of=2)]


class Bosch(Section):
    separator: Literal["spectral", "demucs"]
    mixtures: PositiveInt
    aggregation: Literal["mean", "max"]
    quality_clips: Count


class Networks(Section):
    seeds: Seeds
    mixtures: PositiveInt
    batch_size: BatchSize
    variants: list[str]
    plans: dict[str, dict[str, Any]]  # checked where the networks are: `systems.networks.training`


class Sweep(Section):
    excerpts: PositiveInt
    others: Annotated[list[Others], Field(min_length=1), AfterValidator(_ascending)]
    experiments: Annotated[list[Annotated[int, Field(ge=1, le=5)]], AfterValidator(_each_once)]
    decibels: Annotated[list[Decibels], Field(min_length=2), AfterValidator(_ascending)]


class Study(Section):
    """Of one network: what its base changes in the network's own section, and what is varied."""

    base: dict[str, Any]
    vary: dict[str, Values]


class Causes(Section):
    """Of one failure: from which base, besides the studies', and one change a row."""

    base: dict[str, Any]
    changes: Annotated[list[Cause], AfterValidator(_each_once)]


class LstmReasons(Causes):
    """Of the LSTM's failure, each change as ``key: value``."""

    changes: list[dict[str, Any]]


class LstmChange(Section):
    """A change to the LSTM that is no setting of its own: `change` of notebook 03."""

    cell: Literal["lstm", "gru", "stacked", "bidirectional"] = "lstm"
    prior: bool = False  # begin with output biases that name the labels by their frequency
    balanced: bool = False  # learn from as many clips of every class
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the recordings, in as many steps

    @classmethod
    def of(cls, change: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of a study's change that is none of the network's settings, checked."""
        own = {key: value for key, value in change.items() if key in cls.model_fields}
        return cls.model_validate(own).model_dump(include=own.keys())


class LstmCauses(Section):
    samples: LstmReasons
    frames: LstmReasons


class LstmStudy(Study):
    working: dict[str, Any]
    causes: LstmCauses


class FftStudy(Study):
    causes: Causes
    separated: Annotated[list[Stream], Field(min_length=1), AfterValidator(_each_once)]


class Studies(Section):
    seeds: Seeds
    lstm: LstmStudy
    fft: FftStudy


class Settings(Section):
    """What a run depends on. The comments in ``profiles/full.yaml`` explain each key."""

    profile: Annotated[Name, AfterValidator(_of_a_profile)]
    seed: Seed
    corpus: Corpus
    evaluation: Evaluation
    lstm: Lstm
    fft: Fft
    bosch: Bosch
    networks: Networks
    sweep: Sweep
    study: Studies

    def section(self, *keys: str) -> dict[str, Any]:
        """Return the values of some keys or sections, such as ``networks.plans``, as plain JSON."""
        whole = self.model_dump()
        return {key: functools.reduce(operator.getitem, key.split("."), whole) for key in keys}

    def with_base(self, network: str, **change: Any) -> dict[str, Any]:
        """Return a network's section as its studies have it, changed; ValidationError if bad."""
        own, study = getattr(self, network), getattr(self.study, network)
        values = own.model_dump() | {"seeds": self.study.seeds} | study.base | change
        return type(own).model_validate(values).model_dump()


def load(profile: str | Path, **overrides: Mapping[str, Any] | Any) -> Settings:
    """Read a profile, a name in ``profiles/`` or the path of a YAML file, and apply overrides.

    These are sections or values that replace the profile's, such as ``lstm={"epochs": 3}``; None
    leaves the profile's in place. ``profile`` is the file's stem unless the file states it.

    Raises SettingsError if the profile is missing or malformed, or a key is unknown, missing or of
    the wrong type or range: it names the file and the key, and for a misspelt one the right one.
    """
    chain = [*_chain(_profile_path(profile)), ("overrides", _stated(overrides))]
    named, where = {"profile": Path(chain[-2][0]).stem}, ()
    values = functools.reduce(_merged, (stated for _, stated in chain), named)
    try:
        settings = Settings.model_validate(values)
        for where, network, change in _study_changes(settings):  # noqa: B007
            settings.with_base(network, **change)
    except ValidationError as error:
        raise _refused(error, where, chain) from error
    return settings


def _profile_path(profile: str | Path, beside: Path = Path()) -> Path:
    is_file = Path(profile).suffix.lower() in {".yaml", ".yml"}
    path = paths.given(profile, beside) if is_file else paths.PROFILES / f"{profile}.yaml"
    if not os.path.isfile(path):  # False also for what can be no path
        names = ", ".join(sorted(p.stem for p in paths.PROFILES.glob("*.yaml")))
        expected = f"one of {names}, or the path of a YAML file"
        raise SettingsError(path, "no such profile", expected, "Check the spelling.")
    return path


def _chain(path: Path, above: tuple[Path, ...] = ()) -> list[tuple[str | Path, dict[str, Any]]]:
    """Read a profile and those that it extends, the last one's end first."""
    values = _read(path)
    parent = values.pop("extends", None)
    again = path.resolve() in above
    if again or not isinstance(parent, str | None):
        expected = "the name or the path of another profile"
        found = f"extends: {parent!r}" + ", which extends this one in turn" * again
        raise SettingsError(path, found, expected, "Correct the line.")
    above = (*above, path.resolve())
    inherited = [] if parent is None else _chain(_profile_path(parent, path.parent), above)
    return [*inherited, (path, values)]


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _BYTES:
            raise ValueError(f"more than {_BYTES} bytes")
        values = plain_yaml.load(path.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            corpus = values.get("corpus")
            if isinstance(corpus, dict) and isinstance(font := corpus.get("soundfont"), str):
                corpus["soundfont"] = str(paths.given(font, path.parent))
            return values
        found = f"{type(values).__name__} instead of sections"
    except Exception as error:  # what is no UTF-8, for example, is no YAMLError
        found = " ".join(f"text that is not YAML ({error})".split())[:1000]
    remedy = "Mend the file, or begin a new one with `extends: sample`."
    raise SettingsError(path, found, "sections of `key: value` lines in UTF-8", remedy)


def _stated(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None, at any depth."""
    return {
        key: _stated(value) if isinstance(value, Mapping) else value
        for key, value in overrides.items()
        if value is not None
    }


def _merged(values: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    inner = {
        key: _merged(values[key], value)
        for key, value in change.items()
        if isinstance(value, Mapping) and isinstance(values.get(key), Mapping)
    }
    return {**values, **change, **inner}


def _study_changes(settings: Settings) -> Iterator[tuple[tuple[str, ...], str, dict[str, Any]]]:
    """Yield where each study's change stands, of which network it is, and the change."""
    for network, study in (("lstm", settings.study.lstm), ("fft", settings.study.fft)):
        yield ("study", network, "base"), network, {}
        for key, values in study.vary.items():
            yield from ((("study", network, "vary"), network, {key: value}) for value in values)
    yield ("study", "lstm", "working"), "lstm", settings.study.lstm.working
    for name, causes in settings.study.lstm.causes:
        for change in (causes.base, *causes.changes):
            where, other = ("study", "lstm", "causes", name), LstmChange.of(change)
            yield where, "lstm", {k: v for k, v in change.items() if k not in other}
    yield ("study", "fft", "causes", "base"), "fft", settings.study.fft.causes.base


def _refused(error: ValidationError, where: tuple[str, ...], chain: list) -> SettingsError:
    """Say of the first error which file states the key, and what is wrong with it."""
    first = error.errors()[0]
    odd = first["type"] == "invalid_key"  # a number, say
    place = (*where, *(part for part in first["loc"] if odd or isinstance(part, str)))
    key = ".".join(map(str, place))
    files = [name for name, values in chain if _states(values, place)] or [chain[-2][0]]
    if first["type"] == "missing":
        found, remedy = f"no key {key}", f"Add {key}, or begin the file with `extends: sample`."
    elif first["type"] == "extra_forbidden":
        found, remedy = f"unknown key {key}", _did_you_mean(key)
    else:
        found = f"{key} = {first['input']!r}"[:200] + f" ({type(first['input']).__name__})"
        remedy = "Correct the value; profiles/full.yaml explains it."
        if key == "profile":
            remedy = "Rename the file, or state `profile: a_name` in it."
    return SettingsError(files[-1], found, first["msg"].lower(), remedy)


def _states(values: Any, place: Sequence[str]) -> bool:
    if not place:
        return True
    first, *rest = place
    return isinstance(values, Mapping) and first in values and _states(values[first], rest)


def _did_you_mean(key: str) -> str:
    """Name the key that was meant: the one of the same parts, as in older profiles, or near it."""
    known = [*_keys(Settings)]
    # What a study changes or varies are keys of the network's own section.
    for network, section, kinds in (("lstm", Lstm, "base vary working"), ("fft", Fft, "base vary")):
        known += [f"study.{network}.{kind}.{k}" for kind in kinds.split() for k in _keys(section)]
    flat = {k.partition(".")[2]: k for k in known if k.count(".") == 1}
    flat |= {k.replace(".", "_"): k for k in known}
    if key in known:
        section, _, name = key.rpartition(".")
        return f"Write {name} into the section {section}."
    close = difflib.get_close_matches(key.replace(".", "_").lower(), flat, n=1, cutoff=0.6)
    return f"Did you mean {flat[close[0]]}?" if close else "Remove the key."


def _keys(section: type[Section], above: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        yield above + name
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _keys(kind, f"{above}{name}.")
