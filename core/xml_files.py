"""XML from elsewhere, whose entities are not unfolded."""

from __future__ import annotations

from xml.etree import ElementTree

from .errors import DataError

# An entity that a file declares can unfold to gigabytes, or be another file; no tool that is read here writes one.
_DECLARATIONS = tuple("<!ENTITY".encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be"))


def parse_xml(raw: bytes, name: str, *, next: str = "export the annotations anew") -> ElementTree.Element:
    """The root of XML that is a file, or a part of one.

    Args:
        raw: Its bytes.
        name: What it is, for the message.
        next: What to do if it cannot be read.

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
