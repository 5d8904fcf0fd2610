"""One flat profile file in, one checked, immutable `Settings` out.

A profile (``profiles/smoke.yaml``, ``sample.yaml``, ``full.yaml``) holds every key of
`Settings` once. A key's prefix says who reads it: ``corpus_`` the data set, ``lstm_`` notebook
03, ``fft_`` notebook 04, and so on.
"""

import dataclasses
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from irmas_utils.project import paths
from irmas_utils.project.errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """What a run depends on. The comments in ``profiles/sample.yaml`` explain each key."""

    profile: str
    seed: int
    corpus_source: str
    corpus_training_clips: int
    corpus_testing_clips: int
    corpus_soundfont: str | None
    corpus_skip_bad_clips: bool
    corpus_allow_incomplete: bool
    validation_fraction: float
    bootstrap_samples: int
    lstm_seeds: list[int]
    lstm_loss: str
    lstm_units: int
    lstm_dense: list[int]
    lstm_learning_rate: float
    lstm_batch_size: int
    lstm_epochs: int
    lstm_decimation: int
    lstm_padded_seconds: float | None
    lstm_pad_training: bool
    lstm_frame_size: int
    lstm_n_mels: int | None
    lstm_input_scale: float
    fft_seeds: list[int]
    fft_loss: str
    fft_dense: list[int]
    fft_learning_rate: float
    fft_batch_size: int
    fft_epochs: int
    fft_samples: int
    bosch_separator: str
    bosch_mixtures: int
    bosch_aggregation: str
    bosch_quality_clips: int
    networks_seeds: list[int]
    networks_mixtures: int
    networks_batch_size: int
    networks_han_width: float
    networks_han_epochs: int
    networks_mn04_epochs: int
    networks_mn04_learning_rate: float
    networks_mn04_ema: float
    networks_variants: list[str]
    study_seeds: list[int]
    study_lstm_base_loss: str
    study_lstm_base_units: int
    study_lstm_base_dense: list[int]
    study_lstm_base_learning_rate: float
    study_lstm_base_batch_size: int
    study_lstm_base_epochs: int
    study_lstm_base_decimation: int
    study_lstm_base_frame_size: int
    study_lstm_base_n_mels: int | None
    study_lstm_base_input_scale: float
    study_lstm_vary_loss: list[str]
    study_lstm_vary_units: list[int]
    study_lstm_vary_dense: list[list[int]]
    study_lstm_vary_learning_rate: list[float]
    study_lstm_vary_batch_size: list[int]
    study_lstm_vary_decimation: list[int]
    study_lstm_vary_frame_size: list[int]
    study_lstm_vary_input_scale: list[float]
    study_lstm_working_decimation: int
    study_lstm_working_frame_size: int
    study_lstm_working_n_mels: int | None
    study_lstm_working_dense: list[int]
    study_lstm_working_learning_rate: float
    study_lstm_working_epochs: int
    study_fft_base_loss: str
    study_fft_base_dense: list[int]
    study_fft_base_learning_rate: float
    study_fft_base_batch_size: int
    study_fft_base_epochs: int
    study_fft_separated_stems: list[str]
    study_fft_vary_loss: list[str]
    study_fft_vary_dense: list[list[int]]
    study_fft_vary_learning_rate: list[float]
    study_fft_vary_batch_size: list[int]
    study_fft_vary_epochs: list[int]

    def section(self, *prefixes: str) -> dict[str, Any]:
        """Return the settings whose key starts with one of `prefixes`, as a plain dict."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k.startswith(prefixes)}


def load(profile: str | Path, **overrides: Any) -> Settings:
    """Read a profile and apply overrides.

    Parameters
    ----------
    profile : str or Path
        Name of a file in ``profiles/`` without its suffix, or the path of a YAML file.
    **overrides
        Values that replace the profile's. A value of None leaves the profile's in place, so
        that a notebook parameter can mean "as the profile says".

    Returns
    -------
    Settings

    Raises
    ------
    SettingsError
        If the profile is missing or malformed, or a key is unknown, missing or of the wrong
        type; the message names the file and the key.
    """
    path = _profile_path(profile)
    values = _read(path)
    changed = {key: value for key, value in overrides.items() if value is not None}
    unknown = changed.keys() - _fields().keys()
    if unknown:
        raise _unknown("overrides", unknown)
    return Settings(**_checked(path, values | changed))


def _profile_path(profile: str | Path) -> Path:
    path = Path(profile)
    path = path if path.suffix in {".yaml", ".yml"} else paths.PROFILES / f"{profile}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in paths.PROFILES.glob("*.yaml")))
        raise SettingsError(
            path,
            found="no such profile",
            expected=f"one of {names}, or the path of a YAML file",
            remedy="Check the spelling of `profile`.",
        )
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SettingsError(
            path,
            found=f"text that is not YAML ({error})",
            expected="one `key: value` a line",
            remedy="Mend the file, or copy it afresh from profiles/sample.yaml.",
        ) from error
    if not isinstance(values, dict):
        raise SettingsError(
            path,
            found=type(values).__name__,
            expected="a flat mapping of keys to values",
            remedy="Write one `key: value` a line.",
        )
    return values


def _fields() -> dict[str, Any]:
    return typing.get_type_hints(Settings)


def _unknown(where: str | Path, keys: set[str]) -> SettingsError:
    return SettingsError(
        where,
        found=f"unknown key {', '.join(sorted(keys))}",
        expected="only the keys of irmas_utils.project.settings.Settings",
        remedy="Check the spelling, or remove the key.",
    )


def _checked(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    fields = _fields()
    if unknown := values.keys() - fields.keys():
        raise _unknown(path, unknown)
    if missing := fields.keys() - values.keys():
        raise SettingsError(
            path,
            found=f"no key {', '.join(sorted(missing))}",
            expected="every key of irmas_utils.project.settings.Settings",
            remedy="Copy the line from profiles/sample.yaml.",
        )
    return {key: _coerced(path, key, values[key], kind) for key, kind in fields.items()}


def _coerced(path: Path, key: str, value: Any, kind: Any) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if not _matches(value, kind):
        raise SettingsError(
            path,
            found=f"{key} = {value!r} ({type(value).__name__})",
            expected=f"{key} of type {kind if hasattr(kind, '__args__') else kind.__name__}",
            remedy="Correct the value.",
        )
    return value


def _matches(value: Any, kind: Any) -> bool:
    if isinstance(kind, types.UnionType):
        return any(_matches(value, option) for option in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        (item,) = typing.get_args(kind)
        return isinstance(value, list) and all(_matches(entry, item) for entry in value)
    if kind is float:
        return type(value) in (int, float)
    # bool is an int in Python, but `seed: true` is a mistake.
    return type(value) is kind
