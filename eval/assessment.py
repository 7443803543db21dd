"""A score with all that is asked to stand beside it, and how several sets of detections compare."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import DataError, UsageError, listing, plural
from ..core.segments import Segments
from .annotations import Annotations
from .average_precision import DEFAULT_IOU, Scores, check_thresholds, score
from .baselines import Baseline, baselines
from .certainty import Comparison, Interval, TieInterval, bootstrap, compare, tie_interval
from .json_values import plain_table
from .preparation import Prepared, UnknownLabels, prepare
from .protocols import TieOrder, get_protocol
from .ranking import Ranking, rank


@dataclass(frozen=True, eq=False)
class Assessment:
    """A score under one protocol and, if asked, how far ties or other videos move it and what guessing scores."""

    scores: Scores
    prepared: Prepared
    ranking: Ranking
    ties: TieInterval | None = None
    interval: Interval | None = None
    baselines: tuple[Baseline, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain values, fractions."""
        content = self.scores.to_json()
        if self.ties:
            names = ("low", "high", "usual_low", "usual_high")
            content["ties"] = {"detections": self.ties.tied} | {n: getattr(self.ties, n) for n in names}
        if self.interval:
            names = ("low", "high", "average")
            content["bootstrap"] = {"draws": len(self.interval.draws)} | {n: getattr(self.interval, n) for n in names}
        if self.baselines:
            content["baselines"] = [vars(baseline) for baseline in self.baselines]
        return plain_table(content)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What is asked to stand beside a score.

    Attributes:
        ties: Search the interval that equal scores leave open.
        baselines: Score blind guesses too.
        draws: Of the bootstrap over videos; 0 for none.
        seed: Of all random draws.
    """

    ties: bool = False
    baselines: bool = False
    draws: int = 0
    seed: int = 0


def assess(
    detections: Segments,
    annotations: Annotations,
    *,
    iou: Sequence[float] | np.ndarray = DEFAULT_IOU,
    protocol: str = "activitynet",
    known_labels: bool = False,
    videos: Collection[str] | None = None,
    unknown_labels: UnknownLabels | None = None,
    clean_truth: bool = False,
    tie_order: TieOrder | None = None,
    beside: Beside | None = None,
) -> Assessment:
    """Score detections, and say how much the score means.

    Args:
        detections: N rows with scores.
        annotations: Ground truth of the videos to score.
        iou: (K,) thresholds.
        protocol: Name of the protocol.
        known_labels: See `average_precision.evaluate`.
        videos: See `average_precision.evaluate`.
        unknown_labels: See `average_precision.evaluate`.
        clean_truth: See `average_precision.evaluate`.
        tie_order: See `average_precision.evaluate`.
        beside: What else is to be told; the score alone if None.

    Raises:
        DataError: There is no ground truth in the videos to score, or the detections are not usable.
        UsageError: An unknown protocol, or a threshold that is not a fraction.
    """
    beside = beside or Beside()
    chosen, thresholds, seed = get_protocol(protocol), check_thresholds(iou), beside.seed
    prepared = prepare(
        detections,
        annotations,
        protocol=chosen,
        known_labels=known_labels,
        videos=videos,
        unknown_labels=unknown_labels,
        clean_truth=clean_truth,
    )
    if len(prepared.truth) == 0:
        raise DataError(
            "there is no ground truth to score against",
            why=f"{plural(len(prepared.videos), 'video')} to score, and no annotated segment",
            next="check --annotations, --subset and --videos",
        )
    ranking = rank(prepared, thresholds=thresholds, protocol=chosen, ties=tie_order)
    guessed = Annotations(prepared.truth, prepared.classes, annotations.durations, ignored=prepared.ignored)
    return Assessment(
        scores=score(ranking, prepared, known_labels=known_labels),
        prepared=prepared,
        ranking=ranking,
        ties=tie_interval(prepared, thresholds=thresholds, protocol=chosen, seed=seed) if beside.ties else None,
        interval=bootstrap(ranking, draws=beside.draws, seed=seed) if beside.draws else None,
        baselines=tuple(baselines(guessed, iou=iou, protocol=protocol, seed=seed)) if beside.baselines else (),
    )


def compare_assessments(a: Assessment, b: Assessment, *, draws: int = 1000, seed: int = 0) -> Comparison:
    """Whether B differs from A beyond what the choice of videos explains.

    Raises:
        UsageError: They were not scored alike.
    """
    same = (
        a.scores.protocol == b.scores.protocol
        and np.array_equal(a.scores.thresholds, b.scores.thresholds)
        and a.prepared.videos_hash == b.prepared.videos_hash
    )
    if not same:
        raise UsageError("only scores of the same videos, protocol and thresholds can be compared")
    return compare(a.ranking, b.ranking, draws=draws, seed=seed)


def choose_subset(annotations: Annotations, detections: Segments, subset: str | None) -> tuple[Annotations, str]:
    """The subset to score: the one named, or the only one that has detections.

    Returns:
        The annotations, and a sentence that says what was chosen and why, empty if there was no choice.

    Raises:
        UsageError: No subset is named, and the detections lie in several.
    """
    if subset is not None:
        return annotations.subset(subset), ""
    known = sorted(set(annotations.subsets.values()))
    if len(known) < 2:
        return annotations, ""
    touched = sorted({annotations.subsets[video] for video in detections.video if video in annotations.subsets})
    if len(touched) == 1:
        return annotations.subset(touched[0]), (
            f"the annotations hold {listing(known)}; all detections lie in {touched[0]}, so that is scored"
        )
    raise UsageError(
        f"the annotations hold several subsets: {listing(known)}",
        why=f"the detections lie in {listing(touched)}" if touched else "the detections lie in none of their videos",
        next=f"give --subset {touched[0] if touched else known[0]}",
    )


def read_video_list(name: str, annotations: Annotations) -> tuple[str, ...]:
    """The videos of a list: a name of `thumos14.VIDEO_LISTS`, or a text file with a video's name on each line.

    Raises:
        UsageError: There is neither such a list nor such a file.
    """
    from pathlib import Path

    from .parsing import text_lines
    from .thumos14 import VIDEO_LISTS, thumos14_videos

    if name in VIDEO_LISTS:
        return thumos14_videos(name, annotations)
    if Path(name).is_file():
        return tuple(dict.fromkeys(line.split()[0] for _, line in text_lines(Path(name))))
    raise UsageError(
        f"there is no list of videos {name!r}",
        why=f"known: {', '.join(VIDEO_LISTS)}",
        next="give one of these, or a text file with a video's name on each line",
        subject=name,
    )
