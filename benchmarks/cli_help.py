"""Processor time of `thas --help`, against that of importing the command-line library alone.

python benchmarks/cli_help.py    # the least and the median of many runs of each, alternately, and their ratios
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

REPEATS = 20


def processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    ours, theirs = [sys.executable, "-m", "thas", "--help"], [sys.executable, "-c", "import cyclopts"]
    for command in (ours, theirs):
        processor_seconds(command)  # compiles what is not compiled yet
    pairs = [(processor_seconds(ours), processor_seconds(theirs)) for _ in range(REPEATS)]
    for name, choose in (("least", min), ("median", statistics.median)):
        mine, its = (choose(column) for column in zip(*pairs, strict=True))
        print(f"{name}: thas --help {mine * 1000:.0f} ms, import cyclopts {its * 1000:.0f} ms, ratio {mine / its:.2f}")


if __name__ == "__main__":
    main()
