"""MATLAB's files of level 5, read by us; scipy, which writes them here, is the judge."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import ThasError
from thas.features.matlab_files import is_level_5, matlab_arrays

from .feature_imports import read_array

TYPES = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?")


@given(st.sampled_from(TYPES), st.lists(st.integers(0, 6), min_size=2, max_size=4), st.booleans(), st.integers(1, 40))
def test_arrays_are_those_that_scipy_reads(tmp_path_factory, kind, shape, packed, letters):
    array = (np.arange(np.prod(shape)) * 7 % 100 - 20).reshape(shape).astype(kind)
    path, name = tmp_path_factory.mktemp("mat") / "v.mat", "a" * min(letters, 31)
    scipy.io.savemat(path, {"first": np.eye(3), name: array, "title": "words"}, do_compression=packed)
    found = matlab_arrays(path)
    assert set(found) == {"first", name}, "text is no array of numbers"
    assert found[name].shape == array.shape
    assert np.array_equal(found[name].read(), scipy.io.loadmat(path)[name])
    assert np.array_equal(found["first"].read(), np.eye(3))


def test_what_is_no_array_of_real_numbers_is_left_out(tmp_path):
    path = tmp_path / "v.mat"
    cell = np.array([np.ones(2), "word"], dtype=object)
    scipy.io.savemat(path, {"c": cell, "s": {"x": 1.0}, "z": np.array([[1j]]), "feat": np.ones((2, 3))})
    assert set(matlab_arrays(path)) == {"feat"}
    scipy.io.savemat(path, {"z": np.array([[1j, 2]])})
    with pytest.raises(ThasError) as caught:
        read_array(path)
    assert f"{path} holds no features" in str(caught.value)


def test_version_4_is_left_to_scipy(tmp_path):
    path, array = tmp_path / "v.mat", np.arange(6.0).reshape(2, 3)
    scipy.io.savemat(path, {"feat": array}, format="4")
    assert not is_level_5(path)
    assert np.array_equal(read_array(path), array)
    scipy.io.savemat(path, {"feat": array + 1j}, format="4")
    with pytest.raises(ThasError) as caught:
        read_array(path)
    assert "no real numbers" in str(caught.value)


def test_a_flipped_bit_in_what_is_compressed_is_seen(tmp_path):
    """scipy's reader says nothing where the end of the stream, and with it its checksum, is not reached."""
    path = tmp_path / "v.mat"
    scipy.io.savemat(path, {"feat": np.arange(60.0).reshape(12, 5) ** 0.5}, do_compression=True)
    sound = path.read_bytes()
    for place in range(128, len(sound), 3):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1 << place % 8]) + sound[place + 1 :])
        with pytest.raises(ThasError):
            read_array(path)
    for length in range(0, len(sound), 7):
        path.write_bytes(sound[:length])
        with pytest.raises(ThasError):
            read_array(path)


def matrix(*parts: bytes) -> bytes:
    """A file of one array, which is compressed, from its parts, each with its tag."""
    inner = b"".join(parts)
    packed = zlib.compress(np.array([14, len(inner)], "<u4").tobytes() + inner)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return head + np.array([15, len(packed)], "<u4").tobytes() + packed


def part(kind: int, content: bytes) -> bytes:
    return np.array([kind, len(content)], "<u4").tobytes() + content + bytes(-len(content) % 8)


FLAGS, NAME = part(6, np.array([6, 0], "<u4").tobytes()), part(1, b"feat")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ((), "bytes too early"),
        ((FLAGS,), "bytes too early"),
        ((FLAGS, part(5, np.array([2, -3], "<i4").tobytes()), NAME, part(9, bytes(48))), "the shape (2, -3)"),
        ((FLAGS, part(9, bytes(16)), NAME, part(9, bytes(48))), "of type 9"),
        ((FLAGS, part(5, np.array([2, 3], "<i4").tobytes()), NAME, part(9, bytes(40))), "has 40 bytes"),
        ((FLAGS, part(5, np.array([2, 3], "<i4").tobytes()), NAME, part(15, bytes(48))), "stored as type 15"),
        ((FLAGS, part(5, np.array([2**20] * 2, "<i4").tobytes()), NAME, part(9, bytes(48))), "GB in a file"),
    ],
)
def test_what_an_array_claims_is_checked(tmp_path, parts, why):
    path = tmp_path / "v.mat"
    path.write_bytes(matrix(*parts))
    with pytest.raises(ThasError) as caught:
        read_array(path)
    assert why in str(caught.value.why)
