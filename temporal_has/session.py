"""Training as the commands do it: on a data set, into a run. After a head's the test videos are localized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.data_options import VideoOptions
from ..core.errors import Failure, ThasError, counted, plural
from ..core.log import LOG, Decided, OnEvent, convergence, read_log
from ..core.messages import Progress, logger, silent
from ..core.resume import Begin, begun
from ..core.run_settings import RunData, read_settings, write_settings
from ..core.runs import ROOTS, first_process
from ..core.train_result import TrainResult
from ..datasets.data_preset import dataset_presets
from ..datasets.dataset import Dataset
from ..datasets.opening import kept_name, open_dataset, present_videos
from ..eval.labels_told import LabelsTold, Reliability
from ..features.backbone_settings import BackboneRunSettings
from ..features.cache import FeatureCache
from ..features.train_backbone import BackboneResult, train_backbone
from .data import training_labels
from .points import PointLabels
from .results import LocalizeResult, write_result
from .rules import Decision
from .runs import localize_dataset, open_features
from .settings import Settings, TrainSettings
from .train import train
from .trust import Standing, doubts, standing

Labels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Tested:
    """What a network found in the test videos.

    Attributes:
        detections: How many; None if no test video has features.
        untested: Test videos that could not be localized.
        told: How many videos' labels are told right; None if none was localized or has a label.
        reliability: What the probabilities of their labels are worth; None as above.
        standing: The detections beside guessing; None where there is no truth.
    """

    detections: int | None = None
    untested: tuple[Failure, ...] = ()
    told: LabelsTold | None = None
    reliability: Reliability | None = None
    standing: Standing | None = None

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "detections": self.detections,
            "untested": [one.subject for one in self.untested],
            "labels_told": self.told.to_json() if self.told else None,
            "reliability": self.reliability.to_json() if self.reliability else None,
            "standing": self.standing.to_json() if self.standing else None,
        }

    def summary(self) -> str:
        """A few words for a person."""
        return "no test video has features" if self.detections is None else plural(self.detections, "detection")


def train_run(
    dataset: str,
    *,
    settings: Settings,
    origins: Mapping[str, str] | None = None,
    options: VideoOptions | None = None,
    begin: Begin | None = None,
    on_event: OnEvent = lambda event: None,
) -> TrainResult[Tested]:
    """Train on a data set's training videos into a new run, then localize its test videos.

    Args:
        dataset: A name or a folder.
        settings: Of the run.
        origins: Where each changed setting came from, for settings.toml.
        options: Subsets and features, where they are not the data set's own.
        begin: Where runs lie, and which to go on with; a new one in `runs` if None.
        on_event: Called with what happens: `Started`, `Decided` by rules, and each `Epoch`.

    Returns:
        What was done; of torchrun's other processes than the first, which write nothing, only the counts.

    Raises:
        FeatureError: Training videos have no features.
        UsageError: There is nothing to resume.
    """
    options, begin, origins = options or VideoOptions(), begin or Begin(ROOTS["temporal"]), origins or {}
    opened = open_dataset(
        dataset,
        data_root=options.data_root,
        train_subset=options.train_subset,
        test_subset=options.test_subset,
    )
    data = RunData(
        dataset=kept_name(dataset),
        data_root=str(options.data_root.resolve()),
        features=str((options.features or opened.features_folder).resolve()),
        train_subset=opened.train_subset,
        test_subset=opened.test_subset,
    )
    cache = open_features(Path(data.features), dataset)
    labels, missing = training_labels(opened, cache, dataset=dataset, skip_missing=options.skip_missing)
    if settings.train.points and opened.points_path is not None:
        labels = PointLabels(labels, opened.points())
        which = f"{plural(len(labels.points), 'click')} of {opened.points_path}"
        logger.info("%s: where a label has any in a video, each of its actions there must have one", which)
    elif opened.points_path is not None and not settings.train.points:
        logger.warning("%s is not learned from; --set train.points=1 heeds its clicks", opened.points_path)
    _warn_of_data(opened, labels, preset=dataset in dataset_presets())
    learnt = sum(bool(known) for known in labels.values())
    with begun(begin, settings, data, name=opened.name, origins=origins, items=len(labels), on_event=on_event) as run:
        settings = run.settings

        def ruled(became: Settings, decisions: Sequence[Decision]) -> None:
            nonlocal settings
            settings = became  # localization has rules, too
            if first_process() and decisions:
                reasons = {one.key: f"rule: {one.why}" for one in decisions}
                write_settings(run.folder, became, data, {**origins, **reasons})
            run.tell(Decided(tuple(one.line() for one in decisions)))

        train(
            cache,
            labels,
            classes=opened.classes,
            settings=settings,
            recipe=cache.recipe,
            folder=run.folder,
            resume=run.resuming,
            on_rules=ruled,
            on_epoch=run.tell,
        )
    failed = [Failure(video, "find", "it has no features") for video in missing]
    result = TrainResult[Tested].of(run, "videos", learnt, len(opened.classes), failed)
    if not first_process():
        return result
    _warn_of_haste(run.folder, settings.train.epochs)
    return replace(result, found=_tested(run.folder, settings, opened, cache))


def _warn_of_data(opened: Dataset, labels: Labels, *, preset: bool) -> None:
    """What a person should know of the data before hours are spent on them."""
    if opened.labels_remark and not preset:  # of a preset it is meant to be so
        logger.warning(opened.labels_remark)
    if opened.train_subset == opened.test_subset:
        logger.warning("%s has one subset: it is trained on and scored on the same videos", opened.name)
    unlabelled = [video for video in opened.videos_of(opened.train_subset) if not opened.labels[video]]
    if unlabelled:
        one, many = "training video has no label and teaches nothing", "training videos have no label and teach nothing"
        logger.warning(counted(unlabelled, one, many))
    taught = {label for known in labels.values() for label in known}
    if untaught := [label for label in opened.classes if label not in taught]:
        rest = "no training video and will not be found"
        logger.warning(counted(untaught, f"class has {rest}", f"classes have {rest}"))


def _warn_of_haste(folder: Path, epochs: int) -> None:
    """Where fewer epochs than the usual ones were asked for, and the loss still fell when they were over.

    That it falls says nothing by itself: it still does on data where more epochs localize worse.
    """
    log, usual = read_log(folder / LOG), TrainSettings().epochs
    fall = convergence(log)
    if epochs < usual and fall > 0.1 and log[-1]["loss"] > 0.1 * log[0]["loss"]:
        rest = f"{usual} are usual (--epochs)"
        logger.warning("the loss still fell by %.0f%% over the last ten of %d epochs; %s", 100 * fall, epochs, rest)


def _tested(folder: Path, settings: Settings, opened: Dataset, cache: FeatureCache) -> Tested:
    """What the network finds in the test videos, written into the run."""
    if not any(video in cache for video in opened.videos_of(opened.test_subset)):
        rest = "thas localize finds their actions once they have"
        logger.warning("no %s video has features yet; %s", opened.test_subset, rest)
        return Tested()
    found = localize_dataset(folder, settings=settings.localize, device=settings.train.device)
    write_result(folder, found)
    for doubt in doubts(found.sequences).warnings():
        logger.warning(doubt)
    stand = _standing(opened, found, settings)
    return Tested(len(found.detections), found.failed, found.told, found.reliability, stand)


def _standing(opened: Dataset, result: LocalizeResult, settings: Settings) -> Standing | None:
    """Detections beside guessing, after training is over; a truth that cannot be read costs the comparison alone."""
    if opened.annotations_path is None:
        return None
    try:
        return standing(result.detections, opened.annotations(opened.test_subset), settings.eval)
    except ThasError as error:
        logger.warning("the detections were not compared with guessing: %s", error.what)
        return None


def train_backbone_run(
    opened: Dataset,
    *,
    begin: Begin,
    settings: BackboneRunSettings,
    out: Path | None = None,
    origins: Mapping[str, str] | None = None,
    subset: str | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    on_event: OnEvent = lambda event: None,
) -> BackboneResult:
    """Train a backbone on a data set in a run of its own, or go on with one that was interrupted.

    Args:
        opened: The data set.
        begin: A new run, or which is resumed.
        settings: How.
        out: The file of weights; `backbone.safetensors` in the data set's folder if None, or what a resumed run has.
        origins: Where each changed setting came from.
        subset: To learn from, instead of the data set's.
        workers: As for `train_backbone`, like what follows.
        progress: Called as it goes.
        on_event: Called with what happens in the training.

    Raises:
        DataError: No training video has a file, or nothing can be learned from them.
    """
    videos, missing = present_videos(opened, opened.videos_of(subset or opened.train_subset))
    target = out or opened.folder / "backbone.safetensors"
    data = RunData(
        dataset=opened.name if opened.note else str(opened.folder.resolve()),
        data_root=str(opened.folder.resolve().parent),
        train_subset=subset or opened.train_subset,
        test_subset=opened.test_subset,
        out=str(target.resolve()),
    )
    with begun(begin, settings, data, name=opened.name, origins=origins) as run:
        kept = read_settings(run.folder, BackboneRunSettings)[1]
        return train_backbone(
            videos,
            opened.labels,
            opened.classes,
            out or Path(kept.out or target),
            settings=run.settings.backbone,
            workers=workers,
            missing=missing,
            folder=run.folder,
            progress=progress,
            on_event=on_event,
        )
