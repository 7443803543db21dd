"""Image classifiers of timm and torchvision by name, as networks with maps: `timm:tf_efficientnet_lite0`, say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.errors import CheckpointError, UsageError, suggestion
from .cam_layers import find_cam_layers
from .network import OwnNetwork
from .settings import LIBRARIES

_COUNTER = "num_batches_tracked"


class InputFacts(NamedTuple):
    """What a network was trained on.

    Attributes:
        side: Of its images, in pixels.
        mean: (3,), of RGB values from 0 to 1.
        std: (3,).
        fixed: Whether it takes no other size.
        licence: Of its weights; empty where the library does not say.
    """

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fixed: bool = False
    licence: str = ""


class LibraryNetwork(OwnNetwork):
    """A library's classifier by name; unlike a network of your own it can be built again from that name.

    Attributes:
        facts: What its weights were trained on, as the library says.
    """

    facts: InputFacts


def is_library_name(name: str) -> bool:
    """Whether a network's name is a library's.

    >>> is_library_name("timm:resnet18"), is_library_name("resnet18")
    (True, False)
    """
    return name.startswith(LIBRARIES)


def build_library_network(name: str, *, classes: int, seed: int | None = None) -> LibraryNetwork:
    """A library's network with fresh weights and a classifier for so many classes.

    Args:
        name: With the library's prefix.
        classes: C.
        seed: Of the weights; torch's own random state is left as it was. None draws from that state.

    Raises:
        UsageError: The library is not installed, does not know the name, or the network has no exact activation maps.
    """
    with torch.random.fork_rng(devices=[]) if seed is not None else nullcontext():
        if seed is not None:
            torch.manual_seed(seed)
        facts, model = input_facts(name), _built(name, classes)
    layers = find_cam_layers(model, side=facts.side if facts.fixed else max(160, facts.side // 2), subject=name)
    network = LibraryNetwork(model, features=layers.features, classifier=layers.classifier, pooling=layers.pooling)
    network.facts = facts
    return network


def input_facts(name: str) -> InputFacts:
    """What a library's network was trained on; nothing is built.

    Raises:
        UsageError: The library is not installed, or does not know the name.

    >>> input_facts("torchvision:resnet18").mean
    (0.485, 0.456, 0.406)
    """
    short = name.partition(":")[2]
    if name.startswith("timm:"):
        said = _timm(short).models.get_pretrained_cfg(short)
        return InputFacts(
            int(said.input_size[-1]), tuple(said.mean), tuple(said.std), bool(said.fixed_input_size), said.license or ""
        )
    shown = _torchvision(short).get_model_weights(short)["DEFAULT"].transforms()
    fixed = short.startswith(("vit", "maxvit"))
    return InputFacts(int(shown.crop_size[0]), tuple(shown.mean), tuple(shown.std), fixed)


def _built(name: str, classes: int) -> nn.Module:
    short = name.partition(":")[2]
    if name.startswith("timm:"):
        return _timm(short).create_model(short, pretrained=False, num_classes=classes)
    # These two warn unless told how to begin, and train with a second classifier unless told not to.
    extra = {"init_weights": True, "aux_logits": False} if short in ("googlenet", "inception_v3") else {}
    return _torchvision(short).get_model(short, weights=None, num_classes=classes, **extra)


def _timm(name: str) -> ModuleType:
    """The library, if it knows the network."""
    try:
        import timm  # type: ignore[import-not-found]
    except ImportError:
        raise UsageError(
            f"timm:{name} needs timm", why="it is not installed", next="pip install timm", subject=name
        ) from None
    try:
        known = timm.is_model(name) and timm.models.get_pretrained_cfg(name) is not None
    except RuntimeError:  # a known network, but no such weights of it
        known = False
    if not known:
        raise UsageError(
            f"timm has no network {name!r}",
            why=suggestion(name, timm.list_models()),
            next="see timm.list_models()",
            subject=name,
        )
    return timm


def _torchvision(name: str) -> ModuleType:
    """The library's models, if the network is one of its image classifiers."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UsageError(
            f"torchvision has no image classifier {name!r}",
            why=suggestion(name, known),
            next="see torchvision.models.list_models()",
            subject=name,
        )
    return models


def load_library_weights(
    network: LibraryNetwork, tensors: Mapping[str, Tensor], *, path: Path, classifier: bool = True
) -> None:
    """Put a library's weights into its network.

    Other ports' files have other names for the same layers: where every tensor has the same shape and kind, in the same
    order, they are read by order. Without its own, the classifier keeps its fresh weights.

    Raises:
        CheckpointError: They are of another network.
    """
    theirs = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}  # as a file of ours calls them
    ours = {name: tensor for name, tensor in network.model.state_dict().items() if not name.endswith(_COUNTER)}
    theirs = {name: tensor for name, tensor in theirs.items() if not name.endswith(_COUNTER)}
    # Second classifiers, of GoogLeNet for instance, serve training alone.
    theirs = {name: tensor for name, tensor in theirs.items() if not name.startswith(("aux", "AuxLogits"))}
    head = {f"{network.classifier_name}.{kind}" for kind in ("weight", "bias")}
    if theirs.keys() != ours.keys() and _alike(theirs, ours, {} if classifier else head):
        theirs = dict(zip(ours, theirs.values(), strict=True))
    skipped = set() if classifier else head
    wrong = [
        name
        for name in sorted({*ours, *theirs} - skipped)
        if name not in ours or name not in theirs or ours[name].shape != theirs[name].shape
    ]
    if wrong:
        name = wrong[0]
        shapes = [str(tuple(one[name].shape)) if name in one else "absent" for one in (theirs, ours)]
        raise CheckpointError(
            f"{path} is not a file of this network",
            why=f"{len(wrong)} tensors differ, {name} first: {shapes[0]} there, {shapes[1]} in the network",
            next="name the network that the file was made for: --network",
            subject=str(path),
        )
    network.model.load_state_dict({n: t for n, t in theirs.items() if n not in skipped}, strict=False)


def _alike(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], head: Collection[str]) -> bool:
    """Whether tensors have the same kinds and shapes in the same order; those of `head` may be for other classes."""

    def kind(name: str, tensor: Tensor, free: bool) -> tuple[str, tuple[int, ...]]:
        return name.rpartition(".")[2], tuple(tensor.shape)[1 if free else 0 :]

    pairs = zip(theirs.items(), ours.items(), strict=False)
    same = all(kind(*one, other[0] in head) == kind(*other, other[0] in head) for one, other in pairs)
    return len(theirs) == len(ours) and same
