"""Files of torch.save, read without torch: tensors of any type, parameters, lists and tables, as numpy arrays.

Both forms are read: the zip archive of today (`data.pkl` beside a file a storage) and the row of pickles before 1.6.
What a tensor claims is checked against the bytes that are there, so that a small file cannot ask for much memory.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from ..core.bounds import check_expansion
from ..core.narrowing import is_row, is_tuple
from .pickles import Restricted
from .stand_ins import StorageType, refused

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
