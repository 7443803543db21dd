"""Why the mAP is what it is: every detection gets a kind of error, and every kind a price.

The kinds follow Alwassel et al., "Diagnosing Error in Temporal Action Detectors" (ECCV 2018), the prices Bolya et al.,
"TIDE" (ECCV 2020): what would the mAP be if this kind of error alone were put right? For weak supervision the
localization errors are split by what is wrong with them: a network that learns only a video's labels tends to find the
telling part of an action (too short) or to run several together (too long).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .average_precision import area
from .matching import Pairs, candidate_pairs
from .preparation import Prepared
from .ranking import Ranking

#: Overlaps below count as background.
BACKGROUND_IOU = 0.1

#: The kinds, in the order in which they are tried, each with a sentence for the reader.
KINDS = {
    "correct": "right class, IoU reached, and the first to claim its action",
    "double detection": "right, but the action was already claimed by a surer detection",
    "wrong label": "in the right place, with the name of another action",
    "too short": "right class, but it leaves out part of the action (incomplete)",
    "too long": "right class, but it reaches beyond the action (over-complete)",
    "shifted": "right class, but it begins or ends on the wrong side of both ends",
    "wrong label and place": "near an action of another class",
    "background": "touches no action",
}
#: What meets an action at best; the last means that no detection of its class comes near.
TRUTH_KINDS = ("found", "only too short", "only too long", "only shifted", "missed")
LOCALIZATION = ("too short", "too long", "shifted")
_NAMES = tuple(KINDS)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is wrong with detections at one IoU threshold, by the rules of `activitynet`.

    Attributes:
        threshold: IoU.
        map: The mAP as it is.
        kind: (N,) int, position in `KINDS`, of each ranked detection.
        counts: For each kind, how many of the detections that matter have it: of each class the surest ones, ten
            times as many as it has actions.
        first_counts: The same among the surest ones, as many as there are actions.
        corrected: For each kind of error, the mAP if its detections were put right where that is possible (boundaries
            or label set to the action they come closest to, if nothing else claimed it) and dropped otherwise.
        removed: For each kind, the mAP if its detections were not there.
        missed_free: The mAP if the actions that no detection of their class comes near did not count.
        truth_kind: (M,) int, position in `TRUTH_KINDS`: how each action is met.
        truth_counts: Of each of these.
        merged: How many of the too long detections run over two or more actions of their class.
        split: How many actions have two or more too short detections inside.
    """

    threshold: float
    map: float
    kind: np.ndarray
    counts: dict[str, int]
    first_counts: dict[str, int]
    corrected: dict[str, float]
    removed: dict[str, float]
    missed_free: float
    truth_kind: np.ndarray
    truth_counts: dict[str, int]
    merged: int
    split: int

    def to_json(self) -> dict[str, object]:
        """Plain values, fractions."""
        return {
            "iou": self.threshold,
            "map": self.map,
            "detections": self.counts,
            "surest_detections": self.first_counts,
            "map_if_corrected": self.corrected,
            "map_if_removed": self.removed,
            "map_if_missed_did_not_count": self.missed_free,
            "actions": self.truth_counts,
            "too_long_over_several_actions": self.merged,
            "actions_split": self.split,
        }


def diagnose(ranking: Ranking, prepared: Prepared, *, k: int) -> Diagnosis:
    """Sort every detection, matched under `activitynet`, into a kind, and price the kinds, at the k-th threshold."""
    threshold = float(ranking.thresholds[k])
    rows, truth = ranking.row, prepared.truth
    seconds, truth_seconds = prepared.detections.seconds[rows], truth.seconds
    pairs = candidate_pairs(
        ranking.video,
        seconds,
        truth_group=ranking.truth_video,
        truth_seconds=truth_seconds,
        minimum_iou=min(BACKGROUND_IOU, threshold),
    )
    same = ranking.label[pairs.detection] == ranking.truth_label[pairs.truth]
    own_pairs = Pairs(pairs.detection[same], pairs.truth[same], pairs.iou[same])
    n = len(rows)
    own, own_iou = _best(own_pairs.detection, own_pairs.truth, own_pairs.iou, n)
    other, other_iou = _best(pairs.detection[~same], pairs.truth[~same], pairs.iou[~same], n)

    shape = _shape(seconds, truth_seconds, own)
    kind = np.select(
        [
            ranking.matched[k] >= 0,
            own_iou >= threshold,
            other_iou >= threshold,
            own_iou >= BACKGROUND_IOU,
            other_iou >= BACKGROUND_IOU,
        ],
        [0, 1, 2, shape, 6],
        default=7,
    )
    truth_kind = _met(own_pairs, seconds, truth_seconds, matched=ranking.matched[k])
    long, short = kind == 4, kind == 3
    inside = _covered(own_pairs.detection, own_pairs.truth, seconds, truth_seconds)
    touched = np.bincount(own_pairs.detection[inside], minlength=n)
    pieces = np.bincount(own[short], minlength=len(truth)) if short.any() else np.zeros(len(truth))

    target = np.where(np.isin(kind, [2, 6]), other, own)
    positives = ranking.positives
    return Diagnosis(
        threshold=threshold,
        map=_map(ranking.label, ranking.score, kind == 0, positives),
        kind=kind,
        counts=_count(kind, ranking, factor=10),
        first_counts=_count(kind, ranking, factor=1),
        corrected={name: _corrected(ranking, kind, i, target, k=k) for i, name in enumerate(_NAMES) if i},
        removed={name: _removed(ranking, kind, [i]) for i, name in enumerate(_NAMES) if i},
        missed_free=_map(
            ranking.label,
            ranking.score,
            kind == 0,
            np.bincount(ranking.truth_label[truth_kind < 4], minlength=len(positives)),
        ),
        truth_kind=truth_kind,
        truth_counts={name: int((truth_kind == i).sum()) for i, name in enumerate(TRUTH_KINDS)},
        merged=int((long & (touched > 1)).sum()),
        split=int((pieces > 1).sum()),
    )


def _best(detection: np.ndarray, truth: np.ndarray, iou: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """For each detection the ground truth of highest IoU (-1 without any), and that IoU."""
    order = np.lexsort((iou, detection))
    best, value = np.full(n, -1), np.zeros(n)
    best[detection[order]] = truth[order]  # the last of each detection stays: the highest
    value[detection[order]] = iou[order]
    return best, value


def _shape(seconds: np.ndarray, truth_seconds: np.ndarray, own: np.ndarray) -> np.ndarray:
    """3 too short, 4 too long, 5 shifted, by whether more is missing of the action or more is outside of it."""
    if len(truth_seconds) == 0:
        return np.full(len(seconds), 5)
    action = truth_seconds[own]
    inside = np.maximum(np.minimum(seconds[:, 1], action[:, 1]) - np.maximum(seconds[:, 0], action[:, 0]), 0)
    missing = action[:, 1] - action[:, 0] - inside
    outside = seconds[:, 1] - seconds[:, 0] - inside
    return np.where(missing >= 2 * outside, 3, np.where(outside >= 2 * missing, 4, 5))


def _covered(detection: np.ndarray, truth: np.ndarray, seconds: np.ndarray, truth_seconds: np.ndarray) -> np.ndarray:
    """(P,) bool: whether the detection covers at least half of the action."""
    found, action = seconds[detection], truth_seconds[truth]
    inside = np.minimum(found[:, 1], action[:, 1]) - np.maximum(found[:, 0], action[:, 0])
    return inside >= 0.5 * (action[:, 1] - action[:, 0])


def _met(pairs: Pairs, seconds: np.ndarray, truth_seconds: np.ndarray, *, matched: np.ndarray) -> np.ndarray:
    """(M,) how each ground truth is met: by a match, else by the detection of its class that comes closest."""
    result = np.full(len(truth_seconds), TRUTH_KINDS.index("missed"))
    closest, value = _best(pairs.truth, pairs.detection, pairs.iou, len(truth_seconds))
    near = np.flatnonzero(value >= BACKGROUND_IOU)
    result[near] = _shape(seconds[closest[near]], truth_seconds, near) - _NAMES.index("too short") + 1
    result[matched[matched >= 0]] = 0
    return result


def _count(kind: np.ndarray, ranking: Ranking, *, factor: int) -> dict[str, int]:
    """Counts among the surest of each class, `factor` times as many as it has ground truths."""
    place = np.arange(len(kind)) - ranking.offsets[ranking.label]
    taken = place < factor * ranking.positives[ranking.label]
    counts = np.bincount(kind[taken], minlength=len(_NAMES))
    return {name: int(counts[i]) for i, name in enumerate(_NAMES)}


def _map(label: np.ndarray, score: np.ndarray, hit: np.ndarray, positives: np.ndarray) -> float:
    """Interpolated mAP of flagged detections, in the order of the rows where scores are equal."""
    order = np.lexsort((-score, label))
    label, hit = label[order], hit[order]
    place = np.arange(1, len(label) + 1) - np.searchsorted(label, label)
    hits = np.flatnonzero(hit)
    own = label[hits]
    number = np.arange(1, len(hits) + 1) - np.searchsorted(own, own)
    ap = area(number / place[hits], number, own, positives=positives, curve="interpolated")
    return float(np.nanmean(ap)) if (positives > 0).any() else float("nan")


def _removed(ranking: Ranking, kind: np.ndarray, kinds: list[int]) -> float:
    keep = ~np.isin(kind, kinds)
    return _map(ranking.label[keep], ranking.score[keep], kind[keep] == 0, ranking.positives)


def _corrected(ranking: Ranking, kind: np.ndarray, i: int, target: np.ndarray, *, k: int) -> float:
    """The mAP with the detections of one kind put right: the surest for each unclaimed action, the others dropped."""
    if _NAMES[i] in ("double detection", "background"):
        return _removed(ranking, kind, [i])
    chosen = np.flatnonzero((kind == i) & (target >= 0))
    claimed = np.zeros(len(ranking.truth_label), dtype=bool)
    claimed[ranking.matched[k][ranking.matched[k] >= 0]] = True
    chosen = chosen[~claimed[target[chosen]]]
    chosen = chosen[np.lexsort((-ranking.score[chosen], target[chosen]))]
    first = np.concatenate([[True], target[chosen][1:] != target[chosen][:-1]]) if len(chosen) else np.zeros(0, bool)
    put_right = chosen[first]
    label, hit, keep = ranking.label.copy(), kind == 0, kind != i
    label[put_right] = ranking.truth_label[target[put_right]]
    hit[put_right] = True
    keep[put_right] = True
    return _map(label[keep], ranking.score[keep], hit[keep], ranking.positives)
