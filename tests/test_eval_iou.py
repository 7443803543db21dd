"""IoU of intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.eval import temporal_iou
from thas.eval.matching import paired_iou

#  0 1 2 3 4 5 6 7 8 9
#  |=======|
#      |=======|
#                |===|
CASES = [
    ((0, 4), (2, 6), 1 / 3),
    ((0, 4), (0, 4), 1.0),
    ((0, 4), (7, 9), 0.0),
    ((0, 4), (4, 8), 0.0),
    ((0, 8), (2, 4), 0.25),
]


@pytest.mark.parametrize(("one", "other", "expected"), CASES)
@pytest.mark.parametrize("union", ["lengths", "span"])
def test_drawn(one, other, expected, union):
    assert temporal_iou(np.array([one]), np.array([other]), union=union)[0, 0] == pytest.approx(expected)


def test_points_overlap_nothing():
    assert temporal_iou(np.array([[3, 3]]), np.array([[3, 3], [9, 9], [0, 5]])).tolist() == [[0, 0, 0]]


def test_snippets_round_half_to_even_like_python():
    # 25/16 snippets a second: 0.96 s is 1.5 and 1.6 s is 2.5 snippets; both become 2.
    nothing = paired_iou(
        *map(np.array, ([0.96], [1.6])), other_start=np.array([0.0]), other_end=np.array([9.0]), union="snippets"
    )
    assert nothing.tolist() == [0.0]


ends = st.tuples(st.floats(0, 100), st.floats(0, 100)).map(sorted)


@given(st.lists(ends, min_size=1, max_size=6), st.lists(ends, min_size=1, max_size=6))
def test_symmetric_and_a_fraction(some, others):
    forward, back = temporal_iou(np.array(some), np.array(others)), temporal_iou(np.array(others), np.array(some))
    np.testing.assert_allclose(forward, back.T, rtol=0, atol=1e-12)
    assert ((forward >= 0) & (forward <= 1 + 1e-12)).all()
