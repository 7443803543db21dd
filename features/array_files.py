"""Files of arrays as other programs write them, each as a tree of names with arrays for leaves; nothing in one is run.

.npy and .npz of numpy, .pt and .pth of torch, .pkl of plain arrays, .h5, .hdf5, .mat of MATLAB, rows as .csv or .txt.
An array is read when it is asked for, and only after what it claims was compared with what the file can hold.
"""

from __future__ import annotations

import csv
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..core import hdf5
from ..core.narrowing import is_array, is_dict, is_row
from ..core.reading import check_expansion
from .matlab_files import Stored, is_level_5, matlab_arrays
from .pickled_arrays import load_array, npy_heading, read_torch_bytes, unpickle
from .pickles import reading_arrays

if TYPE_CHECKING:
    import h5py

ARRAY_SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".pkl", ".pickle", ".h5", ".hdf5", ".mat", ".csv", ".txt")


Tree: TypeAlias = "Stored | Mapping[str, Tree]"
"""A `Stored`, or names with trees."""


def open_arrays(path: Path) -> Tree:
    """What a file holds.

    Raises:
        FeatureError: It cannot be read.
    """
    with reading_arrays(path):
        return _READERS[path.suffix.lower()](path)


def _stored(array: np.ndarray) -> Stored:
    return Stored(array.shape, array.dtype.kind in "fiub", lambda: array)


def _npy(path: Path) -> Tree:
    with path.open("rb") as file:
        shape, _, dtype = npy_heading(file)
    if dtype.hasobject:
        return _tree(load_array(path), path.stat().st_size) or {}
    return Stored(shape, dtype.kind in "fiub", lambda: load_array(path))


def _npz(path: Path) -> Tree:
    size = path.stat().st_size
    found: dict[str, Stored] = {}
    archive = zipfile.ZipFile(path)  # open as long as its arrays may be read: its list of members is read once
    check_expansion(size, sum(member.file_size for member in archive.infolist()))
    for name in archive.namelist():
        if not name.endswith(".npy"):
            continue
        with archive.open(name) as file:
            shape, _, dtype = npy_heading(file)
        if math.prod(shape) * dtype.itemsize > archive.getinfo(name).file_size and not dtype.hasobject:
            raise ValueError(f"{name} claims {shape} of {dtype} and holds less")

        def read(name: str = name) -> np.ndarray:
            with archive.open(name) as file:
                return np.lib.format.read_array(file, allow_pickle=False)

        found[name.removesuffix(".npy")] = Stored(shape, dtype.kind in "fiub", read)
    return found


def _torch(path: Path) -> Tree:
    return _tree(read_torch_bytes(path.read_bytes()), path.stat().st_size) or {}


def _pickle(path: Path) -> Tree:
    return _tree(unpickle(path.read_bytes()), path.stat().st_size) or {}


def _tree(value: object, held_bytes: int, depth: int = 0) -> Tree | None:
    """A value of Python's as a tree; None for what is neither an array nor holds one."""
    if is_array(value):
        if not value.dtype.hasobject:
            return _stored(value)
        value = value.item() if value.ndim == 0 else list(value.reshape(-1))
    if isinstance(value, bool) or depth > 4:
        return None
    if isinstance(value, int | float):
        return _stored(np.asarray(float(value)))
    if is_row(value):
        rows = _rows(value, held_bytes)
        if rows is not None:
            return _stored(rows)
        value = {f"[{i}]": item for i, item in enumerate(value)}
    if is_dict(value):
        inner = {_text(key): _tree(item, held_bytes, depth + 1) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None}
    return None


def _text(key: object) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)


def _rows(items: Sequence[object], held_bytes: int) -> np.ndarray | None:
    """A list of rows as one array: vectors of one length, or arrays (1, D); None for anything else."""
    if not items or not isinstance(items[0], np.ndarray | list | tuple | int | float):
        return None
    try:
        parts = [np.asarray(item) for item in items]
    except (ValueError, OverflowError):
        return None
    first = parts[0]
    if first.dtype.kind not in "fiub" or any(part.shape != first.shape for part in parts):
        return None
    check_expansion(held_bytes, sum(part.nbytes for part in parts))
    if first.ndim <= 1:
        return np.stack(parts)
    return np.concatenate(parts) if first.shape[0] == 1 and len(parts) > 1 else None


def _hdf5(path: Path) -> Tree:
    import h5py

    seen: set[int] = set()  # or links to the groups above would be followed in all their combinations

    def walk(group: h5py.Group, place: str, depth: int) -> dict[str, Tree]:
        found: dict[str, Tree] = {}
        seen.add(hdf5.place(group))
        for name in hdf5.members(group):
            inside = hdf5.member(group, name)
            if isinstance(inside, h5py.Dataset):
                fault = hdf5.unreadable(inside)
                if fault and inside.dtype.kind in "fiu" and inside.shape:
                    raise ValueError(f"{place}{name} {fault}")
                if not fault:
                    found[name] = Stored(inside.shape, True, lambda key=f"{place}{name}": read(key))
            elif isinstance(inside, h5py.Group) and depth < 8 and hdf5.place(inside) not in seen:
                found[name] = walk(inside, f"{place}{name}/", depth + 1)
        return found

    def read(key: str) -> np.ndarray:
        with hdf5.opened(path, str(path)) as file:
            group: h5py.Group = file
            *folders, name = key.split("/")
            for folder in folders:
                group = hdf5.group(group, folder)
            return hdf5.dataset(group, name)[()]

    with hdf5.opened(path, str(path), strange=True) as file:
        return walk(file, "", 0)


def _matlab(path: Path) -> Tree:
    """MATLAB's files: version 7.3 is HDF5 with its axes reversed; those of version 4 scipy reads, in Python alone."""
    with path.open("rb") as file:
        head = file.read(520)
    if b"\x89HDF\r\n" in head or head.startswith(b"MATLAB 7.3"):
        return _reversed(_hdf5(path))
    if is_level_5(path):
        return matlab_arrays(path)
    import scipy.io

    found: dict[str, Stored] = {}
    for name, shape, kind in scipy.io.whosmat(path):
        if kind in ("double", "single") or kind.startswith(("int", "uint")):
            check_expansion(path.stat().st_size, math.prod(shape))

            def read(key: str = name) -> np.ndarray:
                array = scipy.io.loadmat(path, variable_names=[key])[key]
                if array.dtype.kind not in "fiu":  # complex ones call themselves double
                    raise ValueError(f"{key} holds no real numbers")
                return array

            found[name] = Stored(tuple(shape), True, read)
    return found


def _reversed(tree: Tree) -> Tree:
    if isinstance(tree, Stored):
        return Stored(tree.shape[::-1], tree.numeric, lambda: tree.read().T)
    return {name: _reversed(inner) for name, inner in tree.items() if not name.startswith("#")}


def _rows_of_text(path: Path) -> Tree:
    """Rows of numbers with commas, semicolons, tabs or spaces between them, perhaps below a heading."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, second = (file.readline(1 << 20) for _ in range(2))
        sample = second if second.strip() else first
        # Beside semicolons or tabs, a comma is a decimal one.
        separator = next((sign for sign in ";\t," if sign in sample), " ")
        file.seek(0)
        lines = csv.reader(file, delimiter=separator, skipinitialspace=True)
        rows: list[np.ndarray] = []
        indexed = False
        for i, fields in enumerate(lines):
            fields = [field for field in fields if field.strip()] if separator == " " else fields
            fields = [field.replace(",", ".") for field in fields] if separator in ";\t" else fields
            if not any(map(str.strip, fields)):
                continue
            if i == 0 and (_is_heading(fields) or not fields[0].strip()):
                indexed = not fields[0].strip()  # a data frame's rows are written behind their numbers
                if (named := [field for field in fields if field.strip().lower() in _NO_FEATURES]) and not indexed:
                    raise ValueError(f"column {named[0]!r} is no feature: leave out what only says where a row is")
                continue
            try:
                rows.append(np.array(fields[1:] if indexed else fields, dtype=np.float64))
            except ValueError:
                raise ValueError(f"line {lines.line_num} is no row of numbers") from None
            if len(rows[-1]) != len(rows[0]):
                raise ValueError(f"line {lines.line_num} has {len(rows[-1])} numbers, the first row {len(rows[0])}")
    if not rows:
        raise ValueError("it holds no row of numbers")
    return _stored(np.stack(rows))


# Columns that say where a row is, and are not part of what it is.
_NO_FEATURES = {
    *("time", "timestamp", "timestamps", "second", "seconds", "start", "end", "frame", "frames", "frame_id"),
    *("index", "idx", "row", "id", "video", "video_id", "t"),
}


def _is_heading(fields: list[str]) -> bool:
    """Whether a first line names columns: by words, or by the numbers 0, 1, 2 .. as BSN's files do."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return True
    return len(numbers) > 1 and numbers == list(range(len(numbers)))


_READERS: dict[str, Callable[[Path], Tree]] = {
    ".npy": _npy, ".npz": _npz, ".pt": _torch, ".pth": _torch, ".pkl": _pickle, ".pickle": _pickle,
    ".h5": _hdf5, ".hdf5": _hdf5, ".mat": _matlab, ".csv": _rows_of_text, ".txt": _rows_of_text,
}  # fmt: skip
