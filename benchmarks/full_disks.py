"""Let every command that writes meet folders that are read-only and disks that are full, as another user than root.

    unshare -m python benchmarks/full_disks.py [DISKS A COMMAND, 3 by default] [SEED] [COMMAND ...]

For root, on Linux. Each command (the same as in benchmarks/kills.py) runs as the user nobody, who must be able to read
Python and the checkout, and meets a folder that is read-only, a disk that is mounted read-only, one that is full, and
as many less one that fill up on the way: it must say so, leave no unfinished file, and make the same when it is typed
again with room. Prints a row a disk; the exit code is 1 if anything was lost.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from kill_cases import COMMANDS, Command
from kills import finished, kept, listing, made, main, undisturbed

_NOBODY = 65534
_FULL = re.compile("disk is full")
_CLOSED = re.compile("Permission denied|[Rr]ead-only")
# A file that could be read is not to be removed.
_WRONG = re.compile(r"Traceback|did not foresee|next: remove|\.unfinished")


def refuse(name: str, count: int, seed: int, root: Path) -> bool:
    """What one command does where it may not write, and on disks that fill up: whether all was told and came back."""
    command, base, work = COMMANDS[name], made(COMMANDS[name], root), root / "work"
    work.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", work], check=True)
    try:

        def fresh(owner: int = _NOBODY) -> None:
            _resized(work, "rw,size=2G")
            _closed(work, to=0o755)
            for path in list(work.iterdir()):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            shutil.copytree(base, work, symlinks=True, dirs_exist_ok=True)
            for path in (work, *work.rglob("*")):
                os.chown(path, owner, owner, follow_symlinks=False)

        fresh(0)
        before, had = listing(work), _used(work)
        expected, usual, _ = undisturbed(name, work)
        needed = _used(work) - had
        fresh()
        _closed(work, to=0o555)
        held = _told(name, "read-only", command, work, before, None)
        fresh()
        _resized(work, "ro")
        held &= _told(name, "mounted ro", command, work, before, None)
        draw = np.random.default_rng([seed, len(name)])
        for number in range(count):
            fresh()
            room = int(draw.uniform(0, needed)) // 4096 * 4096 if number else 0
            _resized(work, f"rw,size={_used(work) + room}")
            held &= _told(name, f"{room >> 10} KiB left", command, work, usual, expected)
        return held
    finally:
        subprocess.run(["umount", work], check=True)


def _resized(work: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", work], check=True)


def _used(work: Path) -> int:
    disk = os.statvfs(work)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


def _closed(work: Path, *, to: int) -> None:
    for path in (work, *work.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(to)


def _as_nobody(work: Path) -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)
    os.environ |= {"HOME": str(work), "TMPDIR": str(work)}
    tempfile.tempdir = None


def _told(name: str, what: str, command: Command, work: Path, usual: set[str], expected: dict[str, str] | None) -> bool:
    """Whether a command that cannot write says so itself, leaves nothing unfinished, and makes the same with room."""
    code, said, _ = finished(command.types, work, lambda: _as_nobody(work))
    why = _FULL if expected is not None else _CLOSED
    told = code in (1, 3) and why.search(said) is not None and not _WRONG.search(said)
    if code == 0 and expected is not None:  # it had room enough
        told = kept(command, work) == expected
    left, back = sorted(listing(work) - usual), ""
    if expected is not None:
        _resized(work, "rw,size=2G")
        again = command.again if any(work.glob("new/**/settings.toml")) else ()
        ended, last, _ = finished([*command.types, *again], work, lambda: _as_nobody(work))
        if ended != 0 or kept(command, work) != expected:
            back = f", NOT THE SAME with room: exit {ended}: {last.strip()[-300:]!r}"
    print(
        f"{name:22} {what:14} exit {code} {'told' if told else 'NOT TOLD'}, left over: {left[:3] or 'none'}{back}: "
        f"{said.strip()[-300:]!r}",
        flush=True,
    )
    return told and not left and not back


if __name__ == "__main__":
    for place in (tempfile.gettempdir(), os.__file__, __file__):
        for parent in Path(place).resolve().parents:
            assert parent.stat().st_mode & 0o001, f"nobody may not enter {parent}, which {place} is in"
    count, seed = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 3), (2, 0)))
    sys.exit(main(refuse, count, seed, *sys.argv[3:]))
