"""Change the bytes and parts of every kind of file from elsewhere, and see that its reader only ever names the fault.

    python benchmarks/fuzz_readers.py [INPUTS A READER, 1000 by default] [SEED] [READER ...]

Each reader works in a process of its own that may take one gigabyte beyond what it has at the start; an input that
takes longer than five seconds of processor time (or a minute of waiting), ends the process, raises anything but a named
error, or is read and not finite, is a failure. Prints, for each reader, how many inputs were read, refused and failed
(with the first of each kind), the longest processor time and the most memory. An input follows from the seed, the
reader's name and its number. The exit code is 1 if anything failed. From the checkout, with the readers of the tests.

`KEEP=FOLDER` keeps the inputs that failed; `SECONDS=10` ends each reader after so much processor time, `FIRST=1000`
begins with that number.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from thas.core.errors import ThasError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
changes = importlib.import_module("tests.fuzz_changes")
readers = importlib.import_module("tests.fuzzed_readers")
others = importlib.import_module("tests.fuzzed_others")
annotators = importlib.import_module("tests.fuzzed_annotators")
READERS = {**readers.READERS, **others.OTHERS, **annotators.ANNOTATORS}
SECONDS, WAITING, BYTES = 5, 60, 1 << 30
FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""In memory, where there is such a folder: inputs are many and small."""
# Features and weights from elsewhere may hold NaN: refused where they go into a cache or a network.
RAW = ("import_", "weights_")


class TooSlow(BaseException):
    """Raised by a timer."""


class Timers:
    """Raise where one input takes too long, by two clocks that tick all the time, since setting one costs more."""

    def __init__(self) -> None:
        self.ticks = {signal.SIGPROF: 0, signal.SIGALRM: 0}
        for number, clock, every in (
            (signal.SIGPROF, signal.ITIMER_PROF, 1),
            (signal.SIGALRM, signal.ITIMER_REAL, WAITING / SECONDS),
        ):
            signal.signal(number, self._tick)
            signal.setitimer(clock, every, every)

    def begin(self) -> None:
        """From here the time of an input counts."""
        self.ticks = dict.fromkeys(self.ticks, 0)

    def _tick(self, number: int, _: object) -> None:
        self.ticks[signal.Signals(number)] += 1
        if self.ticks[signal.Signals(number)] > SECONDS:
            self.begin()
            raise TooSlow("processor time" if number == signal.SIGPROF else "waiting")


def attempt(name: str, path: Path, content: bytes) -> str:
    """What a reader does with an input: "read", "refused", or a fault."""
    path.write_bytes(content)
    try:
        value = READERS[name].read(path)
        return "read" if name.startswith(RAW) or changes.is_finite(value) else "it read what is not finite"
    except ThasError:
        return "refused"
    except TooSlow as error:
        return f"too long a time: {error}"
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}"


def work(name: str, folder: Path, first: int, count: int, seed: int, seconds: float, now: mmap.mmap) -> Iterator[str]:
    """In the child: what is to be told of inputs that failed, and at the end and every thousand inputs of all."""
    warnings.simplefilter("ignore")
    path = folder / READERS[name].file
    path.parent.mkdir(parents=True, exist_ok=True)
    READERS[name].make(path)
    sound = path.read_bytes()
    said = attempt(name, path, sound)
    assert said == "read", f"{name} does not read what is sound: {said}"
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES,) * 2)
    timers, counts, longest = Timers(), {"read": 0, "refused": 0}, 0.0
    began = time.process_time()
    until = began + seconds
    for number in range(first, count):
        now[:8] = number.to_bytes(8, "little")
        draw = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
        content = changes.changed(sound, draw, READERS[name].kind)
        timers.begin()
        said = attempt(name, path, content)
        ended = time.process_time()
        longest, began = max(longest, ended - began), ended
        if said in counts:
            counts[said] += 1
        else:
            yield json.dumps({"fault": said, "number": number})
            if keep := os.environ.get("KEEP"):
                Path(keep, f"{name}-{seed}-{number}").write_bytes(content)
        last = number == count - 1 or ended > until
        if last or number % 1000 == 999:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            yield json.dumps({**counts, "longest": longest, "most": most, "last": last})
            counts = {"read": 0, "refused": 0}
        if last:
            return


def _child(answers: int, told: Iterator[str]) -> None:
    try:
        for line in told:
            os.write(answers, line.encode() + b"\n")
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(99)


def fuzz(name: str, first: int, count: int, seed: int, seconds: float) -> bool:
    """One reader; returns whether it held."""
    total, longest, most, failed = {"read": 0, "refused": 0}, 0.0, 0, 0
    kinds: dict[str, int] = {}
    now, began, last = mmap.mmap(-1, 8), time.perf_counter(), first >= count
    while not last:
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            mine, theirs = os.pipe()
            child = os.fork()
            if not child:
                os.close(mine)
                _child(theirs, work(name, Path(folder), first, count, seed, seconds, now))
            os.close(theirs)
            with os.fdopen(mine) as answers:
                for line in answers:
                    told = json.loads(line)
                    if "fault" in told:
                        failed += 1
                        kinds.setdefault(told["fault"], told["number"])
                        continue
                    total = {key: total[key] + told[key] for key in total}
                    longest, most, last = max(longest, told["longest"]), max(most, told["most"]), told["last"]
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code == 99:
                return False
            number = int.from_bytes(now[:8], "little")
            if code:
                failed += 1
                kinds.setdefault(f"its process ended with {code}", number)
            first, last = number + 1, last or number + 1 >= count
    print(
        f"{name:20} read {total['read']:6} refused {total['refused']:6} failed {failed:4} "
        f"longest {longest:.2f} s, {most} MB, {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    for kind, number in kinds.items():
        print(f"    input {number}: {kind}", flush=True)
    return not failed


if __name__ == "__main__":
    count, seed = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 1000), (2, 0)))
    first, seconds = int(os.environ.get("FIRST", "0")), float(os.environ.get("SECONDS", "inf"))
    held = [fuzz(name, first, count, seed, seconds) for name in sys.argv[3:] or READERS]
    sys.exit(0 if all(held) else 1)
