"""Opening a video with PyAV: the container, the stream that is meant, and how its pictures are turned and mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .frame_table import UnreadableVideo

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


_NO_VIDEO = "it is no video that FFmpeg knows: replace it, or take it out of the folder"
_LISTS = frozenset({"concat", "hls", "dash", "imf"})

_NO_STREAMS = "it begins as a video, but what describes its streams is missing or damaged"
# A recorder writes the index of MP4 and MOV at the end; where it is switched off before, there is none.
_CUT_OFF = "copy or download it again; if it was recorded so, a repair tool may help, given a sound file of that camera"
# How files of Matroska, AVI, FLV, Ogg and ASF begin; boxes that those of MP4 and MOV begin with, behind their length.
_MAGIC = (b"\x1a\x45\xdf\xa3", b"RIFF", b"FLV\x01", b"OggS", b"\x30\x26\xb2\x75")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def reason(error: Exception) -> str:
    """What an error of FFmpeg's says, with its kind."""
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"


def open_container(path: Path) -> InputContainer:
    """A video file by FFmpeg, which goes by what a file holds and not by its name.

    Raises:
        ValueError: It is a list of other files: a stranger's a.mp4 would show what else lies beside it.
        OSError: It cannot be opened.
        av.error.FFmpegError: It is no video.
    """
    import av

    container = av.open(str(path), "r")
    if lists := _LISTS & set(container.format.name.split(",")):
        container.close()
        raise ValueError(f"it is a list of other files ({', '.join(lists)}), and no video")
    return container


@contextmanager
def opened(path: Path | str, *, strict: bool = False) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video with PyAV: the container and its best video stream, for decoding in one thread.

    A `strict` decoder stops at damage that it would otherwise paint over.

    Raises:
        UnreadableVideo: It cannot be opened or holds no video.
    """
    import av
    import av.error

    path = Path(path)
    failed = partial(UnreadableVideo, path.name, stage="open")
    try:
        if not path.stat().st_size:
            raise failed(why="the file is empty", next="copy or download it again, or take it out")
        container = open_container(path)
    except UnreadableVideo:
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise failed(why=reason(error), next=f"make {path} readable") from error
    except (OSError, ValueError, av.error.FFmpegError) as error:
        if _begins_as_video(path):
            raise failed(why=f"{_NO_STREAMS} ({reason(error)})", next=_CUT_OFF) from error
        raise failed(why=reason(error), next=_NO_VIDEO) from error
    with container:
        shown = [stream for stream in container.streams.video if not _is_cover(stream)]
        wanted = container.streams.best("video") if shown else None
        best = next((stream for stream in shown if stream is wanted), shown[0] if shown else None)
        if best is None:
            named = {"a cover picture" if stream.type == "video" else stream.type for stream in container.streams}
            kinds = " and ".join(sorted(named, reverse=True))
            why, advice = f"it holds no video, only {kinds}", "replace it, or take it out of the folder"
            if not kinds:
                why, advice = _NO_STREAMS, _CUT_OFF
            raise failed(why=why, next=advice)
        if best.codec_context is None:
            why = "no decoder is known for its video stream"
            raise failed(why=why, next=f"ffmpeg -i {path.name} {path.stem}.mp4")
        # One thread a worker: workers are the parallelism, and frame threads decode ahead without limit.
        best.codec_context.thread_type = "NONE"
        best.codec_context.thread_count = 1
        # Some streams of HEVC carry a checksum of each picture, and are decoded without looking at it unless asked to.
        best.codec_context.options = {"err_detect": "crccheck+explode" if strict else "crccheck"}
        yield container, best


def _begins_as_video(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(8)
    return head.startswith(_MAGIC) or head[4:] in _BOXES


def _is_cover(stream: VideoStream) -> bool:
    import av.stream

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


# The matrix is 3 x 3, row by row, of which the upper left 2 x 2 turn and mirror (ISO/IEC 14496-12, 8.2.2).
_A, _B, _C, _D = 0, 1, 3, 4


def display_matrix(frame: VideoFrame | None) -> tuple[int, int, int, int] | None:
    """The turning part (a, b, c, d) of a decoded frame's display matrix; None if it has none."""
    # By name: PyAV gave side data when gone through until 18, and gives their kinds since.
    data = frame.side_data.get("DISPLAYMATRIX") if frame is not None else None
    if data is None:
        return None
    numbers = np.frombuffer(bytes(data), dtype="=i4")
    # Writers round: what is less than the sine of a degree of the largest is nothing.
    turning = numbers[[_A, _B, _C, _D]].astype(np.int64)
    least = 0.0175 * np.abs(turning).max()
    a, b, c, d = (int(n) if abs(n) > least else 0 for n in turning)
    return a, b, c, d


def upright(picture: np.ndarray, matrix: tuple[int, int, int, int] | None) -> np.ndarray:
    """A picture as it is meant to be seen: turned by a multiple of 90 degrees and mirrored as the matrix says.

    A stored pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift. Another angle leaves the picture as it is.

    Args:
        picture: (H, W, 3).
        matrix: (a, b, c, d) of `display_matrix`.

    >>> picture = np.arange(6).reshape(2, 3, 1)
    >>> upright(picture, (-1, 0, 0, 1))[..., 0].tolist()
    [[2, 1, 0], [5, 4, 3]]
    >>> upright(picture, (0, 1, -1, 0))[..., 0].tolist()
    [[3, 0], [4, 1], [5, 2]]
    """
    if matrix is None or matrix_is_odd(matrix):
        return picture
    a, b, c, d = matrix
    if a:
        across, down = a, d
    else:
        picture = picture.swapaxes(0, 1)
        across, down = c, b
    if across < 0:
        picture = picture[:, ::-1]
    if down < 0:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def mirrors(matrix: tuple[int, int, int, int] | None) -> bool:
    """Whether a matrix shows the picture as in a mirror."""
    return matrix is not None and matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0


def matrix_is_odd(matrix: tuple[int, int, int, int] | None) -> bool:
    """Whether a matrix turns by another angle than a multiple of 90 degrees."""
    if matrix is None:
        return False
    a, b, c, d = (bool(number) for number in matrix)
    return not (a and d and not b and not c) and not (b and c and not a and not d)


def first_matrix(path: Path) -> tuple[int, int, int, int] | None:
    """The display matrix of a video's first frame.

    Raises:
        FFmpegError: That frame cannot be decoded.
    """
    with opened(path) as (container, stream):
        return display_matrix(next(container.decode(stream), None))


def mirrored_or_tilted(path: Path) -> bool:
    """Whether the display matrix of a video's first frame asks for more than turning by a multiple of 90 degrees.

    True, too, where that frame cannot be decoded.
    """
    from av.error import FFmpegError

    try:
        matrix = first_matrix(path)
    except FFmpegError:
        return True
    return mirrors(matrix) or matrix_is_odd(matrix)
