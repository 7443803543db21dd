"""Anvil's annotation files: elements on tracks, each with attributes.

An element of a primary track has times; one of a span names the first and last element of another track; one of a
singleton track names one. Which attribute is the label stands in a specification that is another file, so where
elements have several the label is asked for.
Source: Kipp, Anvil's user manual; and files made by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from ..core.errors import listing
from .events import Found


def is_anvil(root: ElementTree.Element) -> bool:
    """Whether XML is of Anvil."""
    return root.tag == "annotation" and root.find("body") is not None


def read(found: Found, root: ElementTree.Element) -> None:
    """Read the elements of all tracks; fields are `value`, `track`, `comment` and the attributes.

    Raises:
        DataError: It is not known which attribute is the label.
    """
    sources = [one.get("src", "") for one in root.iter("video")]
    sources = [one.get("src", "") for one in root.iter("video") if one.get("master") == "true"] or sources
    video = found.video(sources[0]) if sources and sources[0] else found.unnamed_video()
    times: dict[str, list[tuple[float, float | None]]] = {}
    seen: dict[str, None] = {}
    for track in root.iter("track"):
        name = track.get("name", "")
        times[name] = []
        for number, element in enumerate(track.findall("el")):
            place = f"{found.path}, track {name}, element {element.get('index', number)}"
            start, end = _times(found, track, element, times, place)
            times[name].append((start, end))
            own = {one.get("name", ""): (one.text or "").strip() for one in element.findall("attribute")}
            seen |= dict.fromkeys(own)
            if len(own) > 1 and not found.options.label:
                raise found.fail(
                    f"which attribute is the label is not said: {listing(own)}",
                    why="elements have several, and Anvil's specification is another file",
                    next=f"give --label '{list(own)[-1]}', or --label track",
                    place=place,
                )
            value = next(iter(own.values()), "") or name
            fields = {"value": value, "track": name, "comment": (element.findtext("comment") or "").strip(), **own}
            found.add(video, start, end, fields, place=place)


def _times(
    found: Found,
    track: ElementTree.Element,
    element: ElementTree.Element,
    times: Mapping[str, list[tuple[float, float | None]]],
    place: str,
) -> tuple[float, float | None]:
    """Start and end of an element, by its own times or by those of the elements that it names."""
    kind, other = track.get("type", "primary"), times.get(track.get("ref", ""), [])
    try:
        if kind.startswith("primary"):
            if element.get("time") is not None:
                return float(element.get("time", "")), None
            return float(element.get("start", "")), float(element.get("end", ""))
        if element.get("ref") is not None:
            first = last = int(element.get("ref", ""))
        else:
            first, last = int(element.get("start", "")), int(element.get("end", ""))
        if min(first, last) < 0:
            raise IndexError
        return other[first][0], other[last][1]
    except (ValueError, IndexError):
        raise found.fail(
            "its times are not known",
            why=f"its track is of the kind {kind!r}, with {listing(f'{k}={v}' for k, v in element.attrib.items())}",
            place=place,
        ) from None
