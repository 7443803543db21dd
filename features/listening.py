"""What FFmpeg says while it works on a video in this thread: the only place where some losses show."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
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

    def __init__(self) -> None:
        self.lines: list[tuple[int, str, str]] = []

    def remarks(self) -> list[Remark]:
        """All of it."""
        from av.logging import ERROR

        found: list[Remark] = []
        for severity, name, text in self.lines:
            lost = _LOST_REFERENCE.search(text)
            if lost or severity <= ERROR:
                found.append(Remark("reference" if lost else "error", name, f"{name}: {' '.join(text.split())}"[:200]))
        self.lines.clear()
        return found

    def first(self, name: str | None = None) -> str:
        """The first thing said, by `name` if given; empty if there was none."""
        return next((remark.text for remark in self.remarks() if name in (None, remark.name)), "")


class _Loudness:
    """How much FFmpeg says, which is one setting of the whole process: raised while any thread listens."""

    def __init__(self) -> None:
        self._lock, self._listeners = Lock(), 0
        self._usual: tuple[int | None, bool] = (None, True)

    @contextmanager
    def raised(self) -> Generator[None]:
        import av.logging as logging

        with self._lock:
            if not self._listeners:
                self._usual = logging.get_level(), logging.get_skip_repeated()
                logging.set_level(logging.DEBUG)
                logging.set_skip_repeated(False)
            self._listeners += 1
        try:
            yield
        finally:
            with self._lock:
                self._listeners -= 1
                if not self._listeners:
                    logging.set_level(self._usual[0])
                    logging.set_skip_repeated(self._usual[1])


_loudness = _Loudness()


@contextmanager
def listening(heard: Heard | None = None) -> Generator[Heard]:
    """Hear what FFmpeg says to this thread within a `with` block, and go on with what was `heard` before.

    Never across a `yield`: what another video's decoder says until the next frame is asked for would be heard here,
    and a generator that nobody finishes would stop listening for another one.
    """
    from av.logging import Capture

    heard = heard or Heard()
    with _loudness.raised(), Capture(local=True) as lines:
        lines += heard.lines
        heard.lines = lines
        yield heard
