import gc
import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from conftest import SHARED
from tensorflow.python.framework import convert_to_constants

from irmas_utils.__main__ import main
from irmas_utils.audio import windows
from irmas_utils.models import han
from irmas_utils.project import paths
from irmas_utils.project.backend import keras, set_determinism
from irmas_utils.project.errors import AudioError, ModelError
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems import predict
from irmas_utils.systems.recognizer import Recognizer

WEIGHTS = SHARED / "weights"


@pytest.fixture(scope="module")
def recognizer():
    set_determinism(1)  # no score near the threshold, where it would be rounded to it
    return Recognizer(
        han.build(1 / 16), 32000, 16000, 8000, (0.5,) * 11,
        provenance={"name": "small network"},
    )  # fmt: skip


def _write(path, seconds=2.0, rate=44100, channels=2, seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    noise = rng.uniform(-0.5, 0.5, (round(seconds * rate), channels)).cumsum(axis=0)
    noise /= np.abs(noise).max() * 1.1
    soundfile.write(path, noise, rate, **kwargs)
    return path


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"rate": 8000, "channels": 1, "subtype": "FLOAT"}),
        ("a.flac", {"rate": 96000}),
        ("a.ogg", {"channels": 1}),
        ("a.mp3", {"rate": 48000}),
        ("a.wav", {"channels": 6}),
        ("ä ö.aiff", {"seconds": 0.01}),
        ("a.wav", {"seconds": 31.7, "rate": 22050}),
    ],
    ids=str,
)
def test_any_file(recognizer, tmp_path, name, kwargs):
    path = _write(tmp_path / name, **kwargs)
    found = predict.predict(path, recognizer)
    info = soundfile.info(path)
    assert (found.sample_rate, found.channels) == (info.samplerate, info.channels)
    assert found.duration == pytest.approx(info.duration)
    assert found.scores.shape == (11,)
    assert found.starts[-1] + 0.5 == pytest.approx(max(info.duration, 0.5), abs=0.001)
    expected = recognizer.score_files([path])[0]
    np.testing.assert_allclose(found.scores, expected, atol=2e-3)


@pytest.mark.parametrize("content", [b"", b"no audio", b"RIFF"], ids=str)
def test_unreadable_files(recognizer, tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.wav"):
        predict.predict(tmp_path / "a.wav", recognizer)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(recognizer, tmp_path, value):
    soundfile.write(tmp_path / "a.wav", np.full(40000, value), 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite"):
        predict.predict(tmp_path / "a.wav", recognizer)


def test_no_samples(recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 44100)
    with pytest.raises(AudioError, match="no samples"):
        predict.predict(tmp_path / "a.wav", recognizer)


@pytest.mark.parametrize("level", [0, 5e-4])
def test_silence_is_no_instrument(recognizer, tmp_path, level):
    lavish = replace(recognizer, thresholds=(1e-6,) * 11)
    noise = np.random.default_rng(0).uniform(-level, level, 40000)
    soundfile.write(tmp_path / "a.wav", noise, 16000, subtype="FLOAT")
    found = predict.predict(tmp_path / "a.wav", lavish)
    assert found.silent.all()
    assert not found.scores.any()
    assert not found.named.any()


def test_channels_that_cancel_each_other_are_no_silence(recognizer, tmp_path):
    _write(tmp_path / "a.wav", channels=1)
    noise = soundfile.read(tmp_path / "a.wav")[0]
    soundfile.write(tmp_path / "b.wav", np.stack([noise, -noise], axis=1), 44100)
    with pytest.raises(AudioError, match="channels that cancel each other"):
        predict.predict(tmp_path / "b.wav", recognizer)
    soundfile.write(tmp_path / "c.wav", np.zeros((44100, 2)), 44100)
    assert predict.predict(tmp_path / "c.wav", recognizer).silent.all()


def test_channels_that_cancel_for_a_while_are_told_of(saved, tmp_path, capsys):
    noise = soundfile.read(_write(tmp_path / "a.wav", 3, channels=1))[0]
    apart = np.stack([noise, -noise], axis=1)
    path = tmp_path / "b.wav"
    for parts in ((apart, abs(apart)), (abs(apart), apart), (apart[:70_000], abs(apart))):
        soundfile.write(path, np.concatenate(parts), 44100)
        assert main(["predict", str(path), "--json", "--model", saved]) == 0
        out, err = capsys.readouterr()
        seconds = re.search(r"([\d.]+) s are heard as silence", err)[1]
        assert float(seconds) == pytest.approx(min(map(len, parts)) / 44100, abs=0.25)
        assert json.loads(out)[0]["warning"] in err
    (content := bytearray(path.read_bytes()))[40:44] = (10**8).to_bytes(4, "little")
    path.write_bytes(content)
    assert main(["predict", str(path), "--model", saved]) == 0
    assert re.search("the file ends early, and .* one of them alone\n$", capsys.readouterr().err)


def test_what_is_quiet_and_wide_does_not_cancel(recognizer, tmp_path):
    quiet = np.random.default_rng(0).uniform(-0.0012, 0.0012, (44100, 2)) * [1, 0.2]
    loud = np.full((44100, 2), 0.5)
    for parts in ((quiet,), (quiet, loud), (loud, np.zeros((44100, 2)))):
        soundfile.write(tmp_path / "a.wav", np.concatenate(parts), 44100)
        found = predict.predict(tmp_path / "a.wav", recognizer)
        assert found.silent.any()
        assert found.shortfall == ""


def test_silent_stretches_have_no_say(recognizer, tmp_path):
    _write(tmp_path / "a.wav", 2, 32000, 1)
    samples = np.concatenate([soundfile.read(tmp_path / "a.wav")[0], np.zeros(64000)])
    soundfile.write(tmp_path / "b.wav", samples, 32000)
    found = predict.predict(tmp_path / "b.wav", recognizer)
    assert found.silent.tolist() == [False] * 8 + [True] * 7 == (found.starts >= 2).tolist()
    assert not found.window_scores[found.silent].any()
    heard = windows.aggregate(found.window_scores[:8])
    np.testing.assert_allclose(found.scores, heard)
    assert np.abs(found.scores - windows.aggregate(found.window_scores)).max() > 0.1


@pytest.mark.parametrize("format", ["MP3", "OGG"])
def test_of_joined_files_the_first_is_heard_and_the_rest_told_of(recognizer, tmp_path, format):
    path = _write(tmp_path / "a", 1.0, channels=1, format=format)
    path.write_bytes(path.read_bytes() * 3)
    found = predict.predict(path, recognizer)
    assert found.duration == pytest.approx(1, abs=0.2)
    assert re.fullmatch(r"only the first 1\.\d s .* goes on after them", found.shortfall)


def test_memory_does_not_grow_with_the_file(tmp_path):
    waveform = keras.Input((None,))
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.Reshape((-1, 1))(waveform))
    model = keras.Model(waveform, keras.layers.Dense(11, "sigmoid")(mean))
    cheap = Recognizer(model, 8000, 8000, 8000, (0.5,) * 11)
    peaks = []
    for seconds in (60, 60, 600):
        path = _write(tmp_path / "a.wav", seconds, rate=8000)
        tracemalloc.start()
        predict.predict(path, cheap)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 2**20


def test_command_prints_a_table_and_goes_on_after_errors(recognizer, tmp_path, capsys):
    model = recognizer.save(tmp_path / "model")
    good = str(_write(tmp_path / "good.wav"))
    assert main(["predict", str(tmp_path / "gone.wav"), good, "--model", str(model)]) == 1
    out, err = capsys.readouterr()
    assert "small network" in out
    assert "good.wav  (0:02, 44100 Hz, 2 channels)" in out
    assert "acoustic guitar" in out
    assert err.startswith("error: ")
    assert "gone.wav" in err
    assert err.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error(recognizer, tmp_path):
    model = recognizer.save(tmp_path / "model")
    files = [str(_write(tmp_path / "good.wav"))] * 3
    command = [sys.executable, "-m", "irmas_utils", "predict", *files, "--model", str(model)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait() == 1


def test_command_prints_json(recognizer, tmp_path, capsys):
    model = recognizer.save(tmp_path / "model")
    good = str(_write(tmp_path / "good.wav"))
    files = [good, str(tmp_path / "gone.wav")]
    assert main(["predict", *files, "--json", "--model", str(model)]) == 1
    entries = json.loads(capsys.readouterr().out)
    assert [entry["file"] for entry in entries] == files
    assert list(entries[0]["scores"]) == list(INSTRUMENTS)
    assert [window["start"] for window in entries[0]["windows"]] == [
        0,
        0.25,
        0.5,
        0.75,
        1,
        1.25,
        1.5,
    ]
    named = [c for c, score in entries[0]["scores"].items() if score > 0.5]
    assert entries[0]["instruments"] == named
    assert "gone.wav" in entries[1]["error"]
    assert main(["predict", good, "--model", str(model)]) == 0


@pytest.fixture(scope="module")
def saved(recognizer, tmp_path_factory):
    return str(recognizer.save(tmp_path_factory.mktemp("model") / "small"))


def _bad_files(folder):
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "pipe.wav")
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "text.wav").write_text("no audio")
    (folder / "take.raw").write_bytes(bytes(1000))
    soundfile.write(folder / "one_sample.wav", [0.5], 192000)
    soundfile.write(folder / "nan.wav", np.full(1000, np.nan), 44100, subtype="FLOAT")
    swapped = np.linspace(-0.5, 0.5, 9999, dtype=">f4").view("<f4")
    soundfile.write(folder / "swapped.wav", np.nan_to_num(swapped), 44100, subtype="FLOAT")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_one_bad_file_never_ends_the_others(saved, tmp_path, capsys, options):
    bad = [str(path) for path in _bad_files(tmp_path)]
    good = [str(_write(tmp_path / "a.wav")), str(tmp_path / "b.raw")]
    _write(tmp_path / "b.wav").rename(good[1])
    assert main(["predict", good[0], *bad, good[1], "--model", saved, *options]) == 1
    out, err = capsys.readouterr()
    assert [line.split(": ")[1] for line in err.splitlines()] == bad
    if options:
        entries = json.loads(out, parse_constant=pytest.fail)
        assert [entry["file"] for entry in entries] == [good[0], *bad, good[1]]
        assert ["error" in entry for entry in entries] == [False, *[True] * len(bad), False]
    else:
        assert [line.split("  ")[0] for line in out.splitlines() if "Hz" in line] == good


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_could_not_be_read_of_a_file_is_said(saved, tmp_path, capsys, options):
    path = _write(tmp_path / "cut.wav", 4)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main(["predict", str(path), "--model", saved, *options]) == 0
    out, err = capsys.readouterr()
    word = "only the first 2.0 s can be read: the file ends early"
    assert err == f"warning: {path}: {word}\n"
    assert "(0:02" in out or json.loads(out)[0]["warning"] == word


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("name", [b"S\xf3lo.wav", "Sólo ♫ 🎵.wav".encode()])
def test_names_that_the_terminal_cannot_show(saved, tmp_path, monkeypatch, options, name):
    _write(tmp_path / "a.wav")
    path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
    (tmp_path / "a.wav").rename(path)
    out = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(out, encoding="ascii"))
    assert main(["predict", path, "--model", saved, *options]) == 0
    text = out.getvalue().decode("ascii")
    assert json.loads(text)[0]["file"] == path if options else "lo" in text


def test_a_name_gives_the_terminal_no_commands(saved, tmp_path, capsys):
    good, gone = (f"{tmp_path}/\x1b[31m\n\u202e{name}.wav" for name in ("good", "gone"))
    _write(good)
    assert main(["predict", good, gone, "--model", saved, "--labels", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert r"/\x1b[31m\n\u202egone.wav: found no such file" in err
    assert r"/\x1b[31m\n\u202egood.wav  (0:02" in out
    assert not {*out} & {"\x1b", "\u202e"}


def test_what_a_library_raises_is_one_line_that_gives_no_commands(
    saved, tmp_path, capsys, monkeypatch
):
    def broken(*_):
        raise ArithmeticError("\x1b[1mout of\x1b[0m reach\nmore of it")

    monkeypatch.setattr("irmas_utils.systems.predict.predict", broken)
    assert main(["predict", str(_write(tmp_path / "a.wav")), "--model", saved]) == 1
    err = capsys.readouterr().err
    assert err.endswith("a.wav: ArithmeticError: \\x1b[1mout of\\x1b[0m reach\n")
    assert err.count("\n") == 1


def test_what_libsndfile_does_not_read_is_to_be_converted(saved, tmp_path, capsys):
    for name in ("a.m4a", "b.wav"):
        (tmp_path / name).write_bytes(b"\0\0\0\x20ftypM4A " + bytes(99))
    assert main(["predict", str(tmp_path), str(tmp_path / "gone.m4a"), "--model", saved]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.endswith("Convert it to WAV or FLAC.") for line in lines] == [True, False, False]


def test_a_missing_file_alone_is_json_too(saved, tmp_path, capsys):
    assert main(["predict", str(tmp_path / "gone.wav"), "--model", saved, "--json"]) == 1
    assert "found no such file" in json.loads(capsys.readouterr().out)[0]["error"]


@pytest.mark.parametrize("path", ["a/" * 3000, "x" * 300])
def test_names_that_no_file_can_have_are_one_line(path, capsys):
    assert main(["predict", path]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_missing_model_is_one_line(tmp_path, capsys):
    model = str(tmp_path / "m.keras")
    assert main(["predict", str(_write(tmp_path / "a.wav")), "--model", model]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


def _place(recognizer, profile, data, age):
    provenance = {"name": f"{profile} {age}", "data": data}
    model = Recognizer(recognizer.model, 32000, 16000, 8000, (0.5,) * 11, provenance=provenance)
    path = model.save(paths.results_root() / profile / "models" / f"m{age}")
    os.utime(path, (10_000 - age, 10_000 - age))
    return path


SAMPLE = "sample corpus, not IRMAS"


@pytest.fixture
def no_weights(monkeypatch):
    monkeypatch.setattr(predict.fetch, "available", lambda: (None, "no network"))


def test_default_is_the_newest_model_trained_on_irmas(recognizer, no_weights):
    _place(recognizer, "sample", SAMPLE, 1)
    _place(recognizer, "full", SAMPLE, 1)
    _place(recognizer, "mine", "IRMAS", 1)
    _place(recognizer, "full", "IRMAS", 3)
    _place(recognizer, "full", "IRMAS", 2)
    _place(recognizer, "full", "IRMAS", 4)
    chosen, ear = predict.listeners()
    assert (chosen.name, ear) == ("full 2", None)


def test_a_damaged_default_is_told_of(recognizer):
    damaged = _place(recognizer, "full", "IRMAS", 1)
    damaged.with_suffix(".json").write_text("{")
    with pytest.raises(ModelError, match="m1"):
        predict.listeners()


def test_another_profiles_model_is_taken_only_if_it_is_named(
    recognizer, no_weights, tmp_path, capsys
):
    clip = str(_write(tmp_path / "a.wav"))
    assert main(["predict", clip]) == 1
    assert "which `make paper` makes" in capsys.readouterr().err
    named = _place(recognizer, "sample", SAMPLE, 1)
    for file in (named, named.with_suffix(".json")):
        file.rename(file.with_stem("recognizer"))
    assert main(["predict", clip]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "no network" in err
    assert main(["predict", clip, *re.search(r"(--model) (\S+)\.$", err).groups()]) == 0
    assert "model: sample 1." in capsys.readouterr().out


@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no weights at hand")
def test_untrained_network_is_the_last_resort(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("IRMAS_WEIGHTS", str(WEIGHTS))
    assert main(["predict", str(_write(tmp_path / "a.wav"))]) == 0
    assert "untrained on IRMAS" in capsys.readouterr().out


@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no weights at hand")
def test_untrained_network_hears_a_cello_and_a_trumpet(monkeypatch, tmp_path):
    monkeypatch.setenv("IRMAS_WEIGHTS", str(WEIGHTS))
    reference = np.load(WEIGHTS / "mn04_reference.npz")
    recognizer, ear = predict.listeners()
    assert ear is recognizer
    for code, clip in (("cel", "cello"), ("tru", "trumpet")):
        soundfile.write(tmp_path / "a.wav", reference[f"{clip}_waveform"], 32000)
        found = predict.predict(tmp_path / "a.wav", recognizer, ear)
        assert INSTRUMENTS[found.scores.argmax()] == code
        assert found.window_scores.shape == (len(found.starts), 11)


@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no weights at hand")
def test_the_published_network_is_built_once(monkeypatch, tmp_path):
    monkeypatch.setenv("IRMAS_WEIGHTS", str(WEIGHTS))
    path, plain = _write(tmp_path / "a.wav"), predict.untrained()
    first = predict.predict(path, *predict.listeners())
    np.testing.assert_allclose(first.scores, predict.predict(path, plain).scores, rtol=1e-3)
    monkeypatch.setattr(predict, "untrained", pytest.fail)
    again = predict.predict(path, *predict.listeners())
    np.testing.assert_array_equal(again.window_scores, first.window_scores)


def _drum_loop(path, rate=44100):
    """Write a bass drum, a snare and a hi-hat, two bars of them."""
    rng, t = np.random.default_rng(0), np.arange(round(0.4 * rate)) / rate
    bass = np.sin(2 * np.pi * (50 * t + 3 * (1 - np.exp(-30 * t)))) * np.exp(-9 * t)
    snare = (0.5 * rng.normal(size=len(t)) + np.sin(2 * np.pi * 190 * t)) * np.exp(-20 * t)
    hat = 0.3 * np.diff(rng.normal(size=len(t) + 1)) * np.exp(-60 * t)
    loop = np.zeros(4 * rate + len(t))
    for beat in range(16):
        place = slice(beat * rate // 4, beat * rate // 4 + len(t))
        loop[place] += hat + bass * (beat % 4 == 0) + snare * (beat % 4 == 2)
    soundfile.write(path, 0.8 * loop / np.abs(loop).max(), rate)
    return path


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no weights at hand")
def test_drums_are_heard_beside_the_eleven_and_no_instrument_is_named(
    monkeypatch, tmp_path, recognizer
):
    monkeypatch.setenv("IRMAS_WEIGHTS", str(WEIGHTS))
    convert = convert_to_constants.convert_variables_to_constants_v2
    monkeypatch.setattr(
        convert_to_constants,
        convert.__name__,
        lambda graph: (gc.collect(), convert(graph))[1],  # nothing is freed too early
    )
    path = _drum_loop(tmp_path / "loop.wav")
    found = predict.predict(path, *predict.listeners())
    assert "Drum machine" in found.others
    assert not found.named.any()
    chosen, ear = predict.listeners(recognizer.save(tmp_path / "model"))
    other = predict.predict(path, chosen, ear)
    assert other.others == pytest.approx(found.others, rel=1e-4)
    np.testing.assert_array_equal(other.scores, predict.predict(path, recognizer).scores)
    soundfile.write(tmp_path / "silence.wav", np.zeros(44100), 44100)
    assert predict.predict(tmp_path / "silence.wav", *predict.listeners()).others == {}


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no weights at hand")
def test_the_published_network_on_real_clips(monkeypatch, real_clips):
    monkeypatch.setenv("IRMAS_WEIGHTS", str(WEIGHTS))
    files = sorted(real_clips.rglob("*.wav"))
    both = predict.listeners()
    found = [predict.predict(path, *both) for path in files]
    right = [INSTRUMENTS[p.scores.argmax()] == p.path.parent.name for p in found]
    named = [p.named[INSTRUMENTS.index(p.path.parent.name)] for p in found]
    assert (len(found), sum(right), sum(named)) == (60, 42, 59)
    assert sum(p.named.sum() for p in found) == 212


def test_every_moment_belongs_to_the_nearest_window(recognizer, tmp_path):
    found = predict.predict(_write(tmp_path / "a.wav", 1.3), recognizer)
    np.testing.assert_allclose(found.starts, [0, 0.25, 0.5, 0.75, 0.8], atol=1e-3)
    np.testing.assert_allclose(found.edges, [0, 0.375, 0.625, 0.875, 1.025, 1.3], atol=1e-3)
    short = predict.predict(_write(tmp_path / "b.wav", 0.2), recognizer)
    assert short.edges.tolist() == [0, 0.2]
