"""Old .npy files of object arrays, read without running what a pickle may hold.

A pickle is a program. This reader admits what an array of arrays, texts and bytes needs and refuses everything else.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import FeatureError

# Under numpy 1 the private modules were called numpy.core, under numpy 2 numpy._core.
_ADMITTED = {
    (module, name)
    for module in (
        "numpy.core.multiarray",
        "numpy._core.multiarray",
        "numpy.core.numeric",
        "numpy._core.numeric",
        "numpy",
    )
    for name in ("_reconstruct", "scalar", "_frombuffer", "ndarray", "dtype")
} | {("_codecs", "encode"), ("builtins", "bytes"), ("builtins", "bytearray")}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is neither an array nor text nor bytes")
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        return super().find_class(module, name)


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """How protocol 2 writes bytes; nothing else that codecs could do."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding}")
    return text.encode("latin1")


def load_array(path: Path) -> np.ndarray:
    """An array from a .npy file; object arrays by the restricted reader.

    Raises:
        FeatureError: It is no array, is cut off, or its pickle asks for anything but arrays, texts and bytes.
    """
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = header(file)
            if not dtype.hasobject:
                file.seek(0)
                return np.load(file, allow_pickle=False)
            loaded = _Restricted(file, encoding="latin1").load()
            array = np.asarray(loaded, dtype=object) if not isinstance(loaded, np.ndarray) else loaded
            return array.reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # a broken pickle raises almost anything
        raise FeatureError(
            f"{path} cannot be read",
            why=f"{type(error).__name__}: {str(error) or 'it is cut off'}"[:300],
            next="save plain arrays with numpy.save",
            subject=str(path),
        ) from error
