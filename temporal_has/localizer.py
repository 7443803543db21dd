"""A run put to use: features or raw videos in, detections out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import nn

from ..core.errors import CheckpointError, Failure, FeatureError, UsageError, VideoError
from ..core.messages import Progress, silent
from ..core.processes import give_back_memory
from ..core.run_settings import read_settings
from ..core.runners import choose_device
from ..core.segments import Segments
from ..features.cache import FeatureCache, Features
from ..features.video_features import difference
from .activation import ClassActivationSequence, SequenceShelf
from .ensemble import check_members, mean_sequence
from .localize import localize
from .model import Model, checkpoint_path, load_model
from .settings import LocalizeSettings, Settings
from .suppress import suppress_segments, surest

if TYPE_CHECKING:
    from ..features.extract import Extractor

_AT_ONCE = 128
"""Videos whose overlapping detections are thinned out together: many are faster, all may not fit in memory."""


class Localizer:
    """A trained network that says when actions happen, or several whose sequences and probabilities are averaged.

    Args:
        model: The network.
        others: More of the same classes, recipe and input.snippets.
        settings: How segments are made of sequences; the first model's own if None.
        map_members: Which of several give sequences, counted from 0, the rest probabilities alone; all if empty.
        weights: Of the backbone, for video files; None looks where the run's features found them.
        near: More folders to look for these weights in.
        device: On which features are extracted, "cpu", "cuda", "cuda:1" or "auto".

    Raises:
        UsageError: The networks cannot be averaged.
    """

    def __init__(
        self,
        model: Model,
        *others: Model,
        settings: LocalizeSettings | None = None,
        map_members: Sequence[int] = (),
        weights: Path | str | None = None,
        near: Sequence[Path] = (),
        device: str = "auto",
    ) -> None:
        self.model = model
        self.members = (model, *others)
        self.map_members = tuple(map_members)
        check_members([(f"network {i}", one) for i, one in enumerate(self.members)], map_members=map_members)
        self.settings = settings or model.settings.localize
        self._weights, self._near, self._device = weights, tuple(near), device

    @classmethod
    def from_run(
        cls,
        run: Path | str,
        *others: Path | str,
        device: str = "auto",
        settings: LocalizeSettings | None = None,
        map_members: Sequence[int] = (),
        weights: Path | str | None = None,
        checkpoint: Literal["best", "last"] = "best",
        network: Callable[[], nn.Module] | None = None,
    ) -> Localizer:
        """From a run's folder, such as `runs/latest`: its best epoch's network if videos were held out to choose it.

        Args:
            run: The folder.
            others: More runs of the same data set, to be averaged with it: `Localizer.from_run("runs/a", "runs/b")`.
            device: cpu, cuda, cuda:1 or auto.
            settings: How segments are made of sequences; the first run's own if None.
            map_members: Which of several runs give sequences, the rest probabilities alone; all if empty.
            weights: Of the backbone, for video files; None looks where the run's features found them.
            checkpoint: The best epoch's network, where there is one, or the last one's.
            network: Builds your own network as for training, where the runs hold its weights.

        Raises:
            CheckpointError: A run holds no network.
            UsageError: The runs cannot be averaged: their classes, features or input.snippets differ.
        """
        paths, where = [checkpoint_path(Path(one), checkpoint) for one in (run, *others)], choose_device(device)
        models = [load_model(path, device=where, network=network() if network else None)[0] for path in paths]
        check_members([(str(one), model) for one, model in zip((run, *others), models, strict=True)])
        near = _places_of(Path(run))
        return cls(*models, settings=settings, map_members=map_members, weights=weights, near=near, device=device)

    def with_settings(self, settings: LocalizeSettings) -> Localizer:
        """The same networks with other rules."""
        other = copy(self)
        other.settings = settings
        return other

    @cached_property
    def extractor(self) -> Extractor:
        """Makes features as the training features were made; its backbone is loaded when first used.

        Raises:
            ThasError: The run's features were not extracted by thas, or its backbone's weights are not at hand.
        """
        from ..features.extract import Extractor

        return Extractor(self.model.recipe, weights=self._weights, near=self._near, device=self._device)

    def sequence(self, video: Features | Path | str, *, progress: Progress | None = None) -> ClassActivationSequence:
        """The class activation sequence of one video.

        Args:
            video: Its features, or its file: features are then extracted exactly as the training features were.
            progress: Called with the share of a file that was just finished.

        Raises:
            ThasError: The features do not fit, or cannot be extracted.
        """
        if isinstance(video, Path | str):
            if not Path(video).is_file():  # or missing weights would be named first
                raise VideoError(f"there is no video {video}", next="check the path", subject=Path(video).stem)
            video = self.extractor.features(Path(video), progress=progress)
        return mean_sequence([one.sequence(video) for one in self.members], map_members=self.map_members)

    def segments(self, sequence: ClassActivationSequence, labels: Iterable[str] | None = None) -> Segments:
        """Detections from a sequence, by this localizer's settings.

        Args:
            sequence: Of one video.
            labels: The classes to look for, where known; None for those predicted.
        """
        return localize(sequence, labels=labels, rules=self.settings)

    def __call__(self, video: Features | Path | str, labels: Iterable[str] | None = None) -> Segments:
        """Detections in one video: its features, or its file."""
        return self.segments(self.sequence(video), labels)

    def check_recipe(self, cache: FeatureCache) -> None:
        """Refuse features that were made otherwise than those the network was trained on.

        Raises:
            FeatureError: The recipes differ; the differing lines are shown.
        """
        lines = difference(self.model.recipe, cache.recipe)
        if lines:
            raise FeatureError(
                f"the features in {cache.path} were made differently from those the network was trained on",
                why="trained on and given: " + "; ".join(lines),
                next="extract them as the run's were, or train on these",
                subject=str(cache.path),
            )


def _places_of(run: Path) -> list[Path]:
    """Where a run's weights may lie, if they are not where they were: by the run, its data set and its features."""
    try:
        data = read_settings(run, Settings)[1]
    except (CheckpointError, UsageError):  # a folder that holds no more than a network
        return [run]
    return [run, *(Path(place) for place in (data.dataset, data.features) if Path(place).is_absolute())]


def localize_videos(
    localizer: Localizer,
    features: Mapping[str, Features],
    videos: Sequence[str],
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    near: Path | None = None,
    progress: Progress = silent,
) -> tuple[Segments, SequenceShelf, list[Failure]]:
    """Detections and sequences of several videos; one that cannot be localized does not stop the others.

    A video without known labels takes those predicted. Many sequences may lie in a folder `near` meanwhile.

    Returns:
        Detections, sequences, and the videos that could not be localized, each with the reason.
    """
    shelf = SequenceShelf(near=near)
    found: list[Segments] = [Segments.empty(scored=True)]
    failed: list[Failure] = []
    plain = localizer.with_settings(replace(localizer.settings, nms="none", detections=0))
    for first in range(0, len(videos), _AT_ONCE):
        tables: list[Segments] = []
        sequences: list[ClassActivationSequence] = []
        for video in videos[first : first + _AT_ONCE]:
            try:
                sequence = plain.sequence(features[video])
                tables.append(plain.segments(sequence, (labels or {}).get(video) or None))
                sequences.append(sequence)
            except (FeatureError, UsageError) as error:
                what = " ".join(filter(None, (error.what, error.why)))
                failed.append(Failure(video, "localize", what, next=error.next))
            progress(1)
        found += _thinned(tables, sequences, localizer.settings)
        shelf.extend(sequences)
        del tables, sequences
        give_back_memory()
    return Segments.concat(found), shelf, failed


def _thinned(
    found: Sequence[Segments], sequences: Sequence[ClassActivationSequence], rules: LocalizeSettings
) -> list[Segments]:
    """Detections, a table a video, without those that the rules do not keep.

    Suppression works on several videos at once: as many rounds as the longest list needs, not their sum.
    """
    if not found:
        return []
    kept = suppress_segments(Segments.concat(found), rule=rules.nms, iou=rules.nms_iou, sigma=rules.nms_sigma)
    if not rules.detections:
        return [kept]
    bound = {one.video: max(rules.detections, len(one.logits)) for one in sequences}
    return [
        table[surest(table.score, bound[video])] for video, table in kept.by_video().items() if table.score is not None
    ]
