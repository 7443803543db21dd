"""What the commands do, as functions: train on a data set into a run, localize a data set or files with a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ThasError, counted, plural
from ..core.log import LOG, Epoch, best_epoch, convergence, read_log
from ..core.resume import Begin, begun
from ..core.run_settings import RunData, write_settings
from ..core.runs import first_process, point_latest
from ..datasets.dataset import Dataset, dataset_presets, kept_name, open_dataset
from ..eval.labels_told import LabelsTold
from ..eval.reliability import Reliability
from .data import training_labels
from .results import LocalizeResult, write_result
from .rules import Decision
from .runs import localize_dataset, open_features
from .settings import Settings
from .train import train
from .trust import Standing, doubts, standing

Warn = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind.

    Attributes:
        run: The run's folder.
        videos: Number of videos trained on.
        classes: C.
        loss: Of the last epoch.
        accuracy: Of the last epoch.
        detections: Number of detections in the test videos; None if none had features.
        skipped: Training videos without features, left out.
        untested: Test videos without usable features.
        best_epoch: The epoch whose model is used, chosen on held-out videos; None if none were held out.
        validation_map: Mean average precision of its labels of the held-out videos.
        told: How many test videos' labels are told right; None if none was localized or has a label.
        reliability: What the probabilities of test videos' labels are worth; None as above.
        standing: The test videos' detections beside guessing; None where there is no truth.
    """

    run: Path
    videos: int
    classes: int
    loss: float
    accuracy: float
    detections: int | None
    skipped: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    best_epoch: int | None = None
    validation_map: float | None = None
    told: LabelsTold | None = None
    reliability: Reliability | None = None
    standing: Standing | None = None

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        content = {**vars(self), "run": str(self.run)}
        told = content.pop("told")
        lists = {"skipped": list(self.skipped), "untested": list(self.untested)}
        trust = {
            "reliability": self.reliability.to_json() if self.reliability else None,
            "standing": self.standing.to_json() if self.standing else None,
        }
        return {**content, **lists, **trust, "labels_told": told.to_json() if told else None}

    def summary(self) -> str:
        """A line for a person."""
        found = "no test video has features" if self.detections is None else plural(self.detections, "detection")
        chosen = ""
        if self.validation_map is not None:
            chosen = f"best after epoch {self.best_epoch}: held out mAP {self.validation_map:.0%}; "
        return (
            f"{self.run}: {plural(self.videos, 'video')}, {plural(self.classes, 'class', 'classes')}, "
            f"loss {self.loss:.3f}, videos right {self.accuracy:.0%}; {chosen}{found}"
        )


def train_run(
    dataset: str,
    *,
    settings: Settings,
    origins: Mapping[str, str] | None = None,
    features: Path | None = None,
    train_subset: str | None = None,
    test_subset: str | None = None,
    data_root: Path = Path("data"),
    runs: Path = Path("runs"),
    resume: bool = False,
    run: Path | None = None,
    into: Path | None = None,
    skip_missing: bool = False,
    on_start: Callable[[Settings], None] = lambda settings: None,
    on_rules: Callable[[Sequence[Decision]], None] = lambda decisions: None,
    on_epoch: Callable[[Epoch], None] | None = None,
    warn: Warn = lambda message: None,
) -> TrainResult:
    """Train on a data set's training videos into a new run, then localize its test videos.

    Args:
        dataset: A name or a folder.
        settings: Of the run.
        origins: Where each changed setting came from, for settings.toml.
        features: The feature cache; the data set's own if None.
        train_subset: Instead of the data set's.
        test_subset: Instead of the data set's.
        data_root: Where data sets called by name lie.
        runs: Where runs lie.
        resume: Continue the newest run of the data set, or `run`.
        run: The run to resume.
        into: Train into this folder instead of a new run, from its checkpoint where it holds one; `latest` stays.
        skip_missing: Leave out training videos without features instead of refusing.
        on_start: Called with the settings before the first epoch; a resumed run has its own.
        on_rules: Called with what rules decided from the training videos, each with its reason, before the first epoch.
        on_epoch: Called after each epoch.
        warn: Called with each warning.

    Returns:
        What was done; of torchrun's other processes than the first, which write nothing, only the counts.

    Raises:
        FeatureError: Training videos have no features.
        UsageError: There is nothing to resume.
    """
    opened = open_dataset(dataset, data_root=data_root, train_subset=train_subset, test_subset=test_subset)
    data = RunData(
        dataset=kept_name(dataset),
        data_root=str(Path(data_root).resolve()),
        features=str(Path(features or opened.features_folder).resolve()),
        train_subset=opened.train_subset,
        test_subset=opened.test_subset,
    )
    if opened.labels_remark and dataset not in dataset_presets():  # where it is meant to be so
        warn(opened.labels_remark)
    cache = open_features(Path(data.features), dataset)
    videos = opened.videos_of(opened.train_subset)
    if opened.train_subset == opened.test_subset:
        warn(f"{opened.name} has one subset: it is trained on and scored on the same videos")
    unlabelled = [video for video in videos if not opened.labels[video]]
    if unlabelled:
        one, many = "training video has no label and teaches nothing", "training videos have no label and teach nothing"
        warn(counted(unlabelled, one, many))
    labels, missing = training_labels(opened, cache, dataset=dataset, skip_missing=skip_missing)
    taught = {label for known in labels.values() for label in known}
    untaught = [label for label in opened.classes if label not in taught]
    if untaught:
        rest = "no training video and will not be found"
        warn(counted(untaught, f"class has {rest}", f"classes have {rest}"))
    begin = Begin(runs, run or resume, into)
    with begun(begin, settings, data, name=opened.name, origins=origins) as kept:
        folder, settings = kept.folder, kept.settings
        on_start(settings)

        def ruled(became: Settings, decisions: Sequence[Decision]) -> None:
            if first_process() and decisions:
                reasons = {one.key: f"rule: {one.why}" for one in decisions}
                write_settings(folder, became, data, {**(origins or {}), **reasons})
            on_rules(decisions)

        model = train(
            cache,
            labels,
            classes=opened.classes,
            settings=settings,
            recipe=cache.recipe,
            folder=folder,
            resume=kept.resuming,
            on_rules=ruled,
            on_epoch=on_epoch,
        )
    if into is None and first_process():
        point_latest(runs, folder)
    learnt = sum(bool(known) for known in labels.values())
    if not first_process():
        return TrainResult(folder, learnt, len(model.classes), float("nan"), float("nan"), None)
    log = read_log(folder / LOG)
    best = best_epoch(log) or {}
    fall = convergence(log)
    if fall > 0.1 and log[-1]["loss"] > 0.1 * log[0]["loss"]:
        warn(f"the loss still fell by {fall:.0%} over the last ten epochs; more epochs may help (--epochs)")
    test_videos = opened.videos_of(opened.test_subset)
    detections, untested, told, trusted, stand = None, (), None, None, None
    if any(video in cache for video in test_videos):
        result = localize_dataset(folder, settings=settings.localize, device=settings.train.device)
        write_result(folder, result)
        detections, untested, told = len(result.detections), tuple(result.failed), result.told
        trusted, stand = result.reliability, _standing(opened, result, settings, warn)
        for doubt in doubts(result.sequences).warnings():
            warn(doubt)
    else:
        warn(f"no {opened.test_subset} video has features yet; thas localize finds their actions once they have")
    return TrainResult(
        run=folder,
        videos=learnt,
        classes=len(model.classes),
        loss=log[-1]["loss"],
        accuracy=log[-1]["accuracy"],
        detections=detections,
        skipped=missing,
        untested=untested,
        best_epoch=best.get("number"),
        validation_map=best.get("validation_map"),
        told=told,
        reliability=trusted,
        standing=stand,
    )


def _standing(opened: Dataset, result: LocalizeResult, settings: Settings, warn: Warn) -> Standing | None:
    """Detections beside guessing, after training is over; a truth that cannot be read costs the comparison alone."""
    if opened.annotations_path is None:
        return None
    try:
        return standing(result.detections, opened.annotations(opened.test_subset), settings.eval)
    except ThasError as error:
        warn(f"the detections were not compared with guessing: {error.what}")
        return None
