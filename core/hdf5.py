"""HDF5 files from anywhere: only what lies in the file itself is read, and no more of it than the file can hold.

HDF5 can send a reader to other files (external and soft links, raw storage elsewhere, virtual data sets), and a small
file can claim an array of any size. Both are refused by type, layout and size before anything is read.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import FeatureError, ThasError
from .hdf5_structure import check_structure
from .reading import advice, expansion_fault, is_refused, refuse_pipe, said

if TYPE_CHECKING:
    import h5py

# Deflate, shuffle, Fletcher-32, szip, nbit, scale-offset, LZF: what h5py brings. Others would load a library.
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
# What must be free beyond what is written: for the tables and attributes of files that are open.
MARGIN_BYTES = 4 << 20
_MOST_MEMBERS = 1_000_000
_MOST_ATTRIBUTE = 60_000  # bytes; with its name, HDF5 takes 64 KB
# What h5py and those who read by it raise for damaged files.
_OF_DAMAGE = (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError, OverflowError, MemoryError)
CHECKSUMS = "crc32"


@contextmanager
def opened(
    path: Path,
    subject: str,
    *,
    next: str = "make it again",
    what: str = "features",
    kind: type[ThasError] = FeatureError,
    strange: bool = False,
) -> Generator[h5py.File]:
    """An HDF5 file open for reading within a `with` block.

    Args:
        path: The file.
        subject: Of the error.
        next: What to do about it.
        what: What the file should hold.
        kind: The error.
        strange: Whether it may come from anywhere: its structure is checked first.

    Raises:
        ThasError: It is no HDF5 file, or what is asked of it is not there or damaged; also from within the block.
    """
    import h5py

    try:
        refuse_pipe(path)
        if not path.exists():
            raise OSError("no such file")
        if strange:
            check_structure(path)
        with h5py.File(path, "r") as file:
            yield file
    except _OF_DAMAGE as error:
        told = error.args[0] if isinstance(error, KeyError) and error.args else error  # a KeyError quotes what it says
        raise kind(
            f"cannot read {what} from {path}",
            why=said(error) if is_refused(error) else (str(told) or type(error).__name__)[:300],
            next=advice(error, next),
            subject=subject,
        ) from error


def member(group: object, name: str) -> h5py.HLObject | None:
    """A group's member of this name that lies in the file itself, or None; links elsewhere are refused.

    Raises:
        ValueError: It is a link.
    """
    import h5py

    if not isinstance(group, h5py.Group):
        raise ValueError("a group is something else")
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        place = f"another file, {link.filename[:80]!r}" if isinstance(link, h5py.ExternalLink) else "another place"
        raise ValueError(f"{name!r} is a link to {place}; only what lies in the file itself is read")
    found = group.get(name)
    return found if isinstance(found, h5py.HLObject) else None


def group(parent: object, name: str) -> h5py.Group:
    """A group's member of this name that is a group, too.

    Raises:
        ValueError: It is something else, or a link.
    """
    import h5py

    found = member(parent, name)
    if not isinstance(found, h5py.Group):
        raise ValueError("a group is something else")
    return found


def place(group: h5py.Group) -> int:
    """Where a group lies in its file: the same for each of its names."""
    import h5py

    return h5py.h5o.get_info(group.id).addr


def members(group: h5py.Group) -> list[str]:
    """The names of a group's members, links included.

    Raises:
        ValueError: There are more than a million.
    """
    if len(group) > _MOST_MEMBERS:
        raise ValueError(f"it claims {len(group)} members")
    return list(group)


def dataset(group: object, name: str, *, dimensions: int | None = None) -> h5py.Dataset:
    """A data set of numbers that can be read: in the file itself, of a plain type, no larger than the file can hold.

    Raises:
        KeyError: There is none of this name.
        ValueError: It is something else, or lies or claims to lie elsewhere.
    """
    import h5py

    found = member(group, name)
    if found is None:
        raise KeyError(f"it has no {name!r}")
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{name!r} is a group, not an array")
    fault = unreadable(found)
    if fault:
        raise ValueError(f"{name!r} {fault}")
    if dimensions is not None and found.ndim != dimensions:
        raise ValueError(f"{name!r} has {found.ndim} dimensions, not {dimensions}")
    return found


def unreadable(found: h5py.Dataset) -> str:
    """Why an HDF5 data set is not read; empty if it is."""
    made = found.id.get_create_plist()
    if found.size is None:
        return "is empty"
    if found.dtype.kind not in "fiub" or found.dtype.fields or found.dtype.subdtype:
        return f"holds {str(found.dtype)[:60]}, not numbers"
    if found.is_virtual or made.get_external_count():
        return "keeps its numbers in other files"
    filters = {made.get_filter(i)[0] for i in range(made.get_nfilters())}
    if not filters <= _FILTERS:
        return f"is compressed in a way that is not known here (filters {sorted(filters - _FILTERS)})"
    claimed = math.prod(found.shape) * found.dtype.itemsize
    held = found.id.get_storage_size()
    if found.chunks is None and claimed != held:
        return f"claims {claimed} bytes and holds {held}"
    chunk = math.prod(found.chunks) * found.dtype.itemsize if found.chunks else 0
    return expansion_fault(found.file.id.get_filesize(), max(claimed, chunk))


def fixed(text: str | Sequence[str]) -> np.ndarray | str | Sequence[str]:
    """One or several texts for an attribute, in one length; as they are where HDF5 cannot hold so much in one place.

    Texts of variable length, which h5py writes by itself, lie in a heap elsewhere in the file, and one flipped bit
    there can keep HDF5's library busy for ever.
    """
    import h5py

    parts = [one.encode(errors="surrogateescape") for one in ([text] if isinstance(text, str) else text)]
    longest = max((len(part) for part in parts), default=0) or 1
    if longest * len(parts) > _MOST_ATTRIBUTE or any(0 in part for part in parts):
        return text
    array = np.array(parts, dtype=h5py.string_dtype("utf-8", longest))
    return array.reshape(()) if isinstance(text, str) else array


def attribute(holder: h5py.HLObject, name: str) -> object:
    """An attribute as h5py gives it, with texts as str; None where there is none.

    Raises:
        ValueError: It is damaged.
    """
    if name not in holder.attrs:
        return None
    if holder.attrs.get_id(name).dtype.hasobject:
        check_structure(Path(holder.file.filename), heaps_alone=True)
    value = holder.attrs[name]
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value


def texts(holder: h5py.HLObject, name: str) -> list[str]:
    """An attribute that is a list of texts.

    Raises:
        KeyError: There is none.
        ValueError: It is damaged.
    """
    found = attribute(holder, name)
    if found is None:
        raise KeyError(f"it has no {name!r}")
    values: list[object] = np.asarray(found).reshape(-1).tolist()
    return [value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value) for value in values]


def attributes(holder: h5py.HLObject) -> dict[str, object]:
    """All attributes; see `attribute`."""
    return {name: attribute(holder, name) for name in holder.attrs}


def checksum(array: np.ndarray, before: int = 0) -> int:
    """CRC-32 of an array's bytes, little-endian and row by row; `before` is that of the rows before them.

    >>> checksum(np.arange(4)) == checksum(np.arange(2, 4), checksum(np.arange(2)))
    True
    """
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return zlib.crc32(little.reshape(-1).view(np.uint8).data, before) if little.size else before


def write_checksums(group: h5py.Group, sums: Mapping[str, int]) -> None:
    """Keep checksums by name in one attribute of a group, which HDF5 itself protects by another."""
    group.attrs[CHECKSUMS] = np.bytes_(" ".join(f"{name}:{value:08x}" for name, value in sums.items()))


def read_checksums(group: h5py.Group) -> dict[str, int]:
    """The checksums kept with a group; none with one that an older version wrote.

    Raises:
        ValueError: The attribute holds something else.
    """
    kept = attribute(group, CHECKSUMS)
    if kept is None:
        return {}
    if not isinstance(kept, str):
        raise ValueError("its checksums are not readable")
    pairs = (pair.rpartition(":") for pair in kept.split())
    return {name: int(value, 16) for name, _, value in pairs}


def check(name: str, array: np.ndarray, sums: Mapping[str, int]) -> None:
    """Compare an array with its checksum, if there is one.

    Raises:
        ValueError: They differ.
    """
    if name in sums and checksum(array) != sums[name]:
        raise ValueError(changed(name))


def changed(name: str) -> str:
    """What is said of numbers that are not those that were written."""
    return f"{name!r} has changed since it was written: its checksum differs"
