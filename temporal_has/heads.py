"""Heads by name: those that come with thas, how a plain torch module becomes one, and how several do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..core.errors import ThasError, UsageError
from ..core.plugins import built, load, not_a, parameters
from .attention import top_mean
from .network import Head, NetworkOutput
from .seeded_dropout import Chance
from .settings import NetworkSettings


class PlainHead(Head):
    """A torch module `(B, T, D) features -> (B, T, C) sequence` as a head.

    The mean of the top activations of a class stands for the video, as in the attention head, unless the module gives
    `(sequence, video_logits (B, C))` or a whole `NetworkOutput`. Where its `forward` has parameters called `valid` or
    `chance` it is given them as `Head.forward` is; else padding is zero, and what it draws from torch's global
    generator, as `nn.Dropout` does, follows from the videos' own seeds, so that training repeats itself.

    Args:
        network: The module.
        classes: C.
        top: The setting `network.top`.
        name: For messages.
    """

    def __init__(self, network: nn.Module, *, classes: int, top: float, name: str) -> None:
        super().__init__()
        self.network = network
        self.classes, self.top, self.name = classes, top, name
        self._asks = {"valid", "chance"} & parameters(network.forward)

    def forward(self, x: Tensor, valid: Tensor | None = None, chance: Chance | None = None) -> NetworkOutput:
        """(B, T, D) features, (B, T) bool valid or None, what chance decides in training -> NetworkOutput."""
        if valid is None:
            valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        asked = {name: value for name, value in (("valid", valid), ("chance", chance)) if name in self._asks}
        if "chance" not in asked and chance is not None and chance.hiding is not None:
            raise UsageError(
                f"head {self.name} cannot hide in its first layer",
                why="hide.layer=1 is for heads whose forward takes `chance`",
                next="--set hide.layer=0",
                subject=self.name,
            )
        devices = [x.device] if x.device.type == "cuda" else []
        seeds = chance.seeds if chance is not None and self.training else ()
        with torch.random.fork_rng(devices=devices, enabled=bool(seeds)):
            if seeds:
                torch.manual_seed(seeds[0])
            try:
                answer = self.network(x if "valid" in asked else x.masked_fill(~valid[..., None], 0), **asked)
            except ThasError:
                raise
            except Exception as error:
                what = f"on features {tuple(x.shape)}: {type(error).__name__}: {error}"
                raise not_a("head", self.name, f"its forward fails {what}") from error
        if isinstance(answer, NetworkOutput):
            return answer
        sequence, video_logits = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
        sequence = self._checked(sequence, (*x.shape[:2], self.classes), "sequence").float()
        if video_logits is None:
            video_logits = top_mean(sequence, valid, share=self.top)
        video_logits = self._checked(video_logits, (len(x), self.classes), "video logits")
        return NetworkOutput(video_logits, sequence, sequence)

    def _checked(self, given: object, shape: tuple[int, ...], what: str) -> Tensor:
        if isinstance(given, Tensor) and given.shape == shape:
            return given
        was = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        raise not_a("head", self.name, f"its {what} must be {shape}, but is {was}")


class Members(Head):
    """Several heads of one kind in one: trained at once from the same videos, and averaged.

    What a network that saw only labels marks within its videos hangs on the weights it began with; the mean of several
    hangs less on each. All members see the same batches with the same snippets hidden, but begin with weights of their
    own and drop values of their own, and each learns from its own answer. They lie in one checkpoint.

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


def build_head(features: int, classes: int, settings: NetworkSettings, *, seed: int = 0) -> Head:
    """The head for features of D numbers and C classes, weights drawn by `seed`; torch's random state stays as it was.

    With `network.members` it is several of them, each with weights of its own: see `Members`.

    It is called as `head(features, classes, ...)`, with those of the settings `network.*` that it has parameters for.

    Raises:
        UsageError: There is none of that name, or it cannot be built.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = load("heads", settings.head)
        heads = [
            as_head(
                built(head, vars(settings), features, classes, what="head", name=settings.head),
                classes=classes,
                settings=replace(settings, members=1),
            )
            for _ in range(settings.members)
        ]
    return heads[0] if len(heads) == 1 else Members(heads)


def as_head(network: object, *, classes: int, settings: NetworkSettings) -> Head:
    """A head as it is, or a torch module made one.

    Raises:
        UsageError: It is neither, or several are wanted, and it is one.
    """
    if settings.members > 1:
        raise UsageError(
            f"network.members={settings.members} needs a head that can be built several times",
            why="a network of your own was given ready-made",
            next="name its class as a plug-in, or put its members together yourself",
        )
    if isinstance(network, Head):
        return network
    if not isinstance(network, nn.Module):
        raise not_a("head", settings.head, f"it must give a torch module, but gives a {type(network).__name__}")
    return PlainHead(network, classes=classes, top=settings.top, name=settings.head)
