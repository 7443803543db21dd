"""Scores: detections against ground truth, under named protocols. Imports no torch.

The public names below load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from ..annotators.annotation_files import read_annotations
    from .annotations import Annotations
    from .average_precision import Scores, evaluate
    from .boxes import BoxTruth, LocalizationScores, SweptScores, localization_scores, swept_scores
    from .detections import read_detections
    from .iou import temporal_iou
    from .masks import PixelCounts
    from .protocols import PROTOCOLS, Protocol

_HOME = {
    "PROTOCOLS": "protocols",
    "Annotations": "annotations",
    "BoxTruth": "boxes",
    "LocalizationScores": "boxes",
    "PixelCounts": "masks",
    "Protocol": "protocols",
    "Scores": "average_precision",
    "SweptScores": "boxes",
    "evaluate": "average_precision",
    "localization_scores": "boxes",
    "read_annotations": ".annotators.annotation_files",
    "read_detections": "detections",
    "swept_scores": "boxes",
    "temporal_iou": "iou",
}

__all__ = [
    "PROTOCOLS",
    "Annotations",
    "BoxTruth",
    "LocalizationScores",
    "PixelCounts",
    "Protocol",
    "Scores",
    "SweptScores",
    "evaluate",
    "localization_scores",
    "read_annotations",
    "read_detections",
    "swept_scores",
    "temporal_iou",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
