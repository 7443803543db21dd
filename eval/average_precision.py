"""Average precision of detections under a named protocol."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..core.errors import UsageError, listing
from ..core.segments import Segments
from ..core.table_text import table_html, table_text
from .annotations import Annotations
from .json_values import plain_table
from .preparation import Prepared, UnknownLabels, prepare
from .protocols import ProtocolName, TieOrder, get_protocol
from .ranking import Ranking, rank

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

#: The thresholds of weakly supervised papers on THUMOS14.
DEFAULT_IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)

# MATLAB counts 0:0.1:1 from both ends, which decides whether a recall of exactly 0.3 reaches the fourth point.
RECALL_POINTS = np.concatenate([0.1 * np.arange(6), 1 - 0.1 * np.arange(5)[::-1]])


@dataclass(frozen=True, eq=False)
class Scores:
    """Average precision for each threshold and class, with all that is needed to compare it with another.

    Attributes:
        thresholds: (K,) IoU.
        ap: (K, C) fractions; NaN where a class has no ground truth.
        classes: (C,) labels.
        protocol: Name of the protocol.
        map: (K,) mean over the classes that have ground truth.
        details: What was scored and what was not: counts of videos, detections and ground truth, by reason.
    """

    thresholds: np.ndarray
    ap: np.ndarray
    classes: tuple[str, ...]
    protocol: str
    map: np.ndarray
    details: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def average(self) -> float:
        """Mean of the mAP over the thresholds."""
        return float(self.map.mean()) if len(self.map) else float("nan")

    def to_json(self) -> dict[str, object]:
        """Fractions, in plain Python values; None where a class has no ground truth."""
        return plain_table(
            {
                "protocol": self.protocol,
                "iou": self.thresholds,
                "map": self.map,
                "average": self.average,
                "ap": {name: self.ap[:, c] for c, name in enumerate(self.classes)},
                **self.details,
            }
        )

    def to_pandas(self) -> pd.DataFrame:
        """Fractions: a row a class and `mAP` last, a column a threshold and `mean` last; NaN without ground truth."""
        import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

        values = np.concatenate([self.ap, self.map[:, None]], axis=1).T
        values = np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)
        return pd.DataFrame(values, index=[*self.classes, "mAP"], columns=[*self.thresholds.tolist(), "mean"])

    def _percent_rows(self) -> tuple[list[str], list[list[str]]]:
        frame = self.to_pandas()
        rows = [["-" if np.isnan(value) else f"{100 * value:.1f}" for value in row] for row in frame.to_numpy()]
        heading = [f"AP (%), {self.protocol}", *(f"{t:g}" for t in self.thresholds), "mean"]
        return heading, [[str(name), *row] for name, row in zip(frame.index, rows, strict=True)]

    def to_markdown(self) -> str:
        """The table of `to_pandas` in per cent, as Markdown."""
        heading, rows = self._percent_rows()
        return table_text(heading, rows, form="markdown")

    def to_latex(self) -> str:
        """The table of `to_pandas` in per cent, as LaTeX (booktabs)."""
        heading, rows = self._percent_rows()
        return table_text(heading, rows, form="latex")

    def _repr_html_(self) -> str:
        heading, rows = self._percent_rows()
        return table_html(heading, rows)

    def __repr__(self) -> str:
        values = ", ".join(f"{t:g}: {m:.4f}" for t, m in zip(self.thresholds, self.map, strict=True))
        return f"<Scores: {self.protocol}, mAP at {values}>"


def evaluate(
    detections: Segments,
    annotations: Annotations,
    *,
    iou: Sequence[float] | np.ndarray = DEFAULT_IOU,
    protocol: ProtocolName | str = "activitynet",
    known_labels: bool = False,
    videos: Collection[str] | None = None,
    unknown_labels: UnknownLabels | None = None,
    clean_truth: bool = False,
    ties: TieOrder | None = None,
) -> Scores:
    """Score detections against ground truth.

    Args:
        detections: N rows with scores. Under `activitynet` and `wtalc` their order is of no account.
        annotations: Ground truth of the videos to score; detections elsewhere are false positives.
        iou: (K,) thresholds, fractions.
        protocol: `activitynet`, `thumos14`, `thumos14-11point` or `wtalc`, see `protocols.PROTOCOLS`.
        known_labels: Count only detections whose label occurs in their video: the setting of the Hide-and-Seek paper.
            It takes the classification of the videos as solved, so it flatters.
        videos: Score these videos alone.
        unknown_labels: `error` or `drop` detections whose label the ground truth does not know.
        clean_truth: Drop ground truths that repeat another one or have no length; the published programs keep them.
        ties: Order of equal scores if not the protocol's own: `canonical` (video name, start, end) or `file`.

    Raises:
        DataError: Detections without scores, or with unknown labels.
        UsageError: An unknown protocol, or a threshold that is not a fraction.

    >>> truth = Segments(["v", "v"], ["Dive", "Dive"], [0, 10], [4, 14])
    >>> found = Segments(["v", "v", "v"], ["Dive"] * 3, [0, 5, 10], [4, 9, 13], [0.9, 0.8, 0.7])
    >>> evaluate(found, Annotations(truth, ("Dive",)), iou=[0.5, 0.8]).map.round(3).tolist()
    [0.833, 0.5]
    """
    chosen = get_protocol(protocol)
    prepared = prepare(
        detections,
        annotations,
        protocol=chosen,
        known_labels=known_labels,
        videos=videos,
        unknown_labels=unknown_labels,
        clean_truth=clean_truth,
    )
    ranking = rank(prepared, thresholds=check_thresholds(iou), protocol=chosen, ties=ties)
    return score(ranking, prepared, known_labels=known_labels)


def check_thresholds(iou: Sequence[float] | np.ndarray) -> np.ndarray:
    """The thresholds as an array, or a UsageError."""
    thresholds = np.asarray(iou, dtype=np.float64).reshape(-1)
    if len(thresholds) == 0 or not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise UsageError(
            f"IoU thresholds must be fractions from 0 to 1, not {listing([f'{t:g}' for t in thresholds])}",
            why="they are not per cent" if (thresholds > 1).any() else "",
            next="give for example --iou 0.1 0.3 0.5",
        )
    return thresholds


def score(ranking: Ranking, prepared: Prepared, *, known_labels: bool = False) -> Scores:
    """Average precision and the account of what was scored, from matched detections."""
    ap = average_precision(ranking)
    return Scores(
        thresholds=ranking.thresholds,
        ap=ap,
        classes=prepared.classes,
        protocol=ranking.protocol.name,
        map=mean_over_classes(ap, ranking),
        details={
            "known_labels": known_labels,
            "videos": len(prepared.videos),
            "videos_hash": prepared.videos_hash,
            "videos_with_ground_truth": len(set(prepared.truth.video)),
            "classes_with_ground_truth": int((ranking.positives > 0).sum()),
            "ground_truth": len(prepared.truth),
            "detections": len(prepared.detections),
            "detections_dropped": prepared.dropped,
            "counts": prepared.counts,
            "detections_with_tied_scores": ranking.tied,
        },
    )


def mean_over_classes(ap: np.ndarray, ranking: Ranking) -> np.ndarray:
    """(K,) mAP: the mean over classes with ground truth, 0 where the protocol says so; NaN if no class has any.

    Args:
        ap: (..., K, C) fractions.
        ranking: The matched detections they came from.
    """
    scored = ranking.positives > 0
    if not scored.any():
        return np.full(ap.shape[:-1], np.nan)
    means = ap[..., scored].mean(axis=-1)
    if ranking.protocol.empty_class_is_fatal and (np.diff(ranking.offsets)[scored] == 0).any():
        means = np.zeros_like(means)
    return means


def average_precision(ranking: Ranking, *, ties: Literal["ranked", "hits-first", "hits-last"] = "ranked") -> np.ndarray:
    """(K, C) average precision, NaN where a class has no ground truth.

    Args:
        ranking: Matched detections.
        ties: Within equal scores: as ranked (or as the protocol has it), true positives first, or last. The last two
            are what the luckiest and the unluckiest order would give for the same matches.
    """
    classes = len(ranking.positives)
    if ranking.protocol.hits_first and ties == "ranked":
        ties = "hits-first"
    ap = np.full((len(ranking.thresholds), classes), np.nan)
    for k in range(len(ranking.thresholds)):
        hits = np.flatnonzero(ranking.matched[k] >= 0)
        label = ranking.label[hits]
        number, place = hit_positions(ranking, k, hits, ties=ties)
        ap[k] = area(number / place, number, label, positives=ranking.positives, curve=ranking.protocol.curve)
    return ap


def hit_positions(ranking: Ranking, k: int, hits: np.ndarray, *, ties: str) -> tuple[np.ndarray, np.ndarray]:
    """For each true positive: its number among those of its class, and its place among all that count, from 1."""
    label = ranking.label[hits]
    before = np.concatenate([[0], np.cumsum(ranking.counted[k])])
    number = np.arange(1, len(hits) + 1) - np.searchsorted(label, label)
    if ties == "ranked":
        place = before[hits + 1]
    else:
        block = ranking.block_start[hits]
        if ties == "hits-first":
            place = before[block] + np.arange(1, len(hits) + 1) - np.searchsorted(block, block)
        else:
            place = (
                before[ranking.block_stop[hits]]
                - (np.searchsorted(block, block, side="right") - np.arange(len(hits)))
                + 1
            )
    return number, place - before[ranking.offsets[label]]


def area(
    precision: np.ndarray, number: np.ndarray, label: np.ndarray, *, positives: np.ndarray, curve: str
) -> np.ndarray:
    """Average precision of each class from the precision at its true positives.

    Args:
        precision: (H,) at each true positive, by class and rank.
        number: (H,) 1 for the first true positive of a class, 2 for the second.
        label: (H,) int, class, rising.
        positives: (C,) int, ground truths.
        curve: See `Protocol.curve`.

    Returns:
        (C,) fractions, NaN where there is no ground truth.
    """
    result = np.full(len(positives), np.nan)
    bounds = np.searchsorted(label, np.arange(len(positives) + 1))
    for c in np.flatnonzero(positives):
        own = precision[bounds[c] : bounds[c + 1]]
        if curve == "hits":
            result[c] = own.sum() / positives[c]
            continue
        best = np.maximum.accumulate(own[::-1])[::-1]  # the best precision at this recall or beyond
        if curve == "interpolated":
            result[c] = best.sum() / positives[c]
        else:
            reached = np.searchsorted(number[bounds[c] : bounds[c + 1]] / positives[c], RECALL_POINTS)
            result[c] = np.append(best, 0.0)[reached].mean()
    return result
