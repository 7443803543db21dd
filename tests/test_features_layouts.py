"""Folders and files of features as other programs leave them, each made here as those programs do."""

from __future__ import annotations

import json
import pickle

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from thas.cli import run
from thas.core.errors import FeatureError, UsageError
from thas.core.messages import collected
from thas.features.cache import FeatureCache
from thas.features.importing import read_rates

from .feature_imports import imported as import_features
from .feature_imports import read_array

GRID = {"fps": 25.0, "length_frames": 16, "stride_frames": 16}
DRAW = np.random.default_rng(0)


def drawn(*shape):
    return DRAW.normal(size=shape).astype(np.float32)


def imported(folder, tmp_path, **options):
    with collected() as said:
        result = import_features(folder, tmp_path / "cache", **({} if "rescaled" in options else GRID) | options)
    assert not result.failed, result.failed
    return FeatureCache(tmp_path / "cache"), said


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "arrays"
    folder.mkdir()
    return folder


def test_two_folders_of_the_same_names_are_joined(tmp_path, folder):
    rgb, flow = drawn(9, 4), drawn(8, 4)
    for part, stream, array in (("train", "rgb", rgb), ("train", "flow", flow)):
        (folder / part / stream).mkdir(parents=True)
        np.save(folder / part / stream / "v.npy", array)
    cache, said = imported(folder, tmp_path)
    assert np.array_equal(cache["v"].data, np.hstack([rgb[:8], flow]))
    assert said == ["1 video has streams that differ by a row; the longer one lost its last: v"]
    assert np.array_equal(imported(folder, tmp_path, keys=("flow", "rgb"))[0]["v"].data[:, :4], flow)


def test_streams_that_differ_by_more_than_a_row_are_refused(tmp_path, folder):
    for stream, count in (("rgb", 9), ("flow", 7)):
        (folder / stream).mkdir()
        np.save(folder / stream / "v.npy", drawn(count, 4))
    failed = import_features(folder, tmp_path / "cache", **GRID).failed
    assert "(9, 4), (7, 4)" in failed[0].why


@pytest.mark.parametrize("first_ms", [0.0, 960.0])
def test_video_features_with_its_times(tmp_path, folder, first_ms):
    rgb, flow = drawn(5, 3), drawn(5, 3)
    for name, array in (("a_b_rgb", rgb), ("a_b_flow", flow), ("a_b_fps", np.array(25.0))):
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "a_b_timestamps_ms.npy", first_ms + 640.0 * np.arange(5))
    cache, _ = imported(folder, tmp_path, fps=None, length_frames=None, stride_frames=None)
    assert list(cache) == ["a_b"]
    assert np.array_equal(cache["a_b"].data, np.hstack([rgb, flow]))
    assert cache["a_b"].start_seconds[:2].tolist() == pytest.approx([0.0, 0.64])  # stamps of starts, or of ends
    assert cache["a_b"].end_seconds[0] == pytest.approx(0.96 if first_ms else 0.64)


def test_one_hdf5_of_all_videos(tmp_path, folder):
    arrays = {"v_a": drawn(5, 3), "v_b": drawn(7, 3)}
    with h5py.File(folder / "all.h5", "w") as file:
        for name, array in arrays.items():
            file[f"{name}/c3d_features"] = array
    for source in (folder, folder / "all.h5"):
        cache, _ = imported(source, tmp_path)
        assert {video: cache.shape_of(video) for video in cache} == {"v_a": (5, 3), "v_b": (7, 3)}
    assert np.array_equal(cache["v_b"].data, arrays["v_b"])


@pytest.mark.parametrize("kind", ["npz", "pt", "pkl", "mat", "h5"])
def test_one_file_of_all_videos(tmp_path, folder, kind):
    arrays = {"video_a": drawn(5, 3), "video_b": drawn(7, 3)}
    path = folder / f"all.{kind}"
    if kind == "npz":
        np.savez_compressed(path, **arrays)
    elif kind == "pt":
        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    elif kind == "pkl":
        path.write_bytes(pickle.dumps(arrays))
    elif kind == "mat":
        scipy.io.savemat(path, arrays, do_compression=True)
    else:
        with h5py.File(path, "w") as file:
            file.update(arrays)
    cache, _ = imported(folder, tmp_path)
    assert all(np.array_equal(cache[name].data, array) for name, array in arrays.items())


@pytest.mark.parametrize("heading", ["f0,f1,f2", "0,1,2", ""])
def test_rows_spread_over_the_whole_video(tmp_path, folder, heading):
    array = drawn(100, 3)
    text = "\n".join(",".join(map(repr, map(float, row))) for row in array)
    (folder / "v.csv").write_text((heading and heading + "\n") + text + "\n")
    cache, _ = imported(folder, tmp_path, rescaled=True, durations={"v": 50.0})
    assert np.array_equal(cache["v"].data, array)
    assert cache["v"].end_seconds[[0, -1]].tolist() == [0.5, 50.0]
    with pytest.raises(UsageError, match="durations of 1 of 1 videos are not known"):
        import_features(folder, tmp_path / "other", rescaled=True)


@pytest.mark.parametrize("axis", [0, 1])
def test_ten_crops(tmp_path, folder, axis):
    array = drawn(20, 10, 3)
    np.save(folder / "v.npy", np.moveaxis(array, 1, axis))
    with pytest.raises(UsageError, match="several crops") as caught:
        import_features(folder, tmp_path / "none", **GRID)
    assert "--crops" in caught.value.next
    assert not (tmp_path / "none").exists()
    wanted = {"mean": array.mean(axis=1), "first": array[:, 0], "all": array.reshape(20, 30)}
    for crops, data in wanted.items():
        cache, _ = imported(folder, tmp_path, crops=crops)
        assert np.allclose(cache["v"].data, data, atol=1e-6)
        assert cache.recipe["crops"] == crops


TENSOR = torch.from_numpy(drawn(6, 4))
BFLOAT = TENSOR.to(torch.bfloat16)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (BFLOAT, BFLOAT.float()),
        (TENSOR.half(), TENSOR.half().float()),
        (TENSOR.clone().requires_grad_(), TENSOR),
        ({"features": torch.nn.Parameter(TENSOR), "label": 3, "name": "v"}, TENSOR),
        (list(TENSOR), TENSOR),
        ([row[None] for row in TENSOR], TENSOR),
        ({"feats": TENSOR.numpy()}, TENSOR),
        (TENSOR.t().contiguous().t(), TENSOR),
        (TENSOR.double()[1:5, 1:], TENSOR[1:5, 1:]),
        (TENSOR.tolist(), TENSOR),
    ],
    ids=["bfloat16", "half", "grad", "parameter", "list", "rows", "numpy", "strided", "part", "plain"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_whatever_torch_saves(tmp_path, value, expected, zipped):
    path = tmp_path / "v.pt"
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    assert np.array_equal(read_array(path), expected.numpy())


def test_pickles_of_tensors_and_scalars(tmp_path):
    (tmp_path / "v.pkl").write_bytes(pickle.dumps({"feat": TENSOR, "fps": np.float64(25), "frames": 96}))
    assert np.array_equal(read_array(tmp_path / "v.pkl"), TENSOR.numpy())
    np.save(tmp_path / "v.npy", {"feats": TENSOR.numpy()}, allow_pickle=True)
    assert np.array_equal(read_array(tmp_path / "v.npy"), TENSOR.numpy())


def test_arrays_the_other_way_round_are_refused_before_anything_is_written(tmp_path, folder):
    for name, count in (("a", 30), ("b", 40), ("c", 31)):
        np.save(folder / f"{name}.npy", drawn(16, count))
    with pytest.raises(UsageError, match=r"\(D, T\)") as caught:
        import_features(folder, tmp_path / "cache", **GRID)
    assert caught.value.next == "--transposed"
    assert not (tmp_path / "cache").exists()
    cache, _ = imported(folder, tmp_path, transposed=True)
    assert cache.shape_of("b") == (40, 16)
    np.save(folder / "c.npy", drawn(31, 16))
    for name in "abd":
        np.save(folder / f"{name}.npy", drawn(25 + ord(name), 16))
    np.save(folder / "e.npy", drawn(16, 28))
    failed = import_features(folder, tmp_path / "other", **GRID).failed
    assert [one.subject for one in failed] == ["e"]
    assert "probably (D, T)" in failed[0].why


@pytest.mark.parametrize(
    ("shape", "durations", "refused"),
    [
        ((1024, 90), {}, True),  # a width in use
        ((90, 1024), {}, False),
        ((40, 90), {"v": 90 * 0.64}, True),  # what the annotations make probable
        ((90, 40), {"v": 90 * 0.64}, False),
        ((1024, 2048), {"v": 1024 * 0.64}, False),
    ],
)
def test_one_array_alone_is_judged_by_its_width_and_duration(tmp_path, folder, shape, durations, refused):
    np.save(folder / "v.npy", drawn(*shape))
    if refused:
        with pytest.raises(UsageError, match=r"\(D, T\)"):
            import_features(folder, tmp_path / "cache", **GRID, durations=durations)
    else:
        assert imported(folder, tmp_path, durations=durations)[0].shape_of("v") == shape


@pytest.mark.parametrize("shape", [(8, 1), (1, 8, 1), (8, 1, 1, 1)])
def test_a_single_row_stays_a_row_when_axes_are_turned(tmp_path, folder, shape):
    np.save(folder / "v.npy", drawn(*shape))
    assert imported(folder, tmp_path, transposed=True)[0].shape_of("v") == (1, 8)


def test_a_pooled_vector_is_no_video_of_one_row(tmp_path, folder):
    np.save(folder / "v.npy", drawn(1024))
    reason = import_features(folder, tmp_path / "cache", **GRID).failed[0].why
    assert "one vector for the whole video" in reason


def test_rows_that_do_not_cover_the_video_are_said(tmp_path, folder):
    np.save(folder / "v.npy", drawn(50, 4))
    _, said = imported(folder, tmp_path, durations={"v": 64.0})
    assert "v has 50, and 100 would cover it" in said[0]


def test_frame_rates_of_annotations(tmp_path):
    path = tmp_path / "anno.json"
    path.write_text(json.dumps({"database": {"v": {"fps": 29.97, "annotations": []}, "w": {"annotations": []}}}))
    assert read_rates(str(path)) == {"v": 29.97}
    assert read_rates("25") == 25.0
    path.write_text("[]")
    with pytest.raises(UsageError, match="no frame rates"):
        read_rates(str(path))


def test_names_that_nearly_fit_the_data_set(tmp_path, folder, capsys):
    data = tmp_path / "set"
    data.mkdir()
    (data / "labels.csv").write_text("video,label\na1,Run\nb2,Jump\nc3,Run\n")
    for name in ("v_a1", "B2.mp4", "stranger"):
        np.save(folder / f"{name}.npy", drawn(9, 4))
    arguments = ["import-features", str(folder), "--fps", "25", "--length-frames", "16", "--stride-frames", "16"]
    assert run([*arguments, "--dataset", str(data)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    for expected in ("B2.mp4 as b2", "v_a1 as a1", "stranger", "c3"):
        assert expected in said
    assert list(FeatureCache(data / "features")) == ["a1", "b2", "stranger"]
    (data / "labels.csv").write_text("video,label\nx,Run\ny,Jump\n")
    assert run([*arguments, "--dataset", str(data)]) == 2
    assert "none of these features is of a video of the data set" in capsys.readouterr().err


def test_what_was_not_said_is_asked_for(tmp_path, folder):
    np.save(folder / "v.npy", drawn(9, 4))
    with pytest.raises(UsageError, match="--fps and --length-frames and --stride-frames missing"):
        import_features(folder, tmp_path / "cache")


def test_matlab_7_3_is_read_with_its_axes_turned_back(tmp_path):
    array = drawn(5, 3)
    with h5py.File(tmp_path / "v.mat", "w", userblock_size=512) as file:
        file["feat"] = array.T
    content = bytearray((tmp_path / "v.mat").read_bytes())
    content[:19] = b"MATLAB 7.3 MAT-file"
    (tmp_path / "v.mat").write_bytes(content)
    assert np.array_equal(read_array(tmp_path / "v.mat"), array)


def test_keys_that_are_not_there(tmp_path):
    np.savez(tmp_path / "v.npz", rgb=drawn(4, 2), flow=drawn(4, 2))
    with pytest.raises(FeatureError, match="no array 'depth'"):
        read_array(tmp_path / "v.npz", keys=("rgb", "depth"))
