"""The whole way in one call: a folder of videos and a table of their labels become a few sure intervals.

Each step is what a command does, keeps what it made, and is skipped where that is still of the same data and settings:
so an interrupted call goes on, and a second one does only what is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ..core.data_options import VideoOptions
from ..core.errors import DataError, Failure, reasons
from ..core.files import write_atomically
from ..core.log import OnEvent
from ..core.messages import Progress, silent, without
from ..core.presets import resolve_settings
from ..core.resume import Begin
from ..core.runs import ROOTS, is_finished
from ..core.segments import Segments
from ..core.tables import csv_text
from ..datasets.dataset import Dataset
from ..datasets.opening import open_dataset
from ..eval.assessment import Assessment, Beside, assess
from ..eval.labels_told import LabelsTold
from ..features.backbone_settings import BackboneSettings
from ..features.cache import FeatureCache
from ..features.train_backbone import train_backbone
from .chain_plan import HELD_OUT, INTERVALS, Plan
from .localizer import Localizer, localize_videos
from .results import DETECTIONS, LocalizeResult, clock, write_result
from .scored_source import source_of_run
from .session import train_run
from .settings import Settings
from .suppress import sure_segments
from .validation import held_out

WORK = "thas"
"""The folder, below the data set's, for what is made on the way; features lie where every command looks for them."""


@dataclass(frozen=True)
class ChainResult:
    """What the whole way gave.

    Attributes:
        intervals: The sure ones: of each video and label few, apart from each other.
        all_detections: The folder of all candidates, sequences and the network.
        written: The table of the intervals.
        told: How many labels of videos that the network has not learned from are told right; None where none tell.
        assessment: The score of the test videos' detections, with blind guesses beside it; None without true segments.
        failed: Videos that gave nothing, and why.
    """

    intervals: Segments
    all_detections: Path
    written: Path
    told: LabelsTold | None
    assessment: Assessment | None
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "intervals": self.intervals.to_activitynet(),
            "run": str(self.all_detections),
            "written": str(self.written),
            "labels_told": self.told.to_json() if self.told else None,
            "scores": self.assessment.to_json() if self.assessment else None,
            "failed": dict(self.failed),
        }


def own_backbone(plan: Plan, settings: BackboneSettings, *, progress: Progress = silent) -> Path:
    """Train a backbone from the folder's labels, or go on with one that was interrupted; its file of weights.

    Raises:
        DataError: There is nothing to learn from.
    """
    dataset = plan.dataset
    labels = {
        video: dataset.labels[video]
        for video in dataset.videos_of(dataset.train_subset)
        if video in plan.files and dataset.labels[video]
    }
    # What is learned from other labels, or by other settings, is another training.
    content = json.dumps([labels, asdict(settings)], sort_keys=True)
    work = dataset.folder / WORK / f"backbone-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    return train_backbone(
        {video: plan.files[video] for video in labels},
        labels,
        dataset.classes,
        dataset.folder / "backbone.safetensors",
        settings=settings,
        folder=work,
        progress=progress,
    ).path


def finish(
    plan: Plan,
    *,
    options: Mapping[str, object] | None = None,
    watch: Callable[[str], OnEvent] = lambda what: lambda event: None,
    failed: Sequence[Failure] = (),
) -> ChainResult:
    """Learn, localize and score, from the features that there are.

    Args:
        plan: Of a folder whose videos have features.
        options: Settings that differ from the defaults, by dotted key.
        watch: Called before each training with what it is for; what it returns is called with what happens there.
        failed: Videos whose features could not be made.

    Raises:
        DataError: There is nothing to learn from.
    """
    dataset = plan.dataset
    cache = FeatureCache(dataset.features_folder)
    settings, origins = resolve_settings(Settings, options=options or {})
    work = dataset.folder / WORK / _digest(dataset, cache, settings)

    def trained(data: Dataset, into: Path, what: str) -> LabelsTold | None:
        if not (is_finished(into) and (into / DETECTIONS).exists()):
            with without("same videos"):  # which is meant to be so, and was told
                train_run(
                    str(data.folder),
                    settings=settings,
                    origins=origins,
                    options=VideoOptions(
                        features=dataset.features_folder,
                        skip_missing=True,
                        train_subset=data.train_subset,
                        test_subset=data.test_subset,
                    ),
                    begin=Begin(ROOTS["temporal"], into=into),
                    on_event=watch(what),
                )
        facts = json.loads((into / DETECTIONS).read_text(encoding="utf-8"))["thas"]
        return LabelsTold.from_json(facts["labels_told"]) if facts.get("labels_told") else None

    told = None
    if plan.one_subset and (check := _held_out_view(dataset, cache, work / "held-out")) is not None:
        told = trained(check, work / "held-out" / "run", "a part, to see whether the rest's labels are told right")
    run = work / "run"
    seen = trained(dataset, run, "all labelled videos" if plan.one_subset else f"the {dataset.train_subset} videos")
    told = told or (None if plan.one_subset else seen)
    localizer = Localizer.from_run(run, settings=settings.localize)
    videos = [video for video in plan.videos if video in cache]
    found, sequences, broken = localize_videos(localizer, cache, videos, labels=dataset.labels)
    facts = {"labels": "known where the table has them", "dataset": dataset.name, "settings": vars(settings.localize)}
    write_result(work / "all", LocalizeResult(found, sequences, tuple(broken), facts))
    sure = sure_segments(found)
    write_intervals(dataset.folder / INTERVALS, sure, dataset)
    why = {one.subject: one.why for one in (*plan.missing, *failed) if one.subject not in cache} | reasons(broken)
    return ChainResult(sure, work, dataset.folder / INTERVALS, told, _assessment(dataset, run), why)


def _held_out_view(dataset: Dataset, cache: FeatureCache, folder: Path) -> Dataset | None:
    """The same videos with a part held out, as a data set of its own; None where there are too few."""
    labels = {video: known for video, known in dataset.labels.items() if known and video in cache}
    try:
        out = set(held_out(labels, fraction=HELD_OUT, seed=0))
    except DataError:
        return None
    rows = [
        (video, label, "test" if video in out else "training") for video, known in labels.items() for label in known
    ]
    write_atomically(folder / "labels.csv", csv_text([("video", "label", "subset"), *rows]))
    return open_dataset(folder)


def _digest(dataset: Dataset, cache: FeatureCache, settings: Settings) -> str:
    """A name for the work on this table, these features and these settings; any change makes another."""
    known = {video: (labels, dataset.subsets[video]) for video, labels in dataset.labels.items()}
    content = [known, sorted(video for video in known if video in cache), cache.recipe, settings.flat()]
    subsets = [dataset.train_subset, dataset.test_subset]
    return hashlib.sha256(json.dumps([content, subsets], sort_keys=True, default=str).encode()).hexdigest()[:12]


def write_intervals(path: Path, intervals: Segments, dataset: Dataset) -> None:
    """Write a person's table: video, label, start and end as clock times and in seconds, score, whose label it is."""
    heads = ("video", "label", "start", "end", "start_seconds", "end_seconds", "score", "label_is")
    whose = {video: "from the table" for video, known in dataset.labels.items() if known}
    rows = [
        (v, label, clock(start), clock(end), f"{start:.3f}", f"{end:.3f}", f"{score:.4g}", whose.get(v, "predicted"))
        for v, label, start, end, score in intervals
    ]
    write_atomically(path, csv_text([heads, *rows]))


def _assessment(dataset: Dataset, run: Path) -> Assessment | None:
    """The test videos' own detections, whose labels are predicted, against the true segments; with blind guesses."""
    if dataset.annotations_path is None:
        return None
    scoring = source_of_run(run)
    if not len(scoring.truth.segments):
        return None
    return assess(
        scoring.detections,
        scoring.truth,
        iou=np.array(scoring.settings.iou),
        protocol=scoring.settings.protocol,
        beside=Beside(baselines=True),
    )
