"""Features as training sees them: sampled, in memory while they fit, batched with padding."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..core.errors import FeatureError, listing, plural
from ..core.near_names import near_sentence
from ..datasets.dataset import Dataset
from ..features.cache import FeatureCache, Features

STRETCHES, STRETCH = 16, 128  # videos, snippets of each


def sample_positions(count: int, most: int) -> np.ndarray:
    """Which of `count` snippets stand for the video: all, or `most` of them evenly spaced.

    >>> sample_positions(3, 5).tolist(), sample_positions(9, 3).tolist()
    ([0, 1, 2], [1, 4, 7])
    """
    if most == 0 or count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * count / most).astype(int)


def sound_positions(features: Features, most: int) -> np.ndarray:
    """Which snippets stand for a video, without those that damage touched; all where it touched every one.

    Args:
        features: Of the video.
        most: So many at most, evenly spaced; 0 for all.
    """
    sound = np.flatnonzero(~features.lost)
    if not len(sound):
        return sample_positions(len(features.data), most)
    return sound[sample_positions(len(sound), most)]


def training_labels(
    opened: Dataset, cache: FeatureCache, *, dataset: str, skip_missing: bool
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """What is learned from: the training videos that have features, with their labels.

    Returns:
        Labels by video, and the labelled videos that are left out.

    Raises:
        FeatureError: Labelled videos have no features, and are not to be left out.
    """
    videos = opened.videos_of(opened.train_subset)
    missing = tuple(video for video in videos if opened.labels[video] and video not in cache)
    if missing and not skip_missing:
        near = near_sentence(missing, cache).removeprefix("; ")
        raise FeatureError(
            f"{_without(len(missing), len(videos))} in {cache.path}: {listing(missing)}",
            why=near or "they were not extracted, or extraction failed (failed.csv beside the features says)",
            next="rename the feature files, or the videos in labels.csv"
            if near
            else f"thas extract-features --dataset {dataset}; or go on without them: --skip-missing",
            subject=missing[0],
        )
    return {video: opened.labels[video] for video in videos if video in cache}, missing


def _without(count: int, whole: int) -> str:
    videos = f"of {plural(whole, 'training video')}"
    return plural(count, f"{videos} has no features", f"{videos} have no features")


class TrainingFeatures(Sequence[Tensor]):
    """The features of the training videos, (T, D) float32 each.

    They are read once and kept while they fit in `memory_bytes`; the rest is read again each time it is needed.

    Args:
        features: By video, such as a `FeatureCache`.
        videos: Which, in this order.
        snippets: Longer videos are sampled to so many; 0 for all.
        memory_bytes: Upper bound of what is kept.

    Raises:
        FeatureError: A video has no features, or features of another width than the others.
    """

    def __init__(
        self, features: Mapping[str, Features], videos: Sequence[str], *, snippets: int, memory_bytes: float
    ) -> None:
        missing = [video for video in videos if video not in features]
        if missing:
            raise FeatureError(
                f"{_without(len(missing), len(videos))}: {listing(missing)}",
                next="thas extract-features --dataset NAME makes them; thas train --skip-missing goes on without",
                subject=missing[0],
            )
        self._features = features
        self.videos = list(videos)
        self._snippets = snippets
        self._kept: dict[int, Tensor] = {}
        self._room = memory_bytes
        self.lengths: list[int] = []
        """Snippets of each video."""
        self.centres: list[np.ndarray] = []
        """(T_i,) float32, seconds: the middle of each snippet of each video."""
        self.dimension = 0
        spans, strides = [], []
        total = np.zeros(0)
        squares = np.zeros(0)
        count = 0
        self.probabilities = True
        """Whether each snippet's feature is a distribution over classes: nothing below 0, and a sum of 1."""
        self.stretches: dict[str, Tensor] = {}
        """Of a few videos, evenly from all, some consecutive snippets amid each, (t, D) float32: always in memory."""
        few = set(sample_positions(len(self.videos), STRETCHES).tolist())
        for i, video in enumerate(self.videos):
            one = features[video]
            sampled = self._sampled(one)
            spans.append(np.median(one.end_seconds - one.start_seconds))
            steps = np.diff(one.start_seconds[sound_positions(one, snippets)])
            strides.append(np.median(steps[steps > 0]) if (steps > 0).any() else spans[-1])
            if sampled.nbytes <= self._room:
                self._kept[i] = sampled
                self._room -= sampled.nbytes
            if i in few:
                first = max(0, (len(sampled) - STRETCH) // 2)
                self.stretches[video] = sampled[first : first + STRETCH].clone()
            x = sampled.numpy().astype(np.float64)
            if i == 0:
                self.dimension = x.shape[1]
                total, squares = np.zeros(self.dimension), np.zeros(self.dimension)
            if x.shape[1] != self.dimension:
                raise FeatureError(
                    f"the features of {video} have {x.shape[1]} numbers a snippet, others {self.dimension}",
                    why="they were made by different backbones or layers",
                    next="thas features verify FOLDER; then extract the odd ones again",
                    subject=video,
                )
            self.lengths.append(len(x))
            rows = sound_positions(one, snippets)
            self.centres.append(((one.start_seconds[rows] + one.end_seconds[rows]) / 2).astype(np.float32))
            # Half precision, as features are often kept, rounds each of them by up to a thousandth.
            self.probabilities &= bool((x >= 0).all() and (np.abs(x.sum(axis=1) - 1) < 0.01).all())
            total += x.sum(axis=0)
            squares += np.square(x).sum(axis=0)
            count += len(x)
        self.length_seconds = float(np.median(spans))
        """Of a snippet, in the median video."""
        self.stride_seconds = float(np.median(strides))
        """From one sampled snippet's start to the next one's."""
        mean = total / max(count, 1)
        self.mean = torch.from_numpy(mean.astype(np.float32))
        """(D,) float32, over all snippets of all videos: what hidden snippets take."""
        deviation = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        # Constant is what moves by no more than the rounding of its own size, whatever the unit.
        moves = deviation > np.maximum(1e-6 * np.abs(mean), 1e-30)
        self.deviation = torch.from_numpy(np.where(moves, deviation, 1).astype(np.float32))
        """(D,) float32, the standard deviation; 1 where a feature is constant."""

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        return self._kept[index] if index in self._kept else self._sampled(self._features[self.videos[index]])

    def part(self, rows: Sequence[int]) -> TrainingFeatures:
        """Some of the videos, by their rows; statistics stay those of all, and nothing is read or kept twice."""
        some = copy.copy(self)
        some.videos = [self.videos[row] for row in rows]
        some.lengths = [self.lengths[row] for row in rows]
        some._kept = {i: self._kept[row] for i, row in enumerate(rows) if row in self._kept}
        return some

    def _sampled(self, one: Features) -> Tensor:
        rows = sound_positions(one, self._snippets)
        return torch.from_numpy(np.ascontiguousarray(one.data[rows], np.float32))


def pad(sequences: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Put sequences of different length in one batch.

    Args:
        sequences: B tensors (T_i, D).

    Returns:
        (B, T, D) with zeros after each end, and (B, T) bool, True where a sequence is.

    >>> x, valid = pad([torch.ones(2, 1), torch.ones(1, 1)])
    >>> valid.tolist()
    [[True, True], [True, False]]
    """
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    batch = torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True)
    return batch, torch.arange(batch.shape[1]) < lengths[:, None]
