"""Blind baselines: detections made without looking at any video.

Cut every video into tiles of one length, or take it whole, give it its true class and a random score. At low IoU
thresholds such detections score surprisingly well, so a score means something only beside theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.segments import Segments
from .annotations import Annotations
from .average_precision import DEFAULT_IOU, evaluate

#: Seconds; short and long actions each have a length that flatters them.
TILE_SECONDS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True, eq=False)
class Baseline:
    """The score of one way of guessing.

    Attributes:
        name: What was guessed.
        map: (K,) mean over the draws of random scores.
        average: Mean over the thresholds.
    """

    name: str
    map: np.ndarray
    average: float


def video_seconds(annotations: Annotations) -> dict[str, float]:
    """Length of each video with ground truth; where the annotations do not say, its last segment's end."""
    last: dict[str, float] = {}
    for table in (annotations.segments, annotations.ignored):
        for video, end in zip(table.video, table.end_seconds.tolist(), strict=True):
            last[video] = max(last.get(video, 0.0), end)
    return {video: annotations.durations.get(video, end) for video, end in last.items()}


def tiles(annotations: Annotations, *, length_seconds: float | None, seed: int = 0) -> Segments:
    """Every video with ground truth in tiles, each of its classes on every tile, with random scores.

    Args:
        annotations: Give the videos, their lengths and their classes.
        length_seconds: Of a tile; the last one ends with the video. None for one tile, the whole video.
        seed: Of the scores.
    """
    seconds = video_seconds(annotations)
    labels = [(video, label) for video, own in annotations.video_labels().items() for label in own]
    lengths = np.array([seconds[video] for video, _ in labels])
    tile = np.full(len(labels), length_seconds) if length_seconds else np.maximum(lengths, 1e-9)
    count = np.maximum(1, np.ceil(lengths / tile - 1e-9)).astype(np.int64) if len(labels) else np.zeros(0, np.int64)
    row = np.repeat(np.arange(len(labels)), count)
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    start = place * tile[row] if len(row) else np.zeros(0)
    end = np.minimum(start + tile[row], np.maximum(lengths[row], start)) if len(row) else np.zeros(0)
    score = np.random.default_rng(seed).random(len(row))
    return Segments([labels[i][0] for i in row], [labels[i][1] for i in row], start, end, score)


def baselines(
    annotations: Annotations,
    *,
    iou: Sequence[float] | np.ndarray = DEFAULT_IOU,
    protocol: str = "activitynet",
    tile_seconds: Sequence[float] = TILE_SECONDS,
    draws: int = 3,
    seed: int = 0,
) -> list[Baseline]:
    """Score the blind baselines under the same protocol; the best tile length first, then the others, then the whole.

    Args:
        annotations: Ground truth of the videos scored.
        iou: (K,) thresholds.
        protocol: Name of the protocol.
        tile_seconds: Lengths of tiles to try.
        draws: How often the random scores are drawn.
        seed: Of the first draw.
    """

    def score(name: str, length: float | None) -> Baseline:
        drawn = [
            evaluate(tiles(annotations, length_seconds=length, seed=seed + i), annotations, iou=iou, protocol=protocol)
            for i in range(draws)
        ]
        return Baseline(name, np.mean([s.map for s in drawn], axis=0), float(np.mean([s.average for s in drawn])))

    tried = [score(f"tiles of {length:g} s", length) for length in tile_seconds]
    tried.sort(key=lambda baseline: -baseline.average)
    return [*tried, score("whole video", None)]
