import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from conftest import write_clip

from irmas_utils.audio import cache as cache_module
from irmas_utils.audio import features, io
from irmas_utils.audio.cache import FeatureCache
from irmas_utils.project import sources
from irmas_utils.project.errors import AudioError, DiskError


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


@pytest.mark.parametrize("change", [{"scale": 2.0}, {"sample_rate": 22050}])
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


def test_a_changed_body_is_another_feature_and_a_moved_one_is_not(clip):
    def feature(samples):
        return samples[:5]

    before, body = FeatureCache("head", feature), "def feature(samples):\n    return samples[:5]"
    assert before(clip).tolist() == io.load_mono(clip)[:5].tolist()
    for code, same in ((body, True), (f"\n\n# moved\n{body} * 2", False)):
        exec(compile(code, "elsewhere.py", "exec"), namespace := {})
        again = FeatureCache("head", namespace["feature"])
        assert (again.folder == before.folder) == same
        np.testing.assert_array_equal(again(clip), before(clip) * (1 if same else 2))


def test_what_a_function_names_is_part_of_it(clip):
    code = "n = {0}\ndef cut(x): return x[:n]\ndef feature(x, m={1}): return cut(x)[:m].repeat({2})"
    lengths = []
    for values in ((8, 9, 1), (6, 9, 1), (6, 4, 1), (6, 4, 2), (8, 9, 1)):
        exec(code.format(*values), namespace := {})
        lengths.append(len(FeatureCache("named", namespace["feature"])(clip)))
        assert len(FeatureCache("p", partial(namespace["feature"], m=3))(clip)) == 3 * values[2]
        lengths.append(len(FeatureCache("inner", lambda x, n=values[0]: x[:n])(clip)))
    assert lengths == [8, 8, 6, 6, 4, 6, 8, 6, 8, 8]
    partials = [FeatureCache("p", partial(features.waveform, length=n)) for n in (10**6, 10**5)]
    assert [len(cache(clip)) for cache in partials] == [10**6, 10**5]


def test_two_functions_of_a_name_are_kept_apart(clip):
    for first, second in ((features.waveform, features.fft_magnitude), (np.abs, np.negative)):
        options = {"length": 10**6} if first is features.waveform else {}
        one, other = (FeatureCache("one", f, **options)(clip) for f in (first, second))
        assert not np.array_equal(one, other)


def test_a_folder_that_is_taken_away_meanwhile_is_made_again(clip, monkeypatch):
    replace, taken = os.replace, [FileNotFoundError(2, "No such file or directory")]

    def replacing(source, target):
        if taken:
            raise taken.pop()
        replace(source, target)

    cache = FeatureCache("head", Counting())
    monkeypatch.setattr("os.replace", replacing)
    cache(clip)
    assert not taken
    assert cache.entry(clip).is_file()


def test_a_feature_of_ours_is_bound_to_its_module_and_to_how_files_are_read(monkeypatch):
    asked, digest_of = [], sources.digest_of
    monkeypatch.setattr(sources, "digest_of", lambda *m: asked.append(m) or digest_of(*m))
    before = FeatureCache("waveform", features.waveform)
    assert asked == [("irmas_utils.audio.cache", "irmas_utils.audio.features")]
    monkeypatch.setattr(sources, "digest_of", lambda *m: "changed")
    assert FeatureCache("waveform", features.waveform).folder != before.folder


def test_content_replaced_under_the_same_name_size_and_time_is_noticed(clip):
    cache, status = FeatureCache("head", Counting()), os.stat(clip)
    before = cache(clip)
    write_clip(clip, seed=9)
    os.utime(clip, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert os.stat(clip).st_size == status.st_size
    assert not np.array_equal(cache(clip), before)


@pytest.mark.parametrize("shape", [(3, 4), (9000,)])
def test_no_flipped_bit_is_believed(clip, shape, capsys, monkeypatch):
    made = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    cache = FeatureCache("flip", lambda samples: made)
    monkeypatch.setattr(cache, "compute", lambda path: made)
    cache(clip)
    whole = (entry := cache.entry(clip)).read_bytes()
    bits = range(0, 8 * len(whole), 3 if len(whole) < 100 else 1997)
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        entry.write_bytes(damaged)
        np.testing.assert_array_equal(cache(clip), made)
        assert entry.read_bytes() == whole
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(bits) > 140
    assert all(line.startswith(f"{entry} is made again: ") for line in said)


@pytest.mark.parametrize("page", [4096, 512])
def test_pages_that_change_places_are_noticed(clip, page):
    made = np.random.default_rng(1).normal(size=100_000).astype(np.float32)
    cache = FeatureCache("pages", lambda samples: made)
    cache(clip)
    whole, entry = cache.entry(clip).read_bytes(), cache.entry(clip)
    for other in (1, 4, 8, 16):
        parts = [whole[at : at + page] for at in range(0, len(whole), page)]
        parts[1], parts[1 + other] = parts[1 + other], parts[1]
        entry.write_bytes(b"".join(parts))
        np.testing.assert_array_equal(cache(clip), made)


def test_an_entry_that_may_not_be_read_is_made_again(clip, monkeypatch, capsys):
    def another_users(entry):
        raise PermissionError(13, "Permission denied", str(entry))

    cache = FeatureCache("head", Counting())
    before = cache(clip)
    monkeypatch.setattr(cache_module, "_read", another_users)
    assert np.array_equal(cache(clip), before)
    assert "Permission denied" in capsys.readouterr().out


@pytest.mark.parametrize("root", ["a file", "/proc/none"])
def test_a_cache_that_cannot_be_written_is_one_error(clip, tmp_path, monkeypatch, root):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("IRMAS_CACHE", str(tmp_path / root))
    with pytest.raises(DiskError, match=r"a failed write .*IRMAS_CACHE"):
        FeatureCache("head", Counting())(clip)


def test_the_largest_features_go_first(clip):
    small, large = (
        FeatureCache(name, lambda samples, n: samples[:n], n=n)
        for name, n in {"small": 10, "large": 4000}.items()
    )
    kept = small(clip)
    large(clip)
    cache_module.trim(limit=1000)
    assert small.entry(clip).is_file()
    assert not large.folder.exists()
    assert np.array_equal(small(clip), kept)
    assert len(large(clip)) == 4000
    cache_module.trim(limit=0)
    assert not small.folder.exists()
