"""Which frames a video shows, and when: read from the container's packets, never from a header's count.

Times are seconds from the first shown frame.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import VideoError
from .transport_stream import transport_stream_damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import av

# Gives what the decoding libraries printed since the last call.
Watch = Callable[[], str]

# Containers whose index a decoder may jump by: an exact position for every frame. MPEG-TS and programme streams have
# none: a jump lands somewhere near, and what is decoded from there is counted wrongly.
_INDEXED = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
# AVI stores no presentation times; with packed B-frames two frames share a packet. Raw streams store nothing.
_TIMELESS = {"avi", "h264", "hevc", "m4v", "mpegvideo", "mjpeg"}


class UnreadableVideo(VideoError):
    """A video that cannot be decoded, or not wholly, with what `failed.csv` says about it.

    Args:
        video: The video's name or path.
        stage: "open", "scan", "plan", "decode", "network" or "write".
        why: The cause.
        frames: Frames decoded before it.
        next: What to do about it.
    """

    def __init__(self, video: str, *, stage: str, why: str, frames: int = 0, next: str = "") -> None:
        super().__init__(
            f"video {video} failed at stage {stage!r} after {frames} frames",
            why=why,
            next=next or "check that it plays to its end, replace it, and run the same command again",
            subject=video,
        )
        self.stage = stage
        self.frames = frames

    def __reduce__(self) -> Any:  # errors cross from the workers
        return _unreadable, (self.subject, self.stage, self.why, self.frames, self.next)


def _unreadable(video: str, stage: str, why: str, frames: int, next: str) -> UnreadableVideo:
    return UnreadableVideo(video, stage=stage, why=why, frames=frames, next=next)


@dataclass(frozen=True, eq=False)
class FrameTable:
    """The frames that a video shows.

    Attributes:
        start_seconds: (N,) float64, when each frame appears, from the first one's appearance on; rising.
        end_seconds: (N,) float64, when the next one takes its place; the last one's by its own duration.
        stamps: (N,) int64, each frame's time stamp in the container's own unit.
        container: The container's format.
        codec: The codec's name.
        width: As stored, before rotation.
        height: As stored, before rotation.
        jumpable: Decoding may start at any key frame and gives the same frames.
        counted: Frames are told by their order (their stamps are the decoder's), not by their stamps.
        missing_seconds: How much longer the container says it is than its packets are.
        damage: What the container's reader complained about; empty for a sound file.
        sound: Frames before the first complaint; all of them in a sound file.
    """

    start_seconds: np.ndarray
    end_seconds: np.ndarray
    stamps: np.ndarray
    container: str
    codec: str
    width: int
    height: int
    jumpable: bool
    counted: bool = False
    missing_seconds: float = 0.0
    damage: str = ""
    sound: int = -1

    def __len__(self) -> int:
        return len(self.start_seconds)

    @property
    def duration_seconds(self) -> float:
        """From the first frame's appearance to the last one's end."""
        return float(self.end_seconds[-1])

    def first(self, count: int) -> FrameTable:
        """The table of the first `count` frames; what follows counts as missing."""
        lost = self.duration_seconds - float(self.end_seconds[count - 1])
        return replace(
            self,
            start_seconds=self.start_seconds[:count],
            end_seconds=self.end_seconds[:count],
            stamps=self.stamps[:count],
            missing_seconds=self.missing_seconds + lost,
        )

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return len(self) / self.duration_seconds if self.duration_seconds else 0.0


def scan_video(path: Path | str, *, watch: Watch | None = None) -> FrameTable:
    """Read a video's frame times from its packets, without decoding.

    Packets marked as discarded (before an edit list's start) are not shown and left out. Containers that store no
    presentation times are decoded once instead, and the decoder's times hold.

    Args:
        path: The video.
        watch: Returns what the libraries printed since the last call; anything is taken as damage.

    Raises:
        UnreadableVideo: It cannot be opened, has no video stream, or shows no frame.
    """
    path = Path(path)
    with opened(path) as (container, stream):
        name = container.format.name
        if name in _TIMELESS:
            return _table_by_decoding(path, container, stream)
        try:
            packets = _read_packets(container, stream, watch or (lambda: ""))
        except _av().error.FFmpegError as error:
            raise UnreadableVideo(path.name, stage="scan", why=_reason(error)) from error
        stamps = packets.stamps()
        if stamps is None:
            container.seek(0)
            return _table_by_decoding(path, container, stream)
        if not len(stamps):
            raise UnreadableVideo(path.name, stage="scan", why=packets.damage or "it shows no frame")
        if name == "mpegts" and not packets.damage:
            # Where in time it lies is unknown, so nothing counts as sound.
            packets.damage, packets.sound_before = transport_stream_damage(path), -math.inf
        # Matroska counts its duration from zero, the others from the first packet.
        begin = 0.0 if name.startswith("matroska") else (container.start_time or 0) / 1e6
        claimed = (container.duration or 0) / 1e6
        return _table(
            stamps,
            packets.last_span(),
            container,
            stream,
            jumpable=packets.jumpable and name in _INDEXED,
            missing_seconds=max(0.0, claimed - (packets.last_second - begin)),
            damage=packets.damage,
            sound=int(np.searchsorted(stamps, packets.sound_before)) if packets.damage else len(stamps),
        )


@dataclass
class _Packets:
    """What the packets of a file say.

    Attributes:
        shown: Stamp of each shown frame, in the order of decoding.
        spans: Its duration.
        timeless: A packet carries no stamp.
        jumpable: No frame is shown before the key frame that it follows.
        last_second: When the last packet of any stream ends.
        damage: The first complaint.
        sound_before: Frames with an earlier stamp came before the complaint.
    """

    shown: array[int] = field(default_factory=lambda: array("q"))
    spans: array[int] = field(default_factory=lambda: array("q"))
    timeless: bool = False
    jumpable: bool = True
    last_second: float = 0.0
    damage: str = ""
    sound_before: float = math.inf

    def stamps(self) -> np.ndarray | None:
        """In the order of showing; None where they do not tell the frames apart."""
        stamps = np.unique(np.frombuffer(self.shown, dtype=np.int64)) if self.shown else np.empty(0, np.int64)
        return None if self.timeless or len(stamps) < len(self.shown) else stamps

    def last_span(self) -> int:
        """Of the frame that is shown last."""
        return self.spans[int(np.argmax(np.frombuffer(self.shown, dtype=np.int64)))]


def _read_packets(container: Any, stream: av.VideoStream, watch: Watch) -> _Packets:
    found = _Packets()
    key: int | None = None
    for packet in container.demux():
        complaint = watch().strip()
        if not found.damage and (complaint or packet.is_corrupt):
            found.damage = complaint.splitlines()[0][:200] if complaint else "a packet is marked as damaged"
        if packet.pts is None:
            if packet.size and packet.stream is stream:
                found.timeless = True
                break
            continue
        if packet.time_base is not None:
            found.last_second = max(found.last_second, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream is not stream or not packet.size:
            continue
        if found.damage:
            found.sound_before = min(found.sound_before, packet.pts)
        if packet.is_keyframe:
            key = packet.pts
        elif key is None or packet.pts < key:
            # Shown before the key frame that it follows: it needs frames from before a jump.
            found.jumpable = False
        if not packet.is_discard:
            found.shown.append(packet.pts)
            found.spans.append(packet.duration or 0)
    return found


def _table(stamps: np.ndarray, last_span: int, container: Any, stream: av.VideoStream, **others: Any) -> FrameTable:
    assert stream.time_base is not None
    unit = float(stream.time_base)
    starts = (stamps - stamps[0]).astype(np.float64) * stream.time_base.numerator / stream.time_base.denominator
    gaps = np.diff(stamps)
    typical = int(np.median(gaps)) if len(gaps) else round(1 / (float(stream.guessed_rate or 25) * unit))
    span = last_span or typical
    ends = np.append(starts[1:], starts[-1] + span * unit)
    codec = stream.codec_context
    return FrameTable(starts, ends, stamps, container.format.name, codec.name, codec.width, codec.height, **others)


def _table_by_decoding(path: Path, container: Any, stream: av.VideoStream) -> FrameTable:
    stamps: list[int] = []
    damage = ""
    try:
        for frame in container.decode(stream):
            stamps.append(frame.pts if frame.pts is not None else len(stamps))
    except _av().error.FFmpegError as error:
        damage = _reason(error)
    if not stamps:
        raise UnreadableVideo(path.name, stage="scan", why=damage or "it shows no frame")
    rising = np.array(stamps, dtype=np.int64)
    unit = float(stream.time_base or 0)
    if (np.diff(rising) <= 0).any() or not unit:
        # Stamps that stand still or fall are worth less than the nominal rate.
        step = max(1, round(1 / (float(stream.guessed_rate or 25) * unit))) if unit else 1
        rising = np.arange(len(rising), dtype=np.int64) * step
    table = _table(rising, 0, container, stream, jumpable=False, counted=True, damage=damage, sound=len(rising))
    claimed = (container.duration or 0) / 1e6 if container.format.name == "avi" else 0.0
    return replace(table, missing_seconds=max(0.0, claimed - table.duration_seconds))


def _av() -> Any:
    import av
    import av.logging

    return av


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {text}"


@contextmanager
def opened(path: Path | str, *, strict: bool = False) -> Iterator[tuple[Any, Any]]:
    """Open a video with PyAV: the container and its best video stream, for decoding in one thread.

    Args:
        path: The file.
        strict: Let the decoder stop at damage that it would otherwise paint over.

    Raises:
        UnreadableVideo: It cannot be opened or holds no video.
    """
    av = _av()
    path = Path(path)
    try:
        size = path.stat().st_size
        if not size:
            raise UnreadableVideo(path.name, stage="open", why="the file is empty")
        container = av.open(str(path), "r")
    except UnreadableVideo:
        raise
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise UnreadableVideo(path.name, stage="open", why=_reason(error)) from error
    with container:
        shown = [stream for stream in container.streams.video if not _is_cover(stream)]
        best = container.streams.best("video") if shown else None
        if best is not None and best not in shown:
            best = shown[0]
        if best is None:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no streams"
            raise UnreadableVideo(path.name, stage="open", why=f"it holds no video, only {kinds}")
        if best.codec_context is None:
            raise UnreadableVideo(path.name, stage="open", why="no decoder is known for its video stream")
        # One thread a worker: workers are the parallelism, and frame threads decode ahead without limit.
        best.thread_type = "NONE"
        best.codec_context.thread_count = 1
        if strict:
            best.codec_context.options = {"err_detect": "explode"}
        yield container, best


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & _av().stream.Disposition.attached_pic)
