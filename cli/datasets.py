"""Opening a data set for a command that needs its videos; the demo's are made on the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .console import note, progress

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..dataset import Dataset


def stage(title: str, total: int, unit: str) -> AbstractContextManager:
    """A stage of the demo, shown as a bar."""
    return progress(title, total=total, unit=unit)


def open_with_videos(name: str, data_root: Path, *, backbone: bool = False) -> Dataset:
    """Open a data set; the demo's videos, and on request its backbone, are made where they are not there yet."""
    from ..dataset import open_dataset
    from ..demo import NAME, prepare_backbone, prepare_videos

    if name != NAME:
        return open_dataset(name, data_root=data_root)
    dataset = prepare_videos(data_root, stage=stage)
    if backbone and dataset.default_weights is None:
        note("the demo's backbone is trained first; thas train-backbone --dataset demo is the same")
        prepare_backbone(dataset, stage=stage)
    return dataset
