"""ImageNet's networks at work without any training: a library's network, its weights, and names for its classes.

Nothing is downloaded: weights come from a file, from `thas weights fetch`, or from where the library itself keeps what
it once downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from ..core.errors import CheckpointError, UsageError, suggestion
from ..core.weight_catalogue import CATALOGUE, NETWORKS_OF_PICTURES
from ..core.weight_store import find_weights, stored
from .library import LibraryNetwork, build_library_network, input_facts, is_library_name, load_library_weights
from .localizer import Localizer, with_changes
from .settings import LIBRARIES, ImageSettings
from .weights import TrainedNetwork, read_tensors
from .zoom import zoom_sides


def own_colours(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std that a library's network, by its whole name, was trained with, in values from 0 to 1."""
    facts = input_facts(name)
    known = next((CATALOGUE[weights] for weights, network in NETWORKS_OF_PICTURES.items() if network == name), None)
    return (known and known.mean) or facts.mean, (known and known.std) or facts.std


def library_settings(name: str) -> ImageSettings:
    """What a library's network is shown, and how its maps become boxes."""
    facts = input_facts(name)
    # Larger than in training: finer maps, measured in benchmarks/image.md.
    side = facts.side if facts.fixed else round(facts.side * 1.25)
    mean, std = own_colours(name)
    values = {"network.name": name, "input.size": side, "input.resize": side, "input.mean": mean, "input.std": std}
    values |= {"localize.refine": 20, "localize.refine_size": 128, "localize.scale": "otsu", "localize.mirror": True}
    values |= {"localize.zoom": 0.55}
    return ImageSettings().updated(values, origin=name)


def find_library_weights(name: str) -> Path:
    """The file of a library network's ImageNet weights, where it was fetched or the library itself keeps it.

    Raises:
        CheckpointError: It is not on this machine; says which file, and where it is looked for.
    """
    fetched = next((weights for weights, network in NETWORKS_OF_PICTURES.items() if network == name), None)
    if fetched and (path := stored(fetched)):
        return path
    short = name.partition(":")[2]
    if name.startswith("timm:"):
        import timm  # type: ignore[import-not-found]
        from huggingface_hub import constants, try_to_load_from_cache  # type: ignore[import-not-found]

        place = timm.models.get_pretrained_cfg(short)
        repository = getattr(place, "hf_hub_id", None) or f"timm/{short}"
        for file in ("model.safetensors", "pytorch_model.bin"):
            found = try_to_load_from_cache(repository, file)
            if isinstance(found, str):
                return Path(found)
        file, folder = f"model.safetensors of huggingface.co/{repository}", constants.HF_HUB_CACHE
    else:
        from torchvision import models

        address = models.get_model_weights(short)["DEFAULT"].url
        path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
        if path.exists():
            return path
        file, folder = address, str(path.parent)
    command = f"thas weights fetch {fetched}" if fetched else f"bring {file} here, and give it with --weights FILE"
    raise CheckpointError(
        f"the weights of {name} are not on this machine",
        why=f"they were not fetched, and {folder} does not hold {file}",
        next=command,
        subject=name,
    )


def open_library_network(
    name: str | None = None, *, weights: Path | str | None = None, classes: Sequence[str] = ()
) -> TrainedNetwork:
    """A library's network with its ImageNet weights, ready to localize.

    Args:
        name: With the library's prefix; may be left out where the catalogue says what network `weights` are of.
        weights: A file, or a name of the catalogue; found where they are kept if None.
        classes: Only these of its classes, by name or number; all if empty.

    Raises:
        UsageError: The network or a class is unknown, or its activation maps are not exact.
        CheckpointError: The weights are missing, or of another network.
    """
    if name is None:
        name = NETWORKS_OF_PICTURES.get(str(weights), "")
        if not name:
            raise UsageError(
                f"what network is {weights} of?", why="a file does not say", next="--network timm:NAME --weights FILE"
            )
    if not is_library_name(name):
        raise UsageError(
            f"{name!r} is no library's network", why=f"those begin with {' or '.join(LIBRARIES)}", next=f"timm:{name}"
        )
    path = find_weights(weights) if weights is not None else find_library_weights(name)
    tensors = read_tensors(path)
    network = build_library_network(name, classes=CLASSES, seed=0)
    # Under another port's names the classifier comes last, as it does in the network.
    last = tensors.get(f"{network.classifier_name}.weight", next(reversed(tensors.values()), torch.empty(0)))
    count = len(last) if last.ndim else 0
    if count not in (0, CLASSES):
        network = build_library_network(name, classes=count, seed=0)
    load_library_weights(network, tensors, path=path)
    names = imagenet_classes() if count == CLASSES else tuple(f"class {i}" for i in range(count))
    settings = _seen_by(network.eval(), library_settings(name))
    if classes:
        places = chosen_classes(classes, names)
        network.keep_classes(places)
        names = tuple(names[i] for i in places)
    return TrainedNetwork(network.eval(), names, settings)


def _seen_by(network: LibraryNetwork, settings: ImageSettings) -> ImageSettings:
    """The settings, at a side that the network takes: some (DLA) take none but multiples of 32 pixels.

    Small things are looked at once more where it takes the sides of that, too.
    """
    side = settings.input.size
    found = next((one for one in (side, -(-side // 32) * 32) if _takes(network, one)), network.facts.side)
    zoom = settings.localize.zoom if all(_takes(network, one) for one in zoom_sides(found)) else 0.0
    return settings.updated({"input.size": found, "input.resize": found, "localize.zoom": zoom})


@torch.inference_mode()
def _takes(network: LibraryNetwork, side: int) -> bool:
    """Whether a network looks at pictures of a side."""
    try:
        network(torch.zeros(1, 3, side, side))
    except (ValueError, AssertionError, RuntimeError):
        return False
    return True


def untrained_localizer(
    name: str | None = None,
    *,
    weights: Path | str | None = None,
    classes: Sequence[str] = (),
    changes: Mapping[str, object] | None = None,
    device: str = "auto",
) -> Localizer:
    """A localizer without a run: `untrained_localizer(weights="efficientnet_lite0").localize([image])`.

    Args:
        name: As for `open_library_network`.
        weights: Likewise.
        classes: Likewise.
        changes: Settings that differ, by dotted key: those of localizing, and `input.size`, the side that is looked at.
        device: cpu, cuda, cuda:1 or auto.

    Raises:
        UsageError: As for `open_library_network`, or the network takes no images of that size.
        CheckpointError: Likewise.
    """
    member = open_library_network(name, weights=weights, classes=classes)
    return with_changes(Localizer.of(member, device=device), changes or {})


def respelt(localizer: Localizer, classes: Sequence[str]) -> Localizer:
    """The same with a data set's spelling of the classes that it shares."""
    named = [replace(one, classes=spelt_as(classes, one.classes)) for one in localizer.members]
    return replace(localizer, members=named)


CLASSES = 1000


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The names in the order of the logits, each another: those that torchvision gives with its weights.

    >>> imagenet_classes()[217]
    'English springer'
    """
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


@cache
def wordnet_ids() -> tuple[str, ...]:
    """The classes' WordNet ids, n01440764 for instance, in the same order; none where timm is not installed."""
    try:
        from timm.data import ImageNetInfo  # type: ignore[import-not-found]
    except ImportError:
        return ()
    return tuple(ImageNetInfo("imagenet-1k").label_names())


def plain(name: str) -> str:
    """A class's name as it is compared: small letters, words apart.

    >>> plain("English_springer"), plain("golf-ball")
    ('english springer', 'golf ball')
    """
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def class_index(names: Sequence[str]) -> dict[str, int]:
    """Where each class is, by its plain name; of the thousand also by its WordNet id."""
    index = {plain(name): i for i, name in enumerate(names)}
    if tuple(names) == imagenet_classes():
        index |= {name: i for i, name in enumerate(wordnet_ids())}
    return index


def chosen_classes(wanted: Sequence[str], names: Sequence[str]) -> list[int]:
    """The places of the classes meant, in their order.

    Args:
        wanted: Names as a person writes them, or places counted from 0.
        names: C names that there are.

    Raises:
        UsageError: One is unknown, or named twice.

    >>> chosen_classes(["golf_ball", "0"], imagenet_classes())
    [574, 0]
    """
    index = class_index(names)
    places: list[int] = []
    for name in wanted:
        place = index.get(plain(name), int(name) if name.isdecimal() and int(name) < len(names) else None)
        if place is None:
            raise UsageError(
                f"the network knows no class {name!r}",
                why=suggestion(plain(name), list(index)),
                next="--classes with names or numbers of the network's own classes",
                subject=name,
            )
        if place in places:
            raise UsageError(f"the class {name!r} is named twice", next="name each class once", subject=name)
        places.append(place)
    return places


def spelt_as(theirs: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """The network's classes with a data set's spelling where it has one: folders say english_springer, or n02102040.

    >>> spelt_as(["golf_ball", "my cat"], ["tench", "golf ball"])
    ('tench', 'golf_ball')
    """
    index = class_index(names)
    spelling = {index[plain(name)]: name for name in theirs if plain(name) in index}
    return tuple(spelling.get(i, name) for i, name in enumerate(names))
