"""From arrays of any arrangement to rows (T, D): which axis is time, what ten crops become, and what fits to what.

Decided for a whole folder before anything is written: one array alone does not say whether it is (T, D) or (D, T).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from ..core.errors import FeatureError, UsageError, listing, plural

Crops = Literal["mean", "first", "all"]
_CROPS = (10, 5)
# Widths of the networks in use: TSN's scores, C3D's principal components, TSP and R(2+1)D, ViT, I3D, VideoMAE-g, two
# streams of I3D, ResNet, SlowFast, C3D's fc7, and both streams of widths among these.
KNOWN_WIDTHS = frozenset({400, 500, 512, 768, 1024, 1280, 1408, 2048, 2304, 2816, 3072, 3200, 4096, 487, 200, 600})


def rows(array: np.ndarray, *, transposed: bool = False, crops: Crops | None = None) -> np.ndarray:
    """An array as (T, D).

    Args:
        array: (T, D), or with axes of length 1, or with an axis of ten or five crops; of any arrangement if it says so.
        transposed: Its axes lie the other way round: (D, T).
        crops: What becomes of crops: their mean, the first, or all side by side as (T, 10 D).

    Raises:
        FeatureError: It is none of these.
    """
    array = np.asarray(array)
    shape = array.shape
    if array.dtype.kind not in "fiu":
        raise FeatureError("it holds no feature rows", why=f"its array is {shape} of {array.dtype}, not (T, D) numbers")
    if transposed:  # before anything is squeezed: a single row would turn into a column
        array = array.transpose()
    array = array.reshape(plain_shape(array.shape))
    if array.ndim == 1:
        raise FeatureError(
            "it holds no feature rows",
            why=f"its array is {shape}: one vector for the whole video, where a row for each moment is needed",
            next="extract features without pooling over time",
        )
    if array.ndim == 3 and crops is not None and (axis := crop_axis(array.shape)) is not None:
        array = _reduce(np.moveaxis(array, axis, 1), crops)
    if array.ndim != 2:
        hint = "--crops mean, first or all" if crop_axis(array.shape) is not None else "give arrays (T, D)"
        raise FeatureError("it holds no feature rows", why=f"its array is {shape}, not (T, D)", next=hint)
    return array


def _reduce(array: np.ndarray, crops: Crops) -> np.ndarray:
    """(T, crops, D) as (T, D)."""
    if crops == "mean":
        return array.mean(axis=1, dtype=np.float64).astype(np.float32)
    return array[:, 0] if crops == "first" else array.reshape(len(array), -1)


def plain_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape less axes of length 1, down to two axes: those behind first, those in front last, so that T may be 1.

    >>> plain_shape((1, 4, 3)), plain_shape((4, 1, 1, 3)), plain_shape((1, 1, 8)), plain_shape((1, 8, 1, 1))
    ((4, 3), (4, 3), (1, 8), (1, 8))
    """
    left = list(shape)
    while len(left) > 2 and 1 in left:
        places = [i for i, size in enumerate(left) if size == 1]
        inner = [i for i in places if i > 0]
        left.pop(inner[-1] if inner and (left[-1] == 1 or left[0] != 1) else places[0])
    return tuple(left)


def crop_axis(shape: Sequence[int]) -> int | None:
    """Which of three axes holds ten crops, or five; None if none does.

    The last one does where (10, D, T) was turned to (T, D, 10).

    >>> crop_axis((20, 10, 16)), crop_axis((10, 20, 16)), crop_axis((20, 16, 10)), crop_axis((20, 30, 16))
    (1, 0, 2, None)
    """
    if len(shape) != 3:
        return None
    return next((axis for count in _CROPS for axis in (1, 0, 2) if shape[axis] == count), None)


def width_of(shape: Sequence[int], *, transposed: bool = False, crops: Crops | None = None) -> int:
    """The width D that `rows` gives an array of this shape."""
    plain = plain_shape(shape[::-1] if transposed else shape)
    axis = crop_axis(plain)
    flat = _without_crops(plain)
    return (flat[-1] if flat else 0) * (plain[axis] if crops == "all" and axis is not None else 1)


def check_arrangement(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    transposed: bool,
    crops: Crops | None,
    expected_rows: Mapping[str, float] | None = None,
) -> list[str]:
    """Look at the shapes of all videos, and refuse to write a cache of wrong rows.

    Args:
        shapes: As they lie in the files, by video.
        transposed: Whether they were said to be (D, T).
        crops: What was said to become of crops.
        expected_rows: By duration, frame rate and stride, where known.

    Returns:
        What looks odd and is not refused, a sentence each.

    Raises:
        UsageError: They look the other way round, or hold crops and it was not said what becomes of them.
    """
    plain = {video: plain_shape(shape[::-1] if transposed else shape) for video, shape in shapes.items()}
    with_crops = [video for video, shape in plain.items() if crop_axis(shape) is not None]
    if with_crops and crops is None:
        video = with_crops[0]
        raise UsageError(
            f"{plural(len(with_crops), 'array holds', 'arrays hold')} several crops of each moment",
            why=f"that of {video} is {shapes[video]}",
            next="--crops mean, or first, or all (side by side)",
            subject=video,
        )
    flat = {video: _without_crops(shape) for video, shape in plain.items() if len(_without_crops(shape)) == 2}
    turned = _looks_turned(flat, expected_rows or {})
    if turned:
        said = "with --transposed the arrays look" if transposed else "the arrays look"
        option = "leave --transposed out" if transposed else "--transposed"
        raise UsageError(f"{said} as if they were (D, T), not (T, D)", why=turned, next=option)
    _refuse_both_ways(flat)
    return _odd_lengths(flat, expected_rows or {})


def _without_crops(shape: tuple[int, ...]) -> tuple[int, ...]:
    axis = crop_axis(shape)
    return shape if axis is None else shape[:axis] + shape[axis + 1 :]


def _looks_turned(shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, float]) -> str:
    """Why the arrays are probably (D, T); empty if they are not."""
    if not shapes:
        return ""
    first, last = (Counter(shape[i] for shape in shapes.values()) for i in (0, 1))
    (rows_of_most, as_rows), (width, as_width) = first.most_common(1)[0], last.most_common(1)[0]
    if len(shapes) > 1 and as_rows > as_width and as_rows > 0.8 * len(shapes):
        have = plural(as_rows, "has", "have")
        return f"{have} {rows_of_most} rows, and their widths differ: {listing(map(str, sorted(last)), 4)}"
    if len(shapes) > 1 and as_width > as_rows and len(last) == 1 and len(first) > 2:
        return ""  # one width, many lengths: that is how features are
    known = [(shape, expected[video]) for video, shape in shapes.items() if video in expected]
    if known:
        turned = [shape for shape, rows in known if _near(shape[1], rows) and not _near(shape[0], rows)]
        if 2 * len(turned) > len(known):
            rows = next(rows for shape, rows in known if shape == turned[0])
            return f"one is {turned[0]}, and its video lasts for about {rows:.0f} rows"
        if any(_near(shape[0], rows) for shape, rows in known):
            return ""
    if len(first) == 1 and rows_of_most in KNOWN_WIDTHS and not set(last) & KNOWN_WIDTHS:
        have = plural(as_rows, "has", "have")
        return f"{have} {rows_of_most} rows of {width} numbers, and {rows_of_most} is a width of networks in use"
    return ""


def _refuse_both_ways(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise a UsageError if some arrays are (T, D) and at least as many (D, T): which are right is not known."""
    sizes = [set(shape) for shape in shapes.values()]
    common = sizes[0].intersection(*sizes) if len(sizes) > 1 else set[int]()
    for size in common:
        rows, turned = ([video for video in shapes if shapes[video][i] == size] for i in (1, 0))
        if len(common) == 1 and rows and 2 * len(rows) <= len(shapes):
            raise UsageError(
                "some arrays are (T, D) and some (D, T)",
                why=f"{size} is the width of {listing(rows, 3)} and the number of rows of {listing(turned, 3)}",
                next="turn those of one kind, by numpy.save(path, array.T), and run the same command again",
                subject=rows[0],
            )


def _near(count: int, rows: float) -> bool:
    return abs(count - rows) <= max(3.0, 0.1 * rows)


def _odd_lengths(shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, float]) -> list[str]:
    odd = [video for video in shapes if video in expected and not _near(shapes[video][0], expected[video])]
    if not odd:
        return []
    video = odd[0]
    return [
        f"{plural(len(odd), 'video has', 'videos have')} another number of rows than frame rate, stride and duration "
        f"give: {video} has {shapes[video][0]}, and {expected[video]:.0f} would cover it (are --fps and "
        "--stride-frames those of the features?)"
    ]
