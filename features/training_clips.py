"""Random clips of many videos, for training: frames stay in memory as bytes, or are decoded again for every pass.

Each video is decoded by the workers that also serve extraction, so the frames are those that extraction will see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..core.errors import Failure
from ..core.messages import Progress, silent
from .clips import ClipPlan
from .decode import Decoder
from .extraction_job import refuse_damaged
from .pool import Clips, Closed, Decoding, Opened
from .preprocessing import Preprocessing
from .video import FrameTable, UnreadableVideo

# Clips of videos that do not fit into memory are decoded for so many bytes at a time, and mixed within that.
_SHARD_BYTES = 256 << 20
# Frames that mean and deviation of the input are measured on, of each video.
_MEASURED = 8


@dataclass(eq=False)
class TrainingClips:
    """The videos to draw clips from.

    Attributes:
        files: Name and file of each video.
        preparation: What the workers do to each frame.
        clip_frames: Frames of a clip, F.
        frame_step: Frames of the video from one of them to the next.
        memory_bytes: Frames are kept up to here; videos beyond are decoded again for every pass.
        decoder: As for `decode.decode_frames`.
        workers: Decoding processes.
        frames: For each video that is kept, (N, H, W, 3) uint8.
        lengths: Frames of each readable video.
        failed: Videos that could not be read.
    """

    files: Mapping[str, Path]
    preparation: Preprocessing
    clip_frames: int
    frame_step: int = 1
    memory_bytes: int = 2 << 30
    decoder: Decoder = "auto"
    workers: int = 1
    frames: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    lengths: dict[str, int] = field(default_factory=dict[str, int])
    failed: list[Failure] = field(default_factory=list[Failure])
    _sample: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    def read(self, progress: Progress = silent) -> None:
        """Decode every video once. One that cannot be read joins `failed`; the others stay."""
        tables: dict[str, int] = {}
        parts: dict[str, list[np.ndarray]] = {}
        size = self.preparation.crop_height * self.preparation.crop_width * 3
        planned = 0

        def plan(video: str, table: FrameTable) -> np.ndarray:
            nonlocal planned
            if table.damage:
                refuse_damaged(video, table)
            tables[video] = len(table)
            everything = np.arange(len(table))
            if planned + len(table) * size <= self.memory_bytes:
                planned += len(table) * size
                return everything[:, None]
            return everything[:: max(1, len(table) // _MEASURED), None]

        for event in self._decode(self.files, plan):
            if isinstance(event, Opened):
                parts.pop(event.video, None)  # opened a second time, it holds other frames
            elif isinstance(event, Clips):
                parts.setdefault(event.video, []).append(event.clips[:, 0])
            else:
                frames = parts.pop(event.video, [])
                if event.error is not None:
                    self._fail(event.video, event.error)
                    if tables.get(event.video) and frames:  # its share of the memory is free again
                        planned -= tables[event.video] * size
                else:
                    self._keep(event.video, np.concatenate(frames), tables[event.video])
                progress(1)

    def _keep(self, video: str, frames: np.ndarray, length: int) -> None:
        self.lengths[video] = length
        self._sample[video] = frames[:: max(1, len(frames) // _MEASURED)].copy()
        if len(frames) == length:
            self.frames[video] = frames

    def _fail(self, video: str, error: Exception) -> None:
        if not isinstance(error, UnreadableVideo):
            raise error
        self.failed.append(Failure(video, error.stage, " ".join(error.why.split()), error.frames))

    @property
    def streamed(self) -> tuple[str, ...]:
        """The videos that did not fit into memory."""
        return tuple(video for video in self.files if video in self.lengths and video not in self.frames)

    def mean_and_deviation(self) -> tuple[np.ndarray, np.ndarray]:
        """(3,) mean and (3,) standard deviation of the channels, over some frames of each video, 0 to 255."""
        pixels = [
            self._sample[video].reshape(-1, 3).astype(np.float64) for video in self.files if video in self._sample
        ]
        mean = np.mean([some.mean(axis=0) for some in pixels], axis=0)
        square = np.mean([((some - mean) ** 2).mean(axis=0) for some in pixels], axis=0)
        return mean, np.sqrt(np.maximum(square, 1.0))

    def one_pass(
        self, clips_per_video: int, videos: int, generator: np.random.Generator
    ) -> Iterator[tuple[list[str], np.ndarray]]:
        """Random clips of every video, some videos at a time: V names, and (V, K, F, H, W, 3) uint8 with K clips each.

        The same generator gives the same clips in the same order, wherever the frames are kept.

        Args:
            clips_per_video: K, clips drawn from each video.
            videos: V, videos given at a time; the last may be fewer.
            generator: Draws the order and each clip's start.
        """
        names = [video for video in self.files if video in self.lengths]
        names = [names[int(i)] for i in generator.permutation(len(names))]
        for shard in self._shards(names, clips_per_video, videos):
            picked = {video: self._pick(self.lengths[video], clips_per_video, generator) for video in shard}
            decoded = self._decoded({video: picked[video] for video in shard if video not in self.frames})
            there = [video for video in shard if video in self.frames or video in decoded]
            for at in range(0, len(there), videos):
                some = there[at : at + videos]
                clips = [
                    self.frames[video][picked[video]] if video in self.frames else decoded[video] for video in some
                ]
                yield some, np.stack(clips)

    def _shards(self, videos: Sequence[str], clips_per_video: int, together: int) -> Iterator[list[str]]:
        """All videos at once where all are in memory, else as many as their decoded clips allow, in whole batches."""
        if not self.streamed:
            yield list(videos)
            return
        how = self.preparation
        cost = clips_per_video * self.clip_frames * how.crop_height * how.crop_width * 3
        count = max(1, _SHARD_BYTES // (cost * together)) * together
        for at in range(0, len(videos), count):
            yield list(videos[at : at + count])

    def _pick(self, length: int, count: int, generator: np.random.Generator) -> np.ndarray:
        """(count, F) frame numbers of random clips; a video shorter than a clip repeats its last frame."""
        span = (self.clip_frames - 1) * self.frame_step + 1
        starts = generator.integers(0, max(0, length - span) + 1, count)
        return np.minimum(starts[:, None] + self.frame_step * np.arange(self.clip_frames), length - 1)

    def _decoded(self, picked: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The picked clips of videos that are not in memory: (count, F, H, W, 3) uint8 for each."""
        if not picked:
            return {}
        # The pool gives clips in the order of their starts; they go back to where they were drawn.
        orders = {video: np.argsort(frames[:, 0], kind="stable") for video, frames in picked.items()}
        clips: dict[str, np.ndarray] = {}
        how = self.preparation
        shape = (self.clip_frames, how.crop_height, how.crop_width, 3)
        for event in self._decode(
            {video: self.files[video] for video in picked}, lambda video, _: picked[video][orders[video]]
        ):
            if isinstance(event, Clips):
                held = clips.setdefault(event.video, np.empty((len(picked[event.video]), *shape), np.uint8))
                held[orders[event.video][event.row : event.row + len(event.clips)]] = event.clips
            elif isinstance(event, Closed) and event.error is not None:
                self._fail(event.video, event.error)
                clips.pop(event.video, None)
                self.lengths.pop(event.video)
        return clips

    def _decode(
        self, files: Mapping[str, Path], choose: Callable[[str, FrameTable], np.ndarray]
    ) -> Iterator[Opened | Clips | Closed]:
        """The clips whose frames `choose` picks: (T, F) numbers in the table, rising."""

        def plan(video: str, table: FrameTable) -> ClipPlan:
            frames = choose(video, table)
            starts, ends = table.start_seconds[frames[:, 0]], table.end_seconds[frames[:, -1]]
            return ClipPlan(frames, starts, ends, frames[:, frames.shape[1] // 2])

        decoding = Decoding(
            files.items(),
            plan=plan,
            preparation=self.preparation,
            decoder=self.decoder,
            workers=max(1, min(self.workers, len(files))),
        )
        with decoding:
            yield from decoding
