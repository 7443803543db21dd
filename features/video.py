"""Which frames a video shows, and when: read from the container's packets, never from a header's count.

Most files are told by their packets alone. Where these cannot be trusted to be the frames, the video is decoded once
from end to end (`thorough`), and what came out is judged (`verdict`).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from .containers import INDEXED, RESTARTING, ends_whole, is_bare, must_be_decoded, states_duration
from .frame_table import FrameTable, OtherFrames, UnreadableVideo
from .listening import Heard, listening
from .matroska import spoilt_parts
from .opening import opened
from .picture_counts import picture_counts, uncounted_gaps
from .stamps import FrameTimes, times_of_rate, times_of_stamps

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from .verdict import Verdict

__all__ = ["FrameTable", "OtherFrames", "UnreadableVideo", "Watch", "opened", "scan_video"]

# Gives what the decoding libraries printed since the last call.
Watch = Callable[[], str]

# A container may claim a little more than its last packet's end without anything being lost.
TOLERATED_SECONDS = 0.5
# Rates that a stream may be believed to have.
_SENSIBLE_FPS = (1, 1000)
_USUAL_FPS = 25
_MATROSKA = "matroska,webm"
_CUT_AGAIN = "cut or copy it anew from its original, from a key frame on"
# Stamps of lost frames that come too late, by fewer of the usual steps than this; what falls further is another clock.
_LATE = 32


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
        from .frame_folder import scan_folder

        return scan_folder(path, fps=fps)
    if not thorough:
        table = _by_packets(path, watch or (lambda: ""))
        if table is not None:
            return table
    table = _by_decoding(path, fps)
    if watch is not None:
        watch()
    return table


def _by_packets(path: Path, watch: Watch) -> FrameTable | None:
    """The table by the packets alone; None where they do not tell all."""
    from av.error import FFmpegError

    with listening() as heard, opened(path) as (container, stream):
        name = container.format.name
        # Two fields may lie in two packets of these formats.
        # Older PyAV does not tell how the lines lie; then all is decoded, which is slower and as right.
        order = getattr(stream.codec_context, "field_order", None)
        if must_be_decoded(name) or (name in RESTARTING and order not in (0, 1)):
            return None
        try:
            packets = _read_packets(container, stream, heard, watch)
        except FFmpegError:
            return None
        stamps = packets.stamps() if packets is not None else None
        if packets is None or stamps is None or len(stamps) == 0:
            return None
        if name == "mpegts":
            from .transport_stream import transport_stream_damage

            if transport_stream_damage(path):
                return None
        if name == _MATROSKA and any(spoilt_parts(path)):
            return None
        missing, notes = _missing_seconds(path, container, stream, packets.last_second, packets.count)
        times = times_of_stamps(stamps.tolist(), stream.time_base or Fraction(1), last_span=packets.last_span())
        return _table(
            times,
            container,
            stream,
            stamps=stamps,
            origin_seconds=float(stamps[0] * stream.time_base),
            jumpable=packets.jumpable and name in INDEXED,
            missing_seconds=missing,
            notes=(*times.notes, *uncounted_gaps(stream.codec_context.name, times.start_seconds), *notes),
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


def _missing_seconds(
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


class _Others(TypedDict, total=False):
    """What a frame table holds beside times and format."""

    stamps: np.ndarray | None
    outputs: np.ndarray | None
    origin_seconds: float
    jumpable: bool
    missing_seconds: float
    damage: str
    lost: np.ndarray | None
    holes_seconds: np.ndarray | None
    notes: tuple[str, ...]


def _table(times: FrameTimes, container: InputContainer, stream: VideoStream, **others: Unpack[_Others]) -> FrameTable:
    codec = stream.codec_context
    return FrameTable(
        times.start_seconds,
        times.end_seconds,
        container.format.name,
        codec.name,
        codec.width,
        codec.height,
        guessed_fps=times.guessed_fps,
        **others,
    )


def _by_decoding(path: Path, fps: float | None) -> FrameTable:
    """The table of what the decoder gives."""
    from .thorough import Event, account_of
    from .verdict import judge

    with ExitStack() as stack:
        with listening() as heard:
            container, stream = stack.enter_context(opened(path))
            name = container.format.name
            # A bare stream is read by what has its decoder's name: then the decoder looked into it, and said so.
            said = heard.first(name) if name != stream.codec_context.name else ""
        account = account_of(container, stream)
        if said:
            account.events.insert(0, Event(0, "container", said))
        if name == "mpegts":
            from .transport_stream import transport_stream_breaks

            breaks = transport_stream_breaks(path)
            account.add_breaks([(one.place, one.why, one.seam) for one in breaks if one.stream in (None, stream.id)])
        elif name == _MATROSKA:
            account.add_spoilt(spoilt_parts(path))
        verdict = judge(account)
        if not len(verdict.shown):
            if "non-existing" in verdict.damage:
                why = f"it lacks the parameters that its decoder needs ({verdict.damage})"
                raise UnreadableVideo(path.name, stage="scan", why=why, next=_CUT_AGAIN)
            raise UnreadableVideo(path.name, stage="scan", why=verdict.damage)
        if verdict.damage and must_be_decoded(name) and stream.frames != len(account.packets):
            verdict = verdict.from_damage_on()
        stamps = _trusted([account.frames[number].stamp for number in verdict.shown], verdict.lost)
        last = account.packets[account.frames[-1].packet] if len(account.frames) == len(account.packets) else None
        times = _times(stamps, container, stream, last.span if last else 0, fps)
        complaint = next((event.text for event in account.events if event.kind == "container"), "")
        count = len(account.packets) if not complaint else 0
        missing, notes = _missing_seconds(path, container, stream, account.last_second, count, sound=not complaint)
        damage = _described(verdict, times)
        usual = float(np.median(times.end_seconds - times.start_seconds))
        if complaint and not damage and 1.5 * usual < missing <= TOLERATED_SECONDS:
            damage = f"{complaint}; {missing:.2f} s are missing at the end"
        return _table(
            times,
            container,
            stream,
            outputs=verdict.shown,
            origin_seconds=float((stamps[0] or 0) * (stream.time_base or 0)),
            missing_seconds=missing,
            damage=damage,
            lost=verdict.lost if verdict.lost.any() else None,
            holes_seconds=_in_seconds(verdict.holes, stamps, times),
            notes=(
                *times.notes,
                *verdict.notes,
                *uncounted_gaps(stream.codec_context.name, times.start_seconds),
                *notes,
            ),
        )


def _times(
    stamps: list[int | None], container: InputContainer, stream: VideoStream, last_span: int, fps: float | None
) -> FrameTimes:
    name = container.format.name
    own = stream.codec_context.framerate
    if own is not None and not _SENSIBLE_FPS[0] <= own <= _SENSIBLE_FPS[1]:
        own = None
    if name == "avi":  # it stores times of decoding, which are those of showing in another order
        order = iter(sorted(stamp for stamp in stamps if stamp is not None))
        stamps = [None if stamp is None else next(order) for stamp in stamps]
    if is_bare(name) or all(stamp is None for stamp in stamps):
        if own is not None:
            return times_of_rate(len(stamps), Fraction(own))
        return times_of_rate(len(stamps), fps or _USUAL_FPS, guessed=fps is None)
    return times_of_stamps(
        stamps,
        stream.time_base or Fraction(1),
        nominal_fps=Fraction(own or stream.guessed_rate or _USUAL_FPS),
        last_span=last_span,
        clocks_restart=name in RESTARTING,
    )


def _trusted(stamps: list[int | None], lost: np.ndarray) -> list[int | None]:
    """Stamps less those of lost frames that come too late or too early: the times of others would be bent by them."""
    known = np.array([-np.inf if stamp is None else stamp for stamp in stamps])
    newest = np.maximum.accumulate(known)
    following = np.minimum.accumulate(np.where(lost | ~np.isfinite(known), np.inf, known)[::-1])[::-1]
    steps = np.diff(np.unique(known[np.isfinite(known)]))
    late = _LATE * float(np.median(steps)) if len(steps) else 0.0
    return [
        None if gone and stamp is not None and (stamp > sound or most - late < stamp < most) else stamp
        for stamp, gone, most, sound in zip(stamps, lost, newest, following, strict=True)
    ]


def _described(verdict: Verdict, times: FrameTimes) -> str:
    """What was lost, where and how much; empty if nothing was."""
    if not verdict.damage:
        return ""
    if verdict.headless:
        return f"its beginning is lost: {verdict.damage}"
    count, lost = len(verdict.lost), int(verdict.lost.sum())
    if not lost:
        return verdict.damage
    at = times.start_seconds[int(np.argmax(verdict.lost))]
    return f"{verdict.damage}; from {at:.2f} s on {lost} of {count} frames are lost"


def _in_seconds(holes: np.ndarray, stamps: list[int | None], times: FrameTimes) -> np.ndarray | None:
    """Holes between stamps as seconds, by the frames about them; (G, 2)."""
    known = [(stamp, second) for stamp, second in zip(stamps, times.start_seconds, strict=True) if stamp is not None]
    if not len(holes) or len(known) < 2:
        return None
    order = sorted(known)
    at, seconds = np.array([stamp for stamp, _ in order]), np.array([second for _, second in order])
    unit = float(np.median(np.diff(seconds)) / max(1.0, float(np.median(np.diff(at)))))
    begins = np.searchsorted(at, holes[:, 0], side="right") - 1
    # A hole begins after the frame before it, which is shown on while nothing comes.
    places = np.clip(begins, 0, None)
    starts = seconds[places] + (holes[:, 0] - at[places]) * unit
    ends = starts + (holes[:, 1] - holes[:, 0]) * unit
    spans = np.stack([starts, ends], axis=1)
    return spans[spans[:, 1] > 0].clip(min=0.0)
