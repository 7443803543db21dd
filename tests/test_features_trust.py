"""Feature files that a stranger made, or that a disk changed: refused by name, never other numbers without a word."""

from __future__ import annotations

import os
import pickle
import struct

import h5py
import numpy as np
import pytest
import torch

from thas.core.errors import FeatureError, UsageError
from thas.features.cache import FeatureCache, write_features
from thas.features.cache_tools import pack_cache, verify_cache
from thas.features.importing import find_sources
from thas.features.pickled_arrays import load_array

from .conftest import make_features
from .feature_imports import imported as import_features
from .feature_imports import read_array

RECIPE = {"backbone": "c3d", "layer": "fc7", "mean": [1.0, 2.0], "crop": 112, "note": None}
DRAW = np.random.default_rng(0)


def written(folder, video="v", **options):
    features = make_features(video, DRAW.normal(size=(40, 6)))
    frames = np.arange(40)
    source = {"path": "videos/v.mp4", "frames": 400, "decoder": "pyav"}
    return features, write_features(folder, features, recipe=RECIPE, centre_frame=frames, source=source, **options)


@pytest.mark.parametrize(
    ("options", "flips"),
    [({}, 50), ({"compress": True}, 15), ({"dtype": "float16"}, 15)],
    ids=["plain", "gzip", "float16"],
)
def test_no_flipped_bit_gives_other_numbers(tmp_path, options, flips):
    _, path = written(tmp_path, **options)
    cache = FeatureCache(tmp_path)
    expected, source = cache["v"], cache.source_of("v")
    whole = path.read_bytes()
    seen = 0
    for place in DRAW.choice(len(whole) * 8, flips, replace=False):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        named = set(verify_cache(tmp_path).faults) == {"v"}
        try:
            found = FeatureCache(tmp_path)["v"]
        except FeatureError:
            assert named  # what cannot be read is never called sound
            seen += 1
            continue
        assert np.array_equal(found.data, expected.data)
        assert np.array_equal(found.end_seconds, expected.end_seconds)
        assert named or FeatureCache(tmp_path).source_of("v") == source
    assert seen > flips // 10


def test_files_of_older_versions_are_read_and_counted(tmp_path):
    features, path = written(tmp_path)
    with h5py.File(path, "a") as file:
        del file.attrs["crc32"]
        file["features"][3, 2] += 1
    assert FeatureCache(tmp_path)["v"].data[3, 2] == features.data[3, 2] + 1
    assert (verify_cache(tmp_path).faults, verify_cache(tmp_path).unchecked) == ({}, 1)


def test_rows_in_any_order_and_fewer_than_planned_are_summed(tmp_path):
    from thas.features.cache_writer import FeatureWriter

    data = DRAW.normal(size=(10, 3)).astype(np.float32)
    times = np.arange(6.0)
    with FeatureWriter(tmp_path, video="v", rows=10, dimension=3) as writer:
        for row in (4, 0, 2, 6):
            writer.write(row, data[row : row + 2])
        writer.commit(start_seconds=times, end_seconds=times + 1, duration_seconds=9.0, recipe=RECIPE, rows=6)
    assert np.array_equal(FeatureCache(tmp_path)["v"].data, data[:6])
    assert verify_cache(tmp_path).faults == {}


def _external_link(file, other):
    file["features"] = h5py.ExternalLink(other, "features")


def _soft_link(file, _):
    file["features"] = h5py.SoftLink("/recipe")


def _external_storage(file, other):
    file.create_dataset("features", (40, 6), "f4", external=[(other, 0, 960)])


def _virtual(file, other):
    layout = h5py.VirtualLayout((40, 6), "f4")
    layout[:] = h5py.VirtualSource(other, "features", (40, 6))
    file.create_virtual_dataset("features", layout)


def _huge(file, _):
    file.create_dataset("features", (10**12, 6), "f4", chunks=(64, 6))


def _unwritten(file, _):
    file.create_dataset("features", (10**9, 600), "f4")


def _group(file, _):
    file.create_group("features")


def _texts(file, _):
    file["features"] = np.array([["a"]], dtype=h5py.string_dtype())


def _flat(file, _):
    file["features"] = np.zeros(6, np.float32)


HOSTILE = [_external_link, _soft_link, _external_storage, _virtual, _huge, _unwritten, _group, _texts, _flat]


@pytest.mark.parametrize("trap", HOSTILE)
def test_hdf5_that_points_elsewhere_or_claims_too_much(tmp_path, trap):
    _, path = written(tmp_path / "cache")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["features"] = np.ones((40, 6), np.float32)
    with h5py.File(path, "a") as file:
        del file["features"]
        trap(file, str(other))
    with pytest.raises(FeatureError, match="cannot read"):
        FeatureCache(tmp_path / "cache")["v"]
    assert set(verify_cache(tmp_path / "cache").faults) == {"v"}
    with h5py.File(tmp_path / "x.h5", "w") as file:
        trap(file, str(other))
    assert not import_fails_to_be_refused(tmp_path / "x.h5", tmp_path / "out")


def import_fails_to_be_refused(path, out) -> bool:
    """Whether an import read anything of a file that it should refuse."""
    try:
        return bool(import_features(path, out, fps=25, length_frames=16, stride_frames=8).done)
    except (FeatureError, UsageError):
        return False


def test_links_of_packed_caches_lead_to_caches_alone(tmp_path):
    written(tmp_path / "data" / "cache")
    packed = tmp_path / "packs" / "p.h5"
    assert pack_cache(tmp_path / "data" / "cache", packed, how="links") == 1
    assert len(FeatureCache(packed)["v"]) == 40
    far = tmp_path / "packs" / "deep" / "er" / "p.h5"
    with pytest.raises(UsageError, match="cannot link"):
        pack_cache(tmp_path / "data" / "cache", far, how="links")
    far.parent.mkdir(parents=True)
    for link in (tmp_path / "data" / "cache" / "v.h5", "../../../data/cache/w.h5"):
        with h5py.File(far, "w") as file:
            file["v.h5"] = h5py.ExternalLink(str(link), "/")
        with pytest.raises(FeatureError, match="cannot read") as caught:
            FeatureCache(far)["v"]
        assert "is a link" in caught.value.why


def test_a_pipe_is_no_feature_file(tmp_path):
    written(tmp_path)
    os.mkfifo(tmp_path / "pipe.h5")
    assert set(verify_cache(tmp_path).faults) == {"pipe"}
    assert [one.video for one in find_sources(tmp_path)] == ["v"]


def _header(shape, descr="|O"):
    import io

    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": descr, "fortran_order": False, "shape": shape})
    return head.getvalue()


class _State:
    """Pickles as an array whose state is told here."""

    def __init__(self, *state):
        self.state = state

    def __reduce__(self):
        return np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), self.state


@pytest.mark.parametrize(
    "value",
    [
        _State(1, (2, 6, 4), np.dtype("O"), False, [1.0] * 12),  # shorter than its shape: numpy reads past the list
        _State(1, (10**12,), np.dtype("f8"), False, b"\0" * 8),
        _State(1, (2,), np.dtype("f8"), False, b"\0" * 15),
        _State(1, (-1,), np.dtype("f8"), False, b""),
        _State(1, (1,), np.dtype("f8"), False, ["text"]),
        _State(1, (2,), "f8", False, b"\0" * 16),
        {("a", ("b", ("c",))): 1},
        {1, 2},
        [[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]],
    ],
)
def test_arrays_are_made_of_parts_that_agree(tmp_path, value):
    path = tmp_path / "v.npy"
    path.write_bytes(_header((1,)) + pickle.dumps([value], protocol=4))
    with pytest.raises(FeatureError, match="cannot be read"):
        load_array(path)


@pytest.mark.parametrize(
    "body",
    [
        b"\x80\x04]r\xff\xff\xff\x7f.",  # a place in the memo that would take 16 GB
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 33) + b"ab.",  # a bytearray of 8 GB
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"ab.",
        b"(" * 100_000 + b"t" * 99_999 + b".",
        b"I" + b"9" * 5000 + b"\n.",
        b"\x80\x02" + b"]" + b"q\x00" + b"h\x00a" * 3 + b".",  # a list that holds itself
    ],
    ids=["memo", "bytearray", "bytes", "nesting", "digits", "loop"],
)
def test_pickles_that_claim_more_than_they_hold(tmp_path, body):
    path = tmp_path / "v.npy"
    path.write_bytes(_header((1,)) + body)
    with pytest.raises(FeatureError, match="cannot be read"):
        load_array(path)
    (tmp_path / "v.pkl").write_bytes(body)
    with pytest.raises(FeatureError):
        read_array(tmp_path / "v.pkl")


def test_a_value_in_a_billion_places_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("thas.features.pickles._MOST_STEPS", 10_000)
    value = [1]
    for _ in range(18):
        value = [value] * 10
    (tmp_path / "v.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(FeatureError, match="cannot be read"):
        read_array(tmp_path / "v.pkl")


def test_small_files_do_not_unpack_to_gigabytes(tmp_path):
    zeros = np.zeros((900, 20000), np.float32)
    np.savez_compressed(tmp_path / "v.npz", zeros)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("features", data=zeros, compression="gzip")
    torch.save(torch.zeros(1).expand(100_000, 20_000), tmp_path / "v.pt")  # one number, said to be two billion
    (tmp_path / "v.npy").write_bytes(_header((10**6, 10**6), "<f4") + b"\0" * 400)
    for suffix in ("npz", "h5", "pt", "npy"):
        with pytest.raises(FeatureError):
            read_array(tmp_path / f"v.{suffix}")


def test_names_that_are_no_text(tmp_path):
    np.save(tmp_path / "videoname.npy", np.array([b"a", b"\xff"]))
    objects = np.empty(2, dtype=object)
    objects[:] = [np.ones((2, 2)), np.ones((3, 2))]
    np.save(tmp_path / "I3DFeatures.npy", objects, allow_pickle=True)
    with pytest.raises(FeatureError, match="no names of videos"):
        find_sources(tmp_path)
