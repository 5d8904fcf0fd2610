import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irmas_utils.audio import io
from irmas_utils.data.index import load_index
from irmas_utils.systems.networks import mixing
from irmas_utils.systems.networks.mixing import ALONE, Recipe

N_CLIPS, N_SAMPLES = 22, 400


@pytest.fixture(scope="module")
def clips():
    # Tone k belongs to class k, so that a mixture shows what went into it.
    time = np.arange(N_SAMPLES)
    tones = [np.sin(2 * np.pi * (5 + 10 * (k % 11)) * time / N_SAMPLES) for k in range(N_CLIPS)]
    return [np.stack([tone, tone], axis=1).astype(np.float32) for tone in tones]


@pytest.fixture(scope="module")
def labels():
    return np.eye(11, dtype=np.float32)[np.arange(N_CLIPS) % 11]


def _epoch(clips, labels, recipe, epoch=1, seed=0, **kwargs):
    found = mixing.batches(
        clips.__getitem__, labels, n_samples=N_SAMPLES, batch_size=8, recipe=recipe, seed=seed,
        epoch=epoch, **kwargs,
    )  # fmt: skip
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _heard(x):
    """Which tones sound in each clip: bool (n_clips, 11)."""
    spectrum = np.abs(np.fft.rfft(x))[:, 5:115:10]
    return spectrum > 0.05 * spectrum.max(axis=1, keepdims=True)


def test_labels_are_what_sounds(clips, labels):
    x, y = _epoch(clips, labels, Recipe())
    assert x.shape == (N_CLIPS, N_SAMPLES)
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(_heard(x), y > 0.5)
    assert {1, 2, 3} == set(y.sum(axis=1))


def test_number_of_sources_follows_the_recipe(clips, labels):
    y = np.concatenate([_epoch(clips, labels, Recipe(), epoch)[1] for epoch in range(40)])
    shares = np.bincount(y.sum(axis=1).astype(int), minlength=4)[1:] / len(y)
    np.testing.assert_allclose(shares, Recipe().sources, atol=0.05)


def test_every_clip_comes_first_once(clips, labels):
    _, y = _epoch(clips, labels, ALONE)
    np.testing.assert_array_equal(y.sum(axis=0), labels.sum(axis=0))


def test_balance_evens_out_classes(clips, labels):
    many = [clips[0]] * 200 + clips[1:11]
    of = np.concatenate([labels[:1].repeat(200, axis=0), labels[1:11]])
    _, uneven = _epoch(many, of, ALONE)
    _, even = _epoch(many, of, ALONE.model_copy(update={"balance": 1.0}))
    assert uneven.mean(axis=0)[0] > 0.9
    assert even.mean(axis=0)[0] < 0.2


def test_repeats_with_seed_and_epoch(clips, labels):
    first = _epoch(clips, labels, Recipe())
    for again, same in (({}, True), ({"epoch": 2}, False), ({"seed": 1}, False)):
        x, _ = _epoch(clips, labels, Recipe(), **again)
        assert np.array_equal(first[0], x) == same


def test_soft_targets(clips, labels):
    _, y = _epoch(clips, labels, ALONE.model_copy(update={"negative": 0.05}))
    np.testing.assert_allclose(np.sort(y, axis=1)[:, [0, -2, -1]], [[0.05, 0.05, 1]] * N_CLIPS)


def test_levels_and_polarity(clips):
    rng = np.random.default_rng(0)
    found = [
        mixing.components(clips.__getitem__, [0, 1], N_SAMPLES, Recipe(), rng).sum(axis=0)
        for _ in range(200)
    ]
    spectrum = np.fft.rfft(found)[:, [5, 15]] / N_SAMPLES * np.sqrt(2)
    below = 20 * np.log10(np.abs(spectrum[:, 0] / spectrum[:, 1]))
    np.testing.assert_allclose(np.abs(spectrum[:, 0]), 1, rtol=1e-3)
    assert below.min() > -0.01
    assert 5 < below.max() < 6.01


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 700), st.integers(0, 99))
def test_excerpts_of_any_length(n_samples, seed):
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(n_samples, 2)).astype(np.float32)
    found = mixing.excerpt(samples, 300, 0.2, rng)
    assert found.shape == (300,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.sqrt(np.mean(found**2)), 1, rtol=1e-3)


def test_silence_stays_silent(clips, labels):
    x, _ = _epoch([np.zeros((500, 2), np.float32)] * N_CLIPS, labels, Recipe())
    assert not x.any()


def test_pan_moves_between_channels():
    rng = np.random.default_rng(0)
    left = np.stack([np.ones(10), np.zeros(10)], axis=1).astype(np.float32)
    stereo = np.concatenate([left, left[:, ::-1]])
    ratios = [np.ptp(mixing.excerpt(stereo, 20, 0.2, rng)) for _ in range(50)]
    assert min(ratios) < 0.1 < 0.5 < max(ratios)


def test_one_class_alone_is_never_mixed(clips, labels):
    _, y = _epoch(clips[:1] * 5, labels[:1].repeat(5, axis=0), Recipe())
    np.testing.assert_array_equal(y, labels[:1].repeat(5, axis=0))


def test_loads_stereo_files_through_the_cache(tiny_irmas):
    index = load_index(tiny_irmas)
    load = mixing.excerpts(index, 22050)
    first = load(0)
    assert first.shape == (2205, 2)
    assert first.dtype == np.float32
    samples, rate = io.read(index["path"].iloc[0])
    np.testing.assert_allclose(first, io.resample(samples, rate, 22050), atol=1 / 32767)
