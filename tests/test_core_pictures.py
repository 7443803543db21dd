"""Pictures from strangers: sizes that are claimed, kinds that start programs, numbers that lie far apart."""

from __future__ import annotations

import io
import struct
import time
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from thas.cli import run
from thas.core.errors import DataError
from thas.core.reading import open_picture
from thas.features.frame_folder import folder_frames, scan_folder
from thas.features.frame_table import UnreadableVideo
from thas.image_has.decode import image_size, read_image


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _claiming(form: str, width: int, height: int) -> bytes:
    """A small picture whose head says that it is larger."""
    if form == "PNG":
        return _png(width, height)
    if form == "PPM":
        return b"P6 %d %d 255\n" % (width, height) + b"\0" * 192
    content = io.BytesIO()
    side = 64 if form in ("AVIF", "JPEG2000", "WEBP") else 8
    PIL.Image.new("RGB", (side, side)).save(content, form)
    data = bytearray(content.getvalue())
    if form == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    elif form == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    elif form == "AVIF":
        at = data.index(b"ispe") + 8
        data[at : at + 8] = struct.pack(">II", width, height)
    elif form == "JPEG2000":
        for mark, gap, sides in ((b"ihdr", 4, (height, width)), (b"\xff\x51", 6, (width, height))):
            at = data.index(mark) + gap
            data[at : at + 8] = struct.pack(">II", *sides)
    elif form == "WEBP":  # an animation of one frame: its canvas is what Pillow's decoder takes memory for
        canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        frame = bytes(6) + struct.pack("<I", 63)[:3] * 2 + bytes(4) + bytes(data[12:])
        parts = [(b"VP8X", b"\2\0\0\0" + canvas), (b"ANIM", bytes(6)), (b"ANMF", frame)]
        body = b"WEBP" + b"".join(name + struct.pack("<I", len(part)) + part for name, part in parts)
        return b"RIFF" + struct.pack("<I", len(body)) + body
    elif form == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    elif form == "TIFF":
        (at,) = struct.unpack("<I", data[4:8])
        for entry in range(struct.unpack("<H", data[at : at + 2])[0]):
            place = at + 2 + 12 * entry
            tag = struct.unpack("<H", data[place : place + 2])[0]
            if tag in (256, 257):  # ImageWidth, ImageLength: now of four bytes
                data[place + 2 : place + 12] = struct.pack("<HII", 4, 1, width if tag == 256 else height)
    return bytes(data)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("thas.core.reading.MOST_PIXELS", 1_000_000)
    return tmp_path


# Beyond Pillow's own limit, and below it; 16,383 is the largest that the last two know.
SIZES = [
    (form, size)
    for form in ("PNG", "JPEG", "GIF", "BMP", "PPM", "TIFF", "JPEG2000", "WEBP", "AVIF")
    for size in ((16_383, 16_383) if form in ("WEBP", "AVIF") else (60_000, 60_000), (9_000, 9_000))
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("form", "size"), SIZES)
def test_a_picture_that_claims_to_be_large_is_refused_by_its_head(here, form, size):
    content = _claiming(form, *size)
    assert len(content) < 3000
    for i in (1, 2):
        (here / f"a{i}.png").write_bytes(content)
    began = time.process_time()
    with pytest.raises(DataError, match=r"a1\.png (is not decoded|cannot be decoded)") as caught:
        read_image(here / "a1.png")
    assert "pixels" in caught.value.why
    with pytest.raises(UnreadableVideo, match=r"a1\.png cannot be read"):
        scan_folder(here, fps=10)
    with pytest.raises(UnreadableVideo, match=r"a1\.png cannot be read"):
        next(folder_frames(here, np.array([0])))
    assert time.process_time() - began < 1


def _peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt"])
def test_texts_and_profiles_do_not_unpack_to_gigabytes(here, kind):
    text = b"a\0" + (b"\1\0\0\0" if kind == b"iTXt" else b"\0") + zlib.compress(bytes(100_000_000), 1)
    small = _png(8, 8)
    extra = struct.pack(">I", len(text)) + kind + text + struct.pack(">I", zlib.crc32(kind + text))
    (here / "a.png").write_bytes(small[:33] + extra + small[33:])
    before = _peak_bytes()
    with suppress(DataError):
        read_image(here / "a.png")
    assert _peak_bytes() - before < 50_000_000


@pytest.mark.filterwarnings("ignore")
def test_only_the_first_of_many_pictures_in_a_file_is_decoded(here):
    frames = [PIL.Image.new("P", (64, 64), number % 256) for number in range(2000)]
    for name in ("a.gif", "a.tif", "a.webp"):
        frames[0].save(here / name, save_all=True, append_images=frames[1 : 2000 if name == "a.gif" else 200])
        began = time.process_time()
        assert read_image(here / name).size == (64, 64)
        assert time.process_time() - began < 0.5


def _boxes(folder: Path, name: str) -> None:
    for subset in ("train", "val"):
        for label in ("cat", "dog"):
            (folder / "set" / subset / label).mkdir(parents=True)
            PIL.Image.new("RGB", (16, 16)).save(folder / "set" / subset / label / "a.png")
    (folder / "set" / "val" / "cat" / name).write_bytes(_png(60_000, 60_000))
    (folder / "set" / "boxes.csv").write_text(f"image,label,x0,y0,x1,y1\nval/cat/{name},cat,1,1,9,9\n")


FOUND = "image,label,x0,y0,x1,y1\nval/cat/bomb.png,cat,1,1,9,9\n"
SMALL = ["--set", "network.name=small", "network.width=0.1", "input.size=16", "input.resize=16", "train.epochs=1"]
SMALL += ["train.workers=0", "train.batch_size=4", "train.validation=0"]


def test_every_command_that_opens_pictures_names_a_bomb(here, capsys):
    """And goes on with the others; 0 where the picture is only shown, or is of those that are not trained on."""
    _boxes(here, "bomb.png")
    (here / "found.csv").write_text(FOUND)
    train = ["image", "train", "--dataset", "set", "--runs", "runs", "--device", "cpu", *SMALL[:-1]]
    commands = [
        (train, 0),
        (["image", "localize", "set/val/cat", "--run", "runs/latest", "--output", "new", "--device", "cpu"], 3),
        (["image", "eval", "runs/latest", "--device", "cpu", "--pictures", "drawn"], 3),
        (["image", "eval", "--boxes", "found.csv", "--dataset", "set"], 3),
        (["report", "runs/latest", "--out", "page.html", "--device", "cpu"], 0),
    ]
    codes = [run(tokens) for tokens, _ in commands]
    said = capsys.readouterr().err
    assert codes == [code for _, code in commands], said
    assert said.count("bomb.png") >= 4
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", b"SIMPLE  =   "]
)
def test_kinds_that_start_programs_are_no_pictures(tmp_path, content):
    """Whatever the file is called: Pillow would draw EPS with Ghostscript."""
    (tmp_path / "a.jpg").write_bytes(content + b" " * 200)
    for read in (open_picture, image_size, read_image):
        with pytest.raises((DataError, PIL.UnidentifiedImageError), match=r"a\.jpg"):
            read(tmp_path / "a.jpg")


@pytest.mark.parametrize("last", [10**9, 10**30])
def test_pictures_with_numbers_far_apart_are_no_video(tmp_path, last):
    for number in (1, last):
        PIL.Image.new("RGB", (4, 4)).save(tmp_path / f"img_{number}.png")
    with pytest.raises(UnreadableVideo, match="frames apart"):
        scan_folder(tmp_path, fps=10)
