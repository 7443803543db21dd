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
        container = open_container(path)
    except UnreadableVideo:
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise UnreadableVideo(path.name, stage="open", why=reason(error), next=f"make {path} readable") from error
    except (OSError, ValueError, av.error.FFmpegError) as error:
        why, advice = reason(error), _NO_VIDEO
        if _begins_as_video(path):
            why, advice = (
                f"it begins as a video, but what describes its streams is missing or damaged ({why})",
                _CUT_OFF,
            )
        raise UnreadableVideo(path.name, stage="open", why=why, next=advice) from error
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
            raise UnreadableVideo(path.name, stage="open", why=why, next=advice)
        if best.codec_context is None:
            why = "no decoder is known for its video stream"
            raise UnreadableVideo(path.name, stage="open", why=why, next=f"ffmpeg -i {path.name} {path.stem}.mp4")
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
