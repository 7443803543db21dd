"""Arrays out of pickles, of numpy's, torch's and plain ones, by the restricted reader.

Of torch.save's files, which are read without torch, both forms are: the zip archive of today (`data.pkl` beside a file
a storage) and the row of pickles before 1.6. What a tensor claims is checked against the bytes that are there, so that
a small file cannot ask for much memory.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..core.narrowing import is_array, is_dict, is_row, is_tuple
from ..core.reading import check_expansion
from .pickles import Restricted, reading_arrays
from .stand_ins import StorageType, flat, refused, shaped


def unpickle(content: bytes) -> object:
    """The value of a pickle that holds arrays, tensors, texts, numbers and tables of them alone."""
    return Restricted(io.BytesIO(content), load_bytes=read_torch_bytes).read_value()


def npy_heading(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type, by the head of a .npy file."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def load_array(path: Path) -> np.ndarray:
    """An array from a .npy file; object arrays by the restricted reader.

    Raises:
        FeatureError: It is no array, is cut off, or its pickle asks for anything but arrays, texts and bytes.
    """
    with reading_arrays(path, next="save plain arrays with numpy.save"), open(path, "rb") as file:
        shape, fortran, dtype = npy_heading(file)
        if dtype.hasobject:
            if dtype.kind != "O":
                raise refused(f"it asks for an array of {dtype}")
            loaded = unpickle(file.read())
            objects = loaded.reshape(-1) if is_array(loaded) else flat(loaded, np.dtype(object))
            return shaped(objects, shape, fortran=fortran)
        rest = path.stat().st_size - file.tell()
        if dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize > rest:
            raise refused(f"it claims {shape} of {dtype} and holds {rest} bytes")
        return shaped(np.fromfile(file, dtype, math.prod(shape)), shape, fortran=fortran)


def load_tree(path: Path) -> dict[str, np.ndarray]:
    """Arrays from a plain pickle of nested tables, by the restricted reader; their names joined by dots.

    Raises:
        FeatureError: It is cut off, holds anything but tables of numeric arrays, or asks for anything else.
    """
    with reading_arrays(path, next="take the file as it was published"):
        return dict(_leaves(unpickle(path.read_bytes()), ""))


def _leaves(tree: object, name: str) -> Iterator[tuple[str, np.ndarray]]:
    if is_dict(tree):
        for key, value in tree.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    elif is_array(tree) and tree.dtype.kind in "fiu":
        yield name, np.array(tree)  # of our own memory: what a pickle holds may not be written to
    else:
        raise refused(f"{name or 'it'} is no array of numbers but a {type(tree).__name__}")


_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_NESTING = 3


def read_torch_bytes(content: object, *, nesting: int = 0) -> object:
    """The contents of a .pt or .pth file: arrays, or lists and tables of them.

    Raises:
        Exception: Of many kinds, where the file is damaged or asks for anything but numbers.
    """
    if not isinstance(content, bytes) or nesting > _NESTING:
        raise refused("it is no file of torch.save")
    if content[:2] == b"PK":
        return _read_archive(content, nesting)
    return _read_legacy(content, nesting)


def numbers(raw: bytes, dtype: str) -> np.ndarray:
    """A storage's bytes as numbers; bfloat16 as float32, of which it is the upper half."""
    if dtype == "bfloat16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(raw, dtype)


def _width(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _value(content: bytes, persistent: Callable[[object], np.ndarray], nesting: int) -> object:
    def inside(inner: object = b"") -> object:
        return read_torch_bytes(inner, nesting=nesting + 1)

    return Restricted(io.BytesIO(content), persistent=persistent, load_bytes=inside).read_value()


def _read_archive(content: bytes, nesting: int) -> object:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        check_expansion(len(content), sum(member.file_size for member in members.values()))
        pickles = [name for name in members if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(pickles) != 1:
            raise refused("it holds no data.pkl, as files of torch.save do")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in members and archive.read(f"{folder}byteorder") != b"little":
            raise refused("its numbers are big-endian")
        storages: dict[str, np.ndarray] = {}

        def persistent(pid: object) -> np.ndarray:
            kind, key, _ = _storage_of(pid)
            if key not in storages:
                storages[key] = numbers(archive.read(f"{folder}data/{key}"), kind.dtype)
            return storages[key]

        return _value(archive.read(pickles[0]), persistent, nesting)


def _storage_of(pid: object) -> tuple[StorageType, str, int]:
    """Kind, key and number of numbers of what a pickle keeps outside itself; -1 if it does not say how many."""
    what, kind, key, _, count = (*pid, None, None, None, None, None)[:5] if is_tuple(pid) else (None,) * 5
    if what != "storage" or not isinstance(kind, StorageType):
        raise refused("its tensors are not kept as torch keeps them")
    return kind, str(key)[:200], count if type(count) is int else -1


def _read_legacy(content: bytes, nesting: int) -> object:
    """Pickles of a magic number, a version, the machine's sizes, the contents and the storages' keys; then bytes."""
    file = io.BytesIO(content)
    if Restricted(file).read_value() != _LEGACY_MAGIC:
        raise refused("it is no file of torch.save")
    for _ in range(2):
        Restricted(file).read_value()
    start = file.tell()
    kinds: dict[str, tuple[str, int]] = {}

    def note(pid: object) -> np.ndarray:
        kind, key, count = _storage_of(pid)
        if not 0 <= count * _width(kind.dtype) <= len(content):
            raise refused(f"it claims a storage of {count} numbers")
        kinds[key] = kind.dtype, count
        return np.zeros(count, np.uint8)

    # The storages lie behind the contents that refer to them, so these are read twice.
    first = Restricted(file, persistent=note)
    first.load()
    keys = Restricted(file).read_value()
    if not is_row(keys):
        raise refused("it does not say in which order its storages lie")
    storages: dict[str, np.ndarray] = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        dtype, claimed = kinds[str(key)]
        raw = file.read(count * _width(dtype)) if count == claimed else b""
        if len(raw) != claimed * _width(dtype):
            raise refused(f"storage {str(key)[:40]} is cut off")
        storages[str(key)] = numbers(raw, dtype)
    return _value(content[start:], lambda pid: storages[_storage_of(pid)[1]], nesting)
