"""Arrays out of pickles, of numpy's, torch's and plain ones, by the restricted reader."""

from __future__ import annotations

import io
import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ..core.errors import FeatureError
from ..core.narrowing import is_array, is_dict
from ..core.reading import advice, refuse_pipe
from .pickles import Restricted, reason
from .stand_ins import flat, refused, shaped
from .torch_files import read_torch_bytes


def unpickle(content: bytes) -> object:
    """The value of a pickle that holds arrays, tensors, texts, numbers and tables of them alone."""
    return Restricted(io.BytesIO(content), load_bytes=read_torch_bytes).read_value()


def npy_heading(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type, by the head of a .npy file."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


@contextmanager
def _told(path: Path, *, next: str) -> Generator[None]:
    """Whatever a broken pickle raises, which is almost anything, as one error that names the file."""
    try:
        refuse_pipe(path)
        yield
    except Exception as error:
        raise FeatureError(
            f"{path} cannot be read", why=reason(error), next=advice(error, next), subject=str(path)
        ) from error


def load_array(path: Path) -> np.ndarray:
    """An array from a .npy file; object arrays by the restricted reader.

    Raises:
        FeatureError: It is no array, is cut off, or its pickle asks for anything but arrays, texts and bytes.
    """
    with _told(path, next="save plain arrays with numpy.save"), open(path, "rb") as file:
        shape, fortran, dtype = npy_heading(file)
        if dtype.hasobject:
            if dtype.kind != "O":
                raise refused(f"it asks for an array of {dtype}")
            loaded = unpickle(file.read())
            objects = loaded.reshape(-1) if is_array(loaded) else flat(loaded, np.dtype(object))
            return shaped(objects, shape, fortran=fortran)
        rest = path.stat().st_size - file.tell()
        if dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize > rest:
            raise refused(f"it claims {shape} of {dtype} and holds {rest} bytes")
        return shaped(np.fromfile(file, dtype, math.prod(shape)), shape, fortran=fortran)


def load_tree(path: Path) -> dict[str, np.ndarray]:
    """Arrays from a plain pickle of nested tables, by the restricted reader; their names joined by dots.

    Raises:
        FeatureError: It is cut off, holds anything but tables of numeric arrays, or asks for anything else.
    """
    with _told(path, next="take the file as it was published"):
        return dict(_leaves(unpickle(path.read_bytes()), ""))


def _leaves(tree: object, name: str) -> Iterator[tuple[str, np.ndarray]]:
    if is_dict(tree):
        for key, value in tree.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    elif is_array(tree) and tree.dtype.kind in "fiu":
        yield name, np.array(tree)  # of our own memory: what a pickle holds may not be written to
    else:
        raise refused(f"{name or 'it'} is no array of numbers but a {type(tree).__name__}")
