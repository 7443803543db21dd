"""What a run of the temporal half keeps, and how it is scored.

A run holds settings.toml (all settings, and the data set), environment.json, log.jsonl, checkpoint.safetensors (the
last epoch's network, and all that resuming needs), best.safetensors (the best epoch's network, if videos were held out
to choose it by) and, once localized, sequences.h5 and detections.json, to which evaluation adds scores.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import CheckpointError, counted, plural
from ..core.files import write_atomically
from ..core.runs import ENVIRONMENT, SETTINGS, environment, find_run
from ..core.segments import Segments
from ..core.settings_table import flatten, read_toml
from ..datasets.dataset import Dataset, open_dataset
from ..eval.labels_told import LabelsTold
from .log import LOG, read_log, stopped_early
from .results import DETECTIONS, read_detections
from .settings import EvalSettings, Settings

if TYPE_CHECKING:
    from ..eval.annotations import Annotations


@dataclass(frozen=True)
class RunData:
    """The data set of a run, as its settings.toml keeps it.

    Attributes:
        dataset: The name or folder given to `--dataset`.
        data_root: The folder in which presets look for their data.
        features: The folder of the feature cache.
        train_subset: The subset trained on.
        test_subset: The subset localized and scored.
    """

    dataset: str
    data_root: str
    features: str
    train_subset: str
    test_subset: str

    def open(self) -> Dataset:
        """The data set, opened again."""
        return open_dataset(
            self.dataset, data_root=self.data_root, train_subset=self.train_subset, test_subset=self.test_subset
        )


def write_settings(run: Path, settings: Settings, data: RunData, origins: Mapping[str, str]) -> None:
    """Write settings.toml and environment.json."""
    lines = ["[data]", *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in vars(data).items()), ""]
    write_atomically(run / SETTINGS, "\n".join(lines) + "\n" + settings.to_toml(origins))
    write_atomically(run / ENVIRONMENT, json.dumps(environment(), indent=2) + "\n")


def read_settings(run: Path) -> tuple[Settings, RunData]:
    """The settings and the data set of a run.

    Raises:
        CheckpointError: settings.toml is of another form.
    """
    tables = read_toml(run / SETTINGS)
    try:
        data = RunData(**tables.pop("data"))
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{run / SETTINGS} does not say what data the run is of", why=str(error), next="thas train makes a new run"
        ) from None
    return Settings().updated(flatten(tables), origin=str(run / SETTINGS)), data


@dataclass(frozen=True)
class RunScoring:
    """What is needed to score a run.

    Attributes:
        detections: In its test videos.
        truth: Of its test videos.
        title: A line about both.
        settings: How the run wants to be scored.
        warnings: What a reader of the score should know.
        told: How many of the test videos' labels are told right; None where nothing says so.
    """

    detections: Segments
    truth: Annotations
    title: str
    settings: EvalSettings
    warnings: list[str]
    told: LabelsTold | None = None


def prepare_evaluation(folder: Path | None) -> RunScoring:
    """What `thas eval` needs of a run; one that was not localized yet, or elsewhere, is localized first."""
    run = find_run(folder)
    settings, data = read_settings(run)
    dataset = data.open()
    truth = dataset.annotations(data.test_subset)
    found = read_detections(run / DETECTIONS) if (run / DETECTIONS).exists() else None
    if found is None or not _are_of(found[1], dataset.name, data.test_subset):
        from .results import write_result
        from .session import localize_dataset

        write_result(run, localize_dataset(run, settings=settings.localize))
        found = read_detections(run / DETECTIONS)
    detections, facts = found
    warnings = []
    scored = set(facts.get("videos", truth.videos))
    missing = [video for video in truth.videos if video not in scored]
    if missing:
        what = "without usable features, counted as missed"
        warnings.append(counted(missing, f"test video {what}", f"test videos {what}"))
    log = read_log(run / LOG)
    if log and log[-1]["number"] < settings.train.epochs and not stopped_early(log, settings.train.patience):
        warnings.append(
            f"training stopped after {log[-1]['number']} of {settings.train.epochs} epochs; "
            f"thas train --dataset {data.dataset} --resume goes on"
        )
    labels = facts.get("labels", settings.localize.labels)
    title = f"{dataset.name} {data.test_subset}, {plural(len(truth.videos), 'video')}; labels {labels}; run {run}"
    told = LabelsTold.from_json(facts["labels_told"]) if "labels_told" in facts else None
    return RunScoring(detections, truth, title, settings.eval, warnings, told)


def _are_of(facts: Mapping[str, Any], dataset: str, subset: str) -> bool:
    """Whether detections are those of a data set's subset, as far as the facts beside them tell."""
    return facts.get("dataset", dataset) == dataset and facts.get("subset", subset) == subset
