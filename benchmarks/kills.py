"""Kill every command that writes, at random moments and at its file operations, and see what comes back.

    python benchmarks/kills.py [KILLS A COMMAND, 30 by default] [SEED] [COMMAND ...]

Each command runs in a forked process on tiny data (nothing is imported anew) and is killed with SIGKILL: half of the
times at a random moment, else just before one of its file operations (opening to write, renaming, removing, making a
folder), drawn at random. Then it is typed again as its message says (`--resume` where it trains), and what it made is
compared with an undisturbed run: the same bytes of what is named under `keeps`, and no file that an undisturbed run
does not leave. Prints a row a command; the exit code is 1 if anything was lost.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from kill_cases import COMMANDS, MAKERS, MODULES, TYPED, Command

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))


def prepare(needs: tuple[str, ...], work: Path, made: set[str]) -> None:
    """Make what is needed, once each."""
    for name in needs:
        if name not in made:
            made.add(name)
            if name in MAKERS:
                MAKERS[name](work)
                continue
            before, commands = TYPED[name]
            prepare((before,), work, made)
            for tokens in commands:
                code, said, _ = finished(tokens, work)
                assert code == 0, f"{tokens}: {code}\n{said}"


def made(command: Command, root: Path) -> Path:
    """A folder with what a command needs, made once for all commands that need the same."""
    base = root / "made" / "-".join(command.needs)
    if not base.exists():
        work = root / "work"
        shutil.rmtree(work, ignore_errors=True)  # what the command before was killed in
        work.mkdir()
        prepare(command.needs, work, set())
        shutil.copytree(work, base, symlinks=True)
        shutil.rmtree(work)
    return base


def _child(tokens: list[str], work: Path, output: int, limit: Callable[[], None]) -> None:
    """In the forked process: a group of its own, the working folder, the output, then the command."""
    os.setsid()
    os.chdir(work)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ |= {"NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    from thas.cli import run

    limit()
    code = 70
    try:
        code = run(tokens)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def start(tokens: list[str], work: Path, limit: Callable[[], None] = lambda: None) -> tuple[int, Path]:
    """A command under way: its process, and the file of its output."""
    handle, name = tempfile.mkstemp(dir=work.parent)
    child = os.fork()
    if not child:
        try:
            _child(tokens, work, handle, limit)
        except BaseException:
            os._exit(71)
    os.close(handle)
    return child, Path(name)


def finished(tokens: list[str], work: Path, limit: Callable[[], None] = lambda: None) -> tuple[int, str, float]:
    """A command to its end: exit code, output, seconds."""
    began = time.monotonic()
    child, output = start(tokens, work, limit)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = output.read_text(errors="replace")
    output.unlink()
    return code, said, time.monotonic() - began


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def file_steps(then: Callable[[int], None]) -> Callable[[], None]:
    """Call `then` with a running number before each file operation of a process."""

    def limit() -> None:
        steps = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal steps
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
            if writes or event in {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod"}:
                steps += 1
                then(steps)

        sys.addaudithook(hook)

    return limit


def steps_of(tokens: list[str], work: Path) -> int:
    """How many file operations an undisturbed run makes."""
    place = work.parent / "steps"
    finished(tokens, work, file_steps(lambda step: os.truncate(place, step)))
    return place.stat().st_size


def listing(work: Path) -> set[str]:
    """Every file, the times in names of runs left out, and what may differ: logs of trainings and locks."""
    found: set[str] = set()
    for path in work.rglob("*"):
        if path.is_file() and path.name not in {".lock"}:
            parts = ["RUN" if part[:2] == "20" and part[8:9] == "-" else part for part in path.relative_to(work).parts]
            found.add("/".join(parts))
    return found


def kept(command: Command, work: Path) -> dict[str, str]:
    """The hashes of what must come back, of the newest of several runs."""
    found: dict[str, str] = {}
    for pattern in command.keeps:
        for path in sorted(work.glob(pattern)):
            parts = ["RUN" if part[:2] == "20" and part[8:9] == "-" else part for part in path.relative_to(work).parts]
            found["/".join(parts)] = _digest(path)
    return found


def _digest(path: Path) -> str:
    """Of a file's bytes; of HDF5, results and pages without the times and places that they note."""
    if path.suffix == ".xlsx":  # the workbook says when it was made
        with zipfile.ZipFile(path) as archive:
            members = [archive.read(one) for one in archive.namelist() if one != "docProps/core.xml"]
        return hashlib.sha256(b"".join(members)).hexdigest()
    if path.suffix == ".h5":
        import h5py

        sums: list[str] = []
        with h5py.File(path) as file:
            file.visititems(
                lambda name, one: (
                    sums.append(name + hashlib.sha256(one[()].tobytes()).hexdigest())
                    if isinstance(one, h5py.Dataset)
                    else None
                )
            )
        return hashlib.sha256("".join(sums).encode()).hexdigest()
    content = path.read_bytes()
    if path.suffix == ".html":  # a page says in which minute it was made
        content = re.sub(rb"made \d{4}-\d\d-\d\d \d\d:\d\d by", b"made by", content)
    if path.suffix == ".json":
        told = json.loads(content)
        content = json.dumps(told.get("results", told) if isinstance(told, dict) else told).encode()
    return hashlib.sha256(content).hexdigest()


def undisturbed(name: str, work: Path) -> tuple[dict[str, str], set[str], float]:
    """What a command leaves that nobody kills: the hashes, the names of all files, and how long it took."""
    code, said, seconds = finished(COMMANDS[name].types, work)
    assert code == 0, f"{name} ends with {code}:\n{said}"
    expected = kept(COMMANDS[name], work)
    assert expected, f"{name} made nothing of {COMMANDS[name].keeps}"
    return expected, listing(work), seconds


def kill(name: str, count: int, seed: int, root: Path) -> bool:
    """One command's row; returns whether everything came back."""
    command, base, work = COMMANDS[name], made(COMMANDS[name], root), root / "work"
    (root / "steps").write_bytes(b"")

    def fresh() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(base, work, symlinks=True)

    fresh()
    expected, usual, seconds = undisturbed(name, work)
    fresh()
    steps = steps_of(command.types, work)
    draw = np.random.default_rng([seed, len(name)])
    same = killed = 0
    orphans: dict[str, int] = {}
    wrong: list[str] = []
    for number in range(count):
        fresh()
        if number % 2:
            child, output = start(command.types, work)
            time.sleep(float(draw.uniform(0, seconds)))
            if os.waitpid(child, os.WNOHANG)[0] == 0:
                try:
                    os.killpg(child, signal.SIGKILL)
                except ProcessLookupError:  # forked just now, and no group yet
                    os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                killed += 1
            output.unlink()
        else:
            at = int(draw.integers(1, steps + 1))
            killed += finished(command.types, work, file_steps(lambda step, at=at: _die(step, at)))[0] < 0
        tokens = command.types
        if command.again and any(work.glob("new/**/settings.toml")):
            tokens = [*command.types, *command.again]
        code, said, _ = finished(tokens, work)
        if code != 0 and tokens != command.types and "--resume" in tokens:  # all came to its end before
            code, said, _ = finished(command.types, work)
        back = kept(command, work)
        if code == 0 and back == expected:
            same += 1
        else:
            differ = sorted(key for key in {*back, *expected} if back.get(key) != expected.get(key))
            wrong.append(f"kill {number}: exit {code}, differ {differ[:3]}: {said.strip()[-200:]!r}")
        for orphan in sorted(listing(work) - usual):
            orphans[_general(orphan)] = orphans.get(_general(orphan), 0) + 1
    left = ", ".join(f"{key} {value}x" for key, value in orphans.items()) or "none"
    print(f"{name:22} kills {killed:3} of {count}, steps {steps:4}, same {same:3}, left over: {left}", flush=True)
    for line in wrong[:5]:
        print(f"    {line}", flush=True)
    return same == count


def _general(name: str) -> str:
    """An orphan without what was drawn for its name."""
    return re.sub(r"\.[a-z0-9_]{8}\.part$", ".*.part", re.sub(r"\d{4,}", "N", name))


def _die(step: int, at: int) -> None:
    if step == at:
        os.killpg(0, signal.SIGKILL)


def main(trial: Callable[[str, int, int, Path], bool], count: int, seed: int, *names: str) -> int:
    """One trial of each command named, or of all."""
    names = names or tuple(COMMANDS)
    for module in MODULES if any(COMMANDS[name].heavy for name in names) else MODULES[:1]:
        importlib.import_module(module)  # once, before the forks
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        held = True
        for name in names:
            try:
                held = trial(name, count, seed, root) and held
            except AssertionError as error:  # the others are tried all the same
                held = False
                print(f"{name:22} {error}", flush=True)
        return 0 if held else 1


if __name__ == "__main__":
    count, seed = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 30), (2, 0)))
    sys.exit(main(kill, count, seed, *sys.argv[3:]))
