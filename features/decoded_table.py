"""The frames of a video whose packets do not tell them: it is decoded from end to end, and what came out is judged."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .containers import MATROSKA, RESTARTING, TOLERATED_SECONDS, is_bare, missing_seconds, must_be_decoded
from .frame_table import FrameTable, UnreadableVideo
from .listening import listening
from .opening import opened
from .picture_counts import uncounted_gaps
from .stamps import FrameTimes, times_of_rate, times_of_stamps
from .thorough import Event, account_of
from .verdict import Verdict, judge
from .whole_files import spoilt_parts, transport_stream_breaks

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Rates that a stream may be believed to have.
_SENSIBLE_FPS = (1, 1000)
_USUAL_FPS = 25
_CUT_AGAIN = "cut or copy it anew from its original, from a key frame on"
# Stamps of lost frames that come too late, by fewer of the usual steps than this; what falls further is another clock.
_LATE = 32


def table_by_decoding(path: Path, fps: float | None) -> FrameTable:
    """The table of what the decoder gives.

    `fps` is that of frames that carry no times, where their stream does not say it.

    Raises:
        UnreadableVideo: It cannot be opened, has no video stream, or shows no frame.
    """
    with ExitStack() as stack:
        with listening() as heard:
            container, stream = stack.enter_context(opened(path))
            name, codec = container.format.name, stream.codec_context
            # A bare stream is read by what has its decoder's name: then the decoder looked into it, and said so.
            said = heard.first(name) if name != codec.name else ""
        account = account_of(container, stream)
        if said:
            account.events.insert(0, Event(0, "container", said))
        if name == "mpegts":
            breaks = transport_stream_breaks(path)
            account.add_breaks([(one.place, one.why, one.seam) for one in breaks if one.stream in (None, stream.id)])
        elif name == MATROSKA:
            account.add_spoilt(spoilt_parts(path))
        verdict = judge(account)
        if not len(verdict.shown):
            if "non-existing" in verdict.damage:
                why = f"it lacks the parameters that its decoder needs ({verdict.damage})"
                raise UnreadableVideo(path.name, stage="scan", why=why, next=_CUT_AGAIN)
            raise UnreadableVideo(path.name, stage="scan", why=verdict.damage)
        if verdict.damage and must_be_decoded(name) and stream.frames != len(account.packets):
            verdict = verdict.from_damage_on()
        stamps = _trusted([account.frames[number].stamp for number in verdict.shown.tolist()], verdict.lost)
        last = account.packets[account.frames[-1].packet] if len(account.frames) == len(account.packets) else None
        times = _times(stamps, container, stream, last.span if last else 0, fps)
        complaint = next((event.text for event in account.events if event.kind == "container"), "")
        count = len(account.packets) if not complaint else 0
        missing, notes = missing_seconds(path, container, stream, account.last_second, count, sound=not complaint)
        damage = _described(verdict, times)
        usual = float(np.median(times.end_seconds - times.start_seconds))
        if complaint and not damage and 1.5 * usual < missing <= TOLERATED_SECONDS:
            damage = f"{complaint}; {missing:.2f} s are missing at the end"
        return FrameTable(
            times.start_seconds,
            times.end_seconds,
            name,
            codec.name,
            codec.width,
            codec.height,
            outputs=verdict.shown,
            origin_seconds=float((stamps[0] or 0) * (stream.time_base or 0)),
            missing_seconds=missing,
            damage=damage,
            lost=verdict.lost if verdict.lost.any() else None,
            holes_seconds=_in_seconds(verdict.holes, stamps, times),
            notes=(*times.notes, *verdict.notes, *uncounted_gaps(codec.name, times.start_seconds), *notes),
            guessed_fps=times.guessed_fps,
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
