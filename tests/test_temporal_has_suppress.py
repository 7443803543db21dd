from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.segments import Segments
from thas.eval.matching import paired_iou
from thas.temporal_has.localizer import Localizer, localize_videos
from thas.temporal_has.settings import Settings
from thas.temporal_has.suppress import suppress
from thas.temporal_has.train import train

from .conftest import planted_videos

#                 0 1 2 3 4 5 6 7 8
#   a   0.9       ========            0 to 4
#   b   0.8         ========          1 to 5, IoU with a 3/5
#   c   0.7             ========      3 to 7, with a 1/7, with b 2/6
#   d   0.6                     ==    7 to 8, with none
START, END = np.array([0.0, 1.0, 3.0, 7.0]), np.array([4.0, 5.0, 7.0, 8.0])
SCORE = np.array([0.9, 0.8, 0.7, 0.6])


def test_the_surest_stands_and_what_overlaps_it_is_dropped():
    for iou, expected in ((0.5, [1, 0, 1, 1]), (0.7, [1, 1, 1, 1]), (0.6, [1, 0, 1, 1]), (0.1, [1, 0, 0, 1])):
        kept, scores = suppress(START, END, SCORE, iou=iou)
        assert kept.astype(int).tolist() == expected, iou
        assert scores.tolist() == SCORE.tolist()
    kept, _ = suppress(START, END, SCORE, iou=0.3)
    assert kept.tolist() == [True, False, True, True], "b, dropped, no longer stands against c"


def test_soft_suppression_lowers_scores():
    kept, scores = suppress(START, END, SCORE, rule="soft-linear", iou=0.3)
    # a lowers b to 0.32; then c (0.7) stands before b and lowers it again.
    assert kept.all()
    assert scores == pytest.approx([0.9, 0.8 * (1 - 3 / 5) * (1 - 2 / 6), 0.7, 0.6])
    _, scores = suppress(START, END, SCORE, rule="soft", sigma=0.5)
    c = 0.7 * np.exp(-((1 / 7) ** 2) / 0.5)
    assert scores == pytest.approx([0.9, 0.8 * np.exp(-((3 / 5) ** 2 + (2 / 6) ** 2) / 0.5), c, 0.6])


def test_groups_do_not_see_each_other_and_need_not_lie_together():
    kept, _ = suppress(START, END, SCORE, group=np.array([1, 0, 1, 0]), iou=0.1)
    assert kept.tolist() == [True, True, False, True]


def test_equal_scores_stand_in_the_order_given():
    assert suppress(START, END, np.ones(4), iou=0.3)[0].tolist() == [True, False, True, True]
    assert suppress(START[::-1], END[::-1], np.ones(4), iou=0.3)[0].tolist() == [True, True, False, True]


def test_scores_that_are_not_positive_are_never_raised():
    _, scores = suppress(START, END, -SCORE, rule="soft")
    assert scores.tolist() == (-SCORE).tolist()
    assert suppress(START, END, -SCORE, iou=0.5)[0].tolist() == [False, True, True, True]


def test_nothing_instants_and_no_rule():
    none = np.zeros(0)
    assert [len(part) for part in suppress(none, none, none)] == [0, 0]
    assert suppress(np.ones(2), np.ones(2), np.ones(2), iou=0.5)[0].all(), "instants do not overlap"
    assert suppress(START, END, SCORE, rule="none", iou=0.0)[0].all()


def one_by_one(start, end, score, group, rule, iou, sigma):
    """As the papers write it: a loop, a class at a time."""
    kept, scores = np.zeros(len(score), bool), np.array(score, float)
    for one in set(group.tolist()):
        left = np.flatnonzero(group == one).tolist()
        while left:
            best = max(left, key=lambda i: (scores[i], -i))
            left.remove(best)
            kept[best] = True
            for i in list(left):
                o = float(paired_iou(start[i], end[i], other_start=start[best], other_end=end[best]))
                if rule == "nms" and o >= iou:
                    left.remove(i)
                elif rule == "soft-linear" and o >= iou:
                    scores[i] *= 1 - o
                elif rule == "soft":
                    scores[i] *= np.exp(-(o**2) / sigma)
    return kept, scores


rows = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 8), st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.integers(0, 2)),
    max_size=25,
)


@given(rows, st.sampled_from(["nms", "soft", "soft-linear"]), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_all_groups_at_once_is_one_by_one(rows, rule, iou):
    start, length, score, group = np.array(rows, dtype=float).reshape(-1, 4).T
    group = group.astype(int)
    kept, scores = suppress(start, start + length, score, group=group, rule=rule, iou=iou, sigma=0.5)
    expected_kept, expected = one_by_one(start, start + length, score, group, rule, iou, 0.5)
    assert kept.tolist() == expected_kept.tolist()
    assert scores == pytest.approx(expected)


def test_many_videos_at_once_is_each_by_itself(monkeypatch):
    monkeypatch.setattr("thas.temporal_has.localizer._AT_ONCE", 4)
    features, labels, _ = planted_videos(videos=6)
    settings = Settings().updated({"train.epochs": 1, "network.channels": 8, "localize.detections": 5})
    model = train(features, labels, classes=("class_0", "class_1", "class_2"), settings=settings)
    together, sequences, failed = localize_videos(Localizer(model), features, list(features))
    assert not failed
    assert together == Segments.concat([Localizer(model)(features[sequence.video]) for sequence in sequences])
    lengths = [len(sequence.logits) for sequence in sequences]
    assert [len(table) for table in together.by_video().values()] == lengths, "the bound was met in each"
