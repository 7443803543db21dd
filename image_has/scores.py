"""What is told of predictions: the paper's three scores, the swept ones, and the boxes that look at no image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from ..core.errors import DataError
from ..eval.boxes import BoxTruth, best_iou, blind_boxes, localization_hits, paired_interval
from ..eval.swept_maps import swept_from_iou
from .predict import Predictions


class Swept(TypedDict, total=False):
    """What the best of many thresholds gives, chosen on the images that are scored (Choe et al. 2020)."""

    max_box_acc: float
    best_threshold: float
    max_box_acc_v2: float
    max_box_acc_v2_by_iou: dict[str, float]


class Baselines(TypedDict, total=False):
    """GT-known Loc of the whole image's box and of the best centred one, and that one's size, as fractions."""

    whole_image: float
    centred_box: float
    centred_height: float
    centred_width: float


@dataclass(frozen=True, eq=False)
class ImageScores:
    """Fractions of the images that have annotated boxes; of all images where none has.

    Attributes:
        images: Scored, M.
        without_boxes: Images left out because they have no box.
        iou: A box hits above this.
        right: (M,) bool, the likeliest class is the true one; None where no classes were predicted.
        top1_hits: (M,) bool, and its box hits; None where there are no boxes or no classes.
        known_hits: (M,) bool, the box of the true class hits; None where there are no boxes.
        swept: `max_box_acc`, `max_box_acc_v2`, the best threshold; empty where nothing was swept.
        baselines: GT-known Loc of the whole image's box and of the best centred one; empty without boxes.
        centred_hits: (M,) bool, that centred box hits.
    """

    images: int
    without_boxes: int
    iou: float
    right: np.ndarray | None
    top1_hits: np.ndarray | None
    known_hits: np.ndarray | None
    swept: Swept
    baselines: Baselines
    centred_hits: np.ndarray | None

    @property
    def gt_known_loc(self) -> float | None:
        """Fraction of images in which the box of the true class hits."""
        return _mean(self.known_hits)

    @property
    def top1_loc(self) -> float | None:
        """Fraction in which the likeliest class is right and its box hits."""
        return _mean(self.top1_hits)

    @property
    def top1_clas(self) -> float | None:
        """Fraction in which the likeliest class is right."""
        return _mean(self.right)

    def to_json(self) -> dict[str, object]:
        """Plain values; a score that cannot be given is null."""
        content: dict[str, object] = {
            "gt_known_loc": self.gt_known_loc,
            "top1_loc": self.top1_loc,
            "top1_clas": self.top1_clas,
            "images": self.images,
            "without_boxes": self.without_boxes,
            "iou": self.iou,
            "swept": self.swept,
            "baselines": self.baselines,
            "interval95": {
                name: list(paired_interval(hits))
                for name, hits in (
                    ("gt_known_loc", self.known_hits),
                    ("top1_loc", self.top1_hits),
                    ("top1_clas", self.right),
                )
                if hits is not None
            },
        }
        if self.known_hits is not None and self.centred_hits is not None:
            over = paired_interval(self.known_hits, self.centred_hits)
            content["over_centred_interval95"] = list(over)
        return content


def _mean(values: np.ndarray | None) -> float | None:
    return None if values is None else float(values.mean())


def score(predictions: Predictions, *, iou: float = 0.5, classes: bool = True) -> ImageScores:
    """Score predictions.

    Args:
        predictions: For the images of a table.
        iou: A box hits when its IoU with any box of its image is above.
        classes: Whether classes were predicted; given maps say nothing of them.

    Raises:
        DataError: There is nothing to score.
    """
    table = predictions.table
    if not len(table):
        raise DataError(f"{table.root} has no images to score", next="name another subset", subject=str(table.root))
    rows = np.array([i for i, name in enumerate(table.paths) if name in table.boxes], dtype=np.int64)
    bare = len(table) - len(rows)
    if not len(rows):
        right = predictions.predicted == table.labels
        return ImageScores(len(table), bare, iou, right if classes else None, None, None, {}, {}, None)
    truth = BoxTruth.from_lists([table.boxes[table.paths[i]].tolist() for i in rows])
    hits = localization_hits(
        predictions.predicted_boxes[rows],
        predictions.known_boxes[rows],
        predicted=predictions.predicted[rows],
        true=table.labels[rows],
        truth=truth,
        iou=iou,
    )
    sizes = predictions.sizes[rows]
    whole, centred, (tall, wide) = blind_boxes(truth, sizes, iou=iou)
    fraction = np.array([1 - wide, 1 - tall, 1 + wide, 1 + tall]) / 2
    blind = np.tile(sizes[:, ::-1], 2) * fraction
    swept: Swept = {}
    if len(predictions.thresholds):
        found = swept_from_iou(predictions.largest[rows], predictions.any_part[rows], predictions.thresholds, iou=iou)
        swept = {
            "max_box_acc": found.max_box_acc,
            "best_threshold": found.best_threshold,
            "max_box_acc_v2": found.max_box_acc_v2,
            "max_box_acc_v2_by_iou": dict(zip(("0.3", "0.5", "0.7"), found.v2, strict=True)),
        }
    return ImageScores(
        images=len(rows),
        without_boxes=bare,
        iou=iou,
        right=hits.right if classes else None,
        top1_hits=hits.top1 if classes else None,
        known_hits=hits.known,
        swept=swept,
        baselines={"whole_image": whole, "centred_box": centred, "centred_height": tall, "centred_width": wide},
        centred_hits=best_iou(blind, truth) > iou,
    )
