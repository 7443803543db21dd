"""Localization of a data set in one process, over two, on Ray, and on Ray with a worker killed: bytes, time, memory.

    python benchmarks/temporal_spread.py                  # 500 videos, 200 classes
    python benchmarks/temporal_spread.py --localize 5000

The data set is that of temporal_scale.py. Each way is the command as typed, in a process of its own whose descendants
are watched: their processor time, and the most memory of all together that is no other process's as well. Of the killed
worker it is said how long it had worked; Ray does its job again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from temporal_scale import make

from thas.core.resume import Begin
from thas.temporal_has.session import train_run
from thas.temporal_has.settings import Settings

WAYS = {
    "one process": ["--workers", "1"],
    "two": ["--workers", "2"],
    "Ray": ["--engine", "ray"],
    "Ray, a worker killed": ["--engine", "ray"],
}


class Watched:
    """A command and all its descendants, looked at ten times a second (Linux)."""

    def __init__(self, command: list[str], *, kill_after: float | None) -> None:
        self.seconds: dict[int, float] = {}  # of the processor, by process
        self.peak, self.killed = 0, 0.0
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            family = self._family(process.pid)
            self.peak = max(self.peak, sum(own_kilobytes(pid) for pid in family))
            for pid in family if kill_after is not None and not self.killed else ():
                if self.seconds[pid] > kill_after and command_of(pid).startswith("ray::_do"):
                    os.kill(pid, signal.SIGKILL)
                    self.killed = self.seconds[pid]
                    break
            time.sleep(0.1)
        self.wall, self.code = time.monotonic() - began, process.returncode

    def _family(self, top: int) -> list[int]:
        """The process and its descendants, whose times are kept."""
        parents: dict[int, int] = {}
        seconds: dict[int, float] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text(errors="replace").rpartition(")")[2].split()
                parents[int(path.parent.name)] = int(fields[1])
                seconds[int(path.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        family = [top]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        self.seconds |= {pid: seconds[pid] for pid in family if pid in seconds}
        return [pid for pid in family if pid in seconds]


def own_kilobytes(pid: int) -> int:
    """Memory that is no other process's as well; 0 of one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private"))


def command_of(pid: int) -> str:
    """As ps shows it; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def sums(folder: Path) -> dict[str, str]:
    """What is written, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in sorted(folder.iterdir())}


def main() -> None:
    """Measure, and print one JSON object; exit code 1 where bytes differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--localize", type=int, default=500)
    parser.add_argument("--kill-after", type=float, default=8.0, help="processor seconds, a worker's start among them")
    given = parser.parse_args()
    about: dict[str, object] = {"videos": given.localize}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "set"
        folder.mkdir()
        make(folder, 100, 10, given.localize)
        settings = Settings().updated({"train.epochs": 2, "train.device": "cpu", "hide.probability": 0.0})
        run = train_run(str(folder), settings=settings, begin=Begin(Path(scratch) / "runs")).run
        first: dict[str, str] | None = None
        same = True
        for i, (way, options) in enumerate(WAYS.items()):
            out = Path(scratch) / f"out{i}"
            command = [sys.executable, "-m", "thas", "localize", "--run", str(run), "--dataset", str(folder)]
            command += ["--subset", "more", "--out", str(out), "--device", "cpu", *options]
            seconds = given.kill_after if "killed" in way else None
            seen = Watched(command, kill_after=seconds)
            found = sums(out)
            first = first or found
            same &= found == first and seen.code == 0
            about[way] = {
                "exit_code": seen.code,
                "same_bytes": found == first,
                "processor_seconds": round(sum(seen.seconds.values()), 1),
                "wall_seconds": round(seen.wall, 1),
                "peak_gigabytes": round(seen.peak / 1e6, 2),
                "processes": len(seen.seconds),
            } | ({"killed_after_processor_seconds": round(seen.killed, 1)} if seconds else {})
            print(way, about[way], file=sys.stderr, flush=True)
        about["files"] = first
    print(json.dumps(about, indent=1))
    sys.exit(not same)


if __name__ == "__main__":
    main()
