"""The table of a data set's images: where they lie, their labels, and, for evaluation only, their boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..core.errors import DataError, Failure, listing

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)

NO_IMAGES = "class without images"


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Images of one subset.

    Attributes:
        root: The folder that `paths` are relative to.
        paths: N file names.
        labels: (N,) int64, index into `classes`.
        classes: C names.
        boxes: By path, (n, 4) float64: x0, y0, x1, y1 in pixels of the image, x1 and y1 the first column and row
            outside. An image may have several; absent where nothing is annotated.
        upright: Whether boxes refer to the image after its EXIF rotation (photographs), or as it is stored (ILSVRC).
        titles: Class -> a name for readers, where that is another.
        problems: What was wrong with the annotations.
    """

    root: Path
    paths: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    boxes: Mapping[str, np.ndarray] = field(default_factory=dict)
    upright: bool = True
    titles: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels, dtype=np.int64)
        object.__setattr__(self, "labels", labels)
        if labels.shape != (len(self.paths),):
            raise DataError(f"{len(self.paths)} images have {labels.size} labels", subject=str(self.root))
        outside = (labels < 0) | (labels >= len(self.classes))
        if outside.any():
            i = int(np.flatnonzero(outside)[0])
            raise DataError(
                f"{self.paths[i]} has label {labels[i]}",
                why=f"the data set has {len(self.classes)} classes, 0 to {len(self.classes) - 1}",
                next="correct the label",
                subject=self.paths[i],
            )

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, i: int) -> Path:
        """The file of image `i`."""
        return self.root / self.paths[i]

    def name_of(self, i: int) -> str:
        """The class of image `i`."""
        return self.classes[self.labels[i]]

    def take(self, rows: np.ndarray | list[int]) -> ImageTable:
        """The images of an index array, in that order."""
        chosen = [self.paths[i] for i in rows]
        boxes = {path: self.boxes[path] for path in chosen if path in self.boxes}
        return replace(self, paths=tuple(chosen), labels=self.labels[np.asarray(rows, dtype=np.int64)], boxes=boxes)

    def relabelled(self, classes: tuple[str, ...]) -> ImageTable:
        """The same images with labels in the order of a network's classes.

        Raises:
            DataError: An image's class is none of them; the classes are named.
        """
        if classes == self.classes:
            return self
        used = {self.classes[label] for label in set(self.labels.tolist())}
        strangers = sorted(used - set(classes))
        if strangers:
            raise DataError(
                f"{len(strangers)} classes of the images are unknown to the network: {listing(strangers)}",
                why=f"it learned {len(classes)}: {listing(classes)}",
                next="use the data set it was trained on, or train on this: thas image train --dataset ...",
                subject=strangers[0],
            )
        index = {name: i for i, name in enumerate(classes)}
        new = np.array([index.get(name, -1) for name in self.classes], dtype=np.int64)
        return replace(self, labels=new[self.labels] if len(self) else self.labels, classes=classes)


def clean_boxes(
    boxes: Mapping[str, Iterable[Sequence[float]]], sizes: Mapping[str, tuple[int, int]]
) -> tuple[dict[str, np.ndarray], list[Failure]]:
    """Boxes cut to their images; what cannot be used is left out and reported.

    Args:
        boxes: By path, x0, y0, x1, y1.
        sizes: By path, (width, height) in pixels, where known.

    Returns:
        Boxes by path, (n, 4), images without a usable box left out; and the problems.

    >>> clean_boxes({"a.jpg": [(-2, 0, 5, 5)]}, {"a.jpg": (4, 4)})[0]["a.jpg"].tolist()
    [[0.0, 0.0, 4.0, 4.0]]
    """
    cleaned: dict[str, np.ndarray] = {}
    problems: list[Failure] = []
    for path, rows in boxes.items():
        kept = []
        for x0, y0, x1, y1 in rows:
            width, height = sizes.get(path, (np.inf, np.inf))
            inside = (max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height))
            text = f"{x0:g} {y0:g} {x1:g} {y1:g}"
            if not np.isfinite([x0, y0, x1, y1]).all() or x1 <= x0 or y1 <= y0:
                problems.append(Failure(path, "box without an area, left out", text))
            elif inside[2] <= inside[0] or inside[3] <= inside[1]:
                problems.append(Failure(path, "box wholly outside its image, left out", text))
            else:
                if inside != (x0, y0, x1, y1):
                    problems.append(Failure(path, "box reaching outside its image, cut", text))
                kept.append(inside)
        if kept:
            cleaned[path] = np.array(kept, dtype=np.float64)
    return cleaned, problems


def class_folders(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The images of a folder of class folders.

    Returns:
        Class -> sorted image files, below `folder`; and the files of other kinds beside them, hidden ones left out.
    """
    found: dict[str, list[str]] = {}
    others: list[str] = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            files = sorted(path for path in entry.rglob("*") if path.is_file() and not path.name.startswith("."))
            names = {path: path.relative_to(folder).as_posix() for path in files}
            found[entry.name] = sorted(names[path] for path in files if path.suffix.lower() in IMAGE_SUFFIXES)
            others += [names[path] for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]
    return found, others
