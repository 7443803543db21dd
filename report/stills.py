"""Small pictures of the surest detections, for those who cannot play the videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import UsageError, VideoError, plural
from ..core.messages import Progress, silent
from ..core.segments import Segments
from ..features.decode import decode_frames
from ..features.video import OtherFrames, scan_video
from .html import jpeg_address

WIDTH = 160
"""Of a picture, in pixels; one that stands upright is as high."""
BUDGET_BYTES = 12_000_000
"""Most that the pictures of a page take; with it 500 videos stay below 20 MB."""
_QUALITY = 60


@dataclass(frozen=True)
class Stills:
    """What was made.

    Attributes:
        pictures: By video, the rows of its detections and their pictures as data addresses, the surest first.
        failed: Videos that could not be decoded, and why.
        left_out: Pictures that did not fit into the budget.
    """

    pictures: Mapping[str, list[tuple[int, str]]]
    failed: Mapping[str, str]
    left_out: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing, a sentence each."""
        words = []
        if self.left_out:
            words.append(
                f"{plural(self.left_out, 'still was', 'stills were')} left out: all may take {BUDGET_BYTES / 1e6:g} MB."
            )
        if self.failed:
            video, why = next(iter(self.failed.items()))
            count = plural(len(self.failed), "video")
            words.append(f"{count} could not be decoded for stills, first {video}: {why}.")
        return tuple(words)


def make_stills(
    found: Segments,
    files: Mapping[str, Path],
    most: int,
    *,
    budget_bytes: int = BUDGET_BYTES,
    progress: Progress = silent,
) -> Stills:
    """Take the frame at the middle of each video's surest detections.

    `most` of each video; where all take more than `budget_bytes`, the surest of all videos come first.

    Raises:
        UsageError: A negative number of pictures.
    """
    if most < 0:
        raise UsageError("--stills is 0 or more", why=f"it is {most}", next="thas report --stills 4")
    made: dict[str, list[tuple[int, str]]] = {}
    failed: dict[str, str] = {}
    for video in dict.fromkeys(found.video.tolist()) if most else ():
        if video not in files:
            continue
        rows = found[found.video == video]
        assert rows.score is not None, "detections have scores"
        surest = np.argsort(-rows.score, kind="stable")[:most]
        middles = ((rows.start_seconds + rows.end_seconds) / 2)[surest]
        try:
            pictures = _pictures(files[video], middles)
            made[video] = list(zip(surest.tolist(), pictures, strict=True))
        except VideoError as error:
            failed[video] = error.why or error.what
        progress(1)
    return Stills(*_within(made, budget_bytes, failed))


def _within(
    made: Mapping[str, list[tuple[int, str]]], budget_bytes: int, failed: Mapping[str, str]
) -> tuple[dict[str, list[tuple[int, str]]], Mapping[str, str], int]:
    """Each video's first picture, then each one's second, until the budget is spent."""
    kept: dict[str, list[tuple[int, str]]] = {}
    left = budget_bytes
    total = sum(map(len, made.values()))
    for turn in range(max(map(len, made.values()), default=0)):
        for video, pictures in made.items():
            if turn >= len(pictures):
                continue
            left -= len(pictures[turn][1])
            if left < 0:
                return kept, failed, total - sum(map(len, kept.values()))
            kept.setdefault(video, []).append(pictures[turn])
    return kept, failed, 0


def _pictures(path: Path, seconds: np.ndarray) -> list[str]:
    """The frames on the screen at some times as JPEG data addresses."""
    table = scan_video(path)
    other: OtherFrames | None = None
    for _ in range(2):
        numbers = np.clip(np.searchsorted(table.start_seconds, seconds, side="right") - 1, 0, len(table) - 1)
        wanted, place = np.unique(numbers, return_inverse=True)
        try:
            frames = [_jpeg(frame) for frame in decode_frames(path, table, wanted)]
            return [frames[i] for i in place]
        except OtherFrames as error:
            table, other = error.table, error
    assert other is not None
    raise other


def _jpeg(frame: np.ndarray) -> str:
    import PIL.Image

    picture = PIL.Image.fromarray(frame)
    picture.thumbnail((WIDTH, WIDTH))
    return jpeg_address(picture, quality=_QUALITY, optimize=True)
