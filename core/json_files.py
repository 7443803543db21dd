"""JSON and XML from anywhere: whatever is wrong with it becomes one named error, and no entity is unfolded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from .errors import DataError
from .tables import opened


def load_json(path: Path, *, next: str = "give a JSON file") -> object:
    """The contents of a JSON file.

    Raises:
        DataError: It cannot be read, is no JSON, has a key twice, lies too deep, has a number of thousands of digits or
            half a character.
    """
    with opened(path) as file:
        text = file.read()
    return parse_json(text, str(path), next=next)


def parse_json(text: str, name: str, *, next: str = "give a JSON file") -> object:
    """The contents of JSON text; `name` is what messages call it.

    Raises:
        DataError: As `load_json`.
    """
    if not text.strip():
        raise DataError(f"{name} is empty", next=next, subject=name)
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: _without_repeats(pairs, name))
        if "\\ud" in text or "\\uD" in text:
            # Bytes of names that are no UTF-8 come so, and are written back; halves of other characters cannot be.
            json.dumps(value, ensure_ascii=False).encode(errors="surrogateescape")
        return value
    except RecursionError:
        raise DataError(f"{name}: its lists lie too deep in each other", next=next, subject=name) from None
    except UnicodeEncodeError as error:
        why = f"a text of it holds half a character, {error.object[error.start]!a}"
    except json.JSONDecodeError as error:
        why = f"{error.msg}, line {error.lineno}"
    except ValueError as error:  # a whole number of more digits than Python reads
        why = str(error)[:200]
    raise DataError(f"{name} is not valid JSON", why=why, next=next, subject=name)


def _without_repeats(pairs: list[tuple[str, object]], name: str) -> dict[str, object]:
    """A table whose keys are all different: JSON readers keep the last of two without a word."""
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise DataError(f"{name}: {twice!r} is there twice", next="join the two", subject=name)
    return table


DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def skip_space(text: str, at: int) -> int:
    """The first place from `at` on that holds no white space."""
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def scan_object(text: str, at: int, consume: Callable[[str, int], int]) -> int:
    """Go through the JSON object at `at` piece by piece, as too large to be held whole; gives the place behind it.

    Args:
        text: The whole.
        at: Where the object begins.
        consume: Gets each key and its value's place, and returns the value's end.

    Raises:
        json.JSONDecodeError: It is none.
    """

    def expect(place: int, signs: str) -> int:
        if place >= len(text) or text[place] not in signs:
            raise json.JSONDecodeError(f"expected {' or '.join(signs)}", text, place)
        return place + 1

    at = skip_space(text, expect(at, "{"))
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        expect(at, '"')
        key, at = DECODER.raw_decode(text, at)
        at = skip_space(text, expect(skip_space(text, at), ":"))
        if at >= len(text):
            raise json.JSONDecodeError("the file breaks off", text, at)
        at = skip_space(text, consume(key, at))
        expect(at, ",}")
        if text[at] == "}":
            return at + 1
        at = skip_space(text, at + 1)


# An entity that a file declares can unfold to gigabytes, or be another file; no tool that is read here writes one.
_DECLARATIONS = tuple("<!ENTITY".encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be"))


def parse_xml(raw: bytes, name: str, *, next: str = "export the annotations anew") -> ElementTree.Element:
    """The root of XML that is a file, or a part of one.

    Raises:
        DataError: It is not well-formed, cut short, or declares entities.
    """
    if any(one in raw for one in _DECLARATIONS):
        raise DataError(
            f"{name} declares entities of its own",
            why="they could unfold to any size, and no annotation tool writes them",
            next=next,
            subject=name,
        )
    try:
        return ElementTree.fromstring(raw)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise DataError(f"{name} is not whole XML", why=f"{error}; is it cut short?", next=next, subject=name) from None
