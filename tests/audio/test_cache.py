from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import write_clip

from irmas_utils.audio import io
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.project.errors import AudioError


class Counting:
    def __init__(self):
        self.calls = 0

    def __call__(self, samples, scale=1.0):
        self.calls += 1
        return samples[:10] * np.float32(scale)


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.wav")


def test_second_read_comes_from_disk(clip):
    function = Counting()
    cache = FeatureCache("head", function)
    first = cache(clip)
    assert np.array_equal(FeatureCache("head", function)(clip), first)
    assert np.array_equal(first, cache.compute(clip))
    assert function.calls == 2  # once through the cache, once past it


@pytest.mark.parametrize("change", [{"scale": 2.0}, {"version": 2}, {"sample_rate": 22050}])
def test_a_changed_parameter_recomputes(clip, change):
    function = Counting()
    FeatureCache("head", function)(clip)
    FeatureCache("head", function, **change)(clip)
    assert function.calls == 2


def test_a_changed_file_recomputes_and_a_moved_one_does_not(clip, tmp_path):
    function = Counting()
    cache = FeatureCache("head", function)
    before = cache(clip)
    moved = clip.rename(tmp_path / "moved.wav")
    assert np.array_equal(cache(moved), before)
    assert function.calls == 1
    write_clip(moved, seed=5)
    assert not np.array_equal(cache(moved), before)


def test_every_shape_comes_back(clip):
    for shape in [(12,), (3, 4), (2, 2, 3), (0, 4)]:
        cache = FeatureCache(
            "shape", lambda x, shape: x[: np.prod(shape)].reshape(shape), shape=shape
        )
        assert np.array_equal(cache(clip), cache(clip))
        assert cache(clip).shape == shape
        assert cache(clip).dtype == np.float32


def test_many_threads_read_at_a_time(clip):
    cache = FeatureCache("head", Counting())
    expected = cache(clip)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(cache, [clip] * 2000))
    assert all(np.array_equal(result, expected) for result in results)


@pytest.mark.parametrize("keep", [0, 3, 20, -4])
def test_an_entry_cut_short_is_made_again(clip, keep):
    cache = FeatureCache("head", Counting())
    before = cache(clip)
    entry = cache.entry(clip)
    entry.write_bytes(entry.read_bytes()[:keep])
    assert np.array_equal(cache(clip), before)


def test_all_channels_come_at_the_rate_asked_for(clip):
    expected, _ = io.read(clip)
    for rate, resampled in ((44100, expected), (22050, io.resample(expected, 44100, 22050))):
        cache = FeatureCache("whole", lambda x, rate: x * rate, mono=False, sample_rate=rate)
        np.testing.assert_array_equal(cache(clip), resampled * np.float32(rate))
    own = FeatureCache("whole", lambda x, rate: x * rate, mono=False)
    np.testing.assert_array_equal(own(clip), expected * np.float32(44100))


def test_a_failed_feature_is_not_kept(clip):
    def broken(samples):
        raise AudioError("x", found="a", expected="b", remedy="c")

    cache = FeatureCache("broken", broken)
    with pytest.raises(AudioError):
        cache(clip)
    assert not cache.entry(clip).exists()


def test_a_failed_write_leaves_nothing_behind(clip, monkeypatch):
    def full(source, target):
        raise OSError("No space left on device")

    cache = FeatureCache("head", Counting())
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(OSError, match="No space"):
            cache(clip)
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == []
    assert len(cache(clip)) == 10
