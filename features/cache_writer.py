"""Writing one file of a feature cache: under a temporary name, synced, renamed; whole or absent, whatever happens."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import h5py
import numpy as np

from ..core.errors import FeatureError
from ..core.file_names import quoted_name
from ..core.files import need_room, put_in_place, system_error
from ..core.hdf5 import MARGIN_BYTES, checksum, fixed, write_checksums
from ..core.temporary_names import LONGEST_ADDITION, unfinished_path
from .video_features import Recipe, attributes_sum, digest, read_attributes, write_attributes

SUFFIX = ".h5"


def file_name(video: str) -> str:
    r"""The name of a video's file in a cache: its own, with what file systems or paths would misread as %XX.

    >>> file_name("v_Diving_g01"), file_name("../a b\n")
    ('v_Diving_g01.h5', '%2E.%2Fa b%0A.h5')
    """
    name = quoted_name(video) + SUFFIX
    if not video or len(os.fsencode(name)) > 255 - LONGEST_ADDITION:
        raise FeatureError(
            f"a video cannot be called {video[:60]!r}",
            why="its name is empty" if not video else f"a file name of {len(os.fsencode(name))} bytes is too long",
            next="rename the video",
            subject=video,
        )
    return name


def video_name(file: str | Path) -> str:
    """The inverse of `file_name`."""
    return unquote(Path(file).name.removesuffix(SUFFIX), errors="surrogateescape")


class FeatureWriter:
    """Writes one video's file row by row; nothing appears under its final name before `commit`.

    Use it in a `with` block: leaving it without `commit` removes what was written.

    Args:
        folder: The cache; made if absent.
        video: The video's name.
        rows: T, the number of snippets.
        dimension: D.
        dtype: "float32" or "float16" (half the disk, about three digits).
        compress: Gzip with byte shuffling: about 40 % of the disk, some fifty times the time.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        video: str,
        rows: int,
        dimension: int,
        dtype: Literal["float32", "float16"] = "float32",
        compress: bool = False,
    ) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.video = video
        self._path = folder / file_name(video)
        self._temporary = unfinished_path(self._path)
        self._need(0)
        self._file: h5py.File | None = h5py.File(self._temporary, "w", libver=("v110", "v110"))
        self._compress = compress
        self._features = self._rows_of("features", rows, dimension, dtype)
        self._sum, self._summed_rows = 0, 0  # of the rows so far, while they come in order

    def _rows_of(self, name: str, rows: int, dimension: int, dtype: str | np.dtype) -> h5py.Dataset:
        assert self._file is not None
        shape = rows, dimension
        if not self._compress:
            return self._file.create_dataset(name, shape, dtype)
        chunks = min(rows, 64), dimension
        return self._file.create_dataset(
            name, shape, dtype, chunks=chunks, compression="gzip", compression_opts=4, shuffle=True
        )

    def __enter__(self) -> FeatureWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def write(self, row: int, data: np.ndarray) -> None:
        """Write rows `row` to `row + len(data)`; `data` is (n, D).

        Raises:
            FeatureError: A number is NaN, infinite or too large for the file's type.
        """
        with np.errstate(over="ignore"):
            stored = np.asarray(data).astype(self._features.dtype)
        if not np.isfinite(stored).all():
            bad = row + int(np.argmin(np.isfinite(stored).all(axis=1)))
            raise FeatureError(
                f"the features of {self.video!r} are not finite",
                why=f"row {bad} holds NaN, infinity or a number too large for {self._features.dtype}",
                next="check the weights and the preprocessing, or store float32",
                subject=self.video,
            )
        self._need(stored.nbytes)
        if row == self._summed_rows:
            self._sum, self._summed_rows = checksum(stored, self._sum), row + len(stored)
        else:
            self._summed_rows = -1
        try:
            self._features[row : row + len(stored)] = stored
        except (OSError, RuntimeError) as error:
            raise system_error(error, self._path) from error

    def _need(self, count: int) -> None:
        need_room(self._path.parent, count + MARGIN_BYTES)

    def commit(
        self,
        *,
        start_seconds: np.ndarray,
        end_seconds: np.ndarray,
        duration_seconds: float,
        recipe: Recipe,
        centre_frame: np.ndarray | None = None,
        source: Recipe | None = None,
        rows: int | None = None,
        lost_seconds: np.ndarray | None = None,
    ) -> Path:
        """Finish the file, sync it to the disk and give it its final name; returns the path.

        With `rows`, only so many of the rows are kept. `lost_seconds` (T,) says how much of each row's time was
        lost to damage.

        Raises:
            OSError: It could not be written, as on a full disk; nothing has the final name then.
        """
        assert self._file is not None, "already committed or discarded"
        self._need(0)
        times = {"start_seconds": start_seconds, "end_seconds": end_seconds}
        given = {**times, "centre_frame": centre_frame, "lost_seconds": lost_seconds}
        types = {"centre_frame": np.int64}
        tables = {n: np.asarray(one, types.get(n, np.float64)) for n, one in given.items() if one is not None}
        try:
            if rows is not None and rows < len(self._features):
                self._need(rows * self._features.shape[1] * self._features.dtype.itemsize)
                self._shorten(rows)
            for name, table in tables.items():
                self._file[name] = table
            _copy_recipe(recipe, self._file)
            self._file.attrs["recipe_digest"] = fixed(digest(recipe))  # so that a rerun need not read the whole recipe
            about = self._file.create_group("source")
            write_attributes(about, {"duration_seconds": float(duration_seconds), **(source or {})})
            sums = {"features": self._features_sum()} | {name: checksum(table) for name, table in tables.items()}
            write_checksums(self._file, sums | {"source": attributes_sum(read_attributes(about))})
            self._file.flush()
            self._file.close()
        except RuntimeError as error:  # what HDF5 raises when it cannot flush while closing
            raise system_error(error, self._path) from error
        self._file = None
        put_in_place(self._temporary, self._path)
        return self._path

    def _features_sum(self) -> int:
        """The checksum of all rows; read back where they did not come in order, or not all stayed."""
        if self._summed_rows != len(self._features):
            self._sum = 0
            for row in range(0, len(self._features), 1024):
                self._sum = checksum(self._features[row : row + 1024], self._sum)
        return self._sum

    def _shorten(self, rows: int) -> None:
        # A contiguous data set cannot shrink; a second one takes its name.
        assert self._file is not None
        whole = self._features
        short = self._rows_of("kept", rows, whole.shape[1], whole.dtype)
        for row in range(0, rows, 256):
            short[row : row + 256] = whole[row : min(row + 256, rows)]
        del self._file["features"]
        self._file.move("kept", "features")
        self._features = short

    def discard(self) -> None:
        """Remove what was written, unless it was committed."""
        if self._file is not None:
            with suppress(OSError, RuntimeError):  # HDF5 flushes on closing, which fails again on a full disk
                self._file.close()
            self._file = None
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)


_recipes: dict[str, h5py.File] = {}
_copying = threading.Lock()


def _copy_recipe(recipe: Recipe, target: h5py.File) -> None:
    """Write a recipe from a file in memory: to copy it takes a fifth of the time that thirty attributes take."""
    key = json.dumps(list(recipe.items()), default=repr)
    with _copying:
        file = _recipes.get(key)
        if file is None:
            while _recipes:  # one recipe a cache, and few caches are written at a time
                _recipes.popitem()[1].close()
            file = h5py.File("recipe", "w", driver="core", backing_store=False, libver=("v110", "v110"))
            write_attributes(file.create_group("recipe"), recipe)
            _recipes[key] = file
        file.copy("recipe", target)
