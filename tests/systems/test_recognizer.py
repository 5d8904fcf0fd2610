import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from limits import bounded
from markdown_it import MarkdownIt

from irmas_utils.audio import windows
from irmas_utils.models import efficientat, han, lstm  # noqa: F401 - its layers are in a file
from irmas_utils.project import files, paths
from irmas_utils.project.backend import keras
from irmas_utils.project.errors import ModelError
from irmas_utils.systems import answers, predict
from irmas_utils.systems.recognizer import Recognizer, card, describe, shown

PROVENANCE = {
    "name": "small network",
    "data": "sample corpus, not IRMAS",
    "settings": {"epochs": 3},
    "metrics": {"micro F1": {"value": 0.5, "low": 0.4, "high": 0.6}, "parameters": 42},
    "notes": ["For tests."],
}


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(
        han.build(1 / 16),
        sample_rate=32000,
        window=16000,
        hop=8000,
        thresholds=tuple(np.linspace(0.1, 0.6, 11)),
        provenance=PROVENANCE,
    )


@pytest.fixture(scope="module")
def saved(recognizer, tmp_path_factory):
    return recognizer.save(tmp_path_factory.mktemp("saved") / "models" / "small")


@pytest.fixture
def path(saved, tmp_path):
    return shutil.copytree(saved.parent, tmp_path / "models") / saved.name


@pytest.fixture(scope="module")
def tiny(recognizer):
    waveform = keras.Input((16000,))
    return replace(
        recognizer, model=keras.Model(waveform, keras.layers.Dense(11, "sigmoid")(waveform))
    )


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(size=60000).astype(np.float32)


def _change(path, **values):
    file = path.with_suffix(".json")
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_predicts_the_same_after_loading(recognizer, path, noise):
    assert sorted(p.name for p in path.parent.iterdir()) == ["small.json", "small.keras"]
    loaded = Recognizer.load(path)
    np.testing.assert_array_equal(loaded.score(noise), recognizer.score(noise))
    assert replace(loaded, model=recognizer.model) == replace(recognizer, provenance=PROVENANCE)


def test_the_network_is_compiled_once_and_as_it_is_loaded(path, noise):
    loaded = Recognizer.load(path)
    assert loaded.forward.experimental_get_tracing_count() == 1
    loaded.score(noise)
    assert loaded.forward.experimental_get_tracing_count() == 1


def test_loads_where_no_training_code_was_imported(path, noise, recognizer):
    code = (
        "import numpy as np; from irmas_utils.systems.recognizer import Recognizer;"
        "x = np.random.default_rng(0).normal(size=60000).astype(np.float32);"
        f"print(Recognizer.load({str(path)!r}).score(x).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout), recognizer.score(noise), rtol=1e-5)


def test_efficientat_survives_saving(tmp_path):
    model = efficientat.mn04(11, width=0.1, level=0.1, mask_frames=3)
    before = Recognizer(model, 32000, 16000, 8000, (0.2,) * 11, "s1")
    after = Recognizer.load(before.save(tmp_path / "mn.keras"))
    x = np.random.default_rng(0).normal(size=50000).astype(np.float32)
    np.testing.assert_array_equal(before.score(x), after.score(x))


def test_score_joins_windows(recognizer, noise):
    starts, scores = recognizer.score_windows(recognizer.cut(np.array_split(noise, 7)))
    np.testing.assert_allclose(starts * 32000, [0, 8000, 16000, 24000, 32000, 40000, 44000])
    cut = np.stack([window for _, window in windows.stream([noise], 16000, 8000)])
    expected = recognizer.model(cut)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    np.testing.assert_allclose(recognizer.score(noise), windows.aggregate(scores), rtol=1e-4)


def test_nothing_to_score(recognizer):
    starts, scores = recognizer.score_windows([])
    assert len(starts) == 0
    assert scores.shape == (0, 11)


@pytest.mark.parametrize("suffix", [".keras", ".json"])
def test_missing_files_are_named(path, suffix):
    path.with_suffix(suffix).unlink()
    with pytest.raises(ModelError, match=rf"small\{suffix}: found no such file"):
        Recognizer.load(path)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "other"}, "another kind"),
        ({"labels": "cel"}, "labels"),
        ({"labels": []}, "labels"),
        ({"labels": ["cel"] * 11}, "labels"),
        ({"labels": [["cel"]] * 11}, "labels"),
        ({"labels": ["cel"]}, "thresholds"),
        ({"labels": ["cel"], "thresholds": [0.5]}, "outputs"),
        ({"thresholds": [0.5]}, "thresholds"),
        ({"thresholds": [None] * 11}, "thresholds"),
        ({"labels": ["also_heard", *"abcdefghij"]}, "none called as a column"),
        ({"window": 100, "hop": 1}, r"small\.keras: .*; expected .* 100 samples to 11 scores"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": 999}, "sample_rate"),
        ({"hop": 1.5}, "hop"),
        ({"hop": 16001}, "hop"),
        ({"aggregation": "vote"}, "aggregation"),
        ({"aggregation": []}, "aggregation"),
        ({"provenance": None}, "provenance"),
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"sha256": None}, "sha256"),
        ({"thresholds": [float("nan")] * 11}, "thresholds"),
        ({"thresholds": [float("inf")] * 11}, "thresholds"),
        ({"thresholds": [10**400] * 11}, "thresholds"),
        ({"thresholds": [1.5] * 11}, "thresholds"),
        ({"thresholds": [True] * 11}, "thresholds"),
        ({"window": 10**9}, "window"),
        ({"window": -1}, "window"),
        ({"hop": 1}, "hop"),
        ({"sample_rate": 10**12}, "sample_rate"),
        ({"sample_rate": True}, "sample_rate"),
        ({"provenance": {"name": ["a"]}}, "provenance.name"),
        ({"provenance": {"name": "a" * 100_000}}, "provenance.name"),
        ({"provenance": {"settings": [1]}}, "provenance.settings"),
        ({"provenance": {"metrics": {"micro F1": {"value": "x"}}}}, "provenance.metrics"),
        ({"provenance": {"notes": "text"}}, "provenance.notes"),
        ({"labels": ["a" * 2_000_000] + ["b"] * 10}, "not JSON"),
    ],
    ids=str,
)
def test_wrong_descriptions_are_refused(path, values, found):
    _change(path, **values)
    with pytest.raises(ModelError, match=found):
        Recognizer.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"provenance": ' + b"[" * 100_000]
)
def test_damaged_descriptions_are_refused(path, content):
    path.with_suffix(".json").write_bytes(content)
    with pytest.raises(ModelError, match="json"):
        Recognizer.load(path)


def test_a_description_that_was_edited_or_damaged_is_told_of(path, capsys):
    file = path.with_suffix(".json")
    whole = json.loads(file.read_text())
    assert describe(path) == {key: value for key, value in whole.items() if key != "digest"}
    assert capsys.readouterr().err == ""
    file.write_text(json.dumps(whole | {"thresholds": [0.25] * len(whole["thresholds"])}))
    assert describe(path)["thresholds"][0] == 0.25
    said = f"warning: {file} is not what was saved: edited or damaged\n"
    assert capsys.readouterr().err == said
    for empty in ("", 0, None):
        file.write_text(json.dumps(whole | {"digest": empty}))
        describe(path)
        assert capsys.readouterr().err == said
    del whole["digest"]  # as models of before have none
    file.write_text(json.dumps(whole))
    describe(path)
    assert capsys.readouterr().err == ""


def test_a_damaged_network_is_refused(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        Recognizer.load(path)


def test_a_network_that_keras_cannot_read_is_refused(path):
    path.write_bytes(b"not a zip archive")
    _change(path, sha256=files.sha256(path))
    with pytest.raises(ModelError, match="does not load"):
        Recognizer.load(path)


def _with_config(path, change):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in change(content).items():
            compression = zipfile.ZIP_DEFLATED if len(member) > 2**24 else zipfile.ZIP_STORED
            archive.writestr(name, member, compression)
    _change(path, sha256=files.sha256(path))


WIDE = {
    "module": "keras", "class_name": "Sequential", "registered_name": None,
    "config": {"name": "wide", "layers": [
        {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
         "config": {"batch_shape": [None, 100_000], "dtype": "float32", "name": "waveform"}},
        {"module": "keras.layers", "class_name": "Dense", "registered_name": None,
         "config": {"name": "scores", "units": 50_000, "activation": "linear"}}]},
}  # fmt: skip
LAMBDA = json.loads(json.dumps(WIDE).replace("Dense", "Lambda"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda kept: kept | {"config.json": json.dumps(WIDE).encode()}, "bytes of weights"),
        (lambda kept: kept | {"config.json": b"[" * 100_000}, "recursion"),
        (lambda kept: kept | {"config.json": json.dumps(LAMBDA).encode()}, "does not load"),
        (lambda kept: kept | {"config.json": b"{}"}, "does not load"),
        (lambda kept: kept | {"spare": bytes(500 << 20)}, "compressed"),
        (lambda kept: {"config.json": kept["config.json"]}, "bytes of weights"),
        (lambda kept: {}, "config.json"),
    ],
)
def test_a_hostile_network_is_one_error_of_bounded_memory(path, change, reason):
    _with_config(path, change)
    with bounded(seconds=20), pytest.raises(ModelError, match=reason):
        Recognizer.load(path)
    with bounded():  # nothing that was planned for it is made later
        keras.Sequential([keras.layers.Dense(2)]).compute_output_spec(keras.KerasTensor((1, 2)))


def test_no_mutated_model_is_believed(path):
    whole = path.read_bytes(), path.with_suffix(".json").read_bytes()
    rng = np.random.default_rng(0)
    for number in range(300):
        content = bytearray(whole[number % 2])
        content[place := rng.integers(len(content))] ^= 1 << rng.integers(8)
        file = path.with_suffix([".keras", ".json"][number % 2])
        file.write_bytes(content[:place] if number % 7 == 0 else content)
        try:
            card(path) if number % 2 else Recognizer.load(path)
            assert number % 2, "a changed network was loaded"
        except ModelError as error:
            assert str(path.with_suffix("")) in str(error)  # noqa: PT017
        file.write_bytes(whole[number % 2])


@pytest.mark.parametrize("name", ["mn04-lr0.001", "mn04.v2", "v2"])
def test_a_name_with_a_dot_is_one_model(tiny, tmp_path, name):
    tiny.save(tmp_path / "mn04")
    tiny.save(tmp_path / "mn04-lr0")
    with pytest.raises(ModelError, match=f"{name}.keras: found no such file"):
        Recognizer.load(tmp_path / name)
    replace(tiny, hop=4000).save(tmp_path / name)
    assert Recognizer.load(tmp_path / name).hop == 4000
    assert Recognizer.load(tmp_path / f"{name}.keras").hop == 4000
    assert "every 0.12 s" in card(tmp_path / name)
    assert Recognizer.load(tmp_path / "mn04").hop == 8000


HOSTILE = "<img src=x onerror=alert(1)> `a` [b](javascript:c) | $d$ *e*\n\n# f"


def test_whatever_a_model_says_of_itself_is_shown_as_text(path):
    provenance = dict.fromkeys(["name", "data", "licence", "start", "seed"], HOSTILE)
    provenance |= {
        "notes": [HOSTILE],
        "metrics": {HOSTILE: HOSTILE},
        "settings": {HOSTILE: HOSTILE},
    }
    _change(path, provenance=provenance, model=HOSTILE, keras=HOSTILE)
    described = json.loads(path.with_suffix(".json").read_text())
    _change(path, labels=[f"{HOSTILE} {code}" for code in described["labels"]])
    text = card(path)
    page = MarkdownIt("commonmark").enable("table").render(text)
    assert "<img" not in page
    assert "javascript:c" not in re.sub(r">[^<]*<", "><", page)  # no link to it
    assert page.count("<h1>") == 1
    assert [row.count("<td") for row in page.split("<tr>")[1:] if "<td" in row] == [2] * (
        page.count("<td") // 2
    )
    assert page.count("onerror=alert(1)") == text.count("onerror=alert(1)")


def test_a_name_is_text_for_markdown_and_html():
    assert shown("a <b> & *c*\n# d") == r"a &lt;b&gt; &amp; \*c\* # d"
    assert shown("EfficientAT mn04_as, 3 s (MIT)") == "EfficientAT mn04_as, 3 s (MIT)"


def test_a_network_with_other_outputs_is_refused(recognizer, tmp_path):
    waveform = keras.Input((8000,))
    model = keras.Model(waveform, keras.layers.Dense(12)(waveform))
    path = replace(recognizer, model=model).save(tmp_path / "wide")
    with pytest.raises(ModelError, match="outputs"):
        Recognizer.load(path)


@pytest.mark.parametrize(("bias", "found"), [(3.0, "scores from"), (np.nan, "scores from nan")])
def test_a_network_without_a_sigmoid_or_diverged_is_refused(recognizer, tmp_path, bias, found):
    waveform = keras.Input((16000,))
    scores = keras.layers.Dense(11, bias_initializer=keras.initializers.Constant(bias))(waveform)
    path = replace(recognizer, model=keras.Model(waveform, scores)).save(tmp_path / "logits")
    with pytest.raises(ModelError, match=rf"{found}.*expected .* 11 scores from 0 to 1"):
        Recognizer.load(path)


def test_model_card(path):
    text = card(path)
    assert text.startswith("# small network\n")
    for part in ("0.500 (95 % interval 0.400 to 0.600)", "sample corpus, not IRMAS", "`epochs`",
                 "| cello | 0.100 |", "| voice | 0.600 |", "* For tests.", "0.50 s"):  # fmt: skip
        assert part in text
    assert "{" not in text


def test_other_labels_are_those_of_the_model(tmp_path):
    waveform = keras.Input((4000,))
    model = keras.Model(waveform, keras.layers.Dense(2, "sigmoid")(waveform))
    labels = ("voi", "kazoo")
    before = Recognizer(model, 8000, 4000, 4000, (0.4, 0.6), labels=labels)
    path = before.save(tmp_path / "other")
    after = Recognizer.load(path)
    assert after.labels == labels
    assert after.score(np.zeros(9000, np.float32)).shape == (2,)
    for part in ("which of 2 instruments", "| voice | 0.400 |", "| kazoo | 0.600 |"):
        assert part in card(path)
    soundfile.write(tmp_path / "a.wav", np.full(9000, 0.01), 8000)
    found = answers.as_dict(predict.predict(tmp_path / "a.wav", after))
    assert list(found["scores"]) == list(labels)
    assert found["instruments"] == ["voi"]


def sound(n_samples):
    t = np.arange(n_samples)
    return (np.sin(0.05 * t) * np.cos(0.0007 * t)).astype(np.float32)


@pytest.mark.parametrize("name", ["han", "lstm", "fft"])
def test_models_saved_by_earlier_versions_load(name):
    """Written before the modules had rooms; to be kept: people's models are of that time."""
    folder = paths.ROOT / "tests" / "golden" / "keras"
    expected = json.loads((folder / "expected.json").read_text())[name]
    if name == "han":
        found = Recognizer.load(folder / name).score(sound(20000))
    else:
        inputs = {"lstm": [sound(8000).reshape(2, 4000), np.array([4000, 3000], np.int32)],
                  "fft": sound(16).reshape(2, 8)}  # fmt: skip
        model = keras.saving.load_model(folder / f"{name}.keras", compile=False)
        found = model(inputs[name], training=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)
