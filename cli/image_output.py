"""What the commands of the image half print alike: the table of scores, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import Failure, PartialFailure, ThasError, failure_lines, plural

if TYPE_CHECKING:
    from rich.table import Table

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
