"""What is scored: detections of a file or of a run, with their ground truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..annotators.annotation_files import read_annotations
from ..core.data_options import ChosenVideos, Truth
from ..core.errors import UsageError, counted, plural
from ..core.files import write_atomically
from ..core.log import LOG, read_log, stopped_early
from ..core.messages import logger
from ..core.narrowing import is_texts
from ..core.run_settings import read_settings
from ..core.runs import find_run, resume_command
from ..core.segments import Segments
from ..datasets.opening import open_dataset
from ..eval import detections as detection_files
from ..eval.annotations import Annotations
from ..eval.assessment import Assessment, choose_subset, read_video_list
from ..eval.labels_told import LabelsTold, labels_told, surest_labels
from ..eval.preparation import mismatches
from .results import DETECTIONS, read_detections, write_result
from .settings import EvalSettings, Settings


@dataclass(frozen=True, eq=False)
class Source:
    """One set of detections with its ground truth.

    Attributes:
        title: A line that says which.
        detections: What was found.
        truth: Of the videos that are scored.
        videos: The only ones to score; None for all.
        told: How many of the videos' labels are told right; None where nothing says so.
        settings: How the run wants to be scored; the defaults for a file.
        run: The run that was scored; None for a file.
        warnings: What a reader of the score should know.
    """

    title: str
    detections: Segments
    truth: Annotations
    videos: Sequence[str] | None
    told: LabelsTold | None
    settings: EvalSettings
    run: Path | None = None
    warnings: tuple[str, ...] = ()

    def keep_scores(self, assessments: Sequence[Assessment]) -> None:
        """A run keeps its newest scores beside its detections."""
        if self.run is not None:
            text = json.dumps(scores_json(assessments), indent=2, allow_nan=False)
            write_atomically(self.run / "scores.json", text + "\n")


def scores_json(assessments: Sequence[Assessment]) -> dict[str, object]:
    """A score, or the scores under several protocols, as one object."""
    if len(assessments) == 1:
        return assessments[0].to_json()
    return {"protocol": "all", "scores": {one.scores.protocol: one.to_json() for one in assessments}}


def open_source(
    path: Path | None, truth: Truth, *, class_ids: Literal["official", "positions"] | None = None
) -> Source:
    """Detections and their ground truth; what is odd about the two is logged.

    Args:
        path: A file of detections, or a run's folder; None for the newest run.
        truth: Of a run only what differs from its own.
        class_ids: What class numbers in a THUMOS14 text file mean, if they can mean two things.

    Raises:
        UsageError: The ground truth is not known, or a run is asked for another subset than its own.
        DataError: A file cannot be read.
    """
    given = _annotations(truth) if path is not None or truth.annotations is not None else None
    if path is None or path.is_dir():
        of = None if truth.dataset is None else open_dataset(truth.dataset, data_root=truth.data_root).name
        run = find_run(path, dataset=of)
        if truth.subset is not None and given is None:
            raise UsageError(
                "a run is scored on its own test subset", next="leave --subset out, or give --annotations too"
            )
        found = source_of_run(run, moved_to=truth.dataset, data_root=truth.data_root)
        for sentence in found.warnings:
            logger.warning(sentence)
    elif given is None:
        raise UsageError(f"the ground truth of {path} is not known", next=f"thas eval {path} --annotations FILE|FOLDER")
    else:
        detections = detection_files.read_detections(path, class_ids=class_ids)
        title = f"{path} against {truth.annotations or truth.dataset}"
        found = Source(title, detections, given, None, None, EvalSettings())
    own, told = _fitting(given, found.truth, found.detections, truth.subset), found.told
    videos = read_video_list(truth.videos, own) if truth.videos else None
    for sentence in mismatches(found.detections, own):
        logger.warning(sentence)
    if found.run is None:
        known: Mapping[str, list[str]] = {video: rows.label.tolist() for video, rows in own.segments.by_video().items()}
        told = labels_told(surest_labels(found.detections), known)
    return replace(found, truth=own, videos=videos, told=told)


def _annotations(truth: Truth) -> Annotations | None:
    """Those named, of all subsets unless a data set was named; None if nothing was."""
    if truth.annotations is not None:
        return read_annotations(truth.annotations)
    if truth.dataset is None:
        return None
    found = open_dataset(truth.dataset, data_root=truth.data_root)
    return found.annotations(None if truth.subset is not None else found.test_subset)


def source_of_run(run: Path, *, moved_to: str | None = None, data_root: Path = Path("data")) -> Source:
    """A run's detections in its test videos; one that was not localized yet, or elsewhere, is localized first."""
    from .runs import localize_dataset, open_data  # and with it torch, which a file of detections does not wait for

    settings, data = read_settings(run, Settings)
    if moved_to is not None:
        data = replace(data, dataset=moved_to, data_root=str(data_root))
    dataset, subset = open_data(run, data), data.test_subset
    truth = dataset.annotations(subset)
    found = read_detections(run / DETECTIONS) if (run / DETECTIONS).exists() else None
    of = {"dataset": dataset.name, "subset": subset}
    if found is None or any(found[1].get(fact, value) != value for fact, value in of.items()):
        chosen = ChosenVideos(dataset=moved_to, data_root=data_root, subset=subset) if moved_to else None
        write_result(run, localize_dataset(run, settings=settings.localize, of=chosen))
        found = read_detections(run / DETECTIONS)
    detections, facts = found
    warnings: list[str] = []
    told_videos = facts.get("videos")
    scored = set(told_videos if is_texts(told_videos) else truth.videos)
    missing = [video for video in truth.videos if video not in scored]
    if missing:
        what = "without usable features, counted as missed"
        warnings.append(counted(missing, f"test video {what}", f"test videos {what}"))
    log = read_log(run / LOG)
    if log and log[-1]["number"] < settings.train.epochs and not stopped_early(log, settings.train.patience):
        warnings.append(
            f"training stopped after {log[-1]['number']} of {settings.train.epochs} epochs; "
            f"{resume_command(run, 'temporal')} goes on"
        )
    labels = facts.get("labels", settings.localize.labels)
    title = f"{f'{dataset.name} {subset}'.strip()}, {plural(len(truth.videos), 'video')}; labels {labels}; run {run}"
    told = LabelsTold.from_json(facts["labels_told"]) if "labels_told" in facts else None
    return Source(title, detections, truth, None, told, settings.eval, run, tuple(warnings))


def _fitting(given: Annotations | None, own: Annotations, detections: Segments, subset: str | None) -> Annotations:
    """The annotations to score against: those given, of the subset that the detections lie in, or the run's own."""
    for sentence in (given or own).notes:
        logger.info(sentence)
    if given is None:
        return own
    mismatches(detections, given)  # none in common is named as that, not as a question of subsets
    chosen, sentence = choose_subset(given, detections, subset)
    if sentence:
        logger.info(sentence)
    return chosen
