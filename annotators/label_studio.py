"""Label Studio: timelines of videos (`TimelineLabels`), read and written; and the configuration that goes with them.

Ranges are frames that count from 1, both ends included. Their rate is the `frameRate` of the configuration's Video tag,
24 where that has none; an export holds the configuration rarely, so the rate is asked for.
Source: the pages of the tags TimelineLabels and Video, and the maker's own example of a labelling backend.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from ..core.errors import DataError, listing, plural
from ..core.json_files import parse_json, parse_xml
from ..core.narrowing import is_row, is_table
from ..core.tables import number as finite
from ..core.tables import whole
from ..eval.parsing import interval
from .events import Found
from .plain_forms import Content, Files, json_text
from .texts import csv_rows, json_of, list_in, table_in, text_in, text_of, xml_text

#: What Label Studio takes a video's frame rate to be unless its Video tag says otherwise.
DEFAULT_FPS = 24.0

#: Names of the tags in what is written here: of the timeline, and of the video.
FROM_NAME, TO_NAME = "timelineLabels", "video"

_Results = list[tuple[str, Mapping[str, object], str]]
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what it puts before the name of a file that was uploaded


_SEVERAL = ({"data", "annotations"}, {"data", "predictions"}, {"id", "annotator"}, {"id", "annotation_id"})
_SINGLE = ({"annotation", "task"}, {"data", "annotations"})


def is_tasks(content: object) -> bool:
    """Whether JSON is an export of tasks, in either form, or one task with its annotation."""
    several = is_row(content)
    first = next(iter(content), None) if several else content
    return is_table(first) and any(names <= first.keys() for names in (_SEVERAL if several else _SINGLE))


def holds_csv(head: str) -> bool:
    """Whether a text is Label Studio's CSV, whose cells hold JSON."""
    return "timelinelabels" in head and '""ranges""' in head


def tasks_of(path: Path) -> object:
    """The tasks of an export: JSON, or CSV whose cells hold JSON, each row a task in the short form."""
    if path.suffix.lower() != ".csv":
        return json_of(path)
    heading, *rows = [cells for _, cells in csv_rows(text_of(path), str(path)) if cells] or [[]]
    tasks: list[object] = []
    for number, cells in enumerate(rows, 1):
        row = zip(heading, cells, strict=False)  # without cells beyond the heading's
        place = f"{path}, row {number}"
        tasks.append({name: parse_json(cell, place) if "timelinelabels" in cell else cell for name, cell in row})
    return tasks


def read(found: Found, content: object) -> None:
    """Read the timelines of all tasks; fields are `label`, `annotator`, `task` and `annotation`.

    Raises:
        DataError: The frame rate is not known.
    """
    path = found.path
    passed, people = Counter[str](), Counter[str]()
    for task, results, fields, config in _tasks(found, content):
        video = found.video(_media(found, task), place=f"{path}, task {fields['task']}")
        people[fields["task"]] += 1
        rate = partial(_rate, found, task, config, results)
        for kind, value, place in results:
            labels = value.get("timelinelabels", value.get("labels"))
            spans = None if labels is None else _spans(found, kind, value, rate, place)
            if spans is None:
                passed[kind or "unknown"] += 1
            for start, end in spans or ():
                for label in list_in(labels, place):
                    found.add(video, start, end, {"label": text_in(label, place), **fields}, place=place)
    for kind, count in passed.items():
        found.notes.append(
            f"{path.name}: {plural(count, 'result')} of the kind {kind} not read: it is no part of a timeline"
        )
    if any(count > 1 for count in people.values()):
        found.notes.append(f"{path.name}: some tasks were annotated several times; --where annotator=NAME chooses")


def _rate(found: Found, task: Mapping[str, object], config: str, results: _Results) -> float:
    """The frame rate of a task."""
    place = str(found.path)
    if found.options.fps is not None:
        return found.options.fps
    for _, value, _ in results:  # a rectangle says how many frames there are, and for how long
        frames, seconds = value.get("framesCount"), value.get("duration")
        if isinstance(frames, int | float) and isinstance(seconds, int | float) and seconds > 0 and frames > 0:
            count = finite(frames, place=place, name="number of frames")
            return found.checked_rate(round(count / finite(seconds, place=place, name="duration"), 3), place=place)
    if config:
        return found.checked_rate(config_rate(config, task, place), place=place)
    return found.rate(
        "ranges are frames, and the export does not hold the configuration, whose Video tag says frameRate "
        f"({DEFAULT_FPS:g} where it does not)"
    )


def config_rate(config: str, task: Mapping[str, object], name: str) -> float:
    """The frame rate that a labelling configuration gives to a task's video.

    >>> config_rate('<View><Video name="v" value="$video" frameRate="$fps"/></View>', {"fps": 30}, "")
    30.0
    """
    root = parse_xml(config.strip().encode(errors="replace"), f"{name}, its configuration")
    for video in root.iter("Video"):
        text = next((value for key, value in video.attrib.items() if key.lower() == "framerate"), "")
        if text.startswith("$"):
            text = str(task.get(text[1:], ""))
        try:
            return float(text) if text else DEFAULT_FPS
        except ValueError:
            break
    raise DataError(f"{name}: its configuration gives no frame rate", next="give --fps N", subject=name)


_Task = tuple[Mapping[str, object], _Results, dict[str, str], str]


def _tasks(found: Found, content: object) -> Iterator[_Task]:
    """Of each annotation its task's data, its results, its fields, and the configuration if it is there."""
    several: list[object] = [content] if isinstance(content, dict) else list_in(content, str(found.path))
    only_guesses, left = 0, Counter[str]()
    for number, entry in enumerate(several, 1):
        place = f"{found.path}, task {number}"
        task = table_in(entry, place)
        if "annotation" in task and "task" in task:  # as it tells other programs of an annotation
            inner = table_in(task["task"], place)
            config = str(table_in(task.get("project", {}), place).get("label_config", ""))
            one = table_in(task["annotation"], place)
            yield _data(inner, place), _results(one.get("result", []), place), _fields(inner, one, number), config
        elif "data" not in task:  # the short form
            # A list for each timeline of the configuration, by its name.
            lines = (list_in(one, place) for name, one in task.items() if is_row(one) and name != "annotators")
            parts = [part for line in lines if "ranges" in str(line) for part in line]
            short: _Results = [("timelinelabels", table_in(part, place), place) for part in parts]
            yield task, short, _fields(task, task, number), ""
        else:
            whole = [table_in(one, place) for one in list_in(task.get("annotations", []), place)]
            held = [one for one in whole if not one.get("was_cancelled")]
            guesses = [table_in(one, place) for one in list_in(task.get("predictions", []), place)]
            left["cancelled annotation"] += len(whole) - len(held)
            left["draft"] += len(list_in(task.get("drafts", []), place))
            if held:
                left["prediction"] += len(guesses)
            elif guesses:
                held = guesses
                only_guesses += 1
            data = _data(task, place)
            for one in held:
                yield data, _results(one.get("result", []), place), _fields(task, one, number), ""
            if not held:
                yield data, [], _fields(task, {}, number), ""
    if only_guesses:
        found.notes.append(
            f"{found.path.name}: {plural(only_guesses, 'task has', 'tasks have')} predictions alone; they are read"
        )
    found.notes += [f"{found.path.name}: {plural(n, kind)} not read" for kind, n in left.items() if n]


def _data(task: Mapping[str, object], place: str) -> dict[str, object]:
    upload = {"file_upload": task["file_upload"]} if task.get("file_upload") else {}
    return table_in(task.get("data", {}), place) | upload


def _fields(task: Mapping[str, object], annotation: Mapping[str, object], number: int) -> dict[str, str]:
    who = annotation.get("completed_by", annotation.get("annotator", ""))
    if isinstance(who, dict):
        who = table_in(who, "").get("email") or table_in(who, "").get("id", "")  # pyright: ignore[reportUnknownArgumentType]
    return {
        "task": str(task.get("id", number)),
        "annotation": str(annotation.get("annotation_id", annotation.get("id", ""))),
        "annotator": str(who or ""),
    }


def _results(value: object, place: str) -> _Results:
    found: _Results = []
    for i, entry in enumerate(list_in(value, place), 1):
        where = f"{place}, result {i}"
        result = table_in(entry, where)
        found.append((str(result.get("type", "")), table_in(result.get("value", {}), where), where))
    return found


def _media(found: Found, task: Mapping[str, object]) -> str:
    """Where the video of a task lies: the field of its data that names a file."""
    upload = task.get("file_upload")
    if isinstance(upload, str):
        return _UPLOADED.sub("", upload)
    texts = {name: value for name, value in task.items() if isinstance(value, str)}
    files = (value for value in texts.values() if re.search(r"\.\w{2,4}($|\?)", value))
    place = texts.get("video", next(files, None))
    if place is None:
        raise found.fail(f"a task names no video: {listing(task)}", next="give --video NAME")
    local = parse_qs(urlsplit(place).query).get("d") if "/data/local-files/" in place else None
    if local:
        return local[0]
    if "/upload/" in place:  # what was uploaded lies under a name of its own
        folder, _, name = unquote(place).rpartition("/")
        return f"{folder}/{_UPLOADED.sub('', name)}"
    return place


def _spans(
    found: Found, kind: str, value: Mapping[str, object], rate: Callable[[], float], place: str
) -> list[tuple[float, float]] | None:
    """Start and end of what a result marks in time; None if it marks nothing in time."""
    if kind in ("timelinelabels", "") and "ranges" in value:
        parts = [table_in(part, place) for part in list_in(value["ranges"], place)]
        frames = [[_frame(found, part.get(name), place) for name in ("start", "end")] for part in parts]
        fps = rate()
        return [(round((first - 1) / fps, 6), round(last / fps, 6)) for first, last in frames]
    edges = value.get("start"), value.get("end")
    if all(isinstance(edge, int | float) for edge in edges):  # of sound that plays with the video: seconds
        return [interval(*edges, place=place)]
    return None


def _frame(found: Found, value: object, place: str) -> int:
    if isinstance(value, str):
        raise found.fail(f"{value!r:.60} is no frame", why="ranges are whole frames, from 1", place=place)
    return whole(value, place=place, name="frame")


def refuse_config(path: Path, root: ElementTree.Element) -> DataError:
    """What to say of a labelling configuration, given for annotations."""
    names = [one.get("value", "") for tag in ("Label", "Choice") for one in root.iter(tag)]
    timed = next(root.iter("TimelineLabels"), None) is not None
    holds = "" if timed else "; it has no TimelineLabels, so none in it have a time"
    return DataError(
        f"{path} is a labelling configuration of Label Studio, not annotations",
        why=f"it gives {plural(len(names), 'name')}: {listing(names)}{holds}",
        next="export the annotations of the project as JSON",
        subject=str(path),
    )


def write(content: Content, path: Path) -> Files:
    """Tasks to import, with annotations, or predictions where there are scores; and a configuration that shows them."""
    tasks: list[object] = []
    labels: set[str] = set()
    for video, rows in content.videos.items():
        results: list[object] = []
        for i, (label, first, after, score) in enumerate(content.in_frames(video)):
            labels.add(label)
            region = {
                "id": str(i),
                "type": "timelinelabels",
                "from_name": FROM_NAME,
                "to_name": TO_NAME,
                # Its frames count from 1, both included.
                "value": {"ranges": [{"start": first + 1, "end": after}], "timelinelabels": [label]},
            }
            results.append(region | ({"score": score[0]} if score else {}))
        found: dict[str, object] = {"result": results}
        if rows.score is not None:
            found |= {"model_version": "thas", "score": float(rows.score.max()) if len(rows) else 0.0}
        kind = "annotations" if rows.score is None else "predictions"
        tasks.append({"data": {"video": content.place_of(video)}, kind: [found]})
    view = ElementTree.Element("View")
    tag = ElementTree.SubElement(view, "TimelineLabels", {"name": FROM_NAME, "toName": TO_NAME})
    for label in sorted(labels):
        ElementTree.SubElement(tag, "Label", {"value": xml_text(label)})
    shown = {"name": TO_NAME, "value": "$video", "frameRate": f"{content.fps:g}", "timelineHeight": "120"}
    ElementTree.SubElement(view, "Video", shown)
    ElementTree.indent(view)
    configuration = ElementTree.tostring(view, encoding="unicode") + "\n"
    return {path: json_text(tasks), path.with_name(f"{path.stem}_labelling.xml"): configuration}
