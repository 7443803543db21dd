"""Opening a data set for a command that needs its videos; the demo's are made on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .console import note, progress

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..core.failures import Failure
    from ..datasets.dataset import Dataset


def stage(title: str, total: int, unit: str) -> AbstractContextManager:
    """A stage of the demo, shown as a bar."""
    return progress(title, total=total, unit=unit)


def open_with_videos(name: str, data_root: Path, *, backbone: bool = False) -> Dataset:
    """Open a data set; the demo's videos, and on request its backbone, are made where they are not there yet."""
    from ..datasets.dataset import open_dataset
    from ..demo.run import NAME, prepare_backbone, prepare_videos

    if name != NAME:
        return open_dataset(name, data_root=data_root)
    dataset = prepare_videos(data_root, stage=stage)
    if backbone and dataset.default_weights is None:
        note("the demo's backbone is trained first; thas train-backbone --dataset demo is the same")
        prepare_backbone(dataset, stage=stage)
    return dataset


def video_files(dataset: Dataset, videos: Sequence[str]) -> tuple[dict[str, Path], list[Failure]]:
    """The files of a data set's videos, and those videos that have none.

    Raises:
        DataError: Not one has a file.
    """
    from ..core.errors import DataError
    from ..core.failures import Failure

    files: dict[str, Path] = {}
    missing: list[Failure] = []
    first: DataError | None = None
    for video in videos:
        try:
            files[video] = dataset.video_path(video)
        except DataError as error:
            first = first or error
            missing.append(Failure(video, "find", error.why or error.what))
    if not files and first is not None:
        raise first
    return files, missing
