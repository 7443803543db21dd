"""Boxes for a whole table of images, and files of boxes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.errors import DataError
from ..core.failures import Failure
from ..core.files import write_atomically
from ..core.hash_lists import read_hashes, refuse_changed
from ..core.json_files import load_json
from ..core.narrowing import as_list, as_table, to_float
from ..core.progress import Progress, silent
from ..core.reading import reading, said
from ..core.tables import decimal, table_rows
from .box_workers import Boxed, box_maps, boxer
from .decode import image_size
from .images import ImageTable, clean_boxes
from .loading import cores, whole_batches
from .localizer import Localizer
from .settings import LocalizeSettings

MANY = 2000
"""From here on images are worth the start of processes that decode and box them."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Classes and boxes for the N images of a table.

    Attributes:
        table: The images, with labels in the order of the networks' classes.
        predicted: (N,) int64, the likeliest classes; -1 where there is none (a broken image).
        probabilities: (N, 2) float64, of the predicted and of the true class.
        predicted_boxes: (N, 4) float64, of the predicted class, in pixels of the image; zeros where there is none.
        known_boxes: (N, 4) float64, of the true class.
        sizes: (N, 2) int64, height and width of the images; 0 where unknown.
        thresholds: (K,) of the sweep; none where nothing was swept.
        largest: (N, K), IoU of the box of the largest part at each threshold, for the true class.
        any_part: (N, K), highest IoU of any part.
        failed: Images without prediction, and why.
    """

    table: ImageTable
    predicted: np.ndarray
    probabilities: np.ndarray
    predicted_boxes: np.ndarray
    known_boxes: np.ndarray
    sizes: np.ndarray
    thresholds: np.ndarray
    largest: np.ndarray
    any_part: np.ndarray
    failed: tuple[Failure, ...] = ()

    @classmethod
    def nothing(cls, table: ImageTable, thresholds: np.ndarray | None = None) -> Predictions:
        """No class and no box for any image yet."""
        n, swept = len(table), np.zeros(0) if thresholds is None else thresholds
        return cls(
            table=table,
            predicted=np.full(n, -1, dtype=np.int64),
            probabilities=np.zeros((n, 2)),
            predicted_boxes=np.zeros((n, 4)),
            known_boxes=np.zeros((n, 4)),
            sizes=np.zeros((n, 2), dtype=np.int64),
            thresholds=swept,
            largest=np.zeros((n, len(swept))),
            any_part=np.zeros((n, len(swept))),
        )


def predict(
    localizer: Localizer,
    table: ImageTable,
    *,
    sweep: int = 0,
    batch_size: int = 32,
    workers: int = 0,
    progress: Progress = silent,
) -> Predictions:
    """Run networks over a table of images and box their maps.

    Args:
        localizer: The networks; its settings say the threshold.
        table: Its labels in any order of classes that the networks know.
        sweep: Compare the maps with the annotated boxes at so many evenly spaced thresholds too; 0 does not.
        batch_size: Images.
        workers: Processes that decode, and as many that box; -1 for one a core less one, 0 for none.
        progress: Called after each batch with its number of images.

    Raises:
        DataError: The table has classes that the networks do not know.
    """
    result = Predictions.nothing(table.relabelled(localizer.classes), np.arange(sweep) / sweep if sweep else None)
    failed: list[Failure] = []
    workers = max(0, cores() - 1) if workers < 0 else workers

    def store(rows: np.ndarray, boxed: Boxed) -> None:
        result.known_boxes[rows], result.predicted_boxes[rows] = boxed.known, boxed.predicted
        result.largest[rows], result.any_part[rows] = boxed.largest, boxed.any_part

    with boxer(workers, store) as submit:
        for batch in whole_batches(result.table, side=localizer.side, batch_size=batch_size, workers=workers):
            failed += batch.failed
            rows = batch.rows.numpy()
            if len(rows):
                found = localizer.maps(batch.pixels, batch.labels)
                likely = found.probabilities.double().cpu().numpy()
                result.predicted[rows] = found.predicted.cpu().numpy()
                result.probabilities[rows, 0] = likely.max(1)
                result.probabilities[rows, 1] = likely[np.arange(len(rows)), batch.labels.numpy()]
                result.sizes[rows] = batch.sizes.numpy()
                submit(
                    rows,
                    found.maps.cpu().numpy(),
                    right=result.predicted[rows] == batch.labels.numpy(),
                    sizes=result.sizes[rows],
                    annotated=_annotated(_cut(result.table.take(rows), result.sizes[rows])),
                    settings=localizer.settings.localize,
                    thresholds=result.thresholds,
                )
            progress(len(rows) + len(batch.failed))
    return replace(result, table=_cut(result.table, result.sizes), failed=tuple(failed))


def _annotated(table: ImageTable) -> list[list[list[float]]]:
    """The boxes of each image, maybe none."""
    return [table.boxes[path].tolist() if path in table.boxes else [] for path in table.paths]


def _cut(table: ImageTable, sizes: np.ndarray) -> ImageTable:
    """With boxes cut to the images, now that their sizes are known: ILSVRC's solution file does not give them."""
    known = {path: (width, height) for path, (height, width) in zip(table.paths, sizes.tolist(), strict=True) if height}
    boxes, problems = clean_boxes(table.boxes, known)
    return replace(table, boxes=boxes, problems=(*table.problems, *problems))


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


def with_sizes(result: Predictions) -> Predictions:
    """With the images' sizes, from the files' headers, 0 where they cannot be read; and with boxes cut to them."""
    for i, name in enumerate(result.table.paths):
        if name in result.table.boxes:
            try:
                width, height = image_size(result.table.path(i), upright=result.table.upright)
                result.sizes[i] = (height, width)
            except DataError:
                continue
    return replace(result, table=_cut(result.table, result.sizes))


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
    annotated, hashes = _annotated(result.table), read_hashes(folder)
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
