"""The metadata lists of "Evaluating Weakly Supervised Object Localization Methods Right" (Choe et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..core.errors import DataError, Failure
from ..core.reading import reading
from ..core.tables import opened
from .images import NO_IMAGES, ImageTable, clean_boxes

Number = TypeVar("Number", int, float)
_MOST_CLASSES = 1_000_000
LISTS = ("image_ids.txt", "class_labels.txt", "localization.txt", "image_sizes.txt")


def read_wsol_lists(folder: Path, *, images: Path, classes: tuple[str, ...] | None = None) -> ImageTable:
    """One subset of a wsolevaluation metadata folder (`metadata/ILSVRC/val` for instance).

    `image_ids.txt` lists the images, `class_labels.txt` has `image,label`, `localization.txt` has
    `image,x0,y0,x1,y1` (several lines for several boxes) and `image_sizes.txt` has `image,width,height`; the last two
    may be absent. Those programs shrink images and boxes together, so the boxes count in pixels of the file.

    Raises:
        DataError: A list is missing or malformed; the line is given.
    """
    folder = Path(folder)
    ids = [fields[0] for _, fields in _rows(folder / LISTS[0], 1)]
    numbers: dict[str, int] = {}
    for place, (name, label) in _rows(folder / LISTS[1], 2):
        numbers[name] = _number(label, int, place)
        if not 0 <= numbers[name] < _MOST_CLASSES:
            raise DataError(
                f"{place}: a class numbered {label[:20]}",
                why=f"classes are numbered from 0, and of more than {_MOST_CLASSES} this is no list",
                next="correct the line",
                subject=place,
            )
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    if (folder / LISTS[2]).exists():
        for place, (name, *corners) in _rows(folder / LISTS[2], 5):
            x0, y0, x1, y1 = (_number(corner, float, place) for corner in corners)
            boxes.setdefault(name, []).append((x0, y0, x1, y1))
    sizes: dict[str, tuple[int, int]] = {}
    if (folder / LISTS[3]).exists():
        for place, (name, width, height) in _rows(folder / LISTS[3], 3):
            sizes[name] = (_number(width, int, place), _number(height, int, place))
    listed = set(ids)
    problems = [Failure(name, "image without label, left out") for name in ids if name not in numbers]
    problems += [Failure(name, "box of an image that is not listed") for name in boxes if name not in listed]
    paths = tuple(name for name in ids if name in numbers)
    labels = np.array([numbers[name] for name in paths], dtype=np.int64)
    if classes is None:
        classes = tuple(str(i) for i in range(int(labels.max(initial=-1)) + 1))
    bare = sorted(set(range(len(classes))) - set(labels.tolist()))
    problems += [Failure(classes[i], NO_IMAGES) for i in bare]
    cleaned, unusable = clean_boxes({name: rows for name, rows in boxes.items() if name in listed}, sizes)
    return ImageTable(Path(images), paths, labels, classes, cleaned, upright=False, problems=(*problems, *unusable))


def is_wsol_folder(folder: Path) -> bool:
    """Whether a folder holds such lists."""
    return all((Path(folder) / name).exists() for name in LISTS[:2])


def _rows(path: Path, width: int) -> Iterator[tuple[str, list[str]]]:
    with reading(path, "cannot be read", next=f"name a folder that holds {', '.join(LISTS[:2])}"), opened(path) as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            fields = line.strip().rsplit(",", width - 1)  # a file's name may hold commas, its numbers may not
            if len(fields) != width:
                raise DataError(
                    f"{path} line {number} must have {width} fields", why=f"it is {line[:80]!r}", subject=str(path)
                )
            yield f"{path} line {number}", fields


def _number(text: str, kind: Callable[[str], Number], place: str) -> Number:
    try:
        value = kind(text)
        if abs(value) > 1e9:  # NaN is left to `clean_boxes`, which names it
            raise ValueError
        return value
    except (ValueError, OverflowError):
        raise DataError(f"{place}: {text[:60]!r} is not a number", next="correct the line", subject=place) from None
