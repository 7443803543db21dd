"""Damage in the structure of an HDF5 file that HDF5's library does not survive: found before the library reads it.

Three of its loops follow what the file says and never ask whether they have been there: objects of a heap of texts that
take no room are read for ever, a list of free places that leads back into itself fills the memory, and a tree of names
whose branch is the tree itself ends the process. Each is found by its signature, so that nothing is missed that the
library could come to. The format: The HDF Group, "HDF5 File Format Specification", III.A.1, III.D and III.E.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NO_FREE_PLACE = 1


def check_structure(path: Path, *, heaps_alone: bool = False) -> None:
    """Refuse a file whose structure leads back into itself. Costs 2 ms a megabyte, once for each state of a file.

    With `heaps_alone` only what concerns texts of variable length is looked at.

    Raises:
        ValueError: It is such a file, or one with addresses of other than 8 bytes, which nobody writes.
        OSError: It cannot be read.
    """
    about = path.stat()
    _check(path, about.st_size, about.st_mtime_ns, heaps_alone)


@lru_cache(maxsize=1024)
def _check(path: Path, size: int, changed: int, heaps_alone: bool) -> None:
    if not size:
        return
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as file:
        base = _base(file)
        for at in _places(file, b"GCOL"):
            _check_texts(file, at)
        if not heaps_alone:
            for at in _places(file, b"HEAP"):
                _check_names(file, at, base)
            for at in _places(file, b"TREE"):
                _check_tree(file, at, base)


def _base(file: mmap.mmap) -> int:
    """What addresses count from: where the superblock lies, or what it says."""
    at = 0
    while at < len(file) and file[at : at + 8] != _SIGNATURE:
        at = 2 * at or 512
    head = file[at : at + 32]
    if len(head) < 32:
        raise ValueError("it is no HDF5 file")
    version = head[8]
    sizes = head[13:15] if version < 2 else head[9:11]
    if sizes != b"\x08\x08":
        raise ValueError(f"its addresses have {sizes[0]} bytes, its lengths {sizes[1]}, not 8")
    return int.from_bytes(head[24:32] if version < 2 else head[12:20], "little")


def _places(file: mmap.mmap, signature: bytes) -> Iterator[int]:
    at = file.find(signature)
    while at >= 0:
        yield at
        at = file.find(signature, at + 1)


def _numbers(file: mmap.mmap, at: int, form: str) -> tuple[int, ...]:
    """Little-endian numbers; none where the file ends before."""
    size = struct.calcsize("<" + form)
    return struct.unpack("<" + form, file[at : at + size]) if 0 <= at <= len(file) - size else ()


def _check_texts(file: mmap.mmap, start: int) -> None:
    """A global heap collection: its objects, one behind the other, each take some room."""
    heading = _numbers(file, start + 4, "B3xQ")
    if not heading or heading[0] != 1 or start + heading[1] > len(file):
        return  # chance, in some numbers; or the library refuses it
    at, end = start + 16, start + heading[1]
    while end - at >= 16:
        index, size = _numbers(file, at, "H6xQ")
        taken = 16 + -(-size // 8) * 8 if index else size
        if not 0 < taken <= end - at:
            raise ValueError("its texts of variable length are damaged")
        at += taken


def _check_names(file: mmap.mmap, start: int, base: int) -> None:
    """A local heap: its list of free places comes to an end."""
    heading = _numbers(file, start + 4, "B3xQQQ")
    if not heading or heading[0] != 0:
        return
    _, size, free, address = heading
    seen: set[int] = set()
    while free != _NO_FREE_PLACE and free < size:
        if free in seen:
            raise ValueError("its list of names leads back into itself")
        seen.add(free)
        following = _numbers(file, base + address + free, "Q")
        if not following:
            return
        free = following[0]


def _check_tree(file: mmap.mmap, start: int, base: int) -> None:
    """A tree of a group's members: below a node of a level are nodes of the level below."""
    heading = _numbers(file, start + 4, "BBH")
    if not heading or heading[0] != 0 or heading[1] == 0:
        return  # a tree of chunks, which the library checks, or a node whose members are no nodes
    _, level, used = heading
    for member in range(used):
        child = _numbers(file, start + 32 + 16 * member, "Q")
        below = _numbers(file, base + child[0], "4sBB") if child else ()
        if below and below != (b"TREE", 0, level - 1):
            raise ValueError("its tree of members leads back into itself")
