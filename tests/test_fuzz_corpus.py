"""Files that readers once failed on by other than a named error, or let through: one of each kind, drawn small."""

from __future__ import annotations

import json
import os
import pickle
import re
import struct
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from thas.core.errors import ThasError

from .fuzz_changes import is_finite
from .test_fuzz_readers import ALL

DIGITS = "9" * 5000


def _header(shape: str, kind: str = "<f8") -> bytes:
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _safetensors(description: object, tensors: str = "{}", numbers: bytes = b"") -> bytes:
    header = json.loads(tensors) | {"__metadata__": {"thas": json.dumps(description)}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


REFUSED: list[tuple[str, str, bytes]] = [
    ("synsets", "no UTF-8", b"n01 \xbe"),
    ("solution", "a field of a megabyte", b"ImageId,PredictionString\na," + b"e" * 200_000),
    ("toml", "", b""),
    ("experiment", "digits", f"seeds = {DIGITS}\n".encode()),
    ("experiment", "a preset that is a number", b"[arms.A]\npreset = 1.5\n"),
    ("experiment", "a key that is no text", b"[1.5]\na = 1\n"),
    ("experiment", "a preset longer than a name", b"[arms.A]\npreset = '" + b"x" * 300 + b"'\n"),
    ("moments", "a NUL", b'{"results": {"v": [{"label": "\\u0000", "segment": [1, 2], "score": 0.5}]}}'),
    ("run_settings", "digits", f"[data]\ndataset = {DIGITS}\n".encode()),
    ("run_settings", "a folder that is true", b"[data]\ndataset = true\n"),
    ("run_settings", "a subset that is a table", b'[data]\ndataset = "x"\ntrain_subset = {a = 1}\n'),
    ("run_settings", "NUL", b'[data]\ndataset = "\0"\n'),
    ("image_config", "nesting", b"a = " + b"[" * 5000),
    ("run_detections", "another table", b'{"results": {"v": 1.5}}'),
    ("run_detections", "a number beyond floats", b'{"results": {"v": [{"label": "a", "segment": [0, 1], "score": 1'
     + b"0" * 400 + b"}]}}"),
    ("run_detections", "facts that are no table", b'{"results": {}, "thas": [1]}'),
    ("run_detections", "a blank name", b'{"results": {"": [{"label": "a", "segment": [0, 1], "score": 1}]}}'),
    ("detections_json", "a blank name", b'{"results": {"": [{"label": "a", "segment": [0, 1], "score": 1}]}}'),
    ("detections_json", "nesting", b'{"results": ' + b"[" * 5000),
    ("annotations_json", "an entry that is a list", b'{"database": {"v": []}}'),
    ("annotations_json", "digits", b'{"database": {"v": {"duration": ' + DIGITS.encode() + b"}}}"),
    ("labels", "NUL", b"video,label\na\0,Run\n"),
    ("labels", "a name of 300 bytes", b"video,label\n" + b"a" * 300 + b",Run\n"),
    ("labels", "a path", b"video,label\n../../a,Run\n"),
    ("found_boxes_csv", "not finite", b"image,label,x0,y0,x1,y1,score\na.png,cat,1,nan,8,9,0.5\n"),
    ("found_boxes_csv", "NUL in a name", b"image,label,x0,y0,x1,y1\na\0,cat,1,2,8,9\n"),
    ("found_boxes_json", "a number beyond floats", b'{"images": [{"image": "a.png", "boxes": [{"label": "cat", "box": '
     b"[1, 2, 3, 1" + b"0" * 400 + b"]}]}]}"),
    ("found_boxes_json", "a name that is a number", b'{"images": [{"image": 1.5, "boxes": [{"label": "cat", "box": '
     b"[1, 2, 3, 4]}]}]}"),
    ("found_boxes_json", "nesting", b'{"images": ' + b"[" * 3000),
    ("photographs", "a list of numbers", b'{"images": [1, 2]}'),
    ("maps", "a size beyond any", _header("(99999999999999999999, 3)")),
    ("maps", "a broken head", _header("(3, ")),
    ("maps", "more than it holds", _header("(1000000, 1000000)") + b"\0" * 80),
    ("maps", "NaN", _header("(1, 1)") + np.float64(np.nan).tobytes()),
    ("mean_cube", "more than it holds", _header("(3, 16, 128, 171)") + b"\0" * 80),
    ("wsol_labels", "a class of four billion", b"a.jpg,4294967296\n"),
    ("wsol_labels", "a class below any", b"a.jpg,-9223372036854775809\n"),
    ("wsol_ids", "no UTF-8", b"\xf8.jpg\n"),
    ("wsol_ids", "a name too long for a file", b"a" * 3000 + b"\n"),
    ("wsol_sizes", "no UTF-8", b"a.jpg,\xba,3\n"),
    ("wtalc_names", "no UTF-8", b"\x93NUMPY\x01\x00\x46\x00{'descr': '|S1', 'fortran_order': False, 'shape': (2,), }"
     + b" " * 11 + b"\n\xbe\xbf"),
    ("wtalc_names", "instants without a unit", _header("(2,)", "|M8") + b"\0" * 16),
    ("import_objects", "shorter than its shape", _header("(1,)", "|O") + pickle.dumps([np.zeros(2)])[:-3] + b"e."),
    ("checkpoint", "settings that are a list", _safetensors({"format": 3, "settings": []})),
    ("checkpoint", "classes that are tables", _safetensors({"format": 3, "settings": {}, "classes": [{}, {}]})),
    ("checkpoint", "classes twice", _safetensors({"format": 3, "settings": {}, "classes": ["a", "a"]})),
    ("checkpoint", "a header that is a number", struct.pack("<Q", 1) + b"1"),
    ("checkpoint", "a header of terabytes", struct.pack("<Q", 1 << 42) + b"{}"),
    ("image_weights", "no architecture", _safetensors({"backbone": "small"})),
    ("backbone", "a description that is a list", _safetensors([1])),
    ("backbone", "sizes beyond any float", _safetensors({"backbone": "c3d", "preprocessing": {"mean": [10**400] * 3}})),
    ("backbone", "more than an address can say", _safetensors({"backbone": "c3d", "architecture": {"width": 2**40}})),
    ("backbone", "a network of terabytes", _safetensors({"backbone": "c3d", "architecture": {"width": 10**7}})),
    ("rates_json", "a rate that is a list", b'{"database": {"v": {"fps": [25]}}}'),
    ("boris_csv", "minutes by the thousand digits", b"Subject,Behavior,Status,Time,Media file\n,a,POINT,"
     + DIGITS.encode() + b":01,a.mp4"),
    ("boris_project", "a length that is a word", b'{"behaviors_conf": {}, "observations": {"m": {"file": {"1": ["a.mp4"'
     b']}, "media_info": {"length": {"a.mp4": "a"}}}}}'),
    ("boris_project", "no time of creation", b'{"behaviors_conf": {}, "observations": {"m": {"file": {"1": ["a.mp4"]}, '
     b'"media_creation_date_as_offset": true, "media_info": {"media_creation_time": {}}}}}'),
    ("label_studio", "a frame beyond floats", b'[{"data": {"video": "a.mp4"}, "annotations": [{"result": [{"type": '
     b'"timelinelabels", "value": {"timelinelabels": ["a"], "ranges": [{"start": 1, "end": 1' + b"0" * 400
     + b"}]}}]}]}]"),
    ("label_studio", "seconds that are true", b'[{"data": {"video": "a.mp4"}, "annotations": [{"result": [{"type": '
     b'"labels", "value": {"labels": ["a"], "start": true, "end": 2}}]}]}]'),
    ("label_studio_csv", "cells beyond the heading", b"id,annotator\n7,1,a\n"),
    ("cvat", "digits", b"<annotations><version/><track label='a'><box frame='" + DIGITS.encode()
     + b"'/></track></annotations>"),
    ("via", "a time that is a word", b'{"file": {"1": {"fname": "a.mp4"}}, "view": {"3": {"fid_list": ["1"]}}, '
     b'"attribute": {}, "metadata": {"m": {"vid": "3", "z": ["a"], "av": {}}}}'),
    ("bento", "no frames in a second", b"Bento annotation file\nMovie file(s): a.seq\nAnnotation framerate: 0\n"
     b"Ch1----------\n>bite\n1.0 2.0\n"),
    ("deepethogram", "a cell of a megabyte", b",background,bite\n0,1," + b"0" * 200_000),
    ("50salads", "digits", f"1 {DIGITS} cut\n".encode()),
    ("jigsaws", "a frame beyond floats", b"1 1" + b"0" * 400 + b" G1\n"),
    ("soccernet", "digits", b'{"UrlLocal": "a", "annotations": [{"gameTime": "1 - ' + DIGITS.encode() + b':00"}]}'),
    ("spot", "a frame beyond floats", b'[{"video": "a", "fps": 25, "events": [{"label": "a", "frame": 1' + b"0" * 400
     + b"}]}]"),
    ("spot", "a length beyond floats", b'[{"video": "a", "num_frames": 1' + b"0" * 400 + b', "events": []}]'),
    ("mp4", "cut off behind its first box", b"\0\0\0\x18ftypisom\0\0\0\0isomiso2"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "what", "content"), REFUSED, ids=[f"{name}, {what}" for name, what, _ in REFUSED])
def test_it_is_named_now(tmp_path, name, what, content):
    path = tmp_path / ALL[name].file
    path.parent.mkdir(exist_ok=True)
    ALL[name].make(path)
    path.write_bytes(content)
    if not what:  # read or refused, but nothing else
        ALL[name].read(path)
        return
    with pytest.raises(ThasError) as caught:
        ALL[name].read(path)
    assert caught.value.what
    assert caught.value.exit_code in (1, 2)


@pytest.mark.parametrize("changed", [{"spread": float("nan")}, {"recipe": 3}, {"recipe": None}, {"classes": ["a", ""]}])
def test_a_checkpoint_that_says_nonsense_is_refused(tmp_path, changed):
    path = tmp_path / "c.safetensors"
    ALL["checkpoint"].make(path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    told = json.loads(header["__metadata__"]["thas"]) | changed
    header["__metadata__"]["thas"] = json.dumps(told)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(ThasError):
        ALL["checkpoint"].read(path)


def _lines(values: list[object]) -> bytes:
    return "\n".join(value if isinstance(value, str) else json.dumps(value) for value in values).encode()


@pytest.mark.parametrize(
    "lines",
    [
        [{"loss": 1.0}, {"number": 1}],
        [{"number": 10**400, "loss": 1.0, "accuracy": 1.0}],
        [{"number": 1, "loss": "much", "accuracy": 1.0}],
        [{"number": [1], "loss": 1.0, "accuracy": 1.0, "validation_map": {}}],
        ['{"number": 1, "loss": NaN, "accuracy": 1.0}', "[" * 5000, '{"number": ' + DIGITS + "}"],
        [{"number": 1, "loss": 1.0, "accuracy": 1.0, "validation_map": 0.5}],
    ],
)
def test_lines_that_tell_no_epoch_count_for_nothing(tmp_path, lines):
    path = tmp_path / "log.jsonl"
    path.write_bytes(_lines(lines) + b"\xff")
    assert ALL["log"].read(path) == []


@pytest.mark.parametrize("member", [b"", b"\x93NUMPY\x01\x00v\x00", _header("(2,)", "<U9"), _header("(2, 2)"), b"text"])
def test_a_damaged_measurement_is_made_again(tmp_path, member):
    path = tmp_path / "m.npz"
    ALL["measured"].make(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"values.npy": member}).items():
            archive.writestr(name, content)
    assert ALL["measured"].read(path) == 0


def test_a_measurement_that_unpacks_to_too_much_is_made_again(tmp_path):
    path = tmp_path / "m.npz"
    ALL["measured"].make(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("more.npy", b"\0" * (80 << 20))
    assert ALL["measured"].read(path) == 0


@pytest.mark.parametrize("name", ["weights_pth", "weights_image_pth", "import_pt"])
def test_small_files_of_torch_do_not_unpack_to_gigabytes(tmp_path, name):
    path = tmp_path / ALL[name].file
    torch.save({"features": torch.zeros(1).expand(100_000, 20_000)}, path)  # one number, said to be two billion
    with pytest.raises(ThasError):
        ALL[name].read(path)
    inner = tmp_path / "zeros.pt"
    torch.save({"features": torch.zeros(17 << 20)}, inner)
    with zipfile.ZipFile(inner) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for member in archive.namelist():
            packed.writestr(member, archive.read(member))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ThasError):
        ALL[name].read(path)


def test_a_spreadsheet_with_a_cell_in_its_last_corner(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "labels.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["video", "label"])
    book.active["XFD1048576"] = "a"
    book.save(path)
    with pytest.raises(ThasError, match="cells"):
        ALL["labels_xlsx"].read(path)


OPENED_HERE = {"package_index"}  # by the test itself: it comes from the network


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted({*ALL} - OPENED_HERE))
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_no_file(tmp_path, name):
    path = tmp_path / ALL[name].file
    path.parent.mkdir(exist_ok=True)
    ALL[name].make(path)
    for put in (os.mkfifo, Path.mkdir):
        path.unlink()
        put(path)
        with suppress(ThasError):
            assert is_finite(ALL[name].read(path))  # passed over, as a lost log is
        if path.is_dir():
            path.rmdir()
            path.touch()


# What is read where one is, what passes over a file of no bytes, and what zipfile says instead of the system.
NOT_ASKED = {"boris_xlsx", "labels_xlsx", "import_npz", "mkv", "mp4"}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that gives an error of the disk is of Linux")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted({*ALL} - OPENED_HERE - NOT_ASKED))
def test_a_file_that_the_disk_does_not_give_is_named_and_not_to_be_removed(tmp_path, name):
    path = tmp_path / ALL[name].file
    path.parent.mkdir(exist_ok=True)
    ALL[name].make(path)
    path.unlink()
    path.symlink_to("/proc/self/mem")  # opens, and its first byte cannot be read: EIO
    told = ""
    try:
        ALL[name].read(path)  # passed over, as a lost log is
    except ThasError as error:
        told = str(error)
    assert not told or path.name in told
    assert not re.search("next:.*(remove|make it again|save it again|replace)", told)


def test_features_that_the_system_does_not_let_be_read_are_not_removed(tmp_path, capsys):
    from thas.cli import run

    ALL["features"].make(tmp_path / "cache" / "v.h5")
    (tmp_path / "cache/b.h5").write_bytes((tmp_path / "cache/v.h5").read_bytes()[:-50])
    (tmp_path / "cache/c.h5").symlink_to("/proc/self/mem")
    assert run(["features", "verify", str(tmp_path / "cache"), "--remove"]) == 3
    told = " ".join(capsys.readouterr().err.split())
    assert "let it be read" in told
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["c.h5", "v.h5"]


def test_a_device_is_no_file(tmp_path):
    for name in ("labels", "log", "maps", "checkpoint", "import_npy"):
        path = tmp_path / ALL[name].file
        ALL[name].make(path)
        path.unlink()
        path.symlink_to("/dev/zero")
        with suppress(ThasError):
            assert ALL[name].read(path) in (0, [])


def _same(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("name", ["checkpoint", "weights_safetensors", "sequences", "image_weights"])
def test_a_flipped_bit_gives_no_other_numbers(tmp_path, monkeypatch, name):
    """Of what carries a checksum: it is named, or lies where nothing is read."""
    for module in ("fuzzed_readers", "fuzzed_others"):  # which leave the checksum out, for changes to come through
        monkeypatch.setattr(f"{__package__}.{module}._without_checksum", lambda *_: None)
    path = tmp_path / ALL[name].file
    ALL[name].make(path)
    sound, expected = path.read_bytes(), ALL[name].read(path)
    draw, named = np.random.default_rng(0), 0
    for _ in range(40):
        content = bytearray(sound)
        content[draw.integers(len(content))] ^= 1 << draw.integers(8)
        path.write_bytes(content)
        try:
            assert _same(ALL[name].read(path), expected)
        except ThasError:
            named += 1
    assert named > 2
