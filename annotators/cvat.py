"""CVAT's XML (version 1.1): tracks of videos and tags of frames, read and written.

Frames count from 0 in the video, also where a task takes only every so many. A track is there while its shapes are not
`outside`; between two shapes it is interpolated, so it is there. The file holds no frame rate, and a job's no video.
Source: the documentation's page on the XML format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from ..core.file_names import file_name
from ..core.tables import whole
from .events import Found
from .plain_forms import Content, Files, json_text
from .texts import xml_bytes, xml_text

_BASE = ("label", "track", "source")


def is_cvat(root: ElementTree.Element) -> bool:
    """Whether XML is of CVAT."""
    return root.tag == "annotations" and (root.find("version") is not None or root.find("meta") is not None)


def read(found: Found, root: ElementTree.Element) -> None:
    """Read tracks and tags; fields are `label`, `track`, `source` and the attributes.

    An attribute that changes from frame to frame cuts a track where `--label` or `--where` ask for it.

    Raises:
        DataError: The frame rate or the video is not known.
    """
    tasks = _Tasks(found, root)
    asked = tuple(name for name in (*found.options.label, *found.options.where) if name not in _BASE)
    for number, track in enumerate(root.findall("track")):
        place = f"{found.path}, track {track.get('id', number)}"
        shapes = sorted(
            ((_frame(found, one, place), one) for one in track if one.get("frame") is not None), key=lambda one: one[0]
        )
        base = {
            "label": track.get("label", ""),
            "track": track.get("id", str(number)),
            "source": track.get("source", ""),
        }
        fixed = base | _attributes(track)
        step = tasks.step(track.get("task_id"))
        for first, end, own in _runs(shapes, step, asked):
            tasks.add(track.get("task_id"), first, end, fixed | own, place=place)
    _read_images(found, root, tasks, asked)
    tasks.close()


class _Tasks:
    """The videos of a file by their task: name, rate, and every how many frames were taken."""

    def __init__(self, found: Found, root: ElementTree.Element) -> None:
        self.found = found
        meta = root.find("meta")
        self.sources: dict[str | None, str] = {}
        self.steps: dict[str | None, int] = {}
        self.sizes: dict[str | None, int] = {}
        many = [] if meta is None else [*meta.findall("project/tasks/task")]
        single = [] if meta is None else [*meta.findall("task"), *meta.findall("job")]
        for task in [*many, *single]:
            key = task.findtext("id") if task in many else None
            source = task.findtext("source") or (meta.findtext("source") if meta is not None else "") or ""
            if source.strip():
                self.sources[key] = source.strip()
            step = re.search(r"step\s*=\s*(\d+)", task.findtext("frame_filter") or "")
            self.steps[key] = whole(step.group(1), place=str(found.path), name="step") or 1 if step else 1
            size = task.findtext("size") or ""
            # A task that begins within the video says nothing of the video's length.
            from_first = (task.findtext("start_frame") or "0").strip() == "0"
            if task.tag == "task" and size.isdecimal() and self.steps[key] == 1 and from_first:
                self.sizes[key] = whole(size, place=str(found.path), name="size")
        if None not in self.sources and not many and meta is not None and meta.findtext("source"):
            self.sources[None] = str(meta.findtext("source")).strip()
        self.many = bool(many)

    def key(self, task_id: str | None) -> str | None:
        return task_id if self.many else None

    def step(self, task_id: str | None) -> int:
        return self.steps.get(self.key(task_id), 1)

    def video(self, task_id: str | None, place: str) -> str:
        source = self.sources.get(self.key(task_id))
        return self.found.video(source, place=place) if source else self.found.unnamed_video()

    def add(self, task_id: str | None, first: int, end: int, fields: Mapping[str, str], *, place: str) -> None:
        """Frames from `first` up to `end`, without it."""
        fps = self.found.rate()
        self.found.add(self.video(task_id, place), first / fps, end / fps, fields, place=place)

    def close(self) -> None:
        """Videos without anything, and lengths, where the file says what it is of."""
        for key, source in self.sources.items():
            video = self.found.video(source)
            if key in self.sizes and self.found.options.fps is not None:
                self.found.durations[video] = self.sizes[key] / self.found.options.fps
        if not self.found.videos:
            self.found.unnamed_video()  # or who would know what nothing was found in


def _frame(found: Found, element: ElementTree.Element, place: str) -> int:
    frame = whole(element.get("frame") or element.get("id") or "", place=place, name="frame")
    if frame < 0:
        raise found.fail(f"{frame} is no frame", place=place)
    return frame


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    return {one.get("name", ""): (one.text or "").strip() for one in element.findall("attribute")}


def _runs(
    shapes: Sequence[tuple[int, ElementTree.Element]], step: int, asked: Sequence[str]
) -> Iterator[tuple[int, int, dict[str, str]]]:
    """First frame, the frame after the last and attributes of each stretch in which a track is there and the same."""
    first: int | None = None
    own: dict[str, str] = {}
    last = 0
    for frame, shape in shapes:
        gone = shape.get("outside") == "1"
        now = _attributes(shape)
        if first is not None and (gone or any(now.get(name) != own.get(name) for name in asked)):
            yield first, frame, own
            first = None
        if not gone and first is None:
            first, own = frame, now
        last = frame
    if first is not None:
        yield first, last + step, own


def _read_images(found: Found, root: ElementTree.Element, tasks: _Tasks, asked: Sequence[str]) -> None:
    """Tags and shapes of single frames: those of one label in frames that follow each other are one event."""
    seen: dict[tuple[str | None, tuple[str, ...]], list[tuple[int, dict[str, str]]]] = {}
    for image in root.findall("image"):
        place = f"{found.path}, image {image.get('id', '')}"
        frame = _frame(found, image, place)
        task = image.get("task_id")
        for shape in image:
            fields = {"label": shape.get("label", ""), "track": "", "source": shape.get("source", "")} | _attributes(
                shape
            )
            if fields["label"]:
                key = (fields["label"], *(fields.get(name, "") for name in asked))
                seen.setdefault((task, key), []).append((frame, fields))
    for (task, _), frames in seen.items():
        frames.sort(key=lambda one: one[0])
        step = tasks.step(task)
        first = 0
        for i in range(1, len(frames) + 1):
            if i == len(frames) or frames[i][0] > frames[i - 1][0] + step:
                place = f"{found.path}, image {frames[first][0]}"
                tasks.add(task, frames[first][0], frames[i - 1][0] + step, frames[first][1], place=place)
                first = i


def write(content: Content, folder: Path) -> Files:
    """A file a video in a folder, and the labels that a task needs first, as CVAT's constructor takes them (`Raw`)."""
    names = sorted({*content.rows.label, *content.points.label})
    labels = json_text([{"name": name, "attributes": list[object]()} for name in names])
    files = {folder / file_name(video, ".xml"): _document(content, video) for video in content.videos}
    return {folder / "labels.json": labels, **files}


def _document(content: Content, video: str) -> bytes:
    """Annotations to upload to a task of one video, as `CVAT 1.1`: a track for each segment, its box in a corner."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "name").text = xml_text(video)
    if (seconds := content.durations.get(video)) is not None:
        ElementTree.SubElement(task, "size").text = str(max(round(seconds * content.fps), 1))
    ElementTree.SubElement(task, "mode").text = "interpolation"
    ElementTree.SubElement(task, "source").text = xml_text(content.place_of(video))
    labels = ElementTree.SubElement(task, "labels")
    events = content.in_frames(video)
    for name in sorted({label for label, *_ in events}):
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = xml_text(name)
        ElementTree.SubElement(label, "attributes")
    for number, (label, first, after, _) in enumerate(events):
        track = ElementTree.SubElement(root, "track", {"id": str(number), "label": xml_text(label), "source": "manual"})
        for frame, outside in ((first, "0"), (after, "1")):
            place = {"xtl": "0.00", "ytl": "0.00", "xbr": "20.00", "ybr": "20.00", "z_order": "0"}
            own = {"frame": str(frame), "keyframe": "1", "outside": outside, "occluded": "0"}
            ElementTree.SubElement(track, "box", own | place)
    return xml_bytes(root)
