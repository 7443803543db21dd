"""Files of boxes, made here or elsewhere, and maps made elsewhere: read as predictions for a table of images."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import DataError, Failure
from ..core.files import write_atomically
from ..core.hash_lists import read_hashes, refuse_changed
from ..core.json_files import load_json
from ..core.narrowing import as_list, as_table, to_float
from ..core.reading import reading, said
from ..core.tables import decimal, table_rows
from .box_workers import box_maps
from .images import ImageTable
from .predict import Predictions, annotated_boxes, with_sizes
from .settings import LocalizeSettings


def write_boxes(path: Path, predictions: Predictions) -> None:
    """Write the boxes at the fixed threshold as JSON: for each image that of the likeliest and that of the true class.

    `{"images": [{"image", "width", "height", "boxes": [{"label", "score", "box": [x0, y0, x1, y1]}]}]}`.
    """
    images: list[dict[str, object]] = []
    for i, name in enumerate(predictions.table.paths):
        rows: list[dict[str, object]] = []
        if predictions.predicted[i] >= 0:
            chosen = {int(predictions.predicted[i]): (0, predictions.predicted_boxes)}
            chosen.setdefault(int(predictions.table.labels[i]), (1, predictions.known_boxes))
            for label, (which, boxes) in chosen.items():
                score = float(predictions.probabilities[i, which])
                rows.append(
                    {
                        "label": predictions.table.classes[label],
                        "score": round(score, 6),
                        "box": boxes[i].round(2).tolist(),
                    }
                )
        height, width = predictions.sizes[i].tolist()
        images.append({"image": name, "width": width, "height": height, "boxes": rows})
    write_atomically(path, json.dumps({"images": images}, indent=1) + "\n")


def read_boxes(path: Path, table: ImageTable) -> Predictions:
    """Boxes of a file, made here or elsewhere, as predictions for a table.

    JSON as `write_boxes` writes it, or CSV with the columns image, label, x0, y0, x1, y1 and, if there are several rows
    an image, score. The row of the highest score is the predicted class, that of the true class the known one.

    Raises:
        DataError: The file is malformed, or names images that the table does not have.
    """
    index = {name: i for i, name in enumerate(table.paths)}
    rows: Rows = {}
    top = Path(table.root).resolve()
    for name, found in (_json_rows if path.suffix.lower() == ".json" else _csv_rows)(path).items():
        # Names may also be paths, as they were typed for `thas image localize`.
        rows.setdefault(name if name in index else _below(top, name), []).extend(found)
    strangers = sorted(set(rows) - set(index))
    if strangers:
        raise DataError(
            f"{path} has {len(strangers)} images that {table.root} does not have, {strangers[0]!r} first",
            next="use names as in the data set, relative to its folder",
            subject=str(path),
        )
    classes = {name: i for i, name in enumerate(table.classes)}
    result = Predictions.nothing(table)
    for name, found in rows.items():
        i = index[name]
        label, score, box = max(found, key=lambda row: row[1])
        # A class that the data set does not have is a wrong prediction, not an error.
        result.predicted[i] = classes.get(label, -1)
        result.probabilities[i, 0], result.predicted_boxes[i] = score, box
        known = next((row for row in found if row[0] == table.name_of(i)), None)
        if known is not None:
            result.probabilities[i, 1], result.known_boxes[i] = known[1:]
    result = with_sizes(result)
    absent = [Failure(name, "image without a box in the file, counted as missed") for name in index if name not in rows]
    return replace(result, failed=tuple(absent))


def _below(top: Path, name: str) -> str:
    """A path as it is relative to `top`, the data set's real folder; the name itself where it leads elsewhere."""
    if "\0" in name or len(name) > 4096:  # no path
        return name
    path = Path(name)
    path = path.parent.resolve() / path.name  # the image itself may be a link to elsewhere
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else name


Rows = dict[str, list[tuple[str, float, tuple[float, ...]]]]


def _json_rows(path: Path) -> Rows:
    rows: Rows = {}
    place = "it has no list of images"
    try:
        for number, one in enumerate(as_list(as_table(load_json(path))["images"]), 1):
            place = f"image {number}"
            image = as_table(one)
            name, boxes = image["image"], as_list(image["boxes"])
            if not isinstance(name, str):
                raise TypeError("its name is no text")
            if boxes:
                rows[name] = [_row(as_table(box)) for box in boxes]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _malformed(path, f"{place}: {said(error)}") from None
    return rows


def _row(one: Mapping[str, object]) -> tuple[str, float, tuple[float, ...]]:
    x0, y0, x1, y1, score = map(to_float, (*as_list(one["box"]), one.get("score", 1.0)))
    if not np.isfinite([x0, y0, x1, y1, score]).all():
        raise ValueError(f"a box is {one['box']}, with score {score}")
    return str(one["label"]), score, (x0, y0, x1, y1)


def _csv_rows(path: Path) -> Rows:
    rows: Rows = {}
    needed = ("image", "label", "x0", "y0", "x1", "y1")
    for line, row in table_rows(path, (*needed, "score"), needed=needed):
        try:
            box = tuple(decimal(row[name]) for name in needed[2:])
            if not np.isfinite([*box, decimal(row.get("score") or 1.0)]).all():
                raise ValueError("a box or its score is not finite")
            rows.setdefault(row["image"], []).append((row["label"], decimal(row.get("score") or 1.0), box))
        except ValueError as error:
            raise _malformed(path, f"line {line}: {error}") from None
    return rows


def _malformed(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} holds no boxes",
        why=why,
        next="CSV: image,label,x0,y0,x1,y1,score; or JSON as thas image localize writes it",
        subject=str(path),
    )


def read_maps(folder: Path, table: ImageTable, *, settings: LocalizeSettings, sweep: int = 0) -> Predictions:
    """Maps of the true classes made elsewhere, one .npy an image, boxed.

    Args:
        folder: Holds, for `val/cat/1.jpg`, `val/cat/1.npy` or `val/cat/1.jpg.npy`: (H, W), covering the whole image.
            Where it holds a list of hashes, `SHA256SUMS`, each map that is listed is compared with it.
        table: The images.
        settings: Threshold and scale.
        sweep: Number of thresholds to compare with the annotated boxes.

    Raises:
        DataError: There is no map at all, or one is of another form, or not what the list of hashes says.
    """
    result = with_sizes(Predictions.nothing(table, np.arange(sweep) / sweep if sweep else None))
    failed: list[Failure] = []
    annotated, hashes = annotated_boxes(result.table), read_hashes(folder)
    for i, name in enumerate(table.paths):
        path = next((p for p in (folder / f"{name}.npy", (folder / name).with_suffix(".npy")) if p.exists()), None)
        if path is None:
            failed.append(Failure(name, "image without a map, counted as missed"))
            continue
        with reading(path, "is not a map", next="save one (H, W) array of finite numbers"):
            content = path.read_bytes()
            refuse_changed(path, content, hashes, folder=folder)
            one = np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False), dtype=np.float64)
            if one.ndim != 2 or not np.isfinite(one).all():
                raise ValueError(f"its shape is {one.shape}" if one.ndim != 2 else "it holds NaN or infinity")
            boxed = box_maps(
                np.stack([one, one])[None],
                right=np.array([True]),
                sizes=result.sizes[i : i + 1],
                annotated=annotated[i : i + 1],
                settings=settings,
                thresholds=result.thresholds,
            )
        result.known_boxes[i], result.largest[i], result.any_part[i] = (
            boxed.known[0],
            boxed.largest[0],
            boxed.any_part[0],
        )
    if len(failed) == len(table):
        raise DataError(
            f"{folder} holds no map of these images",
            why=f"for example, there is no {folder / table.paths[0]}.npy",
            next="name the maps as the images, with .npy",
            subject=str(folder),
        )
    return replace(result, failed=tuple(failed))
