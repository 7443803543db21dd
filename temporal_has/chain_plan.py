"""What `thas run` would do with a folder: which videos there are, which wait for features, and what makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import CheckpointError, DataError, Failure, plural
from ..core.files import write_atomically
from ..core.tables import find_table
from ..core.weight_catalogue import CATALOGUE, WITHOUT_THEM
from ..core.weight_store import stored
from ..datasets.dataset import Dataset
from ..datasets.labels import read_labels
from ..datasets.opening import open_dataset
from ..features.cache import FeatureCache

INTERVALS = "intervals.csv"
"""The result for a person, in the data set's folder."""

HELD_OUT = 0.2
"""Share of the videos that are held out to see how many labels are told right, where the table names no test videos."""

_BEST = ("i3d", *(name for name, one in CATALOGUE.items() if one.use == "videos" and name != "i3d"))
"""The catalogue's weights for videos, the best first."""


@dataclass(frozen=True)
class Plan:
    """What there is, and what is to be done.

    Attributes:
        dataset: The folder.
        files: Name and file of the videos that have one: those of the table, and those that it does not name.
        videos: All that have a file or features, those of the table first.
        missing: Videos of the table that have no file that can be used.
        waiting: Videos without features.
        weights: The backbone's, a file or a name; None where no video waits.
        train_backbone: Whether a backbone is trained from the labels first.
    """

    dataset: Dataset
    files: Mapping[str, Path]
    videos: tuple[str, ...]
    missing: tuple[Failure, ...]
    waiting: tuple[str, ...]
    weights: str | None
    train_backbone: bool

    def lines(self) -> list[str]:
        """The steps for a person."""
        steps = []
        if self.train_backbone:
            steps.append(f"train a small backbone from your labels, as good as it tells labels: {WITHOUT_THEM}")
        have = len(self.videos) - len(self.waiting)
        if self.waiting:
            by = "that backbone" if self.train_backbone else f"{self.weights}"
            told = f" ({have} have theirs already)" if have else ""
            steps.append(f"make features of {plural(len(self.waiting), 'video')}{told} with {by}")
        else:
            steps.append(f"take the features that all {plural(have, 'video')} have")
        teaching = [video for video in self.dataset.videos_of(self.dataset.train_subset) if self.dataset.labels[video]]
        if self.one_subset:
            steps.append(f"hold out {HELD_OUT:.0%} of the labelled videos, and see whether their labels are told right")
        steps.append(f"learn {listing_of(self.dataset.classes)} from {plural(len(teaching), 'labelled video')}")
        steps.append(
            f"write when they happen in {plural(len(self.videos), 'video')}: {self.dataset.folder / INTERVALS}"
        )
        if self.dataset.annotations_path is not None:
            steps.append(f"score against {self.dataset.annotations_path}")
        return [f"{i}. {step}" for i, step in enumerate(steps, 1)]

    @property
    def one_subset(self) -> bool:
        """Whether the table tells no test videos from those to learn from."""
        return self.dataset.train_subset == self.dataset.test_subset


def listing_of(classes: Sequence[str]) -> str:
    """A few classes by name, more of them by number.

    >>> listing_of(["Run", "Jump"]), listing_of(list("abcdefg"))
    ('Run and Jump', '7 classes')
    """
    few = 1 < len(classes) <= 4
    return f"{', '.join(classes[:-1])} and {classes[-1]}" if few else plural(len(classes), "class", "classes")


def bring_table(folder: Path, table: Path) -> Path | None:
    """Copy a table of labels to its videos, where every command looks for it; None where it lies there already.

    Raises:
        DataError: It cannot be read, or the folder has another table of labels.
    """
    read_labels(table)
    own = find_table(folder, "labels")
    if own is not None and own.read_bytes() == table.read_bytes():
        return None
    if own is not None:
        raise DataError(
            f"{folder} has another table of labels, {own.name}",
            why=f"it differs from {table}",
            next=f"leave {table} out, or remove {own} first",
            subject=str(own),
        )
    write_atomically(place := folder / f"labels{table.suffix.lower()}", table.read_bytes())
    return place


def make_plan(folder: str | Path, *, weights: str | None = None, train_backbone: bool = False) -> Plan:
    """Look at a folder and decide what is to be done.

    Args:
        folder: Videos, in `videos/` or right in it, and labels.csv or labels.xlsx; or a data set's name.
        weights: The backbone's: a file, or a name of `thas weights list`. If None, of what is on this machine: those
            that lie with the data set, else I3D's, else other published ones for videos.
        train_backbone: Train one from the labels instead.

    Raises:
        DataError: There is no table, or no video has a file.
        CheckpointError: No weights are at hand; the command that gets the best is named.
    """
    dataset = open_dataset(folder)
    files: dict[str, Path] = {}
    missing: list[Failure] = []
    for video in dataset.videos:
        try:
            files[video] = dataset.video_path(video)
        except DataError as error:
            missing.append(Failure(video, "find", error.why or error.what))
    used = set(files.values())
    for name, paths in dataset.video_files.items():  # new videos, of which the table says nothing
        if len(paths) == 1 and paths[0] not in used and name not in files:
            files[name] = paths[0]
    features = dataset.features_folder
    ready = set(FeatureCache(features)) if features.is_dir() and any(features.glob("[!.]*.h5")) else set()
    missing = [one for one in missing if one.subject not in ready]  # with features, nothing needs the file
    waiting = tuple(video for video in files if video not in ready)
    named = [video for video in dataset.videos if video in files or video in ready]
    if not named:
        raise DataError(
            f"{dataset.folder} holds none of the videos of its table",
            why=missing[0].why if missing else "the table names none",
            next=f"put the videos into {dataset.videos_folder}",
            subject=str(dataset.folder),
        )
    own = dataset.default_weights
    if waiting and not train_backbone and weights is None:
        weights = str(own) if own else next((name for name in _BEST if stored(name)), None)
        if weights is None:
            raise CheckpointError(
                "no weights to make features with are on this machine",
                why=f"{plural(len(waiting), 'video has', 'videos have')} no features yet",
                next=f"thas weights fetch i3d ({CATALOGUE['i3d'].size / 1e6:.0f} MB), then the same command; "
                "far from what people do in films (machines, sign language): the same command with --train-backbone",
            )
    return Plan(
        dataset=dataset,
        files=files,
        videos=tuple(dict.fromkeys((*named, *files))),
        missing=tuple(missing),
        waiting=waiting,
        weights=weights if waiting else None,
        train_backbone=train_backbone and own is None and bool(waiting),
    )


def with_backbone(plan: Plan, path: Path) -> Plan:
    """The plan once its backbone has been trained."""
    return replace(plan, weights=str(path), train_backbone=False)
