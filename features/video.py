"""Which frames a video shows, and when: read from the container's packets, never from a header's count.

Most files are told by their packets alone. Where these cannot be trusted to be the frames, the video is decoded once
from end to end (`thorough`), and what came out is judged (`verdict`).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .containers import INDEXED, MATROSKA, RESTARTING, missing_seconds, must_be_decoded
from .decoded_table import table_by_decoding
from .frame_folder import scan_folder
from .frame_table import FrameTable, OtherFrames, UnreadableVideo
from .listening import Heard, listening
from .opening import opened
from .picture_counts import picture_counts, uncounted_gaps
from .stamps import times_of_stamps
from .whole_files import spoilt_parts, transport_stream_damage

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["FrameTable", "OtherFrames", "UnreadableVideo", "Watch", "opened", "scan_video"]

# Gives what the decoding libraries printed since the last call.
Watch = Callable[[], str]


def scan_video(
    path: Path | str, *, watch: Watch | None = None, fps: float | None = None, thorough: bool = False
) -> FrameTable:
    """Read a video's frame times from its packets, without decoding; where these do not tell, by decoding all of it.

    Packets marked as discarded (before an edit list's start) are not shown and left out. A folder of numbered pictures
    is a video, too.

    Args:
        path: The video.
        watch: Returns what the libraries printed since the last call; anything makes the scan thorough.
        fps: The rate of frames that carry no times, where their stream does not say it: of bare streams and folders
            of pictures.
        thorough: Decode all of it in any case.

    Raises:
        UnreadableVideo: It cannot be opened, has no video stream, or shows no frame.
    """
    path = Path(path)
    if path.is_dir():
        return scan_folder(path, fps=fps)
    if not thorough:
        table = _by_packets(path, watch or (lambda: ""))
        if table is not None:
            return table
    table = table_by_decoding(path, fps)
    if watch is not None:
        watch()
    return table


def _by_packets(path: Path, watch: Watch) -> FrameTable | None:
    """The table by the packets alone; None where they do not tell all."""
    from av.error import FFmpegError

    with listening() as heard, opened(path) as (container, stream):
        name, codec = container.format.name, stream.codec_context
        # Two fields may lie in two packets of these formats.
        # Older PyAV does not tell how the lines lie; then all is decoded, which is slower and as right.
        order = getattr(codec, "field_order", None)
        if must_be_decoded(name) or (name in RESTARTING and order not in (0, 1)):
            return None
        try:
            packets = _read_packets(container, stream, heard, watch)
        except FFmpegError:
            return None
        stamps = packets.stamps() if packets is not None else None
        if packets is None or stamps is None or len(stamps) == 0:
            return None
        if (name == "mpegts" and transport_stream_damage(path)) or (name == MATROSKA and any(spoilt_parts(path))):
            return None
        missing, notes = missing_seconds(path, container, stream, packets.last_second, packets.count)
        times = times_of_stamps(stamps.tolist(), stream.time_base or Fraction(1), last_span=packets.last_span())
        return FrameTable(
            times.start_seconds,
            times.end_seconds,
            name,
            codec.name,
            codec.width,
            codec.height,
            stamps=stamps,
            origin_seconds=float(stamps[0] * stream.time_base),
            jumpable=packets.jumpable and name in INDEXED,
            missing_seconds=missing,
            notes=(*times.notes, *uncounted_gaps(codec.name, times.start_seconds), *notes),
            guessed_fps=times.guessed_fps,
        )


@dataclass
class _Packets:
    """What the packets of a file say.

    Attributes:
        shown: Stamp of each shown frame, in the order of decoding.
        spans: Its duration.
        count: Packets of the stream, shown or not.
        jumpable: No frame is shown before the key frame that it follows.
        last_second: When the last packet of any stream ends.
    """

    shown: array[int] = field(default_factory=lambda: array("q"))
    spans: array[int] = field(default_factory=lambda: array("q"))
    count: int = 0
    jumpable: bool = True
    last_second: float = 0.0

    def stamps(self) -> np.ndarray | None:
        """In the order of showing; None where they do not tell the frames apart."""
        stamps = np.unique(np.frombuffer(self.shown, dtype=np.int64)) if self.shown else np.empty(0, np.int64)
        return None if len(stamps) < len(self.shown) else stamps

    def last_span(self) -> int:
        """Of the frame that is shown last."""
        return self.spans[int(np.argmax(np.frombuffer(self.shown, dtype=np.int64)))]


def _read_packets(container: InputContainer, stream: VideoStream, heard: Heard, watch: Watch) -> _Packets | None:
    """All packets; None at the first sign that only decoding will tell."""
    found = _Packets()
    key: int | None = None
    first: int | None = None
    counts = picture_counts(stream.codec_context.name, stream.codec_context.extradata)
    for packet in container.demux():
        if packet.is_corrupt or heard.first(container.format.name) or watch().strip():
            return None
        if packet.pts is None:
            if packet.size and packet.stream is stream:
                return None
            continue
        if packet.time_base is not None:
            found.last_second = max(found.last_second, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream is not stream or not packet.size:
            continue
        if counts is not None:
            counts.add(found.count, bytes(packet))
        found.count += 1
        if packet.is_keyframe:
            key = packet.pts
            first = key if first is None else first
        elif key is None or first is None:
            return None  # it begins between key frames
        elif packet.pts < key:
            # Shown before the key frame that it follows: it needs frames from before a jump.
            found.jumpable = False
            if packet.pts < first and not packet.is_discard:
                return None  # it leads up to the first key frame, and refers to what is not there
        if not packet.is_discard:
            found.shown.append(packet.pts)
            found.spans.append(packet.duration or 0)
    return None if counts is not None and (counts.fields or counts.gaps()) else found
