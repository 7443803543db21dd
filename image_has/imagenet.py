"""The thousand classes of ILSVRC: their names, and which of them is meant."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..core.errors import UsageError, suggestion

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
    """Where each class is, by its plain name; of the thousand also by its WordNet id.

    Args:
        names: C names.
    """
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
