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


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Where the ground truth comes from.

    Attributes:
        annotations: Ground truth: ActivityNet JSON, CSV, a folder of THUMOS14 text files, or a data set's folder.
        dataset: A data set's name (`thas list datasets`) or its folder. It is scored against instead of `annotations`;
            without detections its newest run is scored.
        data_root: The folder that holds data sets called by name.
        subset: The subset of the data set. If left out, the one that the detections lie in.
        videos: Score these alone: thumos14-213, -212, -211, -210, or a text file with a name on each line.
    """

    annotations: Path | None = None
    dataset: str | None = None
    data_root: Path = Path("data")
    subset: str | None = None
    videos: str | None = None
