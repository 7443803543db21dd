"""A video decoded once from end to end, to learn what it really shows: which packets gave a frame, and what was lost.

Most files need none of this: their packets say all. Where packets and frames are not the same thing (a packet that
holds a field, a stream that begins between key frames), or something looks damaged, only decoding tells.

Damage is what makes a shown frame wrong or loses it: a frame that the decoder marks as damaged, an error that returns
no frame, a reference that was never there. What the libraries print beside that is a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from .containers import INDEXED
from .listening import Heard, listening
from .opening import reason
from .picture_counts import Vp9Check, libvpx, picture_counts

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AvPacket
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# So many different remarks are kept as notes.
_NOTES = 8
# FFmpeg's number of the picture type I.
_INTRA = 1


class Follower(Protocol):
    """Looks at each packet of a stream, in the order of decoding."""

    def add(self, packet: int, data: bytes) -> None:
        """Look at a packet: its number, and what it holds."""


@dataclass(frozen=True)
class Packet:
    """A packet of the video stream.

    Attributes:
        stamp: When its picture is to be shown; None if it does not say.
        span: How long its picture is shown; 0 if it does not say.
        key: The container calls it a key frame.
        discarded: It is decoded but not shown (an edit list cuts it off).
        corrupt: The container calls it damaged.
        place: Byte of the file at which it begins; negative if unknown.
    """

    stamp: int | None
    span: int = 0
    key: bool = False
    discarded: bool = False
    corrupt: bool = False
    place: int = -1


@dataclass(frozen=True)
class Frame:
    """A frame that came out of the decoder.

    Attributes:
        packet: Number of the packet that it came from.
        stamp: When it is shown; None if it does not say.
        key: Decoding may begin here.
        intra: It refers to no other picture.
        corrupt: The decoder calls it damaged.
        interlaced: It consists of two fields.
    """

    packet: int
    stamp: int | None
    key: bool = False
    intra: bool = False
    corrupt: bool = False
    interlaced: bool = False


@dataclass(frozen=True)
class Event:
    """Something that went wrong at a packet.

    Attributes:
        packet: Its number; of what comes between packets, the next one's.
        kind: "failure" (decoding it was given up: damage if it gave no frame), "error" (the decoder said so: damage
            unless it is known to be noise), "reference" (a picture that it refers to is missing),
            "container" (damage only if there is a gap in the stamps), "seam" (the same, and a long one is another
            clock) or "break" (the container counts a loss).
        text: What the library said.
    """

    packet: int
    kind: Literal["failure", "error", "reference", "container", "seam", "break"]
    text: str


@dataclass(eq=False)
class Account:
    """What decoding a video from end to end told.

    Attributes:
        packets: In the order of decoding.
        frames: In the order of showing.
        events: In the order of decoding.
        notes: What the libraries said beside; each once.
        ended: Why reading stopped before the end; empty if it did not.
        last_second: When the last packet of any stream ends.
        indexed: The container begins with all that the decoder needs.
    """

    packets: list[Packet] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    ended: str = ""
    last_second: float = 0.0
    indexed: bool = False

    def add_breaks(self, breaks: Sequence[tuple[int, str, bool]]) -> None:
        """Add what the container's own counting tells: byte, reason, and whether all begins anew there."""
        places = np.array([packet.place for packet in self.packets], dtype=np.int64)
        known = np.flatnonzero(places >= 0)
        for place, why, seam in breaks:
            after = int(np.searchsorted(places[known], place))
            if seam:
                number = int(known[after]) if after < len(known) else len(self.packets)
            else:  # the packet that the lost bytes belong to began before them
                number = int(known[after - 1]) if after else 0
            self.events.append(Event(number, "seam" if seam else "break", why))

    def add_spoilt(self, parts: Iterable[tuple[int, int | None, str]]) -> None:
        """Add parts of the file that are not what was written: first byte, the byte after the last, and the reason."""
        for begin, end, why in parts:
            for number, packet in enumerate(self.packets):
                if packet.place >= begin and (end is None or packet.place < end):
                    self.events.append(Event(number, "error", why))


def every_frame(
    container: InputContainer,
    stream: VideoStream,
    account: Account | None = None,
    followers: Sequence[Follower] = (),
) -> Iterator[tuple[int, VideoFrame]]:
    """Decode a stream to its end, going on after errors: each frame with the number of its packet.

    An `account` is filled on the way, but for its frames; `followers` are given each packet of the stream. The
    container is not opened `strict`.

    The same file gives the same frames each time, so that the n-th one here is the n-th one there.
    """
    from av.error import FFmpegError

    stream.codec_context.copy_opaque = True
    reader = "" if container.format.name == stream.codec_context.name else container.format.name
    packets = container.demux()
    number, failures = -1, 0
    heard = Heard() if account is not None else None
    while True:
        try:
            with _hearing(heard):
                packet = next(packets, None)
        except FFmpegError as error:
            # A reader that stumbles may find its way again; one that repeats itself has come to its end.
            failures += 1
            if account is not None:
                account.ended = reason(error)
            if failures > 3:
                return
            continue
        if packet is None:
            return
        if packet.stream is stream and packet.size:
            number += 1
            # An object of its own: PyAV keeps these by their address, and small numbers are one object in all videos.
            packet.opaque = [number]
            for follower in followers:
                follower.add(number, bytes(packet))
        if account is not None:
            _note_packet(account, packet, packet.stream is stream)
        if packet.stream is not stream:
            continue
        # What was said while a packet was read came before it; behind the last one there is none.
        _file(account, heard, number if packet.size else number + 1, reader)
        try:
            with _hearing(heard):
                frames = stream.decode(packet)
        except FFmpegError as error:
            frames = []
            if account is not None:
                account.events.append(Event(max(number, 0), "failure", reason(error)))
        _file(account, heard, number, reader)
        for frame in frames:
            yield (frame.opaque[0] if isinstance(frame.opaque, list) else number), frame


def _hearing(heard: Heard | None) -> AbstractContextManager[object]:
    return listening(heard) if heard is not None else nullcontext()


def account_of(container: InputContainer, stream: VideoStream) -> Account:
    """Decode a stream to its end and tell what came of it."""
    account = Account(indexed=container.format.name in INDEXED)
    codec = stream.codec_context
    counts = picture_counts(codec.name, codec.extradata)
    decoder = libvpx(stream)
    check = Vp9Check(decoder) if decoder is not None else None
    followers = [follower for follower in (counts, check) if follower is not None]
    for packet, frame in every_frame(container, stream, account, followers):
        account.frames.append(
            Frame(
                packet,
                frame.pts if frame.pts is not None else frame.dts,
                bool(frame.key_frame),
                int(frame.pict_type) == _INTRA,
                bool(frame.is_corrupt),
                bool(frame.interlaced_frame),
            )
        )
    account.events += [Event(packet, "reference", why) for packet, why in (counts.gaps() if counts else {}).items()]
    account.events += [Event(packet, "error", why) for packet, why in (check.faults() if check else {}).items()]
    return account


def _note_packet(account: Account, packet: AvPacket, shown: bool) -> None:
    if packet.size:
        account.ended = ""
    if packet.pts is not None and packet.time_base is not None:
        end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        account.last_second = max(account.last_second, end)
    if shown and packet.size:
        place = packet.pos if packet.pos is not None else -1
        flags = packet.is_keyframe, packet.is_discard, packet.is_corrupt
        account.packets.append(Packet(packet.pts, packet.duration or 0, *flags, place))


def _file(account: Account | None, heard: Heard | None, number: int, reader: str) -> None:
    """File what was said since the last time under a packet's number."""
    if account is None or heard is None:
        return
    for kind, name, text in heard.remarks():
        account.events.append(Event(max(number, 0), "container" if kind == "error" and name == reader else kind, text))
        if kind == "error" and len(account.notes) < _NOTES:
            account.notes[text] = None
