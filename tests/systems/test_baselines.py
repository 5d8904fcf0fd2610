import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from irmas_utils import metrics, plots
from irmas_utils.data import published
from irmas_utils.data.corpus import Splits
from irmas_utils.project import records, settings
from irmas_utils.project.vocabulary import INSTRUMENTS
from irmas_utils.systems.bosch import baselines, listening, streams
from irmas_utils.systems.bosch.experiments import EXPERIMENTS, Heard
from irmas_utils.systems.bosch.streams import StreamFeatures

N_DESCRIPTORS, N_RECORDINGS = 6, 4


def clips(codes, prefix):
    return pd.DataFrame(
        {
            "name": [f"{prefix}{i}" for i in range(len(codes))],
            "path": [f"{prefix}{i}" for i in range(len(codes))],
            "recording": [f"{prefix}{i}" for i in range(len(codes))],
            "labels": [(code,) for code in codes],
        }
    )


def described(table, names, rng, heard):
    """One window a clip; only the streams in `heard` tell the classes apart."""
    classes = np.array([INSTRUMENTS.index(labels[0]) for labels in table["labels"]])
    noise = {s: rng.normal(size=(len(table), N_DESCRIPTORS)) for s in names}
    for stream in heard:
        noise[stream] += 4 * np.eye(11)[classes][:, :N_DESCRIPTORS]
    return StreamFeatures(noise, np.arange(len(table)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    rng = np.random.default_rng(3)
    codes = list(INSTRUMENTS[:3])
    fitting, mixed, testing = (
        clips(codes * n, prefix) for n, prefix in ((N_RECORDINGS, "f"), (5, "m"), (6, "t"))
    )
    parts = Splits(fitting, mixed, testing)
    found = {
        "f": described(fitting, streams.TRAINING_STREAMS, rng, ["melody"]),
        "m": described(mixed, streams.ALL_STREAMS, rng, ["melody"]),
        "t": described(testing, streams.ALL_STREAMS, rng, ["melody"]),
    }
    cfg = settings.load("smoke")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "extract", lambda paths, *_, **__: found[paths.iloc[0][0]])
        patch.setattr(listening, "_seconds_a_clip", lambda *_: 0.0)
        patch.setattr(listening, "content", lambda clips: list(clips["path"]))
        patch.setenv("IRMAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        heard = listening.listen(parts, mixed, cfg)
    return heard, parts, mixed, cfg, baselines.run(heard, parts, mixed, cfg, "mean")


def test_published_figures_come_from_the_yaml(trained):
    table = baselines.results_table(trained[-1])
    facts = published.load("bosch2012")["experiments"]
    assert list(table["experiment"]) == list(EXPERIMENTS)
    assert list(table["published micro F1"]) == [e["micro_f1"] for e in facts.values()]
    assert table["micro F1"].between(0, 1).all()


def test_thresholds_and_streams_do_not_depend_on_the_testing_set(trained):
    heard, parts, mixed, cfg, results = trained
    silent = {k: np.zeros_like(v) for k, v in heard.testing.probabilities.items()}
    heard = heard._replace(testing=Heard(silent, heard.testing.clip))
    for number, other in baselines.run(heard, parts, mixed, cfg, "mean").items():
        assert other.system == results[number].system
        assert not other.scores.any()


def test_the_stream_that_tells_instruments_apart_scores_highest(trained):
    heard, parts, mixed, _, _ = trained
    table = baselines.stream_f1(heard, mixed, parts.testing)
    assert list(table.index) == list(streams.ALL_STREAMS)
    assert table.mean(axis=1).idxmax() == "melody"


def test_each_experiment_is_recorded_for_the_comparison(trained, tmp_path, monkeypatch):
    _, parts, _, cfg, results = trained
    monkeypatch.setenv("IRMAS_RESULTS", str(tmp_path))
    baselines.write(records.Record("08_bosch_baselines", cfg), results, parts.testing, 1.0)
    for number, result in results.items():
        kept = records.load_metrics("smoke", f"bosch-{number}")
        assert kept["evaluation"]["micro"]["f1"] == result.evaluation["micro"]["f1"]
        _, scores, decisions = records.load_predictions("smoke", f"bosch-{number}")
        np.testing.assert_allclose(scores, result.scores, atol=1e-6)
        expected = metrics.binarize(result.scores, result.system.threshold)
        np.testing.assert_array_equal(decisions, expected)


def test_the_best_stream_of_each_instrument_is_bold():
    scores = pd.DataFrame({"cello": [0.2, 0.9], "flute": [0.0, 0.0]}, index=["mono", "side"])
    texts = plots.f1_by_stream(scores).texts
    assert [text.get_weight() for text in texts] == ["normal", "normal", "bold", "normal"]
    plt.close("all")
