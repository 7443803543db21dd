"""Feature files that are nearly of a known layout: read right, or refused for the true reason, with helping advice."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
import torch

from thas.core.errors import FeatureError, UsageError
from thas.features.cache import FeatureCache
from thas.features.importing import read_rates

from .feature_imports import imported as import_features
from .feature_imports import read_array

GRID = {"fps": 25.0, "length_frames": 16, "stride_frames": 16}
DRAW = np.random.default_rng(0)


def drawn(*shape):
    return DRAW.normal(size=shape).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "arrays"
    folder.mkdir()
    return folder


def put(folder, **arrays):
    """Write arrays by place, `__` for a folder."""
    for name, array in arrays.items():
        path = folder / f"{name.replace('__', '/')}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)


def test_folders_of_streams_with_other_names_are_joined_as_the_advice_says(tmp_path, folder):
    put(folder, spatial__a=drawn(9, 4), temporal__a=drawn(9, 4))
    with pytest.raises(UsageError, match="two files") as caught:
        import_features(folder, tmp_path / "none", **GRID)
    assert "--key spatial temporal" in caught.value.next
    import_features(folder, tmp_path / "cache", **GRID, keys=("spatial", "temporal"))
    assert FeatureCache(tmp_path / "cache").shape_of("a") == (9, 8)


def test_a_folder_a_video(tmp_path, folder):
    put(folder, a__rgb=drawn(9, 4), a__flow=drawn(9, 4), b__rgb=drawn(8, 4), b__flow=drawn(8, 4))
    import_features(folder, tmp_path / "cache", **GRID)
    cache = FeatureCache(tmp_path / "cache")
    assert {video: cache.shape_of(video) for video in cache} == {"a": (9, 8), "b": (8, 8)}


def test_a_video_that_lacks_a_stream_is_named(tmp_path, folder):
    put(folder, rgb__a=drawn(9, 4), flow__a=drawn(9, 4), rgb__b=drawn(9, 4), flow__b=drawn(9, 4), rgb__c=drawn(9, 4))
    (failure,) = import_features(folder, tmp_path / "cache", **GRID).failed
    assert (failure.subject, failure.why) == ("c", "it has rgb, others have flow, rgb")
    assert "--key rgb" in failure.next
    put(tmp_path / "two", a_rgb=drawn(9, 4), b_flow=drawn(9, 4))  # never one cache of two kinds
    assert len(import_features(tmp_path / "two", tmp_path / "other", **GRID).failed) == 1


def test_tables_of_videos_inside_other_tables(tmp_path, folder):
    rows = {name: drawn(5 + i, 4) for i, name in enumerate("abcd")}
    with h5py.File(folder / "all.h5", "w") as file:
        for name, array in rows.items():
            file[f"{'train' if name < 'c' else 'test'}/{name}"] = array
    import_features(folder, tmp_path / "cache", **GRID)
    assert list(FeatureCache(tmp_path / "cache")) == list("abcd")
    (folder / "all.h5").unlink()
    (folder / "all.pkl").write_bytes(pickle.dumps({"features": rows, "fps": 25}))
    import_features(folder, tmp_path / "other", **GRID)
    assert np.array_equal(FeatureCache(tmp_path / "other")["d"].data, rows["d"])


@pytest.mark.parametrize("wrap", [lambda arrays: arrays, lambda arrays: {"names": ["a", "b"], "features": arrays}])
def test_a_list_does_not_say_whose_its_arrays_are(tmp_path, folder, wrap):
    (folder / "all.pkl").write_bytes(pickle.dumps(wrap([drawn(5, 4), drawn(6, 4)])))
    with pytest.raises(FeatureError, match="list of arrays"):
        import_features(folder, tmp_path / "cache", **GRID)


def test_tensors_of_kinds_that_are_not_read(tmp_path):
    torch.save(torch.eye(4).to_sparse(), tmp_path / "v.pt")
    with pytest.raises(FeatureError) as caught:
        read_array(tmp_path / "v.pt")
    assert "save tensor.to_dense().float()" in (caught.value.why or "")


def test_arrays_that_lie_both_ways_are_refused_whole(tmp_path, folder):
    put(folder, a=drawn(16, 20), b=drawn(16, 33), c=drawn(25, 16))
    with pytest.raises(UsageError, match=r"some arrays are \(T, D\) and some \(D, T\)") as caught:
        import_features(folder, tmp_path / "cache", **GRID)
    assert caught.value.why == "16 is the width of c and the number of rows of a, b"
    assert not (tmp_path / "cache").exists()


def test_crops_of_turned_arrays(tmp_path, folder):
    array = drawn(10, 16, 20)
    put(folder, a=array, b=drawn(10, 16, 33))
    with pytest.raises(UsageError, match=r"\(D, T\)"):
        import_features(folder, tmp_path / "none", **GRID, crops="first")
    import_features(folder, tmp_path / "cache", **GRID, crops="first", transposed=True)
    assert np.array_equal(FeatureCache(tmp_path / "cache")["a"].data, array[0].T)


def test_text_with_decimal_commas_and_columns_of_time(tmp_path):
    (tmp_path / "v.csv").write_text("0,5;1,25;-2\n1;2,5;3\n")
    assert read_array(tmp_path / "v.csv").tolist() == [[0.5, 1.25, -2], [1, 2.5, 3]]
    (tmp_path / "w.csv").write_text("time,f0,f1\n0.0,1,2\n0.64,3,4\n")
    with pytest.raises(FeatureError) as caught:
        read_array(tmp_path / "w.csv")
    assert "column 'time' is no feature" in (caught.value.why or "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"fps": 0.0}, "--fps must be above 0"),
        ({"fps": float("nan")}, "--fps must be above 0"),
        ({"length_frames": 0}, "--length-frames must be above 0"),
        ({"stride_frames": -1.0}, "--stride-frames must be above 0"),
        ({"offset_frames": float("inf")}, "--offset-frames must be a number"),
    ],
)
def test_impossible_times(tmp_path, folder, wrong, said):
    put(folder, a=drawn(9, 4))
    with pytest.raises(UsageError, match=said):
        import_features(folder, tmp_path / "cache", **GRID | wrong)


def test_rates_of_nearly_the_right_names(tmp_path, folder):
    put(folder, x=drawn(9, 4))
    (failure,) = import_features(folder, tmp_path / "cache", **GRID | {"fps": {"v_x": 25.0}}).failed
    assert "'v_x' is probably 'x'" in failure.why
    with pytest.raises(UsageError, match="25fps is neither a number nor a file"):
        read_rates("25fps")
