import dataclasses

import pytest
import yaml

from irmas_utils.project import paths, settings
from irmas_utils.project.errors import SettingsError

PROFILES = ("smoke", "sample", "full")


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_loads_and_knows_its_name(name):
    assert settings.load(name).profile == name


def test_profiles_have_the_same_keys_in_the_same_order():
    keys = [list(yaml.safe_load((paths.PROFILES / f"{n}.yaml").read_text())) for n in PROFILES]
    assert keys[0] == keys[1] == keys[2]
    assert keys[0] == [f.name for f in dataclasses.fields(settings.Settings)]


def test_overrides_replace_and_none_does_not():
    assert settings.load("sample", fft_epochs=3).fft_epochs == 3
    assert settings.load("sample", fft_epochs=None) == settings.load("sample")


def test_an_integer_will_do_for_a_float():
    assert settings.load("sample", fft_learning_rate=1).fft_learning_rate == 1.0


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", "x"), ("seed", True), ("seed", 1.0), ("fft_dense", [1, "a"]), ("fft_dense", 3),
     ("lstm_pad_training", 1), ("lstm_padded_seconds", "long"), ("fft_learning_rate", None)],
)  # fmt: skip
def test_a_wrong_type_names_the_key_and_the_file(tmp_path, key, value):
    values = yaml.safe_load((paths.PROFILES / "sample.yaml").read_text()) | {key: value}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(SettingsError, match=rf"mine\.yaml.*{key} = "):
        settings.load(tmp_path / "mine.yaml")


def test_unknown_and_missing_keys_are_named(tmp_path):
    values = yaml.safe_load((paths.PROFILES / "sample.yaml").read_text())
    (tmp_path / "more.yaml").write_text(yaml.safe_dump(values | {"sede": 1}))
    with pytest.raises(SettingsError, match="unknown key sede"):
        settings.load(tmp_path / "more.yaml")
    del values["seed"]
    (tmp_path / "less.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(SettingsError, match="no key seed"):
        settings.load(tmp_path / "less.yaml")
    with pytest.raises(SettingsError, match="unknown key epochs"):
        settings.load("sample", epochs=3)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", ""])
def test_a_file_that_is_no_mapping_is_named(tmp_path, text):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"odd\.yaml"):
        settings.load(tmp_path / "odd.yaml")


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(SettingsError, match="full, sample, smoke"):
        settings.load("fulll")
