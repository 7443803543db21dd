"""Which frames a video shows, and when; and the errors of videos that cannot be read.

Times are seconds from the first shown frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from ..core.errors import VideoError

REPLACE = "check that it plays to its end, and replace it or take it out"
KEEP = "replace the file, or take all but what was lost with --keep-partial"


class UnreadableVideo(VideoError):
    """A video that cannot be decoded, or not wholly, with what `failed.csv` says about it.

    Args:
        video: The video's name.
        stage: "open", "scan", "plan", "decode", "network" or "write".
        why: The cause.
        frames: Frames decoded before it.
        next: What to do about it.
    """

    def __init__(self, video: str, *, stage: str, why: str, frames: int = 0, next: str = "") -> None:
        super().__init__(
            f"video {video} failed at stage {stage!r} after {frames} frames",
            why=why,
            next=next or REPLACE,
            subject=video,
        )
        self.stage, self.frames = stage, frames
        self._said: dict[str, object] = {"stage": stage, "why": why, "frames": frames, "next": next}

    def __reduce__(self) -> tuple[object, ...]:  # errors cross from the workers
        return partial(type(self), self.subject or "", **self._said), ()


class OtherFrames(UnreadableVideo):
    """Decoding all of a video showed that it holds other frames than its packets said; `table` has them."""

    def __init__(self, video: str, *, table: FrameTable, why: str, frames: int = 0) -> None:
        super().__init__(video, stage="decode", why=why, frames=frames, next=KEEP)
        self.table = table
        self._said: dict[str, object] = {"table": table, "why": why, "frames": frames}


@dataclass(frozen=True, eq=False)
class FrameTable:
    """The frames that a video shows.

    Attributes:
        start_seconds: (N,) float64, when each frame appears, from the first one's appearance on; rising.
        end_seconds: (N,) float64, when the next one takes its place; the last one's by its own duration.
        container: The container's format.
        codec: The codec's name.
        width: As stored, before rotation.
        height: As stored, before rotation.
        stamps: (N,) int64, each frame's time stamp in the container's own unit; None where frames are told by their
            order in what the decoder gives.
        outputs: (N,) int64, each frame's number among all that the decoder gives, of a video that was decoded once
            from end to end; else None.
        origin_seconds: When the first frame is shown by the container's own clock, from which all times here count.
        jumpable: Decoding may start at any key frame and gives the same frames.
        missing_seconds: How much longer the container says it is than its packets are.
        damage: What made shown frames wrong or lost them; empty for a sound video.
        lost: (N,) bool, frames that are there but not to be trusted; None if there are none.
        holes_seconds: (G, 2) float64, from and to, where frames should be and none came; None if there are none.
        notes: What is worth knowing beside damage.
        guessed_fps: The rate that was assumed because nothing says one; None if none was.
    """

    start_seconds: np.ndarray
    end_seconds: np.ndarray
    container: str
    codec: str
    width: int
    height: int
    stamps: np.ndarray | None = None
    outputs: np.ndarray | None = None
    origin_seconds: float = 0.0
    jumpable: bool = False
    missing_seconds: float = 0.0
    damage: str = ""
    lost: np.ndarray | None = None
    holes_seconds: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    guessed_fps: float | None = None

    def __len__(self) -> int:
        return len(self.start_seconds)

    @property
    def thorough(self) -> bool:
        """Whether the whole video was decoded to make this table."""
        return self.outputs is not None

    @property
    def duration_seconds(self) -> float:
        """From the first frame's appearance to the last one's end."""
        return float(self.end_seconds[-1])

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return len(self) / self.duration_seconds if self.duration_seconds else 0.0

    @property
    def first_lost(self) -> int:
        """Number of the first frame that was lost, or that follows a hole; N if none was."""
        first = len(self)
        if self.lost is not None and self.lost.any():
            first = int(np.argmax(self.lost))
        if self.holes_seconds is not None and len(self.holes_seconds):
            begin: float = self.holes_seconds[:, 0].min()
            first = min(first, int(np.searchsorted(self.start_seconds, begin)))
        return first

    def lost_seconds(self, start_seconds: np.ndarray, end_seconds: np.ndarray) -> np.ndarray:
        """(T,) float64: how much of each span of time was lost, of spans from `start_seconds` (T,) to `end_seconds`."""
        edges, covered = self._lost_until()
        return np.interp(end_seconds, edges, covered) - np.interp(start_seconds, edges, covered)

    @property
    def total_lost_seconds(self) -> float:
        """How much of the video was lost to damage, what its end lacks aside."""
        return float(self._lost_until()[1][-1])

    def _lost_until(self) -> tuple[np.ndarray, np.ndarray]:
        """Instants, and how many seconds were lost up to each of them."""
        spans = [self.holes_seconds] if self.holes_seconds is not None else []
        if self.lost is not None and self.lost.any():
            spans.append(np.stack([self.start_seconds[self.lost], self.end_seconds[self.lost]], axis=1))
        edges, covered = [0.0], [0.0]
        rows: list[list[float]] = np.concatenate(spans).tolist() if spans else []
        for begin, end in sorted(rows):
            start = max(begin, edges[-1])
            if end > start:
                edges += [start, end]
                covered += [covered[-1], covered[-1] + end - start]
        return np.array(edges), np.array(covered)
