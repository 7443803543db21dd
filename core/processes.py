"""Jobs spread over processes: one that fails or is killed takes nothing with it but itself."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from .errors import Failure, Terminated, ThasError, UsageError
from .files import writing
from .messages import Forwarded, logger

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

Job = TypeVar("Job")
Result = TypeVar("Result")

# Called with a job, the device it is to use ("" for any) and a function that reports one more step done.
Work = Callable[[Job, str, Callable[[], None]], Result]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def give_back_memory() -> None:
    """Let the system have what was freed; the C library of Linux keeps it, in pieces between small things that last."""
    with suppress(AttributeError, OSError, TypeError):  # other systems have no such call
        ctypes.CDLL(None).malloc_trim(0)


def forked_clean(*modules: str) -> ForkServerContext:
    """How processes begin that are forked from one which has imported these modules and has done nothing else.

    As safe as new processes, which each would pay for importing torch: so that is done once, by the first of this
    process's pools.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["__main__", *modules])
    return context


def run_jobs(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    devices: Sequence[str] = (),
    on_step: Callable[[int], None] = lambda job: None,
) -> Generator[tuple[int, Result | Failure], None, None]:
    """Do jobs in any order, in this process or in several others.

    Args:
        work: A function of a module (it is named to the other processes, not sent).
        jobs: Each is pickled.
        workers: Processes; with one, the jobs are done here, one after the other.
        devices: Given to the workers in turn; none are given out if empty.
        on_step: Called with a job's number whenever it reports a step.

    Yields:
        A job's number and what it returned, or a `Failure`, as they come.
    """
    workers = min(workers, len(jobs))
    if workers <= 1:
        for i, job in enumerate(jobs):
            yield i, attempt(work, job, devices[0] if devices else "", lambda i=i: on_step(i))
        return
    threads = max(1, cores() // workers)
    pool = [_Worker(work, devices[i % len(devices)] if devices else "", threads) for i in range(workers)]
    left = list(enumerate(jobs))[::-1]
    try:
        for worker in pool:
            worker.give(*left.pop())
        while busy := {worker.pipe: worker for worker in pool if worker.job is not None}:
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                answer = worker.answer()
                job = worker.job
                assert job is not None
                if answer[0] is False:
                    if answer[1] is None:
                        on_step(job)
                    else:
                        logger.log(*answer[1])
                    continue
                worker.job = None
                if left:
                    worker.give(*left.pop())
                yield job, answer[1]
    finally:
        for worker in pool:
            worker.end()


class _Worker(Generic[Job, Result]):
    """A process that does one job after the other, and is replaced when it dies."""

    def __init__(self, work: Work[Job, Result], device: str, threads: int) -> None:
        self.work, self.device, self.threads = work, device, threads
        self.job: int | None = None
        self._begin()

    def _begin(self) -> None:
        context = get_context("spawn")  # a forked process cannot use CUDA, nor trust torch's threads
        self.pipe, theirs = context.Pipe()
        terms = (self.device, self.threads, os.getpid(), logger.getEffectiveLevel())
        self.process = context.Process(target=_serve, args=(theirs, self.work, *terms))
        self.process.start()
        theirs.close()

    def give(self, number: int, job: Job) -> None:
        self.job = number
        if not self.process.is_alive():
            self._begin()
        self.pipe.send(job)

    def answer(self) -> tuple[Literal[True], Result | Failure] | tuple[Literal[False], tuple[int, str] | None]:
        """Whether the job is done, and its result; else None for a step, or level and text of a message."""
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            code = self.process.exitcode
            killed = "it was killed, perhaps because memory ran out" if code == -signal.SIGKILL else ""
            again = "run it again, with fewer --workers"
            return True, Failure("", f"its process ended with code {code}", killed, next=again)

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def _serve(pipe: Connection, work: Work[Job, Result], device: str, threads: int, parent: int, level: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a typed Ctrl-C reaches all; the parent ends the others
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # torch reads it when it is imported, by the first job
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    sending = threading.Lock()

    def send(done: bool, content: object) -> None:
        with sending:
            pipe.send((done, content))

    logger.setLevel(level)
    logger.addHandler(Forwarded(lambda rank, text: send(False, (rank, text)), level=level))
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, ConnectionError):
            return
        try:
            send(True, attempt(work, job, device, lambda: send(False, None)))
        except Terminated:  # by the parent, which expects no more; a training has kept what was finished
            os._exit(143)


def _leave_with(parent: int) -> None:
    """End this process once its parent is gone: nobody waits for its results, and nobody would end it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def attempt(work: Work[Job, Result], job: Job, device: str, step: Callable[[], None]) -> Result | Failure:
    """What a job returns, or a `Failure`."""
    try:
        return work(job, device, step)
    except ThasError as error:
        return Failure("", error.what, error.why, next=error.next)
    except OSError as error:
        return Failure("", f"{error.filename or 'a file'} could not be used", error.strerror or str(error))
    except Exception as error:  # one job's fault must not cost the others
        what, alone = f"{type(error).__name__}: {error}", "run it alone with thas train"
        return Failure("", what, "thas did not foresee this", next=alone)


@contextmanager
def only_one(folder: Path, *, wait: bool = True) -> Generator[None]:
    """Hold a folder, which is made, against other processes that would hold it.

    Args:
        folder: To be held.
        wait: For the process that holds it; else it is an error that one does.

    Raises:
        UsageError: Another process holds it, and is not waited for.
        DataError: The folder is not writable.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        opened = open(folder / ".lock", "a+") if fcntl is not None else None  # noqa: SIM115
    if opened is None or fcntl is None:
        yield
        return
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            raise UsageError(
                f"{folder} is being trained by another process",
                why=f"process {file.read().strip() or 'unknown'} has it open; two would write over each other",
                next="wait until it has ended, or end it; or train a new run without --resume",
                subject=str(folder),
            ) from None
        with writing(folder):
            file.truncate(0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())  # a buffer that a full disk refused is tried again
        yield


def is_held(folder: Path) -> bool:
    """Whether a process holds a folder by `only_one`."""
    if fcntl is None or not (folder / ".lock").exists():
        return False
    try:
        with open(folder / ".lock") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
