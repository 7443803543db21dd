"""A run of videos put to use on a data set.

Besides what every run holds it has, once localized, sequences.h5 and detections.json, to which evaluation adds
scores.json (`scored_source`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..core.data_options import ChosenVideos
from ..core.errors import DataError, Failure, FeatureError
from ..core.messages import Progress, silent
from ..core.run_settings import RunData, read_settings
from ..core.spread import Spread
from ..datasets.dataset import Dataset
from ..datasets.opening import open_dataset
from ..eval.labels_told import LabelsTold, labels_told
from ..features.cache import FeatureCache
from .activation import ClassActivationSequence
from .localizer import localize_videos
from .localizing_jobs import Parts, localize_parts
from .results import LocalizeResult
from .settings import LocalizeSettings, Settings
from .trust import doubts, told_by_labels


def open_data(run: Path, data: RunData) -> Dataset:
    """The data set of a run, opened again.

    Raises:
        DataError: It is no longer where it was.
    """
    folder = Path(data.dataset)
    if folder.is_absolute() and not folder.is_dir():
        raise DataError(
            f"the data set of {run} is not at {folder}",
            why="it was moved, or the run was copied here without it",
            next="say where it is now: --dataset FOLDER, with thas localize, eval or report",
            subject=str(folder),
        )
    return open_dataset(
        data.dataset, data_root=data.data_root, train_subset=data.train_subset, test_subset=data.test_subset
    )


def open_features(folder: Path, dataset: str) -> FeatureCache:
    """A data set's feature cache.

    Raises:
        FeatureError: There is none; the commands that make or name one are.
    """
    try:
        return FeatureCache(folder)
    except FeatureError as error:
        error.next = f"thas extract-features --dataset {dataset}; or name them with --features FOLDER"
        raise


def localize_dataset(
    run: Path,
    *others: Path,
    settings: LocalizeSettings,
    map_members: Sequence[int] = (),
    of: ChosenVideos | None = None,
    checkpoint: Literal["best", "last"] = "best",
    device: str = "auto",
    spread: Spread | None = None,
    progress: Progress = silent,
) -> LocalizeResult:
    """Localize a subset of a data set, the run's own unless another is named.

    Args:
        run: The run.
        others: More runs of its data set, to be averaged with it.
        settings: How segments are made of sequences.
        map_members: Which of several runs give sequences, counted from 0, the rest probabilities alone; all if empty.
        of: Instead of the run's own test videos.
        checkpoint: The best epoch's network, where there is one, or the last one's.
        device: cpu, cuda, cuda:1 or auto.
        spread: Over what processes or machines; this process does all if None.
        progress: Called after each video.

    Raises:
        FeatureError: No video has features, or they were made by another recipe.
        UsageError: The runs cannot be averaged.
    """
    of, data = of or ChosenVideos(), read_settings(run, Settings)[1]
    dataset = of.dataset
    opened = open_dataset(dataset, data_root=of.data_root) if dataset else open_data(run, data)
    subset = of.subset or (opened.test_subset if dataset else data.test_subset)
    videos = opened.videos_of(subset)
    features = of.features or (opened.features_folder if dataset else Path(data.features))
    cache = open_features(features, dataset or data.dataset)
    parts = Parts((run, *others), settings, tuple(map_members), checkpoint, device, features)
    localizer = parts.localizer()
    localizer.check_recipe(cache)
    present = [video for video in videos if video in cache]
    known = opened.labels if settings.labels == "known" else None
    if spread is None:
        detections, sequences, failed = localize_videos(
            localizer, cache, present, labels=known, near=run, progress=progress
        )
    else:
        detections, sequences, failed = localize_parts(parts, present, spread, labels=known, progress=progress)
    failed += [Failure(video, "find", f"no features in {cache.path}") for video in videos if video not in cache]
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
    facts |= {"doubts": doubts(sequences).to_json()}
    calibration = localizer.model.calibration if not others else None
    trusted = told_by_labels(sequences, opened, calibration) if told and not told.learned else None
    facts |= {"calibration": list(calibration)} if calibration else {}
    facts |= {"reliability": trusted.to_json()} if trusted else {}
    return LocalizeResult(detections, sequences, tuple(failed), facts, opened, told, calibration, trusted)


def result_folder(runs: Sequence[Path], result: LocalizeResult, *, map_members: Sequence[int] = ()) -> Path:
    """Where a result goes, unless it is said: other videos' or a mean must not take the place of the run's own."""
    run, *others = runs
    folder = run
    if others:  # the names alone may repeat, and are long
        content = repr(([str(one.resolve()) for one in runs], list(map_members) or ()))
        digest = hashlib.sha256(content.encode()).hexdigest()[:8]
        folder = run / "-".join(["with", *(one.name for one in runs[1:3]), digest])
    data = read_settings(run, Settings)[1]
    of = (str(result.facts["dataset"]), str(result.facts["subset"]))
    return folder if of == (Path(data.dataset).name, data.test_subset) else folder / "-".join(filter(None, of))


def _told(sequences: Sequence[ClassActivationSequence], opened: Dataset, data: RunData) -> LabelsTold | None:
    """How many of the videos' labels the network tells right, whether or not they were given for the intervals."""
    likeliest = {one.video: one.classes[int(one.probabilities.argmax())] for one in sequences}
    own = opened.name == Path(data.dataset).name
    return labels_told(likeliest, opened.labels, learned=opened.videos_of(data.train_subset) if own else ())
