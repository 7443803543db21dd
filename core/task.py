"""What a training is of: all that differs between heads, networks of images and backbones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

Batch = TypeVar("Batch")


@dataclass(frozen=True, order=True)
class Verdict:
    """How well the held-out data's labels were told; the greater verdict is the better.

    The mean average precision decides, and between equals, which are common among few videos, the lower loss.

    Attributes:
        map: Mean average precision over classes, 0 to 1.
        minus_loss: The mean loss, negated.
    """

    map: float
    minus_loss: float


class Step(NamedTuple):
    """What a batch gives.

    Attributes:
        loss: To be made smaller; None where the batch holds nothing to learn from.
        sums: (2,), over the items of this process: the sum of their losses, and how many were told right.
        items: How many they are.
    """

    loss: Tensor | None
    sums: Tensor | None
    items: int


class Learner(Protocol):
    """What a checkpoint keeps of a training, and what the held-out data says of it."""

    kind: str
    """`temporal`, `image` or `backbone`."""
    things: str
    """What is learned from: `videos`, `images` or `clips`."""
    network: nn.Module
    """Whose weights are kept."""
    optimiser: torch.optim.Optimizer
    settings: Mapping[str, object]
    """By dotted key; a checkpoint of others is not gone on from, but for those that may change."""
    usual: Mapping[str, object]
    """The defaults, for what an older checkpoint does not say."""
    identity: Mapping[str, object]
    """What else a checkpoint must agree in, plain values by their names: the classes, a digest of the labels."""
    constants: Mapping[str, Tensor]
    """What is measured of the training data, and kept beside the weights; a checkpoint must agree in it."""

    def judge(self) -> Verdict | None:
        """How well held-out data is told, the same in all processes; None where none is held out."""
        ...

    def packed(self, extra: Mapping[str, Tensor], facts: Mapping[str, object], weights: Mapping[str, Tensor]) -> bytes:
        """A file's content: these weights and all that is needed to use them, with more tensors and facts."""
        ...

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """What chance has come to, and whatever else the epochs to come depend on: tensors, and plain values."""
        ...

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """Go on from such a state; a KeyError says what an older file lacks."""
        ...


class Task(Learner, Protocol[Batch]):
    """All that differs between the trainings of heads, networks of images and backbones."""

    trained: nn.Module
    """What devices share: the network, or the network with its loss."""
    cure: str
    """What helps where the loss becomes infinite."""

    def epoch(self, number: int) -> AbstractContextManager[Iterable[Batch]]:
        """The batches of an epoch, counted from 0, and whatever must hold while they are learned from."""
        ...

    def step(self, trained: nn.Module, batch: Batch) -> Step:
        """The loss of a batch, by `trained` as the devices made it ready."""
        ...
