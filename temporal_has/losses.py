"""What a video's labels say about the network's answer: the losses, and how one of your own becomes one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from ..core.errors import UsageError
from ..core.plugins import bring, built, load, not_a
from .settings import LOSSES

Probabilities = Callable[[Tensor], Tensor]

bring("losses", LOSSES)  # as settings do, which need the names alone; also for who imports this module alone


@dataclass(frozen=True)
class Loss:
    """A loss, and the probabilities it makes the logits mean.

    Attributes:
        name: As `train.loss` calls it.
        losses: (B, C) video-level logits and (B, C) targets, 1 where a video has a class -> (B,).
        probabilities: (..., C) logits -> (..., C), 0 to 1.
        comparable: (..., C) logits -> (..., C), by which videos are ranked; what orders them as probabilities do.
    """

    name: str
    losses: Callable[[Tensor, Tensor], Tensor]
    probabilities: Probabilities
    comparable: Probabilities


def _shared(video_logits: Tensor, labels: Tensor) -> Tensor:
    target = labels / labels.sum(dim=1, keepdim=True)
    return -(target * video_logits.log_softmax(dim=1)).sum(dim=1)


def _each(video_logits: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(video_logits, labels, reduction="none").mean(dim=1)


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)


SOFTMAX = Loss("softmax", _shared, _softmax, _softmax)
"""Cross-entropy, the mass shared evenly among a video's labels."""
SIGMOID = Loss("sigmoid", _each, torch.sigmoid, lambda logits: logits)
"""The mean over classes of binary cross-entropy."""
_KNOWN = {"softmax": SOFTMAX.probabilities, "sigmoid": SIGMOID.probabilities}


def get_loss(name: str) -> Loss:
    """A loss by its name; see `thas.core.plugins`.

    One from outside is a function `(video_logits (B, C), labels (B, C)) -> (B,)`. Its attribute `probabilities` says
    how logits become probabilities: "sigmoid", which it is where there is none, "softmax", or a function.

    Raises:
        UsageError: There is none, or it is no loss.
    """
    found = load("losses", name)
    if isinstance(found, Loss):
        return found
    loss = built(found, {}, what="loss", name=name) if isinstance(found, type) else found
    wanted = getattr(loss, "probabilities", "sigmoid")
    probabilities = _KNOWN.get(wanted) if isinstance(wanted, str) else wanted
    if not callable(loss) or not callable(probabilities):
        raise UsageError(
            f"{name} is no loss",
            why="its probabilities must be softmax, sigmoid or a function" if callable(loss) else "it cannot be called",
            next="docs/plugins.md shows one",
            subject=name,
        )
    function, likely = cast("Callable[[Tensor, Tensor], object]", loss), cast("Probabilities", probabilities)

    def losses(video_logits: Tensor, labels: Tensor) -> Tensor:
        try:
            values = function(video_logits, labels)
        except Exception as error:
            sizes = f"{tuple(video_logits.shape)} and {tuple(labels.shape)}"
            raise not_a("loss", name, f"called with {sizes} it raises {type(error).__name__}: {error}") from error
        if not isinstance(values, Tensor) or values.shape != (len(video_logits),):
            given = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise UsageError(
                f"loss {name} must give a number a video, ({len(video_logits)},), but gave {given}",
                why="the batch may be shared by several devices, and is averaged after them",
                next="take the mean over classes, not over videos",
                subject=name,
            )
        return values

    return Loss(name, losses, likely, likely)


def video_loss(video_logits: Tensor, labels: Tensor, *, loss: str) -> Tensor:
    """The loss of each video from its labels alone.

    Args:
        video_logits: (B, C).
        labels: (B, C), 1 where a video has a class.
        loss: The setting `train.loss`: `softmax`, `sigmoid`, or one of your own.

    Returns:
        (B,).
    """
    return get_loss(loss).losses(video_logits, labels)
