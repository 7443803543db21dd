"""States that are written as a start and a stop: which belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..core.errors import plural
from .events import Found


class Mark(NamedTuple):
    """A start or a stop.

    Attributes:
        key: Who does what; marks of one key take turns.
        time: Seconds on the clock of the observation.
        opens: Whether it is a start; None where marks say nothing and take turns.
        fields: What the event is.
        place: Where it stands.
    """

    key: tuple[str, ...]
    time: float
    opens: bool | None
    fields: Mapping[str, str]
    place: str


def paired(found: Found, marks: Iterable[Mark]) -> list[tuple[Mark, Mark]]:
    """Starts, each with its stop, in the order of starts.

    Raises:
        DataError: One of them is missing, and nobody said that such may be left out.
    """
    pairs: list[tuple[Mark, Mark]] = []
    open_: dict[tuple[str, ...], Mark] = {}
    alone: list[Mark] = []
    for mark in sorted(marks, key=lambda one: one.time):
        before = open_.pop(mark.key, None)
        opens = before is None if mark.opens is None else mark.opens
        if opens:
            if before is not None:
                alone.append(before)
            open_[mark.key] = mark
        elif before is None:
            alone.append(mark)
        else:
            pairs.append((before, mark))
    alone += open_.values()
    if alone and not found.options.skip_unpaired:
        first = min(alone, key=lambda one: one.time)
        what = "start" if first.opens is False else "stop"
        who = " ".join(repr(part) for part in first.key if part)
        raise found.fail(
            f"{who} at {first.time:g} s has no {what}",
            why=f"{plural(len(alone), 'state is', 'states are')} without a start or without a stop",
            next="correct it in the tool it comes from, or give --skip-unpaired to leave such out",
            place=first.place,
        )
    if alone:
        gone = plural(len(alone), "state", "states")
        found.notes.append(f"{found.path.name}: {gone} without a start or a stop left out (--skip-unpaired)")
    return sorted(pairs, key=lambda pair: pair[0].time)
