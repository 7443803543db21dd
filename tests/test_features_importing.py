from __future__ import annotations

import json
import os
import pickle
import sys
import zipfile

import h5py
import numpy as np
import pytest
import torch

from thas.core.errors import DataError, FeatureError, PartialFailure, UsageError
from thas.features.array_files import Stored, open_arrays
from thas.features.cache import FeatureCache
from thas.features.importing import find_sources, read_numbers
from thas.features.pickled_arrays import load_array

from .conftest import shared_data
from .feature_imports import imported as import_features
from .feature_imports import read_array

HOW = {"fps": 25.0, "length_frames": 16, "stride_frames": 8}
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "arrays"
    folder.mkdir()
    return folder


def _save(folder, kind):
    path = folder / f"v.{kind}"
    if kind == "npy":
        np.save(path, ROWS.astype(np.float16))
    elif kind == "npz":
        np.savez(path, other=np.zeros(2), feats=ROWS)
    elif kind == "pt":
        torch.save(torch.from_numpy(ROWS), path)
    else:
        with h5py.File(path, "w") as file:
            file["group/features"] = ROWS
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "h5"])
def test_every_kind_of_file(tmp_path, folder, kind):
    _save(folder, kind)
    result = import_features(folder, tmp_path / "c", **HOW)
    assert result.done == ("v",)
    features = FeatureCache(tmp_path / "c")["v"]
    assert np.array_equal(features.data, ROWS)
    assert features.start_seconds.tolist() == [0.0, 0.32, 0.64, 0.96]
    assert features.end_seconds.tolist() == [0.64, 0.96, 1.28, 1.6]
    assert features.duration_seconds == 1.6


def test_the_recipe_tells_the_grid(tmp_path, folder):
    _save(folder, "npy")
    import_features(folder, tmp_path / "c", **HOW, offset_frames=4, durations={"v": 9.0})
    cache = FeatureCache(tmp_path / "c")
    recipe = cache.recipe
    assert [recipe[k] for k in ("length_frames", "stride_frames", "offset_frames")] == [16, 8.0, 4.0]
    assert cache["v"].start_seconds[0] == 0.16
    assert cache["v"].duration_seconds == 9.0


def test_rates_differ_from_video_to_video(tmp_path, folder):
    for name in ("a", "b", "c"):
        np.save(folder / f"{name}.npy", ROWS)
    result = import_features(folder, tmp_path / "o", **(HOW | {"fps": {"a": 25.0, "b": 50.0}}))
    assert result.done == ("a", "b")
    assert result.failed[0].why == "the table of frame rates lacks it"
    cache = FeatureCache(tmp_path / "o")
    assert cache["b"].start_seconds.tolist() == [0.0, 0.16, 0.32, 0.48]


@pytest.mark.parametrize(
    ("array", "how", "shape"),
    [
        (np.zeros((1, 4, 3)), {}, (4, 3)),
        (np.zeros((4, 1, 1, 3)), {}, (4, 3)),
        (np.zeros((3, 4)), {"transposed": True}, (4, 3)),
    ],
)
def test_shapes(tmp_path, folder, array, how, shape):
    np.save(folder / "v.npy", array)
    import_features(folder, tmp_path / "c", **HOW, **how)
    assert FeatureCache(tmp_path / "c").shape_of("v") == shape


def test_several_arrays_are_joined_side_by_side(tmp_path, folder):
    np.savez(folder / "v.npz", rgb=ROWS, flow=10 * ROWS)
    with pytest.raises(FeatureError, match="several arrays") as caught:
        read_array(folder / "v.npz")
    assert "rgb, flow" in caught.value.why
    import_features(folder, tmp_path / "c", **HOW, keys=("rgb", "flow"))
    assert np.array_equal(FeatureCache(tmp_path / "c")["v"].data, np.hstack([ROWS, 10 * ROWS]))


def test_bad_files_are_listed_and_good_ones_kept(tmp_path, folder):
    np.save(folder / "good.npy", ROWS)
    np.save(folder / "nan.npy", np.full((2, 3), np.nan))
    np.save(folder / "text.npy", np.array([["a", "b"]]))
    np.save(folder / "wide.npy", np.zeros((2, 5)))
    np.save(folder / "none.npy", np.zeros((0, 3)))
    np.save(folder / "deep.npy", np.zeros((2, 3, 4)))
    (folder / "cut.npy").write_bytes((folder / "good.npy").read_bytes()[:-9])
    (folder / "empty.npy").touch()
    (folder / "noise.npz").write_bytes(b"no zip")
    torch.save({"a": 1}, folder / "table.pt")
    result = import_features(folder, tmp_path / "c", **HOW)
    assert "good" in result.done
    assert {failure.subject: failure.why for failure in result.failed}.keys() == {
        "nan", "text", "wide", "none", "deep", "cut", "empty", "noise", "table",
    }  # fmt: skip
    assert (tmp_path / "c" / "failed.csv").exists()
    assert list(FeatureCache(tmp_path / "c")) == ["good"]


def test_folders_that_hold_nothing_or_too_much(tmp_path, folder):
    with pytest.raises(UsageError, match="no folder"):
        find_sources(tmp_path / "absent")
    with pytest.raises(UsageError, match="holds no features"):
        find_sources(folder)
    _save(folder, "npy")
    with pytest.raises(UsageError, match="into the folder they come from"):
        import_features(folder, folder, **HOW)
    _save(folder, "npz")
    with pytest.raises(UsageError, match="video v has two files"):
        find_sources(folder)


def _objects(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_wtalcs_pair(tmp_path, folder, protocol):
    (folder / "Thumos14reduced-Annotations").mkdir()
    arrays = _objects([ROWS, ROWS[:2] * 2])
    names = _objects([b"video_validation_0000001", b"video_test_0000002"])
    for path, array in (
        (folder / "Thumos14reduced-I3D-JOINTFeatures.npy", arrays),
        (folder / "Thumos14reduced-Annotations" / "videoname.npy", names),
    ):
        with open(path, "wb") as file:
            header = {"descr": "|O", "fortran_order": False, "shape": array.shape}
            np.lib.format.write_array_header_1_0(file, header)
            pickle.dump(array, file, protocol=protocol)
    result = import_features(folder, tmp_path / "c", **HOW)
    assert result.done == ("video_validation_0000001", "video_test_0000002")
    cache = FeatureCache(tmp_path / "c")
    assert np.array_equal(cache["video_test_0000002"].data, ROWS[:2] * 2)


def test_wtalcs_names_as_a_plain_array(tmp_path, folder):
    np.save(folder / "videoname.npy", np.array([b"a", b"b"]))
    np.save(folder / "I3DFeatures.npy", _objects([ROWS, ROWS[:1]]), allow_pickle=True)
    assert import_features(folder, tmp_path / "c", **HOW).done == ("a", "b")
    np.save(folder / "videoname.npy", np.array([b"a"]))
    with pytest.raises(UsageError, match="do not belong together"):
        import_features(folder, tmp_path / "d", **HOW)


class _Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "trap",
    [
        _Call(os.system, "touch trapped"),
        _Call(eval, "open('trapped', 'w')"),
        _Call(getattr, "text", "upper"),
        _Call(np.load, "trapped"),
    ],
    ids=["system", "eval", "getattr", "np.load"],
)
def test_a_pickle_runs_nothing(tmp_path, monkeypatch, trap):
    monkeypatch.chdir(tmp_path)
    for protocol in (2, 4):
        with open(tmp_path / "evil.npy", "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (1,)})
            pickle.dump([trap], file, protocol=protocol)
        with pytest.raises(FeatureError, match="cannot be read") as caught:
            load_array(tmp_path / "evil.npy")
        assert "neither an array nor text nor bytes" in caught.value.why
        assert not (tmp_path / "trapped").exists()


def test_the_list_of_an_archive_is_read_once_however_many_videos_it_holds(tmp_path, monkeypatch):
    """It was read for each video: the time went with the square of their number."""
    (tmp_path / "in").mkdir()
    arrays = {f"v{i}": np.full((3, 2), i, np.float32) for i in range(40)}
    np.savez(tmp_path / "in/all.npz", **arrays)
    opened = []
    usual = zipfile.ZipFile.__init__
    monkeypatch.setattr(zipfile.ZipFile, "__init__", lambda *a, **k: opened.append(a) or usual(*a, **k))
    tree = open_arrays(tmp_path / "in/all.npz")
    assert isinstance(tree, dict)
    for name, stored in tree.items():
        assert isinstance(stored, Stored)
        assert np.array_equal(stored.read(), arrays[name])
    assert len(opened) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no UTF-8")
def test_a_name_of_a_file_that_is_no_utf_8_comes_through(tmp_path, monkeypatch, capsys):
    from thas.cli import run

    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    with open(b"in/a\xff.npy", "wb") as file:
        np.save(file, np.ones((4, 3), np.float32))
    grid = ["--fps", "25", "--length-frames", "16", "--stride-frames", "8"]
    assert run(["import-features", "in", *grid, "--out", "new"]) == 0
    assert run(["features", "verify", "new"]) == 0
    assert run(["features", "pack", "new", "all.h5"]) == 0
    assert list(FeatureCache("all.h5")) == list(FeatureCache("new")) == ["a\udcff"]
    assert FeatureCache("new").source_of("a\udcff")["path"] == FeatureCache("all.h5").source_of("a\udcff")["path"]
    capsys.readouterr()


def test_a_codec_that_is_not_bytes_is_refused(tmp_path):
    import codecs

    with open(tmp_path / "evil.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (1,)})
        pickle.dump([_Call(codecs.encode, "uryyb", "rot13")], file, protocol=2)
    with pytest.raises(FeatureError) as caught:
        load_array(tmp_path / "evil.npy")
    assert "rot13" in caught.value.why


def test_tables_of_numbers(tmp_path):
    path = tmp_path / "fps.csv"
    path.write_text("video,fps\na,25\nb, 29.97\n")
    assert read_numbers(path, "fps") == {"a": 25.0, "b": 29.97}
    path.write_text("\ufeffVideo;fps\na;25\nb;29.97\n")
    assert read_numbers(path, "fps") == {"a": 25.0, "b": 29.97}
    path.write_text("video;fps\na;29,97\n")
    assert read_numbers(path, "fps") == {"a": 29.97}
    path.write_text("video,fps\na,fast\n")
    with pytest.raises(DataError, match="line 2: the fps is not a finite number"):
        read_numbers(path, "fps")
    path.write_text("name,rate\n")
    with pytest.raises(DataError, match="has no column 'video'"):
        read_numbers(path, "fps")
    with pytest.raises(DataError, match="cannot be read"):
        read_numbers(tmp_path / "absent.csv", "fps")


def test_the_command_line(tmp_path, folder, capsys):
    from thas.cli.features import Rows
    from thas.cli.features import import_features as command
    from thas.cli.options import Printed

    _save(folder, "npy")
    rows = Rows(fps="25", length_frames=16, stride_frames=8)
    command(folder, rows=rows, out=tmp_path / "c")
    assert capsys.readouterr().out == f"1 video imported: {tmp_path / 'c'}\n"
    (folder / "bad.npy").touch()
    with pytest.raises(PartialFailure):
        command(folder, rows=rows, out=tmp_path / "c", printed=Printed(json=True))
    assert json.loads(capsys.readouterr().out)["failed"][0]["video"] == "bad"


def test_real_features(tmp_path):
    source = shared_data("gestures")
    result = import_features(
        source / "features", tmp_path, fps=read_numbers(source / "fps.csv", "fps"), length_frames=16, stride_frames=8
    )
    assert (len(result.done), result.failed) == (296, ())
    assert FeatureCache(tmp_path).dimension == 128
