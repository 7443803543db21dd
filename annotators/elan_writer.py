"""ELAN's annotation files (`.eaf`), written: one of each video."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np

from ..core.errors import UsageError
from ..core.file_names import file_name
from ..core.segments import Segments
from .elan import POINT_TYPE
from .plain_forms import Content, Files
from .texts import xml_bytes, xml_text

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv2.8.xsd"


def write(content: Content, path: Path) -> Files:
    """A file a video in a folder; into a file of the name given where there is one video."""
    single, count = path.suffix.lower() == ".eaf", len(content.videos)
    if single and count != 1:
        what, next = f"{path} would hold {count} videos", f"give a folder: {path.stem}/"
        raise UsageError(what, why="ELAN has a file for each", next=next)
    return {path if single else path / file_name(one, ".eaf"): _document(content, one) for one in content.videos}


def _document(content: Content, video: str) -> bytes:
    """An annotation file of one video: a tier a label, further ones where segments of a label overlap.

    Times are whole milliseconds, and what is shorter gets one: ELAN has nothing shorter. Instants are on tiers of the
    type `point`. Scores are lost.
    """
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "thas",
            "DATE": "2000-01-01T00:00:00+00:00",
            "FORMAT": "2.8",
            "VERSION": "2.8",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    media = content.media
    address = media.replace("{video}", quote(video) if "://" in media else video)
    header = ElementTree.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    descriptor = {
        "MEDIA_URL": address if "://" in address else f"file:///{quote(address.lstrip('/'))}",
        "MIME_TYPE": "video/mp4",
    }
    if "://" not in address and not address.startswith("/"):
        descriptor["RELATIVE_MEDIA_URL"] = f"./{quote(address)}"
    ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", descriptor)
    order = ElementTree.SubElement(root, "TIME_ORDER")
    tiers = _lanes(content.videos[video], "action", taken=set())
    tiers |= _lanes(content.points_of(video), POINT_TYPE, taken={name for name, _ in tiers})
    edges = sorted({edge for lane in tiers.values() for start, end, _ in lane for edge in (start, end)})
    slot = {edge: f"ts{i}" for i, edge in enumerate(edges, 1)}
    for edge in edges:
        ElementTree.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot[edge], "TIME_VALUE": str(edge)})
    number = 0
    for (name, kind), lane in (tiers or {("actions", "action"): []}).items():
        tier = ElementTree.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": kind, "TIER_ID": xml_text(name)})
        for start, end, label in lane:
            number += 1
            own = {"ANNOTATION_ID": f"a{number}", "TIME_SLOT_REF1": slot[start], "TIME_SLOT_REF2": slot[end]}
            holder = ElementTree.SubElement(ElementTree.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", own)
            ElementTree.SubElement(holder, "ANNOTATION_VALUE").text = xml_text(label)
    for kind in ("action", POINT_TYPE):
        own = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": kind, "TIME_ALIGNABLE": "true"}
        ElementTree.SubElement(root, "LINGUISTIC_TYPE", own)
    return xml_bytes(root)


def _lanes(rows: Segments, kind: str, *, taken: set[str]) -> dict[tuple[str, str], list[tuple[int, int, str]]]:
    """Tiers by name and type, each with start, end in milliseconds and label; within one nothing overlaps."""
    tiers: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for i in np.lexsort((rows.end_seconds, rows.start_seconds)):
        label = str(rows.label[i])
        start = max(round(float(rows.start_seconds[i]) * 1000), 0)
        end = max(round(float(rows.end_seconds[i]) * 1000), start + 1)
        lane = 1
        while True:
            name = (label if kind == "action" else f"{label} ({kind})") + ("" if lane == 1 else f" #{lane}")
            tier = tiers.setdefault((name, kind), []) if name not in taken else [(0, start + 1, "")]
            if not tier or tier[-1][1] <= start:
                tier.append((start, end, label))
                break
            lane += 1
    return tiers
