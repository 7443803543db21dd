"""Values of which nothing is known, as pickles and attributes hold them, seen as what they are."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np


def is_array(value: object) -> TypeGuard[np.ndarray]:
    """Whether it is an array."""
    return isinstance(value, np.ndarray)


def is_dict(value: object) -> TypeGuard[dict[object, object]]:
    """Whether it is a table."""
    return isinstance(value, dict)


def is_row(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    """Whether it is a list or a tuple."""
    return isinstance(value, list | tuple)


def is_tuple(value: object) -> TypeGuard[tuple[object, ...]]:
    """Whether it is a tuple."""
    return isinstance(value, tuple)
