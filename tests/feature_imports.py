"""Imports of features, for tests that vary one thing of many."""

from __future__ import annotations

from dataclasses import fields

from thas.features.importing import import_features
from thas.features.row_times import RowTimes

_TIMES = {one.name for one in fields(RowTimes)}


def imported(source, out, **how):
    """`import_features`, with what says when rows begin and end among the rest."""
    times = RowTimes(**{name: value for name, value in how.items() if name in _TIMES})
    return import_features(source, out, times=times, **{name: how[name] for name in how if name not in _TIMES})
