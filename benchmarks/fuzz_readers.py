"""Change the bytes and parts of every kind of file from elsewhere, and see that its reader only ever names the fault.

    python benchmarks/fuzz_readers.py [INPUTS A READER, 1000 by default] [SEED] [READER ...]

Each reader works in a process of its own that may take one gigabyte beyond what it has at the start; an input that
takes longer than five seconds, ends the process, raises anything but a named error, or is read and not finite, is a
failure. Prints, for each reader, how many inputs were read, refused and failed (with the first of each kind), the
longest time and the most memory. An input follows from the seed, the reader's name and its number. The exit code is 1
if anything failed. From the checkout, with the readers of the tests; `KEEP=FOLDER` keeps the inputs that failed.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path

import numpy as np

from thas.core.errors import ThasError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
changes = importlib.import_module("tests.fuzz_changes")
readers = importlib.import_module("tests.fuzzed_readers")
others = importlib.import_module("tests.fuzzed_others")
annotators = importlib.import_module("tests.fuzzed_annotators")
READERS = {**readers.READERS, **others.OTHERS, **annotators.ANNOTATORS}
SECONDS, BYTES = 5.0, 1 << 30
# Features and weights from elsewhere may hold NaN: refused where they go into a cache or a network.
RAW = ("import_", "weights_")


class TooSlow(BaseException):
    """Raised by the alarm."""


def _alarm(*_: object) -> None:
    raise TooSlow


def attempt(name: str, path: Path, content: bytes) -> str:
    """What a reader does with an input: "read", "refused", or a fault."""
    path.write_bytes(content)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        value = READERS[name].read(path)
        return "read" if name.startswith(RAW) or changes.is_finite(value) else "it read what is not finite"
    except ThasError:
        return "refused"
    except TooSlow:
        return f"longer than {SECONDS:g} s"
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def work(name: str, folder: Path, first: int, count: int, seed: int, answers: int) -> None:
    """In the child: tell of each input that failed, and at the end and every thousand inputs of all."""
    signal.signal(signal.SIGALRM, _alarm)
    warnings.simplefilter("ignore")
    path = folder / READERS[name].file
    path.parent.mkdir(parents=True, exist_ok=True)
    READERS[name].make(path)
    sound = path.read_bytes()
    assert attempt(name, path, sound) == "read", f"{name} does not read what is sound: {attempt(name, path, sound)}"
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES,) * 2)
    counts, longest = {"read": 0, "refused": 0}, 0.0
    for number in range(first, count):
        os.write(answers, b"%d\n" % number)
        content = changes.changed(
            sound, np.random.default_rng([seed, zlib.crc32(name.encode()), number]), READERS[name].kind
        )
        began = time.perf_counter()
        said = attempt(name, path, content)
        longest = max(longest, time.perf_counter() - began)
        if said in counts:
            counts[said] += 1
        else:
            os.write(answers, (json.dumps({"fault": said, "number": number}) + "\n").encode())
            if keep := os.environ.get("KEEP"):
                Path(keep, f"{name}-{seed}-{number}").write_bytes(content)
        if number == count - 1 or number % 1000 == 999:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            os.write(answers, (json.dumps({**counts, "longest": longest, "most": most}) + "\n").encode())
            counts = {"read": 0, "refused": 0}


def fuzz(name: str, count: int, seed: int) -> bool:
    """One reader; returns whether it held."""
    total, longest, most, failed = {"read": 0, "refused": 0}, 0.0, 0, 0
    kinds: dict[str, int] = {}
    first, began = 0, time.perf_counter()
    while first < count:
        with tempfile.TemporaryDirectory() as folder:
            mine, theirs = os.pipe()
            child = os.fork()
            if not child:
                try:
                    os.close(mine)
                    work(name, Path(folder), first, count, seed, theirs)
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    os._exit(99)
            os.close(theirs)
            number = first
            with os.fdopen(mine) as answers:
                for line in answers:
                    told = json.loads(line)
                    if isinstance(told, int):
                        number = told
                    elif "fault" in told:
                        failed += 1
                        kinds.setdefault(told["fault"], told["number"])
                    else:
                        total = {key: total[key] + told[key] for key in total}
                        longest, most = max(longest, told["longest"]), max(most, told["most"])
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code == 99:
                return False
            if code:
                failed += 1
                kinds.setdefault(f"its process ended with {code}", number)
            first = number + 1
    rate = count / (time.perf_counter() - began)
    print(
        f"{name:20} read {total['read']:6} refused {total['refused']:6} failed {failed:4} "
        f"longest {longest:.2f} s, {most} MB, {rate:.0f} a second",
        flush=True,
    )
    for kind, number in kinds.items():
        print(f"    input {number}: {kind}", flush=True)
    return not failed


if __name__ == "__main__":
    count, seed = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 1000), (2, 0)))
    held = [fuzz(name, count, seed) for name in sys.argv[3:] or READERS]
    sys.exit(0 if all(held) else 1)
