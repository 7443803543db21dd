"""Pictures of what a network saw: the heat of its map over the photograph, boxes found and true, labels, scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import torch

from ..core.file_names import file_name
from ..core.files import write_atomically
from .decode import read_image
from .images import ImageTable
from .loading import squashed
from .localizer import Localizer
from .predict import Predictions

FOUND, TRUE = (255, 80, 40), (60, 230, 90)
WHITE = (255, 255, 255)
OTHERS = ((70, 160, 255), (235, 110, 235), (250, 220, 80), (150, 240, 240))
"""Of the boxes found after the first."""
SIDES = (256, 1024)
"""A picture's long side is brought between these, in pixels."""

# Dark blue over teal and yellow to red: rises in lightness to the yellow, so that it also reads without colour.
_COLOURS = np.array([(20, 20, 90), (20, 110, 150), (70, 180, 120), (240, 220, 70), (220, 50, 30)], dtype=np.float64)


def heat_colours(values: np.ndarray) -> np.ndarray:
    """(..., 3) uint8, colours of values from 0 to 1.

    >>> heat_colours(np.array([0.0, 1.0])).tolist()
    [[20, 20, 90], [220, 50, 30]]
    """
    places = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(values, places, _COLOURS[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def overlay(
    image: PIL.Image.Image,
    activation: np.ndarray | None = None,
    *,
    boxes: Sequence[Sequence[float]] = (),
    true_boxes: Sequence[Sequence[float]] = (),
    title: str = "",
    labels: Sequence[str] = (),
    strength: float = 0.5,
    sides: tuple[int, int] = SIDES,
) -> PIL.Image.Image:
    """An image with the heat of its map, the boxes found and the true ones.

    Args:
        image: RGB.
        activation: (H, W), a map of any size that covers the image; values at or below 0 stay cold.
        boxes: Found, x0, y0, x1, y1 in pixels of the image, the first five in colours of their own.
        true_boxes: Annotated, drawn thinner and in another colour.
        title: Written at the top.
        labels: Of the boxes found, written in their top left corners.
        strength: Of the heat against the image, 0 to 1.
        sides: The picture's long side is brought between these, in pixels.

    Returns:
        A new RGB image.
    """
    picture = picture_sized(image.convert("RGB"), sides=sides)
    size, scale = picture.size, max(picture.size) / max(image.size)
    if activation is not None:
        low, high = max(0.0, float(activation.min())), float(activation.max())
        values = np.clip((activation - low) / (high - low), 0, 1) if high > low else np.zeros(activation.shape)
        heat = PIL.Image.fromarray(values.astype(np.float32)).resize(size, PIL.Image.Resampling.BILINEAR)
        steps = np.rint(255 * np.asarray(heat)).astype(np.uint8)  # for each pixel to look its colour up
        coloured = PIL.Image.fromarray(heat_colours(np.linspace(0, 1, 256))[steps])
        picture = PIL.Image.blend(picture, coloured, strength)
    draw = PIL.ImageDraw.Draw(picture)
    line = max(1, round(max(size) / 150))
    colours = [FOUND, *(OTHERS[i % len(OTHERS)] for i in range(len(boxes) - 1))]
    drawn = [(box, TRUE, max(1, line // 2)) for box in true_boxes]
    # The likeliest lies on top of the others, box and label.
    drawn += [(box, colour, line) for box, colour in reversed([*zip(boxes, colours, strict=False)])]
    for (x0, y0, x1, y1), colour, width in drawn:
        corners = [x0 * scale, y0 * scale, max(x0, x1 - 1) * scale, max(y0, y1 - 1) * scale]
        draw.rectangle(corners, outline=colour, width=width)
    for (x0, y0, *_), label, colour in reversed([*zip(boxes, labels, colours, strict=False)]):
        _write(draw, label, size, at=(x0 * scale + 2 * line, y0 * scale + line), colour=colour if labels[1:] else WHITE)
    if title:
        _write(draw, title, size)
    return picture


def picture_sized(image: PIL.Image.Image, *, sides: tuple[int, int] = SIDES) -> PIL.Image.Image:
    """The image with its long side between `sides`, in proportion."""
    scale = max(min(1.0, sides[1] / max(image.size)), sides[0] / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, PIL.Image.Resampling.BILINEAR)


def _write(
    draw: PIL.ImageDraw.ImageDraw,
    text: str,
    size: tuple[int, int],
    *,
    at: tuple[float, float] = (3, 2),
    colour: tuple[int, int, int] = WHITE,
) -> None:
    font = PIL.ImageFont.load_default(size=max(9, min(size) // 22))
    text = text.encode("latin-1", "replace").decode("latin-1")
    left, top, right, bottom = draw.textbbox(at, text, font=font)
    draw.rectangle((left - 3, top - 2, right + 3, bottom + 3), fill=(0, 0, 0))
    draw.text(at, text, fill=colour, font=font)


def side_by_side(
    rows: Sequence[Sequence[PIL.Image.Image]], *, headings: Sequence[str], side: int = 192
) -> PIL.Image.Image:
    """A sheet of pictures: a row an image, a column a network."""
    gap, top = 6, 24
    sheet = PIL.Image.new(
        "RGB", (len(headings) * (side + gap) + gap, len(rows) * (side + gap) + gap + top), (255, 255, 255)
    )
    draw = PIL.ImageDraw.Draw(sheet)
    font = PIL.ImageFont.load_default(size=13)
    for column, heading in enumerate(headings):
        draw.text((gap + column * (side + gap), 4), heading, fill=(0, 0, 0), font=font)
    for i, row in enumerate(rows):
        for column, picture in enumerate(row):
            square = picture.resize((side, side), PIL.Image.Resampling.BILINEAR)
            sheet.paste(square, (gap + column * (side + gap), top + i * (side + gap)))
    return sheet


def save_picture(picture: PIL.Image.Image, path: Path) -> Path:
    """Write a PNG, whole or not at all."""
    import io

    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=1)  # three times as fast as the usual 6, up to a third larger
    write_atomically(path, content.getvalue())
    return path


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
    written: list[Path] = []
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
