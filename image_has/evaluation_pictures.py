"""Pictures of what was found in a data set's images: maps, boxes, and the annotated boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import torch

from ..core.file_names import file_name
from .decode import read_image
from .images import ImageTable
from .loading import squashed
from .localizer import Localizer
from .pictures import SIDES, overlay, save_picture
from .predict import Predictions


def spread_rows(table: ImageTable, most: int) -> list[int]:
    """Up to `most` images with boxes, of all classes in turn."""
    by_class: dict[int, list[int]] = {}
    for i, name in enumerate(table.paths):
        if name in table.boxes:
            by_class.setdefault(int(table.labels[i]), []).append(i)
    turns = [rows[turn] for turn in range(most) for rows in by_class.values() if turn < len(rows)]
    return sorted(turns[:most])


def draw_predictions(found: Predictions, localizer: Localizer | None, folder: Path, *, most: int = 24) -> list[Path]:
    """Draw some images with the true class's map (where there is a network), its box and the annotated boxes."""
    written = []
    for i in spread_rows(found.table, most):
        picture = picture_of(found, localizer, i)
        if picture is not None:
            name = found.table.paths[i].replace("/", "_").rsplit(".", 1)[0]
            written.append(save_picture(picture, folder / file_name(name, ".png")))
    return written


def picture_of(
    found: Predictions, localizer: Localizer | None, i: int, *, title: bool = True, sides: tuple[int, int] = SIDES
) -> PIL.Image.Image | None:
    """One image with map and boxes, its long side between `sides`; None for a broken image."""
    table = found.table
    if not found.sizes[i].any():
        return None
    image = read_image(table.path(i), upright=table.upright)
    activation: np.ndarray | None = None
    if localizer is not None:
        pixels = squashed(image, side=localizer.side)[None]
        activation = localizer.maps(pixels, torch.tensor([table.labels[i]])).maps[0, 1].cpu().numpy()
    name = table.name_of(i)
    text = f"{table.titles.get(name, name)} {found.probabilities[i, 1]:.2f}" if title else ""
    boxes = [found.known_boxes[i]] if found.known_boxes[i].any() else []
    true = table.boxes.get(table.paths[i], np.zeros((0, 4))).tolist()
    return overlay(image, activation, boxes=boxes, true_boxes=true, title=text, sides=sides)
