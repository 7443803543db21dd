from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from thas.core.segments import Segments
from thas.eval.annotations import Annotations
from thas.temporal_has.activation import ClassActivationSequence
from thas.temporal_has.settings import EvalSettings
from thas.temporal_has.trust import doubts, standing


def sequence(logits, probabilities=(0.9, 0.3, 0.1), spread=4.0):
    logits = np.asarray(logits, np.float32)
    sure = np.asarray(probabilities[: logits.shape[1]], np.float32)
    start = np.arange(float(len(logits)))
    return ClassActivationSequence(
        "v", logits, sure, sure, start, start + 1, float(len(logits)), tuple("abc"[: logits.shape[1]]), spread
    )


MOVES = [0.0, 5.0, 0.0, 1.0]


def test_a_sequence_that_moves_and_differs_leaves_no_doubt():
    found = doubts([sequence(np.stack([MOVES, [3.0, 0, 0, 1], [0, 0, 0, 4]], axis=1))] * 3)
    assert (found.videos, found.flat, found.alike) == (3, 0, 0)
    assert found.warnings() == []


def test_flat_sequences_are_counted_and_warned_of_from_half_of_the_videos_on():
    flat = sequence(np.stack([[2.0, 2.1, 2.0, 2.2], MOVES], axis=1))
    good = sequence(np.stack([MOVES, [3.0, 0, 0, 1]], axis=1))
    assert doubts([flat, good, good]).warnings() == []
    found = doubts([flat, flat, good])
    assert (found.flat, found.alike) == (2, 0)
    assert found.warnings()[0].startswith("in 2 of 3 videos the sequence of the likeliest class hardly moves")


def test_the_same_sequence_for_all_classes_is_warned_of():
    same = sequence(np.stack([MOVES, np.multiply(MOVES, 0.3) - 2], axis=1))
    found = doubts([same])
    assert (found.flat, found.alike) == (0, 1)
    assert "mark the same moments" in found.warnings()[0]


def test_what_cannot_move_is_not_looked_at():
    assert doubts([]).warnings() == []
    assert doubts([sequence([[1.0, 2.0]])]).videos == 0


@given(st.integers(2, 9), st.integers(1, 3), st.floats(0, 10), st.integers(0, 99))
def test_it_holds_for_any_sequence_without_a_warning_of_numpy(snippets, classes, spread, seed):
    draw = np.random.default_rng(seed).choice([0.0, 1.0, 5.0], size=(snippets, classes))
    with np.errstate(all="raise"):
        found = doubts([sequence(draw, spread=spread)])
    assert found.flat + found.alike <= found.videos == 1


def test_detections_stand_beside_guessing():
    """Half of a video of 20 s is action: tiles of 10 s hit it, or miss it, by chance."""
    places = Segments(["v", "w"], ["Run", "Run"], [0.0, 10.0], [10.0, 20.0])
    truth = Annotations(places, ("Run",), durations={"v": 20.0, "w": 20.0})
    right = Segments(["v", "w"], ["Run", "Run"], [0.0, 10.0], [10.0, 20.0], [0.9, 0.8])
    wrong = Segments(["v", "w"], ["Run", "Run"], [12.0, 2.0], [19.0, 8.0], [0.9, 0.8])
    found = standing(right, truth, EvalSettings())
    assert found is not None
    assert (found.average, found.tiles, found.above) == (1.0, "tiles of 20 s", True)
    assert 0.4 < found.blind < 1
    lost = standing(wrong, truth, EvalSettings())
    assert lost is not None
    assert (lost.average, lost.above) == (0.0, False)
    assert lost.line().endswith("guessing does as well")
    assert standing(wrong, Annotations(Segments.empty(), ()), EvalSettings()) is None
