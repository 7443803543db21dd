"""Values of which nothing is known, from JSON, TOML, pickles and attributes, seen as what they are or must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, SupportsFloat, TypeGuard, cast

if TYPE_CHECKING:
    import numpy as np


def is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether a value of JSON or TOML is a table, whose keys are text in both."""
    return isinstance(value, Mapping)


def is_texts(value: object) -> TypeGuard[list[str]]:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in cast("list[object]", value))


def is_dict(value: object) -> TypeGuard[dict[object, object]]:
    """Whether a value is a dict, whatever its keys."""
    return isinstance(value, dict)


def is_row(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    """Whether a value is a list or a tuple."""
    return isinstance(value, list | tuple)


def is_tuple(value: object) -> TypeGuard[tuple[object, ...]]:
    """Whether a value is a tuple."""
    return isinstance(value, tuple)


def is_array(value: object) -> TypeGuard[np.ndarray]:
    """Whether a value is an array."""
    import numpy as np

    return isinstance(value, np.ndarray)


def as_table(value: object) -> Mapping[str, object]:
    """A value as the table that it must be, or a TypeError."""
    if not is_table(value):
        raise TypeError(f"{value!r:.60} stands where a table must be")
    return value


def as_list(value: object) -> list[object]:
    """A value as the list that it must be, or a TypeError."""
    if not is_row(value):
        raise TypeError(f"{value!r:.60} stands where a list must be")
    return list(value)


def as_int(value: object) -> int:
    """A value as the whole number that it must be, or a TypeError."""
    if not isinstance(value, int):
        raise TypeError(f"{value!r:.60} stands where a whole number must be")
    return value


def as_float(value: object) -> float:
    """A value as the number that it must be, or a TypeError."""
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r:.60} stands where a number must be")
    return value


def to_float(value: object) -> float:
    """A value as Python's `float` takes it: a number, or text that is one; else a TypeError or ValueError."""
    if not isinstance(value, str | SupportsFloat):
        raise TypeError(f"{value!r:.60} stands where a number must be")
    return float(value)
