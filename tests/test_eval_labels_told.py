"""How many labels are told right, and what that is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.segments import Segments
from thas.eval.labels_told import LabelsTold, labels_told, surest_labels


def test_a_video_counts_once_and_only_with_labels_and_a_result():
    truth = {"a": ["Run", "Jump"], "b": ["Run"], "c": [], "absent": ["Run"]}
    told = labels_told({"a": "Jump", "b": "Jump", "c": "Run", "stranger": "Run"}, truth)
    assert told == LabelsTold(videos=2, right=1, commonest=2)
    assert labels_told({"c": "Run"}, truth) is None


def test_only_where_all_videos_were_learned_from_does_the_count_say_nothing():
    truth = {"a": ["Run"], "b": ["Jump"]}
    found = {"a": "Run", "b": "Jump"}
    assert [labels_told(found, truth, learned=known).verdict for known in (["a"], ["a", "b"])] == ["unsure", "learned"]


@pytest.mark.parametrize(
    ("videos", "right", "commonest", "verdict"),
    [
        (6, 0, 2, "wrong"),
        (100, 40, 5, "wrong"),  # far above chance, and yet most intervals would have the wrong name
        (100, 60, 60, "wrong"),
        (100, 55, 60, "wrong"),
        (6, 4, 3, "unsure"),
        (6, 5, 3, "unsure"),  # 7 of 64 guesses do as well
        (6, 6, 3, "fair"),  # 1 of 64
        (20, 12, 8, "unsure"),  # with chance 0.4, P(12 of 20 or more) is 0.057
        (20, 13, 8, "fair"),  # 0.021
        (100, 55, 20, "fair"),
        (3, 3, 3, "unsure"),  # one label alone: nothing can be told
    ],
)
def test_what_a_count_is_worth(videos, right, commonest, verdict):
    told = LabelsTold(videos, right, commonest)
    assert told.verdict == verdict
    assert f"{right} of {videos} videos" in told.line()
    assert ("do not trust" in told.line()) == (verdict == "wrong")
    assert LabelsTold.from_json(told.to_json()) == told


@given(st.integers(1, 60), st.data())
def test_more_right_is_never_worth_less(videos, data):
    commonest = data.draw(st.integers(1, videos))
    right = data.draw(st.integers(0, videos - 1))
    order = ["wrong", "unsure", "fair"]
    worth = [order.index(LabelsTold(videos, one, commonest).verdict) for one in (right, right + 1)]
    assert worth[0] <= worth[1]


def test_the_surest_detection_names_the_video():
    found = Segments(["a", "a", "b"], ["Run", "Jump", "Run"], [0, 1, 0], [2, 3, 2], [0.1, 0.9, 0.5])
    assert surest_labels(found) == {"a": "Jump", "b": "Run"}
