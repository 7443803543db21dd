"""Many decoding workers, one bounded queue of clips: decoding overlaps the network, and memory does not grow.

Each lane is a thread that leads one worker process through one video after another. A worker that dies or falls silent
costs its video; the lane starts another and goes on.
"""

from __future__ import annotations

import atexit
import io
import os
import queue
import select
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from ..core.narrowing import is_array
from .clips import ClipPlan
from .decode import Decoder
from .frame_table import FrameTable, OtherFrames, UnreadableVideo
from .preprocessing import Preprocessing
from .worker import Decode, Finished, Scan, command, receive, send

# Clips put into the queue at a time; with the queue's length this bounds the memory of what waits.
_PORTION_BYTES = 4 << 20
_AGAIN = "run the same command again; if it fails there again, replace the file, or re-encode it with ffmpeg"


@dataclass(frozen=True, eq=False)
class Opened:
    """A video was scanned and its clips were chosen."""

    video: str
    table: FrameTable
    plan: ClipPlan


@dataclass(frozen=True, eq=False)
class Clips:
    """Consecutive clips of a video: (n, F, H, W, 3) uint8, the first one's number is `row`."""

    video: str
    row: int
    clips: np.ndarray


@dataclass(frozen=True, eq=False)
class Closed:
    """A video came to its end, with what the worker says about it, or to an error."""

    video: str
    details: dict[str, str]
    error: Exception | None = None


Event = Opened | Clips | Closed


class Decoding:
    """The clips of many videos, decoded by `workers` processes. Use it in a `with` block; iterate it once.

    Args:
        videos: Names and files, in the order in which they are begun.
        plan: Chooses the clips of a video from its name and its frame table; may raise UnreadableVideo.
        preparation: What the workers do to each frame.
        decoder: As for `decode.decode_frames`.
        workers: Processes.
        patience_seconds: A worker that is silent for so long is taken for hung.
        fps: The rate of frames that carry no times.

    Iterating yields for each video Opened, Clips in order, and Closed; or Closed alone, with an error. Those of
    different videos alternate. A second Opened takes back the first one and its clips: the video turned out to hold
    other frames than its packets said.
    """

    def __init__(
        self,
        videos: Iterable[tuple[str, Path]],
        *,
        plan: Callable[[str, FrameTable], ClipPlan],
        preparation: Preprocessing,
        decoder: Decoder = "auto",
        workers: int = 1,
        patience_seconds: float = 120.0,
        fps: float | None = None,
    ) -> None:
        self._fps = fps
        self._videos = iter(videos)
        self._next = threading.Lock()
        self._events: queue.Queue[Event | None] = queue.Queue(maxsize=2 * workers + 4)
        self._stop = threading.Event()
        self._settings = (plan, preparation, decoder, patience_seconds)
        self._lanes = [threading.Thread(target=self._lane, daemon=True) for _ in range(workers)]

    def __enter__(self) -> Decoding:
        for lane in self._lanes:
            lane.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for lane in self._lanes:
            lane.join(timeout=10)

    def __iter__(self) -> Iterator[Event]:
        running = len(self._lanes)
        while running:
            event = self._events.get()
            if event is None:
                running -= 1
            else:
                yield event

    def _put(self, event: Event | None) -> None:
        while not self._stop.is_set():
            try:
                return self._events.put(event, timeout=0.2)
            except queue.Full:
                continue
        raise _Stopped

    def _lane(self) -> None:
        worker: _Worker | None = None
        try:
            while not self._stop.is_set():
                with self._next:
                    video, path = next(self._videos, (None, None))
                if video is None or path is None:
                    if worker is not None:
                        _leave(worker)
                        worker = None
                    break
                worker = worker or _taken(self._settings[3], self._stop)
                try:
                    self._decode(worker, video, path)
                    self._put(Closed(video, worker.details))
                except UnreadableVideo as error:
                    self._put(Closed(video, worker.details, error))
                except _Lost as lost:
                    worker.end()
                    worker = None
                    error = UnreadableVideo(path.name, stage=lost.stage, why=str(lost), frames=lost.frames, next=_AGAIN)
                    self._put(Closed(video, {}, error))
        except _Stopped:
            pass
        except BaseException as error:  # a fault of ours: the consumer must hear of it, or it would wait for ever
            self._events.put(Closed("", {}, error if isinstance(error, Exception) else RuntimeError(repr(error))))
        finally:
            if worker is not None:
                worker.end()
            if not self._stop.is_set():
                self._events.put(None)

    def _decode(self, worker: _Worker, video: str, path: Path) -> None:
        worker.details = {}
        path = path.absolute()  # the worker may have been started in another folder
        worker.ask(Scan(str(path), self._fps))
        table = worker.answer()
        assert isinstance(table, FrameTable)
        while True:
            plan = self._settings[0](video, table)
            self._put(Opened(video, table, plan))
            try:
                return self._clips(worker, video, path, table, plan)
            except OtherFrames as error:
                # Its packets did not tell the truth; now all of it was decoded once, and the table will not change.
                if table.thorough:
                    raise
                table = error.table

    def _clips(self, worker: _Worker, video: str, path: Path, table: FrameTable, plan: ClipPlan) -> None:
        _, preparation, decoder, _ = self._settings
        worker.ask(Decode(str(path), table, plan.wanted, decoder, preparation))
        window = _Window(np.searchsorted(plan.wanted, plan.frames))
        while is_array(frames := worker.answer()):
            for row, clips in window.add(frames):
                self._put(Clips(video, row, clips))


class _Window:
    """Puts frames together to clips, holding those that later clips still need.

    Args:
        places: (T, F) for each clip the places of its frames in the stream of decoded ones.
    """

    def __init__(self, places: np.ndarray) -> None:
        self._places = places
        self._ready_at = places.max(axis=1)
        self._needed_from = places.min(axis=1)
        self._row = 0
        self._base = 0
        self._held: np.ndarray | None = None

    def add(self, frames: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Take the next (n, H, W, 3) frames; gives the clips that are complete, each portion with its first row."""
        held = frames if self._held is None else np.concatenate([self._held, frames])
        complete = int(np.searchsorted(self._ready_at, self._base + len(held), side="left"))
        portion = max(1, _PORTION_BYTES // (self._places.shape[1] * frames[0].nbytes))
        while self._row < complete:
            rows = slice(self._row, min(self._row + portion, complete))
            yield self._row, held[self._places[rows] - self._base]
            self._row = rows.stop
        if self._row < len(self._places):
            keep = min(max(int(self._needed_from[self._row]) - self._base, 0), len(held))
            self._base += keep
            self._held = held[keep:].copy()
        else:
            self._held = held[:0]


class _Stopped(Exception):
    """The consumer left."""


class _Lost(Exception):
    """The worker is gone or hangs."""

    def __init__(self, why: str, stage: str, frames: int) -> None:
        super().__init__(why)
        self.stage = stage
        self.frames = frames


class _Worker:
    """One worker process."""

    def __init__(self, patience_seconds: float, stop: threading.Event) -> None:
        # Unbuffered, so that select() sees everything that has arrived.
        self._process = subprocess.Popen(
            command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self._made = (os.getpid(), command())
        self._requests = io.BufferedWriter(cast("io.FileIO", self._process.stdin))
        self._answers = cast("io.FileIO", self._process.stdout)
        self._stage, self._frames = "open", 0
        self.details: dict[str, str] = {}
        self.lead(patience_seconds, stop)

    def lead(self, patience_seconds: float, stop: threading.Event) -> None:
        """Begin with videos of one Decoding."""
        self._patience, self._stop = patience_seconds, stop

    def serves(self) -> bool:
        """Whether it is this process's, is as one that was started now, and lives."""
        return self._made == (os.getpid(), command()) and self._process.poll() is None

    def ask(self, request: Scan | Decode) -> None:
        self._stage, self._frames = ("scan" if isinstance(request, Scan) else "decode"), 0
        try:
            send(self._requests, request)
        except OSError:
            raise _Lost(self._epitaph(), self._stage, 0) from None

    def answer(self) -> object:
        """The next message; an error it carries is raised."""
        try:
            message = receive(self._answers, self._wait)
        except EOFError:
            raise _Lost(self._epitaph(), self._stage, self._frames) from None
        if is_array(message):
            self._frames += len(message)
        elif isinstance(message, Finished):
            self.details = message.used
            if message.error is not None:
                raise message.error
        return message

    def _wait(self) -> None:
        """Return when something has arrived."""
        waited = 0.0
        while not select.select([self._answers], [], [], 0.25)[0]:
            waited += 0.25
            if self._stop.is_set():
                raise _Stopped
            if waited >= self._patience:
                raise _Lost(f"the decoder was silent for {waited:.0f} s and was ended", self._stage, self._frames)

    def _epitaph(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the decoder closed its output"
        return f"the decoder died of signal {-code}" if code < 0 else f"the decoder ended with code {code}"

    def end(self) -> None:
        for pipe in (self._requests, self._answers):
            with suppress(OSError):
                pipe.close()
        self._process.kill()
        self._process.wait()


# One worker waits for the next video: to start one takes a third of a second, as long as to decode a short video.
_waiting: queue.Queue[_Worker] = queue.Queue(maxsize=1)


def _leave(worker: _Worker) -> None:
    """Let a worker wait; it ends if another one waits already."""
    try:
        _waiting.put_nowait(worker)
    except queue.Full:
        worker.end()


def _taken(patience_seconds: float, stop: threading.Event) -> _Worker:
    """The worker that waits, or a new one."""
    with suppress(queue.Empty):
        worker = _waiting.get_nowait()
        if worker.serves():
            worker.lead(patience_seconds, stop)
            return worker
        worker.end()
    return _Worker(patience_seconds, stop)


@atexit.register
def _end_waiting() -> None:
    with suppress(queue.Empty):
        _waiting.get_nowait().end()
