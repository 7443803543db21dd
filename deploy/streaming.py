"""From a source of frames to sure intervals: clips, each as soon as its last frame is over, features, localization.

Clips are those that `plan_clips` chooses of a finished video.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..core.errors import UsageError
from ..core.messages import logger
from ..core.segments import Segments
from ..features.extraction_settings import Clipping, clipping_of
from ..features.preprocessing import Preprocessing
from ..features.runner import Runner
from ..temporal_has.localizer import Localizer
from ..temporal_has.results import read_detections
from .live import Live, SureInterval
from .sources import Shown, connections


@dataclass(frozen=True)
class StreamEnd:
    """What a stream came to.

    Attributes:
        seconds: Of video that were seen.
        snippets: Of which the networks saw features.
        intervals: All that was told, in that order.
        candidates: As of the finished file; None if it was longer than the horizon, or came back.
        behind_seconds: The most that computing was behind the source.
        came_back: How many times it had ended and was opened again.
    """

    seconds: float
    snippets: int
    intervals: tuple[SureInterval, ...]
    candidates: Segments | None
    behind_seconds: float
    came_back: int


def usual_scores(run: Path) -> dict[str, float]:
    """For each label, what the surest detection of a video with it scores; empty if a run tells of none.

    The median over the videos of the run's own detections.
    """
    path = run / "detections.json"
    if not path.exists():
        return {}
    found, _ = read_detections(path)
    assert found.score is not None
    surest: dict[str, tuple[float, str]] = {}
    for video, label, score in zip(found.video, found.label, found.score, strict=True):
        surest[video] = max(surest.get(video, (-np.inf, "")), (float(score), str(label)))
    labels = {label for _, label in surest.values()}
    return {one: float(np.median([score for score, label in surest.values() if label == one])) for one in labels}


def stream_video(
    localizer: Localizer,
    source: str,
    *,
    live: Live,
    patience_seconds: float = 10.0,
    again_seconds: float = 0.0,
    fps: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[SureInterval, float] | StreamEnd]:
    """Localize a file that grows, a camera or an address until it ends, or Ctrl-C ends it.

    Args:
        localizer: A run; its extractor makes the features.
        source: See `open_stream`.
        live: What gathers the snippets; holds what was told.
        patience_seconds: A source that gives nothing for so long has ended.
        again_seconds: For so long an address or camera that ended is opened again. What it shows then has the times of
            a clock that went on; no interval spans the gap.
        fps: Of the stream, where it does not say it.
        clock: In seconds, never going back.

    Yields:
        Each interval as soon as it is sure, with how many seconds computing is behind the source; at the end the whole.

    Raises:
        VideoError: The source cannot be opened, or shows nothing.
        UsageError: The run's features cannot be made of a stream.
    """
    loaded, settings = localizer.extractor.loaded, localizer.extractor.settings
    seen = behind = most = 0.0
    began: float | None = None
    came_back, whole = -1, None
    sources = connections(source, patience_seconds=patience_seconds, again_seconds=again_seconds, clock=clock)

    def seen_in(clips: Iterator[Clip], runner: Runner, offset: float) -> Iterator[tuple[SureInterval, float]]:
        for frames, start, end in clips:
            feature = runner(frames[None])[0].astype(settings.stored).astype(np.float32)  # as the cache rounds
            for sure in live.add(feature, offset + start, offset + end):
                yield sure, behind

    try:
        with Runner(loaded, device=localizer.extractor.device, precision=settings.precision, batch=1) as runner:
            for connection in sources:
                clips = LiveClips(
                    clipping_of(settings, loaded.backbone), loaded.backbone.preprocessing, fps=fps or connection.fps
                )
                began = clock() if began is None else began
                came_back, whole = came_back + 1, None
                if came_back:
                    logger.warning(f"the source was away for {connection.away_seconds:.1f} s")
                offset = seen + connection.away_seconds
                for shown in connection.frames:
                    seen = offset + shown.end_seconds
                    # What lay in a file before it was opened is ahead of the clock; a live source runs beside it.
                    behind = max(0.0, clock() - began - seen)
                    most = max(most, behind)
                    yield from seen_in(clips.add(shown), runner, offset)
                yield from seen_in(clips.finish(), runner, offset)
                if again_seconds:
                    whole = live.whole(seen)
                    for sure in live.interrupt(seen):
                        yield sure, behind
    except KeyboardInterrupt:  # how one ends a camera
        if came_back < 0:
            raise
    finally:
        sources.close()
    for sure in live.finish(seen):
        yield sure, behind
    yield StreamEnd(seen, live.snippets, live.told, live.whole(seen) if whole is None else whole, most, came_back)


Clip = tuple[np.ndarray, float, float]
"""Frames (F, H, W, 3) uint8, prepared, and when the first appears and the last disappears, in seconds."""


class LiveClips:
    """Takes frames as they come and gives clips.

    Args:
        clipping: How clips are taken: by a stride; where a fixed number of clips lies is not known before the end.
        preprocessing: Of each frame.
        fps: Of the stream, where the stride is in seconds of the video's own frames; the rate that the stream says.

    Raises:
        UsageError: Clips of a stream cannot be taken so.
    """

    def __init__(self, clipping: Clipping, preprocessing: Preprocessing, *, fps: float | None) -> None:
        if type(preprocessing).frames is not Preprocessing.frames:
            raise UsageError(
                "a stream cannot be given to a backbone that sees optical flow",
                why="flow is made of whole videos",
                next="localize the finished file, or train on features of RGB frames alone (--backbone i3d)",
            )
        if clipping.snippets is not None:
            raise UsageError(
                "this run's features are a fixed number of clips, spread over the whole video",
                why="where they lie follows from its length, which a stream has not yet",
                next="extract features by a stride and train on them: thas extract-features --stride-seconds 0.5",
            )
        self._how, self._prepare = clipping, preprocessing.frame
        self._span = (clipping.length_frames - 1) * clipping.frame_step + 1
        if clipping.stride_frames is not None:
            self._stride = Fraction(clipping.stride_frames)
        else:
            rate = clipping.fps or fps
            if rate is None:
                raise UsageError("the stream does not say how many frames come a second", next="--stream-fps 25, say")
            seconds = Fraction(clipping.stride_seconds or 0)
            self._stride = max(Fraction(1), (seconds * Fraction(rate)).limit_denominator(1000))
        self._rate = Fraction(clipping.fps).limit_denominator(1_000_000) if clipping.fps else None
        self._frames: deque[tuple[float, float, np.ndarray]] = deque()
        self._first = 0  # number of the oldest frame that is kept
        self._count = 0  # frames taken so far
        self._made = 0  # clips given so far
        self._waiting: deque[tuple[float, float, np.ndarray]] = deque()

    def add(self, shown: Shown) -> Iterator[Clip]:
        """A frame that is over; the clips that are whole by it."""
        if self._rate is None:
            self._keep(shown, shown.picture())
            self._frames.append(self._waiting.popleft())
            self._count += 1
        else:
            # The frame shown at each instant k / rate, a hair later, as in `plan_clips`; one counts once the video has
            # lasted until the next instant.
            before = len(self._waiting)
            while float((self._count + len(self._waiting)) / self._rate) + 1e-6 < shown.end_seconds:
                if len(self._waiting) > before:
                    self._waiting.append(self._waiting[-1])
                else:
                    self._keep(shown, shown.picture())
            while self._waiting and self._count < int(shown.end_seconds * self._rate + Fraction(1, 1_000_000)):
                self._frames.append(self._waiting.popleft())
                self._count += 1
        yield from self._whole()

    def finish(self) -> Iterator[Clip]:
        """The stream is over: of one shorter than a clip, one clip, its last frame repeated."""
        if self._waiting and not self._count:
            self._frames.append(self._waiting.popleft())
            self._count += 1
        if not self._made and self._count:
            while self._count < self._span:
                self._frames.append(self._frames[-1])
                self._count += 1
            yield from self._whole()

    def _keep(self, shown: Shown, picture: np.ndarray) -> None:
        self._waiting.append((shown.start_seconds, shown.end_seconds, self._prepare(picture)))

    def _start(self, clip: int) -> int:
        return int(clip * self._stride + Fraction(1, 2))

    def _whole(self) -> Iterator[Clip]:
        while self._made * self._stride <= self._count - self._span:
            first = self._start(self._made)
            chosen = [
                self._frames[first - self._first + i * self._how.frame_step] for i in range(self._how.length_frames)
            ]
            self._made += 1
            yield np.stack([frame for _, _, frame in chosen]), chosen[0][0], chosen[-1][1]
            while self._first < self._start(self._made) and self._frames:
                self._frames.popleft()
                self._first += 1
