"""Figures: they draw what they were given and fit their space."""

import inspect
import itertools
from unittest import mock

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from irmas_utils import metrics, plots
from irmas_utils.data import corpus
from irmas_utils.metrics import levels
from irmas_utils.paper import claims
from irmas_utils.plots import signals, style
from irmas_utils.project import settings
from irmas_utils.project.vocabulary import INSTRUMENTS

RATE = 44100


@pytest.fixture(autouse=True)
def drawing():
    mpl.use("Agg")
    with mpl.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def fake_clip(seconds=3.0):
    t = np.arange(int(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 12)]
    noise = np.random.default_rng(0).normal(0, 0.02, len(t))
    return (0.3 * sum(tones) * np.exp(-(t % 0.75) * 3) + noise).astype(np.float32)


def fake_mel(n_frames=260, seed=0):
    rng = np.random.default_rng(seed)
    bands = -20 - 50 * np.linspace(0, 1, 128)[:, None] + 10 * np.sin(np.arange(n_frames) / 9)
    return bands + rng.normal(0, 4, (128, n_frames)) + 12 * (rng.random((128, 1)) < 0.15)


def fake_labels(n_clips=800, seed=0):
    rng = np.random.default_rng(seed)
    rate = claims.label_counts("testing") / 2874
    y_true = rng.random((n_clips, 11)) < rate
    y_true[~y_true.any(axis=1), 10] = True
    logits = 2.2 * y_true - 1.8 + rng.normal(0, 1.2, y_true.shape)
    return y_true, 1 / (1 + np.exp(-logits)), np.arange(n_clips) // 12


def fake_result(n_clips=800):
    y_true, y_score, groups = fake_labels(n_clips)
    return metrics.evaluate(y_true, metrics.binarize(y_score), y_score, groups, n_bootstrap=200)


def fake_history(n_seeds=3, n_epochs=90):
    rows = []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        for epoch in range(1, n_epochs + 1):
            rise = 1 - np.exp(-epoch / 25)
            rows.append(
                {
                    "seed": seed,
                    "epoch": epoch,
                    "accuracy": 0.1 + 0.6 * rise + rng.normal(0, 0.01),
                    "val_accuracy": 0.1 + 0.25 * rise + rng.normal(0, 0.015),
                    "loss": 2.4 - 1.8 * rise + rng.normal(0, 0.02),
                    "val_loss": 2.4 + 0.02 * epoch * rise + rng.normal(0, 0.05),
                }
            )
    return pd.DataFrame(rows)


def fake_systems():
    rows = [
        ("Bosch et al. 2012, experiment 5", "published", 0.503, None, None),
        ("Bosch et al. 2012, experiment 1", "published", 0.378, None, None),
        ("prior top-3", "trivial", 0.4404, 0.42, 0.461),
        ("paper's constant", "trivial", 0.3804, 0.365, 0.396),
        ("all eleven", "trivial", 0.2692, 0.262, 0.277),
        ("LSTM model", "ours", 0.381, 0.36, 0.40),
        ("FFT model", "ours", 0.291, 0.27, 0.31),
    ]
    return pd.DataFrame(rows, columns=["name", "kind", "value", "low", "high"])


def fake_differences():
    rows = [("spectrogram images", 0.08, 0.03, 0.12), ("larger network", -0.01, None, None)]
    return pd.DataFrame(rows, columns=["idea", "difference", "low", "high"])


def fake_stream_scores():
    scores = np.random.default_rng(0).random((5, 11))
    return pd.DataFrame(scores, index=["mono", "left", "drums", "pitched", "lead"],
                        columns=[str(code) for code in INSTRUMENTS])  # fmt: skip


def fake_quality():
    rng, stems = np.random.default_rng(0), np.tile(["drums", "bass", "melody", "other"], 6)
    mixture, si_sdr = rng.normal(-5, 3, 24), rng.normal(3, 3, 24)
    return pd.DataFrame({"stem": stems, "mixture": mixture, "si_sdr": si_sdr})


def fake_study():
    rng, values = np.random.default_rng(0), np.repeat([1, 2, 4, 8, 16], 3)
    return values, 0.32 - 0.01 * np.abs(np.log2(values) - 2) + rng.normal(0, 0.006, len(values))


def fake_levels():
    rng, rows = np.random.default_rng(0), []
    for system in ("one", "two", "three"):
        for code, excerpt, others in itertools.product(INSTRUMENTS, range(2), (1, 3)):
            named = rng.random(4) < (0.1, 0.2, 0.5, 0.9)
            rows.append((system, code, excerpt, others, *named.astype(int)))
    columns = ["system", "instrument", "excerpt", "others", "absent", "-12", "0", "12"]
    return pd.DataFrame(rows, columns=columns)


def fake_durations():
    rows = [
        ("one", 7.5, 300, 0.4, 0.3, 0.5),
        ("one", 16.2, 900, 0.3, 0.2, 0.4),
        ("two", 7.5, 300, 0.5, 0.4, 0.6),
        ("two", 16.2, 900, 0.4, None, None),
    ]
    return pd.DataFrame(rows, columns=["cause", "seconds", "clips", "value", "low", "high"])


def gradients():
    t = np.arange(132_300)
    noise = np.exp(np.random.default_rng(0).normal(0, 0.5, len(t)))
    return np.where(t > 120_000, np.exp((t - 132_300) / 300) * noise, 0)


FIGURES = {
    "label_occurrence": lambda: plots.label_occurrence(
        claims.label_counts("training"), title="Training set (Figure 1)"
    ),
    "label_occurrences": lambda: plots.label_occurrences(
        {"this": claims.label_counts("training"), "that": range(11)}
    ).axes[0],
    "verdicts": lambda: plots.verdicts(claims.check()),
    "level_curves": lambda: plots.level_curves(
        levels.curves(fake_levels(), ["system", "others"], 50, 0)
    ).axes[0],
    "level_thresholds": lambda: plots.level_thresholds(
        levels.thresholds(fake_levels(), ["system", "instrument"], 50, 0), (-12, 0, 12)
    ),
    "logit_histograms": lambda: plots.logit_histograms(*fake_labels()[:2], threshold=0.3),
    "f1_by_duration": lambda: plots.f1_by_duration(fake_durations()),
    "study_constant": lambda: plots.study(
        *fake_study(), constant=np.repeat([True, False, True, False, False], 3)
    ),
    "durations": lambda: plots.durations(np.random.default_rng(0).uniform(5, 20, 2874)),
    "labels_per_clip": lambda: plots.labels_per_clip(fake_labels(2874)[0].sum(axis=1)),
    "cooccurrence": lambda: plots.cooccurrence(metrics.cooccurrence(*[fake_labels(2874)[0]] * 2)),
    "waveform": lambda: plots.waveform(fake_clip(), RATE),
    "padded_waveform": lambda: plots.padded_waveform(
        np.pad(fake_clip(), (300_000, 884_000 - 300_000 - 132_300)), RATE
    ),
    "spectrum": lambda: plots.spectrum(np.abs(np.fft.rfft(fake_clip(20))[:-1]), RATE),
    "log_mel": lambda: plots.log_mel(fake_mel(), RATE),
    "stems": lambda: plots.stems(
        {n: fake_mel(seed=i) - 9 * i for i, n in enumerate(["bass", "drums", "melody", "other"])},
        RATE,
    ).axes[0],
    "stems_odd": lambda: plots.stems(
        {n: fake_mel() for n in ("mid", "side", "left")}, RATE
    ).axes[0],
    "instruments_over_time": lambda: plots.instruments_over_time(
        np.arange(0, 61, 1.5), pd.DataFrame(fake_labels(40)[1], columns=plots.NAMES)
    ),
    "training_curves": lambda: plots.training_curves(fake_history())[0],
    "training_one_seed": lambda: plots.training_curves(fake_history(1))[0],
    "training_one_epoch": lambda: plots.training_curves(fake_history(2, 1))[0],
    "gradient_norm": lambda: plots.gradient_norm({"before": gradients()}, RATE),
    "per_label_scores": lambda: plots.per_label_scores(fake_result()),
    "comparison": lambda: plots.comparison(fake_systems()),
    "comparisons": lambda: plots.comparisons(dict.fromkeys("ab", fake_systems())).axes[0],
    "differences": lambda: plots.differences(fake_differences(), xlabel="difference in micro F1"),
    "study": lambda: plots.study(
        *fake_study(), xlabel="batch size", paper=4
    ),
    "causes": lambda: plots.causes(
        np.repeat(["nothing", "learning rate 0.01", "dense 64–64–64"], 4),
        fake_study()[1][:12],
    ),
    "study_words": lambda: plots.study(
        np.repeat(["2048-32-1024", "1024-1024", "64-64-64", "none"], 3),
        fake_study()[1][:12],
        xlabel="dense layers",
        paper="2048-32-1024",
    ),
    "per_label_f1": lambda: plots.per_label_f1(dict.fromkeys("abcde", fake_result())),
    "training_curves_of": lambda: plots.training_curves_of(
        {"one": fake_history(1), "two": fake_history(2)}
    ).axes[0],
    "f1_by_stream": lambda: plots.f1_by_stream(fake_stream_scores()),
    "separation_quality": lambda: plots.separation_quality(fake_quality()),
    "threshold_curve": lambda: plots.threshold_curve(
        metrics.threshold_curve(*fake_labels()[:2]),
        metrics.choose_threshold(*fake_labels()[:2]),
    ),
}  # fmt: skip


def test_every_public_plot_is_drawn_here():
    public = {name for name, value in vars(plots).items() if inspect.isfunction(value)}
    assert public - {"use_style", "shared_legend"} <= set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off_and_nothing_overlaps(name):
    axes = FIGURES[name]()
    figure = axes.figure
    style.mark_sample(figure)
    figure.canvas.draw()
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    width, height = figure.get_size_inches()
    # The tight box is what gets saved; far outside the figure means runaway text.
    assert box.x0 > -0.6
    assert box.x1 < width + 0.6
    assert box.y0 > -0.6
    assert box.y1 < height + 0.6
    assert axes.get_xlabel() or axes.get_ylabel()
    assert_tick_labels_apart(axes.xaxis, "x0", "x1")
    assert_tick_labels_apart(axes.yaxis, "y0", "y1")


def assert_tick_labels_apart(axis, start, stop):
    labels = [t for t in axis.get_ticklabels() if t.get_text() and t.get_visible()]
    if labels and not labels[0].get_rotation():  # slanted ones overlap as boxes, not as text
        boxes = [label.get_window_extent() for label in labels]
        spans = sorted((getattr(b, start), getattr(b, stop)) for b in boxes)
        assert all(after[0] > before[1] - 1 for before, after in itertools.pairwise(spans))


def test_draws_on_the_axes_given():
    _, (ax, other) = plt.subplots(1, 2)
    assert plots.label_occurrence(range(11), ax=ax) is ax
    assert not other.has_data()
    _, pair = plt.subplots(1, 2)
    assert list(plots.training_curves(fake_history(1), axes=pair)) == list(pair)


def test_bars_hold_the_counts_in_irmas_order():
    ax = plots.label_occurrence([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])
    assert [bar.get_width() for bar in ax.patches] == [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert (names[0], names[-1]) == ("cello", "voice")
    assert ax.yaxis_inverted()


def test_labels_per_clip_counts():
    ax = plots.labels_per_clip([1, 1, 2, 5])
    assert [bar.get_height() for bar in ax.patches] == [2, 1, 1]


def test_durations_histogram_holds_every_clip():
    for seconds in ([3.0] * 5, [5, 12.5, 20, 20]):
        ax = plots.durations(seconds)
        assert sum(bar.get_height() for bar in ax.patches) == len(seconds)


def test_cooccurrence_shares_are_of_the_row():
    matrix = np.diag(2.0 * np.arange(11)).astype(int)
    matrix[3, 4] = 3
    shares = plots.cooccurrence(matrix).images[0].get_array()
    assert np.diag(shares).tolist() == [0] + [1] * 10
    assert (shares[3, 4], shares[4, 3]) == (0.5, 0)


def test_decimated_spectrum_keeps_its_peaks():
    magnitude = np.full(442_000, 1e-3)
    magnitude[123_457] = 1.0
    line = plots.spectrum(magnitude, RATE).lines[0]
    assert len(line.get_xdata()) <= signals.POINTS
    assert line.get_ydata().max() == 0
    peak = line.get_xdata()[np.argmax(line.get_ydata())]
    assert peak == pytest.approx(123_457 * RATE / 884_000, rel=0.01)


def test_decimated_waveform_keeps_its_extremes():
    samples = np.zeros(884_000, dtype=np.float32)
    samples[[777_777, 12_345]] = 0.9, -0.7
    points = plots.waveform(samples, RATE).collections[0].get_paths()[0].vertices
    assert points[:, 1].max() == pytest.approx(0.9)
    assert points[:, 1].min() == pytest.approx(-0.7)


def test_silence_and_short_signals_draw():
    plots.padded_waveform(np.zeros(1000), RATE)
    plots.spectrum(np.zeros(2000), RATE)
    plots.waveform([0.1, -0.1], RATE)
    plots.instruments_over_time([0.0, 1.0], pd.DataFrame([[0.5] * 11]))
    plots.gradient_norm({"dead": np.zeros(10)}, RATE)


def test_padding_is_shaded_before_and_after():
    ax = plots.padded_waveform(np.pad(np.ones(RATE), (RATE, 2 * RATE)), RATE)
    spans = [(p.get_x(), p.get_x() + p.get_width()) for p in ax.patches]
    assert spans == [(0, 1), (2, 4)]


def test_missing_intervals_draw_without_bars():
    y = np.eye(11)
    plots.per_label_scores(metrics.evaluate(y, y, n_bootstrap=0))
    ax = plots.study([1, 2], [0.3, 0.4])
    assert len(ax.lines[0].get_xdata()) == 2


def test_training_curves_show_the_mean_of_the_seeds():
    history = fake_history(3, 5)
    ax = plots.training_curves(history)[1]
    mean = next(line for line in ax.lines if line.get_label() == "training")
    assert mean.get_ydata() == pytest.approx(history.groupby("epoch")["loss"].mean().to_numpy())


def test_validation_may_be_missing():
    history = fake_history(2, 5).assign(val_loss=np.nan, val_accuracy=np.nan)
    ax = plots.training_curves(history)[0]
    assert {line.get_label() for line in ax.lines if line.get_label()[0] != "_"} == {"training"}


def test_comparison_has_a_row_a_system_from_the_top():
    ax = plots.comparison(fake_systems())
    assert ax.get_yticklabels()[0].get_text() == "Bosch et al. 2012, experiment 5"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert [t.get_text() for t in ax.texts][:2] == ["0.503", "0.378"]


def test_each_data_set_has_a_panel_of_its_own():
    figure = plots.comparisons({"this": fake_systems(), "that": fake_systems()[:2]})
    assert [ax.get_xlabel() for ax in figure.axes] == ["micro F1, this", "micro F1, that"]
    assert len(figure.axes[1].get_yticklabels()) == 2
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()  # one scale


def test_a_study_takes_zero_and_words_among_numbers():
    assert plots.study([0, 0.1, 1], [0.3, 0.4, 0.5]).get_xscale() == "linear"
    ax = plots.study(["none", 40, 80], [0.3, 0.4, 0.5])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["none", "40", "80"]


def test_stems_are_drawn_in_any_style():
    with plt.rc_context({"figure.constrained_layout.use": False}):
        assert plots.stems({"mid": fake_mel(), "side": fake_mel()}, RATE).axes


def test_each_column_of_stems_has_its_axis_of_time():
    figure = plots.stems({name: fake_mel() for name in ("mid", "side", "left")}, RATE)
    assert [ax.get_xlabel() for ax in figure.axes[:3]] == ["", "time [s]", "time [s]"]


def test_bands_of_curves_are_not_cut():
    for ax in plots.training_curves(fake_history(3, 5)):
        bands = np.concatenate([c.get_paths()[0].vertices[:, 1] for c in ax.collections])
        low, high = ax.get_ylim()
        assert low <= bands.min()
        assert bands.max() <= high


def test_differences_have_a_row_an_idea_from_the_top():
    ax = plots.differences(fake_differences())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["spectrogram images", "larger network"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert [t.get_text() for t in ax.texts] == ["+0.080", "-0.010"]


def test_colours_differ_in_lightness_where_they_meet():
    def lightness(name):
        return np.dot(to_rgb(style.COLOURS[name]), (0.2126, 0.7152, 0.0722))

    for a, b in [("training", "validation"), ("ours", "trivial"), ("precision", "recall")]:
        assert abs(lightness(a) - lightness(b)) > 0.15


def test_only_the_sample_corpus_is_marked_and_once():
    for profile, notes in {"sample": 1, "full": 0}.items():
        plots.use_style(settings.load(profile))
        figure = plots.labels_per_clip([1, 2]).figure
        assert [t.get_text() for t in figure.texts] == ["sample corpus, not IRMAS"] * notes


def test_an_instrument_has_one_colour_everywhere():
    bars = plots.label_occurrence(range(11))
    names = plots.per_label_scores(fake_result(100)).get_xticklabels()
    map_of = plots.cooccurrence(np.eye(11, dtype=int))
    for bar, name, row, colour in zip(
        bars.patches, names, map_of.get_yticklabels(), style.INSTRUMENT_COLOURS.values(),
        strict=True,
    ):  # fmt: skip
        assert to_rgb(bar.get_facecolor()) == to_rgb(colour)
        assert name.get_color() == row.get_color() == colour
    assert len({*style.INSTRUMENT_COLOURS.values()}) == len(INSTRUMENTS)
    bars.set_yticks([0], ["sax"])
    style.colour_names(bars.yaxis)  # a code has its name's colour
    assert bars.get_yticklabels()[0].get_color() == style.INSTRUMENT_COLOURS["sax"]
    for colour in style.INSTRUMENT_COLOURS.values():  # readable as text on white
        assert 1.05 / (0.05 + np.dot(np.array(to_rgb(colour)) ** 2.2, (0.21, 0.72, 0.07))) > 3.5


def test_an_interval_of_a_score_stays_a_score_and_that_of_seconds_does_not():
    for ylabel, most in {"micro F1": 1, "seconds": 4}.items():
        ax = plots.study([1, 1], [0.1, 0.9], ylabel=ylabel)
        (bar,) = ax.containers[0].lines[2][0].get_segments()
        assert bar[0, 1] == 0
        assert bar[1, 1] >= most
        assert (bar[1, 1] == 1) == (most == 1)
    accuracy = plots.training_curves(fake_history(2, 5).assign(accuracy=[0.01, 0.99] * 5))[0]
    band = accuracy.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0, 1)


def test_runs_that_are_constant_are_told():
    one = plots.study([1, 1, 2, 2], [0.3, 0.3, 0.3, 0.4], constant=[True, True, True, False])
    assert [(t.get_text(), t.xy[0]) for t in one.texts] == [("the same\nlabels", 1)]
    whole = plots.study([1, 2], [0.3, 0.3], constant=[True, True])
    assert [t.get_text() for t in whole.texts] == ["the same labels for all"]


def test_counts_stand_beside_the_instruments_and_the_verdicts():
    result = fake_result(100)
    names = [t.get_text() for t in plots.per_label_scores(result).get_xticklabels()]
    assert names[10] == f"voice ({result['per_label']['voi']['support']})"
    ledger = pd.DataFrame({"section": ["Abstract", "3.1.1", "3.1.2"],
                           "verdict": ["refuted", "confirmed", "confirmed"]})  # fmt: skip
    ax = plots.verdicts(ledger)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["confirmed (2)", "refuted (1)"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["Abstract", "3.1"]


def test_panels_of_other_data_do_not_say_that_they_are_the_sample_corpus():
    plots.use_style(settings.load("sample"))
    assert not plots.label_occurrences({"IRMAS, published": range(11), "this": range(11)}).texts


def test_a_long_name_of_the_data_makes_no_figure_wider():
    names = [f"here: {name}" for name in corpus.NAMES.values()][1:]
    figure = plots.label_occurrences(dict.fromkeys(names, range(11)))
    figure.canvas.draw()
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    assert max(box.x1, 10) - min(box.x0, 0) <= 10.1


def test_panels_share_one_legend():
    figure, axes = plt.subplots(1, 2, layout="constrained")
    for ax in axes:
        plots.study(*fake_study(), ax)
    plots.shared_legend(*axes)
    assert [ax.get_legend() for ax in axes] == [None, None]
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert names == {"mean, 95 % interval", "each seed"}


def test_the_best_stream_of_an_instrument_is_bold():
    ax = plots.f1_by_stream(pd.DataFrame([[0.5, 0], [0.6, 0]], index=["a", "b"]))
    assert [text.get_weight() == "bold" for text in ax.texts] == [False, False, True, False]


def test_over_time_rows_are_instruments():
    scores = pd.DataFrame(np.zeros((4, 3)), columns=["oud", "violin", "$x_"])
    scores.loc[2, "violin"] = 1
    ax = plots.instruments_over_time([0, 1, 2, 3, 4], scores)
    mesh = ax.collections[0].get_array()
    assert np.argwhere(mesh == 1).tolist() == [[1, 2]]
    assert [text.get_text() for text in ax.get_yticklabels()] == [*scores]
    assert len(mesh) == 3


def test_gradients_are_drawn_over_the_whole_clip_with_their_reach():
    before, trained = np.zeros(1000), np.full(1000, 1e-4)
    before[-10:], trained[-200:] = 1, 2e-3
    trained[-1] = 1
    ax = plots.gradient_norm({"before": before, "trained": trained}, 100)
    assert ax.get_xlim() == (0, 10)
    dotted = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert dotted == [9.9, 8.0]


def test_labels_of_another_vocabulary_are_drawn():
    y = np.eye(6, 2, dtype=bool)
    result = metrics.evaluate(y, y, n_bootstrap=0, codes=("ney", "oud"))
    for ax in (plots.per_label_scores(result), plots.per_label_f1({"a": result})):
        assert [text.get_text() for text in ax.get_xticklabels()] == ["ney (1)", "oud (1)"]


def test_a_shell_that_draws_nothing_itself_is_left_alone(monkeypatch):
    monkeypatch.setattr(style, "get_ipython", lambda: object())  # as in IPython's terminal
    plots.use_style()


def test_the_name_of_the_data_has_a_line_of_its_own_and_stands_once():
    curves = levels.curves(fake_levels(), ["system", "others"], 50, 0)
    figure = plots.level_curves(curves, "a long name, which would run into the next panel")
    first, second = (ax.get_title(loc="left") for ax in figure.axes)
    assert first.splitlines()[1:] == ["against 1 other"]
    assert second == "against 3 others"


@pytest.mark.parametrize(("backend", "inline"), [("agg", True), ("inline", True), ("QtAgg", False)])
def test_a_kernel_keeps_a_window_that_was_asked_for(backend, inline, monkeypatch):
    shell = mock.MagicMock()
    monkeypatch.setattr(style, "get_ipython", lambda: shell)
    monkeypatch.setattr(plt, "get_backend", lambda: backend)
    plots.use_style()
    assert shell.run_line_magic.called is inline
