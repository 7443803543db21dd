"""From a source of frames to sure intervals: decode, prepare, features, localize, all as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.segments import Segments
from ..features.extraction_settings import clipping_of
from ..features.runner import Runner
from ..temporal_has.localizer import Localizer
from ..temporal_has.results import read_detections
from .live import Live, SureInterval
from .live_clips import LiveClips
from .sources import frames_of, open_stream


@dataclass(frozen=True)
class StreamEnd:
    """What a stream came to.

    Attributes:
        seconds: Of video that were seen.
        snippets: Of which the networks saw features.
        intervals: All that was told, in that order.
        candidates: As of the finished file; None if it was longer than the horizon.
        behind_seconds: The most that computing was behind the source.
    """

    seconds: float
    snippets: int
    intervals: tuple[SureInterval, ...]
    candidates: Segments | None
    behind_seconds: float


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
    fps: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[SureInterval, float] | StreamEnd]:
    """Localize a file that grows, a camera or an address until it ends.

    Args:
        localizer: A run; its extractor makes the features.
        source: See `open_stream`.
        live: What gathers the snippets; holds what was told.
        patience_seconds: A source that gives nothing for so long has ended.
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
    with (
        open_stream(source, patience_seconds=patience_seconds) as container,
        Runner(loaded, device=localizer.extractor.device, precision=settings.precision, batch=1) as runner,
    ):
        said = container.streams.video[0].average_rate if container.streams.video else None
        clips = LiveClips(
            clipping_of(settings, loaded.backbone),
            loaded.backbone.preprocessing,
            fps=fps or (float(said) if said else None),
        )
        began = clock()
        for shown in frames_of(container):
            seen = shown.end_seconds
            # What lay in a file before it was opened is ahead of the clock; a source that is live runs beside it.
            behind = max(0.0, clock() - began - seen)
            most = max(most, behind)
            for frames, start, end in clips.add(shown):
                for sure in live.add(_feature(runner, frames, settings.stored), start, end):
                    yield sure, behind
        for frames, start, end in clips.finish():
            for sure in live.add(_feature(runner, frames, settings.stored), start, end):
                yield sure, behind
    for sure in live.finish(seen):
        yield sure, behind
    yield StreamEnd(seen, live.snippets, live.told, live.whole(seen), most)


def _feature(runner: Runner, frames: np.ndarray, stored: str) -> np.ndarray:
    """(D,) float32, rounded as the cache rounds."""
    return runner(frames[None])[0].astype(stored).astype(np.float32)
