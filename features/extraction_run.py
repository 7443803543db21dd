"""One extraction under way: files being written, the batch being filled, and what became of the videos before.

Batches are filled across videos: short ones cost the same a clip as long ones. Each video's rows go to its file as they
come, so that memory does not depend on a video's length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import Failure, FeatureError
from ..core.files import writing
from ..core.messages import Progress
from .cache_writer import FeatureWriter
from .clips import ClipPlan
from .containers import TOLERATED_SECONDS
from .dispatch import Account
from .extraction_job import Job
from .frame_table import REPLACE, FrameTable, UnreadableVideo
from .pool import Clips, Closed, Decoding, Event, Opened

if TYPE_CHECKING:
    from .runner import Runner


_FINITE = "extract it with --precision fp32 and --stored float32; if that changes nothing, look at its pictures"


@dataclass(eq=False)
class _Open:
    """A video whose rows are being written."""

    name: str
    writer: FeatureWriter
    table: FrameTable
    plan: ClipPlan
    rows: int = 0  # seen by the network
    arrived: int = 0  # come from the decoder
    closed: Closed | None = None
    shares: float = 0.0


class ExtractionRun(Account):
    """The state of one extraction by this process."""

    def __init__(self, job: Job, runner: Runner, progress: Progress) -> None:
        super().__init__()
        self._job, self._runner, self._progress = job, runner, progress
        self._recipe = job.recipe  # read once: it asks for the versions of packages
        self._open: dict[str, _Open] = {}
        self._waiting: deque[tuple[_Open, int, np.ndarray]] = deque()
        self._count = 0
        # Syncing a file to the disk takes as long as some clips of a small network do; it happens beside them, and
        # several at once: the disk takes four together in little more time than one.
        self._committer = ThreadPoolExecutor(4, thread_name_prefix="commit")
        self._commits: deque[tuple[str, Future[Path], float]] = deque()
        self._running: deque[tuple[Future[np.ndarray], list[tuple[_Open, int, slice]]]] = deque()

    def __enter__(self) -> ExtractionRun:
        return self

    def __exit__(self, *exc: object) -> None:
        self._committer.shutdown(wait=True)
        for video in self._open.values():
            video.writer.discard()

    def work(self, videos: Iterable[tuple[str, Path]], *, decoders: int) -> None:
        """Extract videos, given by name and file; begin each when there is a decoder for it.

        Raises:
            DataError: The cache cannot be written to.
        """
        job = self._job
        decoding = Decoding(
            videos,
            plan=job.plan,
            preparation=job.loaded.backbone.preprocessing,
            decoder=job.settings.decoder,
            workers=decoders,
            patience_seconds=job.machines.patience_seconds,
            fps=job.settings.fps,
        )
        with decoding, self:
            self.consume(decoding)

    def consume(self, events: Iterator[Event] | Decoding) -> None:
        """Take the decoders' events until there are no more."""
        with writing(self._job.out):
            for event in events:
                self._take(event)
            while self._count:
                self._flush()
            while self._running:
                self._collect()
            self._settle(waiting=0)

    def _take(self, event: Event) -> None:
        if isinstance(event, Opened):
            before = self._open.pop(event.video, None)
            if before is not None:
                self._forget(before)
            writer = FeatureWriter(
                self._job.out,
                video=event.video,
                rows=len(event.plan),
                dimension=self._job.loaded.backbone.dimension,
                dtype=self._job.settings.stored,
                compress=self._job.settings.compress,
            )
            shares = before.shares if before is not None else 0.0
            self._open[event.video] = _Open(event.video, writer, event.table, event.plan, shares=shares)
        elif isinstance(event, Clips):
            video = self._open[event.video]
            self._waiting.append((video, event.row, event.clips))
            self._count += len(event.clips)
            video.arrived += len(event.clips)
            while self._count >= self._runner.batch:
                self._flush()
        else:
            self._close(event)

    def _close(self, event: Closed) -> None:
        error, video = event.error, self._open.get(event.video)
        if error is not None and not isinstance(error, UnreadableVideo):
            raise error
        if video is None or (error is not None and not (self._job.settings.keep_partial and video.arrived)):
            assert error is not None, "a video ends without having begun"
            self._give_up(event.video, error)
        else:
            video.closed = event
            self._finish(event.video)

    def _forget(self, video: _Open) -> None:
        """Drop what was made of a video; what the network has of it now will be dropped when it comes."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting[0] is not video)
        self._count = sum(len(clips) for _, _, clips in self._waiting)
        video.writer.discard()

    def _give_up(self, name: str, error: UnreadableVideo) -> None:
        """Note that a video gives nothing, and drop what was made of it."""
        video = self._open.pop(name, None)
        if video is not None:
            self._forget(video)
        self.failed.append(Failure(name, error.stage, " ".join(error.why.split()), error.frames, error.next))
        self._progress(1.0 - (video.shares if video else 0.0))

    def _flush(self) -> None:
        """Give the network one batch of the clips that wait; full, unless there are too few."""
        batch: list[np.ndarray] = []
        places: list[tuple[_Open, int, slice]] = []
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
        for video, row, rows in places:
            name = video.name
            if self._open.get(name) is not video:
                continue
            try:
                video.writer.write(row, features[rows])
            except FeatureError as error:
                self._give_up(name, UnreadableVideo(name, stage="network", why=error.why, frames=row, next=_FINITE))
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
        spans = plan.start_seconds[:rows], plan.end_seconds[:rows]
        lost = table.lost_seconds(*spans)
        if (lost > 0).all():
            why = f"every snippet is damaged: {table.damage}"
            return self._give_up(name, UnreadableVideo(name, stage="decode", why=why, next=REPLACE))
        if video.closed.error is not None or table.damage or table.missing_seconds > TOLERATED_SECONDS:
            self.partial.append(name)
        if table.guessed_fps is not None:
            self.guessed.append(name)
        commit = partial(
            video.writer.commit,
            rows=rows,
            start_seconds=spans[0],
            end_seconds=spans[1],
            centre_frame=plan.centre_frame[:rows],
            lost_seconds=lost if lost.any() else None,
            duration_seconds=table.duration_seconds,
            recipe=self._recipe,
            source=_source(video, lost, partly=name in self.partial[-1:]),
        )
        del self._open[name]
        self._commits.append((name, self._committer.submit(_committed, video.writer, commit), 1.0 - video.shares))
        self._settle(waiting=8)

    def _settle(self, *, waiting: int) -> None:
        """Note the videos that are on the disk; leave no more than so many to come."""
        while self._commits and (len(self._commits) > waiting or self._commits[0][1].done()):
            name, future, share = self._commits.popleft()
            future.result()
            self.done.append(name)
            self._progress(share)


def _committed(writer: FeatureWriter, commit: Callable[[], Path]) -> Path:
    with writer:
        return commit()


def _source(video: _Open, lost: np.ndarray, *, partly: bool) -> dict[str, object]:
    """What a file says about its video alone."""
    assert video.closed is not None
    table, plan, rows = video.table, video.plan, video.rows
    source: dict[str, object] = {
        "frames": len(table),
        "average_fps": table.fps,
        "container": table.container,
        "codec": table.codec,
        "width": table.width,
        "height": table.height,
        "repeated_frames": plan.repeated,
        "unshown_seconds": table.missing_seconds,
        "partial": partly,
        **video.closed.details,
    }
    if table.notes:
        source["notes"] = list(table.notes)
    if table.guessed_fps is not None:
        source["guessed_fps"] = table.guessed_fps
    marked = int((lost > 0).sum())
    if marked:
        source["lost_rows"] = marked
    if partly:
        why = getattr(video.closed.error, "why", "") or table.damage
        unseen = len(plan) - rows
        end = float(plan.end_seconds[rows - 1]) if unseen else table.duration_seconds
        source |= {
            "lost": why or f"the container says {table.missing_seconds:.1f} s more than there is",
            "lost_rows": marked + unseen,
            "lost_seconds": table.missing_seconds + table.duration_seconds - end + float(table.total_lost_seconds),
        }
    return source
