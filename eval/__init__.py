"""Scores: detections against ground truth, under named protocols. Imports no torch.

The public names below load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from ..annotators.annotation_files import read_annotations as read_annotations
    from .annotations import Annotations as Annotations
    from .average_precision import Scores as Scores
    from .average_precision import evaluate as evaluate
    from .boxes import BoxTruth as BoxTruth
    from .boxes import LocalizationScores as LocalizationScores
    from .boxes import localization_scores as localization_scores
    from .detections import read_detections as read_detections
    from .matching import temporal_iou as temporal_iou
    from .protocols import PROTOCOLS as PROTOCOLS
    from .protocols import Protocol as Protocol
    from .swept_maps import PixelCounts as PixelCounts
    from .swept_maps import SweptScores as SweptScores
    from .swept_maps import swept_scores as swept_scores

__getattr__, __dir__, __all__ = lazy_names(__name__)
