"""Arrays out of pickles, of numpy's, torch's and plain ones, by the restricted reader."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import FeatureError
from ..core.reading import refuse_pipe
from .pickles import Restricted, reason
from .stand_ins import flat, refused, shaped
from .torch_files import read_torch_bytes


def unpickle(content: bytes) -> Any:
    """The value of a pickle that holds arrays, tensors, texts, numbers and tables of them alone."""
    return Restricted(io.BytesIO(content), load_bytes=read_torch_bytes).read_value()


def load_array(path: Path) -> np.ndarray:
    """An array from a .npy file; object arrays by the restricted reader.

    Raises:
        FeatureError: It is no array, is cut off, or its pickle asks for anything but arrays, texts and bytes.
    """
    try:
        refuse_pipe(path)
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = header(file)
            if dtype.hasobject:
                if dtype.kind != "O":
                    raise refused(f"it asks for an array of {dtype}")
                loaded = unpickle(file.read())
                objects = loaded.reshape(-1) if isinstance(loaded, np.ndarray) else flat(loaded, np.dtype(object))
                return shaped(objects, shape, fortran=fortran)
            rest = path.stat().st_size - file.tell()
            if dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize > rest:
                raise refused(f"it claims {shape} of {dtype} and holds {rest} bytes")
            count = math.prod(shape)
            return shaped(np.fromfile(file, dtype, count), shape, fortran=fortran)
    except Exception as error:  # a broken pickle raises almost anything
        raise FeatureError(
            f"{path} cannot be read",
            why=reason(error),
            next="save plain arrays with numpy.save",
            subject=str(path),
        ) from error


def load_tree(path: Path) -> dict[str, np.ndarray]:
    """Arrays from a plain pickle of nested tables, by the restricted reader; their names joined by dots.

    Raises:
        FeatureError: It is cut off, holds anything but tables of numeric arrays, or asks for anything else.
    """
    try:
        refuse_pipe(path)
        return dict(_leaves(unpickle(path.read_bytes()), ""))
    except Exception as error:  # a broken pickle raises almost anything
        raise FeatureError(
            f"{path} cannot be read",
            why=reason(error),
            next="take the file as it was published",
            subject=str(path),
        ) from error


def _leaves(tree: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    elif isinstance(tree, np.ndarray) and tree.dtype.kind in "fiu":
        yield name, np.array(tree)  # of our own memory: what a pickle holds may not be written to
    else:
        raise refused(f"{name or 'it'} is no array of numbers but a {type(tree).__name__}")
