"""Blind baselines: detections made without looking at any video.

Cut every video into tiles of one length, or take it whole, give it its true class and a random score. At low IoU
thresholds such detections score surprisingly well, so a score means something only beside theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.segments import Segments
from .annotations import Annotations
from .average_precision import DEFAULT_IOU, average_precision, check_thresholds, mean_over_classes
from .preparation import prepare
from .protocols import get_protocol
from .ranking import overlaps, rank

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
    row, start, end = _cut(np.array([seconds[video] for video, _ in labels]), length_seconds)
    score = np.random.default_rng(seed).random(len(row))
    names = np.array(labels, dtype=object).reshape(-1, 2)[row]
    return Segments(names[:, 0], names[:, 1], start, end, score)


def _cut(seconds: np.ndarray, length_seconds: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each tile of videos of these lengths: which video, its start and its end."""
    if len(seconds) == 0:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    tile = np.full(len(seconds), length_seconds) if length_seconds else np.maximum(seconds, 1e-9)
    count = np.maximum(1, np.ceil(seconds / tile - 1e-9)).astype(np.int64)
    row = np.repeat(np.arange(len(seconds)), count)
    start = (np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)) * tile[row]
    return row, start, np.minimum(start + tile[row], np.maximum(seconds[row], start))


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
    chosen, thresholds = get_protocol(protocol), check_thresholds(iou)
    whole = prepare(tiles(annotations, length_seconds=None), annotations, protocol=chosen)

    def score(name: str, length: float | None) -> Baseline:
        row, start, end = _cut(whole.detections.end_seconds, length)
        table = whole.detections[row].replaced(start_seconds=start, end_seconds=end)
        prepared = replace(whole, detections=table, label=whole.label[row], video=whole.video[row])
        met = overlaps(prepared, minimum_iou=float(thresholds.min()), protocol=chosen)
        maps = list[np.ndarray]()
        for draw in range(draws):
            drawn = table.replaced(score=np.random.default_rng(seed + draw).random(len(table)))
            ranking = rank(
                replace(prepared, detections=drawn), thresholds=thresholds, protocol=chosen, ties="file", met=met
            )
            maps.append(mean_over_classes(average_precision(ranking), ranking))
        return Baseline(name, np.mean(maps, axis=0), float(np.mean(maps)))

    tried = [score(f"tiles of {length:g} s", length) for length in tile_seconds]
    tried.sort(key=lambda baseline: -baseline.average)
    return [*tried, score("whole video", None)]
