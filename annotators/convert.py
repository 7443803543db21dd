"""Writers: the same segments in the forms that other programs read.

Between the three forms of data sets nothing is lost that the other form can hold; what annotation tools' forms lose is
in docs/annotators.md. WebVTT and SubRip (subtitles in any video player), labels of videos and FiftyOne's JSON are
written only. No tool's own package is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ..core.errors import DataError, UsageError, plural, suggestion
from ..core.file_names import file_name
from ..core.files import write_atomically
from ..core.segments import Segments
from ..core.tables import csv_text
from ..eval.annotations import Annotations
from ..eval.subtitles import write_subtitles
from ..eval.thumos14 import CLASS_IDS

Form = Literal[
    "activitynet",
    "csv",
    "thumos",
    "webvtt",
    "srt",
    "labels",
    "points",
    "boris",
    "elan",
    "label-studio",
    "cvat",
    "fiftyone",
]
Table = Segments | Annotations

#: What Label Studio takes a video's frame rate to be unless its <Video> tag says otherwise.
LABEL_STUDIO_FPS = 24.0


def write(
    table: Table,
    path: str | Path,
    *,
    form: Form | str,
    fps: float = LABEL_STUDIO_FPS,
    media: str = "{video}.mp4",
    apart: bool = True,
) -> list[Path]:
    """Write detections or ground truth in another form.

    Args:
        table: Segments with scores, or annotations.
        path: The file; a folder for `webvtt` and `srt`, and for ground truth in THUMOS14's form.
        form: `activitynet` (JSON), `csv`, `thumos` (text; a folder with a file a class for ground truth), `webvtt` and
            `srt` (a file a video: chapters, subtitles), `labels` (annotations as labels of videos: labels.csv),
            `points` (instants: points.csv), `boris` (a project), `elan` (a file a video, in a folder), `label-studio`
            (tasks with predictions or annotations, and the configuration), `cvat` (a file a video, in a folder) or
            `fiftyone` (labels.json of a FiftyOneTemporalDetectionDataset).
        fps: Frames a second that Label Studio's `<Video frameRate>` says; its ranges are frames.
        media: Where annotation tools and FiftyOne find a video, with `{video}` for its name.
        apart: No two cues of `webvtt` or `srt` overlap.

    Returns:
        The files written.

    Raises:
        UsageError: An unknown form.
        DataError: A name does not fit the form, or the file cannot be written.
    """
    if form not in get_args(Form):
        raise UsageError(
            f"there is no form {form!r} to convert to",
            why=suggestion(form, get_args(Form)),
            next="give --to " + "|".join(get_args(Form)),
        )
    if form in ("boris", "elan", "label-studio", "cvat", "fiftyone") and "{video}" not in media:
        raise UsageError(f"the place of the videos, {media!r}, does not hold {{video}}", next='give "{video}.mp4"')
    if not fps > 0:
        raise UsageError(f"a frame rate must be above 0, not {fps:g}", next=f"give --fps {LABEL_STUDIO_FPS:g}")
    if form == "webvtt" or form == "srt":
        return write_subtitles(Path(path), _by_video(table), kind=form, apart=apart)
    return _WRITERS[form](table, Path(path), fps, media)


def select(table: Segments, *, minimum_score: float | None = None, most: int | None = None) -> Segments:
    """The surest detections: those of a minimum score, and of each video at most so many, in the order of rows.

    >>> found = Segments(["v", "v"], ["a", "b"], [0, 2], [1, 3], [0.2, 0.9])
    >>> select(found, most=1).label.tolist()
    ['b']
    """
    if table.score is None:
        raise UsageError("ground truth has no scores to choose by", next="leave --min-score and --top out")
    keep = np.ones(len(table), dtype=bool) if minimum_score is None else table.score >= minimum_score
    if most is not None:
        names, video = np.unique(table.video.astype(str), return_inverse=True)
        order = np.lexsort((np.arange(len(table)), -table.score, video))
        place = np.empty(len(table), dtype=np.int64)
        place[order] = np.arange(len(table)) - np.searchsorted(video[order], video[order])
        keep &= (place < most) if len(names) else keep
    return table[keep]


def _parts(table: Table) -> tuple[Segments, Annotations | None]:
    """All rows, the ambiguous ones of ground truth included, and the annotations if they are that."""
    if isinstance(table, Annotations):
        return Segments.concat([table.segments, table.ignored]), table
    if table.score is None:
        return table, Annotations(table, tuple(sorted(set(table.label))))
    return table, None


def _by_video(table: Table) -> dict[str, Segments]:
    """Rows by video and time; videos of annotations without rows too."""
    rows, truth = _parts(table)
    found = rows[np.lexsort((rows.end_seconds, rows.start_seconds))].by_video()
    names = truth.videos if truth is not None else tuple(found)
    empty = Segments.empty(scored=rows.score is not None)
    return {name: found.get(name, empty) for name in sorted(names)}


def _json(path: Path, content: object) -> list[Path]:
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return [path]


def _write_activitynet(table: Table, path: Path, _fps: float, _media: str) -> list[Path]:
    rows, truth = _parts(table)
    if truth is None:
        return _json(path, {"version": "thas", "results": rows.to_activitynet(), "external_data": {}})
    own = rows.to_activitynet()
    points = truth.points.by_video()
    database: dict[str, object] = {}
    for video in truth.videos:
        entry: dict[str, object] = {"annotations": own.get(video, [])}
        if video in points:
            entry["points"] = [{"label": label, "time": time} for _, label, time, _ in points[video]]
        if video in truth.subsets:
            entry["subset"] = truth.subsets[video]
        if video in truth.durations:
            entry["duration"] = truth.durations[video]
        database[video] = entry
    return _json(path, {"version": "thas", "taxonomy": [], "database": database})


def _write_csv(table: Table, path: Path, _fps: float, _media: str) -> list[Path]:
    rows, truth = _parts(table)
    heading = ["video", "label", "start_seconds", "end_seconds"]
    if truth is None:
        text = csv_text([[*heading, "score"], *rows])
    else:
        instants = [[video, label, time, ""] for video, label, time, _ in truth.points]  # no end: no length
        more = [
            [*row, truth.subsets.get(str(row[0]), ""), truth.durations.get(str(row[0]), "")]
            for row in [*rows, *instants]
        ]
        text = csv_text([[*heading, "subset", "duration_seconds"], *more])
    write_atomically(path, text)
    return [path]


def _one_word(name: str, path: Path) -> str:
    if len(name.split()) != 1 or "/" in name:
        raise DataError(
            f"{name!r} cannot be written in THUMOS14's form",
            why="names there are single words",
            next="another form holds it: --to activitynet, or --to csv",
            subject=str(path),
        )
    return name


def _write_thumos(table: Table, path: Path, _fps: float, _media: str) -> list[Path]:
    rows, truth = _parts(table)
    if truth is None:
        numbers = {name: str(number) for number, name in CLASS_IDS.items()}
        if not set(rows.label) <= set(numbers):
            numbers = {name: _one_word(name, path) for name in set(rows.label)}
        lines = [
            f"{_one_word(video, path)} {start!r} {end!r} {numbers[label]} {s!r}\n"
            for video, label, start, end, s in rows
        ]
        write_atomically(path, "".join(lines))
        return [path]
    files: dict[str, list[str]] = {}
    shorter = {"validation": "val"}
    for video, label, start, end in rows:
        subset = truth.subsets.get(video, "all")
        name = file_name(f"{_one_word(label, path)}_{shorter.get(subset, subset)}", ".txt")
        files.setdefault(name, []).append(f"{_one_word(video, path)}  {start!r} {end!r}\n")
    for video, seconds in sorted(truth.durations.items()):
        name = file_name(f"durations_{truth.subsets.get(video, 'all')}", ".csv")
        files.setdefault(name, ["video,duration_seconds\n"]).append(f"{video},{seconds!r}\n")
    for name, lines in files.items():
        write_atomically(path / name, "".join(lines))
    return [path / name for name in files]


def _write_labels(table: Table, path: Path, _fps: float, _media: str) -> list[Path]:
    """The labels of whole videos, as a data set's labels.csv has them."""
    _, truth = _parts(table)
    if truth is None:
        raise UsageError("detections are no labels", next="convert annotations, such as those saved on a report's page")
    rows = [
        (video, label, truth.subsets.get(video, ""))
        for video, labels in truth.video_labels().items()
        for label in labels or ("",)
    ]
    write_atomically(path, csv_text([("video", "label", "subset"), *rows]))
    return [path]


def _write_points(table: Table, path: Path, _fps: float, _media: str) -> list[Path]:
    """Instants, as training with points reads them."""
    _, truth = _parts(table)
    if truth is None or not len(truth.points):
        raise UsageError(
            "there are no instants to write",
            why="points are what annotators marked without a length",
            next="convert annotations with points, or leave --to points out",
        )
    rows = [(video, label, time) for video, label, time, _ in truth.points]
    write_atomically(path, csv_text([("video", "label", "time_seconds"), *rows]))
    return [path]


def _write_boris(table: Table, path: Path, fps: float, media: str) -> list[Path]:
    from .boris_project import write as project

    _, truth = _parts(table)
    points = truth.points.by_video() if truth is not None else {}
    durations = _durations(truth)
    write_atomically(path, _encoded(project(_by_video(table), points, media=media, seconds=durations, fps=fps)))
    return [path]


def _write_elan(table: Table, path: Path, _fps: float, media: str) -> list[Path]:
    """A file a video in a folder; into a file of the name given where there is one video."""
    from .elan import write as document

    _, truth = _parts(table)
    points = truth.points.by_video() if truth is not None else {}
    videos = _by_video(table)
    if path.suffix.lower() == ".eaf" and len(videos) != 1:
        raise UsageError(
            f"{path} would hold {len(videos)} videos",
            why="ELAN has a file for each",
            next=f"give a folder: {path.stem}/",
        )
    files: list[Path] = []
    for video, rows in videos.items():
        file = path if path.suffix.lower() == ".eaf" else path / file_name(video, ".eaf")
        write_atomically(file, document(video, rows, points.get(video, Segments.empty()), media=media))
        files.append(file)
    return files


def _durations(truth: Annotations | None) -> Mapping[str, float]:
    return truth.durations if truth is not None else {}


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def losses(table: Table, form: str) -> list[str]:
    """What a form cannot hold of a table, one sentence each."""
    rows, truth = _parts(table)
    sentences: list[str] = []
    if truth is not None and len(truth.points) and form in ("label-studio", "cvat"):
        sentences.append(f"{plural(len(truth.points), 'instant')} written as one frame: {form} knows no others")
    if rows.score is not None and form in ("boris", "elan", "cvat"):
        sentences.append(f"scores are not written: {form} has none")
    if truth is not None and len(truth.points) and form in ("thumos", "webvtt", "srt", "fiftyone"):
        sentences.append(f"{plural(len(truth.points), 'instant')} not written: {form} has segments alone")
    if truth is not None and len(truth.segments) and form == "points":
        sentences.append(f"{plural(len(truth.segments), 'segment')} not written: they have a length")
    if form == "boris":
        unknown = [video for video in _by_video(table) if truth is None or video not in truth.durations]
        if unknown:
            count = plural(len(unknown), "video ends", "videos end")
            sentences.append(f"lengths are not known: {count} with the last action until BORIS opens the file")
    subsets: set[str] = set() if truth is None else set(truth.subsets.values()) - {"all", ""}
    if subsets and form in ("boris", "elan", "label-studio", "cvat", "fiftyone", "webvtt", "srt"):
        sentences.append(f"subsets are not written: {form} has none")
    return sentences


def _write_label_studio(table: Table, path: Path, fps: float, media: str) -> list[Path]:
    """Tasks, and beside them the labelling configuration of the project that shows them."""
    from .label_studio import write as tasks

    _, truth = _parts(table)
    points = truth.points.by_video() if truth is not None else {}
    text, configuration = tasks(_by_video(table), points, fps=fps, media=media)
    beside = path.with_name(f"{path.stem}_labelling.xml")
    write_atomically(path, _encoded(text))
    write_atomically(beside, _encoded(configuration))
    return [path, beside]


def _write_cvat(table: Table, path: Path, fps: float, media: str) -> list[Path]:
    """A file a video in a folder, and the labels that a task needs first."""
    from .cvat import labels_text
    from .cvat import write as tracks

    rows, truth = _parts(table)
    instants = truth.points if truth is not None else Segments.empty()
    points, durations = instants.by_video(), _durations(truth)
    files = {path / "labels.json": _encoded(labels_text(sorted({*rows.label, *instants.label})))}
    for video, own in _by_video(table).items():
        more = points.get(video, Segments.empty())
        text = tracks(video, own, more, fps=fps, media=media, seconds=durations.get(video))
        files[path / file_name(video, ".xml")] = text
    for file, text in files.items():
        write_atomically(file, text)
    return list(files)


def _write_fiftyone(table: Table, path: Path, _fps: float, media: str) -> list[Path]:
    labels: dict[str, list[object]] = {}
    for video, rows in _by_video(table).items():
        own: list[object] = []
        for _, label, start, end, *score in rows:
            own.append({"label": label, "timestamps": [start, end]} | ({"confidence": score[0]} if score else {}))
        place = media.replace("{video}", video)
        # Its key is the path in the folder data/ without the ending, or the whole of an absolute path.
        labels[place if place.startswith("/") else str(Path(place).with_suffix(""))] = own
    return _json(path, {"labels": labels})


_WRITERS: dict[str, Callable[[Table, Path, float, str], list[Path]]] = {
    "activitynet": _write_activitynet,
    "csv": _write_csv,
    "thumos": _write_thumos,
    "labels": _write_labels,
    "points": _write_points,
    "boris": _write_boris,
    "elan": _write_elan,
    "label-studio": _write_label_studio,
    "cvat": _write_cvat,
    "fiftyone": _write_fiftyone,
}
