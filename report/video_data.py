"""The timelines of all videos as one compact object: sequences as bytes on one scale a class, times in hundredths."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict
from urllib.parse import quote

import numpy as np

from ..core.segments import Segments
from ..eval.annotations import Annotations
from ..temporal_has.activation import ClassActivationSequence
from ..temporal_has.localize import levels
from ..temporal_has.suppress import sure_segments
from .content import RunContent
from .verdicts import Verdicts, judge, order_of_videos

MOMENTS = 800
"""Most moments of a sequence that are kept; no screen shows more beside each other."""
_CLASSES = 5  # most classes drawn of a video
_CANDIDATES = 60  # most candidates kept of a video beside the person's list


class RunEntry(TypedDict):
    """What a run says of a video.

    `d` is the person's list (class, start, end, score, kind), `o` other candidates, `q` by class the bytes of its
    sequence and its levels, `p` the likeliest class.
    """

    d: list[list[float]]
    o: list[list[float]]
    q: dict[int, tuple[str, list[float]]]
    p: NotRequired[int]


class VideoEntry(TypedDict):
    """A video: name, duration, link, subset, labels, true segments, runs and stills; see `videos_object`."""

    n: str
    d: int
    s: str
    k: str
    l: list[int]  # noqa: E741
    t: list[list[int]]
    r: list[RunEntry]
    i: NotRequired[list[tuple[int, str]]]


class Timelines(TypedDict):
    """All timelines of a page; see `videos_object`."""

    classes: list[str]
    scale: list[list[float]]
    videos: list[VideoEntry]


@dataclass(frozen=True, eq=False)
class Judged:
    """A run's person's list, `sure`, by video and time, and how it compares with the truth where there is any."""

    run: RunContent
    sure: Segments
    verdicts: Verdicts | None


def judged(run: RunContent) -> Judged:
    """Choose a run's surest detections and compare them with its truth."""
    sure = sure_segments(run.detections)
    return Judged(run, sure, judge(sure, run.truth, iou=run.verdict_iou) if run.truth is not None else None)


def videos_object(runs: Sequence[Judged], *, beside: Path) -> Timelines:
    """All timelines, for the page's script.

    Args:
        runs: One, or two compared with the same truth; files and labels are the first one's.
        beside: The folder that the page will lie in; links to videos are relative to it.

    Returns:
        `classes`, `scale` (lowest and highest activation of each class over all videos and runs, which the bytes 0 and
        255 stand for) and `videos`, worst first. In a video `t` are true segments and `r` the runs; times are
        hundredths of a second.
    """
    first = runs[0]
    names = list(dict.fromkeys(video for one in runs for video in one.run.videos))
    if first.verdicts is not None and first.run.truth is not None:
        names = order_of_videos(names, first.sure, first.run.truth, first.verdicts)
    wanted = _wanted(runs)
    drawn = [_drawn(one.run, wanted) for one in runs]
    classes = _classes(runs, drawn)
    number = {label: i for i, label in enumerate(classes)}
    scale = _scale(drawn, classes)
    truth = _truth_rows(runs, number)
    parts = [_run_rows(one, own, number, scale) for one, own in zip(runs, drawn, strict=True)]
    videos: list[VideoEntry] = []
    for name in names:
        lengths = [own[name].duration_seconds for own in drawn if name in own]
        rows: list[RunEntry] = [part.get(name, {"d": [], "o": [], "q": {}}) for part in parts]
        ends = [row[2] for row in truth.get(name, [])] + [row[2] for part in rows for row in part["d"]]
        known = first.run.labels.get(name, ())
        videos.append(
            {
                "n": name,
                "d": round(100 * max(lengths, default=max(ends, default=0) / 100)),
                "s": _link(first.run.files.get(name), beside),
                "k": first.run.truth.subsets.get(name, "") if first.run.truth else "",
                "l": [number[label] for label in known if label in number],
                "t": truth.get(name, []),
                "r": rows,
            }
        )
    return {"classes": classes, "scale": [[round(low, 4), round(high, 4)] for low, high in scale], "videos": videos}


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What is kept of one video's sequence: few classes, few moments."""

    duration_seconds: float
    likeliest: str
    values: dict[str, np.ndarray]
    levels: dict[str, list[float]]


def _wanted(runs: Sequence[Judged]) -> dict[str, list[str]]:
    """The classes to draw of each video: the true ones, those that a run found, those of its label."""
    wanted: dict[str, list[str]] = {}
    truth = runs[0].run.truth
    for table in ([truth.segments] if truth is not None else []) + [one.sure for one in runs]:
        for video, label in zip(table.video, table.label, strict=True):
            mine = wanted.setdefault(video, [])
            if label not in mine:
                mine.append(label)
    for video, labels in runs[0].run.labels.items():
        wanted.setdefault(video, []).extend(labels)
    return wanted


def _drawn(run: RunContent, wanted: dict[str, list[str]]) -> dict[str, _Drawn]:
    """The sequences of a run, reduced while they are read: a thousand long videos do not fit into memory."""
    result: dict[str, _Drawn] = {}
    for sequence in run.sequences():
        likeliest = sequence.classes[int(sequence.probabilities.argmax())]
        labels = [*wanted.get(sequence.video, []), likeliest]
        labels = [label for label in dict.fromkeys(labels) if label in sequence.classes][:_CLASSES]
        rows = np.stack([sequence.of(label) for label in labels])
        level = levels(rows, run.threshold, rule=run.threshold_rule)
        reduced = reduce_moments(sequence, rows)
        result[sequence.video] = _Drawn(
            sequence.duration_seconds,
            likeliest,
            dict(zip(labels, reduced, strict=True)),
            {label: [float(v) for v in level[:, i] if np.isfinite(v)] for i, label in enumerate(labels) if len(level)},
        )
    return result


def reduce_moments(sequence: ClassActivationSequence, rows: np.ndarray, *, most: int = MOMENTS) -> np.ndarray:
    """Sequences on an even grid over the video, of at most so many moments; of several snippets in one the highest.

    Args:
        sequence: Says when each snippet is.
        rows: (C, T).
        most: Moments.

    Returns:
        (C, M) float32.
    """
    edges = sequence.edges_seconds
    count = min(most, 4 * rows.shape[1])
    grid = np.linspace(0.0, max(sequence.duration_seconds, 1e-9), count + 1)
    first = np.clip(np.searchsorted(edges, grid[:-1] + 1e-9, side="right") - 1, 0, rows.shape[1] - 1)
    last = np.clip(np.searchsorted(edges, grid[1:] - 1e-9, side="left"), first + 1, rows.shape[1])
    padded = np.concatenate([rows, np.full((len(rows), 1), -np.inf, dtype=rows.dtype)], axis=1)
    slices = np.stack([first, last], axis=1).ravel()
    return np.maximum.reduceat(padded, slices, axis=1)[:, ::2].astype(np.float32)


def _classes(runs: Sequence[Judged], drawn: Sequence[dict[str, _Drawn]]) -> list[str]:
    """All classes named anywhere on the page, sorted."""
    found: set[str] = set()
    for one, own in zip(runs, drawn, strict=True):
        found.update(one.run.detections.label)
        found.update(label for known in one.run.labels.values() for label in known)
        found.update(label for video in own.values() for label in video.values)
        if one.run.truth is not None:
            found.update(one.run.truth.segments.label)
    return sorted(found)


def _scale(drawn: Sequence[dict[str, _Drawn]], classes: Sequence[str]) -> list[tuple[float, float]]:
    """The lowest and highest activation of each class in any video and run, so that heights compare across videos."""
    low, high = dict.fromkeys(classes, np.inf), dict.fromkeys(classes, -np.inf)
    for own in drawn:
        for video in own.values():
            for label, values in video.values.items():
                low[label] = min(low[label], float(values.min()))
                high[label] = max(high[label], float(values.max()))
    return [(low[label], high[label]) if low[label] <= high[label] else (0.0, 1.0) for label in classes]


def _truth_rows(runs: Sequence[Judged], number: dict[str, int]) -> dict[str, list[list[int]]]:
    """By video: class, start, end, and how each run meets it (position in `TRUTH_KINDS`)."""
    truth: Annotations | None = runs[0].run.truth
    rows: dict[str, list[list[int]]] = {}
    if truth is None:
        return rows
    met = [one.verdicts.truth_kind.tolist() for one in runs if one.verdicts is not None]
    for i, (video, label, start, end) in enumerate(truth.segments):
        kinds = [kind[i] for kind in met]
        rows.setdefault(video, []).append([number[label], round(100 * start), round(100 * end), *kinds])
    return rows


def _run_rows(
    one: Judged, own: dict[str, _Drawn], number: dict[str, int], scale: Sequence[tuple[float, float]]
) -> dict[str, RunEntry]:
    """What a run says of each video."""
    rows: dict[str, RunEntry] = {}

    def of(video: str) -> RunEntry:
        return rows.setdefault(video, {"d": [], "o": [], "q": {}})

    kinds = one.verdicts.kind if one.verdicts is not None else np.full(len(one.sure), -1)
    listed = set[tuple[str, str, float, float]]()
    for (video, label, start, end, score), kind in zip(one.sure, kinds.tolist(), strict=True):
        listed.add((video, label, start, end))
        of(video)["d"].append([number[label], round(100 * start), round(100 * end), float(f"{score:.4g}"), kind])
    for video, label, start, end, score in one.run.detections.sorted_by_score():
        others = of(video)["o"]
        if len(others) < _CANDIDATES and (video, label, start, end) not in listed:
            others.append([number[label], round(100 * start), round(100 * end), float(f"{score:.4g}")])
    for video, kept in own.items():
        mine = of(video)
        mine["p"] = number[kept.likeliest]
        for label, values in kept.values.items():
            low, high = scale[number[label]]
            size = max(high - low, 1e-9)
            data = np.rint((values - low) / size * 255).clip(0, 255).astype(np.uint8)
            level = [round((value - low) / size, 3) for value in kept.levels.get(label, [])]
            mine["q"][number[label]] = base64.b64encode(data.tobytes()).decode(), level
    return rows


def _link(file: Path | None, beside: Path) -> str:
    """A relative link to a video; empty where there is none."""
    if file is None:
        return ""
    # Links inside a data set are kept as they are: what they point to may lie elsewhere on another machine.
    path = os.path.relpath(os.path.abspath(file), os.path.abspath(beside))
    return quote(os.fsencode(path.replace(os.sep, "/")))
