"""Which data a command works on, as far as the data set itself does not say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Of videos or images.

    Attributes:
        train_subset: The subset to learn from; the data set's own by default.
        test_subset: The subset to localize and score; the data set's own by default.
        data_root: The folder that holds data sets called by name.
    """

    train_subset: str | None = None
    test_subset: str | None = None
    data_root: Path = Path("data")


@dataclass(frozen=True, kw_only=True)
class VideoOptions(DataOptions):
    """Of videos, which are learned from by their features.

    Attributes:
        features: The feature cache; `<data set>/features` by default.
        skip_missing: Train without the videos that have no features; they are named, and the exit code is 3.
    """

    features: Path | None = None
    skip_missing: bool = False


@dataclass(frozen=True, kw_only=True)
class ChosenVideos:
    """Which videos of a data set are localized, instead of a run's own.

    Attributes:
        dataset: A data set's name (`thas list datasets`) or its folder. It is localized instead of the run's own.
        subset: The subset of the data set. The run's test subset by default.
        features: The feature cache; `<data set>/features` by default.
        data_root: The folder that holds data sets called by name.
    """

    dataset: str | None = None
    subset: str | None = None
    features: Path | None = None
    data_root: Path = Path("data")
