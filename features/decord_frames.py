"""decord, where it is installed and right: it jumps to the frames that are wanted, and reads nothing between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError
from .frame_table import FrameTable, UnreadableVideo
from .orientation import mirrored_or_tilted
from .video import Watch

if TYPE_CHECKING:
    from decord import VideoReader

# Frames fetched at a time: enough to spread a call's cost, few enough to bound memory.
_BLOCK_BYTES = 4 << 20


def load_decord() -> type[VideoReader]:
    """Decord's reader of videos.

    Raises:
        UsageError: It is not installed, or does not work here.
    """
    try:
        from decord import VideoReader
    except (ImportError, OSError) as error:
        raise UsageError(
            "decord is not installed, or does not work here",
            why=str(error),
            next="leave out --decoder decord: PyAV gives the same frames",
        ) from error
    return VideoReader


def open_decord(path: Path, table: FrameTable, *, insist: bool = False) -> tuple[VideoReader | None, str]:
    """A decord reader, or None and why it is not to be trusted with this file.

    Args:
        path: The video.
        table: Its frames.
        insist: Raise if decord is not installed.

    Raises:
        UsageError: It is insisted on and not installed.
    """
    if table.damage:
        return None, f"the file is damaged: {table.damage}"
    if not table.jumpable:
        return None, f"{table.container} with {table.codec} gives other frames after a jump"
    if table.codec in ("hevc", "vp9"):
        return None, f"it lets damage of {table.codec} pass that PyAV can be made to see"
    if mirrored_or_tilted(path):
        return None, "the picture is mirrored or tilted, which it does not heed"
    try:
        video_reader = load_decord()
    except UsageError as error:
        if insist:
            raise
        return None, f"it cannot be imported: {error.why}"
    try:
        reader = video_reader(str(path), num_threads=1)
        shown = np.asarray(reader.get_frame_timestamp(range(len(reader))), dtype=np.float64)[:, 0]
    except Exception as error:  # decord raises its own kinds, and plain ones, from C++
        return None, f"it cannot open the file: {first_line(error)}"
    if len(shown) != len(table):
        return None, f"it counts {len(shown)} frames where the packets show {len(table)}"
    # Single precision and its own origin: right is what lies nearer to its own frame than to a neighbour.
    off = np.abs((shown - shown[0]) - table.start_seconds)
    nearest = np.min(np.diff(table.start_seconds), initial=np.inf) / 2
    if off.max() > min(nearest, 0.5):
        at = int(np.argmax(off))
        return None, f"it shows frame {at} at {shown[at] - shown[0]:.3f} s instead of {table.start_seconds[at]:.3f} s"
    return reader, ""


def decord_frames(path: Path, reader: VideoReader, wanted: np.ndarray, watch: Watch) -> Iterator[np.ndarray]:
    """Frames by their numbers, in blocks.

    Raises:
        UnreadableVideo: It fails, or complains; `frames` counts what came before.
    """
    done, block = 0, 1
    while done < len(wanted):
        numbers = wanted[done : done + block].tolist()
        try:
            frames = reader.get_batch(numbers).asnumpy()
        except Exception as error:
            raise UnreadableVideo(path.name, stage="decode", why=first_line(error), frames=done) from error
        complaint = watch().strip()
        if complaint:
            raise UnreadableVideo(path.name, stage="decode", why=complaint.splitlines()[0], frames=done)
        yield from frames
        done += len(numbers)
        block = max(1, _BLOCK_BYTES // max(1, frames[0].nbytes))


def first_line(error: Exception) -> str:
    """What an error says, without the time of day that decord begins with: the same video gives the same file."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", lines[0])[:200]
