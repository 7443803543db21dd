"""A person's list: few detections, apart from each other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import DataError
from thas.core.segments import Segments
from thas.temporal_has.suppress import sure_segments

#              0 1 2 3 4 5 6 7 8 9
#  a   0.9     ========              0 to 4
#  b   0.8       ====                inside a
#  c   0.5             ====          4 to 6, touches a
#  d   0.2                 ====      6 to 8, below 0.3 of 0.9
#  e   0.1                     ==    8 to 9, of another label, its only one
FOUND = Segments(
    ["v"] * 5, ["Run", "Run", "Run", "Run", "Dive"], [0, 1, 4, 6, 8], [4, 3, 6, 8, 9], [0.9, 0.8, 0.5, 0.2, 0.1]
)


def test_each_moment_of_a_label_is_told_once():
    assert [row[1:4] for row in sure_segments(FOUND)] == [("Run", 0, 4), ("Run", 4, 6), ("Dive", 8, 9)]
    assert len(sure_segments(FOUND, share=0.2)) == 4
    assert sure_segments(FOUND, most=1).score.tolist() == [0.9]


def test_labels_and_videos_do_not_stand_against_each_other():
    found = Segments(["v", "w", "v"], ["Run", "Run", "Dive"], [0, 0, 0], [4, 4, 4], [0.9, 0.01, 0.01])
    assert sorted(sure_segments(found).video) == ["v", "v", "w"]


def test_what_speaks_against_its_label_stands_alone():
    found = Segments(["v"] * 3, ["Run"] * 3, [0, 2, 4], [1, 3, 5], [-0.5, -0.2, -0.9])
    assert sure_segments(found).score.tolist() == [-0.2]


def test_nothing_gives_nothing_and_truth_is_refused():
    assert len(sure_segments(Segments.empty(scored=True))) == 0
    with pytest.raises(DataError, match="no scores"):
        sure_segments(Segments(["v"], ["Run"], [0], [1]))


ROWS = st.lists(
    st.tuples(st.sampled_from("vw"), st.sampled_from("ab"), st.integers(0, 20), st.integers(1, 9), st.integers(-3, 9)),
    max_size=25,
)


@given(ROWS, st.sampled_from([0.0, 0.3, 1.0]), st.randoms(use_true_random=False))
def test_laws(rows, share, draw):
    def table(rows):
        video, label, start, length, score = zip(*rows, strict=True) if rows else ((),) * 5
        start = np.array(start, dtype=float)
        return Segments(video, label, start, start + np.array(length), score)

    chosen = sure_segments(table(rows), share=share)
    assert set(chosen) <= set(table(rows)), "scores and times are as given"
    for video, label in {row[:2] for row in table(rows)}:
        mine = [row for row in chosen if row[:2] == (video, label)]
        best = max(row[4] for row in table(rows) if row[:2] == (video, label))
        assert max(row[4] for row in mine) == best, "the surest always stands"
        mine.sort(key=lambda row: row[2])
        assert all(one[3] <= next_[2] for one, next_ in pairwise(mine)), "none overlaps"
        assert best <= 0 or all(row[4] >= share * best for row in mine)
    assert list(sure_segments(chosen, share=share)) == list(chosen), "a second time changes nothing"
    shuffled = draw.sample(rows, len(rows))
    assert set(sure_segments(table(shuffled), share=share)) == set(chosen), "the order of rows is of no account"
