"""Networks whose last maps are pooled over the image and classified by one linear layer, so that the maps localize."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import UsageError
from ..core.plugins import built, is_built_in, load, not_a
from .activation import activation_map, captured
from .hide import hide
from .settings import NetworkSettings

Pooling = Literal["average", "max"]


class NetworkOutput(NamedTuple):
    """What a network says about B images.

    Attributes:
        logits: (B, C), one a class.
        maps: (B, M, H, W), the last convolution's maps, before pooling.
    """

    logits: Tensor
    maps: Tensor


class Hiding(NamedTuple):
    """What to hide in the first block's maps (the paper's "hiding at conv1").

    Attributes:
        size: Side of a cell in pixels of those maps, or several sizes.
        probability: With which each cell is hidden.
        fill: "mean" takes each map's mean over the batch, "zero" takes 0.
        generator: The source of randomness.
    """

    size: int | Sequence[int]
    probability: float
    fill: Literal["mean", "zero"]
    generator: torch.Generator


def pool(maps: Tensor, *, pooling: Pooling) -> Tensor:
    """Pool maps over the image: (B, M, H, W) -> (B, M).

    >>> pool(torch.tensor([[[[1.0, 3.0]]]]), pooling="average").item()
    2.0
    """
    return maps.amax(dim=(2, 3)) if pooling == "max" else maps.mean(dim=(2, 3))


def channels_first(maps: Tensor, channels: int) -> Tensor:
    """Maps (B, M, H, W), also where a layer gives (B, H, W, M), as Swin's do.

    >>> channels_first(torch.zeros(1, 7, 7, 96), 96).shape
    torch.Size([1, 96, 7, 7])
    """
    return maps.permute(0, 3, 1, 2) if maps.shape[1] != channels == maps.shape[3] else maps


class CamNetwork(nn.Module):
    """Convolutions, global pooling, dropout, one linear classifier.

    Args:
        features: Convolutions to the last maps; its first child is named `conv1` if maps are to be hidden there.
        channels: M, the number of those maps.
        classes: C.
        pooling: Over the image.
        dropout: Before the classifier, in training (AlexNet-GAP: 0.5).
    """

    def __init__(
        self, features: nn.Module, channels: int, classes: int, *, pooling: Pooling = "average", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.features = features
        self.pooling: Pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, classes)

    @property
    def weight(self) -> Tensor:
        """(C, M), the classifier's weight: with the maps it makes the class activation map."""
        return self.classifier.weight

    def forward(self, x: Tensor, hiding: Hiding | None = None) -> NetworkOutput:
        """(B, 3, H, W) normalised images, and what to hide in conv1's maps -> NetworkOutput."""
        maps = self.features(x) if hiding is None else self._hidden(x, hiding)
        return NetworkOutput(self.classifier(self.dropout(pool(maps, pooling=self.pooling))), maps)

    def _hidden(self, x: Tensor, hiding: Hiding) -> Tensor:
        if not isinstance(self.features, nn.Sequential):
            raise UsageError(
                "this network has no first layer to hide in",
                why="hide.at=conv1 is for networks whose layers follow one another in an nn.Sequential",
                next="--set hide.at=input",
            )
        first, *rest = self.features
        maps = first(x)
        fill = maps.detach().mean(dim=(0, 2, 3)) if hiding.fill == "mean" else 0.0
        maps = hide(maps, size=hiding.size, probability=hiding.probability, fill=fill, generator=hiding.generator)
        for layer in rest:
            maps = layer(maps)
        return maps

    def localization(self, x: Tensor, classes: Tensor | Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and the map (B, H, W) of one class an image; the likeliest class where none are given."""
        output = self(x)
        chosen = output.logits.argmax(1) if classes is None else torch.as_tensor(classes, device=x.device)
        return output.logits, activation_map(output.maps.float(), self.weight.float(), chosen)


class OwnNetwork(nn.Module):
    """Any classifier of yours, seen as a network with maps: three attributes say where they are.

    The model itself is run as it is, so its logits are its own; nothing stays attached to it after a call.

    Args:
        model: Ends in global pooling and one linear layer, (B, 3, H, W) -> logits (B, C).
        features: Dotted name of the layer whose output is pooled, "layer4" in torchvision's ResNets for instance.
        classifier: Dotted name of the linear layer, "fc" there; a 1x1 convolution will do too.
        pooling: How the model pools. The first call in evaluation mode checks that its logits follow from the maps so.

    Raises:
        ValueError: A layer is missing, pooling is unknown, or the classifier has no weight of two axes; when called,
            the maps are no class activation maps, since the logits do not follow from them.
    """

    def __init__(self, model: nn.Module, *, features: str, classifier: str, pooling: Pooling = "average") -> None:
        super().__init__()
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling must be one of {get_args(Pooling)}, but is {pooling!r}")
        self.model = model
        self.pooling: Pooling = pooling
        known = dict(model.named_modules())
        for name in (features, classifier):
            if name not in known:
                last = [n for n, module in known.items() if not list(module.children())][-3:]
                raise ValueError(f"the model has no layer {name!r}; its last ones are {', '.join(last)}")
        self._features, self._classifier = features, classifier
        self._checked = False
        if self.weight.ndim != 2:
            raise ValueError(f"{classifier!r} has a weight of shape {tuple(self.weight.shape)}, not (C, M)")

    @property
    def classifier_name(self) -> str:
        """Dotted name of the linear layer."""
        return self._classifier

    @torch.no_grad()
    def keep_classes(self, places: Sequence[int]) -> None:
        """Leave the classifier these of its classes, in this order; the others are as if it had never known them."""
        layer = self.model.get_submodule(self._classifier)
        rows = torch.as_tensor(places, device=self.weight.device)
        for name in ("weight", "bias"):
            kept = self._of_classifier(name)
            if kept is not None:
                setattr(layer, name, nn.Parameter(kept[rows].clone()))
        for size in ("out_features", "out_channels"):
            if hasattr(layer, size):
                setattr(layer, size, len(rows))

    def _of_classifier(self, name: str) -> Tensor | None:
        """The classifier's `weight` or `bias`, if it has one."""
        value = getattr(self.model.get_submodule(self._classifier), name, None)
        return value if isinstance(value, Tensor) else None

    @property
    def weight(self) -> Tensor:
        """(C, M), the classifier's weight."""
        weight = self._of_classifier("weight")
        weight = torch.empty(0) if weight is None else weight
        return weight[:, :, 0, 0] if weight.ndim == 4 and weight.shape[2:] == (1, 1) else weight

    def forward(self, x: Tensor) -> NetworkOutput:
        """(B, 3, H, W) images as the model wants them -> NetworkOutput."""
        with captured(self.model.get_submodule(self._features)) as outputs:
            logits = self.model(x)
        if len(outputs) != 1 or outputs[0].ndim != 4:
            raise ValueError(
                f"layer {self._features!r} must give maps (B, M, H, W) once, but gave {len(outputs)} outputs"
            )
        maps = channels_first(outputs[0], self.weight.shape[1])
        if maps.shape[-2:].numel() == 1:
            # One cell is the whole image, whatever it holds: every box would be, without a word.
            raise ValueError(
                f"layer {self._features!r} gives maps of 1 x 1 for images of {x.shape[-2]} x {x.shape[-1]}, which "
                "localize nothing: name the layer before the pooling, or show larger images"
            )
        if not isinstance(logits, Tensor) or logits.shape != (len(x), len(self.weight)):
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(f"the model must give logits ({len(x)}, {len(self.weight)}), but gave {given}")
        if not (self.model.training or self._checked):
            self._check(logits, maps)
            self._checked = True
        return NetworkOutput(logits, maps)

    @torch.no_grad()
    def _check(self, logits: Tensor, maps: Tensor) -> None:
        bias = self._of_classifier("bias")
        ours = functional.linear(pool(maps.float(), pooling=self.pooling), self.weight.float())
        ours = ours if bias is None else ours + bias.float()
        if (ours - logits).abs().max() > 0.02 * logits.abs().max() + 1e-4:
            raise ValueError(
                f"the logits are not those of {self.pooling} pooling of {self._features!r} and {self._classifier!r}, "
                "so its maps are no class activation maps: name the layer that is pooled, after its last activation"
            )

    localization = CamNetwork.localization


def build_network(settings: NetworkSettings, *, classes: int, seed: int | None = None, kernel5: int = 5) -> CamNetwork:
    """A network by name, with fresh weights.

    One from outside is called with those of the settings `network.*` that it has parameters for, and gives a module
    (B, 3, H, W) -> (B, M, h, w); it begins as it made itself.

    Args:
        settings: Name and shape.
        classes: C.
        seed: Of the weights; torch's own random state is left as it was. None draws from that state.
        kernel5: Of GoogLeNet's third branch: 5 as in the paper, 3 for torchvision's weights.
    """
    with torch.random.fork_rng(devices=[]) if seed is not None else nullcontext():
        if seed is not None:
            torch.manual_seed(seed)
        features, channels = _features(settings, kernel5)
        dropout = 0.5 if settings.name == "alexnet" else 0.0
        network = CamNetwork(features, channels, classes, pooling=settings.pooling, dropout=dropout)
        for module in network.modules() if is_built_in("networks", settings.name) else ():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def _features(settings: NetworkSettings, kernel5: int) -> tuple[nn.Module, int]:
    """The convolutions that the settings name and the number of maps they give, of ours or of a plug-in."""
    name = settings.name
    given = built(load("networks", name), vars(settings) | {"kernel5": kernel5}, what="network", name=name)
    features, channels = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if not isinstance(features, nn.Module):
        raise not_a("network", name, f"it must give a torch module, but gives a {type(features).__name__}")
    if is_built_in("networks", name) and isinstance(channels, int):
        return features, channels
    return features, _maps_of(features, name)


@torch.no_grad()
def _maps_of(features: nn.Module, name: str) -> int:
    """How many maps a plug-in's network gives; it is tried on an image."""
    training = features.training
    try:
        maps = features.eval()(torch.zeros(1, 3, 64, 64))
    except Exception as error:
        raise not_a("network", name, f"on images (1, 3, 64, 64) it raises {type(error).__name__}: {error}") from error
    features.train(training)
    if not isinstance(maps, Tensor) or maps.ndim != 4 or len(maps) != 1:
        given = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise not_a("network", name, f"it must give maps (B, M, H, W), but gives {given}")
    return maps.shape[1]
