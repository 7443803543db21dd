"""Numeric arrays of MATLAB's files of versions 5 to 7.2, each built from parts that are checked before it is.

scipy reads these files too, but in compiled code that a damaged file of 200 bytes ends together with the process.
The format: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..core.reading import check_expansion

_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers may be stored, by the type in their tag."""
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""What arrays hold, by class: MATLAB stores an array of doubles that are small whole numbers in fewer bytes."""
_COMPLEX = 0x0800
_HEADING = 1 << 16
"""Bytes of a compressed array that are unpacked to learn its name and shape."""


@dataclass(frozen=True)
class Stored:
    """An array in a file, not yet read: its sizes, whether it holds numbers, and what gives it."""

    shape: tuple[int, ...]
    numeric: bool
    read: Callable[[], np.ndarray]


def is_level_5(path: Path) -> bool:
    """Whether a file is of versions 5 to 7.2; those of version 4 have a zero in their first four bytes."""
    with path.open("rb") as file:
        head = file.read(128)
    return len(head) == 128 and 0 not in head[:4] and head[126:] in (b"IM", b"MI")


def matlab_arrays(path: Path) -> dict[str, Stored]:
    """Arrays of real numbers in a file of level 5, by name, each read in the type that MATLAB holds it in.

    Text, cells, structures and the like are left out.

    Raises:
        ValueError: It is damaged, or an array claims more than the file can hold.
    """
    size = path.stat().st_size
    found: dict[str, Stored] = {}
    with path.open("rb") as file:
        order = ">" if file.read(128)[126:] == b"MI" else "<"
        while tag := file.read(8):
            kind, length = (int(number) for number in np.frombuffer(_whole(tag, 8), f"{order}u4"))
            start = file.tell()
            if start + length > size:
                raise ValueError(f"it ends within an array of {length} bytes")
            if kind in (_MATRIX, _COMPRESSED):
                packed = kind == _COMPRESSED
                heading = _heading(_unpacked(file, length, _HEADING, packed=packed), order)
                if heading is not None:
                    name, shape, dtype, offset = heading
                    count = math.prod(shape)
                    check_expansion(size, count * np.dtype(dtype).itemsize)

                    def read(
                        start: int = start,
                        length: int = length,
                        packed: bool = packed,
                        shape: tuple[int, ...] = shape,
                        dtype: str = dtype,
                        offset: int = offset,
                    ) -> np.ndarray:
                        with path.open("rb") as file:
                            file.seek(start)
                            # Numbers take at most eight bytes each, their tag eight, and padding: with one byte
                            # more the end of what is compressed, and with it its checksum, is always reached.
                            most = offset + 16 + 8 * math.prod(shape) + 1
                            content = _unpacked(file, length, most, packed=packed)
                        return _numbers(content[offset:], order, shape).astype(dtype)

                    found[name] = Stored(shape, True, read)
            file.seek(start + length)
    return found


def _whole(content: bytes, count: int) -> bytes:
    if len(content) < count:
        raise ValueError(f"it ends {count - len(content)} bytes too early")
    return content[:count]


def _unpacked(file: BinaryIO, length: int, most: int, *, packed: bool) -> bytes:
    """The first bytes of an array, at most so many; of a compressed one, without the tag that lies within."""
    if not packed:
        return file.read(min(length, most))
    inflate = zlib.decompressobj()
    content = inflate.decompress(file.read(length), most + 8)
    if len(content) < most + 8 and not inflate.eof:
        raise ValueError("what is compressed in it is cut off")
    return content[8:]


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes, int]]:
    """The parts of an array one after the other: type, bytes (fewer where the content ends), where the next begins."""
    at = 0
    while True:
        first, second = (int(number) for number in np.frombuffer(_whole(content[at : at + 8], 8), f"{order}u4"))
        if first >> 16:  # up to four bytes stand in the tag itself
            yield first & 0xFFFF, content[at + 4 : at + 4 + min(first >> 16, 4)], at + 8
            at += 8
        else:
            yield first, content[at + 8 : at + 8 + second], at + 8 + second + -second % 8
            at += 8 + second + -second % 8


def _heading(content: bytes, order: str) -> tuple[str, tuple[int, ...], str, int] | None:
    """Name, shape, type and where the numbers begin; None for what is no array of real numbers."""
    parts = _elements(content, order)
    _, flags, _ = next(parts)
    word = int(np.frombuffer(_whole(flags, 4), f"{order}u4")[0])
    if (word & 0xFF) not in _CLASSES or word & _COMPLEX:
        return None
    kind, sizes, _ = next(parts)
    if kind not in (5, 6) or len(sizes) % 4 or not 2 <= len(sizes) // 4 <= 32:
        raise ValueError(f"the shape of an array is of type {kind} and {len(sizes)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(sizes, f"{order}i4"))
    if min(shape) < 0:
        raise ValueError(f"an array has the shape {shape}")
    _, title, start = next(parts)
    name = title.decode("latin-1")
    if not name:  # what MATLAB keeps for itself
        return None
    return name, shape, _CLASSES[word & 0xFF], start


def _numbers(content: bytes, order: str, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers of an array, whose first index runs fastest, from the part that holds them."""
    kind, stored, _ = next(_elements(content, order))
    if kind not in _STORED:
        raise ValueError(f"its numbers are stored as type {kind}")
    dtype = np.dtype(f"{order}{_STORED[kind]}")
    if len(stored) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"an array {shape} has {len(stored)} bytes of {dtype}")
    return np.frombuffer(stored, dtype).reshape(shape, order="F")
