"""When the rows of imported features begin and end: by frames, by time stamps beside them, or spread over the video."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from ..core.errors import FeatureError, UsageError, listing
from ..core.near_names import near_sentence
from .clips import SnippetGrid
from .layouts import Source


@dataclass(frozen=True)
class RowTimes:
    """How rows lie in time.

    Attributes:
        fps: Frames a second of the videos when the features were made; one number, one a video, or None where the
            sources bring them, or rows are `rescaled`.
        length_frames: Frames that a row describes.
        stride_frames: Frames from one row's start to the next one's.
        offset_frames: The first row's first frame.
        rescaled: Rows are spread evenly over the whole video instead, as BSN's hundred are.
        durations: Seconds of each video, as far as known; else the last row's end.
    """

    fps: float | Mapping[str, float] | None = None
    length_frames: int | None = None
    stride_frames: float | None = None
    offset_frames: float = 0.0
    rescaled: bool = False
    durations: Mapping[str, float] = field(default_factory=dict[str, float])

    def check(self, sources: Sequence[Source], names: Mapping[str, str]) -> None:
        """Whether everything is there that the times follow from.

        Raises:
            UsageError: Something was not said, and the files do not say it either.
        """
        for name, value in (
            ("--fps", self.fps if isinstance(self.fps, int | float) else 1),
            ("--length-frames", self.length_frames if self.length_frames is not None else 1),
            ("--stride-frames", self.stride_frames if self.stride_frames is not None else 1),
        ):
            if not 0 < value < math.inf:
                raise UsageError(f"{name} must be above 0", why=f"it is {value:g}", next=f"{name} with another number")
        if not math.isfinite(self.offset_frames):
            raise UsageError("--offset-frames must be a number", why=f"it is {self.offset_frames}", next="leave it out")
        if self.rescaled:
            lacking = [one.video for one in sources if names[one.video] not in self.durations]
            if lacking:
                raise UsageError(
                    f"the durations of {len(lacking)} of {len(sources)} videos are not known: {listing(lacking)}",
                    why="rows that are spread over the whole video have the times that its duration gives",
                    next="--durations TABLE (video,duration_seconds), or --dataset with annotations that have them",
                )
            return
        bare = [one for one in sources if one.timestamps_ms is None]
        lacking = [one.video for one in bare if self.fps is None and one.fps is None]
        options = ["--fps"] * bool(lacking)
        options += ["--length-frames"] * bool(bare and self.length_frames is None)
        options += ["--stride-frames"] * bool(bare and self.stride_frames is None)
        if options:
            raise UsageError(
                f"it is not known when rows begin and end: {' and '.join(options)} missing",
                why="the files do not say at which frame rate and how many frames apart they were made",
                next="--fps 25 --length-frames 16 --stride-frames 16, say; or --rescaled if rows span the whole video",
            )

    def recipe(self) -> dict[str, object]:
        """What the cache keeps of it."""
        if self.rescaled:
            return {"backbone": "imported", "rescaled": True}
        return {
            "backbone": "imported",
            "length_frames": self.length_frames,
            "stride_frames": None if self.stride_frames is None else float(self.stride_frames),
            "offset_frames": float(self.offset_frames),
        }

    def expected_rows(self, source: Source, video: str) -> float | None:
        """How many rows a video's duration makes probable; None if that is not known."""
        duration = self.durations.get(video)
        if duration is None or self.rescaled or source.timestamps_ms is not None or not self.stride_frames:
            return None
        try:
            frames = duration * self._rate(source, video)
        except FeatureError:
            return None
        return max(1.0, (frames - self.offset_frames - (self.length_frames or 0)) / self.stride_frames + 1)

    def of(self, source: Source, video: str, count: int) -> tuple[np.ndarray, np.ndarray, float, float | None]:
        """Starts and ends of `count` rows (T,) in seconds, the video's duration, and its frame rate if known.

        Raises:
            FeatureError: The video has no frame rate, or other time stamps than rows.
        """
        duration = self.durations.get(video)
        if self.rescaled:
            assert duration is not None  # `check` saw to it
            edges = np.linspace(0.0, duration, count + 1)
            return edges[:-1], edges[1:], duration, None
        if source.timestamps_ms is not None and self.stride_frames is None:
            start, end = self._stamped(source, video, count)
            rate = self._rate(source, video) if source.fps is not None or self.fps is not None else None
        else:
            rate = self._rate(source, video)
            exact = [
                Fraction(value or 0).limit_denominator(1_000_000)
                for value in (rate, self.stride_frames, self.offset_frames)
            ]
            grid = SnippetGrid(exact[0], self.length_frames or 0, exact[1], exact[2], count)
            start, end = grid.start_seconds, grid.end_seconds
        return start, end, float(duration if duration is not None else end[-1] if len(end) else 0.0), rate

    def _stamped(self, source: Source, video: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        """By a time stamp a row: of its start if the first is 0, else of its end, as video_features writes them."""
        assert source.timestamps_ms is not None
        stamps = np.asarray(source.timestamps_ms(), dtype=np.float64).reshape(-1) / 1000
        if len(stamps) not in (count, count + 1) or not np.isfinite(stamps).all() or (np.diff(stamps) < 0).any():
            raise FeatureError(
                f"{video} has {count} rows and {len(stamps)} time stamps",
                why=f"its _timestamps_ms hold {len(stamps)} numbers, finite and rising, for {count} rows"
                if len(stamps) != count
                else "its _timestamps_ms fall, or are not finite",
                subject=video,
            )
        stamps = stamps[:count]
        step = float(np.median(np.diff(stamps))) if count > 1 else 0.0
        if self.length_frames is not None:
            span = self.length_frames / self._rate(source, video)
        else:
            span = float(stamps[0]) if stamps[0] > 0 else step
        if not span > 0:
            raise FeatureError(
                f"{video} has one row, at 0 s",
                why="how long it lasts is not known: give --length-frames",
                subject=video,
            )
        start = stamps if stamps[0] == 0 else np.maximum(stamps - span, 0.0)
        return start, start + span

    def _rate(self, source: Source, video: str) -> float:
        if isinstance(self.fps, Mapping):
            rate = self.fps.get(video, self.fps.get(source.video))
        elif self.fps is None and source.fps is not None:
            rate = float(np.asarray(source.fps(), dtype=np.float64).reshape(-1)[:1].sum())
        else:
            rate = self.fps
        if rate is None or not math.isfinite(rate) or not rate > 0:
            near = near_sentence([*self.fps], [video, source.video]) if isinstance(self.fps, Mapping) else ""
            why = f"the table of frame rates lacks it{near}" if rate is None else f"its frame rate is {rate}"
            next = "name the videos in the table as the files are named, each with a rate above 0"
            raise FeatureError(f"{video} has no frame rate", why=why, next=next, subject=video)
        return float(rate)
