"""Sound files changed to see what their readers do: bytes, words of text, and the parts that a format is made of.

`changed` draws one of the ways that fit a file's kind. Changed bytes mostly test a parser; changed parts (a JSON value
of another type, an HDF5 array of another shape, a member of an archive) reach what stands behind it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

# What is put into text and bytes: numbers that are none, too long or too large, names of other files, odd signs.
_PIECES = [
    b"NaN", b"Infinity", b"-1", b"1e999", b"9" * 5000, b"4294967296", b"null", b"true", b"{}", b"[]", b'""',
    b"[" * 5000,    b"{" * 3000, b'{"a":' * 2000, b"../../x", b"\0", b"\x1b[31m",
    b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n\n", b'"',
    b",",    b"=", b"'''", b"1.5", b"[[a]]\n" * 300, b"a.b.c = 1\n", b"\x80\x04", b"]" * 200, b"e" * 300,
]  # fmt: skip
_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "a", "\0",
    "../../x", "\x1b[31m", "é" * 300, [], {}, [[]], [None], {"a": 1}, [1, 2], ["a", "a"], "1e999", "=1+1",
]  # fmt: skip
_WORD = re.compile(rb"[A-Za-z_][\w.-]*|-?\d+(?:\.\d+)?|\"[^\"\n]*\"|\S|\s")


def changed_bytes(content: bytes, draw: np.random.Generator) -> bytes:
    """One to four changes: bits, bytes and pieces set, put in, doubled, left out or cut off."""
    data = bytearray(content)
    for _ in range(int(draw.integers(1, 5))):
        at = int(draw.integers(0, len(data) + 1))
        length = int(min(draw.integers(1, 40), len(data) - at))
        kind = int(draw.integers(0, 8))
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << int(draw.integers(0, 8))
        elif kind == 1:
            data[at : at + length] = draw.integers(0, 256, length).astype(np.uint8).tobytes()
        elif kind in (2, 3):
            data[at : at + (length if kind == 3 else 0)] = _PIECES[int(draw.integers(0, len(_PIECES)))]
        elif kind == 4:
            data[at:at] = data[at : at + length] * int(draw.integers(1, 4))
        elif kind == 5:
            del data[at : at + length]
        elif kind == 6:
            data[at : at + 8] = int(draw.choice([0, 1, 255, 2**31 - 1, 2**32, 2**62])).to_bytes(8, "little")
        else:
            del data[at:]
    return bytes(data)


def changed_words(content: bytes, draw: np.random.Generator) -> bytes:
    """One to three words, numbers, quoted texts or signs replaced by others of the file or odd ones, or left out."""
    words = _WORD.findall(content)
    for _ in range(int(draw.integers(1, 4))):
        if not words:
            break
        at = int(draw.integers(0, len(words)))
        kind = int(draw.integers(0, 4))
        if kind == 0:
            words[at] = _PIECES[int(draw.integers(0, len(_PIECES)))]
        elif kind == 1:
            words[at] = words[int(draw.integers(0, len(words)))]
        elif kind == 2:
            del words[at]
        else:
            words[at] = json.dumps(_value(draw)).encode()
    return b"".join(words)


def _value(draw: np.random.Generator) -> Any:
    return _VALUES[int(draw.integers(0, len(_VALUES)))]


def changed_tree(value: Any, draw: np.random.Generator) -> Any:
    """A JSON value with one of its places given another value, left out, or under another name."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = list(value)[int(draw.integers(0, len(value)))]
        kind = int(draw.integers(0, 6))
        rest = {name: item for name, item in value.items() if name != key}
        if kind == 0:
            return rest
        if kind == 1:
            return {**rest, str(_value(draw)): value[key]}
        return {**value, key: changed_tree(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        at = int(draw.integers(0, len(value)))
        if draw.random() < 0.2:
            return [*value[:at], *value[at + 1 :]]
        if draw.random() < 0.2:
            return [*value, value[at]]
        return [*value[:at], changed_tree(value[at], draw), *value[at + 1 :]]
    return _value(draw)


def changed_json(content: bytes, draw: np.random.Generator) -> bytes:
    """A JSON file with one to three places changed; a line a file's worth where it is one of lines."""
    try:
        tree = json.loads(content)
    except ValueError:
        lines = [json.loads(line) for line in content.splitlines()]
        at = int(draw.integers(0, len(lines)))
        lines[at] = changed_tree(lines[at], draw)
        return b"\n".join(json.dumps(line).encode() for line in lines)
    for _ in range(int(draw.integers(1, 4))):
        tree = changed_tree(tree, draw)
    return json.dumps(tree).encode()


def changed_safetensors(content: bytes, draw: np.random.Generator) -> bytes:
    """Another header before the same numbers: of the tensors, or of what thas says of them; or some NaN among them."""
    length = int.from_bytes(content[:8], "little")
    header, numbers = json.loads(content[8 : 8 + length]), bytearray(content[8 + length :])
    kind = int(draw.integers(0, 4))
    if kind == 0 and len(numbers) >= 4:
        at = 4 * int(draw.integers(0, len(numbers) // 4))
        numbers[at : at + 4] = np.float32(draw.choice([np.nan, np.inf, 1e38])).tobytes()
    elif kind == 1:
        header = changed_tree(header, draw)
    else:
        told = header["__metadata__"]
        header = {**header, "__metadata__": {**told, "thas": json.dumps(changed_tree(json.loads(told["thas"]), draw))}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(numbers)


def changed_archive(content: bytes, draw: np.random.Generator) -> bytes:
    """A zip archive with one member changed, as bytes or as words, or left out, or put under another's name."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = list(members)[int(draw.integers(0, len(members)))]
    kind = int(draw.integers(0, 6))
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[list(members)[int(draw.integers(0, len(members)))]] = members[name]
    else:
        members[name] = (changed_words if draw.random() < 0.5 else changed_bytes)(members[name], draw)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if draw.random() < 0.5 else zipfile.ZIP_STORED) as archive:
        for one, inner in members.items():
            archive.writestr(one, inner)
    return out.getvalue()


_ARRAYS: list[Callable[[], Any]] = [
    lambda: np.float64(np.nan), lambda: np.zeros(0), lambda: np.zeros((2, 3, 4)), lambda: np.array([np.inf, 1.0]),
    lambda: "text", lambda: ["a", "b"], lambda: np.bytes_(b"\xff"), lambda: np.arange(4), lambda: np.array([[True]]),
    lambda: -1.0, lambda: np.zeros((4, 3), "f2"), lambda: np.zeros(3, "c8"), lambda: h5py.Empty("f4"),
    lambda: np.zeros(2, [("a", "i4")]), lambda: 10**18,
]  # fmt: skip


def changed_hdf5(content: bytes, draw: np.random.Generator) -> bytes:
    """An HDF5 file with one array or attribute given another value, left out, renamed, or made a link."""
    out = io.BytesIO(content)
    with h5py.File(out, "r+") as file:
        places: list[tuple[Any, str, bool]] = []

        def note(group: Any) -> None:
            places.extend((group, name, True) for name in group.attrs)
            if isinstance(group, h5py.Group):
                places.extend((group, name, False) for name in group)

        note(file)
        file.visititems(lambda _, one: note(one))
        group, name, attribute = places[int(draw.integers(0, len(places)))]
        kind = int(draw.integers(0, 7))
        table = group.attrs if attribute else group
        if not attribute and kind >= 5:
            del table[name]
            table[name] = h5py.SoftLink("/") if kind == 5 else h5py.ExternalLink("other.h5", "/x")
            return _closed(file, out)
        value = None if kind == 0 else _ARRAYS[int(draw.integers(0, len(_ARRAYS)))]()
        del table[name]
        if value is not None:
            table[name if kind != 1 else f"{name}x"] = value
        return _closed(file, out)


def _closed(file: h5py.File, out: io.BytesIO) -> bytes:
    file.close()
    return out.getvalue()


CHANGES: Mapping[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "text": changed_words,
    "json": changed_json,
    "safetensors": changed_safetensors,
    "zip": changed_archive,
    "hdf5": changed_hdf5,
}
"""By the kind of a file."""


def changed(content: bytes, draw: np.random.Generator, kind: str = "") -> bytes:
    """Bytes changed, or half of the time, where the kind of the file is known, its parts."""
    if kind and draw.random() < 0.5:
        return CHANGES[kind](content, draw)
    return changed_bytes(content, draw)


def is_finite(value: Any) -> bool:
    """Whether all numbers in what a reader returned are finite."""
    if isinstance(value, list | tuple):
        return all(is_finite(item) for item in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value.astype(np.float64)).all())
    return not isinstance(value, float) or bool(np.isfinite(value))
