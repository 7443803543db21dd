"""What localization leaves behind: sequences and detections, as files and for reading."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from .._version import __version__
from ..core import hdf5
from ..core.errors import DataError, Failure, plural
from ..core.file_names import file_name
from ..core.files import need_room, write_atomically
from ..core.narrowing import as_list, is_table, to_float
from ..core.reading import reading
from ..core.segments import Segments
from ..core.tables import csv_text
from ..core.temporary_names import replacing
from ..datasets.dataset import Dataset
from ..eval.labels_told import LabelsTold, Reliability
from .activation import ClassActivationSequence
from .localize import ThresholdRule
from .suppress import sure_segments
from .validation import Calibration

if TYPE_CHECKING:
    import h5py

DETECTIONS = "detections.json"
DETECTIONS_TABLE = "detections.csv"
SEQUENCES = "sequences.h5"
_ARRAYS = ("logits", "video_logits", "probabilities", "start_seconds", "end_seconds")


@dataclass(frozen=True)
class LocalizeResult:
    """Detections in several videos.

    Attributes:
        detections: Of all videos.
        sequences: A class activation sequence a video.
        failed: Videos that could not be localized, each with the reason.
        facts: What is written beside the detections.
        dataset: The data set they are of, whose ground truth the pictures show; None for mere files.
        told: How many of its videos' labels are told right; None where the table gives none.
        calibration: Of the network's probabilities; None where no videos were held out in training.
        reliability: What these probabilities are worth by the labels of its videos; None where there are none.
    """

    detections: Segments
    sequences: Sequence[ClassActivationSequence]
    failed: tuple[Failure, ...]
    facts: dict[str, object]
    dataset: Dataset | None = None
    told: LabelsTold | None = None
    calibration: Calibration | None = None
    reliability: Reliability | None = None

    def likely(self) -> dict[tuple[str, str], float] | None:
        """By detected video and label the probability that it shows it; None where nothing made them trustworthy."""
        if self.calibration is None:
            return None
        detected = set(zip(self.detections.video, self.detections.label, strict=True))
        found: dict[tuple[str, str], float] = {}
        for one in self.sequences:
            values = self.calibration(one.probabilities).tolist()
            pairs = [((one.video, label), value) for label, value in zip(one.classes, values, strict=True)]
            found |= {pair: value for pair, value in pairs if pair in detected}
        return found

    def lines(self, *, most: int) -> Iterator[str]:
        """The surest detections of each video, a line each, as a person reads them."""
        by_video = self.detections.sorted_by_score().by_video()
        for shown, sequence in enumerate(self.sequences):
            if shown == most:
                yield f"... and {plural(len(self.sequences) - most, 'more video')}"
                return
            rows = by_video.get(sequence.video, Segments.empty(scored=True))
            yield from detection_lines(sequence.video, rows, most=5)


def detection_lines(video: str, detections: Segments, *, most: int) -> Iterator[str]:
    """A video's name and its surest detections in the order of time, a line each; see `sure_segments`.

    >>> list(detection_lines("match", Segments(["match"], ["Run"], [61.0], [75.5], [0.5]), most=5))
    ['match: 1 detection', '    01:01.0 to 01:15.5  Run  0.500']
    """
    yield f"{video}: {plural(len(detections), 'detection')}"
    apart = sure_segments(detections, most=most)
    for _, label, start, end, score in apart:
        yield f"    {clock(start)} to {clock(end)}  {label}  {score:.3f}"
    if len(detections) > len(apart):
        yield f"    ... and {len(detections) - len(apart)} less sure or overlapping"


def write_result(folder: Path, result: LocalizeResult, *, pictures: bool = False) -> list[Path]:
    """Write detections.json, detections.csv, sequences.h5 and, if asked for, a timeline a video; returns the paths."""
    write_detections(folder / DETECTIONS, result.detections, result.facts, likely=result.likely())
    write_table(folder / DETECTIONS_TABLE, result.detections)
    write_sequences(folder / SEQUENCES, result.sequences)
    written = [folder / DETECTIONS, folder / DETECTIONS_TABLE, folder / SEQUENCES]
    if pictures:
        from .timeline import draw_timeline

        detections, truth = result.detections.by_video(), {}
        if result.dataset is not None and result.dataset.annotations_path is not None:
            truth = result.dataset.annotations().segments.by_video()
        threshold, rule = told_threshold(result.facts["settings"])
        for sequence in result.sequences:
            path = folder / "timelines" / file_name(sequence.video, ".png")
            draw_timeline(
                path,
                {"": sequence},
                {"": detections.get(sequence.video, Segments.empty(scored=True))},
                truth=truth.get(sequence.video),
                threshold=threshold,
                threshold_rule=rule,
            )
            written.append(path)
    return written


def write_table(path: Path, detections: Segments) -> None:
    """Write the surest detections as CSV for people: video, label, start_seconds, end_seconds, score.

    One row an action in the order of time, milliseconds; all candidates are in the JSON file beside it.
    """
    rows = [
        (video, label, f"{start:.3f}", f"{end:.3f}", f"{score:.6g}")
        for video, label, start, end, score in sure_segments(detections)
    ]
    text = csv_text([("video", "label", "start_seconds", "end_seconds", "score"), *rows])
    # A file name may hold bytes that are no text.
    write_atomically(path, text)


def write_sequences(path: Path, sequences: Iterable[ClassActivationSequence]) -> None:
    """Write class activation sequences to one HDF5 file, a group a video, whole or not at all."""
    import h5py

    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for sequence in sequences:
            need_room(temporary.parent, hdf5.MARGIN_BYTES + sum(getattr(sequence, name).nbytes for name in _ARRAYS))
            group = file.create_group(sequence.video)
            for name in _ARRAYS:
                group[name] = getattr(sequence, name)
            hdf5.write_checksums(group, {name: hdf5.checksum(np.asarray(getattr(sequence, name))) for name in _ARRAYS})
            group.attrs["duration_seconds"] = sequence.duration_seconds
            group.attrs["spread"] = sequence.spread
            group.attrs["classes"] = hdf5.fixed(sequence.classes)


def read_sequences(path: Path) -> dict[str, ClassActivationSequence]:
    """Read what `write_sequences` wrote, by video."""
    return {sequence.video: sequence for sequence in iterate_sequences(path)}


def iterate_sequences(path: Path) -> Iterator[ClassActivationSequence]:
    """Read what `write_sequences` wrote, one video after the other, by name."""
    with hdf5.opened(path, str(path), next="thas localize writes them", what="sequences", kind=DataError) as file:
        for video in hdf5.members(file):
            yield _sequence(video, hdf5.group(file, video))


def _sequence(video: str, group: h5py.Group) -> ClassActivationSequence:
    sums = hdf5.read_checksums(group)
    arrays = {name: np.asarray(hdf5.dataset(group, name)[()]) for name in _ARRAYS}
    for name, array in arrays.items():
        hdf5.check(name, array, sums)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} of {video} is not finite")
    spread = hdf5.attribute(group, "spread")  # an older thas wrote none
    return ClassActivationSequence(
        video=video,
        duration_seconds=float(np.asarray(hdf5.attribute(group, "duration_seconds"))),
        spread=0.0 if spread is None else float(np.asarray(spread)),
        classes=tuple(hdf5.texts(group, "classes")),
        **arrays,
    )


def write_detections(
    path: Path,
    detections: Segments,
    facts: Mapping[str, object],
    *,
    likely: Mapping[tuple[str, str], float] | None = None,
) -> None:
    """Write detections as ActivityNet's JSON, with what they are of under `thas`.

    Args:
        path: The file.
        detections: With scores.
        facts: What stands beside them.
        likely: By video and label the probability that the video shows it, which its rows then give, too.
    """
    head = json.dumps({"version": f"thas {__version__}", "external_data": {}, "thas": dict(facts)}, indent=1)
    # A line a row; json's own indentation takes as long as finding the rows. A video at a time: Python's rows take
    # several times the memory of the text.
    content = bytearray((head.removesuffix("\n}") + ',\n "results": {\n').encode())
    before = ""
    for video, table in detections.sorted_by_score().by_video().items():
        rows = table.to_activitynet()[video]
        if likely is not None:
            for row in rows:
                row["probability"] = round(likely[video, row["label"]], 4)
        lines = ",\n".join(f"   {json.dumps(row)}" for row in rows)
        content += f"{before}  {json.dumps(video)}: [\n{lines}\n  ]".encode()
        before = ",\n"
    content += b"\n }\n}\n"
    write_atomically(path, content)


def read_detections(path: Path) -> tuple[Segments, dict[str, object]]:
    """The detections of a run, and the facts beside them.

    Raises:
        DataError: The file holds something else.
    """
    with reading(path, "holds no detections", next="thas localize writes them"):
        content = json.loads(path.read_text(encoding="utf-8"))
        facts = content.get("thas", {})
        if not isinstance(facts, dict) or not all(video for video in content["results"]):
            raise ValueError("what stands beside the detections is no table" if facts else "a video has no name")
        return Segments.from_activitynet(content["results"], scored=True), facts


def told_threshold(settings: object) -> tuple[tuple[float, ...], ThresholdRule]:
    """Of the settings beside detections the thresholds, () where they say none, and what these are fractions of."""
    told = settings if is_table(settings) else {}
    rule: ThresholdRule = next((one for one in get_args(ThresholdRule) if one == told.get("threshold_rule")), "max")
    return tuple(map(to_float, as_list(told.get("threshold") or []))), rule


def clock(seconds: float) -> str:
    """mm:ss.t, with hours where there are any.

    >>> clock(75.26), clock(3600.0)
    ('01:15.3', '1:00:00.0')
    """
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{minutes:02d}:{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{rest}" if hours else rest
