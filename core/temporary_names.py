"""Names of files that are being written, and the removal of those that nobody writes any more.

A cache may lie in a folder that several machines share, so a name tells the machine and the process that writes it: a
process number alone means nothing elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from .files import make_room, put_in_place, writing

_PREFIX = ".unfinished-"
# Whether a process of another machine lives cannot be seen from here; what was not touched for so long is left over.
_ABANDONED_SECONDS = 86_400.0
# What a temporary name adds at most: the prefix, the machine, the process, and what parts them.
LONGEST_ADDITION = len(_PREFIX) + 8 + 1 + 10 + 1


@cache
def _machine() -> str:
    """Eight digits for where a process number means something: this machine since it started, or a container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def process_tag() -> str:
    """What the names of this process's unfinished files begin with."""
    return f"{_machine()}.{os.getpid()}"


def unfinished_path(final: Path) -> Path:
    """Where a file is written before it gets its final name."""
    return final.with_name(f"{_PREFIX}{process_tag()}-{final.name}")


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """For libraries that write files by their names: what is written under the name given gets `path` at the end.

    The file is flushed first; if the block fails nothing is left, and what a killed process left goes with the next.

    Raises:
        DataError: It cannot be written.
    """
    temporary = unfinished_path(path)
    with writing(path):
        try:
            make_room(path)
            remove_unfinished(path.parent, own=False)
            yield temporary
            put_in_place(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path | str, *, own: bool = True) -> int:
    """Remove what killed runs left in a folder; returns how many files.

    What a living process of this machine writes stays, this one's own only if not `own`, and what another machine wrote
    to within the last day.
    """
    removed = 0
    for path in Path(folder).glob(f"{_PREFIX}*"):
        machine, dot, rest = path.name.removeprefix(_PREFIX).partition(".")
        process = rest.partition("-")[0]
        if dot and machine == _machine() and process.isdigit():
            over = own if int(process) == os.getpid() else not _alive(int(process))
        else:
            over = _age_seconds(path) > _ABANDONED_SECONDS
        if over:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def remove_unfinished_of(folder: Path | str, tag: str) -> int:
    """Remove what one process, by its `process_tag`, was writing; returns how many files."""
    removed = 0
    for path in Path(folder).glob(f"{_PREFIX}{tag}-*"):
        path.unlink(missing_ok=True)
        removed += 1
    return removed


def _age_seconds(path: Path) -> float:
    """By the disk's clock, which sets the times of files: that of this machine may be days off."""
    with tempfile.TemporaryFile(dir=path.parent) as now:
        written = os.fstat(now.fileno()).st_mtime
    try:
        return written - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
