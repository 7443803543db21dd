"""What FFmpeg says while it works on a video in this thread: the only place where some losses show."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, NamedTuple

# The decoder fills in for a picture that it was never given, and what refers to it is wrong. H.264 says the first at
# the level of debugging only, and marks no frame.
_LOST_REFERENCE = re.compile(r"Frame num gap|Could not find ref with POC|reference picture missing|Missing reference")


class Remark(NamedTuple):
    """Something that was said.

    Attributes:
        kind: "reference" (a picture that is referred to is missing), or "error".
        name: Who said it: a decoder's or a container's name.
        text: The name and what it said, in one line.
    """

    kind: Literal["reference", "error"]
    name: str
    text: str


class Heard:
    """Gives out what was said since the last time; errors only, and lost references at whatever level."""

    def __init__(self, lines: list[tuple[int, str, str]]) -> None:
        self._lines = lines

    def remarks(self) -> list[Remark]:
        """All of it."""
        from av.logging import ERROR

        found: list[Remark] = []
        for severity, name, text in self._lines:
            lost = _LOST_REFERENCE.search(text)
            if lost or severity <= ERROR:
                found.append(Remark("reference" if lost else "error", name, f"{name}: {' '.join(text.split())}"[:200]))
        self._lines.clear()
        return found

    def first(self, name: str | None = None) -> str:
        """The first thing said, by `name` if given; empty if there was none."""
        return next((remark.text for remark in self.remarks() if name in (None, remark.name)), "")


@contextmanager
def listening() -> Generator[Heard]:
    """Hear what FFmpeg says to this thread within a `with` block."""
    import av.logging as logging

    level, repeated = logging.get_level(), logging.get_skip_repeated()
    logging.set_level(logging.DEBUG)
    logging.set_skip_repeated(False)
    try:
        with logging.Capture(local=True) as lines:
            yield Heard(lines)
    finally:
        logging.set_skip_repeated(repeated)
        logging.set_level(level)
