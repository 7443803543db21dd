"""The clock of a BORIS observation: one for all the videos that are queued in a player; and which starts and
stops of states belong together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..core.errors import listing, plural
from .events import Found, video_name

_LATE_SECONDS = 60.0  # past the last video's end: no rounding, but another clock


@dataclass(frozen=True)
class Clock:
    """Where on the observation's clock each video of the first player begins and ends.

    Attributes:
        media: Paths of the videos, in their order.
        starts: (len(media),) seconds at which each begins, the observation's offset included.
        ends: Seconds at which each ends; inf where that is unknown.
    """

    media: tuple[str, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]

    def at(self, time: float) -> int:
        """The video that is shown at a time; the first or last beyond them."""
        later = [i for i, start in enumerate(self.starts) if start <= time + 5e-4]
        return later[-1] if later else 0


def queued(
    found: Found,
    media: Sequence[str],
    lengths: Sequence[float | None],
    *,
    offset: float = 0.0,
    total: float | None = None,
    place: str,
) -> Clock:
    """The clock of videos that follow each other.

    Args:
        found: For the lengths that a person gave, and for messages.
        media: Paths, in the order in which they are played.
        lengths: Seconds of each, None where the file does not say.
        offset: What the observation adds to its times.
        total: Seconds of all together, where known.
        place: The observation.

    Raises:
        DataError: The length of one that others follow is not known, or lengths and total do not agree.
    """
    known = [found.options.seconds.get(video_name(path), length) for path, length in zip(media, lengths, strict=True)]
    missing = [path for path, length in zip(media, known, strict=True) if length is None]
    if len(media) == 1:
        known = [known[0] if known[0] is not None else total]
    elif len(missing) == 1 and total is not None:
        rest = total - sum(length for length in known if length is not None)
        known = [rest if length is None else length for length in known]
    elif missing and len(media) > 1:
        names = [video_name(path) for path in missing]
        raise found.fail(
            f"{plural(len(media), 'video')} follow each other on one clock, and their lengths are not known",
            why=f"the file does not say how long these last: {listing(names)}",
            next=f"give --seconds {names[0]}=SECONDS, or --seconds FOLDER of them, or convert the .boris project",
            place=place,
        )
    if len(media) > 1 and total is not None and abs(sum(one or 0.0 for one in known) - total) > 0.5:
        raise found.fail(
            f"the videos last {sum(one or 0.0 for one in known):g} s together, but the observation {total:g} s",
            why="another video lies between them, or a length is wrong: " + listing(map(video_name, media)),
            next="give --seconds with right lengths, or convert the project (.boris)",
            place=place,
        )
    if any(length is not None and length <= 0 for length in known):
        raise found.fail(
            "a video would last 0 s or less", why=str(known), next="give --seconds NAME=SECONDS", place=place
        )
    if len(media) > 1 and found.options.video is not None:
        raise found.fail(
            f"--video gives one name, and the observation has {len(media)} videos",
            next="leave --video out",
            place=place,
        )
    starts: list[float] = []
    ends: list[float] = []
    now = offset
    for length in known:
        starts.append(now)
        now = now + (float("inf") if length is None else length)
        ends.append(now)
    return Clock(tuple(media), tuple(starts), tuple(ends))


def put(found: Found, clock: Clock, event: Whole) -> None:
    """Add an event, on the clock of its video; one that goes on in the next video is cut in two.

    Raises:
        DataError: It lies in another video than the file says, or far beyond all of them.
    """
    start, end, fields, place, media = event
    here = clock.at(start)
    if start > clock.ends[-1] + _LATE_SECONDS or start < clock.starts[0] - _LATE_SECONDS:
        raise found.fail(
            f"its time {start:g} s is not in the videos of its observation",
            why=f"they last from {clock.starts[0]:g} to {clock.ends[-1]:g} s; it may count from the time of day",
            next="give --offset SECONDS, or convert the project (.boris)",
            place=place,
        )
    if media and video_name(clock.media[here]) != video_name(media):
        edges = enumerate(zip(clock.starts, clock.ends, strict=True))
        beside = [i for i, (since, until) in edges if min(abs(since - start), abs(until - start)) < 0.1]
        near = [i for i in beside if video_name(clock.media[i]) == video_name(media)]
        if not near:
            raise found.fail(
                f"it starts in {video_name(media)} by its row, and in {video_name(clock.media[here])} by the clock",
                why=f"at {start:g} s, where {video_name(clock.media[here])} begins at {clock.starts[here]:g} s",
                next="give --seconds with the lengths of the videos, or convert the project (.boris)",
                place=place,
            )
        here = near[0]
    last = here
    if end is not None:
        while last + 1 < len(clock.media) and clock.ends[last] < end - 1e-3:
            last += 1
    for i in range(here, last + 1):
        first = (start if i == here else clock.starts[i]) - clock.starts[i]
        stop = None if end is None else (end if i == last else clock.ends[i]) - clock.starts[i]
        first = max(first, 0.0) if first > -0.1 else first
        video = found.video(clock.media[i], place=place)
        # BORIS counts milliseconds; so does the difference of two of its times.
        found.add(video, round(first, 3), None if stop is None else round(stop, 3), fields, place=place)
    if last > here:
        found.notes.append(f"{place}: it goes on over the end of {video_name(clock.media[here])}, and was cut there")


class Mark(NamedTuple):
    """A start or a stop.

    Attributes:
        time: Seconds on the clock of the observation.
        opens: Whether it is a start; None where marks say nothing and take turns.
        fields: What the event is.
        place: Where it stands.
        media: The video that the file says it is in; empty where it does not say.
    """

    time: float
    opens: bool | None
    fields: Mapping[str, str]
    place: str
    media: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Who does what; marks of one key take turns."""
        return tuple(self.fields[name] for name in ("subject", "behavior", "modifiers"))


class Whole(NamedTuple):
    """An event whose start and end are both known; an instant has none.

    Attributes:
        start: Seconds on the clock of the observation.
        end: The same; None of an instant.
        fields: What the event is.
        place: Where it stands.
        media: The video that the file says it starts in; empty where it does not say.
    """

    start: float
    end: float | None
    fields: Mapping[str, str]
    place: str
    media: str = ""


def settle(found: Found, clock: Clock, whole: Sequence[Whole], marks: Iterable[Mark], *, place: str) -> None:
    """Add an observation's events to those of its videos, and the videos' lengths.

    Raises:
        DataError: A start or a stop is missing, or an event is in another video than the file says.
    """
    for path, since, until in zip(clock.media, clock.starts, clock.ends, strict=True):
        video = found.video(path, place=place)
        if until < float("inf"):
            found.durations[video] = round(until - since, 3)
    for event in sorted([*whole, *paired(found, marks)], key=lambda one: one.start):
        put(found, clock, event)


def first_player(found: Found, players: Sequence[Sequence[str]], place: str) -> Sequence[str]:
    """The videos of the first player, whose events are read; that the others showed the same is said in a note."""
    if len(players) > 1:
        others = ", ".join(video_name(path) for player in players[1:] for path in player)
        found.notes.append(
            f"{place}: events are of the first player's videos; {others} showed the same and have none here"
        )
    return players[0]


def paired(found: Found, marks: Iterable[Mark]) -> list[Whole]:
    """Events of starts, each with its stop.

    Raises:
        DataError: One of them is missing, and nobody said that such may be left out.
    """
    pairs: list[Whole] = []
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
            pairs.append(Whole(before.time, mark.time, before.fields, before.place, before.media))
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
    return pairs
