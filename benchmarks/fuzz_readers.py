"""Change the bytes of every kind of file that comes from elsewhere, and see that its reader only ever names the fault.

    python benchmarks/fuzz_readers.py [INPUTS A READER, 1000 by default] [SEED] [READER ...]

Prints, for each reader, how many inputs were read, refused by a named error, and failed otherwise (with the first such
input), the longest time and the most memory taken since the start. The exit code is 1 if anything failed. From the
checkout, with the readers of the tests.
"""

from __future__ import annotations

import importlib
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from thas.core.errors import ThasError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
readers = importlib.import_module("tests.fuzzed_readers")


def fuzz(name: str, count: int, seed: int) -> bool:
    """One reader; returns whether it held."""
    reader = readers.READERS[name]
    draw = np.random.default_rng([seed, sum(name.encode())])
    read = refused = failed = 0
    longest, first = 0.0, ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / reader.file
        reader.make(path)
        sound = path.read_bytes()
        for _ in range(count):
            content = readers.changed(sound, draw)
            path.write_bytes(content)
            began = time.perf_counter()
            fault = ""
            try:
                if not readers.is_finite(reader.read(path)) and not name.startswith(("import_", "weights_")):
                    fault = "it read what is not finite"
                read += 1
            except ThasError:
                refused += 1
            except Exception as error:
                fault = f"{type(error).__name__}: {str(error)[:100]}"
            longest = max(longest, time.perf_counter() - began)
            if fault:
                failed += 1
                first = first or f"{fault} from {content[:200]!r}"
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name:20} read {read:6} refused {refused:6} failed {failed:4} longest {longest:.2f} s, {megabytes} MB")
    if first:
        print(f"    {first}")
    return not failed and longest < 5


if __name__ == "__main__":
    count, seed = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 1000), (2, 0)))
    held = [fuzz(name, count, seed) for name in sys.argv[3:] or readers.READERS]
    sys.exit(0 if all(held) else 1)
