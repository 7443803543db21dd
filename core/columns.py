"""Tables of checked columns that cannot be written to: what `Segments` and `Boxes` have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from .errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def _texts(values: Sequence[object] | np.ndarray) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = [str(value) for value in values]
    return column


def numbers(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """(N,) float64."""
    return np.array(values, dtype=np.float64).reshape(-1)


class Columns:
    """A table of rows of one kind, to be subclassed; `score` is there for detections, and None for ground truth."""

    row: ClassVar[str]
    """What a row is, for messages: a segment, a box."""
    table: ClassVar[str]
    """What the table is, for messages."""
    names: ClassVar[tuple[str, ...]]
    """The columns but for the score: two of texts (the video or image, and the label), then those of numbers."""
    unlike: ClassVar[tuple[str, str, str]]
    """What is said where tables with and without scores meet: what, why and what to do."""

    def _fill(
        self,
        texts: Sequence[Sequence[object] | np.ndarray],
        values: Sequence[Sequence[float] | np.ndarray],
        score: Sequence[float] | np.ndarray | None,
    ) -> None:
        """Take the columns in the order of `names`, and the score; and check them."""
        columns = dict(zip(self.names, [*map(_texts, texts), *map(numbers, values)], strict=True))
        self._set({**columns, "score": None if score is None else numbers(score)})
        self._check()

    def _set(self, columns: Mapping[str, np.ndarray | None]) -> None:
        for name, column in columns.items():
            if column is not None:
                column.flags.writeable = False
            object.__setattr__(self, name, column)

    def _columns(self) -> dict[str, np.ndarray]:
        columns = {name: getattr(self, name) for name in (*self.names, "score")}
        return {name: column for name, column in columns.items() if column is not None}

    def _check(self) -> None:
        columns = self._columns()
        if len({len(column) for column in columns.values()}) > 1:
            raise DataError(
                f"the columns of {self.table} differ in length",
                why=", ".join(f"{name} has {len(column)}" for name, column in columns.items()),
                next=f"give one value a {self.row} in every column",
            )
        for name, column in columns.items():
            if name in self.names[:2]:
                # numpy drops one at the end of a text that it compares with, so that a row would not even equal itself.
                if (row := next((row for row, text in enumerate(column) if "\0" in text), None)) is not None:
                    raise self._row_error(row, f"its {name} holds a NUL, which no text does")
            elif len(wrong := np.flatnonzero(~np.isfinite(column))):
                raise self._row_error(int(wrong[0]), f"its {name} is {column[wrong[0]]}, not a finite number")

    def _place(self, row: int) -> str:
        """Where a row lies, for messages."""
        of, label = (getattr(self, name)[row] for name in self.names[:2])
        return f"{label} in {of}"

    def _row_error(self, row: int, why: str) -> DataError:
        of = getattr(self, self.names[0])[row]
        what = f"{self.row} {row} ({self._place(row)}) is not usable"
        return DataError(what, why=why, next="correct or remove the row", subject=of)

    @classmethod
    def empty(cls, *, scored: bool = False) -> Self:
        """A table without rows, with a score column if `scored`."""
        return cls(**{name: [] for name in (*cls.names, *(["score"] if scored else []))})

    @classmethod
    def concat(cls, tables: Iterable[Self]) -> Self:
        """The rows of all tables, in order; all must have scores, or none.

        Raises:
            DataError: Some have scores and some have none.
        """
        several = [table._columns() for table in tables]
        if not several:
            return cls.empty()
        if len({len(columns) for columns in several}) > 1:
            what, why, next_ = cls.unlike
            raise DataError(what, why=why, next=next_)
        return cls(**{name: np.concatenate([columns[name] for columns in several]) for name in several[0]})

    def __len__(self) -> int:
        return len(getattr(self, self.names[0]))

    def __getitem__(self, rows: int | np.integer | slice | np.ndarray | Sequence[int]) -> Self:
        """The rows a mask, an index array or a slice selects, in that order."""
        if isinstance(rows, int | np.integer):
            rows = slice(int(rows), int(rows) + 1) if rows != -1 else slice(-1, None)
        selected = object.__new__(type(self))
        selected._set({"score": None} | {name: column[rows] for name, column in self._columns().items()})
        return selected

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        mine, theirs = self._columns(), other._columns()
        return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Self:
        """The inverse of `to_pandas`; other columns are ignored.

        Raises:
            DataError: A column is missing.
        """
        missing = [name for name in cls.names if name not in frame.columns]
        if missing:
            raise DataError(
                f"{cls.table} lacks the column {missing[0]!r}",
                why=f"its columns are {', '.join(map(str, frame.columns))}",
                next=f"name the columns {', '.join(cls.names)} and, for detections, score",
            )
        names = [*cls.names, *(["score"] if "score" in frame.columns else [])]
        return cls(**{name: frame[name].to_numpy() for name in names})

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with the same columns."""
        import pandas as pd

        return pd.DataFrame(self._columns())
