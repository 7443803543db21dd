"""Boxes: the table of the image half, as `Segments` is of the temporal half."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .columns import Columns

if TYPE_CHECKING:
    from .table_text import BoxRow

_CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, eq=False)
class Boxes(Columns):
    """A table of boxes in images. Its columns are checked when it is made and cannot be written to.

    Attributes:
        image: (N,) object, the image's name or path.
        label: (N,) object, the name of the class.
        x0: (N,) float64, the first column inside, in pixels of the image as it is shown.
        y0: (N,) float64, the first row inside.
        x1: (N,) float64, the first column outside.
        y1: (N,) float64, the first row outside.
        score: (N,) float64, higher is surer; None for ground truth.

    Raises:
        DataError: Columns differ in length, a number is not finite, a text holds a NUL, or a box has no area; the row
            is named.

    >>> found = Boxes(["bird.jpg"], ["robin"], [2], [3], [12], [8], [0.9])
    >>> len(found), float(found.area[0])
    (1, 50.0)
    """

    image: np.ndarray
    label: np.ndarray
    x0: np.ndarray
    y0: np.ndarray
    x1: np.ndarray
    y1: np.ndarray
    score: np.ndarray | None

    row, table = "box", "a table of boxes"
    names = ("image", "label", *_CORNERS)
    unlike = ("tables of boxes with and without scores cannot be joined", "", "give all scores, or none")

    def __init__(
        self,
        image: Sequence[str] | np.ndarray,
        label: Sequence[str] | np.ndarray,
        x0: Sequence[float] | np.ndarray,
        y0: Sequence[float] | np.ndarray,
        x1: Sequence[float] | np.ndarray,
        y1: Sequence[float] | np.ndarray,
        score: Sequence[float] | np.ndarray | None = None,
    ) -> None:
        self._fill((image, label), (x0, y0, x1, y1), score)

    def _check(self) -> None:
        super()._check()
        flat = np.flatnonzero((self.x1 <= self.x0) | (self.y1 <= self.y0))
        if len(flat):
            corners = " ".join(f"{getattr(self, name)[flat[0]]:g}" for name in _CORNERS)
            raise self._row_error(int(flat[0]), f"its corners {corners} hold nothing: x1 and y1 lie outside of it")

    def _repr_html_(self) -> str:
        """What a notebook shows: the first rows, and where the boxes of the first images lie."""
        from .table_text import boxes_svg, table_html

        heading = list(self._columns())
        rows = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in [*self][:10]]
        note = f"{len(self)} boxes in {len(set(self.image))} images"
        return table_html(heading, rows, note=note) + boxes_svg(self)

    @property
    def area(self) -> np.ndarray:
        """(N,) float64, square pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    @property
    def corners(self) -> np.ndarray:
        """(N, 4) float64: x0, y0, x1, y1."""
        return np.stack([self.x0, self.y0, self.x1, self.y1], axis=1)

    def __iter__(self) -> Iterator[BoxRow]:
        return zip(*(column.tolist() for column in self._columns().values()), strict=True)

    def sorted_by_score(self) -> Boxes:
        """The surest first; of equals the first stays first."""
        return self if self.score is None else self[np.argsort(-self.score, kind="stable")]

    def by_image(self) -> dict[str, Boxes]:
        """The rows of each image, in the order of their first."""
        return {name: self[self.image == name] for name in dict.fromkeys(self.image)}
