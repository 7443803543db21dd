"""When each frame appears, from the time stamps that a file gives: some absent, negative, repeated, or starting anew.

Pure arithmetic; seconds count from the first shown frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

# Pictures are shown out of the order of decoding by fewer than this. What falls further is another clock.
_REORDERED = 32
# Formats of broadcasting and DVD join recordings without mending their clocks. A jump by more than this is taken for
# another clock, as the ffmpeg command does; below it, time went by without a frame.
_CLOCK_JUMP_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class FrameTimes:
    """When N frames are shown.

    Attributes:
        start_seconds: (N,) float64, from the first frame on, rising.
        end_seconds: (N,) float64, when the next one takes its place; the last one's by the usual step.
        notes: What was done to the stamps.
        guessed_fps: The rate that was assumed because neither stamps nor the stream say one; None if none was.
    """

    start_seconds: np.ndarray
    end_seconds: np.ndarray
    notes: tuple[str, ...] = ()
    guessed_fps: float | None = None


def times_of_rate(count: int, fps: Fraction | float, *, guessed: bool = False) -> FrameTimes:
    """The times of frames that come at a constant rate.

    >>> times_of_rate(3, 25).end_seconds.tolist()
    [0.04, 0.08, 0.12]
    """
    rate = Fraction(fps).limit_denominator(1_000_000)
    edges = np.array([float(i / rate) for i in range(count + 1)])
    notes = (f"neither the file nor its stream says a rate: {float(rate):g} frames a second were assumed",)
    return FrameTimes(edges[:-1], edges[1:], notes if guessed else (), float(rate) if guessed else None)


def times_of_stamps(
    stamps: Sequence[int | None],
    unit: Fraction,
    *,
    nominal_fps: Fraction | None = None,
    last_span: int = 0,
    clocks_restart: bool = False,
) -> FrameTimes:
    """The times of frames by their stamps, in the order of showing.

    Absent stamps are filled in from their neighbours. Stamps that stand still are too coarse for the rate: the frames
    are spread evenly over the time that the stamps span. Where stamps fall, another clock begins: its frames follow
    the ones before.

    Args:
        stamps: Of each frame, in `unit`; None where it has none. At least one is known.
        unit: Seconds that a stamp counts.
        nominal_fps: The rate that the stream claims; used where stamps do not tell.
        last_span: Duration of the last frame, in `unit`; 0 if unknown.
        clocks_restart: A jump forward by more than ten seconds is another clock, too.

    >>> times_of_stamps([None, 40, 80], Fraction(1, 1000)).start_seconds.tolist()
    [0.0, 0.04, 0.08]
    >>> times_of_stamps([0, 0, 1, 1, 2, 2], Fraction(1, 1000)).end_seconds.tolist()
    [0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003]
    """
    notes: list[str] = []
    known = np.array([i for i, stamp in enumerate(stamps) if stamp is not None], dtype=np.int64)
    values = np.array([stamps[i] for i in known], dtype=np.float64)
    step = _usual_step(known, values, unit, nominal_fps)
    if len(known) < len(stamps):
        notes.append(f"{len(stamps) - len(known)} frames have no time stamp: their times follow from their neighbours'")
    times = np.interp(np.arange(len(stamps)), known, values)
    times[: known[0]] = values[0] - step * np.arange(known[0], 0, -1)
    times[known[-1] + 1 :] = values[-1] + step * np.arange(1, len(stamps) - known[-1])
    times, restarts = _one_clock(times, step, _CLOCK_JUMP_SECONDS / float(unit) if clocks_restart else np.inf)
    if restarts:
        notes.append(f"the clock starts anew {restarts} times: what follows is taken to continue")
    if (np.diff(times) <= 0).any():
        times = np.maximum.accumulate(times)
        times, step = _spread(times, unit, nominal_fps)
        notes.append("time stamps are too coarse for the rate: frames were spread evenly over the time they span")
        last_span = 0
    starts = (times - times[0]) * float(unit)
    span = float((last_span or step) * unit)
    return FrameTimes(starts, np.append(starts[1:], starts[-1] + span), tuple(notes))


def _usual_step(known: np.ndarray, values: np.ndarray, unit: Fraction, nominal_fps: Fraction | None) -> float:
    """From one frame to the next, in stamps: the median of the rising steps, else the claimed rate's."""
    steps = np.diff(values) / np.maximum(1, np.diff(known))
    rising = steps[steps > 0]
    if len(rising):
        return float(np.median(rising))
    return float(1 / (nominal_fps or Fraction(25)) / unit)


def _one_clock(times: np.ndarray, step: float, forward: float) -> tuple[np.ndarray, int]:
    """Times with every new clock moved behind the one before, and how often one begins."""
    steps = np.diff(times)
    newest = np.maximum.accumulate(times)
    anew = [
        before
        for before in np.flatnonzero((steps < 0) | (steps > forward))
        # A frame that comes late is followed by others in time; those of another clock stay behind.
        if steps[before] > 0
        or steps[before] < -_REORDERED * step
        or np.sum(times[before + 1 : before + 9] <= newest[before]) > max(2, len(times[before + 1 : before + 9]) / 2)
    ]
    if not anew:
        return times, 0
    times = times.copy()
    for before in anew:
        times[before + 1 :] += times[before] + step - times[before + 1]
    return times, len(anew)


def _spread(times: np.ndarray, unit: Fraction, nominal_fps: Fraction | None) -> tuple[np.ndarray, float]:
    """Frames of repeated stamps: on an even grid if that stays within a unit of the stamps, else within each run.

    Returns their times and the step.
    """
    count = len(times)
    places = np.arange(count)
    step = _even_step(times)
    if nominal_fps is not None:
        nominal = float(1 / nominal_fps / unit)
        # The claimed rate is exact where it agrees; the stamps' own is off by up to a unit over their whole span.
        if nominal > 0 and abs((count - 1) * nominal - (times[-1] - times[0])) <= 1.0:
            step = nominal
    off = np.abs(times - (times[0] + places * step))
    if step > 0 and np.mean(off <= max(1.0, step / 4)) > 0.75 and off.max() <= max(2.0, 4 * step):
        return places * step, step
    firsts = np.flatnonzero(np.append(True, np.diff(times) > 0))
    step = float(np.median(np.diff(times[firsts]))) if len(firsts) > 1 else step
    return np.interp(places, np.append(firsts, count), np.append(times[firsts], times[-1] + max(1.0, step))), step


def _even_step(times: np.ndarray) -> float:
    """The step of frames spread evenly: from the first change of the stamp to the last one, whole runs only."""
    changes = np.flatnonzero(np.diff(times) > 0) + 1
    if len(changes) < 2:
        return (times[-1] - times[0] + 1.0) / len(times)
    return float((times[changes[-1]] - times[changes[0]]) / (changes[-1] - changes[0]))
