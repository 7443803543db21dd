"""The official ILSVRC layout: class folders of WordNet ids, CLS-LOC annotations, the synset mapping."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import DataError, Failure
from ..core.json_files import parse_xml
from ..core.reading import reading
from ..core.tables import number as decimal
from ..core.tables import opened, whole
from .images import IMAGE_SUFFIXES, NO_IMAGES, ImageTable, clean_boxes

MAPPING = "LOC_synset_mapping.txt"
SOLUTION = "LOC_val_solution.csv"


def read_ilsvrc(root: Path, *, training: bool = True) -> dict[str, ImageTable]:
    """ILSVRC's subsets `train` and `val` as they are published.

    Looked for below `root`: `Data/CLS-LOC/{train/<wnid>,val}` (or `train`, `val` directly), `LOC_synset_mapping.txt`,
    and the validation labels and boxes in `LOC_val_solution.csv` or `Annotations/CLS-LOC/val/*.xml`. The classes are
    the WordNet ids in sorted order, as in torchvision's weights. The annotations count pixels inclusively, so the far
    edges here are one more; they refer to images as they are stored, so no EXIF rotation is applied.

    Args:
        root: The folder that holds `Data` and `Annotations`, or the one that holds `ILSVRC`.
        training: List the 1.28 million training images too; evaluation does without.

    Raises:
        DataError: The layout is another, or the validation images have no labels.
    """
    root = Path(root)
    places = [root / folder for folder in ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", ".")]
    data = next((one for one in places if (one / "train").is_dir() or (one / "val").is_dir()), None)
    if data is None:
        raise DataError(
            f"{root} is not laid out as ILSVRC",
            why="none of ILSVRC/Data/CLS-LOC/train, Data/CLS-LOC/train, ./train is there",
            next="name the folder that holds Data and Annotations",
            subject=str(root),
        )
    mapping = read_synsets(_file(root, MAPPING)) if _file(root, MAPPING).exists() else {}
    classes = tuple(sorted(mapping)) or _wnids(data / "train")
    if not classes:
        raise DataError(
            f"{root} does not say which classes there are",
            why=f"there is neither {MAPPING} nor a folder train with a folder a WordNet id",
            next=f"put {MAPPING} there",
            subject=str(root),
        )
    titles = {wnid: names.split(",")[0] for wnid, names in mapping.items()}
    tables = {}
    if training and (data / "train").is_dir():
        tables["train"] = replace(_training_table(data, classes), titles=titles)
    if (data / "val").is_dir():
        tables["val"] = replace(_validation_table(root, data, classes), titles=titles)
    return tables


def read_synsets(path: Path) -> dict[str, str]:
    """WordNet id -> names, from `n01440764 tench, Tinca tinca` lines.

    Raises:
        DataError: A line does not begin with a WordNet id.
    """
    synsets = {}
    with opened(path) as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, start=1):
        wnid, _, names = line.strip().partition(" ")
        if line.strip():
            if not (wnid.startswith("n") and wnid[1:].isdigit()):
                raise DataError(
                    f"{path} line {number} does not begin with a WordNet id",
                    why=f"it is {line[:60]!r}",
                    next="take the file as it is published",
                    subject=str(path),
                )
            synsets[wnid] = names
    return synsets


def _training_table(data: Path, classes: tuple[str, ...]) -> ImageTable:
    paths: list[str] = []
    labels: list[int] = []
    problems = []
    folders = set(_wnids(data / "train"))
    problems += [Failure(f"train/{name}", "folder of no known class") for name in sorted(folders - set(classes))]
    for label, wnid in enumerate(classes):
        files = _image_names(data / "train" / wnid) if wnid in folders else []
        if not files:
            problems.append(Failure(f"train/{wnid}", NO_IMAGES))
        paths += [f"train/{wnid}/{name}" for name in files]
        labels += [label] * len(files)
    return ImageTable(
        data, tuple(paths), np.array(labels, dtype=np.int64), classes, upright=False, problems=tuple(problems)
    )


def _validation_table(root: Path, data: Path, classes: tuple[str, ...]) -> ImageTable:
    index = {wnid: i for i, wnid in enumerate(classes)}
    names = _image_names(data / "val")
    by_stem = {name.rsplit(".", 1)[0]: f"val/{name}" for name in names}
    solution = _file(root, SOLUTION)
    folders = [root / place / "val" for place in ("ILSVRC/Annotations/CLS-LOC", "Annotations/CLS-LOC", ".")]
    folder = next((place for place in folders if place.is_dir()), folders[0])
    if solution.exists():
        rows, sizes, problems = _read_solution(solution), {}, []
    else:
        rows, sizes, problems = _read_xml_folder(folder, list(by_stem))
    paths, labels, boxes = [], [], {}
    for stem, path in by_stem.items():
        found = rows.get(stem, [])
        if not found:
            problems.append(Failure(path, "image without annotation, left out"))
        elif found[0][0] not in index:
            problems.append(Failure(path, "label of no known class, left out", found[0][0]))
        else:
            label = found[0][0]
            paths.append(path)
            labels.append(index[label])
            # An image's label is its first object's; boxes of another class, which do not occur there, are not its.
            boxes[path] = [box for name, box in found if name == label]
    if not paths:
        raise DataError(
            f"no validation image of {root} has a label",
            why=f"{len(names)} images, {len(rows)} annotations in {solution if solution.exists() else folder}",
            next=f"put {SOLUTION} beside {MAPPING}, or the XML files in Annotations/CLS-LOC/val",
            subject=str(root),
        )
    cleaned, unusable = clean_boxes(boxes, {by_stem[stem]: size for stem, size in sizes.items()})
    everything = (*problems, *unusable)
    return ImageTable(data, tuple(paths), np.array(labels), classes, cleaned, upright=False, problems=everything)


def _read_solution(path: Path) -> dict[str, list[tuple[str, tuple[float, float, float, float]]]]:
    """`ImageId,PredictionString` rows; the string is `wnid x0 y0 x1 y1`, repeated."""
    found = {}
    with (
        reading(path, "holds no annotations", next="rows are ImageId,WNID X0 Y0 X1 Y1 ..."),
        opened(path) as file,
    ):
        for number, row in enumerate(csv.reader(file), start=1):
            if row and row[0] != "ImageId":
                words = row[1].split() if len(row) == 2 else []
                try:
                    groups = [words[i : i + 5] for i in range(0, len(words), 5)]
                    found[row[0]] = [(w, (float(a), float(b), float(c) + 1, float(d) + 1)) for w, a, b, c, d in groups]
                except ValueError:
                    raise DataError(
                        f"{path} line {number} is not an annotation",
                        why=f"it is {','.join(row)[:80]!r}",
                        next="rows are ImageId,WNID X0 Y0 X1 Y1 ...",
                        subject=str(path),
                    ) from None
    return found


def _read_xml_folder(folder: Path, stems: list[str]) -> tuple[dict, dict[str, tuple[int, int]], list[Failure]]:
    rows, sizes, problems = {}, {}, []
    for stem in stems:
        path = folder / f"{stem}.xml"
        if path.exists():
            try:
                rows[stem], size = read_annotation(path)
            except DataError as error:
                problems.append(Failure(path.name, "annotation that cannot be read", error.why))
                continue
            if size is not None:
                sizes[stem] = size
            if not rows[stem]:
                problems.append(Failure(path.name, "annotation without objects"))
    return rows, sizes, problems


def read_annotation(path: Path) -> tuple[list[tuple[str, tuple[float, float, float, float]]], tuple[int, int] | None]:
    """The objects of one CLS-LOC XML file, (WordNet id, box) each, and the image's (width, height) if it is given.

    Raises:
        DataError: The file is no such annotation.
    """
    with reading(path, "is not a CLS-LOC annotation", next="take it as published"):
        tree = parse_xml(path.read_bytes(), str(path), next="take it as published")
        objects = []
        for number, one in enumerate(tree.iter("object"), 1):
            x0, y0, x1, y1 = (
                decimal(one.findtext(f"bndbox/{name}", ""), place=f"{path}, object {number}", name=name)
                for name in ("xmin", "ymin", "xmax", "ymax")
            )
            objects.append((one.findtext("name", "").strip(), (x0, y0, x1 + 1, y1 + 1)))
        width, height = (
            whole(tree.findtext(f"size/{name}", "0"), place=str(path), name=name) for name in ("width", "height")
        )
    return objects, (width, height) if width > 0 and height > 0 else None


def _wnids(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())) if folder.is_dir() else ()


def _image_names(folder: Path) -> list[str]:
    names = (name for name in os.listdir(folder) if not name.startswith("."))  # no stats: a million take minutes
    return sorted(name for name in names if f".{name.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES and "." in name)


def _file(root: Path, name: str) -> Path:
    return next(
        (path for path in (root / name, root / "ILSVRC" / name, root.parent / name) if path.exists()), root / name
    )
