"""What the commands of the image half share: a library's network instead of a run, the table of scores, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import Failure, PartialFailure, ThasError, UsageError, failure_lines, plural
from .console import note
from .options import Boxing, Library, parse_localizing

if TYPE_CHECKING:
    from rich.table import Table

    from ..image_has.localizer import Localizer
    from ..image_has.scores import ImageScores


def account_for(problems: list[Failure], one: str, many: str, *, rest: bool = True) -> None:
    """End with exit code 3 if inputs failed, with 1 if no `rest` is done; `one` and `many` say how they did."""
    if problems:
        lines = failure_lines(problems)
        error = PartialFailure if rest else ThasError
        raise error(
            plural(len(problems), one, many),
            why="; ".join(lines),
            next="correct or remove them; the rest is done" if rest else "correct them, or name others",
        )


def score_table(arms: dict[str, ImageScores]) -> Table:
    """A row a score, a column a network."""
    from rich.table import Table

    first = next(iter(arms.values()))
    table = Table(
        title=f"per cent of {plural(first.images, 'image')}, IoU above {first.iou:g}",
        title_justify="left",
        show_header=any(arms),
    )
    table.add_column("")
    for arm in arms:
        table.add_column(arm, justify="right")

    def cent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f}"

    rows = {
        "GT-known Loc": lambda one: cent(one.gt_known_loc),
        "Top-1 Loc": lambda one: cent(one.top1_loc),
        "Top-1 Clas": lambda one: cent(one.top1_clas),
        "MaxBoxAcc (threshold chosen on these images)": lambda one: cent(one.swept.get("max_box_acc")),
        "MaxBoxAccV2": lambda one: cent(one.swept.get("max_box_acc_v2")),
        "whole image, no network": lambda one: cent(one.baselines.get("whole_image")),
        "best centred box, no network": lambda one: cent(one.baselines.get("centred_box")),
    }
    for name, value in rows.items():
        table.add_row(name, *(value(one) for one in arms.values()))
    return table


def against_centred(scores: ImageScores) -> str:
    """Whether the boxes do better than one that sees no image; empty where there are no boxes to tell by."""
    from ..eval.boxes import paired_interval

    if scores.known_hits is None or scores.centred_hits is None:
        return ""
    low, high = (100 * end for end in paired_interval(scores.known_hits, scores.centred_hits))
    told = "is above" if low > 0 else "is below" if high < 0 else "cannot be told from"
    return f"GT-known Loc {told} that of the centred box, chosen on these images: {low:+.1f} to {high:+.1f} (95 %)"


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
    """The localizer that `--network` or `--weights` ask for; None where neither is given."""
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
