"""Boxes: the table of the image half, as `Segments` is of the temporal half."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import DataError
from .segments import row_with_nul

if TYPE_CHECKING:
    import pandas as pd

    from .table_text import BoxRow

_CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, eq=False)
class Boxes:
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
        columns: dict[str, np.ndarray | None] = {
            "image": np.array([str(value) for value in image], dtype=object),
            "label": np.array([str(value) for value in label], dtype=object),
            **{
                name: np.array(values, dtype=np.float64).reshape(-1)
                for name, values in zip(_CORNERS, (x0, y0, x1, y1), strict=True)
            },
            "score": None if score is None else np.array(score, dtype=np.float64).reshape(-1),
        }
        for name, column in columns.items():
            if column is not None:
                column.flags.writeable = False
            object.__setattr__(self, name, column)
        self._check()

    def _columns(self) -> dict[str, np.ndarray]:
        columns = {name: getattr(self, name) for name in ("image", "label", *_CORNERS)}
        return columns if self.score is None else {**columns, "score": self.score}

    def _check(self) -> None:
        columns = self._columns()
        if len({len(column) for column in columns.values()}) > 1:
            raise DataError(
                "the columns of a table of boxes differ in length",
                why=", ".join(f"{name} has {len(column)}" for name, column in columns.items()),
                next="give one value a box in every column",
            )
        for name in ("image", "label"):
            if (row := row_with_nul(columns[name])) is not None:
                raise self._row_error(row, f"its {name} holds a NUL, which no text does")
        for name in columns.keys() - {"image", "label"}:
            wrong = np.flatnonzero(~np.isfinite(columns[name]))
            if len(wrong):
                raise self._row_error(int(wrong[0]), f"its {name} is {columns[name][wrong[0]]}, not a finite number")
        flat = np.flatnonzero((self.x1 <= self.x0) | (self.y1 <= self.y0))
        if len(flat):
            corners = " ".join(f"{columns[name][flat[0]]:g}" for name in _CORNERS)
            raise self._row_error(int(flat[0]), f"its corners {corners} hold nothing: x1 and y1 lie outside of it")

    def _row_error(self, row: int, why: str) -> DataError:
        image = self.image[row]
        place = f"box {row} ({self.label[row]} in {image})"
        return DataError(f"{place} is not usable", why=why, next="correct or remove the row", subject=image)

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

    @classmethod
    def empty(cls, *, scored: bool = False) -> Boxes:
        """A table without rows, with a score column if `scored`."""
        return cls([], [], [], [], [], [], [] if scored else None)

    @classmethod
    def concat(cls, tables: Iterable[Boxes]) -> Boxes:
        """The rows of all tables, in order; all must have scores, or none.

        Raises:
            DataError: Some have scores and some have none.
        """
        several = [table._columns() for table in tables]
        if not several:
            return cls.empty()
        if len({len(columns) for columns in several}) > 1:
            raise DataError("tables of boxes with and without scores cannot be joined", next="give all scores, or none")
        return cls(**{name: np.concatenate([columns[name] for columns in several]) for name in several[0]})

    def __len__(self) -> int:
        return len(self.image)

    def __iter__(self) -> Iterator[BoxRow]:
        return zip(*(column.tolist() for column in self._columns().values()), strict=True)

    def __getitem__(self, rows: np.ndarray | slice) -> Boxes:
        """Some of the rows: by a mask, positions or a slice."""
        return Boxes(**{name: column[rows] for name, column in self._columns().items()})

    def __eq__(self, other: object) -> bool:
        """Whether all rows are equal, in the same order."""
        return isinstance(other, Boxes) and (self.score is None) == (other.score is None) and [*self] == [*other]

    def sorted_by_score(self) -> Boxes:
        """The surest first; of equals the first stays first."""
        return self if self.score is None else self[np.argsort(-self.score, kind="stable")]

    def by_image(self) -> dict[str, Boxes]:
        """The rows of each image, in the order of their first."""
        return {name: self[self.image == name] for name in dict.fromkeys(self.image)}

    def to_pandas(self) -> pd.DataFrame:
        """A frame with a row a box: image, label, x0, y0, x1, y1 and, if there is one, score."""
        import pandas as pd

        return pd.DataFrame(self._columns())

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Boxes:
        """The inverse of `to_pandas`; other columns are ignored.

        Raises:
            DataError: A column is missing.
        """
        missing = [name for name in ("image", "label", *_CORNERS) if name not in frame.columns]
        if missing:
            raise DataError(f"the frame has no column {missing[0]!r}", next="name image, label, x0, y0, x1 and y1")
        columns = ["image", "label", *_CORNERS, *(["score"] if "score" in frame.columns else [])]
        return cls(**{name: frame[name].to_numpy() for name in columns})
