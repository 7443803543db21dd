"""The image half, as a sweep needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Never

import numpy as np

from ..core.data_options import DataOptions
from ..core.log import OnEvent
from ..core.resume import Begin
from ..core.runs import ROOTS
from ..core.train_result import TrainResult
from ..sweep.half import Half, Outcome
from .datasets import NAMES, ImageDataset, open_images
from .images import ImageTable
from .settings import ImageSettings

_MOST_FILES = 20_000  # looked at to see whether images changed
_CELLS = 20_000_000  # weights of images held at once


@dataclass(frozen=True)
class ImageHalf(Half[ImageSettings]):
    """A data set of images."""

    runs: Path = ROOTS["image"]
    options: DataOptions = field(default_factory=DataOptions)

    table = ImageSettings
    things = "images"
    title = "per cent of the images"
    main = 1

    @property
    def preset(self) -> str | None:
        """The data set's own, if it is known by name."""
        return self.dataset if self.dataset in NAMES else None

    def name(self) -> str:
        """The data set's name."""
        return _open(self).name

    def data(self) -> object:
        """The training images' names and labels, and the state of their files, of very many a part."""
        return _state(_open(self).subset(self.options.train_subset or "train"))

    def truth(self) -> object:
        """The test images and their boxes."""
        table = self._test()
        return [_state(table), {path: boxes.tolist() for path, boxes in table.boxes.items()}]

    def measures(self, settings: ImageSettings) -> tuple[str, ...]:
        """The paper's three scores, and that of the best threshold."""
        return ("Top-1 Clas", "GT-known Loc", "Top-1 Loc", "MaxBoxAcc")

    def trained(self, settings: ImageSettings, begin: Begin, *, cores: int, on_event: OnEvent) -> TrainResult[Never]:
        """Train; of the cores all but one read images, unless the settings say otherwise."""
        from .session import train_run

        if settings.train.workers < 0:
            settings = settings.updated({"train.workers": cores - 1})
        return train_run(self.dataset, settings=settings, options=self.options, begin=begin, on_event=on_event)

    def measure(
        self, members: Sequence[Path], settings: ImageSettings, *, map_members: Sequence[int], draws: int, seed: int
    ) -> Outcome:
        """Box the test images, and score the boxes."""
        import torch

        from .localizer import Localizer
        from .predict import MANY, predict
        from .scores import score

        changes = {key: value for key, value in settings.flat().items() if key.startswith(("localize.", "eval."))}
        localizer = Localizer.from_run(
            *members, root=self.runs, device=settings.train.device, changes=changes, map_members=map_members or None
        )
        own = localizer.settings
        table = self._test()
        workers = max(0, torch.get_num_threads() - 1) if len(table) > MANY else 0  # this process's share of the cores
        batch = own.train.batch_size
        found = predict(localizer, table, sweep=own.eval.thresholds, batch_size=batch, workers=workers)
        scores = score(found, iou=own.eval.iou)
        n = scores.images
        rows = [i for i, name in enumerate(found.table.paths) if name in found.table.boxes]
        hits = np.full((n, 3), np.nan)
        for column, one in enumerate((scores.right, scores.known_hits, scores.top1_hits)):
            if one is not None:
                hits[:, column] = one
        swept = (found.largest[rows] >= own.eval.iou) if rows else np.full((n, 1), np.nan)
        both = np.concatenate([hits, swept], axis=1).astype(np.float32)
        facts = {"images": n, "without_boxes": scores.without_boxes, "unread": len(found.failed)}
        values = _measured(np.full((1, n), 1.0, np.float32), both)[0]
        return Outcome(values, _drawn(both, draws=draws, seed=seed), facts)

    def baselines(self, settings: ImageSettings) -> dict[str, list[float | None]]:
        """GT-known Loc of two boxes that see no image."""
        from .predict import Predictions, with_sizes
        from .scores import score

        nothing = with_sizes(Predictions.nothing(self._test()))
        found = score(nothing, iou=settings.eval.iou).baselines
        blind = {"blind whole image": found.get("whole_image"), "blind best centred box": found.get("centred_box")}
        return {name: [None, value, None, None] for name, value in blind.items() if value is not None}

    def _test(self) -> ImageTable:
        opened = _open(self)
        return opened.subset(self.options.test_subset or opened.test_subset)


@lru_cache(maxsize=4)
def _open(half: ImageHalf) -> ImageDataset:
    return open_images(half.dataset, data_root=half.options.data_root)


def _state(table: ImageTable) -> list[object]:
    """Names, labels, and size and time of the files, of every so-manieth where there are very many."""
    step = 1 + len(table) // _MOST_FILES
    files = [table.path(i) for i in range(0, len(table), step)]
    states = [(f.stat().st_size, f.stat().st_mtime_ns) if f.exists() else None for f in files]
    return [table.paths, table.labels.tolist(), table.classes, states]


def _measured(weights: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """(B, 4) from (B, N) weights and (N, 3 + K) hits; the last is the best of the K thresholds."""
    means = weights @ hits / hits.shape[0]
    return np.concatenate([means[:, :3], means[:, 3:].max(axis=1, keepdims=True)], axis=1)


def _drawn(hits: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """(draws, 4) float32, on as many images drawn with replacement; the same images for the same number of them."""
    from ..eval.certainty import video_weights

    step = max(1, _CELLS // max(1, len(hits)))
    parts = [
        _measured(video_weights(len(hits), draws=min(step, draws - first), seed=seed + first).astype(np.float32), hits)
        for first in range(0, draws, step)
    ]
    return np.concatenate(parts).astype(np.float32)
