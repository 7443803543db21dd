"""Detections made without looking."""

from __future__ import annotations

import pytest

from thas.core.segments import Segments
from thas.eval import Annotations
from thas.eval.baselines import baselines, tiles


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
