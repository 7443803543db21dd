"""Reliability: counted by hand, and never off where what is said comes true as often as it is said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thas.eval.labels_told import Reliability, reliability


def test_bins_by_hand():
    said = np.array([[0.12, 0.99], [0.18, 1.0], [0.11, 0.0]])
    right = np.array([[1, 1], [0, 0], [0, 0]])
    found = reliability(said, right)
    assert found.count == (1, 3, 2)
    assert np.allclose(found.said, (0.0, 0.41 / 3, 0.995))
    assert np.allclose(found.right, (0.0, 1 / 3, 0.5))
    assert np.isclose(found.gap, (3 * (1 / 3 - 0.41 / 3) + 2 * 0.495) / 6)
    assert "of 2 said to be 100 % sure, 50 % are right" in found.line()


@given(arrays(np.float64, (7, 2), elements=st.floats(0, 1)), arrays(np.int8, (7, 2), elements=st.integers(0, 1)))
def test_every_probability_is_in_one_bin(said, right):
    found = reliability(said, right)
    assert sum(found.count) == 14
    assert np.isclose(sum(r * n for r, n in zip(found.right, found.count, strict=True)), right.sum())
    assert 0 <= found.gap <= 1


def test_what_comes_true_as_often_as_said_is_not_off():
    said = np.repeat([[0.25], [0.75]], 4, axis=0)
    assert reliability(said, np.array([[1, 0, 0, 0, 1, 1, 1, 0]]).T).gap == 0
    assert Reliability((), (), ()).gap == 0
