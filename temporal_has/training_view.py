"""What the network is shown of a batch of videos in training, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from ..core.dropping import dropped
from .data import pad
from .hide import Hiding, hide_mask, segment_size
from .losses import video_loss
from .model import Model
from .network import Head, NetworkOutput, SingleSnippets
from .points import Clicks, point_losses
from .seeded_dropout import Chance


class Filled(NamedTuple):
    """Videos as long as the longest of them.

    Attributes:
        x: (B, T, D), normalised; hidden snippets are filled in.
        valid: (B, T) bool, False on padding.
        chance: What the network drops, and hides after the first layer.
    """

    x: Tensor
    valid: Tensor
    chance: Chance


class Visible(NamedTuple):
    """Videos without their hidden snippets, for networks that see each snippet by itself.

    Attributes:
        x: B tensors (V_i, D), normalised.
        hidden: B numbers, how many snippets of each are hidden.
        fill: (D,), what those hold, normalised.
    """

    x: list[Tensor]
    hidden: list[int]
    fill: Tensor


class Drawing:
    """What chance decides about each video of a batch: what is hidden of it, or dropped.

    It is drawn for the whole batch, from its videos' lengths alone. So it neither depends on the device nor on how
    many processes share the batch.

    Args:
        model: For its settings, mean and normalisation.
        lengths: B numbers of snippets.
        hiding: The source of what is hidden, or dropped of the features.
        dropout: The source of what the network drops.
        every_snippet: What the network says of each snippet is needed, so that all are computed.
    """

    def __init__(
        self,
        model: Model,
        lengths: Sequence[int],
        *,
        hiding: torch.Generator,
        dropout: torch.Generator,
        every_snippet: bool = False,
    ) -> None:
        self.model, self.every_snippet = model, every_snippet
        self.seeds = _seeds(len(lengths), dropout)
        self.input_seeds: list[int] = []
        self.hidden: Tensor | None = None
        if model.settings.input.dropout != "none":
            self.input_seeds = _seeds(len(lengths), hiding)
        else:
            how, shape = model.settings.hide, (len(lengths), max(lengths))
            size = how.size or torch.tensor([segment_size(length, how.segments) for length in lengths])
            self.hidden = hide_mask(shape, size=size, probability=how.probability, generator=hiding, lengths=lengths)

    def clicks(self, points: Tensor, place: int, length: int) -> Clicks:
        """The points (P, 2) of one of the batch's videos, and which of its snippets are not hidden."""
        seen = torch.ones(length, dtype=torch.bool) if self.hidden is None else ~self.hidden[place, :length]
        return Clicks(points.to(self.model.device), seen.to(self.model.device))

    def shown(
        self, videos: Sequence[Tensor], places: Sequence[int], total: Callable[[Tensor], Tensor] | None = None
    ) -> Filled | Visible:
        """Some of the batch's videos as the network is to see them.

        Args:
            videos: Features (T_i, D) each.
            places: Which of the batch they are.
            total: Sums over the processes that share the batch; None where there is one.
        """
        model, settings = self.model, self.model.settings.hide
        chance = Chance([self.seeds[i] for i in places])
        if self.hidden is None:
            generators = [torch.Generator().manual_seed(self.input_seeds[i]) for i in places]
            x, valid = pad(
                [
                    dropped(model.normalised(x), probability=settings.probability, generator=generator)
                    for x, generator in zip(videos, generators, strict=True)
                ]
            )
            return Filled(x.to(model.device), valid.to(model.device), chance)
        fill = model.mean if settings.fill == "mean" else torch.zeros_like(model.mean)
        spared = isinstance(model.network, SingleSnippets) and model.network.sees_single_snippets
        if spared and settings.layer == 0 and not self.every_snippet:
            masks = [self.hidden[i, : len(x)] for i, x in zip(places, videos, strict=True)]
            visible = [
                model.normalised((x[~mask] if mask.any() else x).to(model.device))
                for x, mask in zip(videos, masks, strict=True)
            ]
            return Visible(visible, [int(mask.sum()) for mask in masks], model.normalised(fill.to(model.device)))
        # One batch, filled in and normalised in place: with wide features each copy of it is half a gigabyte.
        x, valid = (tensor.to(model.device) for tensor in pad(videos))
        mask = self.hidden[places, : x.shape[1]].to(model.device)
        if settings.layer > 0:
            chance = chance._replace(hiding=Hiding(mask, settings.fill, total))
        else:
            x[mask] = fill.to(model.device)
        return Filled(model.normalise_(x), valid, chance)


def _seeds(count: int, generator: torch.Generator) -> list[int]:
    return torch.randint(2**62, (count,), generator=generator).tolist()


class NetworkWithLoss(nn.Module):
    """A network together with its loss: the one module that several devices share.

    Args:
        network: The network.
        loss: The setting `train.loss`.
        autocast: The precision of the network's arithmetic; losses are computed in 32 bits.
        points: How much the loss of clicked snippets counts beside that of videos.
    """

    def __init__(
        self,
        network: Head,
        *,
        loss: str,
        autocast: Callable[[], AbstractContextManager[object]],
        points: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self._loss, self._autocast, self._points = loss, autocast, points

    def forward(
        self, shown: Filled | Visible, target: Tensor, clicks: Sequence[Clicks] | None = None
    ) -> tuple[Tensor, Tensor]:
        """What was shown, (B, C) labels, and clicks of each -> (B,) losses and (B, C) video-level logits."""
        target = target.float()
        with self._autocast():
            if isinstance(shown, Visible):
                output = None
                assert isinstance(self.network, SingleSnippets)
                video_logits = self.network.video_logits_of_visible(*shown)
            else:
                output = self.network(*shown)
                video_logits = output.video_logits
        with torch.autocast(target.device.type, enabled=False):
            video_logits = video_logits.float()
            if output is not None:
                exact = _in_32_bits(output)
                losses = self.network.losses(exact, target, loss=self._loss)
                if clicks is not None:
                    losses = losses + self._points * point_losses(exact, target, clicks)
                return losses, video_logits
            return video_loss(video_logits, target, loss=self._loss), video_logits


def _in_32_bits(output: NetworkOutput) -> NetworkOutput:
    exact = {name: value.float() for name, value in output._asdict().items() if _is_half(value)}
    return output._replace(**exact, members=tuple(_in_32_bits(one) for one in output.members))


def _is_half(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.dtype in {torch.float16, torch.bfloat16}
