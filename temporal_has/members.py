"""Several networks in one: trained at once from the same videos, and averaged.

What a network that saw only labels marks within its videos hangs on the weights it began with; the mean of several
hangs less on each. All members see the same batches with the same snippets hidden, but begin with weights of their own
and drop values of their own, and each learns from its own answer. They lie in one checkpoint, and localize as one head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .network import Head, NetworkOutput
from .seeded_dropout import Chance


class Members(Head):
    """The mean of several heads of one kind.

    Args:
        heads: Of the same classes, each with weights of its own.
    """

    def __init__(self, heads: Sequence[Head]) -> None:
        super().__init__()
        self.members = nn.ModuleList(heads)

    def _heads(self) -> list[Head]:
        return [head for head in self.members if isinstance(head, Head)]

    def forward(self, x: Tensor, valid: Tensor | None = None, chance: Chance | None = None) -> NetworkOutput:
        """(B, T, D) features, (B, T) bool valid or None, what chance decides in training -> the mean NetworkOutput."""
        said = tuple(
            head(x, valid, chance and chance._replace(seeds=[seed + i for seed in chance.seeds]))
            for i, head in enumerate(self._heads())
        )
        attention = [one.attention for one in said if one.attention is not None]
        return NetworkOutput(
            video_logits=_mean([one.video_logits for one in said]),
            maps=torch.cat([one.maps for one in said], dim=-1),
            sequence=_mean([one.sequence for one in said]),
            attention=_mean(attention) if attention else None,
            members=said,
        )

    def losses(self, output: NetworkOutput, labels: Tensor, *, loss: str) -> Tensor:
        """(B,) the mean over the members of what each loses by its own answer."""
        members = zip(self._heads(), output.members, strict=True)
        return _mean([head.losses(one, labels, loss=loss) for head, one in members])


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean(dim=0)
