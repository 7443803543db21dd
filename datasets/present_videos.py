"""Which of a data set's videos have their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import DataError, Failure
from .dataset import Dataset


def present_videos(dataset: Dataset, videos: Sequence[str]) -> tuple[dict[str, Path], list[Failure]]:
    """The files of a data set's videos, and those videos that have none.

    Raises:
        DataError: Not one has a file.
    """
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
