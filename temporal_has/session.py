"""What the commands do, as functions: train on a data set into a run, localize a data set or files with a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..core.errors import FeatureError, ThasError, UsageError, counted, plural
from ..core.runs import find_run, first_process, new_run, remove_run
from ..datasets.dataset import Dataset, dataset_presets, open_dataset
from ..eval.labels_told import LabelsTold, labels_told
from ..features.cache import FeatureCache
from .activation import ClassActivationSequence
from .data import training_labels
from .localizer import Localizer, localize_videos
from .log import LOG, Epoch, best_epoch, convergence, read_log
from .results import LocalizeResult, write_result
from .runs import RunData, read_settings, write_settings
from .settings import LocalizeSettings, Settings
from .train import CHECKPOINT, MAY_CHANGE, train

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

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        content = {**vars(self), "run": str(self.run)}
        told = content.pop("told")
        lists = {"skipped": list(self.skipped), "untested": list(self.untested)}
        return {**content, **lists, "labels_told": told.to_json() if told else None}

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
        dataset=dataset if dataset in dataset_presets() else str(Path(dataset).resolve()),
        data_root=str(Path(data_root).resolve()),
        features=str(Path(features or opened.features_folder).resolve()),
        train_subset=opened.train_subset,
        test_subset=opened.test_subset,
    )
    if opened.labels_remark and dataset not in dataset_presets():  # where it is meant to be so
        warn(opened.labels_remark)
    cache = _open_features(Path(data.features), dataset)
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
    resuming = resume or run is not None
    if into is not None:
        folder, resuming = into, (into / CHECKPOINT).exists()
        write_settings(folder, settings, data, origins or {})
    elif resuming:
        folder = find_run(run, root=runs, dataset=opened.name)
        settings = resumed_settings(folder, settings, origins or {})
    else:
        folder = new_run(runs, opened.name) if first_process() else runs / opened.name
        if first_process():
            write_settings(folder, settings, data, origins or {})
    on_start(settings)
    try:
        model = train(
            cache,
            labels,
            classes=opened.classes,
            settings=settings,
            recipe=cache.recipe,
            folder=folder,
            resume=resuming,
            on_epoch=on_epoch,
        )
    except (ThasError, KeyboardInterrupt):
        new = into is None and not resuming
        if first_process() and new and not (folder / CHECKPOINT).exists():
            remove_run(runs, folder)  # or it would be the newest, and hide a good one
        raise
    learnt = sum(bool(known) for known in labels.values())
    if not first_process():
        return TrainResult(folder, learnt, len(model.classes), float("nan"), float("nan"), None)
    log = read_log(folder / LOG)
    best = best_epoch(log) or {}
    fall = convergence(log)
    if fall > 0.1 and log[-1]["loss"] > 0.1 * log[0]["loss"]:
        warn(f"the loss still fell by {fall:.0%} over the last ten epochs; more epochs may help (--epochs)")
    test_videos = opened.videos_of(opened.test_subset)
    detections, untested, told = None, (), None
    if any(video in cache for video in test_videos):
        result = localize_dataset(folder, settings=settings.localize, device=settings.train.device)
        write_result(folder, result)
        detections, untested, told = len(result.detections), tuple(result.failed), result.told
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
    )


def _open_features(folder: Path, dataset: str) -> FeatureCache:
    try:
        return FeatureCache(folder)
    except FeatureError as error:
        error.next = f"thas extract-features --dataset {dataset}; or name them with --features FOLDER"
        raise


def resumed_settings(run: Path, given: Settings, origins: Mapping[str, str]) -> Settings:
    """The run's own settings, and those options of now that may change between a training and its resumption.

    Raises:
        UsageError: Something else was asked for than the run was begun with.
    """
    kept = read_settings(run)[0]
    typed = {key: value for key, value in given.flat().items() if not origins.get(key, "preset").startswith("preset")}
    other = [key for key, value in typed.items() if key not in MAY_CHANGE and value != kept.flat()[key]]
    if other:
        raise UsageError(
            f"{run} cannot be resumed with another {other[0]}",
            why=f"it was begun with {kept.flat()[other[0]]}, and {typed[other[0]]} is asked for now",
            next="resume without that option, or train a new run without --resume",
        )
    return kept.updated({key: value for key, value in typed.items() if key in MAY_CHANGE})


def localize_dataset(
    run: Path,
    *others: Path,
    settings: LocalizeSettings,
    map_members: Sequence[int] = (),
    dataset: str | None = None,
    data_root: Path = Path("data"),
    subset: str | None = None,
    features: Path | None = None,
    checkpoint: Literal["best", "last"] = "best",
    device: str = "auto",
    on_video: Callable[[], None] | None = None,
) -> LocalizeResult:
    """Localize a subset of a data set, the run's own unless another is named.

    Args:
        run: The run.
        others: More runs of its data set, to be averaged with it.
        settings: How segments are made of sequences.
        map_members: Which of several runs give sequences, counted from 0, the rest probabilities alone; all if empty.
        dataset: Instead of the run's own.
        data_root: Where data sets called by name lie.
        subset: Instead of the test subset.
        features: The feature cache, instead of the data set's.
        checkpoint: The best epoch's network, where there is one, or the last one's.
        device: cpu, cuda, cuda:1 or auto.
        on_video: Called after each video.

    Raises:
        FeatureError: No video has features, or they were made by another recipe.
        UsageError: The runs cannot be averaged.
    """
    data = read_settings(run)[1]
    opened = open_dataset(dataset, data_root=data_root) if dataset else data.open()
    subset = subset or (opened.test_subset if dataset else data.test_subset)
    videos = opened.videos_of(subset)
    cache = _open_features(
        features or (opened.features_folder if dataset else Path(data.features)), dataset or data.dataset
    )
    localizer = Localizer.from_run(
        run, *others, device=device, settings=settings, map_members=map_members, checkpoint=checkpoint
    )
    localizer.check_recipe(cache)
    present = [video for video in videos if video in cache]
    known = opened.labels if settings.labels == "known" else None
    detections, sequences, failed = localize_videos(localizer, cache, present, labels=known, on_video=on_video)
    failed |= {video: f"no features in {cache.path}" for video in videos if video not in cache}
    if not present:
        raise FeatureError(
            f"none of the {len(videos)} {subset} videos of {opened.name} has features in {cache.path}",
            next=f"thas extract-features --dataset {dataset or data.dataset}",
        )
    facts = {
        "labels": settings.labels,
        "dataset": opened.name,
        "subset": subset,
        "videos": [sequence.video for sequence in sequences],
        "settings": vars(settings),
    }
    if others:
        facts |= {"runs": [str(one) for one in (run, *others)], "map_members": list(map_members)}
    told = _told(sequences, opened, data)
    facts |= {"labels_told": told.to_json()} if told else {}
    return LocalizeResult(detections, sequences, failed, facts, opened, told)


def _told(sequences: Sequence[ClassActivationSequence], opened: Dataset, data: RunData) -> LabelsTold | None:
    """How many of the videos' labels the network tells right, whether or not they were given for the intervals."""
    likeliest = {one.video: one.classes[int(one.probabilities.argmax())] for one in sequences}
    own = opened.name == data.open().name
    return labels_told(likeliest, opened.labels, learned=opened.videos_of(data.train_subset) if own else ())
