"""Frames of a video that is still arriving: a file that grows, a camera, an address; each when it is there."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from ..core.errors import UsageError, VideoError
from ..features.decode import Converter
from ..features.opening import reason

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

_GROWING = (
    "a file that grows must be .ts, .mkv or fragmented .mp4: of an ordinary .mp4 the index comes last; "
    "localize a finished one without --stream"
)
_ADDRESSES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
_DEVICES = ("/dev/video", "video=")


@dataclass(frozen=True)
class Shown:
    """A frame, and when it is shown.

    Attributes:
        start_seconds: When it appears, from the first one on.
        end_seconds: When the next one takes its place.
        picture: Gives it as (H, W, 3) uint8 RGB, as it is meant to be seen; asked only for what is needed.
    """

    start_seconds: float
    end_seconds: float
    picture: Callable[[], np.ndarray]


class GrowingFile:
    """A file, which need not be there yet, as a stream that ends when nothing was added for `patience_seconds`."""

    def __init__(
        self,
        path: Path,
        *,
        patience_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._patience, self._clock, self._sleep = patience_seconds, clock, sleep
        self._since = clock()
        while not path.exists():
            if not self._may_wait():
                raise VideoError(f"there is no video {path}", next="check the path", subject=path.stem)
        self._file = path.open("rb")
        self._since = clock()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; waits where there are none; nothing at the end."""
        while not (data := self._file.read(size)):
            if not self._may_wait():
                return b""
        self._since = self._clock()
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _may_wait(self) -> bool:
        if self._clock() - self._since >= self._patience:
            return False
        self._sleep(0.05)
        return True


@contextmanager
def open_stream(source: str, *, patience_seconds: float = 10.0) -> Generator[InputContainer]:
    """Open a file that may still grow, a camera (/dev/video0) or an address (rtsp://, http://, udp:// ...); use `with`.

    A file or address that gives nothing for `patience_seconds` has ended.

    Raises:
        VideoError: It cannot be opened.
        UsageError: There is no PyAV device for cameras on this system.
    """
    import av
    import av.error

    name, growing = source, ExitStack()
    try:
        if urlsplit(source).scheme in _ADDRESSES:
            # An address may hold a password, which belongs into no message, even if it has a / or ? as none may.
            parts = urlsplit(source)
            user, _, place = f"{parts.netloc}{parts.path}".rpartition("@")
            name = f"{parts.scheme}://{place if user or '@' not in source else ''}"
            options = {"rtsp_transport": "tcp"} if parts.scheme.startswith("rtsp") else {}
            opened = av.open(source, "r", options=options, timeout=(max(patience_seconds, 5.0), patience_seconds))
        elif source.startswith(_DEVICES):
            device = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}.get(sys.platform, "")
            if not device:
                raise UsageError(f"no cameras are known on {sys.platform}", next="an rtsp:// address, or a file")
            opened = av.open(source, "r", format=device)
        else:
            file = growing.enter_context(closing(GrowingFile(Path(source), patience_seconds=patience_seconds)))
            opened = av.open(file, "r")
    except VideoError:
        raise
    except (OSError, ValueError, av.error.FFmpegError) as error:
        growing.close()
        raise VideoError(
            f"{name} cannot be streamed", why=reason(error), next=_advice(source, error), subject=name
        ) from error
    with growing, opened:
        yield opened


@dataclass(frozen=True)
class Connection:
    """A source that shows something.

    Attributes:
        fps: Frames a second, where the source says it.
        away_seconds: How long it was away before; 0 at first.
        frames: As of `frames_of`, the first one at 0 s.
    """

    fps: float | None
    away_seconds: float
    frames: Iterator[Shown]


def connections(
    source: str,
    *,
    patience_seconds: float = 10.0,
    again_seconds: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Generator[Connection]:
    """Open a source, and open it again whenever it has ended, until that fails for so long.

    Whether a camera broke off or came to an end cannot be told apart: FFmpeg says the same of both.

    Args:
        source: See `open_stream`.
        patience_seconds: Likewise.
        again_seconds: How long a source that ended is tried; 0 never.
        clock: In seconds, never going back.
        sleep: Waits for so many seconds.

    Yields:
        The source each time; all of its frames are taken before the next.

    Raises:
        VideoError: At first it cannot be opened, or shows nothing.
        UsageError: It is a file, which does not come back.
    """
    if again_seconds and not (urlsplit(source).scheme in _ADDRESSES or source.startswith(_DEVICES)):
        raise UsageError(
            "a file that ended does not come back",
            why="--stream-again is of addresses and cameras",
            next="leave it out; --stream-patience says how long a file may stand still",
        )
    lost: float | None = None
    while True:
        try:
            with open_stream(source, patience_seconds=patience_seconds) as container:
                frames = frames_of(container)
                first = next(frames)
                said = container.streams.video[0].average_rate
                away = 0.0 if lost is None else clock() - lost
                yield Connection(float(said) if said else None, away, chain([first], frames))
            lost = clock()
            if not again_seconds:
                return
        except VideoError:
            if lost is None:
                raise
            if clock() - lost >= again_seconds:
                return
            sleep(1.0)


def _advice(source: str, error: Exception) -> str:
    """What helps where a source could not be opened."""
    import av.error

    scheme = urlsplit(source).scheme
    if scheme in _ADDRESSES:
        if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
            return f"put both into the address: {scheme}://USER:PASSWORD@HOST/PATH, an @ within them as %40"
        if isinstance(error, av.error.HTTPNotFoundError):
            return "the path is another one: the camera's manual or its settings name it"
        return "see that the camera is on and the port is right; ffplay opens what can be streamed"
    if source.startswith(_DEVICES):
        if isinstance(error, PermissionError):
            return "sudo usermod -aG video $USER, then log in again"
        there = ", ".join(sorted(map(str, Path("/dev").glob("video*"))))
        return f"the cameras of this machine are {there}" if there else "connect one: this machine knows no camera"
    if isinstance(error, av.error.InvalidDataError) or source.endswith((".mp4", ".mov")):
        return _GROWING
    return "check the path: ffplay opens what can be streamed"


def frames_of(container: InputContainer) -> Iterator[Shown]:
    """The frames of a stream in the order of showing, each once the next one is there, the last one at the end.

    A stream that breaks off has ended there; what a decoder cannot mend is left out.

    Raises:
        VideoError: It holds no video, or shows none.
    """
    from av.error import EOFError as StreamEnd
    from av.error import FFmpegError

    if not container.streams.video:
        raise VideoError("the stream holds no video", next="name a source that does")
    stream = container.streams.video[0]
    stream.thread_type = "NONE"  # frame threads hold frames back
    before: tuple[float, VideoFrame] | None = None
    origin = span = 0.0
    convert = Converter()
    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except (StopIteration, StreamEnd, TimeoutError):
            break
        except FFmpegError:
            continue
        for frame in frames:
            if frame.pts is None or frame.time_base is None:
                continue
            seconds = float(frame.pts * frame.time_base)
            if before is None:
                origin = seconds
            elif seconds - origin <= before[0]:
                continue  # a clock that went back: not shown
            if before is not None:
                span = seconds - origin - before[0]
                yield Shown(before[0], seconds - origin, partial(convert, before[1]))
            before = (seconds - origin, frame)
            if frame.duration:
                span = float(frame.duration * frame.time_base)
    if before is None:
        raise VideoError("the stream ended before it showed anything", next=_GROWING)
    yield Shown(before[0], before[0] + span, partial(convert, before[1]))
