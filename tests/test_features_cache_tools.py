from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from thas.core.errors import FeatureError, PartialFailure, UsageError
from thas.features.cache import FeatureCache, Features, write_features
from thas.features.cache_tools import compare_caches, pack_cache, verify_cache

RECIPE = {"backbone": "c3d", "layer": "fc7"}


def _write(folder, video="a", *, data=None, start=0.0, recipe=RECIPE, source=None):
    data = np.arange(12, dtype=np.float32).reshape(3, 4) if data is None else data
    times = start + np.arange(len(data)) * 0.5
    lost = np.array([0, 0.5, 0]) if len(data) == 3 else None
    features = Features(video, data, times, times + 0.5, float(times[-1] + 0.5), lost)
    return write_features(folder, features, recipe=recipe, source=source)


def test_a_good_cache(tmp_path):
    _write(tmp_path, "a")
    _write(tmp_path, "b", source={"partial": True})
    found = verify_cache(tmp_path, expected=["a", "b", "c"])
    assert (found.videos, found.rows, found.faults) == (2, 6, {})
    assert found.partial == ("b",)
    assert found.missing == ("c",)


def _spoil(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def _nan(file):
    file["features"][1, 2] = np.nan


def _times(file):
    file["start_seconds"][0] = 9.0


def _fewer(file):
    del file["end_seconds"]
    file["end_seconds"] = np.zeros(2)


def _lost(file):
    file["lost_seconds"][1] = 0.25


def _fewer_lost(file):
    del file["lost_seconds"]
    file["lost_seconds"] = np.zeros(2)


def _no_duration(file):
    file["source"].attrs["duration_seconds"] = np.nan


def _recipe(file):
    file["recipe"].attrs["layer"] = "fc6"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_nan, "row 1 holds NaN"),
        (_times, "start_seconds falls after row 0"),
        (_fewer, "end_seconds must be (3,), one a row, but is (2,)"),
        (_lost, "'lost_seconds' has changed since it was written"),
        (_fewer_lost, "lost_seconds must be (3,), one a row, but is (2,)"),
        (_no_duration, "duration_seconds is nan"),
        (_recipe, "another recipe than the first video's: layer: 'fc7' and 'fc6'"),
    ],
)
def test_a_faulty_file_is_named(tmp_path, change, why):
    _write(tmp_path, "a")
    _spoil(_write(tmp_path, "b"), change)
    assert verify_cache(tmp_path).faults["b"].startswith(why)
    with pytest.raises(FeatureError):  # what is called sound can be read, and the other way round
        FeatureCache(tmp_path)["b"]


def test_a_truncated_file_and_another_width(tmp_path):
    _write(tmp_path, "a")
    path = _write(tmp_path, "b")
    path.write_bytes(path.read_bytes()[:700])
    _write(tmp_path, "c", data=np.zeros((2, 5)))
    faults = verify_cache(tmp_path).faults
    assert set(faults) == {"b", "c"}
    assert faults["c"] == "its rows have 5 numbers, the first video's 4"


def test_the_same_twice_is_the_same(tmp_path):
    for name in ("x", "y"):
        _write(tmp_path / name, recipe=RECIPE | {"thas_version": name})
    found = compare_caches(tmp_path / "x", tmp_path / "y")
    assert found.same
    assert found.equal == ["a"]
    assert found.versions == ["thas_version: 'x' and 'y'"]


def test_differences_are_told_apart(tmp_path):
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    x, y = tmp_path / "x", tmp_path / "y"
    _write(x, "values", data=base)
    _write(y, "values", data=base + np.float32(0.5), recipe=RECIPE | {"layer": "fc6"})
    _write(x, "times", data=base)
    _write(y, "times", data=base, start=0.25)
    _write(x, "shape", data=base)
    _write(y, "shape", data=base[:2])
    _write(x, "mine", data=base)
    _write(y, "yours", data=base)
    found = compare_caches(x, y)
    assert not found.same
    assert found.values == {"values": (0.5, pytest.approx(0.5 / 11))}
    assert found.times == {"times": 0.25}
    assert found.shapes == {"shape": ((3, 4), (2, 4))}
    assert (found.only_first, found.only_second) == (["mine"], ["yours"])


@pytest.mark.parametrize("how", ["copy", "links"])
def test_a_packed_cache_reads_like_the_folder(tmp_path, how):
    for video in ("a", "b c", "../d"):
        _write(tmp_path / "cache", video)
    target = tmp_path / "deep" / "packed.h5"
    assert pack_cache(tmp_path / "cache", target, how=how) == 3
    packed, folder = FeatureCache(target), FeatureCache(tmp_path / "cache")
    assert list(packed) == list(folder)
    assert packed.recipe == RECIPE
    for video in folder:
        assert np.array_equal(packed[video].data, folder[video].data)
        assert packed.source_of(video) == folder.source_of(video)
    assert verify_cache(target).faults == {}
    assert compare_caches(target, tmp_path / "cache").same
    assert [path.name for path in target.parent.iterdir()] == ["packed.h5"]
    with pytest.raises(UsageError, match="packed already"):
        pack_cache(target, tmp_path / "again.h5")


def test_a_damaged_cache_is_not_packed(tmp_path):
    _write(tmp_path / "cache", "a")
    (tmp_path / "cache" / "b.h5").write_bytes(b"nothing")
    with pytest.raises(FeatureError, match=r"b\.h5"):
        pack_cache(tmp_path / "cache", tmp_path / "packed.h5")
    assert not (tmp_path / "packed.h5").exists()


def test_the_command_line(tmp_path, capsys):
    from thas.cli.cache import features_diff, features_pack, features_verify
    from thas.cli.options import Printed

    cache = tmp_path / "cache"
    _write(cache, "a")
    features_verify(cache)
    assert capsys.readouterr().out == f"1 video, 3 rows, 0 faulty: {cache}\n"
    features_pack(cache, tmp_path / "p.h5")
    assert features_diff(cache, tmp_path / "p.h5") == 0
    assert "equal    1 video" in capsys.readouterr().out
    _spoil(_write(cache, "b"), _nan)
    with pytest.raises(PartialFailure, match=r"1 file of .* is faulty: b"):
        features_verify(cache, remove=True, printed=Printed(json=True))
    told = capsys.readouterr()
    assert json.loads(told.out)["faults"] == {"b": "row 1 holds NaN or infinity"}
    assert "run the same extraction again" in told.err
    assert list(FeatureCache(cache)) == ["a"]
    _write(tmp_path / "other", "a", data=np.zeros((3, 4)), recipe=RECIPE | {"layer": "fc6"})
    assert features_diff(cache, tmp_path / "other") == 1
    printed = capsys.readouterr().out
    assert "recipe   layer: 'fc7' and 'fc6'" in printed
    assert "numbers  1 video differs, most a: by 11, 1 of its largest" in printed
    assert features_diff(cache, tmp_path / "other", printed=Printed(json=True)) == 1
    assert json.loads(capsys.readouterr().out)["same"] is False
    _spoil(_write(tmp_path / "made", "a", recipe=RECIPE | {"imported_source": "arrays"}), _nan)
    with pytest.raises(PartialFailure) as caught:
        features_verify(tmp_path / "made", remove=True)
    assert "thas import-features arrays" in caught.value.next
