"""Several networks at once: the mean of their class activation sequences and of their probabilities.

The temporal twin of the paper's HaS ensemble, whose map is the mean over the networks and whose class is that of the
mean probability (Hide-and-Seek section 4.2). The sequences are averaged as they are, as the paper's maps are, so that a
video's score keeps its height against another's; a network whose activations are twice as high therefore counts twice.
Networks of one kind, trained alike, are about equally high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError, listing
from ..core.runs import check_map_members
from ..features.video_features import difference
from .activation import ClassActivationSequence

if TYPE_CHECKING:
    from .model import Model

Sequences = Mapping[str, ClassActivationSequence]


def check_members(members: Sequence[tuple[str, Model]], *, map_members: Sequence[int] = ()) -> None:
    """Refuse networks that cannot be averaged.

    Raises:
        UsageError: Two differ in their classes, the recipe of their features or input.snippets, which are shown; or a
            map member is none of them.
    """
    first, one = members[0]
    for second, other in members[1:]:
        why = _unlike(one, other)
        if why:
            raise UsageError(
                f"{first} and {second} cannot be averaged",
                why=why,
                next="average runs of one data set, with the same features and the same input.snippets",
                subject=second,
            )
    check_map_members(len(members), map_members)


def _unlike(one: Model, other: Model) -> str:
    """In what two networks differ so that they cannot be averaged; empty if in nothing."""
    if one.classes != other.classes:
        alone = sorted(set(one.classes) ^ set(other.classes))
        return f"only one of them knows {listing(alone)}" if alone else "their classes are in another order"
    lines = difference(one.recipe, other.recipe)
    if lines:
        return "their features were made differently: " + "; ".join(lines)
    snippets = (one.settings.input.snippets, other.settings.input.snippets)
    return "" if snippets[0] == snippets[1] else f"input.snippets is {snippets[0]} and {snippets[1]}"


def mean_sequence(
    sequences: Sequence[ClassActivationSequence], *, map_members: Sequence[int] = ()
) -> ClassActivationSequence:
    """The mean of several networks' sequences of one video.

    Args:
        sequences: One a network, of the same classes and moments.
        map_members: Those whose sequences are averaged, by position; all if empty. Probabilities and video logits are
            averaged over all.

    Raises:
        UsageError: They are of other classes, or at other moments.
    """
    first = sequences[0]
    if len(sequences) == 1:
        return first
    for other in sequences[1:]:
        if other.classes != first.classes or not np.array_equal(other.start_seconds, first.start_seconds):
            raise UsageError(
                f"the networks see {first.video} differently and cannot be averaged",
                why="their classes differ" if other.classes != first.classes else "their snippets are at other times",
                next="average networks trained on the same data set with the same input.snippets",
                subject=first.video,
            )
    drawing = [sequences[i] for i in map_members] or sequences
    return replace(
        first,
        logits=np.mean([one.logits for one in drawing], axis=0, dtype=np.float32),
        spread=float(np.mean([one.spread for one in drawing])),
        video_logits=np.mean([one.video_logits for one in sequences], axis=0, dtype=np.float32),
        probabilities=np.mean([one.probabilities for one in sequences], axis=0, dtype=np.float32),
    )


def averaged(members: Sequence[Sequences], *, map_members: Sequence[int] = ()) -> Sequences:
    """The mean sequences of the videos that all networks have; see `mean_sequence`."""
    if len(members) == 1:
        return members[0]
    common = [video for video in members[0] if all(video in other for other in members)]
    return {video: mean_sequence([one[video] for one in members], map_members=map_members) for video in common}
