"""Opening a video with PyAV: the container and the stream that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .frame_table import UnreadableVideo

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_NO_VIDEO = "it is no video that FFmpeg knows: replace it, or take it out of the folder"


def reason(error: Exception) -> str:
    """What an error of FFmpeg's says, with its kind."""
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"


@contextmanager
def opened(path: Path | str, *, strict: bool = False) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video with PyAV: the container and its best video stream, for decoding in one thread.

    Args:
        path: The file.
        strict: Let the decoder stop at damage that it would otherwise paint over.

    Raises:
        UnreadableVideo: It cannot be opened or holds no video.
    """
    import av
    import av.error

    path = Path(path)
    try:
        size = path.stat().st_size
        if not size:
            why = "the file is empty"
            raise UnreadableVideo(path.name, stage="open", why=why, next="copy or download it again, or take it out")
        container = av.open(str(path), "r")
    except UnreadableVideo:
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise UnreadableVideo(path.name, stage="open", why=reason(error), next=f"make {path} readable") from error
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise UnreadableVideo(path.name, stage="open", why=reason(error), next=_NO_VIDEO) from error
    with container:
        shown = [stream for stream in container.streams.video if not _is_cover(stream)]
        wanted = container.streams.best("video") if shown else None
        best = next((stream for stream in shown if stream is wanted), shown[0] if shown else None)
        if best is None:
            named = {"a cover picture" if stream.type == "video" else stream.type for stream in container.streams}
            kinds = " and ".join(sorted(named, reverse=True)) or "no streams"
            why = f"it holds no video, only {kinds}"
            raise UnreadableVideo(path.name, stage="open", why=why, next="replace it, or take it out of the folder")
        if best.codec_context is None:
            why = "no decoder is known for its video stream"
            raise UnreadableVideo(path.name, stage="open", why=why, next=f"ffmpeg -i {path.name} {path.stem}.mp4")
        # One thread a worker: workers are the parallelism, and frame threads decode ahead without limit.
        best.codec_context.thread_type = "NONE"
        best.codec_context.thread_count = 1
        # Some streams of HEVC carry a checksum of each picture, and are decoded without looking at it unless asked to.
        best.codec_context.options = {"err_detect": "crccheck+explode" if strict else "crccheck"}
        yield container, best


def _is_cover(stream: VideoStream) -> bool:
    import av.stream

    return bool(stream.disposition & av.stream.Disposition.attached_pic)
