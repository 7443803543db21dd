"""What a cache holds of one video: its feature vectors, checked when they are made, and the recipe they were made by.

A recipe is a flat table of plain values, in HDF5 attributes. Two caches agree when their recipes do. Versions are
written down too, but an update of a library is no other recipe.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from ..core import hdf5
from ..core.errors import FeatureError, plural
from ..core.narrowing import is_row

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, eq=False)
class Features:
    """The feature vectors of one video.

    Attributes:
        video: The video's name.
        data: (T, D) float32, finite, T >= 1.
        start_seconds: (T,) float64, seconds from the first shown frame to each snippet's first frame.
        end_seconds: (T,) float64, seconds, when each snippet's last frame disappears.
        duration_seconds: Length of the video in seconds.
        lost_seconds: (T,) float64, how much of each snippet was lost to damage; None if nothing was. Such rows hold
            what the decoder made up: they are not trained on, and no detection reaches into them.

    Raises:
        FeatureError: A shape is wrong, a number is not finite, or times fall; the video is named.
    """

    video: str
    data: np.ndarray
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    duration_seconds: float
    lost_seconds: np.ndarray | None = None

    def __post_init__(self) -> None:
        why = ""
        try:
            for name, dtype in (("data", np.float32), ("start_seconds", np.float64), ("end_seconds", np.float64)):
                object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype))
            object.__setattr__(self, "duration_seconds", float(self.duration_seconds))
            if self.lost_seconds is not None:
                object.__setattr__(self, "lost_seconds", np.ascontiguousarray(self.lost_seconds, np.float64))
        except (TypeError, ValueError, OverflowError) as error:
            why = f"they are no numbers: {error}"
        why = why or self._fault()
        if why:
            raise FeatureError(
                f"the features of {self.video!r} are not usable",
                why=why,
                next="extract or import this video's features again",
                subject=self.video,
            )

    def _fault(self) -> str:
        if self.data.ndim != 2 or 0 in self.data.shape:
            return f"they must be (T, D) with T and D at least 1, but are {self.data.shape}"
        why = times_fault(
            len(self.data), self.start_seconds, self.end_seconds, self.duration_seconds, self.lost_seconds
        )
        if why:
            return why
        finite = np.isfinite(self.data)
        if not finite.all():
            row = int(np.argmin(finite.all(axis=1)))
            found = plural(int((~finite).sum()), "number is", "numbers are")
            return f"{found} NaN or infinite, the first in row {row}"
        return ""

    @property
    def dimension(self) -> int:
        """Length D of a feature vector."""
        return self.data.shape[1]

    @property
    def lost(self) -> np.ndarray:
        """(T,) bool, the snippets of which something was lost to damage."""
        return np.zeros(len(self.data), bool) if self.lost_seconds is None else self.lost_seconds > 0

    def __len__(self) -> int:
        return len(self.data)


def times_fault(
    rows: int, start_seconds: np.ndarray, end_seconds: np.ndarray, duration: float, lost: np.ndarray | None
) -> str:
    """What is wrong with the times of so many rows, as `Features` wants them; empty if nothing is."""
    for name, times in (("start_seconds", start_seconds), ("end_seconds", end_seconds)):
        if times.shape != (rows,):
            return f"{name} must be ({rows},), one a row, but is {times.shape}"
        if not np.isfinite(times).all():
            return f"{name} of row {int(np.argmin(np.isfinite(times)))} is not a finite number"
        if (np.diff(times) < 0).any():
            return f"{name} falls after row {int(np.argmax(np.diff(times) < 0))}"
    if (end_seconds < start_seconds).any():
        return f"row {int(np.argmax(end_seconds < start_seconds))} ends before its start"
    if lost is not None and lost.shape != (rows,):
        return f"lost_seconds must be ({rows},), one a row, but is {lost.shape}"
    return "" if math.isfinite(duration) and duration >= 0 else f"duration_seconds is {duration}"


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
