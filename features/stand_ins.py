"""Stand-ins for what a pickle of arrays and tensors asks for: they take parts and make arrays of those that agree."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import numpy as np

from ..core.narrowing import is_array, is_dict, is_row, is_tuple

# Kinds and sizes that an array's numbers or texts may have; "O" holds other values of the pickle.
_DTYPE = re.compile(r"[<>|=]?(?:b1|i[1248]|u[1248]|f[248]|c8|c16|S\d{1,6}|U\d{1,6}|O8?|\?|[bhilqBHILQefd])")
_MOST_DIMENSIONS = 8
# Bytes of each number in torch's storages; bfloat16 is widened, which numpy lacks.
TORCH_TYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip


#: What a reader says of a pickle that it does not follow.
refused = pickle.UnpicklingError


def _sizes(claimed: object) -> tuple[int, ...] | None:
    """The whole numbers that a file claims of an array's axes; None if they cannot be any array's."""
    given = claimed if is_row(claimed) else (claimed,)
    sizes = tuple(n for n in given if type(n) is int and 0 <= n < 1 << 48)
    return sizes if len(sizes) == len(given) <= _MOST_DIMENSIONS else None


def shaped(raw: np.ndarray, shape: object, *, fortran: bool = False) -> np.ndarray:
    """A flat array in a shape that a file claims, once the shape is seen to hold as many values."""
    sizes = _sizes(shape)
    if sizes is None:
        raise refused(f"it claims an array of shape {str(shape)[:80]}")
    if math.prod(sizes) != raw.size:
        raise refused(f"it claims {'x'.join(map(str, sizes))} values and holds {raw.size}")
    return raw.reshape(sizes, order="F" if fortran else "C")


class TypeParts:
    """A dtype being unpickled: its text, then its byte order."""

    def __init__(self, text: object = "", align: object = False, copy: object = False) -> None:
        text = text.decode("latin1") if isinstance(text, bytes) else text
        if not isinstance(text, str) or not _DTYPE.fullmatch(text):
            raise refused(f"it asks for an array of {str(text)[:60]!r}, which is neither numbers nor text")
        self.dtype = np.dtype(text)

    def take_state(self, state: object) -> None:
        """The byte order."""
        order = state[1] if is_tuple(state) and len(state) >= 2 else None
        if isinstance(order, str) and order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)
        elif order not in ("|", "="):
            raise refused("its type of numbers is not described as numpy does")


class ArrayParts:
    """An array being unpickled: nothing at first, then shape, type and bytes."""

    def __init__(self, *_: object) -> None:
        self.value: np.ndarray | None = None

    def take_state(self, state: object) -> None:
        """Shape, type, order and bytes."""
        _, shape, kind, fortran, data = state if is_tuple(state) and len(state) == 5 else (None,) * 5
        if not isinstance(kind, TypeParts):
            raise refused("its array is not described as numpy does")
        self.value = shaped(flat(data, kind.dtype), shape, fortran=bool(fortran))


def objects_of(items: Sequence[object]) -> np.ndarray:
    """An array of objects, (N,), whatever they are."""
    objects = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        objects[i] = item
    return objects


def flat(data: object, dtype: np.dtype) -> np.ndarray:
    """The values of an array in a row, from its bytes, or from a list of objects."""
    if dtype.hasobject:
        if not is_row(data):
            raise refused("its array of objects holds no list")
        return objects_of(data)
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray) or dtype.itemsize == 0 or len(data) % dtype.itemsize:
        raise refused(f"its array of {dtype} holds no bytes of that size")
    return np.frombuffer(bytes(data), dtype)


def _from_buffer(data: object, kind: object, shape: object, order: object = "C") -> np.ndarray:
    if not isinstance(kind, TypeParts) or kind.dtype.hasobject:
        raise refused("its array is not described as numpy does")
    return shaped(flat(data, kind.dtype), shape, fortran=order == "F")


def _scalar(kind: object, data: object = b"") -> object:
    if not isinstance(kind, TypeParts) or kind.dtype.hasobject:
        raise refused("its number is not described as numpy does")
    return shaped(flat(data, kind.dtype), (1,))[0].item()


def _latin1(text: object, encoding: object = "latin1") -> bytes:
    """How protocol 2 writes bytes; nothing else that codecs could do."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise refused(f"it asks for the codec {str(encoding)[:40]}")
    return text.encode("latin1")


def _bytes(data: object = b"", encoding: object = "latin1") -> bytes:
    if isinstance(data, str):
        return _latin1(data, encoding)
    if isinstance(data, bytes | bytearray):
        return bytes(data)
    if data == []:
        return b""
    raise refused("it makes bytes out of something else")  # bytes(10**12) would take that much memory


def _ordered(pairs: object = ()) -> dict[object, object]:
    given = pairs if is_row(pairs) else (None,)
    found = [(pair[0], pair[1]) for pair in given if is_row(pair)]
    if len(found) < len(given):
        raise refused("its table is no list of pairs")
    return put({}, found)


def put(table: object, pairs: Iterable[tuple[object, object]]) -> dict[object, object]:
    """Add to a table; a key is a plain value, since hashing nested ones has no end that Python would notice."""
    if not is_dict(table):
        raise refused("it puts something into what is no table")
    for key, value in pairs:
        if not isinstance(key, str | bytes | int | float | type(None)):
            raise refused(f"a key of its tables is a {type(key).__name__}")
        table[key] = value
    return table


def _tensor(
    storage: object = None, offset: object = 0, size: object = (), stride: object = (), *_: object
) -> np.ndarray:
    """A tensor: places in a storage, all of which must exist, in no more memory than the storage takes."""
    if not is_array(storage) or storage.ndim != 1:
        raise refused("its tensor has no storage")
    sizes, strides = _sizes(size), _sizes(stride)
    if type(offset) is not int or offset < 0 or sizes is None or strides is None or len(sizes) != len(strides):
        raise refused(f"it claims a tensor of shape {str(size)[:80]}")
    count = math.prod(sizes)
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True)) if count else 0
    if count > storage.size or last >= max(storage.size, 1):
        raise refused(f"it claims a tensor of shape {sizes}, and its storage holds {storage.size} numbers")
    if not count:
        return np.empty(tuple(min(n, 1 << 30) for n in sizes), storage.dtype)
    step = storage.itemsize
    view = np.lib.stride_tricks.as_strided(storage[offset:], sizes, [n * step for n in strides], writeable=False)
    return np.ascontiguousarray(view)


def _parameter(data: object = None, *_: object) -> object:
    return data


def _tuple(items: object = ()) -> tuple[object, ...]:
    return tuple(items) if is_row(items) else ()


_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric", "numpy")
STAND_INS: dict[tuple[str, str], Callable[..., object]] = {
    ("_codecs", "encode"): _latin1,
    **dict.fromkeys(product(("builtins", "__builtin__"), ("bytes", "bytearray")), _bytes),
    ("collections", "OrderedDict"): _ordered,
    ("torch", "Size"): _tuple,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    **dict.fromkeys(product(_NUMPY, ("_reconstruct", "ndarray")), ArrayParts),
    **dict.fromkeys(product(_NUMPY, ("dtype",)), TypeParts),
    **dict.fromkeys(product(_NUMPY, ("scalar",)), _scalar),
    **dict.fromkeys(product(_NUMPY, ("_frombuffer",)), _from_buffer),
}


class StorageType:
    """The type of a tensor's storage, by the name that torch gives it."""

    def __init__(self, name: str) -> None:
        self.dtype = TORCH_TYPES[name]
