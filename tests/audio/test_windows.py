import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irmas_utils.audio import windows
from irmas_utils.project.errors import SettingsError


@settings(deadline=None)
@given(st.data())
def test_windows_cover_the_clip_however_it_comes(data):
    length = data.draw(st.integers(1, 12))
    hop = data.draw(st.integers(1, length))
    sizes = data.draw(st.lists(st.integers(0, 20), max_size=8))
    clip = np.arange(sum(sizes), dtype=np.float32)
    found = list(windows.stream(np.split(clip, np.cumsum(sizes)[:-1]), length, hop))
    if len(clip) < length:
        assert len(found) == min(1, len(clip))
        assert all(set(window) == set(clip) for _, window in found)
        return
    starts = [start for start, _ in found]
    np.testing.assert_array_equal([w for _, w in found], [clip[s : s + length] for s in starts])
    regular = list(range(0, len(clip) - length + 1, hop))
    last = len(clip) - length
    assert starts == regular + ([last] if last > regular[-1] else [])


def test_aggregation():
    scores = np.array([[0.9, 0.2, 0.5], [0.9, 0.8, 0.1]])
    np.testing.assert_allclose(windows.aggregate(scores), [0.9, 0.5, 0.25])
    np.testing.assert_allclose(windows.aggregate(scores, "s1"), [0.9, 0.5, 0.3])
    with pytest.raises(SettingsError, match="s2"):
        windows.aggregate(scores, "s2")


@pytest.mark.parametrize("how", windows.AGGREGATIONS)
def test_extreme_scores_stay_finite(how):
    found = windows.aggregate(np.array([[0.0, 1.0], [0.0, 1.0]]), how)
    assert np.isfinite(found).all()
    assert found[0] < found[1]
    assert np.isfinite(windows.aggregate(np.zeros((3, 11)), how)).all()
