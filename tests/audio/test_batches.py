import re

import numpy as np
import pytest

from irmas_utils.audio import batches, io
from irmas_utils.audio.features import label_matrix
from irmas_utils.data.index import load_index


@pytest.fixture
def clips(tiny_irmas):
    return load_index(tiny_irmas).iloc[:10]


def first_samples(path):
    return io.load_mono(path)[:7]


def test_fixed_batches_hold_every_clip_in_order(clips):
    found = list(batches.fixed_batches(clips, first_samples, 7, batch_size=4))
    assert [tuple(x.shape) for x, _ in found] == [(4, 7), (4, 7), (2, 7)]
    x = np.concatenate([x for x, _ in found])
    assert np.array_equal(x, [first_samples(path) for path in clips["path"]])
    y = np.concatenate([y for _, y in found])
    assert np.array_equal(y, label_matrix(clips["labels"]))


def test_an_order_is_followed(clips):
    order = batches.epoch_order(len(clips), seed=1, epoch=2)
    x = np.concatenate([x for x, _ in batches.fixed_batches(clips, first_samples, 7, 4, order)])
    assert np.array_equal(x, [first_samples(clips["path"].iloc[i]) for i in order])


def test_waveforms_keep_their_lengths(clips):
    lengths = {path: 3 + n for n, path in enumerate(clips["path"])}
    load = lambda path: io.load_mono(path)[: lengths[path]]  # noqa: E731
    (waveform, length), y = next(iter(batches.waveform_batches(clips, load, batch_size=4)))
    assert waveform.shape == (4, 6)
    assert length.tolist() == [3, 4, 5, 6]
    assert y.shape == (4, 11)
    assert (waveform[0, 3:] == 0).all()
    assert np.array_equal(waveform[3], load(clips["path"].iloc[3]))


def test_epoch_order_depends_on_seed_and_epoch_alone():
    orders = {tuple(batches.epoch_order(20, s, e)) for s in (0, 1) for e in (0, 1)}
    assert len(orders) == 4
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert tuple(batches.epoch_order(20, 1, 1)) in orders


@pytest.mark.parametrize("odd", range(4))
def test_one_wrong_feature_length_names_its_clip(clips, odd):
    path = clips["path"].iloc[odd]
    load = lambda each: first_samples(each)[: 6 if each == path else 7]  # noqa: E731
    with pytest.raises(Exception, match=rf"{re.escape(path)}: found features of the shape"):
        next(iter(batches.fixed_batches(clips, load, 7, batch_size=4)))


def test_rows_start_where_tensorflow_need_not_copy():
    for width in range(1, 40):
        rows, _ = batches._stack([np.ones(width, np.float32)] * 3)
        assert rows.ctypes.data % 64 == 0
