"""Detections made without looking."""

from __future__ import annotations

import numpy as np
import pytest

from thas.core.segments import Segments
from thas.eval import PROTOCOLS, Annotations, evaluate
from thas.eval.assessment import Beside, assess
from thas.eval.baselines import baselines, tiles
from thas.eval.explanation import explain


def test_tiles_end_with_the_video():
    truth = Annotations(Segments(["v", "v"], ["a", "b"], [0, 1], [2, 3]), ("a", "b"), {"v": 7.0})
    table = tiles(truth, length_seconds=3)
    assert [(row[1], row[2], row[3]) for row in table] == [
        (label, *times) for label in "ab" for times in ((0, 3), (3, 6), (6, 7))
    ]
    assert len(set(table.score)) == 6


def test_a_whole_video_and_one_of_unknown_length():
    truth = Annotations(Segments(["v", "w"], ["a", "a"], [0, 1], [2, 5]), ("a",), {"v": 9.0})
    assert [row[:4] for row in tiles(truth, length_seconds=None)] == [("v", "a", 0, 9), ("w", "a", 0, 5)]


def test_no_truth_no_tiles():
    assert len(tiles(Annotations(Segments.empty(), ("a",)), length_seconds=2)) == 0


def test_the_right_length_wins_and_low_thresholds_flatter():
    videos = [f"v{i}" for i in range(20)]
    truth = Annotations(Segments(videos, ["a"] * 20, [5.5] * 20, [9.5] * 20), ("a",), dict.fromkeys(videos, 20.0))
    scored = baselines(truth, iou=[0.1, 0.5, 0.7], tile_seconds=(1, 5, 15))
    assert scored[0].name == "tiles of 5 s"
    assert scored[-1].name == "whole video"
    assert scored[-1].map == pytest.approx([1.0, 0.0, 0.0])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_scores_are_those_of_the_tiles_drawn_one_by_one(protocol):
    draw = np.random.default_rng(1)
    start = draw.uniform(0, 50, 40)
    truth = Segments(
        [f"v{i % 7}" for i in range(40)], ["ab"[i % 2] for i in range(40)], start, start + draw.uniform(0, 9, 40)
    )
    unsure = Segments(["v1", "v2"], ["a", "b"], [5, 20], [30, 40])
    annotations = Annotations(truth, ("a", "b", "never"), {"v0": 64.0, "v1": 61.5}, ignored=unsure)
    how = {"iou": [0.1, 0.3], "protocol": protocol}
    lengths = {f"tiles of {n} s": float(n) for n in (2, 5, 20)} | {"whole video": None}
    for found in baselines(annotations, tile_seconds=(2, 5, 20), draws=2, seed=3, **how):
        length = lengths[found.name]
        each = [evaluate(tiles(annotations, length_seconds=length, seed=3 + i), annotations, **how).map for i in (0, 1)]
        assert found.map.tolist() == np.mean(each, axis=0).tolist()


def test_the_diagnosis_takes_the_guesses_that_were_scored():
    start = np.arange(20) * 7.0
    truth = Annotations(Segments(["v"] * 20, ["a"] * 20, start, start + 3.5), ("a",), {"v": 150.0})
    found = Segments(["v"], ["a"], [0.0], [3.0], [1.0])
    scored = assess(found, truth, iou=[0.3, 0.5], beside=Beside(baselines=True, seed=5))
    best = max(scored.baselines, key=lambda one: one.map[1])
    assert explain(scored, truth).baseline.average == best.map[1] > 0
    alone = explain(assess(found, truth, iou=[0.3, 0.5]), truth).baseline
    assert alone.average == max(one.average for one in baselines(truth, iou=[0.5]))
    other = explain(assess(found, truth, iou=[0.3], beside=Beside(baselines=True)), truth).baseline
    assert (other.name, other.average) == (alone.name, alone.average)
