"""What `thas eval` scores: detections of a file or of a run, with their ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import UsageError
from .console import note, warn

if TYPE_CHECKING:
    from ..eval.annotations import Annotations
    from ..eval.assessment import Assessment
    from ..eval.labels_told import LabelsTold
    from ..temporal_has.settings import EvalSettings


def side_by_side(assessments: list[Assessment]) -> dict[str, Any]:
    """The scores under several protocols as one object."""
    return {"protocol": "all", "scores": {a.scores.protocol: a.to_json() for a in assessments}}


@dataclass(frozen=True)
class Truth:
    """Where the ground truth comes from, as typed."""

    annotations: Path | None
    dataset: str | None
    data_root: Path
    subset: str | None
    videos: str | None

    def read(self) -> Annotations | None:
        """The annotations named, of all subsets unless a data set was named; None if nothing was."""
        from ..eval.annotation_files import read_annotations

        if self.annotations is not None:
            return read_annotations(self.annotations)
        if self.dataset is None:
            return None
        from ..datasets.dataset import open_dataset

        found = open_dataset(self.dataset, data_root=self.data_root)
        return found.annotations(None if self.subset is not None else found.test_subset)

    def dataset_name(self) -> str | None:
        """The name that the runs of the data set are kept under."""
        from ..datasets.dataset import open_dataset

        return None if self.dataset is None else open_dataset(self.dataset, data_root=self.data_root).name


class Source:
    """One set of detections with its ground truth: from a file, or from a run."""

    def __init__(self, path: Path | None, truth: Truth, class_ids: Literal["official", "positions"] | None) -> None:
        from ..eval.assessment import choose_subset, read_video_list
        from ..eval.mismatches import mismatches

        self.run: Path | None = None
        self.settings: EvalSettings | None = None
        self.told: LabelsTold | None = None
        given = truth.read() if path is not None or truth.annotations is not None else None
        if path is None or path.is_dir():
            from ..core.runs import find_run
            from ..temporal_has.runs import prepare_evaluation

            self.run = find_run(path, dataset=truth.dataset_name())
            if truth.subset is not None and given is None:
                raise UsageError(
                    "a run is scored on its own test subset", next="leave --subset out, or give --annotations too"
                )
            scoring = prepare_evaluation(self.run, moved_to=truth.dataset, data_root=truth.data_root)
            self.detections, own, self.title = scoring.detections, scoring.truth, scoring.title
            self.settings, self.told = scoring.settings, scoring.told
            for sentence in scoring.warnings:
                warn(sentence)
        else:
            from ..eval.detections import read_detections

            if given is None:
                raise UsageError(
                    f"the ground truth of {path} is not known", next=f"thas eval {path} --annotations FILE|FOLDER"
                )
            self.detections, own = read_detections(path, class_ids=class_ids), given
            self.title = f"{path} against {truth.annotations or truth.dataset}"
        self.truth = own
        for sentence in (given or own).notes:
            note(sentence)
        if given is not None:
            mismatches(self.detections, given)  # none in common is named as that, not as a question of subsets
            self.truth, chosen = choose_subset(given, self.detections, truth.subset)
            if chosen:
                note(chosen)
        self.videos = read_video_list(truth.videos, self.truth) if truth.videos else None
        for sentence in mismatches(self.detections, self.truth):
            warn(sentence)
        if self.run is None:
            from ..eval.labels_told import labels_told, surest_labels

            known = {video: rows.label.tolist() for video, rows in self.truth.segments.by_video().items()}
            self.told = labels_told(surest_labels(self.detections), known)

    def assess(self, protocol: str, options: dict[str, Any]) -> Assessment:
        """Its score under one protocol."""
        from ..eval.assessment import assess

        return assess(self.detections, self.truth, protocol=protocol, videos=self.videos, **options)

    def keep_scores(self, assessments: list[Assessment]) -> None:
        """A run keeps its newest scores beside its detections."""
        if self.run is not None:
            import json

            from ..core.files import write_atomically

            content = assessments[0].to_json() if len(assessments) == 1 else side_by_side(assessments)
            write_atomically(self.run / "scores.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
