"""Point labels: one click an action, a time and a name, as a stronger supervision than a video's labels.

A click says what is at one snippet; between two clicks lies a moment that belongs to neither. From both comes a loss of
single snippets, added to that of whole videos (Ma et al., "SF-Net", ECCV 2020; Lee & Byun, "Learning Action
Completeness from Points", ICCV 2021): a focal loss at the clicked snippets, and one at the snippets between clicks that
look most like background, where no class is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..core.errors import DataError, listing
from ..core.segments import Segments

if TYPE_CHECKING:
    from .network import NetworkOutput

#: Snippets between two clicks whose likeliest class is less likely than this are background, too (LACP: 0.95 sure).
SURE = 0.05
#: The power of the focal loss: how much less a snippet counts that is told right already.
FOCUS = 2.0


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


def point_losses(output: NetworkOutput, points: Sequence[Tensor]) -> Tensor:
    """The loss of single snippets of each video; 0 where a video has no points.

    Args:
        output: Of the head; of several members the mean of their losses.
        points: For each of B videos (P, 2) int64: snippet and class, in the order of snippets.

    Returns:
        (B,).
    """
    if output.members:
        return torch.stack([point_losses(one, points) for one in output.members]).mean(dim=0)
    zero = output.sequence.sum() * 0
    losses = [
        _one(output.sequence[i], None if output.attention is None else output.attention[i], own) if len(own) else zero
        for i, own in enumerate(points)
    ]
    return torch.stack(losses)


def _one(sequence: Tensor, attention: Tensor | None, points: Tensor) -> Tensor:
    """Of one video: (T, C) logits, (T,) attention, (P, 2) points."""
    snippets = points[:, 0].unique()
    target = torch.zeros_like(sequence)
    target[points[:, 0], points[:, 1]] = 1
    loss = focal(sequence[snippets], target[snippets]).sum(dim=1).mean()
    nothing = background(sequence.detach(), snippets)
    if len(nothing):
        loss = loss + focal(sequence[nothing], target[nothing]).sum(dim=1).mean()
    if attention is not None:
        # The same of whether there is any action at all.
        loss = loss - attention[snippets].clamp(min=1e-6).log().mean()
        if len(nothing):
            loss = loss - (1 - attention[nothing]).clamp(min=1e-6).log().mean()
    return loss


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy, less where the answer is right already (Lin et al., ICCV 2017).

    >>> focal(torch.tensor([0.0, 9.0]), torch.tensor([1.0, 1.0])).tolist()[0]
    0.1732867956161499
    """
    wrong = (target - torch.sigmoid(logits)).abs()
    return wrong.pow(FOCUS) * functional.binary_cross_entropy_with_logits(logits, target, reduction="none")


def background(sequence: Tensor, snippets: Tensor) -> Tensor:
    """Snippets between clicks that look like background: the likeliest one of each gap, and all that are sure.

    Args:
        sequence: (T, C) logits.
        snippets: (P,) int64, those clicked, ascending.

    Returns:
        (Q,) int64, ascending.

    >>> sequence = torch.tensor([[9.0], [1.0], [-1.0], [9.0], [-9.0], [-9.0], [9.0]])
    >>> background(sequence, torch.tensor([0, 3, 6])).tolist()
    [2, 4, 5]
    """
    action = torch.sigmoid(sequence).amax(dim=1)
    found: list[Tensor] = []
    for first, last in zip(snippets[:-1].tolist(), snippets[1:].tolist(), strict=True):
        if last - first > 1:
            between = action[first + 1 : last]
            sure = (between < SURE).nonzero()[:, 0]
            found.append(first + 1 + (sure if len(sure) else between.argmin()[None]))
    return torch.cat(found) if found else snippets[:0]
