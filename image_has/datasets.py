"""Which images a name or a folder means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DataError, Failure, UsageError, listing, suggestion
from ..core.plugins import is_reader, not_a, read_by_plugin
from ..core.reading import reading
from ..core.tables import opened
from .folder import read_folder
from .ilsvrc import read_ilsvrc
from .images import ImageTable
from .wsol_lists import is_wsol_folder, read_wsol_lists

NAMES = {"ilsvrc": "ILSVRC 2012 to 2017, CLS-LOC, as published"}


@dataclass(frozen=True)
class ImageDataset:
    """The subsets of a data set of images.

    Attributes:
        name: For the run's folder.
        folder: Where it lies.
        tables: A table a subset.
    """

    name: str
    folder: Path
    tables: dict[str, ImageTable]
    kept: str = ""
    """The name of the reader from outside, by which a run opens it again; empty where the folder does."""

    def subset(self, name: str) -> ImageTable:
        """One subset's table.

        Raises:
            UsageError: There is no such subset.
        """
        if name not in self.tables:
            raise UsageError(
                f"{self.folder} has no subset {name!r}",
                why=suggestion(name, self.tables),
                next=f"use one of {listing(self.tables)}",
                subject=name,
            )
        return self.tables[name]

    @property
    def test_subset(self) -> str:
        """`val`, or else `test`, or else the only subset there is."""
        return next(
            (name for name in ("val", "test", "validation") if name in self.tables), min(self.tables, default="val")
        )

    @property
    def problems(self) -> list[Failure]:
        """What was wrong with the annotations of all subsets."""
        return [problem for table in self.tables.values() for problem in table.problems]


def open_images(
    dataset: str, *, data_root: Path = Path("data"), training: bool = True, boxes: bool = True
) -> ImageDataset:
    """A data set of images by name or folder.

    Three layouts are told apart: ILSVRC's own, wsolevaluation's metadata lists (a folder a subset, with the images
    beside them or in `images`), and plain folders of class folders with `boxes.csv`.

    Args:
        dataset: `ilsvrc`, which lies in `<data_root>/ilsvrc`, a folder, or a reader from outside (docs/plugins.md),
            which is given the folder of its name below `data_root`.
        data_root: Where data sets called by name lie.
        training: List the training images too.
        boxes: Read boxes.csv of a plain folder; what is wrong with it is no matter to training.

    Raises:
        UsageError: It is neither a known name nor a folder.
        DataError: The folder holds no data set.
    """
    folder = Path(dataset)
    if is_reader(dataset):
        return _opened_by_plugin(dataset, data_root)
    if not folder.is_dir():
        folder = Path(data_root) / dataset
    if not folder.is_dir():
        raise UsageError(
            f"there is no image data set {dataset!r}",
            why=f"it is no folder, and there is no {folder}; by name: {', '.join(NAMES)}",
            next="name a folder with train/CLASS/IMAGE and val/CLASS/IMAGE",
            subject=dataset,
        )
    name = folder.resolve().name
    if any((folder / place).is_dir() for place in ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")):
        return ImageDataset(name, folder, read_ilsvrc(folder, training=training))
    has_lists: Callable[[Path], bool] = is_wsol_folder
    lists = sorted(place for place in folder.iterdir() if place.is_dir() and has_lists(place))
    if lists:
        return ImageDataset(name, folder, {place.name: _listed(folder, place) for place in lists})
    return ImageDataset(name, folder, read_folder(folder, boxes=boxes))


def _opened_by_plugin(name: str, data_root: Path) -> ImageDataset:
    """A data set of a reader from outside, which gives a table a subset."""
    found, folder = read_by_plugin(name, data_root)
    tables = found.tables if isinstance(found, ImageDataset) else found
    if not isinstance(tables, dict) or not all(isinstance(one, ImageTable) for one in tables.values()):
        raise not_a("reader of images", name, "it must give an ImageTable for each subset's name")
    return ImageDataset(folder.name, folder, tables, kept=name)


def _listed(folder: Path, lists: Path) -> ImageTable:
    ids = lists / "image_ids.txt"
    with reading(ids, "cannot be read", next="it must list the images, one a line"), opened(ids) as file:
        first = file.readline().strip()
        places = (folder, folder / "images", folder.parent)
        images = next((place for place in places if (place / first).exists()), None)
    if images is None:
        raise DataError(
            f"the images listed in {lists} are not there",
            why=f"{first} is in none of {', '.join(map(str, places))}",
            next=f"put or link the images at {folder / 'images'}",
            subject=str(lists),
        )
    return read_wsol_lists(lists, images=images)
