import re
from typing import get_args

import numpy as np
import pytest
import yaml
from limits import bounded

from irmas_utils.models import fft_variants
from irmas_utils.project import paths, settings
from irmas_utils.project.errors import SettingsError
from irmas_utils.systems.bosch import separation, streams

PROFILES = ("smoke", "sample", "full")


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text, encoding="latin-1")
        return path

    return write


@pytest.mark.parametrize(
    ("font", "meant"),
    [("a.sf2", "{beside}/a.sf2"), ("~/a.sf2", "/home/someone/a.sf2"), ("/a.sf2", "/a.sf2")],
)
def test_a_soundfont_is_seen_from_the_profile_that_names_it(font, meant, write, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    path = write(f"extends: smoke\ncorpus: {{soundfont: {font}}}")
    child = write(f"extends: {path}", "child")
    assert settings.load(child).corpus.soundfont == meant.format(beside=path.parent)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_loads_and_knows_its_name(name):
    assert settings.load(name).profile == name


def test_a_profile_states_only_what_differs():
    for name, parent in (("smoke", "sample"), ("sample", "full")):
        stated = yaml.safe_load((paths.PROFILES / f"{name}.yaml").read_text())
        assert stated.pop("extends") == parent
        inherited = settings.load(parent).model_dump()
        assert not list(_repeated(stated, inherited))


def _repeated(stated, inherited):
    for key, value in stated.items():
        if isinstance(value, dict):
            yield from _repeated(value, inherited[key])
        elif inherited.get(key) == value:
            yield key


def test_overrides_replace_and_none_does_not():
    assert settings.load("sample", fft={"epochs": 3}).fft.epochs == 3
    assert settings.load("sample", fft={"epochs": None}) == settings.load("sample")


def test_a_profile_of_ones_own_extends_another(write):
    mine = write("extends: sample\nnetworks:\n  plans:\n    han: {epochs: 3}\n")
    loaded = settings.load(mine)
    assert loaded.profile == "mine"
    assert loaded.networks.plans["han"] == {"width": 0.4, "epochs": 3}
    child = settings.load(write("extends: mine.yaml\nseed: 7\n", "child"))
    assert child.networks.plans["han"]["epochs"] == 3


def test_a_section_or_a_key_of_it():
    cfg = settings.load("smoke")
    assert cfg.section("seed", "networks.seeds") == {"seed": 2022, "networks.seeds": [0]}


def test_a_study_starts_from_the_networks_own_section():
    cfg = settings.load("full")
    base = cfg.with_base("lstm", units=44)
    own = {"seeds": cfg.study.seeds, "batch_size": 64, "units": 44}
    assert base == cfg.lstm.model_dump() | own


def test_an_integer_will_do_for_a_float():
    assert settings.load("sample", fft={"learning_rate": 1}).fft.learning_rate == 1.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: x", r"seed = 'x' \(str\)"),
        ("seed: true", "seed = True"),
        ("seed: 1.0", "seed = 1.0"),
        ("fft: {dense: [1, a]}", "fft.dense = 'a'"),
        ("fft: {dense: 3}", "fft.dense = 3"),
        ("fft: 3", "fft = 3"),
        ("lstm: {pad_training: 1}", "lstm.pad_training = 1"),
        ("lstm: {padded_seconds: long}", "lstm.padded_seconds = 'long'"),
        ("fft: {learning_rate: null}", "fft.learning_rate = None"),
        ("fft: {learning_rate: .inf}", "fft.learning_rate = inf"),
        ("evaluation: {bootstrap_samples: 0}", "evaluation.bootstrap_samples = 0"),
        ("evaluation: {validation_fraction: .nan}", "evaluation.validation_fraction = nan"),
        *(
            (f"profile: {name!r}", "profile = ")
            for name in (
                "../../x",
                "/tmp/x",
                "..",
                ".",
                "",
                ".x",
                "-x",
                "a/b",
                "a\\b",
                "a b",
                "$(x)",
                "a\n",
                "~",
            )
        ),
        ("evaluation: {bootstrap_samples: -5}", "evaluation.bootstrap_samples = -5"),
        ("evaluation: {bootstrap_samples: true}", "evaluation.bootstrap_samples = True"),
        ("fft: {learning_rate: 1e999}", "fft.learning_rate = inf"),
        ("fft: {learning_rate: 1.0e+999}", "fft.learning_rate = inf"),
        ("seed: 4294967296", "seed = 4294967296"),
        ("lstm: {units: 1000000000000}", "lstm.units = 1000000000000"),
        ("fft: {samples: 1000000000000}", "fft.samples = 1000000000000"),
        ("lstm: {padded_seconds: 1.0e+9}", "lstm.padded_seconds = 1000000000.0"),
        ("lstm: {padded_seconds: .nan}", "lstm.padded_seconds = nan"),
        ("fft: {learning_rate: .nan}", "fft.learning_rate = nan"),
        ("lstm: {seeds: [-1]}", "lstm.seeds = -1"),
        ("study: {lstm: {vary: {units: [0]}}}", "study.lstm.vary.units = 0"),
        ("study: {lstm: {vary: {units: []}}}", r"study.lstm.vary.units = \[\]"),
        ("study: {fft: {vary: {dense: [[1, 2], [3], [1, 2]]}}}", "study.fft.vary.dense = "),
        ("study: {fft: {causes: {changes: [log, bandz]}}}", "study.fft.causes.changes = 'bandz'"),
        ("study: {fft: {causes: {changes: [log, log]}}}", "study.fft.causes.changes = "),
        ("study: {fft: {separated: [drums, vocals]}}", "study.fft.separated = 'vocals'"),
        ("sweep: {experiments: [true]}", "sweep.experiments = True"),
        ("sweep: {decibels: [12.0, 6.0, 0.0]}", "sweep.decibels = "),
        ("sweep: {decibels: [0.0, 0.0]}", "sweep.decibels = "),
        ("sweep: {others: [11]}", "sweep.others = 11"),
        ("study: {fft: {separated: []}}", "study.fft.separated = "),
        ("study: {fft: {base: {epochs: many}}}", "study.fft.base.epochs = 'many'"),
    ],
)
def test_a_wrong_value_names_the_key_and_the_file(write, text, said):
    with pytest.raises(SettingsError, match=rf"mine\.yaml: found {said}"):
        settings.load(write(f"extends: sample\n{text}\n"))


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        ("sede: 1", "sede", "seed"),
        ("lstm_units: 3", "lstm_units", "lstm.units"),
        ("bootstrap_samples: 3", "bootstrap_samples", "evaluation.bootstrap_samples"),
        ("networks_batch_size: 3", "networks_batch_size", "networks.batch_size"),
        ("study_lstm_base_units: 3", "study_lstm_base_units", "study.lstm.base.units"),
        ("lstm: {unit: 3}", "lstm.unit", "lstm.units"),
        ("LSTM: {units: 3}", "LSTM", "lstm"),
        ("study: {lstm: {vary: {unit: [3]}}}", "study.lstm.vary.unit", "study.lstm.vary.units"),
    ],
)
def test_an_unknown_or_old_key_names_the_right_one(write, text, key, right):
    with pytest.raises(SettingsError, match=rf"mine\.yaml: found unknown key {key}; .*{right}\?"):
        settings.load(write(f"extends: sample\n{text}\n"))


@pytest.mark.parametrize("key", ["lstm.units", "study.lstm.vary"])
def test_a_key_with_dots_is_told_its_section(write, key):
    section, _, name = key.rpartition(".")
    with pytest.raises(
        SettingsError, match=f"key {key}; .*Write {name} into the section {section}"
    ):
        settings.load(write(f"extends: sample\n{key}: 3\n"))


@pytest.mark.parametrize("stem", ["my own", "50%", "-x", "reference"])
def test_a_file_whose_name_names_no_results_may_state_one_that_does(write, stem):
    with pytest.raises(SettingsError, match=f"profile = '{stem}'.*Rename the file, or state"):
        settings.load(write("extends: sample\n", stem))
    assert settings.load(write("extends: sample\nprofile: a_name\n", stem)).profile == "a_name"


def test_a_parent_may_be_at_home_and_a_suffix_in_capitals(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write("extends: sample\nseed: 7\n", "parent").rename(tmp_path / "parent.YAML")
    assert settings.load(write("extends: ~/parent.YAML\n")).seed == 7


def test_the_separators_of_a_profile_are_those_that_there_are():
    known = get_args(settings.Bosch.model_fields["separator"].annotation)
    assert known == (*separation.SEPARATORS,)
    assert get_args(settings.Stream) == streams.ALL_STREAMS


def test_the_causes_of_a_profile_are_those_that_there_are():
    assert get_args(settings.Cause) == (*fft_variants.CHANGES,)


def test_the_file_that_states_a_wrong_key_is_named(write):
    write("extends: sample\nseed: x\n", "parent")
    with pytest.raises(SettingsError, match=r"parent\.yaml: found seed"):
        settings.load(write("extends: parent.yaml\nfft: {epochs: 3}\n"))
    with pytest.raises(SettingsError, match="overrides: found unknown key epochs"):
        settings.load("sample", epochs=3)


def test_a_missing_key_is_named(write):
    with pytest.raises(SettingsError, match=r"mine\.yaml: found no key corpus.*extends: sample"):
        settings.load(write("seed: 1\n"))


@pytest.mark.parametrize(
    "text",
    [
        "- a\n- b\n",
        "a: [",
        "",
        "1: 2",
        "seed: \xe9",
        "[" * 3000,
        "extends: [a]",
        "extends: mine.yaml",
        "a: " + "[" * 5000 + "]" * 5000,
        "a: &a [1]\nb: *a",
        "a: &a {b: 1}\nc: {<<: *a}",
        "a: 2024-13-45",
        "a: " + "9" * 5000,
        "a: !!python/object/apply:os.system [ls]",
        "extends: sample\n1: 2",
        "extends: sample\nfft: {1: 2, ~: 3, 1.5: 4}",
        "extends: sample\nfft: {? [a] : 2}",
        "extends: sample\nprofile: " + "a" * 61,
        "\0",
        "# " + "x" * 2_000_000 + "\nextends: sample",
    ],
)
def test_a_file_that_is_no_profile_is_named(write, text):
    with pytest.raises(SettingsError, match=r"mine\.yaml"):
        settings.load(write(text))


@pytest.mark.parametrize("parent", ["a" * 5000, "a" * 5000 + ".yaml", "a\\0.yaml", "/proc"])
def test_a_parent_that_can_be_no_file_is_an_error(write, parent):
    with pytest.raises(SettingsError, match="no such profile"):
        settings.load(write(f'extends: "{parent}"'))


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(SettingsError, match="full, .*sample, smoke"):
        settings.load("fulll")


def test_a_profile_of_a_few_lines_that_would_fill_any_memory_is_refused_at_once(write):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with bounded(), pytest.raises(SettingsError, match=r"mine\.yaml: found text that is not YAML"):
        settings.load(write("\n".join(lines)))


@pytest.mark.parametrize("key", ["lstm: {seeds: ", "study: {lstm: {vary: {units: "])
def test_more_trainings_than_anybody_waits_for_are_refused_at_once(write, key):
    text = f"extends: smoke\n{key}{[*range(1, 1002)]}" + "}" * key.count("{")
    with bounded(), pytest.raises(SettingsError, match="at most 1000 items"):
        settings.load(write(text))


def test_no_mutated_profile_is_anything_but_settings_or_an_error(write):
    text = "extends: smoke\nseed: 7\nfft: {epochs: 3, dense: [8, 32]}\nprofile: mine\n"
    rng, signs = (
        np.random.default_rng(0),
        [*":[]{}&*!|>'\"%@`#-?,\n\t \0\xe9~<.0e9", "../", "$(ls)"],
    )
    right = 0
    for _ in range(150):
        places = sorted(rng.integers(len(text), size=2))
        odd = signs[rng.integers(len(signs))]
        change = text[: places[0]] + odd + text[places[rng.integers(2)] :]
        try:
            name = settings.load(write(change)).profile
            assert re.fullmatch(r"\w[\w.+-]*", name)
            right += 1
        except SettingsError as error:
            assert "yaml" in str(error)  # noqa: PT017
    assert 2 < right < 145


@pytest.mark.parametrize("text", ["seed: 1\nseed: 2", "lstm: {units: 1}\nlstm: {epochs: 1}"])
def test_no_key_is_there_twice(write, text):
    with pytest.raises(SettingsError, match=r"(?s)mine\.yaml: .*twice, (seed|lstm)\)"):
        settings.load(write(f"extends: smoke\n{text}"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seed: 010", "seed = '010'"),
        ("seed: 1:30", "seed = '1:30'"),
        ("lstm: {seeds: [1, 1]}", "lstm.seeds = [1, 1]"),
        ("profile: reference", "profile = 'reference'"),
        ("profile: Reference", "profile = 'Reference'"),  # the same folder on a Mac
    ],
)
def test_what_looks_like_another_number_seed_or_folder_is_refused(write, text, found):
    with pytest.raises(SettingsError, match=re.escape(found)):
        settings.load(write(f"extends: smoke\n{text}"))


def test_a_power_of_ten_is_a_number(write):
    found = settings.load(write("extends: smoke\nlstm: {learning_rate: 1e-4}"))
    assert found.lstm.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study: {lstm: {causes: {frames: {changes: [5]}}}}", r"changes = 5 \(int\)"),
        ("study: {lstm: {causes: {frames: {changes: [null]}}}}", r"changes = None"),
        ("study: {lstm: {causes: {samples: {changes: [[cell, gru]]}}}}", r"changes = \['cell'"),
        ("study: {fft: {causes: {changes: [{a: 1}]}}}", r"changes = {'a': 1}"),
        ("lstm: {epochs: 2024-01-01}", r"lstm.epochs = '2024-01-01' \(str\)"),
        ("lsmt: {epochs: 3}", r"Did you mean lstm\?"),
        ("FFT: {epochs: 3}", r"Did you mean fft\?"),
    ],
)
def test_what_is_no_setting_is_named(write, text, message):
    with pytest.raises(SettingsError, match=message):
        settings.load(write(f"extends: smoke\n{text}\n"))


def test_profiles_that_extend_each_other_are_told_so(write):
    one = write("extends: two.yaml\n", "one")
    write("extends: one.yaml\n", "two")
    with pytest.raises(SettingsError, match="which extends this one in turn"):
        settings.load(one)


def test_text_that_is_not_yaml_is_told_of_in_one_line(write):
    with pytest.raises(SettingsError, match="found character '.t' that cannot start") as error:
        settings.load(write("extends: sample\ncorpus:\n\ttraining_clips: 3\n"))
    assert "\n" not in str(error.value)
