"""The temporal half, as a sweep needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.data_options import VideoOptions
from ..core.errors import UsageError
from ..core.log import OnEvent
from ..core.resume import Begin
from ..core.runs import ROOTS
from ..core.segments import Segments
from ..core.train_result import TrainResult
from ..datasets.data_preset import dataset_presets
from ..datasets.dataset import Dataset
from ..datasets.opening import open_dataset
from ..sweep.half import Half, Outcome
from .rules import classes_of
from .settings import Settings

if TYPE_CHECKING:
    from ..features.cache import FeatureCache
    from .session import Tested


@dataclass(frozen=True)
class TemporalHalf(Half[Settings]):
    """A data set of videos."""

    runs: Path = ROOTS["temporal"]
    options: VideoOptions = field(default_factory=VideoOptions)

    table = Settings
    things = "videos"
    title = "mAP (%) at temporal IoU"
    main = -1

    @property
    def preset(self) -> str | None:
        """The data set's own, if it is known by name."""
        return self.dataset if self.dataset in dataset_presets() else None

    def name(self) -> str:
        """The data set's name."""
        return _open(self).name

    def left_out(self) -> tuple[str, ...]:
        """The labelled training videos that have no features."""
        return self._training_labels()[1]

    def data(self) -> object:
        """The labels learned from, and the features by their recipe and the state of their files.

        Raises:
            FeatureError: Training videos have no features, and are not to be left out.
        """
        from ..features.cache_writer import file_name

        opened, cache = _open(self), self._cache()
        test = opened.videos_of(opened.test_subset)
        videos = (*opened.videos_of(opened.train_subset), *test)
        path = cache.path
        files = [path] if path.is_file() else [path / file_name(video) for video in videos if video in cache]
        points = {"points": list(opened.points())} if opened.points_path is not None else {}
        return points | {
            "labels": self._training_labels()[0],
            "test": test,
            "classes": opened.classes,
            "recipe": cache.recipe,
            "files": [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files],
        }

    def _cache(self) -> FeatureCache:
        from .runs import open_features

        return open_features(self.options.features or _open(self).features_folder, self.dataset)

    def _training_labels(self) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        from .data import training_labels

        return training_labels(_open(self), self._cache(), dataset=self.dataset, skip_missing=self.options.skip_missing)

    def truth(self) -> object:
        """The test videos' segments and labels."""
        opened = _open(self)
        truth = opened.annotations(opened.test_subset)
        rows = [list(truth.segments), list(truth.ignored)]
        return [rows, truth.videos, truth.durations, {v: opened.labels[v] for v in truth.videos if v in opened.labels}]

    def measures(self, settings: Settings) -> tuple[str, ...]:
        """The IoU thresholds and their mean."""
        return (*(f"{threshold:g}" for threshold in settings.eval.iou), "mean")

    def trained(self, settings: Settings, begin: Begin, *, cores: int, on_event: OnEvent) -> TrainResult[Tested]:
        """Train, and keep the test videos' sequences."""
        from .session import train_run

        return train_run(self.dataset, settings=settings, options=self.options, begin=begin, on_event=on_event)

    def measure(
        self, members: Sequence[Path], settings: Settings, *, map_members: Sequence[int], draws: int, seed: int
    ) -> Outcome:
        """Localize the test videos by the kept sequences, and score them."""
        from ..eval.assessment import assess
        from ..eval.certainty import video_weights, weighted_map
        from .ensemble import averaged
        from .localize import localize
        from .results import SEQUENCES, read_sequences

        opened = _open(self)
        sequences = averaged([read_sequences(run / SEQUENCES) for run in members], map_members=map_members)
        found, strangers, rules = [Segments.empty(scored=True)], [], settings.localize
        if rules.classes < 0:  # networks may be those of an arm that bounds them otherwise
            rules = replace(rules, classes=classes_of(self._training_labels()[0]))
        for video, sequence in sequences.items():
            labels = (opened.labels.get(video) or None) if settings.localize.labels == "known" else None
            try:
                found.append(localize(sequence, labels=labels, rules=rules))
            except UsageError as error:  # a label that no training video has
                strangers.append(error.what)
        truth = opened.annotations(opened.test_subset)
        detections = Segments.concat(found)
        ranking = assess(detections, truth, iou=settings.eval.iou, protocol=settings.eval.protocol).ranking
        column = {video: i for i, video in enumerate(truth.videos)}
        mine = [column[video] for video in ranking.videos]
        if len(column) == 1:
            strangers.append("a single test video is scored: no interval and no star says anything of other videos")
        once, weights = np.ones((1, len(column)), np.int16), video_weights(len(column), draws=draws, seed=seed)
        both = weighted_map(ranking, np.concatenate([once, weights])[:, mine])
        both = np.concatenate([both, both.mean(axis=1, keepdims=True)], axis=1)
        facts = {"detections": len(detections), "videos": len(sequences), "strangers": strangers}
        return Outcome(both[0], both[1:].astype(np.float32), facts)

    def baselines(self, settings: Settings) -> dict[str, list[float | None]]:
        """Blind tiles of the best length, and the whole video, with known labels."""
        from ..eval.baselines import baselines

        opened = _open(self)
        truth = opened.annotations(opened.test_subset)
        found = baselines(truth, iou=settings.eval.iou, protocol=settings.eval.protocol)
        shown = (found[0], found[-1])
        return {f"blind {one.name}": [*(float(value) for value in one.map), one.average] for one in shown}


@lru_cache(maxsize=4)
def _open(half: TemporalHalf) -> Dataset:
    of = half.options
    return open_dataset(half.dataset, data_root=of.data_root, train_subset=of.train_subset, test_subset=of.test_subset)
