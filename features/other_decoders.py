"""Decoders beside PyAV, held to the frame table: decord, where it is installed and right, and torchcodec on request.

decord jumps to the frames that are wanted and reads nothing between them; torchcodec is PyTorch's own decoder, on the
processor or a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError, first_line
from .frame_table import FrameTable, UnreadableVideo
from .opening import mirrored_or_tilted
from .video import Watch

if TYPE_CHECKING:
    from decord import VideoReader
    from torchcodec.decoders import VideoDecoder

# Frames fetched at a time: enough to spread a call's cost, few enough to bound memory.
_BLOCK_BYTES = 4 << 20
_OTHER = "leave out --decoder torchcodec: PyAV says more of it, and takes more"
_MIRRORED = "the picture is mirrored or tilted, which it does not heed"


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
        return None, _MIRRORED
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
        return None, f"it cannot open the file: {_told(error)}"
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
    """Frames by their numbers.

    Raises:
        UnreadableVideo: It fails, or complains; `frames` counts what came before.
    """
    return _in_blocks(path, wanted, watch, lambda numbers, done: reader.get_batch(numbers.tolist()).asnumpy())


def load_torchcodec() -> type[VideoDecoder]:
    """Torchcodec's decoder of videos.

    Raises:
        UsageError: It is not installed, or finds no FFmpeg.
    """
    try:
        from torchcodec.decoders import VideoDecoder
    except ImportError as error:
        raise UsageError(
            "torchcodec is not installed", why=str(error), next="pip install 'thas[torchcodec]', or --decoder auto"
        ) from error
    except (OSError, RuntimeError) as error:
        raise UsageError(
            "torchcodec finds no FFmpeg that it can use, or another version of PyTorch than its own",
            why=_told(error),
            next="install FFmpeg's shared libraries, version 4 to 9 (apt-get install ffmpeg), or --decoder auto",
        ) from error
    return VideoDecoder


def torchcodec_frames(
    path: Path, table: FrameTable, wanted: np.ndarray, watch: Watch, *, device: str = "cpu"
) -> Iterator[np.ndarray]:
    """Frames by their numbers, each compared with the table by its time.

    What `watch` returns is taken as damage. The decoder of the device "cuda" rounds colours in its own way.

    Yields:
        (H, W, 3) uint8, upright.

    Raises:
        UnreadableVideo: It cannot be decoded, or torchcodec has other frames than the table.
        UsageError: torchcodec is not installed, or finds no FFmpeg.
    """
    decoder, first = _open_torchcodec(path, table, device)
    # Half of the shortest frame: what is nearer to its own frame than to a neighbour is right.
    near = max(5e-4, float(np.min(np.diff(table.start_seconds), initial=1.0)) / 2)

    def fetch(numbers: np.ndarray, done: int) -> np.ndarray:
        batch = decoder.get_frames_at(numbers.tolist())
        off = np.abs(batch.pts_seconds.cpu().numpy() - first - table.start_seconds[numbers])
        if off.max() > near:
            at = int(np.argmax(off))
            raise _untrusted(path, f"it shows frame {numbers[at]} {off[at]:.3f} s off its time", done)
        return batch.data.cpu().numpy()

    yield from _in_blocks(path, wanted, watch, fetch, next=_OTHER)


def _open_torchcodec(path: Path, table: FrameTable, device: str) -> tuple[VideoDecoder, float]:
    """The decoder, and the time of its first frame."""
    video_decoder = load_torchcodec()
    if table.damage:
        raise _untrusted(path, f"the file is damaged: {table.damage}")
    if mirrored_or_tilted(path):
        raise _untrusted(path, _MIRRORED)
    try:
        decoder = video_decoder(
            str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact", device=device
        )
        count = len(decoder)
        first = float(decoder.get_frame_at(0).pts_seconds)
    except (RuntimeError, IndexError, ValueError) as error:
        raise UnreadableVideo(path.name, stage="open", why=_told(error), next=_OTHER) from error
    if count != len(table):
        raise _untrusted(path, f"it counts {count} frames where there are {len(table)}")
    return decoder, first


def _untrusted(path: Path, why: str, frames: int = 0) -> UnreadableVideo:
    why = f"torchcodec is not to be trusted here: {why}"
    return UnreadableVideo(path.name, stage="open", why=why, frames=frames, next="leave out --decoder torchcodec")


def _in_blocks(
    path: Path, wanted: np.ndarray, watch: Watch, fetch: Callable[[np.ndarray, int], np.ndarray], *, next: str = ""
) -> Iterator[np.ndarray]:
    """Frames by their numbers; `fetch` is given some of these, and how many came before."""
    done, block = 0, 1
    while done < len(wanted):
        numbers = wanted[done : done + block]
        try:
            frames = fetch(numbers, done)
        except UnreadableVideo:
            raise
        except Exception as error:  # each library raises its own kinds
            raise UnreadableVideo(path.name, stage="decode", why=_told(error), frames=done, next=next) from error
        if complaint := watch().strip():
            why = complaint.splitlines()[0][:200]
            raise UnreadableVideo(path.name, stage="decode", why=why, frames=done, next=next)
        yield from frames
        done += len(numbers)
        block = max(1, _BLOCK_BYTES // max(1, frames[0].nbytes))


def _told(error: Exception) -> str:
    """What an error says, without the time of day that decord begins with: the same video gives the same file."""
    return re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", first_line(error))
