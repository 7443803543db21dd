from __future__ import annotations

import os
import string
import tempfile
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import FeatureError
from thas.core.temporary_names import process_tag, remove_unfinished, remove_unfinished_of
from thas.features.cache import FeatureCache, Features, write_features
from thas.features.cache_writer import FeatureWriter, file_name, video_name

RECIPE = {"backbone": "c3d", "layer": "fc7", "mean": [90.0, 98.0, 102.0], "fps": None, "keep": False, "stride": 8}


def _features(video="v1", rows=3, dimension=4) -> Features:
    starts = np.arange(rows) * 0.5
    data = np.random.default_rng(0).normal(size=(rows, dimension))
    return Features(video, data, starts, starts + 1.0, rows * 0.5 + 0.5)


def test_what_was_written_is_read(tmp_path):
    features = _features()
    path = write_features(tmp_path / "cache", features, recipe=RECIPE, centre_frame=np.array([8, 16, 24]))
    assert path == tmp_path / "cache" / "v1.h5"
    cache = FeatureCache(tmp_path / "cache")
    assert dict.fromkeys(cache) == {"v1": None}
    assert cache.recipe == RECIPE
    assert cache.dimension == 4
    assert cache.shape_of("v1") == (3, 4)
    read = cache["v1"]
    assert np.array_equal(read.data, features.data)
    assert read.data.dtype == np.float32
    assert read.start_seconds.tolist() == [0.0, 0.5, 1.0]
    assert read.end_seconds.tolist() == [1.0, 1.5, 2.0]
    assert read.duration_seconds == 2.0
    assert len(read) == 3


def test_the_file_is_what_the_docs_promise(tmp_path):
    path = write_features(
        tmp_path, _features(), recipe=RECIPE, centre_frame=np.array([8, 16, 24]), source={"frames": 32}
    )
    with h5py.File(path) as file:
        assert set(file) == {"features", "start_seconds", "end_seconds", "centre_frame", "recipe", "source"}
        assert file["features"].dtype == np.float32
        assert file["features"].chunks is None  # contiguous
        assert file["recipe"].attrs["backbone"] == b"c3d"
        assert file["source"].attrs["frames"] == 32


@pytest.mark.parametrize(("dtype", "compress"), [("float16", False), ("float32", True), ("float16", True)])
def test_smaller_files_hold_the_same_numbers(tmp_path, dtype, compress):
    features = _features(rows=70)
    path = write_features(tmp_path, features, recipe=RECIPE, dtype=dtype, compress=compress)
    np.testing.assert_allclose(FeatureCache(tmp_path)["v1"].data, features.data, rtol=0 if dtype == "float32" else 1e-3)
    with h5py.File(path) as file:
        assert file["features"].dtype == dtype
        assert (file["features"].compression == "gzip") == compress


def test_a_number_too_large_for_half_precision_is_an_error(tmp_path):
    features = Features("v1", np.array([[1.0], [1e6]]), [0, 1], [1, 2], 2)
    with pytest.raises(FeatureError, match="not finite") as caught:
        write_features(tmp_path, features, recipe=RECIPE, dtype="float16")
    assert "row 1" in caught.value.why
    assert list(tmp_path.iterdir()) == []


def test_leaving_the_writer_early_leaves_nothing(tmp_path):
    with FeatureWriter(tmp_path, video="v", rows=2, dimension=2) as writer:
        writer.write(0, np.zeros((1, 2)))
        assert [p.name[:11] for p in tmp_path.iterdir()] == [".unfinished"]
    assert list(tmp_path.iterdir()) == []


def test_files_of_several_recipes_written_at_once(tmp_path):
    def write(number):
        recipe = RECIPE | {"number": number % 3}
        write_features(tmp_path / str(number % 3), _features(f"v{number}"), recipe=recipe)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(48)))
    for number in range(3):
        cache = FeatureCache(tmp_path / str(number))
        assert len(cache) == 16
        assert all(cache.recipe_of(video) == RECIPE | {"number": number} for video in cache)


def test_only_what_nobody_writes_any_more_is_removed(tmp_path):
    machine = process_tag().partition(".")[0]
    names = {
        "dead": f".unfinished-{machine}.999999999-v.h5",
        "alive": f".unfinished-{machine}.1-v.h5",
        "elsewhere": ".unfinished-00000000.999999999-v.h5",
        "left elsewhere": ".unfinished-00000000.999999998-v.h5",
        "of an unknown kind": ".unfinished-12-v.h5",
    }
    for name in names.values():
        (tmp_path / name).write_bytes(b"x")
    for left in ("left elsewhere", "alive"):
        os.utime(tmp_path / names[left], (0, 0))
    assert remove_unfinished(tmp_path) == 2
    kept = {names[key] for key in ("alive", "elsewhere", "of an unknown kind")}
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert remove_unfinished_of(tmp_path, "00000000.999999999") == 1
    assert remove_unfinished_of(tmp_path, "00000000.9") == 0


def test_what_is_written_bears_the_name_of_machine_and_process(tmp_path):
    with FeatureWriter(tmp_path, video="v", rows=1, dimension=1):
        assert [path.name for path in tmp_path.iterdir()] == [f".unfinished-{process_tag()}-v.h5"]
        assert process_tag().endswith(f".{os.getpid()}")
    longest = "x" * 255
    while True:  # the longest name that is allowed can be written
        try:
            file_name(longest)
            break
        except FeatureError:
            longest = longest[1:]
    FeatureWriter(tmp_path, video=longest, rows=1, dimension=1).discard()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"data": np.zeros((0, 4))}, "they must be"),
        ({"data": np.zeros(3)}, "they must be"),
        ({"data": np.full((3, 4), np.nan)}, "12 numbers are NaN"),
        ({"start_seconds": [0, 1]}, "start_seconds must be"),
        ({"start_seconds": [0, 2, 1]}, "start_seconds falls after row 1"),
        ({"start_seconds": [0, np.nan, 1]}, "start_seconds of row 1"),
        ({"end_seconds": [1, 1.5, 0.25]}, "end_seconds falls"),
        ({"end_seconds": [0, 0.25, 2]}, "row 1 ends before its start"),
        ({"duration_seconds": np.inf}, "duration_seconds is inf"),
    ],
)
def test_features_check_themselves(change, why):
    good = {"data": np.zeros((3, 4)), "start_seconds": [0, 0.5, 1], "end_seconds": [1, 1.5, 2], "duration_seconds": 2.0}
    Features("v", **good)
    with pytest.raises(FeatureError) as caught:
        Features("v", **(good | change))
    assert caught.value.why.startswith(why)
    assert caught.value.subject == "v"


def test_no_cache_and_an_empty_one(tmp_path):
    with pytest.raises(FeatureError, match="no feature cache"):
        FeatureCache(tmp_path / "absent")
    with pytest.raises(FeatureError, match="is empty"):
        FeatureCache(tmp_path)


def test_an_unknown_video(tmp_path):
    write_features(tmp_path, _features(), recipe=RECIPE)
    cache = FeatureCache(tmp_path)
    with pytest.raises(KeyError):
        cache["v2"]


def test_another_recipe_is_refused_with_the_differing_lines(tmp_path):
    write_features(tmp_path, _features("v1"), recipe=RECIPE | {"thas_version": "0.1"})
    write_features(tmp_path, _features("v2"), recipe=RECIPE | {"thas_version": "0.2"})
    write_features(tmp_path, _features("v3"), recipe=RECIPE | {"layer": "fc6"})
    cache = FeatureCache(tmp_path)
    assert len(cache["v2"]) == 3
    with pytest.raises(FeatureError, match="made differently") as caught:
        cache["v3"]
    assert caught.value.why == "layer: 'fc7' and 'fc6'"


def test_another_width_is_refused(tmp_path):
    write_features(tmp_path, _features("v1"), recipe=RECIPE)
    write_features(tmp_path, _features("v2", dimension=5), recipe=RECIPE)
    with pytest.raises(FeatureError, match="have 5 numbers a row, the others 4"):
        FeatureCache(tmp_path)["v2"]


def test_a_damaged_file_is_named(tmp_path):
    path = write_features(tmp_path, _features("v1"), recipe=RECIPE)
    write_features(tmp_path, _features("v2"), recipe=RECIPE)
    path.write_bytes(b"")
    with pytest.raises(FeatureError, match="cannot read") as caught:
        FeatureCache(tmp_path).recipe_of("v1")
    assert str(path) in str(caught.value)


def test_a_file_without_its_datasets_is_named(tmp_path):
    with h5py.File(tmp_path / "v1.h5", "w") as file:
        file["features"] = np.zeros((2, 2))
    with pytest.raises(FeatureError, match="cannot read"):
        FeatureCache(tmp_path)["v1"]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_any_name_becomes_a_safe_file_name_and_back(video):
    name = file_name(video)
    assert video_name(name) == video
    assert "/" not in name
    assert not name.startswith(".")
    assert name.isprintable()


@pytest.mark.parametrize(
    "video", ["a b", "..", "../../etc/x", "line\nbreak", "100%", "\x00", ".hidden", "a.b", "ü", "x.h5", "\udc80"]
)
def test_odd_names_survive_the_cache(tmp_path, video):
    write_features(tmp_path / "c", _features(video), recipe=RECIPE)
    assert list(FeatureCache(tmp_path / "c")) == [video]
    assert FeatureCache(tmp_path / "c")[video].video == video
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("video", ["", "x" * 300])
def test_impossible_names_are_refused(video):
    with pytest.raises(FeatureError, match="cannot be called"):
        file_name(video)


_VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(string.printable, min_size=1, max_size=20)
)


@given(st.dictionaries(st.text(string.ascii_letters, min_size=1), _VALUES | st.lists(st.floats(0, 1), min_size=1)))
def test_recipes_survive_the_file(recipe):
    with tempfile.TemporaryDirectory() as folder:
        write_features(folder, _features(), recipe=recipe)
        assert FeatureCache(folder).recipe == recipe


def test_the_age_of_anothers_file_is_told_by_the_disks_clock(tmp_path, monkeypatch):
    """One that another machine writes to now stays, though this machine's clock is a week ahead, or behind."""
    fresh = tmp_path / ".unfinished-00000000.7-v.h5"
    fresh.touch()
    for days in (7, -7):
        monkeypatch.setattr("time.time", lambda days=days: 1.8e9 + 86_400 * days)
        assert remove_unfinished(tmp_path) == 0
    os.utime(fresh, (0, 0))
    assert remove_unfinished(tmp_path) == 1
