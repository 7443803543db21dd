"""Where actions are found and where they are missed: by length, coverage, number in the video, and position.

After Alwassel et al. (ECCV 2018), with bounds that suit short actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .average_precision import area
from .preparation import Prepared
from .ranking import Ranking

#: Upper bounds; the last group is open.
LENGTH_SECONDS = (2.0, 5.0, 10.0, 30.0)
COVERAGE = (0.02, 0.05, 0.1, 0.3)
INSTANCES = (1, 4, 10, 20)
THIRDS = ("first third", "middle third", "last third")


@dataclass(frozen=True)
class Slice:
    """One group of actions.

    Attributes:
        by: What they are grouped by.
        name: The group.
        truths: How many actions it has.
        found: Fraction that some detection matches.
        map: Normalized mAP: as if the group had as many actions as its class, so that small groups compare with large.
    """

    by: str
    name: str
    truths: int
    found: float
    map: float


def slices(
    ranking: Ranking, prepared: Prepared, *, k: int, durations: Mapping[str, float] | None = None
) -> list[Slice]:
    """Score each group of ground truths on its own.

    Matches are those under `activitynet` at the k-th threshold. Coverage and position are left out for videos without
    `durations`.

    A detection matched to an action of another group is left out; one without a match is a false positive everywhere.
    """
    truth, durations = prepared.truth, durations or {}
    length = truth.duration_seconds
    video = np.fromiter((durations.get(name, np.nan) for name in truth.video), float, len(truth))
    centre = (truth.start_seconds + truth.end_seconds) / 2
    number = np.bincount(ranking.truth_video, minlength=len(ranking.videos))[ranking.truth_video]
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage, third = length / video, np.clip(np.floor(3 * centre / video), 0, 2)
    groups = [
        ("length", _names(LENGTH_SECONDS, "{} s"), np.searchsorted(LENGTH_SECONDS, length).astype(float)),
        ("share of its video", _names([100 * c for c in COVERAGE], "{} %"), np.searchsorted(COVERAGE, coverage)),
        ("actions in its video", _names(INSTANCES, "{}", whole=True), np.searchsorted(INSTANCES, number).astype(float)),
        ("position", THIRDS, third),
    ]
    result: list[Slice] = []
    for by, names, member in groups:
        member = np.where(np.isnan(video), -1, member) if by in ("share of its video", "position") else member
        for i, name in enumerate(names):
            inside = member == i
            if inside.any():
                result.append(_score(ranking, inside, k=k, by=by, name=name))
    return result


def _names(bounds: Sequence[float], form: str, *, whole: bool = False) -> tuple[str, ...]:
    texts = [f"{bound:g}" for bound in bounds]
    if whole:
        lows = [f"{int(bound) + 1}" for bound in bounds]
        middle = [f"{low} to {high}" if low != high else high for low, high in zip(lows, texts[1:], strict=False)]
        return (texts[0], *middle, f"more than {texts[-1]}")
    middle = [form.format(f"{low} to {high}") for low, high in pairwise(texts)]
    return (form.format(f"up to {texts[0]}"), *middle, form.format(f"over {texts[-1]}"))


def _score(ranking: Ranking, inside: np.ndarray, *, k: int, by: str, name: str) -> Slice:
    matched = ranking.matched[k]
    own = np.bincount(ranking.truth_label[inside], minlength=len(ranking.positives))
    in_group = inside[matched] & (matched >= 0)
    # Each true positive stands for as many as its class has actions for each one in the group.
    weight = np.divide(ranking.positives, own, out=np.zeros(len(own)), where=own > 0)[ranking.label]
    hits = np.flatnonzero(in_group)
    label = ranking.label[hits]
    found = np.cumsum(np.where(in_group, weight, 0.0))
    wrong = np.cumsum(matched < 0)
    starts = ranking.offsets[label]
    before_found = np.concatenate([[0.0], found])[starts]
    before_wrong = np.concatenate([[0], wrong])[starts]
    right = found[hits] - before_found
    precision = right / (right + wrong[hits] - before_wrong)
    number = np.arange(1, len(hits) + 1) - np.searchsorted(label, label)
    ap = area(precision, number, label, positives=own, curve="interpolated")
    recall = len(np.unique(matched[in_group])) / int(inside.sum())
    return Slice(by, name, int(inside.sum()), recall, float(np.nanmean(ap)))
