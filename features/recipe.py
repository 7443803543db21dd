"""Recipes: what a cache's features were made with, as flat tables of plain values, in HDF5 attributes.

Two caches agree when their recipes do. Versions are written down too, but an update of a library is no other recipe.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from ..core import hdf5
from ..core.narrowing import is_row

if TYPE_CHECKING:
    import h5py

Recipe = Mapping[str, object]

# Told by `thas features diff`, never a reason to refuse.
_INFORMATIVE = ("version", "_source")


def difference(mine: Recipe, other: Recipe, *, versions: bool = False) -> list[str]:
    """The lines in which two recipes differ; versions only if asked for.

    >>> difference({"layer": "fc7", "thas_version": "1"}, {"layer": "fc6", "thas_version": "2"})
    ["layer: 'fc7' and 'fc6'"]
    """
    lines: list[str] = []
    for key in sorted({*mine, *other}):
        if not versions and key.endswith(_INFORMATIVE):
            continue
        here, there = (_plain(recipe[key]) if key in recipe else "absent" for recipe in (mine, other))
        if here != there:
            lines.append(f"{key}: {here!r} and {there!r}")
    return lines


def digest(recipe: Recipe) -> str:
    """A short text that is equal for recipes that do not differ, versions aside.

    >>> digest({"a": 1, "b": [1.0], "x_version": 1}) == digest({"b": (1.0,), "a": 1, "x_version": 2})
    True
    """
    counting = {key: _plain(recipe[key]) for key in sorted(recipe) if not key.endswith(_INFORMATIVE)}
    return hashlib.sha256(json.dumps(counting, default=str).encode()).hexdigest()[:32]


def attributes_sum(values: Recipe) -> int:
    """A checksum of a table of attributes, whatever their order."""
    return zlib.crc32(json.dumps({key: _plain(values[key]) for key in sorted(values)}, default=str).encode())


def _is_numpy(value: object) -> TypeGuard[np.ndarray | np.generic]:
    return isinstance(value, np.ndarray | np.generic)


def _plain(value: object) -> object:
    """Numpy values as Python's, tuples as lists, so that what was read compares with what was written."""
    if _is_numpy(value):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if is_row(value):
        return [_plain(item) for item in value]
    return value


def write_attributes(group: h5py.Group, values: Recipe) -> None:
    """Write plain values as attributes of an HDF5 group; None as an empty attribute, a list as an array."""
    import h5py

    for key, value in values.items():
        value = _plain(value)
        if value is None:
            value = h5py.Empty("f4")
        elif isinstance(value, str):
            value = hdf5.fixed(value)
        elif is_row(value) and all(isinstance(item, str) for item in value):
            value = hdf5.fixed([str(item) for item in value])
        group.attrs[key] = value


def read_attributes(group: h5py.HLObject | None) -> dict[str, object]:
    """The inverse of `write_attributes`; an absent group gives an empty table."""
    import h5py

    if group is None:
        return {}
    found = hdf5.attributes(group)
    return {key: None if isinstance(value, h5py.Empty) else _plain(value) for key, value in found.items()}
