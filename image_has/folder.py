"""A data set of one's own: `<subset>/<class>/<image>` and, for evaluation, `boxes.csv` or `boxes.xlsx`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.errors import DataError, Failure, suggestion
from ..core.tables import decimal, find_table, table_rows
from .decode import image_size
from .images import IMAGE_SUFFIXES, NO_IMAGES, ImageTable, class_folders, clean_boxes

SUBSETS = {"train", "training", "val", "validation", "test"}
"""Names that folders of classes have, and classes do not."""

BOX_COLUMNS = ("image", "label", "x0", "y0", "x1", "y1")


def read_folder(root: Path, *, boxes: bool = True) -> dict[str, ImageTable]:
    """The subsets of a folder of images.

    `root` holds a folder a subset (`train`, `val`, or any other names), each a folder a class; or the class folders
    directly, which then are the subset `train`. `boxes.csv` has the columns image, label, x0, y0, x1, y1: the image's
    path below `root`, the class, and pixels of the image as it is shown; x1 and y1 are the far edges. An image may have
    several rows.

    Raises:
        DataError: There are no images, or `boxes.csv` is malformed or speaks of unknown images or classes.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"there is no folder {root}", next="check the path", subject=str(root))
    subsets, left_out = _subsets(root)
    classes = tuple(sorted({name for found in subsets.values() for name in found}))
    if not any(files for found in subsets.values() for files in found.values()):
        raise DataError(
            f"{root} holds no images",
            why="images are looked for in <subset>/<class>/ and in <class>/",
            next="arrange them so, for example train/cat/1.jpg and val/cat/2.jpg",
            subject=str(root),
        )
    labels: dict[str, str] = {
        path: name for found in subsets.values() for name, files in found.items() for path in files
    }
    table = find_table(root, "boxes") if boxes else None
    rows, wrong = read_boxes(table, labels) if table else ({}, [])
    sizes, unreadable = _sizes(root, rows)
    cleaned, problems = clean_boxes(rows, sizes)
    tables = {}
    for subset, found in subsets.items():
        paths = [path for name in sorted(found) for path in found[name]]
        mine = set(paths)
        tables[subset] = ImageTable(
            root=root,
            paths=tuple(paths),
            labels=np.array([classes.index(labels[path]) for path in paths], dtype=np.int64),
            classes=classes,
            boxes={path: cleaned[path] for path in paths if path in cleaned},
            problems=(
                *(Failure(f"{subset}/{name}", NO_IMAGES) for name in classes if not found.get(name)),
                *left_out.get(subset, ()),
                *(problem for problem in (*unreadable, *problems) if problem.subject in mine),
                *(problem for problem in wrong if _subset_of(problem.subject, subsets) == subset),
            ),
        )
    return tables


def _subsets(root: Path) -> tuple[dict[str, dict[str, list[str]]], dict[str, list[Failure]]]:
    """Subset -> class -> paths of images below `root`; and subset -> files that were left out."""

    def unnamed(files: list[str]) -> list[Failure]:
        return [Failure(path, "file that is no image by its name, left out") for path in files]

    folders = [entry for entry in sorted(root.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    if _are_classes(folders):
        images, others = class_folders(root)
        return {"train": images}, {"train": unnamed(others)}
    subsets, strangers = {}, {}
    for subset in (folder.name for folder in folders):
        images, others = class_folders(root / subset)
        if any(images.values()):
            subsets[subset] = {name: [f"{subset}/{path}" for path in files] for name, files in images.items()}
            astray = sorted(path.name for path in (root / subset).glob("[!.]*") if path.is_file())
            strangers[subset] = [
                *(Failure(f"{subset}/{name}", "file in no class's folder, left out") for name in astray),
                *unnamed([f"{subset}/{path}" for path in others]),
            ]
    return subsets, strangers


def _are_classes(folders: list[Path]) -> bool:
    """Whether folders are classes, with images right below them, and no subsets with a stray image beside classes."""

    def image(path: Path) -> bool:
        return path.suffix.lower() in IMAGE_SUFFIXES

    with_images = [folder for folder in folders if any(image(path) for path in folder.iterdir())]
    with_classes = [folder for folder in folders if any(image(path) for path in folder.glob("*/*"))]
    return bool(with_images) and not any(folder.name in SUBSETS for folder in with_classes)


def _subset_of(image: str, subsets: Mapping[str, object]) -> str:
    """The subset that an image would be in by its path; the first for paths that lead nowhere."""
    first = image.split("/", 1)[0]
    return first if first in subsets else next(iter(subsets))


def read_boxes(
    path: Path, labels: Mapping[str, str]
) -> tuple[dict[str, list[tuple[float, float, float, float]]], list[Failure]]:
    """The rows of a boxes.csv by image, and the rows left out.

    Raises:
        DataError: A column is missing, or no row is right: the first one's number is none, or it names an unknown image
            or another class; its line is given.
    """
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    wrong: list[tuple[str, DataError]] = []
    for line, row in table_rows(path, BOX_COLUMNS):
        try:
            found.setdefault(row["image"], []).append(_box(path, line, row, labels))
        except DataError as error:
            wrong.append((row["image"], error))
    found = {image: boxes for image, boxes in found.items() if boxes}
    if wrong and not found:
        raise wrong[0][1]
    return found, [Failure(image, "row of boxes.csv, left out", error.what) for image, error in wrong]


def _box(path: Path, line: int, row: Mapping[str, str], labels: Mapping[str, str]) -> tuple[float, float, float, float]:
    image = row["image"]
    if image not in labels:
        raise DataError(
            f"{path}, line {line}: there is no image {image!r}",
            why=suggestion(image, list(labels)[:200]),
            next="correct or remove the row",
            subject=str(path),
        )
    if row["label"] != labels[image]:
        raise DataError(
            f"{path}, line {line}: {image} is labelled {row['label']!r}, but lies in the folder {labels[image]!r}",
            next="correct the row, or move the image",
            subject=str(path),
        )
    try:
        x0, y0, x1, y1 = (decimal(row[name]) for name in BOX_COLUMNS[2:])
    except ValueError:
        shown = [row[name] for name in BOX_COLUMNS[2:]]
        raise DataError(
            f"{path}, line {line}: {shown} are not four numbers",
            next="correct the row; a decimal has a point",
            subject=str(path),
        ) from None
    return x0, y0, x1, y1


def _sizes(root: Path, boxes: Mapping[str, object]) -> tuple[dict[str, tuple[int, int]], list[Failure]]:
    """(width, height) of the annotated images, as shown; and those whose header cannot be read."""
    sizes, problems = {}, []
    for path in boxes:
        try:
            sizes[path] = image_size(root / path, upright=True)
        except DataError as error:
            problems.append(Failure(path, "image whose size cannot be read", error.why))
    return sizes, problems
