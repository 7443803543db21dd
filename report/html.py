"""Small pieces of HTML in which every text is a text, whatever it holds."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """A value as HTML; only `Markup` stays as it is.

    >>> text("<script>"), text(Markup("<b>x</b>"))
    ('&lt;script&gt;', '<b>x</b>')
    """
    return value if isinstance(value, Markup) else Markup(escape(readable(str(value))))


def readable(name: str) -> str:
    """A name without the lone surrogates that stand for bytes which are no text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def element(tag: str, *children: object, **attributes: str) -> Markup:
    """An element; `class_` is the attribute class.

    >>> element("p", "1 < 2", class_="note")
    '<p class="note">1 &lt; 2</p>'
    """
    names = "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in attributes.items())
    return Markup(f"<{tag}{names}>{''.join(map(text, children))}</{tag}>")


def table(heading: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """A table that scrolls sideways where it does not fit; the first column names the row, the others are numbers."""
    head = element("tr", *(element("th", cell, scope="col") for cell in heading))

    def line(row: Sequence[object]) -> Markup:
        return element("tr", element("th", row[0], scope="row", dir="auto"), *(element("td", cell) for cell in row[1:]))

    whole = element("table", element("thead", head), element("tbody", *map(line, rows)))
    return element("div", whole, class_="scroll")


def card(number: str, what: str, note: str = "", tone: str = "") -> Markup:
    """A large number with what it is of; `tone` is good, warn, bad or none."""
    small = [element("small", note)] if note else []
    return element("div", element("strong", number), element("span", what), *small, class_=f"card {tone}".strip())


def jpeg_address(picture: PIL.Image.Image, *, quality: int, optimize: bool = False) -> str:
    """A picture as the address of an image element, with all of its bytes."""
    content = io.BytesIO()
    picture.convert("RGB").save(content, "JPEG", quality=quality, optimize=optimize)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def embedded_json(value: object) -> str:
    r"""JSON that no browser can take for the end of the script element it stands in.

    >>> print(embedded_json({"v": "</script>"}))
    {"v":"\u003c/script\u003e"}
    """
    content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        content = content.replace(character, f"\\u{ord(character):04x}")
    return readable(content)
