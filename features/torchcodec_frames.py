"""torchcodec, on request: PyTorch's own decoder, on the processor or a GPU; held to the frame table like the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError
from .frame_table import FrameTable, UnreadableVideo
from .orientation import mirrored_or_tilted
from .video import Watch

if TYPE_CHECKING:
    from torchcodec.decoders import VideoDecoder

# Frames fetched at a time: enough to spread a call's cost, few enough to bound memory.
_BLOCK_BYTES = 4 << 20


def torchcodec_frames(
    path: Path, table: FrameTable, wanted: np.ndarray, watch: Watch, *, device: str = "cpu"
) -> Iterator[np.ndarray]:
    """Frames by their numbers, each compared with the table by its time.

    Args:
        path: The video.
        table: Its frames.
        wanted: Numbers of frames in the table, rising.
        watch: Returns what the libraries printed since the last call; anything is taken as damage.
        device: "cpu" or "cuda", whose decoder rounds colours in its own way.

    Yields:
        (H, W, 3) uint8, upright.

    Raises:
        UnreadableVideo: It cannot be decoded, or torchcodec has other frames than the table.
        UsageError: torchcodec is not installed, or finds no FFmpeg.
    """
    decoder, first = _opened(path, table, device)
    done, block = 0, 1
    # Half of the shortest frame: what is nearer to its own frame than to a neighbour is right.
    near = max(5e-4, float(np.min(np.diff(table.start_seconds), initial=1.0)) / 2)
    while done < len(wanted):
        numbers = wanted[done : done + block]
        try:
            batch = decoder.get_frames_at(numbers.tolist())
        except (RuntimeError, IndexError, ValueError) as error:
            raise UnreadableVideo(
                path.name, stage="decode", why=_first_line(error), frames=done, next=_OTHER
            ) from error
        complaint = watch().strip()
        if complaint:
            why = complaint.splitlines()[0][:200]
            raise UnreadableVideo(path.name, stage="decode", why=why, frames=done, next=_OTHER)
        off = np.abs(batch.pts_seconds.cpu().numpy() - first - table.start_seconds[numbers])
        if off.max() > near:
            at = int(np.argmax(off))
            raise _untrusted(path, f"it shows frame {numbers[at]} {off[at]:.3f} s off its time", done)
        frames = batch.data.cpu().numpy()
        yield from frames
        done += len(numbers)
        block = max(1, _BLOCK_BYTES // max(1, frames[0].nbytes))


_OTHER = "leave out --decoder torchcodec: PyAV says more of it, and takes more"


def _untrusted(path: Path, why: str, frames: int = 0) -> UnreadableVideo:
    why = f"torchcodec is not to be trusted here: {why}"
    return UnreadableVideo(path.name, stage="open", why=why, frames=frames, next="leave out --decoder torchcodec")


def _opened(path: Path, table: FrameTable, device: str) -> tuple[VideoDecoder, float]:
    """The decoder, and the time of its first frame."""
    video_decoder = load_torchcodec()
    if table.damage:
        raise _untrusted(path, f"the file is damaged: {table.damage}")
    if mirrored_or_tilted(path):
        raise _untrusted(path, "the picture is mirrored or tilted, which it does not heed")
    try:
        decoder = video_decoder(
            str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact", device=device
        )
        count = len(decoder)
        first = float(decoder.get_frame_at(0).pts_seconds)
    except (RuntimeError, IndexError, ValueError) as error:
        raise UnreadableVideo(path.name, stage="open", why=_first_line(error), next=_OTHER) from error
    if count != len(table):
        raise _untrusted(path, f"it counts {count} frames where there are {len(table)}")
    return decoder, first


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
            why=_first_line(error),
            next="install FFmpeg's shared libraries, version 4 to 9 (apt-get install ffmpeg), or --decoder auto",
        ) from error
    return VideoDecoder


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
