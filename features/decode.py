"""Frames of a video by their number in its frame table, each decoded once, in order.

Three decoders: decord, where it is there, its timeline equals the table, jumping is safe and the video is small; PyAV
everywhere else; and torchcodec on request. On ordinary files they give the same bytes. None may give a wrong frame in
silence: PyAV is told to stop at damage, and what the libraries say while decoding makes it look again, thoroughly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from .frame_folder import FOLDER, folder_frames
from .frame_table import FrameTable, OtherFrames, UnreadableVideo
from .listening import Heard, listening
from .opening import display_matrix, first_matrix, opened, reason, upright
from .other_decoders import decord_frames, load_decord, load_torchcodec, open_decord, torchcodec_frames
from .picture_counts import libvpx
from .thorough import every_frame
from .verdict import NOISE
from .video import Watch, scan_video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from decord import VideoReader

# Pictures are decoded out of their order, but not further than this.
_REORDERED = 32

Decoder = Literal["auto", "decord", "pyav", "torchcodec", "torchcodec-cuda"]
_TORCHCODEC = {"torchcodec": "cpu", "torchcodec-cuda": "cuda"}

# decord decodes ahead of its reader without limit, one thread or not: 836 MB of a long 320x240 video whose reader took
# 2 ms a frame. So it is given those that fit whole.
_DECORD_WHOLE_BYTES = 128 << 20


def decode_frames(
    path: Path | str,
    table: FrameTable,
    wanted: Sequence[int] | np.ndarray,
    *,
    decoder: Decoder = "auto",
    watch: Watch | None = None,
    used: dict[str, str] | None = None,
) -> Iterator[np.ndarray]:
    """Decode the frames `wanted` and yield them in that order, RGB, turned and mirrored as they are meant to be seen.

    Args:
        path: The video.
        table: Its frame table, by `scan_video`.
        wanted: Numbers of frames in the table, rising.
        decoder: "auto" takes decord where it is to be trusted and PyAV elsewhere; the others insist. decord may take
            the memory of all of the video's frames.
        watch: Returns what the libraries printed since the last call.
        used: Filled with `decoder`, `decoder_version` and, where auto did not take decord, `decoder_reason`.

    Yields:
        (H, W, 3) uint8.

    Raises:
        OtherFrames: It holds other frames than the table says, or damage; the error brings the right table.
        UnreadableVideo: It cannot be decoded, or not by the decoder insisted on.
        UsageError: The decoder insisted on is not installed.
    """
    path = Path(path)
    wanted = np.asarray(wanted, dtype=np.int64)
    watch = watch or (lambda: "")
    used = {} if used is None else used
    if table.container == FOLDER:
        used.update(decoder="pillow", decoder_version=_version("PIL"))
        yield from folder_frames(path, wanted)
        return
    given = 0
    if decoder in ("auto", "decord"):
        reader, why = _decord_reader(path, table, watch, insist=decoder == "decord")
        if reader is not None:
            used.update(decoder="decord", decoder_version=_version("decord"))
            try:
                for frame in decord_frames(path, reader, wanted, watch):
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
    elif decoder in _TORCHCODEC:
        used.update(decoder=decoder, decoder_version=_version("torchcodec"))
        yield from torchcodec_frames(path, table, wanted, watch, device=_TORCHCODEC[decoder])
        return
    used.update(decoder="pyav", decoder_version=_version("av"))
    yield from _pyav_frames(path, table, wanted[given:], watch)


def require_decoder(decoder: str) -> None:
    """Raise a UsageError if a decoder that is insisted on cannot be had here."""
    if decoder in _TORCHCODEC:
        load_torchcodec()
    elif decoder == "decord":
        load_decord()


def _version(package: str) -> str:
    from importlib import import_module

    return str(import_module(package).__version__)  # quicker than what the installation says, and each has it


def _decord_reader(path: Path, table: FrameTable, watch: Watch, *, insist: bool) -> tuple[VideoReader | None, str]:
    """A decord reader, or None and why it is not taken."""
    whole = 3 * len(table) * table.width * table.height
    if not insist and whole > _DECORD_WHOLE_BYTES:
        return None, f"it reads ahead without limit, and the video has {whole >> 20} MB of frames"
    reader, why = open_decord(path, table, insist=insist)
    if watch().strip():
        reader, why = None, why or "it complained about the file"
    if reader is None and insist:
        why = f"decord is not to be trusted here: {why}"
        raise UnreadableVideo(path.name, stage="open", why=why, next="leave out --decoder decord")
    return reader, why


def _pyav_frames(path: Path, table: FrameTable, wanted: np.ndarray, watch: Watch) -> Iterator[np.ndarray]:
    """By PyAV. Where the table was made without decoding and something looks wrong, the whole video is looked at."""
    given = 0
    if not table.thorough:
        try:
            for frame in _strict_frames(path, table, wanted, watch):
                yield frame
                given += 1
            return
        except UnreadableVideo as error:
            try:
                found = scan_video(path, watch=watch, thorough=True)
            except UnreadableVideo as whole:
                raise whole from error
            if _the_same(table, found) and not NOISE.search(error.why):
                # Made strict, the decoder found what it lets pass otherwise; from where on is not known exactly.
                lost = np.arange(len(found)) >= error.frames - _REORDERED
                found = replace(found, damage=error.why, lost=lost)
            if not _the_same(table, found):
                raise OtherFrames(path.name, table=found, why=error.why, frames=error.frames) from error
            table = found
    yield from _counted_frames(path, table, wanted[given:])


def _the_same(table: FrameTable, found: FrameTable) -> bool:
    return (
        len(table) == len(found)
        and bool(np.allclose(table.start_seconds, found.start_seconds, atol=1e-3))
        and not found.damage
        and found.lost is None
        and found.holes_seconds is None
    )


def _strict_frames(path: Path, table: FrameTable, wanted: np.ndarray, watch: Watch) -> Iterator[np.ndarray]:
    """Frames by their stamps; an UnreadableVideo at the first thing that is not as the table says."""
    if not len(wanted):
        return
    assert table.stamps is not None
    from av.error import FFmpegError

    convert = Converter()
    decoded, at = 0, 0

    def failed(why: str) -> UnreadableVideo:
        return UnreadableVideo(path.name, stage="decode", why=why, frames=decoded)

    heard = Heard()
    with opened(path, strict=True) as (container, stream):
        frames = _checked(path, container, stream, convert)
        while True:
            try:
                with listening(heard):
                    frame = next(frames, None)
            except FFmpegError as error:
                raise failed(heard.first() or _first(watch()) or reason(error)) from error
            said = heard.first() or _first(watch())
            if said or (frame is not None and frame.is_corrupt):
                raise failed(said or "the decoder marks a frame as damaged")
            if frame is None:
                break
            number = _number(table.stamps, frame.pts)
            decoded += 1
            if number is None:
                continue  # not shown: before an edit list's start
            if number > wanted[at]:
                raise failed(f"frame {wanted[at]} is missing: frame {number} came instead")
            if number < wanted[at]:
                continue
            yield convert(frame)
            at += 1
            if at == len(wanted):
                return
    raise failed(f"it ends before frame {wanted[at]} of {len(table)}")


def _checked(path: Path, container: InputContainer, stream: VideoStream, convert: Converter) -> Iterator[VideoFrame]:
    """Frames by the decoder that notices most."""
    decoder = libvpx(stream)
    if decoder is None:
        yield from container.decode(stream)
        return
    convert.matrix = first_matrix(path)  # a decoder beside the container's is not told of it
    for packet in container.demux(stream):
        yield from decoder.decode(packet if packet.size else None)


def _counted_frames(path: Path, table: FrameTable, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """Frames by their number among all that the decoder gives, as they were counted when the table was made."""
    if not len(wanted):
        return
    assert table.outputs is not None
    convert = Converter()
    outputs = table.outputs[wanted]
    at = 0
    with opened(path) as (container, stream):
        for number, (_, frame) in enumerate(every_frame(container, stream)):
            if number == outputs[at]:
                yield convert(frame)
                at += 1
                if at == len(outputs):
                    return
    why = f"it ends before frame {wanted[at]} of {len(table)}, though it did not when it was scanned"
    raise UnreadableVideo(
        path.name, stage="decode", why=why, frames=at, next="let nothing write to the file, and repeat"
    )


class Converter:
    """Turns decoded frames into pictures. One for all frames: making it costs as much as using it.

    `matrix` turns frames that do not say so themselves.
    """

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        self.matrix: tuple[int, int, int, int] | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright."""
        rgb = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        return upright(rgb, display_matrix(frame) or self.matrix)


def _number(stamps: np.ndarray, stamp: int | None) -> int | None:
    """Which frame of the table has a time stamp; None if none has."""
    if stamp is None:
        return None
    place = int(np.searchsorted(stamps, stamp))
    return place if place < len(stamps) and stamps[place] == stamp else None


def _first(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else ""
