"""What could not be used or done, and did not end the rest: of videos, images, features, trainings alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import listing


@dataclass(frozen=True)
class Failure:
    """One of many inputs, or pieces of work, that failed.

    Attributes:
        subject: Its name: a video, an image, a class.
        what: A few words that are the same for all of its kind, or the stage at which it failed: "find", "open",
            "scan", "plan", "decode", "network" or "write" of a video.
        why: What exactly, in one line.
        frames: Of a video, the frames that came before.
        next: What to do about it.
    """

    subject: str
    what: str
    why: str = ""
    frames: int = 0
    next: str = ""

    def __str__(self) -> str:
        return "; ".join(part for part in (self.what, self.why) if part)


def reasons(failures: Iterable[Failure]) -> dict[str, str]:
    """Why, by name.

    >>> reasons([Failure("match", "open", "the file is empty")])
    {'match': 'the file is empty'}
    """
    return {one.subject: one.why for one in failures}


def failure_lines(failures: Iterable[Failure], most: int = 3) -> list[str]:
    """One line a kind of failure: how often, and the first few by name.

    >>> failure_lines([Failure("a.jpg", "broken image"), Failure("b.jpg", "broken image")])
    ['2 x broken image: a.jpg, b.jpg']
    """
    failures = list(failures)
    lines: list[str] = []
    for what, count in Counter(one.what for one in failures).items():
        named = [f"{one.subject} ({one.why})" if one.why else one.subject for one in failures if one.what == what]
        lines.append(f"{count} x {what}: {listing(named, most)}")
    return lines
