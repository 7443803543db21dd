from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from thas.core.errors import DataError
from thas.image_has import decode
from thas.image_has.decode import as_rgb, image_size, read_image

RED = (200, 30, 40)


def saved(path: Path, image: PIL.Image.Image, **settings) -> Path:
    image.save(path, **settings)
    return path


def test_the_modes_that_cameras_and_scanners_write(tmp_path: Path):
    red = PIL.Image.new("RGB", (4, 3), RED)
    for name, image in {
        "rgb.png": red,
        "palette.png": red.convert("P", palette=PIL.Image.Palette.ADAPTIVE),
        "palette.gif": red.convert("P", palette=PIL.Image.Palette.ADAPTIVE),
        "cmyk.tif": red.convert("CMYK"),
        "alpha.png": red.convert("RGBA"),
        "one.webp": red,
    }.items():
        settings = {"lossless": True} if name.endswith("webp") else {}
        read = read_image(saved(tmp_path / name, image, **settings))
        assert read.mode == "RGB", name
        assert read.size == (4, 3), name
        assert np.abs(np.array(read.getpixel((1, 1))) - RED).max() <= 2, name


def test_a_cmyk_jpeg_is_not_inverted(tmp_path: Path):
    path = saved(tmp_path / "cmyk.jpg", PIL.Image.new("RGB", (16, 16), (255, 255, 255)).convert("CMYK"), quality=95)
    assert min(read_image(path).getpixel((3, 3))) > 245


@pytest.mark.parametrize("name", ["grey.png", "grey.jpg"])
def test_grey_becomes_three_equal_channels(tmp_path: Path, name: str):
    pixel = read_image(saved(tmp_path / name, PIL.Image.new("L", (8, 8), 100))).getpixel((4, 4))
    assert pixel == (100, 100, 100)


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path):
    values = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    read = read_image(saved(tmp_path / "deep.png", PIL.Image.fromarray(values)))
    assert np.asarray(read)[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([[0.0, 0.5, 1.0]], [0, 128, 255]), ([[0.0, 100.0, 255.0]], [0, 100, 255]), ([[np.nan, np.inf, 9]], [0, 0, 9])],
)
def test_floating_point_images(values: list, expected: list[int]):
    assert np.asarray(as_rgb(PIL.Image.fromarray(np.array(values, dtype=np.float32))))[0, :, 0].tolist() == expected


def test_transparent_places_are_black_whatever_colour_they_hide(tmp_path: Path):
    path = saved(tmp_path / "clear.png", PIL.Image.new("RGBA", (2, 2), (*RED, 0)))
    assert read_image(path).getpixel((0, 0)) == (0, 0, 0)


def test_exif_rotation_is_applied_or_not(tmp_path: Path):
    image = PIL.Image.new("RGB", (8, 4), (0, 0, 0))
    image.paste(RED, (0, 0, 4, 4))  # red on the left of what is stored
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn to the right: red on top
    path = saved(tmp_path / "turned.png", image, exif=exif)
    assert image_size(path) == read_image(path).size == (4, 8)
    assert read_image(path).getpixel((2, 1)) == RED
    assert image_size(path, upright=False) == read_image(path, upright=False).size == (8, 4)


def test_of_an_animation_the_first_picture_is_taken(tmp_path: Path):
    frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in (RED, (0, 0, 255))]
    path = saved(tmp_path / "two.gif", frames[0], save_all=True, append_images=frames[1:])
    assert np.abs(np.array(read_image(path).getpixel((0, 0))) - RED).max() <= 2


def test_one_pixel_is_an_image(tmp_path: Path):
    assert read_image(saved(tmp_path / "one.png", PIL.Image.new("RGB", (1, 1), RED))).getpixel((0, 0)) == RED


def test_a_jpeg_can_be_shrunk_while_decoding_but_not_below_what_is_asked(tmp_path: Path):
    path = saved(tmp_path / "large.jpg", PIL.Image.new("RGB", (1600, 800), RED))
    assert read_image(path, short_side=256).size == (800, 400)
    assert read_image(path, short_side=800).size == (1600, 800)
    assert image_size(path) == (1600, 800)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path):
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    for side in (20_000, 12_000):  # above and below Pillow's own limit
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        path = tmp_path / f"{side}.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
        with pytest.raises(DataError, match=path.name):
            read_image(path)


def test_broken_files_are_named(tmp_path: Path):
    content = io.BytesIO()
    PIL.Image.effect_noise((64, 64), 50).convert("RGB").save(content, "JPEG")
    broken = {"cut.jpg": content.getvalue()[:-900], "empty.png": b"", "text.jpg": b"no image", "gone.jpg": None}
    for name, data in broken.items():
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(DataError, match=name) as raised:
            read_image(path)
        assert raised.value.subject == str(path)


def test_whatever_a_decoder_raises_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path / "a.png", PIL.Image.new("RGB", (4, 4)))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("of a damaged AVIF")

    monkeypatch.setattr(PIL.Image.Image, "convert", fail)
    with pytest.raises(DataError, match=r"a\.png cannot be decoded\nwhy:  of a damaged AVIF"):
        read_image(path)
    monkeypatch.setattr(PIL.Image, "open", fail)
    with pytest.raises(DataError, match=r"a\.png cannot be decoded"):
        image_size(path)


def test_a_large_jpeg_is_refused_also_where_it_would_be_shrunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path / "a.jpg", PIL.Image.new("RGB", (64, 64)))
    monkeypatch.setattr("thas.core.reading.MOST_PIXELS", 1000)
    with pytest.raises(DataError, match="64 x 64 pixels are more than 1,000"):
        read_image(path, short_side=8)


def test_threads_that_decode_leave_warnings_as_they_were(tmp_path: Path):
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with decode._opened(tmp_path / "a.png"):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with decode._opened(tmp_path / "a.png"):  # entered after the first, left after it too
        leave.set()
        thread.join(10)
        assert warnings.filters[0][0] == "ignore"
    assert list(warnings.filters) == before
