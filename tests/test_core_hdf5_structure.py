"""Files whose structure leads back into itself, which HDF5's own library does not survive: never opened here."""

from __future__ import annotations

import struct

import h5py
import numpy as np
import pytest

from thas.core import hdf5
from thas.core.errors import FeatureError
from thas.core.hdf5_structure import check_structure
from thas.features.cache import FeatureCache, write_features
from thas.features.cache_tools import pack_cache, verify_cache
from thas.features.video_features import read_attributes, write_attributes

from .conftest import make_features
from .feature_imports import read_array


def written(path, *, members=1, text="a word"):
    """A file as h5py writes it by default: a group of arrays with a text of variable length."""
    with h5py.File(path, "w") as file:
        group = file.create_group("group")
        for i in range(members):
            group[f"array{i}"] = np.ones((2, 3))
        group.attrs["text"] = text
    return bytearray(path.read_bytes())


def places(content, signature):
    at = content.find(signature)
    while at >= 0:
        yield at
        at = content.find(signature, at + 1)


def endless_texts(content, *, size):
    """The free room behind the texts of a heap takes no room."""
    for at in places(content, b"GCOL"):
        start, index = at + 16, 1
        while index:
            index, length = struct.unpack_from("<H6xQ", content, start)
            if index == 0:
                struct.pack_into("<Q", content, start + 8, 0)
            elif size is not None:  # with its heading a text takes none
                struct.pack_into("<Q", content, start + 8, size)
                break
            start += 16 + -(-length // 8) * 8


def endless_names(content):
    for at in places(content, b"HEAP"):
        free, address = struct.unpack_from("<QQ", content, at + 16)
        if free != 1:
            struct.pack_into("<Q", content, address + free, free)


def endless_tree(content):
    for at in places(content, b"TREE"):
        kind, level, used = struct.unpack_from("<BBH", content, at + 4)
        for i in range(used if (kind, level) == (0, 1) else 0):
            struct.pack_into("<Q", content, at + 32 + 16 * i, at)


DAMAGES = {
    "no size": (lambda content: endless_texts(content, size=None), "texts of variable length"),
    "a size that wraps round": (lambda content: endless_texts(content, size=2**64 - 16), "texts of variable length"),
    "names": (endless_names, "list of names leads back"),
    "tree": (endless_tree, "tree of members leads back"),
}


@pytest.mark.parametrize(("damage", "why"), DAMAGES.values(), ids=DAMAGES)
def test_what_leads_back_into_itself_is_refused_before_it_is_read(tmp_path, damage, why):
    path = tmp_path / "v.h5"
    content = written(path, members=300)
    check_structure(path)
    sound = bytes(content)
    damage(content)
    assert bytes(content) != sound
    path.write_bytes(content)
    with pytest.raises(ValueError, match=why):
        check_structure(path)
    with pytest.raises(FeatureError) as caught:
        read_array(path)
    assert why in str(caught.value.why)
    with pytest.raises(FeatureError) as caught:
        FeatureCache(path, strange=True)
    assert why in str(caught.value.why)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/v.h5").write_bytes(content)
    assert why in verify_cache(tmp_path / "cache").faults["v"]
    with pytest.raises(FeatureError) as caught:
        pack_cache(tmp_path / "cache", tmp_path / "all.h5")
    assert why in str(caught.value.why)
    moved = tmp_path / "moved.h5"  # MATLAB puts 512 bytes before what is HDF5
    with h5py.File(moved, "w", userblock_size=512) as file:
        file["a"] = np.ones(3)
    check_structure(moved)
    behind = bytearray(moved.read_bytes()[:512] + bytes(content))
    struct.pack_into("<Q", behind, 512 + 24, 512)
    moved.write_bytes(behind)
    with pytest.raises(ValueError, match=why):
        check_structure(moved)


@pytest.mark.parametrize("version", ["earliest", "v110", "latest"])
def test_sound_files_pass(tmp_path, version):
    path = tmp_path / "v.h5"
    with h5py.File(path, "w", libver=version) as file:
        for i in range(300):
            file.create_group(f"group {i}").attrs["texts"] = ["one", "zwei", "три" * i]
        file.create_dataset("chunks", data=np.arange(4000.0), chunks=(2,))
        file["signatures"] = np.frombuffer(b"GCOLHEAPTREE" * 500, np.uint8)
        del file["group 7"]
    check_structure(path)


def test_only_files_with_addresses_of_eight_bytes_are_read(tmp_path):
    path = tmp_path / "v.h5"
    made = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    made.set_sizes(4, 4)
    h5py.h5f.create(str(path).encode(), fcpl=made).close()
    with pytest.raises(ValueError, match="addresses have 4 bytes"):
        check_structure(path)
    for content in (b"", b"no HDF5", b"\x89HDF\r\n\x1a\n"):
        path.write_bytes(content)
        with pytest.raises(FeatureError):
            read_array(path)


def test_texts_are_kept_where_no_heap_is_needed(tmp_path):
    path = tmp_path / "v.h5"
    values = {"text": "Längen", "empty": "", "list": ["a", "bcd", "é"], "none": None, "number": 3, "no texts": []}
    with h5py.File(path, "w") as file:
        write_attributes(file, values)
    assert b"GCOL" not in path.read_bytes()
    with h5py.File(path) as file:
        assert read_attributes(file) == values
        assert hdf5.attribute(file, "text") == "Längen"
        assert hdf5.attribute(file, "absent") is None
        assert hdf5.texts(file, "list") == ["a", "bcd", "é"]


def test_texts_of_variable_length_are_still_read_and_looked_at(tmp_path):
    """As caches of older versions have them."""
    path = tmp_path / "v.h5"
    content = written(path, text="Längen")
    with h5py.File(path) as file:
        assert hdf5.attribute(file["group"], "text") == "Längen"
    endless_texts(content, size=None)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="variable length"):
        check_structure(path, heaps_alone=True)
    with h5py.File(path) as file, pytest.raises(ValueError, match="variable length"):
        hdf5.attribute(file["group"], "text")


def test_more_text_than_hdf5_holds_in_one_place_is_kept_too(tmp_path):
    path = tmp_path / "v.h5"
    names = [f"class {i}" for i in range(2000)] + ["w" * 100]
    with h5py.File(path, "w") as file:
        file.attrs["classes"] = hdf5.fixed(names)
        with pytest.raises(ValueError, match="NULLs"):  # else it would be read without its end
            file.attrs["zero"] = hdf5.fixed("ends with\0")
    with h5py.File(path) as file:
        assert hdf5.texts(file, "classes") == names


def test_groups_with_many_names_are_read_once(tmp_path):
    """Thirty links from a group to itself are 30 ** 8 ways."""
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file["features"] = np.ones((5, 3))
        for i in range(30):
            file[f"again{i}"] = file["/"]
    assert read_array(path).shape == (5, 3)


def test_verify_looks_at_the_structure(tmp_path):
    for video in "ab":
        write_features(tmp_path / "cache", make_features(video, np.ones((3, 2))), recipe={"layer": "fc7"})
    assert not verify_cache(tmp_path / "cache").faults
    path = tmp_path / "cache" / "b.h5"
    with h5py.File(tmp_path / "old.h5", "w") as old, h5py.File(path) as file:  # in the form of older versions of HDF5
        old.attrs.update(file.attrs)
        for name in file:
            file.copy(name, old)
    content = bytearray((tmp_path / "old.h5").read_bytes())
    endless_names(content)
    path.write_bytes(content)
    found = verify_cache(tmp_path / "cache").faults
    assert list(found) == ["b"]
    assert "leads back" in found["b"]
