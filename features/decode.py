"""Frames of a video by their number in its frame table, each decoded once, in order.

Two decoders: decord, where its timeline equals the table, jumping is safe and the video is small, and PyAV everywhere
else. On ordinary files they give the same bytes. Neither may give a wrong frame in silence: PyAV is told to stop at
damage, and what the libraries say on stderr while decoding counts as damage too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .video import FrameTable, UnreadableVideo, Watch, _reason, opened

Decoder = Literal["auto", "decord", "pyav"]

# decord decodes ahead of its reader without limit, one thread or not: 836 MB of a long 320x240 video whose reader took
# 2 ms a frame. So it is given those that fit whole.
_DECORD_WHOLE_BYTES = 128 << 20
# Frames fetched from decord at a time: enough to spread a call's cost, few enough to bound memory.
_DECORD_BLOCK_BYTES = 4 << 20


def decode_frames(
    path: Path | str,
    table: FrameTable,
    wanted: Sequence[int] | np.ndarray,
    *,
    decoder: Decoder = "auto",
    watch: Watch | None = None,
    used: dict[str, str] | None = None,
) -> Iterator[np.ndarray]:
    """Decode the frames `wanted` and yield them in that order, RGB, rotated as they are meant to be seen.

    Args:
        path: The video.
        table: Its frame table, by `scan_video`.
        wanted: Numbers of frames in the table, rising.
        decoder: "auto" takes decord where it is to be trusted and PyAV elsewhere; the others insist. decord may take
            the memory of all of the video's frames.
        watch: Returns what the libraries printed since the last call; anything is taken as damage.
        used: Filled with `decoder`, `decoder_version` and, where auto did not take decord, `decoder_reason`.

    Yields:
        (H, W, 3) uint8.

    Raises:
        UnreadableVideo: The video ends or breaks before the last wanted frame; `frames` counts what came before.
    """
    path = Path(path)
    wanted = np.asarray(wanted, dtype=np.int64)
    watch = watch or (lambda: "")
    used = {} if used is None else used
    given = 0
    if decoder != "pyav":
        whole = 3 * len(table) * table.width * table.height
        if decoder == "auto" and whole > _DECORD_WHOLE_BYTES:
            reader, why = None, f"it reads ahead without limit, and the video has {whole >> 20} MB of frames"
        else:
            reader, why = _open_decord(path, table)
        if watch().strip():
            reader, why = None, why or "it complained about the file"
        if reader is None and decoder == "decord":
            raise UnreadableVideo(path.name, stage="open", why=f"decord is not to be trusted here: {why}")
        if reader is not None:
            used.update(decoder="decord", decoder_version=_version("decord"))
            try:
                for frame in _decord_frames(path, reader, wanted, watch):
                    yield frame
                    given += 1
                return
            except UnreadableVideo as error:
                if decoder == "decord":
                    raise
                why = error.why
            finally:
                del reader
        used["decoder_reason"] = why
    used.update(decoder="pyav", decoder_version=_version("av"))
    yield from _pyav_frames(path, table, wanted[given:], watch)


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _open_decord(path: Path, table: FrameTable) -> tuple[Any, str]:
    """A decord reader, or None and why it is not to be trusted with this file."""
    if table.damage:
        return None, f"the file is damaged: {table.damage}"
    if not table.jumpable:
        return None, f"{table.container} with {table.codec} gives other frames after a jump"
    try:
        import decord
    except (ImportError, OSError) as error:
        return None, f"it cannot be imported: {error}"
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        shown = np.asarray(reader.get_frame_timestamp(range(len(reader))), dtype=np.float64)[:, 0]
    except Exception as error:  # decord raises its own kinds, and plain ones, from C++
        return None, f"it cannot open the file: {_first_line(error)}"
    if len(shown) != len(table):
        return None, f"it counts {len(shown)} frames where the packets show {len(table)}"
    # Single precision and its own origin: right is what lies nearer to its own frame than to a neighbour.
    off = np.abs((shown - shown[0]) - table.start_seconds)
    nearest = np.min(np.diff(table.start_seconds), initial=np.inf) / 2
    if off.max() > min(nearest, 0.5):
        at = int(np.argmax(off))
        return None, f"it shows frame {at} at {shown[at] - shown[0]:.3f} s instead of {table.start_seconds[at]:.3f} s"
    return reader, ""


def _decord_frames(path: Path, reader: Any, wanted: np.ndarray, watch: Watch) -> Iterator[np.ndarray]:
    done, block = 0, 1
    while done < len(wanted):
        numbers = wanted[done : done + block].tolist()
        try:
            frames = reader.get_batch(numbers).asnumpy()
        except Exception as error:
            raise UnreadableVideo(path.name, stage="decode", why=_first_line(error), frames=done) from error
        complaint = watch().strip()
        if complaint:
            raise UnreadableVideo(path.name, stage="decode", why=complaint.splitlines()[0], frames=done)
        yield from frames
        done += len(numbers)
        block = max(1, _DECORD_BLOCK_BYTES // max(1, frames[0].nbytes))


def _first_line(error: Exception) -> str:
    """What an error says, without the time of day that decord begins with: the same video gives the same file."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", lines[0])[:200]


def _pyav_frames(path: Path, table: FrameTable, wanted: np.ndarray, watch: Watch) -> Iterator[np.ndarray]:
    if not len(wanted):
        return
    from av.error import FFmpegError
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()  # one for all frames: making it costs as much as using it
    decoded, at = 0, 0

    def failed(why: str) -> UnreadableVideo:
        return UnreadableVideo(path.name, stage="decode", why=why, frames=decoded)

    with opened(path, strict=True) as (container, stream):
        frames = iter(container.decode(stream))
        while True:
            try:
                frame = next(frames, None)
            except FFmpegError as error:
                raise failed(_complaint(watch) or _reason(error)) from error
            complaint = _complaint(watch)
            if complaint or (frame is not None and frame.is_corrupt):
                raise failed(complaint or "the decoder marks a frame as damaged")
            if frame is None:
                break
            number = decoded if table.counted else _number(table.stamps, frame.pts)
            decoded += 1
            if number is None:
                continue  # not shown: before an edit list's start
            if number > wanted[at]:
                raise failed(f"frame {wanted[at]} is missing: frame {number} came instead")
            if number < wanted[at]:
                continue
            rgb = reformatter.reformat(frame, format="rgb24").to_ndarray()
            yield _rotated(rgb, frame.rotation)
            at += 1
            if at == len(wanted):
                return
    raise failed(f"it ends before frame {wanted[at]} of {len(table)}")


def _number(stamps: np.ndarray, stamp: int | None) -> int | None:
    """Which frame of the table has a time stamp; None if none has."""
    if stamp is None:
        return None
    place = int(np.searchsorted(stamps, stamp))
    return place if place < len(stamps) and stamps[place] == stamp else None


def _complaint(watch: Watch) -> str:
    text = watch().strip()
    return text.splitlines()[0][:200] if text else ""


def _rotated(rgb: np.ndarray, degrees: int) -> np.ndarray:
    """A frame turned counter-clockwise by its display matrix's angle, if that is a multiple of 90."""
    quarters = round(degrees / 90)
    return np.ascontiguousarray(np.rot90(rgb, quarters)) if quarters % 4 and degrees % 90 == 0 else rgb
