"""What containers say about times and lengths, and how far that is to be believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .whole_files import segment_end

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

MATROSKA = "matroska,webm"
# A container may claim a little more than its last packet's end without anything being lost.
TOLERATED_SECONDS = 0.5
# Containers whose index a decoder may jump by: an exact position for every frame. MPEG-TS and programme streams have
# none: a jump lands somewhere near, and what is decoded from there is counted wrongly.
INDEXED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", MATROSKA})
# Streams without a container: no time stamps. A rate stands in some of the streams themselves.
_BARE = frozenset({
    "h264", "hevc", "vvc", "evc", "m4v", "mpegvideo", "h261", "h263", "vc1", "dirac", "cavsvideo", "avs2", "avs3",
    "mjpeg", "mjpeg_2000", "av1", "obu", "dnxhd", "rawvideo", "image2", "ingenient",
})  # fmt: skip
# Made for broadcasting and DVD: recordings begin and end anywhere, clocks start anew.
RESTARTING = frozenset({"mpegts", "mpeg"})


def is_bare(name: str) -> bool:
    """Whether a format gives no time stamps.

    >>> is_bare("hevc"), is_bare("png_pipe"), is_bare("matroska,webm")
    (True, True, False)
    """
    return name in _BARE or name.endswith("_pipe")


def must_be_decoded(name: str) -> bool:
    """Whether only decoding tells a format's frames and times.

    AVI stores no times of showing; with packed B-frames two frames share a packet.
    """
    return name == "avi" or is_bare(name)


def states_duration(name: str) -> bool:
    """Whether a format's duration is written in a header, and not read off its last packets."""
    return name not in RESTARTING and not is_bare(name)


def ends_whole(path: Path, name: str) -> bool:
    """Whether a file is certainly not cut off: it ends where its own structure says it does.

    False where that cannot be told.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        if name == "flv":
            # The last four bytes say how long the tag before them is, which says so itself (Adobe's FLV 10.1, E.3).
            if size < 28:
                return False
            file.seek(size - 4)
            length = int.from_bytes(file.read(4), "big")
            if not 11 <= length <= size - 13:
                return False
            file.seek(size - 4 - length)
            head = file.read(4)
            return head[0] & 0x1F in {8, 9, 18} and int.from_bytes(head[1:], "big") + 11 == length
        if name == "avi":
            head = file.read(8)
            return head[:4] == b"RIFF" and size >= int.from_bytes(head[4:], "little") + 8 > 8
        if name == MATROSKA:
            return segment_end(file) == size
    return False


def missing_seconds(
    path: Path, container: InputContainer, stream: VideoStream, last_second: float, count: int, *, sound: bool = True
) -> tuple[float, tuple[str, ...]]:
    """How much less there is than the header says, as far as it is to be believed; and what to say of a wrong one.

    A file that is not `sound` may be whole in length alone.
    """
    name = container.format.name
    if not states_duration(name):
        return 0.0, ()
    # Matroska counts its duration from zero, the others from the first packet.
    begin = 0.0 if name.startswith("matroska") else (container.start_time or 0) / 1e6
    claimed = (container.duration or 0) / 1e6
    missing = max(0.0, claimed - (last_second - begin))
    if missing <= TOLERATED_SECONDS:
        return missing, ()
    indexed = name in INDEXED and stream.frames and count >= stream.frames
    if sound and (indexed or ends_whole(path, name)):
        said = f"the header says {claimed:.1f} s, but the file is whole and ends at {last_second - begin:.1f} s"
        return 0.0, (said,)
    return missing, ()
