"""Point labels: one click an action, a time and a name, as a stronger supervision than a video's labels.

A click says what is at one snippet. That every action has its click says more: between two clicks that follow each
other there is nothing but the actions of these two, or none, and between two of the same action there is something
else. From this comes a loss of single snippets, added to that of whole videos. Clicked snippets, and background between
clicks, are from Ma et al., "SF-Net" (ECCV 2020), and Lee & Byun, "Learning Action Completeness from Points" (ICCV
2021). They find background between any two clicks, which is wrong where actions follow each other without a pause:
benchmarks/temporal.md has both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..core.errors import DataError, listing
from ..core.segments import Segments
from .network import NetworkOutput


class PointLabels(dict[str, tuple[str, ...]]):
    """The labels of videos, with the moments at which somebody saw them.

    Args:
        labels: By video; those of the points are added.
        points: Rows that end where they start; a video without any is learned from by its labels alone.

    >>> PointLabels({"v": ("Run",)}, Segments(["v"], ["Jump"], [2.5], [2.5]))["v"]
    ('Run', 'Jump')
    """

    def __init__(self, labels: Mapping[str, Sequence[str]], points: Segments) -> None:
        super().__init__({video: tuple(known) for video, known in labels.items()})
        rows = np.fromiter((video in self for video in points.video), bool, len(points))
        self.points = points[rows]
        for video, label in zip(self.points.video, self.points.label, strict=True):
            if label not in self[video]:
                self[video] = (*self[video], str(label))


def snippets_of(
    points: Segments, videos: Sequence[str], centres: Sequence[np.ndarray], classes: Sequence[str]
) -> list[Tensor]:
    """For each video its points as (P, 2) int64: the snippet whose middle is nearest, and the class.

    Args:
        points: Of these and perhaps other videos.
        videos: N names.
        centres: (T_i,) seconds, the middles of each video's snippets.
        classes: C names.

    Raises:
        DataError: A point has a label that is none of the classes, or lies far outside its video's snippets.
    """
    column = {label: i for i, label in enumerate(classes)}
    unknown = sorted(set(points.label) - set(column))
    if unknown:
        raise DataError(f"points of labels outside the classes: {listing(unknown)}", next="name them in `classes`")
    by_video = points.by_video()
    found: list[Tensor] = []
    for video, middle in zip(videos, centres, strict=True):
        own = by_video.get(video)
        if own is None or not len(middle):
            found.append(torch.zeros(0, 2, dtype=torch.int64))
            continue
        distance = np.abs(own.start_seconds[:, None] - middle[None])
        reach = 2.0 + 2 * (np.median(np.diff(middle)) if len(middle) > 1 else 1.0)
        nearest = distance.argmin(axis=1)
        if (distance.min(axis=1) > reach).any():
            late = int(distance.min(axis=1).argmax())
            raise DataError(
                f"a point of {video} at {own.start_seconds[late]:g} s lies outside its features",
                why=f"they reach from {middle[0]:g} to {middle[-1]:g} s; is it of another video, or in another unit?",
                next="correct points.csv, or go without: --set train.points=0",
                subject=video,
            )
        rows = [[int(t), column[str(label)]] for t, label in zip(nearest, own.label, strict=True)]
        found.append(torch.tensor(sorted(rows), dtype=torch.int64).reshape(-1, 2))
    return found


class Clicks(NamedTuple):
    """What somebody clicked in one video.

    Attributes:
        points: (P, 2) int64, snippet and class, in the order of snippets; those that are hidden, too.
        seen: (T,) bool, False where the snippet is hidden this time.
    """

    points: Tensor
    seen: Tensor


def point_losses(output: NetworkOutput, labels: Tensor, clicks: Sequence[Clicks]) -> Tensor:
    """The loss of single snippets of each video; 0 where a video has no clicks.

    Args:
        output: Of the head; of several members the mean of their losses.
        labels: (B, C), 1 where a video has a class.
        clicks: Of each of B videos.

    Returns:
        (B,).
    """
    if output.members:
        return torch.stack([point_losses(one, labels, clicks) for one in output.members]).mean(dim=0)
    losses = [output.sequence.sum() * 0] * len(clicks)
    for i, own in enumerate(clicks):
        if len(own.points):
            attention = None if output.attention is None else output.attention[i, : len(own.seen)]
            losses[i] = _one(output.sequence[i, : len(own.seen)], attention, labels[i], own)
    return torch.stack(losses)


def _one(sequence: Tensor, attention: Tensor | None, labels: Tensor, clicks: Clicks) -> Tensor:
    """Of one video: (T, C) logits, (T,) attention, (C,) labels. Each kind of snippet counts as much as another."""
    # What attention let through was multiplied by it. Learned from that, "no class is here" would call for attention.
    logits = sequence if attention is None else sequence / attention.clamp(min=1e-3)[:, None]
    action = torch.sigmoid(logits.detach()).amax(dim=1)
    known = said_by_clicks(clicks.points, labels, action if attention is None else action * attention.detach())
    each = functional.binary_cross_entropy_with_logits(logits, known.wanted, reduction="none")
    losses = (each * known.said).mean(dim=1)
    loss = losses.sum() * 0
    for kind in (CLICKED, BETWEEN, NOTHING):
        rows = (known.kind == kind) & clicks.seen
        loss = loss + (losses * rows).sum() / rows.sum().clamp(min=1)
    return loss


CLICKED, BETWEEN, NOTHING = range(3)


class Said(NamedTuple):
    """What clicks say of each snippet of a video.

    Attributes:
        wanted: (T, C), 1 where a class was clicked.
        said: (T, C) bool, whether it is known that a class is or is not there.
        kind: (T,) int64, CLICKED, BETWEEN clicks, or NOTHING: background.
    """

    wanted: Tensor
    said: Tensor
    kind: Tensor


def said_by_clicks(points: Tensor, labels: Tensor, action: Tensor) -> Said:
    """What follows for each snippet from the clicks, of which every action of a clicked class has one.

    Args:
        points: (P, 2) int64, snippet and class, in the order of snippets.
        labels: (C,), 1 where the video has a class. Where it was never clicked, nothing is known.
        action: (T,) how much each snippet looks like any action now; the least between two of one kind is background.

    >>> points = torch.tensor([[1, 0], [4, 1], [7, 1]])
    >>> known = said_by_clicks(points, torch.tensor([1, 1, 0]), torch.tensor([9, 9, 1, 9, 9, 9, 1, 9, 9]))
    >>> known.kind.tolist()
    [1, 0, 1, 1, 0, 1, 2, 0, 1]
    >>> [[c for c in range(3) if not one[c]] for one in known.said]  # which may be there, for all that is known
    [[0], [], [0, 1], [0, 1], [], [1], [], [], [1]]
    """
    wanted = torch.zeros(len(action), len(labels), device=points.device)
    wanted[points[:, 0], points[:, 1]] = 1
    moments = points[:, 0].unique().tolist()
    kind = torch.full((len(action),), BETWEEN, device=points.device)
    kind[moments] = CLICKED
    said = wanted.new_ones(wanted.shape, dtype=torch.bool)
    nobody = wanted.new_zeros(len(labels))
    for first, last in pairwise([-1, *moments, len(action)]):
        if last - first > 1:
            before = wanted[first] if first >= 0 else nobody
            after = wanted[last] if last < len(action) else nobody
            said[first + 1 : last] = before + after == 0
            if (before * after).any():
                least = first + 1 + int(action[first + 1 : last].argmin())
                said[least], kind[least] = True, NOTHING
    return Said(wanted, said & (wanted.any(dim=0) | (labels == 0)), kind)
