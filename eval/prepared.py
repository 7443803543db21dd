"""What takes part in a score, and what was left out of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..core.segments import Segments


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is scored, and what was left out.

    Attributes:
        detections: Those that take part, in the order of their rows.
        truth: Ground truth, in the order of its rows.
        ignored: Ambiguous segments.
        classes: (C,) labels.
        videos: Names of the videos scored, sorted.
        names: (V,) names of these and of all videos that have rows, sorted.
        label: (N,) int, the class of each detection.
        video: (N,) int, its video's position in `names`.
        truth_label: (M,) int, the class of each ground truth.
        truth_video: (M,) int, its video's position in `names`.
        dropped: Count of detections left out, by reason.
        counts: Count of what is odd but takes part, by kind, and of the ground truth left out.
    """

    detections: Segments
    truth: Segments
    ignored: Segments
    classes: tuple[str, ...]
    videos: tuple[str, ...]
    names: tuple[str, ...]
    label: np.ndarray
    video: np.ndarray
    truth_label: np.ndarray
    truth_video: np.ndarray
    dropped: dict[str, int]
    counts: dict[str, int]

    @property
    def videos_hash(self) -> str:
        """Twelve hexadecimal digits that stand for the list of videos: two scores with another hash do not compare."""
        return hashlib.sha256("\n".join(self.videos).encode()).hexdigest()[:12]
