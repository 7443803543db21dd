"""Results as plain values that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np


def plain(value: object) -> object:
    """Arrays to lists, numpy's numbers to Python's, NaN and infinities to None, at any depth.

    >>> plain({"map": np.array([0.5, np.nan])})
    {'map': [0.5, None]}
    """
    if isinstance(value, dict):
        return plain_table(cast("dict[object, object]", value))
    if isinstance(value, np.ndarray):
        return plain(cast("object", value.tolist()))
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object]", value)]
    if isinstance(value, np.generic):
        return plain(cast("object", value.item()))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def plain_table(values: Mapping[object, object] | Mapping[str, object]) -> dict[str, object]:
    """The same of a table, whose keys become text."""
    return {str(key): plain(item) for key, item in values.items()}
