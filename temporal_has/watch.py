"""A folder that videos are put into: each is localized once, when it has arrived."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.errors import UsageError
from ..core.segments import Segments
from ..features.video_files import VIDEO_SUFFIXES
from .video_results import VideoResult

Signature = tuple[int, int]
"""A file's size in bytes and its time of change in nanoseconds."""


def look(folder: Path) -> dict[Path, Signature]:
    """The video files in a folder, by name; hidden ones and subfolders are left out."""
    found: dict[Path, Signature] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith("."):
            try:
                about = path.stat()
            except OSError:  # gone since the folder was listed
                continue
            if path.is_file():
                found[path] = (about.st_size, about.st_mtime_ns)
    return found


class Arrivals:
    """Tells which files have arrived: those whose size and time of change stay the same for a while.

    A file that changes after it was taken arrives anew.

    Args:
        settle_seconds: How long a file must stay as it is. The clocks of other machines, which set the times of files
            on shared disks, do not matter.
    """

    def __init__(self, *, settle_seconds: float) -> None:
        self._settle = settle_seconds
        self._seen: dict[Path, tuple[Signature, float]] = {}
        self._taken: dict[Path, Signature] = {}

    def update(self, files: dict[Path, Signature], now: float) -> list[Path]:
        """The files that have arrived and were not taken yet, after a look at time `now` (seconds)."""
        before, self._seen = self._seen, {}
        for path, signature in files.items():
            known = before.get(path)
            self._seen[path] = known if known is not None and known[0] == signature else (signature, now)
        return [
            path
            for path, (signature, since) in self._seen.items()
            if now - since >= self._settle and self._taken.get(path) != signature
        ]

    def take(self, path: Path) -> None:
        """Do not tell of this file again, unless it changes."""
        self._taken[path] = self._seen[path][0]

    @property
    def waiting(self) -> list[Path]:
        """The files there that were not taken yet."""
        return [path for path, (signature, _) in self._seen.items() if self._taken.get(path) != signature]


def watch(
    folder: Path,
    localize: Callable[[Path], VideoResult],
    *,
    once: bool = False,
    settle_seconds: float = 3.0,
    poll_seconds: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[VideoResult]:
    """Localize the videos in a folder and those that are put there later, each when it has arrived.

    Args:
        folder: Its own files are taken, not those of its subfolders.
        localize: What is done to each.
        once: Take what is there, then stop. What is still being copied is named as failed.
        settle_seconds: A file has arrived when it stayed the same for so long.
        poll_seconds: Between two looks.
        clock: In seconds, never going back.
        sleep: Waits for so many seconds.

    Yields:
        A result a file, also of those that failed; they are tried again when they change.

    Raises:
        UsageError: There is no such folder. One that is gone for a while later is waited for.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder that could be watched", next="name a folder of videos")
    arrivals, began = Arrivals(settle_seconds=settle_seconds), clock()
    first = look(folder)
    while True:
        try:
            files = look(folder)
        except OSError:
            files = {}
        if once:
            files = {path: signature for path, signature in files.items() if path in first}
        now = clock()
        for path in arrivals.update(files, now):
            arrivals.take(path)
            yield localize(path)
        if once and (not arrivals.waiting or now - began > 3 * settle_seconds):
            for path in arrivals.waiting:
                yield VideoResult(path, Segments.empty(scored=True), failed="it is still being written")
            return
        sleep(poll_seconds)
