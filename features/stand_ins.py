"""Stand-ins for what a pickle of arrays and tensors asks for: they take parts and make arrays of those that agree."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np

# Kinds and sizes that an array's numbers or texts may have; "O" holds other values of the pickle.
_DTYPE = re.compile(r"[<>|=]?(?:b1|i[1248]|u[1248]|f[248]|c8|c16|S\d{1,6}|U\d{1,6}|O8?|\?|[bhilqBHILQefd])")
_MOST_DIMENSIONS = 8
# Bytes of each number in torch's storages; bfloat16 is widened, which numpy lacks.
TORCH_TYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip


def refused(why: str) -> pickle.UnpicklingError:
    """What a reader says of a pickle that it does not follow."""
    return pickle.UnpicklingError(why)


def shaped(raw: np.ndarray, shape: Any, *, fortran: bool = False) -> np.ndarray:
    """A flat array in a shape that a file claims, once the shape is seen to hold as many values."""
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if len(sizes) > _MOST_DIMENSIONS or not all(type(n) is int and 0 <= n < 1 << 48 for n in sizes):
        raise refused(f"it claims an array of shape {str(shape)[:80]}")
    if math.prod(sizes) != raw.size:
        raise refused(f"it claims {'x'.join(map(str, sizes))} values and holds {raw.size}")
    return raw.reshape(sizes, order="F" if fortran else "C")


class TypeParts:
    """A dtype being unpickled: its text, then its byte order."""

    def __init__(self, text: Any = "", align: Any = False, copy: Any = False) -> None:
        text = text.decode("latin1") if isinstance(text, bytes) else text
        if not isinstance(text, str) or not _DTYPE.fullmatch(text):
            raise refused(f"it asks for an array of {str(text)[:60]!r}, which is neither numbers nor text")
        self.dtype = np.dtype(text)

    def take_state(self, state: Any) -> None:
        """The byte order."""
        if not (isinstance(state, tuple) and len(state) >= 2 and state[1] in ("<", ">", "|", "=")):
            raise refused("its type of numbers is not described as numpy does")
        self.dtype = self.dtype.newbyteorder(state[1]) if state[1] in "<>" else self.dtype


class ArrayParts:
    """An array being unpickled: nothing at first, then shape, type and bytes."""

    def __init__(self, *_: Any) -> None:
        self.value: np.ndarray | None = None

    def take_state(self, state: Any) -> None:
        """Shape, type, order and bytes."""
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], TypeParts)):
            raise refused("its array is not described as numpy does")
        _, shape, kind, fortran, data = state
        self.value = shaped(flat(data, kind.dtype), shape, fortran=bool(fortran))


def flat(data: Any, dtype: np.dtype) -> np.ndarray:
    """The values of an array in a row, from its bytes, or from a list of objects."""
    if dtype.hasobject:
        if not isinstance(data, list):
            raise refused("its array of objects holds no list")
        objects = np.empty(len(data), dtype=object)
        for i, item in enumerate(data):
            objects[i] = item
        return objects
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray) or dtype.itemsize == 0 or len(data) % dtype.itemsize:
        raise refused(f"its array of {dtype} holds no bytes of that size")
    return np.frombuffer(bytes(data), dtype)


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any = "C") -> np.ndarray:
    if not isinstance(kind, TypeParts) or kind.dtype.hasobject:
        raise refused("its array is not described as numpy does")
    return shaped(flat(data, kind.dtype), shape, fortran=order == "F")


def _scalar(kind: Any, data: Any = b"") -> Any:
    if not isinstance(kind, TypeParts) or kind.dtype.hasobject:
        raise refused("its number is not described as numpy does")
    return shaped(flat(data, kind.dtype), (1,))[0].item()


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    """How protocol 2 writes bytes; nothing else that codecs could do."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise refused(f"it asks for the codec {str(encoding)[:40]}")
    return text.encode("latin1")


def _bytes(data: Any = b"", encoding: Any = "latin1") -> bytes:
    if isinstance(data, str):
        return _latin1(data, encoding)
    if isinstance(data, bytes | bytearray) or data == []:
        return bytes(data)
    raise refused("it makes bytes out of something else")  # bytes(10**12) would take that much memory


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    return put({}, ((pair[0], pair[1]) for pair in pairs))


def put(table: Any, pairs: Any) -> Any:
    """Add to a table; a key is a plain value, since hashing nested ones has no end that Python would notice."""
    if not isinstance(table, dict):
        raise refused("it puts something into what is no table")
    for key, value in pairs:
        if not isinstance(key, str | bytes | int | float | type(None)):
            raise refused(f"a key of its tables is a {type(key).__name__}")
        table[key] = value
    return table


def _storage(storage: Any, offset: Any, size: Any, stride: Any) -> np.ndarray:
    """A tensor: places in a storage, all of which must exist, in no more memory than the storage takes."""
    if not isinstance(storage, np.ndarray) or storage.ndim != 1:
        raise refused("its tensor has no storage")
    sizes, strides = tuple(size), tuple(stride)
    numbers = (offset, *sizes, *strides)
    if (
        len(sizes) != len(strides)
        or len(sizes) > _MOST_DIMENSIONS
        or not all(type(n) is int and n >= 0 for n in numbers)
    ):
        raise refused(f"it claims a tensor of shape {str(sizes)[:80]}")
    count = math.prod(sizes)
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True)) if count else 0
    if count > storage.size or last >= max(storage.size, 1):
        raise refused(f"it claims a tensor of shape {sizes}, and its storage holds {storage.size} numbers")
    if not count:
        return np.empty(tuple(min(n, 1 << 30) for n in sizes), storage.dtype)
    step = storage.itemsize
    view = np.lib.stride_tricks.as_strided(storage[offset:], sizes, [n * step for n in strides], writeable=False)
    return np.ascontiguousarray(view)


def _tensor(storage: Any = None, offset: Any = 0, size: Any = (), stride: Any = (), *_: Any) -> np.ndarray:
    return _storage(storage, offset, size, stride)


def _parameter(data: Any = None, *_: Any) -> Any:
    return data


def _tuple(items: Any = ()) -> tuple[Any, ...]:
    return tuple(items) if isinstance(items, tuple | list) else ()


_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric", "numpy")
STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _latin1,
    ("builtins", "bytes"): _bytes,
    ("builtins", "bytearray"): _bytes,
    ("__builtin__", "bytes"): _bytes,
    ("__builtin__", "bytearray"): _bytes,
    ("collections", "OrderedDict"): _ordered,
    ("torch", "Size"): _tuple,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
}
for _module in _NUMPY:
    for _name, _made in (
        ("_reconstruct", ArrayParts), ("scalar", _scalar), ("_frombuffer", _from_buffer), ("ndarray", ArrayParts),
        ("dtype", TypeParts),
    ):  # fmt: skip
        STAND_INS[_module, _name] = _made


class StorageType:
    """The type of a tensor's storage, by the name that torch gives it."""

    def __init__(self, name: str) -> None:
        self.dtype = TORCH_TYPES[name]
