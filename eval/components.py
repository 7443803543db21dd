"""The connected parts of many maps at many thresholds, by runs instead of pixels.

A row of a map that rises and falls smoothly gives a run of pixels above a threshold, and its start is the same for all
thresholds between two neighbouring pixels' values. So the runs of all thresholds are listed at once from the
differences of neighbouring pixels, and runs that touch in neighbouring rows are joined as a graph. A map of 224 x 224
has some 20,000 runs at 100 thresholds, but 5 million pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_PIXELS = 1_000_000  # of maps handled at once


@dataclass(frozen=True, eq=False)
class Components:
    """Connected parts (8 neighbours), P of them.

    Attributes:
        map: (P,) int, which map.
        threshold: (P,) int, which threshold.
        box: (P, 4) float64, x0, y0, x1, y1 in pixels of the map; x1 and y1 are the first column and row outside.
        area: (P,) int, pixels.
        first: (P,) bool: the largest of its map and threshold; of equal ones the one met first, row by row.
    """

    map: np.ndarray
    threshold: np.ndarray
    box: np.ndarray
    area: np.ndarray
    first: np.ndarray


def levels(maps: np.ndarray, thresholds: np.ndarray, *, scale: str = "range") -> np.ndarray:
    """How many thresholds each pixel exceeds.

    Args:
        maps: (B, H, W) finite.
        thresholds: (K,) rising fractions, 0 to below 1.
        scale: Fractions of the range from minimum to maximum (`range`) or of the maximum (`max`).

    Returns:
        (B, H, W) int32, 0 to K. All K for a map that tells nothing: flat, or with `max` nowhere positive.
    """
    maps = np.asarray(maps, dtype=np.float64)
    low, high = maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
    floor = low if scale == "range" else np.zeros(len(maps))
    result = np.empty(maps.shape, dtype=np.int32)
    # Upsampling a flat map leaves rounding errors, which are no place to put a box round.
    silent = (high - low <= 1e-6 * np.maximum(np.abs(low), np.abs(high))) | (high <= floor)
    for i, one in enumerate(maps):
        if silent[i]:
            result[i] = len(thresholds)
            continue
        bounds = floor[i] + thresholds * (high[i] - floor[i])
        # Rounding can lift a bound onto the maximum itself.
        bounds = np.minimum(bounds, np.nextafter(high[i], -np.inf))
        result[i] = np.searchsorted(bounds, one.ravel(), side="left").reshape(one.shape)
    return result


def components(maps: np.ndarray, thresholds: np.ndarray, *, scale: str = "range") -> Components:
    """All connected parts of what exceeds each threshold.

    Args:
        maps: (B, H, W) finite.
        thresholds: (K,) rising fractions, 0 to below 1.
        scale: See `levels`.
    """
    maps = np.asarray(maps)
    step = max(1, _PIXELS // max(1, maps.shape[1] * maps.shape[2]))
    parts = [
        _components(levels(maps[i : i + step], thresholds, scale=scale), len(thresholds), first_map=i)
        for i in range(0, len(maps), step)
    ]
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Components(nothing, nothing, np.zeros((0, 4)), nothing, np.zeros(0, dtype=bool))
    names = ("map", "threshold", "box", "area", "first")
    return Components(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _components(level: np.ndarray, count: int, *, first_map: int) -> Components:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, height, width = level.shape
    start, stop = _runs(level, count)
    span = width + 1
    row = start // span  # (map, threshold, row) as one number
    x0, x1 = start - row * span, stop - row * span
    y = row % height
    # The runs of the row above that overlap or touch at a corner lie next to each other in the list.
    above = (row - 1) * span
    low = np.searchsorted(stop, above + x0, side="left")
    high = np.searchsorted(start, above + x1, side="right")
    touching = np.where(y > 0, np.maximum(high - low, 0), 0)
    one = np.repeat(np.arange(len(row)), touching)
    other = np.arange(touching.sum()) - np.repeat(np.cumsum(touching) - touching, touching) + np.repeat(low, touching)
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(len(row), len(row)))
    parts, part = connected_components(graph, directed=False)

    order = np.argsort(part, kind="stable")
    begin = np.searchsorted(part[order], np.arange(parts))
    box = np.stack(
        [
            np.minimum.reduceat(x0[order], begin),
            np.minimum.reduceat(y[order], begin),
            np.maximum.reduceat(x1[order], begin),
            np.maximum.reduceat(y[order], begin) + 1,
        ],
        axis=1,
    ).astype(np.float64)
    area = np.add.reduceat((x1 - x0)[order], begin)
    member = order[begin]  # the first run of each part, row by row
    place = row[member] // height  # (map, threshold) as one number
    by_size = np.lexsort((member, -area, place))
    first = np.zeros(parts, dtype=bool)
    first[by_size[np.append(True, np.diff(place[by_size]) > 0)]] = True
    return Components(place // count + first_map, place % count, box, area, first)


def _runs(level: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the runs above each threshold start and stop, as keys that sort by map, threshold, row and column."""
    batch, height, width = level.shape
    padded = np.zeros((batch, height, width + 2), dtype=np.int32)
    padded[:, :, 1:-1] = level
    change = np.diff(padded, axis=2)

    def keys(rises: np.ndarray, lower: np.ndarray) -> np.ndarray:
        image, row, column = np.nonzero(rises > 0)
        times = rises[image, row, column]
        base = lower[image, row, column]
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        threshold = np.repeat(base, times) + within
        key = (np.repeat(image, times) * count + threshold) * height + np.repeat(row, times)
        return np.sort(key * (width + 1) + np.repeat(column, times))

    return keys(change, padded[:, :, :-1]), keys(-change, padded[:, :, 1:])
