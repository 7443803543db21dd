"""Writing segments in the forms that other programs read.

Between the three forms of data sets nothing is lost that the other form can hold; what annotation tools' forms lose is
in docs/annotators.md. WebVTT and SubRip (subtitles in any video player), labels of videos and FiftyOne's JSON are
written only. No tool's own package is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ..core.errors import UsageError, plural, suggestion
from ..core.files import write_atomically
from ..core.segments import Segments
from ..eval.annotations import Annotations
from ..eval.subtitles import subtitle_files
from . import boris_project, cvat, elan_writer, label_studio, plain_forms
from .label_studio import DEFAULT_FPS as LABEL_STUDIO_FPS
from .plain_forms import Content, Files

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
    content = Content.of(table, fps=fps, media=media)
    if form == "webvtt" or form == "srt":
        files: Files = {**subtitle_files(Path(path), content.videos, kind=form, apart=apart)}
    else:
        files = _WRITERS[form](content, Path(path))
    for file, text in files.items():
        write_atomically(file, text)
    return list(files)


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


def losses(table: Table, form: str) -> list[str]:
    """What a form cannot hold of a table, one sentence each."""
    content = Content.of(table)
    truth, points = content.truth, len(content.points)
    sentences: list[str] = []
    if points and form in ("label-studio", "cvat"):
        sentences.append(f"{plural(points, 'instant')} written as one frame: {form} knows no others")
    if truth is None and form in ("boris", "elan", "cvat"):
        sentences.append(f"scores are not written: {form} has none")
    if points and form in ("thumos", "webvtt", "srt", "fiftyone"):
        sentences.append(f"{plural(points, 'instant')} not written: {form} has segments alone")
    if truth is not None and len(truth.segments) and form == "points":
        sentences.append(f"{plural(len(truth.segments), 'segment')} not written: they have a length")
    if form == "boris" and (unknown := [video for video in content.videos if video not in content.durations]):
        count = plural(len(unknown), "video ends", "videos end")
        sentences.append(f"lengths are not known: {count} with the last action until BORIS opens the file")
    subsets: set[str] = set() if truth is None else set(truth.subsets.values()) - {"all", ""}
    if subsets and form in ("boris", "elan", "label-studio", "cvat", "fiftyone", "webvtt", "srt"):
        sentences.append(f"subsets are not written: {form} has none")
    return sentences


_WRITERS: dict[str, Callable[[Content, Path], Files]] = {
    "activitynet": plain_forms.write_activitynet,
    "csv": plain_forms.write_csv,
    "thumos": plain_forms.write_thumos,
    "labels": plain_forms.write_labels,
    "points": plain_forms.write_points,
    "boris": boris_project.write,
    "elan": elan_writer.write,
    "label-studio": label_studio.write,
    "cvat": cvat.write,
    "fiftyone": plain_forms.write_fiftyone,
}
