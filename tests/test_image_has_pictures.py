from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

from thas.image_has.pictures import FOUND, OTHERS, TRUE, heat_colours, overlay, save_picture, side_by_side


def pixel(picture: PIL.Image.Image, x: int, y: int) -> tuple[int, ...]:
    value = picture.getpixel((x, y))
    assert isinstance(value, tuple)
    return value


def test_the_heat_lies_where_the_map_is_high():
    activation = np.zeros((4, 4))
    activation[0, 3] = 5
    picture = overlay(PIL.Image.new("RGB", (400, 400)), activation, strength=1.0)
    assert pixel(picture, 395, 5) == tuple(heat_colours(np.array(1.0)).tolist())
    assert pixel(picture, 5, 395) == tuple(heat_colours(np.array(0.0)).tolist())


def test_boxes_are_drawn_at_their_pixels_in_large_and_small_images():
    for side, scale in ((400, 1.0), (2048, 0.5), (64, 4.0)):
        box = [side / 4, side / 4, side / 2, side / 2]
        picture = overlay(PIL.Image.new("RGB", (side, side)), boxes=[box], true_boxes=[[0, 0, side, side]])
        assert picture.width == side * scale
        assert pixel(picture, int(side / 4 * scale), int(side / 3 * scale)) == FOUND
        assert pixel(picture, 0, picture.height // 2) == TRUE


def test_flat_maps_odd_titles_and_tiny_images_are_no_error():
    image = PIL.Image.new("RGB", (1, 1))
    before = image.tobytes()
    assert overlay(image, np.zeros((3, 3)), boxes=[[0, 0, 1, 1]], title="鳥 0.9").size == (256, 256)
    assert image.tobytes() == before


def test_a_sheet_has_a_row_an_image_and_a_column_a_network(tmp_path: Path):
    red, blue = (PIL.Image.new("RGB", (50, 80), colour) for colour in ("red", "blue"))
    sheet = side_by_side([[red, blue], [blue, red]], headings=["a", "b"], side=100)
    assert pixel(sheet, 50, 80) == pixel(sheet, 160, 180) == (255, 0, 0)
    assert pixel(sheet, 160, 80) == pixel(sheet, 50, 180) == (0, 0, 255)
    with PIL.Image.open(save_picture(sheet, tmp_path / "deep" / "sheet.png")) as saved:
        assert saved.size == sheet.size


def test_each_of_several_boxes_has_its_label_in_its_corner():
    plain = PIL.Image.new("RGB", (256, 256), "white")
    boxes = [(0, 0, 100, 100), (120, 150, 250, 250)]
    bare, named = (np.asarray(overlay(plain, boxes=boxes, labels=labels)) for labels in ((), ("cat 0.70", "dog 0.20")))
    rows, columns = np.nonzero((bare != named).any(axis=2))
    assert {(int(y) // 128, int(x) // 128) for y, x in zip(rows, columns, strict=True)} >= {(0, 0), (1, 1)}
    for y0, y1, x0, x1 in ((0, 40, 0, 100), (150, 190, 120, 256)):
        assert (bare[y0:y1, x0:x1] != named[y0:y1, x0:x1]).any()
    inside = ((rows < 40) & (columns < 110)) | ((rows >= 148) & (rows < 190) & (columns >= 118))
    assert inside.all()


def test_several_boxes_differ_in_colour_and_the_first_lies_on_top():
    black = PIL.Image.new("RGB", (300, 300))
    boxes = [(40, 40, 200, 200), (40, 80, 260, 260)]
    picture = overlay(black, boxes=boxes, labels=["", ""])
    assert picture.getpixel((120, 40)) == FOUND
    assert picture.getpixel((259, 200)) == OTHERS[0]
    assert picture.getpixel((40, 150)) == FOUND, "where both have an edge"
