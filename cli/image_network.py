"""The options by which the image commands take a library's network instead of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .console import note
from .options import Boxing, Library
from .typed_settings import parse_localizing

if TYPE_CHECKING:
    from ..image_has.localizer import Localizer

Changes = Mapping[str, object]


def image_changes(set_: list[str] | None, how: Boxing, *, also: tuple[str, ...] = ()) -> Changes:
    """Settings that differ from a run's, by dotted key."""
    from ..image_has.settings import ImageSettings

    changes: dict[str, object] = dict(
        parse_localizing(set_, ImageSettings(), allowed=("localize.", "input.size", *also))
    )
    if how.threshold is not None:
        changes["localize.threshold"] = how.threshold
    if how.ten_crop:
        changes["localize.ten_crop"] = True
    return changes


def untrained(library: Library, *, changes: Changes, device: str, other: Sequence[Path] = ()) -> Localizer | None:
    """The localizer that `--network` or `--weights` ask for; None where neither is given.

    Args:
        library: As typed.
        changes: Settings that differ, by dotted key.
        device: Where it runs.
        other: Runs, boxes or maps that were named as well.
    """
    network, weights, classes = library.network, library.weights, library.classes
    if network is None and weights is None:
        if classes:
            raise UsageError(
                "--classes chooses among a library's classes",
                why="a run knows the classes that it learned",
                next="--weights efficientnet_lite0 --classes ...",
            )
        return None
    if other:
        raise UsageError(f"{other[0]} or a library's network?", why="both are named", next="name one of them")
    from ..image_has.untrained import untrained_localizer

    localizer = untrained_localizer(network, weights=weights, classes=classes or (), changes=changes, device=device)
    member = localizer.members[0].network
    licence = getattr(getattr(member, "facts", None), "licence", "")
    from ..core.weight_catalogue import is_non_commercial

    if licence and is_non_commercial(licence):
        note(f"{localizer.settings.network.name}: {licence}: not for commercial use")
    return localizer
