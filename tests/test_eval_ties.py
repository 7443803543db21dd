"""The interval that equal scores leave open."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.core.segments import Segments
from thas.eval import Annotations, evaluate
from thas.eval.certainty import tie_interval
from thas.eval.preparation import prepare
from thas.eval.protocols import PROTOCOLS
from thas.eval.ranking import rank

TRUTH = Annotations(Segments(["v", "w"], ["a", "a"], [0, 0], [10, 10]), ("a",))


def interval(detections, protocol="activitynet", truth=TRUTH):
    chosen = PROTOCOLS[protocol]
    prepared = prepare(detections, truth, protocol=chosen)
    return tie_interval(prepared, thresholds=np.array([0.5]), protocol=chosen)


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_without_ties_the_interval_is_a_point(protocol):
    detections = Segments(["v", "v", "w"], ["a"] * 3, [0, 20, 0], [10, 30, 10], [0.9, 0.8, 0.7])
    found = interval(detections, protocol)
    score = evaluate(detections, TRUTH, iou=[0.5], protocol=protocol).map
    assert found.low.tolist() == found.high.tolist() == score.tolist()
    assert found.tied == 0


def test_a_hit_and_a_miss_with_one_score():
    # hit first: precision 1 at recall 1/2. Hit last: 1/2.
    found = interval(Segments(["v", "v"], ["a", "a"], [0, 20], [10, 30], [0.5, 0.5]))
    assert (found.low[0], found.high[0], found.tied) == (0.25, 0.5, 2)


def test_the_first_thumos14_program_lets_hits_win_every_tie():
    detections = Segments(["v", "v"], ["a", "a"], [20, 0], [30, 10], [0.5, 0.5])
    assert evaluate(detections, TRUTH, iou=[0.5], protocol="thumos14-11point").map[0] == pytest.approx(6 / 11)


rows = st.tuples(st.sampled_from("vw"), st.integers(0, 8), st.integers(1, 5), st.integers(1, 2))


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=5), st.sampled_from(["activitynet", "thumos14"]))
def test_no_order_of_the_ties_leaves_the_interval(drawn, protocol):
    videos, starts, lengths, scores = zip(*drawn, strict=True)
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    detections = Segments(videos, ["a"] * len(drawn), starts, ends, scores)
    truth = Annotations(Segments(["v", "v", "w"], ["a"] * 3, [0, 4, 2], [4, 9, 6]), ("a",))
    chosen = PROTOCOLS[protocol]
    prepared = prepare(detections, truth, protocol=chosen)
    thresholds = np.array([0.3])
    found = tie_interval(prepared, thresholds=thresholds, protocol=chosen, orders=30)
    from thas.eval.average_precision import average_precision

    for order in itertools.permutations(range(len(drawn))):
        ranking = rank(prepared, thresholds=thresholds, protocol=chosen, ties=np.array(order, float))
        value = average_precision(ranking)[0, 0]
        assert found.low[0] - 1e-12 <= value <= found.high[0] + 1e-12


# The first detection fits both actions, the other only the first action; taken in turn, the first may leave it nothing.
BOTH, ONLY_ONE = (1, 11), (0, 9)


@pytest.mark.parametrize("first", [BOTH, ONLY_ONE])
def test_orders_that_change_the_matches_are_searched(first):
    second = ONLY_ONE if first is BOTH else BOTH
    truth = Annotations(Segments(["v", "v"], ["a", "a"], [0, 3], [10, 13], None), ("a",))
    detections = Segments(["v", "v"], ["a", "a"], [first[0], second[0]], [first[1], second[1]], [0.5, 0.5])
    chosen = PROTOCOLS["activitynet"]
    prepared = prepare(detections, truth, protocol=chosen)
    thresholds = np.array([0.6, 0.65, 0.99])
    found = tie_interval(prepared, thresholds=thresholds, protocol=chosen, orders=0)
    # Both hit at 0.6 if the second is matched first; else the one takes the action that fits it best, 9 of 11.
    assert found.high.tolist() == [1.0, 1.0, 0.0]
    assert found.low.tolist() == [0.25, 0.25, 0.0]
    assert found.usual_low.shape == found.usual_high.shape == (3,)
    assert (found.usual_low <= found.usual_high).all()
    assert found.ap_low.shape == found.ap_high.shape == (3, 1)
