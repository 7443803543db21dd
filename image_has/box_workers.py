"""Batches of maps to boxes and sweeps, in other processes where there are many: a GPU draws maps faster than one core
boxes them at a hundred thresholds. Imports no torch, so that those processes start at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ..core.processes import forked_clean
from ..eval.boxes import BoxTruth
from ..eval.swept_maps import swept_iou
from .localize import localize
from .settings import LocalizeSettings


@dataclass(frozen=True, eq=False)
class Boxed:
    """What a batch of B images gave.

    Attributes:
        known: (B, 4) float64, boxes of the true class, in pixels of the images.
        predicted: (B, 4) float64, of the likeliest class.
        largest: (B, K), IoU of the largest part's box at each threshold, for the true class; 0 without annotated boxes.
        any_part: (B, K), highest IoU of any part.
    """

    known: np.ndarray
    predicted: np.ndarray
    largest: np.ndarray
    any_part: np.ndarray


def boxes_of(maps: np.ndarray, settings: LocalizeSettings, windows: np.ndarray | None = None) -> np.ndarray:
    """(..., H, W) maps -> (..., 4) boxes in pixels of the map: at several thresholds the mean of each edge.

    Of a map that speaks of a window alone, levels are the window's; windows (..., 4), x0, y0, x1, y1 in pixels.

    >>> boxes_of(np.array([[0, 2, 4, 8, 8]]), LocalizeSettings(threshold=(0.1, 0.3, 0.6))).tolist()
    [2.0, 0.0, 5.0, 1.0]
    """
    if windows is not None and (windows != (0, 0, maps.shape[-1], maps.shape[-2])).any():
        found = np.empty((*maps.shape[:-2], 4))
        for at in np.ndindex(found.shape[:-1]):
            x0, y0, x1, y1 = windows[at]
            found[at] = boxes_of(maps[at][y0:y1, x0:x1], settings) + np.array([x0, y0, x0, y0])
        return found
    return localize(maps, threshold=settings.threshold, scale=settings.scale).mean(axis=-2)


def box_maps(
    maps: np.ndarray,
    *,
    right: np.ndarray,
    sizes: np.ndarray,
    annotated: Sequence[Sequence[Sequence[float]]],
    settings: LocalizeSettings,
    thresholds: np.ndarray,
    windows: np.ndarray | None = None,
) -> Boxed:
    """Box a batch of maps.

    Args:
        maps: (B, 2, H, W), of the likeliest class and of the true one.
        right: (B,) bool, where both are the same class.
        sizes: (B, 2), height and width of the images.
        annotated: The true boxes of each image, maybe none.
        settings: The fixed thresholds and their scale.
        thresholds: (K,) to compare with the true boxes at.
        windows: (B, 2, 4), what each map speaks of; all of it if None.
    """
    stretch = np.tile((sizes / maps.shape[-2:])[:, ::-1], 2)
    known = boxes_of(maps[:, 1], settings, None if windows is None else windows[:, 1])
    predicted = known.copy()
    wrong = np.flatnonzero(~right)
    if len(wrong):
        predicted[wrong] = boxes_of(maps[wrong, 0], settings, None if windows is None else windows[wrong, 0])
    largest, any_part = np.zeros((len(maps), len(thresholds))), np.zeros((len(maps), len(thresholds)))
    mine = [i for i, boxes in enumerate(annotated) if len(boxes)]
    if mine and len(thresholds):
        truth = BoxTruth.from_lists([annotated[i] for i in mine])
        largest[mine], any_part[mine] = swept_iou(maps[mine, 1], truth, sizes=sizes[mine], thresholds=thresholds)
    return Boxed(known * stretch, predicted * stretch, largest, any_part)


@contextmanager
def boxer(processes: int, store: Callable[[np.ndarray, Boxed], None]) -> Generator[Callable[..., None]]:
    """Box batches here or in other processes; all are stored when the block ends.

    Args:
        processes: How many; 0 boxes at once, here.
        store: Called with the rows of a batch and what it gave, in the order of the batches.

    Yields:
        `submit(rows, maps, **arguments)`, the arguments being those of `box_maps`.
    """
    if not processes:
        yield lambda rows, maps, **arguments: store(rows, box_maps(maps, **arguments))
        return
    pending: deque[tuple[np.ndarray, Future[Boxed]]] = deque()
    with ProcessPoolExecutor(processes, mp_context=forked_clean(__name__)) as pool:

        def submit(rows: np.ndarray, maps: np.ndarray, **arguments: object) -> None:
            while len(pending) > 2 * processes:  # no more maps in memory than the processes can box
                done, future = pending.popleft()
                store(done, future.result())
            pending.append((rows, pool.submit(box_maps, maps, **arguments)))  # type: ignore[arg-type]

        yield submit
        while pending:
            done, future = pending.popleft()
            store(done, future.result())
