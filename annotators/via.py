"""VGG Image Annotator, version 3: segments of videos in time, of a project or of its CSV export.

A segment belongs to a view, a view to files. An attribute holds a text, or the id of one of its options.
Source: the project's own description of its metadata (z, xy, av).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..core.errors import DataError, listing, plural
from ..core.json_files import parse_json
from ..core.tables import number
from .events import Found
from .texts import csv_rows, list_in, table_in, text_in

_NO_TIMES = {
    "region": (
        "region of a single frame is not read: it is a place, not a time",
        "regions of single frames are not read: they are places, not times",
    ),
    "words": ("attribute of a whole file is not read", "attributes of whole files are not read"),
}


def is_via(content: object) -> bool:
    """Whether JSON is a project of version 3."""
    return isinstance(content, dict) and {"metadata", "view", "file", "attribute"} <= content.keys()


def is_old_via(content: object) -> bool:
    """Whether JSON is a project of a version that knows images only."""
    return isinstance(content, dict) and ("_via_img_metadata" in content or "_via_settings" in content)


def is_old_csv(head: str) -> bool:
    """Whether a text is the CSV of a version that knows images only."""
    return {"filename", "file_attributes", "region_shape_attributes"} <= set(head.split("\n", 1)[0].strip().split(","))


def _too_old(found: Found) -> DataError:
    return found.fail("it is of a version that knows no time", why="version 2 marks images", next="export from VIA 3")


def read(found: Found, text: str) -> None:
    """Read the segments in time; fields are `value` and the names of the attributes.

    Raises:
        DataError: It is no such project.
    """
    path = found.path
    if text.lstrip()[:1] != "{":
        return _read_csv(found, text)
    content = parse_json(text, str(path), next=found.again)
    if is_old_via(content):
        raise _too_old(found)
    if not is_via(content):
        raise found.fail("it is no project of VIA 3", why="it lacks views, files, attributes or metadata")
    project = table_in(content, str(path))
    attributes = _attributes(table_in(project["attribute"], f"{path}, attribute"))
    files = table_in(project["file"], f"{path}, file")
    views = table_in(project["view"], f"{path}, view")
    for entry in files.values():
        media = _file(entry, str(path))
        if media:
            found.video(media)
    regions, beside = Counter[str](), set[str]()
    for key, entry in table_in(project["metadata"], f"{path}, metadata").items():
        place = f"{path}, metadata {key}"
        row = table_in(entry, place)
        view = views.get(text_in(row.get("vid"), place))
        members = list_in(table_in(view, place).get("fid_list", []), place) if view is not None else []
        if not members or text_in(members[0], place) not in files:
            raise found.fail("it is of a file that the project does not hold", place=place)
        shown = [_file(files[name], place) for name in (text_in(one, place) for one in members) if name in files]
        video = found.video(shown[0], place=place)
        beside.update(shown[1:])
        regions += _add(found, video, row.get("z", []), row.get("xy", []), row.get("av", {}), attributes, place)
    _remark(found, attributes, regions, beside)


_Attributes = Mapping[str, tuple[str, Mapping[str, str]]]
"""For each id the attribute's name, and its options' texts by their ids."""


def _remark(found: Found, attributes: _Attributes, regions: Mapping[str, int], beside: set[str]) -> None:
    """What was not read: other files of views, places in pictures, words about whole files."""
    if beside:
        found.notes.append(
            f"{found.path.name}: of views of several files, segments are of the first, not of {listing(sorted(beside))}"
        )
    for kind, count in regions.items():
        if count:
            found.notes.append(f"{found.path.name}: {plural(count, *_NO_TIMES[kind])}")
    names = {name for name, _ in attributes.values()}
    used = {name for event in found.events for name, value in event.fields.items() if name in names and value}
    if len(used) > 1:
        found.notes.append(
            f"{found.path.name}: labels join the attributes {', '.join(sorted(used))}; --label NAME takes one"
        )


def _attributes(content: Mapping[str, object]) -> _Attributes:
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for key, entry in content.items():
        attribute = table_in(entry, f"attribute {key}")
        options = attribute.get("options")
        texts = {} if not isinstance(options, dict) else table_in(options, f"attribute {key}")  # pyright: ignore[reportUnknownArgumentType]
        found[key] = text_in(attribute.get("aname", key), key), {name: str(text) for name, text in texts.items()}
    return found


def _file(entry: object, place: str) -> str:
    held = table_in(entry, place)
    return str(held.get("fname") or held.get("src") or "")


def _add(
    found: Found,
    video: str,
    times: object,
    shape: object,
    values: object,
    attributes: _Attributes,
    place: str,
) -> Counter[str]:
    """Add what one entry holds; how many regions and words it holds that have no place in time."""
    z = [number(time, place=place, name="time") for time in list_in(times, place)]
    placed = bool(list_in(shape, place))
    if len(z) > 2:
        raise found.fail(f"a segment has {len(z)} times", why="one has a start and an end", place=place)
    if not z or (len(z) == 1 and placed):
        return Counter(region=int(placed), words=int(not placed))
    fields: dict[str, str] = {}
    several: tuple[str, list[str]] | None = None
    for key, value in table_in(values, place).items():
        name, options = attributes.get(key, (key, {}))
        text = text_in(value, place) if value is not None else ""
        chosen = [options[one] for one in text.split(",") if one in options]
        if len(chosen) > 1 and len(chosen) == text.count(",") + 1:
            several = name, chosen  # of check boxes: an event for each
            continue
        fields[name] = options.get(text, text)
    for choice in several[1] if several else [None]:
        own = fields | ({several[0]: choice} if several and choice is not None else {})
        own["value"] = " ".join(filter(None, own.values()))
        found.add(video, z[0], z[1] if len(z) > 1 else None, own, place=place)
    return Counter()


def _read_csv(found: Found, text: str) -> None:
    lines = text.splitlines()
    attributes: _Attributes = {}
    names: list[str] = []
    for line in lines:
        if line.startswith("#"):
            key, _, value = line.lstrip("# ").partition("=")
            if key.strip() == "CSV_HEADER":
                names = [name.strip() for name in value.split(",")]
            elif key.strip() == "ATTRIBUTE":
                attributes = _attributes(table_in(parse_json(value, str(found.path)), str(found.path)))
    if is_old_csv(text):
        raise _too_old(found)
    if not {"file_list", "temporal_coordinates", "metadata"} <= set(names):
        raise found.fail("it is no export of VIA 3", why="no line begins with # CSV_HEADER")
    rows = csv_rows("\n".join(line for line in lines if line.strip() and not line.startswith("#")), str(found.path))
    regions, beside = Counter[str](), set[str]()
    for row_number, (_, cells) in enumerate(rows, 1):
        place = f"{found.path}, row {row_number}"
        if len(cells) != len(names):
            raise found.fail(f"{len(cells)} cells instead of {len(names)}", place=place)
        row = dict(zip(names, cells, strict=True))
        files = list_in(parse_json(row["file_list"], place), place)
        video = found.video(text_in(files[0] if files else None, place), place=place)
        beside.update(text_in(one, place) for one in files[1:])
        times, values = parse_json(row["temporal_coordinates"], place), parse_json(row["metadata"] or "{}", place)
        shape = parse_json(row.get("spatial_coordinates") or "[]", place)
        regions += _add(found, video, times, shape, values, attributes, place)
    _remark(found, attributes, regions, beside)
