"""Videos in, a feature cache out. Running it again continues; what failed is tried again.

Decoding runs in workers, the network here, and batches are filled across videos: short ones cost the same a clip as
long ones. Each video's rows go to its file as they come, so that memory does not depend on a video's length.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._version import __version__
from ..errors import FeatureError, UsageError
from ..files import cannot_write
from .cache import FeatureCache
from .cache_writer import FeatureWriter, file_name, remove_unfinished
from .clips import ClipPlan, Sampler, plan_clips
from .estimate import Estimate, estimate_job
from .failures import Failure, write_failures
from .pool import Clips, Closed, Decoding, Event, Opened
from .recipe import difference
from .video import FrameTable, UnreadableVideo

if TYPE_CHECKING:
    from .runner import Runner
    from .weights import LoadedBackbone

Progress = Callable[[float], object]


@dataclass(frozen=True)
class ExtractionSettings:
    """How features are made. What the paper leaves unsaid is marked; everything here ends up in the recipe.

    Attributes:
        backbone: A name of `thas list backbones`. C3D in the paper.
        layer: None for the backbone's first; fc7 of C3D in the paper.
        snippets: At most so many clips a video, spread evenly. 2000 is said of the paper, unverified.
        stride_frames: Frames from one clip's start to the next one's, instead of `snippets`.
        length_frames: Frames that the network is given; None for the backbone's own, 16 of C3D.
        frame_step: Frames from one of these to the next; None for the backbone's own, 1 of C3D.
        fps: Sample the video at this rate first; None keeps its own frames.
        sampler: "frames", or "pytorchvideo" for that library's UniformClipSampler.
        precision: "fp32", or on a GPU the faster "tf32" or "bf16".
        decoder: "auto", "decord" or "pyav".
        stored: "float32" or "float16", the type in the files.
        compress: Gzip the files.
        keep_partial: Keep what precedes the damage in a damaged video; its file is marked.
        batch: Clips in the network at once, over all its lanes; None for what is quick and small in memory.
    """

    backbone: str = "c3d"
    layer: str | None = None
    snippets: int = 2000
    stride_frames: int | None = None
    length_frames: int | None = None
    frame_step: int | None = None
    fps: float | None = None
    sampler: Sampler = "frames"
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    decoder: Literal["auto", "decord", "pyav"] = "auto"
    stored: Literal["float32", "float16"] = "float32"
    compress: bool = False
    keep_partial: bool = False
    batch: int | None = None

    def __post_init__(self) -> None:
        for name in ("snippets", "stride_frames", "length_frames", "frame_step", "fps", "batch"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} must be above 0, but is {value}", next="correct it", subject=name)


@dataclass(frozen=True)
class ExtractionResult:
    """What became of the videos.

    Attributes:
        done: Extracted in this run.
        skipped: Were there already.
        failed: Gave nothing; also in `failed.csv`.
        partial: Of those done or skipped now, extracted in part only.
        clips: Clips that the network saw in this run.
    """

    done: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: tuple[Failure, ...]
    partial: tuple[str, ...] = ()
    clips: int = 0


# A container may claim a little more than its last packet's end without anything being lost.
_TOLERATED_SECONDS = 0.5


def extract_dataset(
    videos: Mapping[str, Path],
    out: Path | str,
    *,
    settings: ExtractionSettings | None = None,
    weights: str | Path | None = None,
    weights_sha256: str | None = None,
    random_weights: bool = False,
    mean_cube: Path | None = None,
    pool5: Literal["caffe", "port"] | None = None,
    device: str | None = None,
    compile: bool = False,
    workers: int | None = None,
    patience_seconds: float = 120.0,
    missing: Sequence[Failure] = (),
    progress: Progress | None = None,
    announce: Callable[[Estimate], object] | None = None,
) -> ExtractionResult:
    """Extract the features of videos into the cache `out`.

    Args:
        videos: Name and file of each. A name becomes the file's name in the cache.
        out: The cache, a folder; made if absent. If it holds features already, their recipe must be this run's.
        settings: How.
        weights: A checkpoint, or an address of one; None takes the backbone's published ones, if it has any.
        weights_sha256: What the checkpoint's SHA-256 must be.
        random_weights: Draw weights from seed 0 instead.
        mean_cube: The original C3D's mean cube, a .npy file.
        pool5: Overrides the pool5 that goes with a C3D checkpoint.
        device: "cpu", "cuda", ...; None takes a GPU if there is one.
        compile: Compile the network first.
        workers: Decoding processes; None for one a core, at most 16.
        patience_seconds: A decoder silent for so long is ended, and its video fails.
        missing: Videos that have no file; they join the failed ones.
        progress: Called with the share of a video that was just finished; the shares sum up to the number of videos.
        announce: Called with an estimate of time and disk before the work begins.

    Returns:
        What became of each video. Failures do not raise: they are listed, and written to `failed.csv`.

    Raises:
        FeatureError: The cache holds features of another recipe; the differing lines are named.
        CheckpointError: The weights are missing or do not fit.
        DataError: The cache cannot be written to. What was finished is kept.
    """
    from .weights import load_backbone

    settings = settings or ExtractionSettings()
    progress = progress or (lambda share: None)
    out = Path(out)
    _distinct_files(videos)
    try:
        out.mkdir(parents=True, exist_ok=True)
        remove_unfinished(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    loaded = load_backbone(
        settings.backbone,
        weights=weights,
        weights_sha256=weights_sha256,
        random_weights=random_weights,
        layer=settings.layer,
        mean_cube=mean_cube,
        pool5=pool5,
    )
    recipe = recipe_of(settings, loaded)
    present = check_cache(out, recipe, videos)
    todo = {video: Path(path) for video, path in videos.items() if video not in present}
    progress(float(len(present) + len(missing)))
    skipped = tuple(video for video in videos if video in present)
    if not todo:
        write_failures(out, missing)
        return ExtractionResult((), skipped, tuple(missing))
    from .runner import Runner

    runner = Runner(loaded, device=device, precision=settings.precision, compile=compile, batch=settings.batch)
    run = _Run(out, recipe, settings, loaded, runner, progress)
    if announce is not None:
        preparation = loaded.backbone.preprocessing
        clip = (clip_of(settings, loaded)[0], preparation.crop_height, preparation.crop_width, 3)
        row = loaded.backbone.dimension * (2 if settings.stored == "float16" else 4)
        announce(estimate_job(todo, plan=run.plan, runner=runner, clip_shape=clip, row_bytes=row, folder=out))
    count = min(workers or min(os.cpu_count() or 1, 16), len(todo))
    decoding = Decoding(
        todo.items(),
        plan=lambda video, table: run.plan(todo[video].name, table),
        preparation=loaded.backbone.preprocessing,
        decoder=settings.decoder,
        workers=count,
        patience_seconds=patience_seconds,
    )
    try:
        with runner, decoding, run:
            run.consume(decoding)
    finally:
        write_failures(out, [*run.failed, *missing])
    order = {video: i for i, video in enumerate(videos)}
    done = tuple(sorted(run.done, key=order.__getitem__))
    failed = tuple(sorted(run.failed, key=lambda failure: order[failure.video]))
    return ExtractionResult(done, skipped, (*failed, *missing), tuple(sorted(run.partial)), run.clips)


def recipe_of(settings: ExtractionSettings, loaded: LoadedBackbone) -> dict[str, Any]:
    """What a cache writes down about how its features were made."""
    from importlib.metadata import version

    frames, step = clip_of(settings, loaded)
    return {
        **loaded.recipe,
        "clip_frames": frames,
        "frame_step": step,
        "snippets": None if settings.stride_frames else settings.snippets,
        "stride_frames": settings.stride_frames,
        "fps": settings.fps,
        "sampler": settings.sampler,
        "precision": settings.precision,
        "decoder": settings.decoder,
        "stored": settings.stored,
        "thas_version": __version__,
        "torch_version": version("torch"),
    }


def refuse_damaged(name: str, table: FrameTable) -> None:
    """Raise an UnreadableVideo for a file whose container is damaged or ends early."""
    why = table.damage
    if table.missing_seconds > _TOLERATED_SECONDS:
        claimed = table.duration_seconds + table.missing_seconds
        why = f"truncated: the container says {claimed:.1f} s, its frames end at {table.duration_seconds:.1f} s"
    if why:
        advice = "replace the file, or take what precedes the damage with --keep-partial"
        raise UnreadableVideo(name, stage="scan", why=why, next=advice)


def clip_of(settings: ExtractionSettings, loaded: LoadedBackbone) -> tuple[int, int]:
    """Frames of a clip and the step between them: the settings', else the backbone's."""
    return settings.length_frames or loaded.backbone.clip_frames, settings.frame_step or loaded.backbone.frame_step


def check_cache(out: Path, recipe: Mapping[str, Any], videos: Mapping[str, Path]) -> set[str]:
    """Which of the videos the cache holds already, each with this recipe.

    Raises:
        FeatureError: One was made by another recipe, or its file is damaged.
    """
    try:
        cache = FeatureCache(out)
    except FeatureError:
        return set()
    present = [video for video in videos if video in cache]
    for video in present or list(cache)[:1]:
        if not cache.has_recipe(video, recipe):
            lines = difference(recipe, cache.recipe_of(video))
            if not lines:
                continue
            raise FeatureError(
                f"{out} holds features of another recipe than this run's ({video} is one)",
                why="this run and the cache differ in " + "; ".join(lines),
                next="extract into another folder with --out, or remove the old features",
                subject=str(out),
            )
    return set(present)


def _distinct_files(videos: Mapping[str, Path]) -> None:
    """Refuse names that a file system without upper and lower case would take for one."""
    seen: dict[str, str] = {}
    for video in videos:
        other = seen.setdefault(file_name(video).lower(), video)
        if other != video:
            raise UsageError(f"videos {other!r} and {video!r} would share a file", next="rename one", subject=video)


@dataclass(eq=False)
class _Open:
    """A video whose rows are being written."""

    writer: FeatureWriter
    table: FrameTable
    plan: ClipPlan
    rows: int = 0  # seen by the network
    arrived: int = 0  # come from the decoder
    closed: Closed | None = None
    shares: float = 0.0


class _Run:
    """The state of one extraction: videos being written, the batch being filled, and what became of the others."""

    def __init__(
        self,
        out: Path,
        recipe: dict[str, Any],
        settings: ExtractionSettings,
        loaded: LoadedBackbone,
        runner: Runner,
        progress: Progress,
    ) -> None:
        self._out, self._recipe, self._settings, self._runner = out, recipe, settings, runner
        self._loaded, self._progress = loaded, progress
        self._open: dict[str, _Open] = {}
        self._waiting: deque[tuple[str, int, np.ndarray]] = deque()
        self._count = 0
        self._running: deque[tuple[Future[np.ndarray], list[tuple[str, int, slice]]]] = deque()
        self.done: list[str] = []
        self.partial: list[str] = []
        self.failed: list[Failure] = []
        self.clips = 0

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *exc: object) -> None:
        for video in self._open.values():
            video.writer.discard()

    def plan(self, name: str, table: FrameTable) -> ClipPlan:
        """The clips of a video; called by the decoding lanes."""
        settings = self._settings
        if not settings.keep_partial:
            refuse_damaged(name, table)
        frames, step = clip_of(settings, self._loaded)
        return plan_clips(
            table.start_seconds,
            table.end_seconds,
            length_frames=frames,
            frame_step=step,
            snippets=settings.snippets,
            stride_frames=settings.stride_frames,
            fps=settings.fps,
            sampler=settings.sampler,
        )

    def consume(self, events: Iterator[Event] | Decoding) -> None:
        """Take the decoders' events until there are no more."""
        try:
            for event in events:
                self._take(event)
            while self._count:
                self._flush()
            while self._running:
                self._collect()
        except OSError as error:
            raise cannot_write(self._out, error) from error

    def _take(self, event: Event) -> None:
        if isinstance(event, Opened):
            writer = FeatureWriter(
                self._out,
                video=event.video,
                rows=len(event.plan),
                dimension=self._loaded.backbone.dimension,
                dtype=self._settings.stored,
                compress=self._settings.compress,
            )
            self._open[event.video] = _Open(writer, event.table, event.plan)
        elif isinstance(event, Clips):
            self._waiting.append((event.video, event.row, event.clips))
            self._count += len(event.clips)
            self._open[event.video].arrived += len(event.clips)
            while self._count >= self._runner.batch:
                self._flush()
        else:
            self._close(event)

    def _close(self, event: Closed) -> None:
        if event.error is not None and not isinstance(event.error, UnreadableVideo):
            raise event.error
        video = self._open.get(event.video)
        if video is not None:
            video.closed = event
            if event.error is not None and not (self._settings.keep_partial and video.arrived):
                self._waiting = deque(waiting for waiting in self._waiting if waiting[0] != event.video)
                self._count = sum(len(clips) for _, _, clips in self._waiting)
                del self._open[event.video]
                video.writer.discard()
                self._fail(event, video)
            else:
                self._finish(event.video)
        else:
            self._fail(event, None)

    def _fail(self, event: Closed, video: _Open | None) -> None:
        error = event.error
        assert isinstance(error, UnreadableVideo)
        self.failed.append(Failure(event.video, error.stage, " ".join(error.why.split()), error.frames))
        self._progress(1.0 - (video.shares if video else 0.0))

    def _flush(self) -> None:
        """Give the network one batch of the clips that wait; full, unless there are too few."""
        batch: list[np.ndarray] = []
        places: list[tuple[str, int, slice]] = []
        size = 0
        while self._waiting and size < self._runner.batch:
            video, row, clips = self._waiting.popleft()
            taken = clips[: self._runner.batch - size]
            if len(taken) < len(clips):
                self._waiting.appendleft((video, row + len(taken), clips[len(taken) :]))
            batch.append(taken)
            places.append((video, row, slice(size, size + len(taken))))
            size += len(taken)
        self._count -= size
        clips = batch[0] if len(batch) == 1 else np.concatenate(batch)
        self._running.append((self._runner.submit(clips), places))
        # One more than there are lanes, so that none waits for this thread.
        while len(self._running) > self._runner.lanes + 1:
            self._collect()

    def _collect(self) -> None:
        """Write the rows of the oldest batch."""
        future, places = self._running.popleft()
        features = future.result()
        self.clips += len(features)
        for name, row, rows in places:
            video = self._open.get(name)
            if video is None:
                continue
            try:
                video.writer.write(row, features[rows])
            except FeatureError as error:
                del self._open[name]
                video.writer.discard()
                why = UnreadableVideo(name, stage="network", why=error.why, frames=row)
                self._fail(Closed(name, {}, why), video)
                continue
            count = rows.stop - rows.start
            video.rows += count
            share = count / len(video.plan)
            video.shares += share
            self._progress(share)
            self._finish(name)

    def _finish(self, name: str) -> None:
        """Give a video its final name, once it is decoded and all its rows are written."""
        video = self._open[name]
        if video.closed is None or video.rows < video.arrived:
            return
        table, plan, rows = video.table, video.plan, video.rows
        source: dict[str, Any] = {
            "frames": len(table),
            "average_fps": table.fps,
            "container": table.container,
            "codec": table.codec,
            "width": table.width,
            "height": table.height,
            "repeated_frames": plan.repeated,
            "unshown_seconds": table.missing_seconds,
            "partial": False,
            **video.closed.details,
        }
        error = video.closed.error
        if error is not None or table.damage or table.missing_seconds > _TOLERATED_SECONDS:
            why = getattr(error, "why", "") or table.damage
            why = why or f"the container says {table.missing_seconds:.1f} s more than there is"
            source |= {"partial": True, "lost": why, "lost_rows": len(plan) - rows}
            source |= {
                "lost_seconds": table.missing_seconds + table.duration_seconds - float(plan.end_seconds[rows - 1])
            }
            self.partial.append(name)
        video.writer.commit(
            rows=rows,
            start_seconds=plan.start_seconds[:rows],
            end_seconds=plan.end_seconds[:rows],
            centre_frame=plan.centre_frame[:rows],
            duration_seconds=table.duration_seconds,
            recipe=self._recipe,
            source=source,
        )
        del self._open[name]
        self.done.append(name)
        self._progress(1.0 - video.shares)
