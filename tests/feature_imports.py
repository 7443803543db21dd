"""Imports of features, for tests that vary one thing of many."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from thas.features.array_files import open_arrays, reading_arrays
from thas.features.array_members import pick
from thas.features.importing import import_features
from thas.features.layouts import side_by_side
from thas.features.row_times import RowTimes

_TIMES = {one.name for one in fields(RowTimes)}


def imported(source, out, **how):
    """`import_features`, with what says when rows begin and end among the rest."""
    times = RowTimes(**{name: value for name, value in how.items() if name in _TIMES})
    return import_features(source, out, times=times, **{name: how[name] for name in how if name not in _TIMES})


def read_array(path: Path, *, keys: tuple[str, ...] = ()) -> np.ndarray:
    """One video's array from a file of any kind, several joined side by side."""
    with reading_arrays(path):
        return side_by_side([one.read() for one in pick(path, open_arrays(path), keys)])
