"""Pickles of arrays and tensors, read without running what a pickle may hold and without letting it build anything.

A pickle is a program. Of its instructions, those that make plain values are followed; wherever it asks for a class or a
function, it gets a stand-in of this module, which takes the parts, checks them against each other and makes the array
itself. numpy's own unpickling trusts them and can end the process.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np

from ..core.errors import FeatureError, ThasError
from ..core.narrowing import is_array, is_dict, is_row, is_tuple
from ..core.reading import reading
from .stand_ins import STAND_INS, TORCH_TYPES, ArrayParts, StorageType, TypeParts, objects_of, put, refused

_DEEPEST, _MOST_STEPS = 20, 300_000
_AGAIN = "make it again; numpy.save of a plain array (T, D) is always read"


class Restricted(pickle._Unpickler):
    """Python's own unpickler, whose memory grows with the file alone, unlike that of the quicker one in C.

    Whatever it asks for, it gets a stand-in.

    Args:
        file: Bytes, open for reading.
        persistent: Gives what the pickle keeps outside itself, as torch does its numbers.
        load_bytes: Reads torch's file inside a pickle.
    """

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)
    # What it works with is described nowhere.
    stack: list[object]
    append: Callable[[object], None]
    pop_mark: Callable[[], list[object]]
    read: Callable[[int], bytes]

    def __init__(
        self,
        file: BinaryIO,
        *,
        persistent: Callable[[object], np.ndarray] | None = None,
        load_bytes: Callable[..., object] | None = None,
    ) -> None:
        super().__init__(file, encoding="latin1")
        self._persistent = persistent
        self._load_bytes = load_bytes

    def find_class(self, module: str, name: str) -> object:
        """A stand-in, whatever is asked for."""
        found = STAND_INS.get((module, name))
        if found is not None:
            return found
        if module in ("torch", "torch.cuda") and name in TORCH_TYPES:
            return StorageType(name)
        if (module, name) == ("torch.storage", "_load_from_bytes") and self._load_bytes is not None:
            return self._load_bytes
        if module == "torch._utils" and name.startswith("_rebuild_"):
            kind = name.removeprefix("_rebuild_")
            raise refused(f"it holds a tensor of a kind that is not read ({kind}): save tensor.to_dense().float()")
        raise refused(f"it asks for {module}.{name}, which is neither an array nor text nor bytes")

    def get_extension(self, code: int) -> None:
        """None are known."""
        raise refused("it asks for an extension")

    def persistent_load(self, pid: object) -> np.ndarray:
        """What lies outside the pickle."""
        if self._persistent is None:
            raise refused("it refers to something outside itself")
        return self._persistent(pid)

    def load_build(self) -> None:
        """Parts for a stand-in."""
        state = self.stack.pop()
        made = self.stack[-1]
        if isinstance(made, ArrayParts | TypeParts):
            made.take_state(state)
        elif not isinstance(made, dict):  # an OrderedDict brings attributes, which say nothing of its numbers
            raise refused(f"it sets what a {type(made).__name__} consists of")

    def load_call(self) -> None:
        """Call a stand-in."""
        arguments = self.stack.pop()
        known = (*STAND_INS.values(), self._load_bytes)
        function = next((one for one in known if one is self.stack[-1]), None)
        if function is None or not is_tuple(arguments):
            raise refused("it calls what is no function of arrays")
        self.stack[-1] = function(*arguments)

    def load_long_bytes(self) -> None:
        """Bytes that are there, however many are claimed."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(min(length, 1 << 62))))  # a bytearray of a claimed length would take it at once

    def load_instance(self) -> None:
        """Refused."""
        raise refused("it makes an object of an old kind")

    def load_setitem(self) -> None:
        """One entry of a table."""
        value, key = self.stack.pop(), self.stack.pop()
        put(self.stack[-1], [(key, value)])

    def load_setitems(self) -> None:
        """Entries of a table."""
        items = self.pop_mark()
        put(self.stack[-1], zip(items[::2], items[1::2], strict=True))

    def load_dict(self) -> None:
        """A table."""
        items = self.pop_mark()
        self.append(put({}, zip(items[::2], items[1::2], strict=True)))

    def load_set(self) -> None:
        """Refused."""
        raise refused("it holds a set")

    for _code, _method in (
        (pickle.BUILD, load_build), (pickle.REDUCE, load_call), (pickle.NEWOBJ, load_call),
        (pickle.INST, load_instance),
        (pickle.OBJ, load_instance), (pickle.NEWOBJ_EX, load_instance), (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems), (pickle.DICT, load_dict), (pickle.EMPTY_SET, load_set),
        (pickle.FROZENSET, load_set), (pickle.ADDITEMS, load_set), (pickle.BYTEARRAY8, load_long_bytes),
    ):  # fmt: skip
        dispatch[_code[0]] = _method

    def read_value(self) -> object:
        """The pickle's value, of plain Python values and arrays."""
        return _Finishing().value(self.load())


class _Finishing:
    """Puts finished arrays in place of stand-ins, in a bounded number of steps: a value may be in many places."""

    def __init__(self) -> None:
        self.steps = 0

    def value(self, value: object, depth: int = 0) -> object:
        self.steps += 1
        if depth > _DEEPEST or self.steps > _MOST_STEPS:
            raise refused("its tables lie too deep in each other, or hold too much")
        if isinstance(value, ArrayParts):
            value = value.value
            if value is None:
                raise refused("it holds an array without contents")
        if is_array(value) and value.dtype.hasobject:
            return objects_of([self.value(item, depth + 1) for item in value.reshape(-1)]).reshape(value.shape)
        if is_dict(value):
            return {key: self.value(item, depth + 1) for key, item in value.items()}
        if is_row(value):
            if all(type(item) in (int, float) for item in value):  # a row of numbers is one step, or a few
                self.steps += len(value) // 100
                return value
            return type(value)(self.value(item, depth + 1) for item in value)
        if isinstance(value, TypeParts | StorageType) or callable(value):
            raise refused("it holds a type where a value belongs")
        return value


def reason(error: Exception) -> str:
    """What a damaged file's reader said, if it said it in words, else that it is damaged."""
    told = isinstance(error, pickle.UnpicklingError | ValueError | OSError | ThasError) and str(error)
    return str(error).splitlines()[0][:300] if told else f"it is damaged or cut off ({type(error).__name__})"


def reading_arrays(path: Path, *, next: str = _AGAIN) -> AbstractContextManager[None]:
    """Within the `with` block, whatever a reader gives up with becomes a FeatureError that names the file.

    A damaged file fails in the middle as it does at its head, with almost any error.
    """
    return reading(path, "cannot be read", next=next, kind=FeatureError, but=FeatureError, say=reason)
