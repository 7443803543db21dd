"""`SHA256SUMS` beside maps: what changed since is not scored."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from thas.core.errors import DataError
from thas.core.hash_lists import HASHES, read_hashes

from .fuzzed_others import OTHERS

READ = OTHERS["maps"]


def _folder(tmp_path):
    path = tmp_path / READ.file
    READ.make(path)
    np.save(tmp_path / "b.npy", np.ones((2, 3)))
    return path


def _hash(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("mark", [" ", "*"])
def test_maps_are_compared_with_the_list_where_there_is_one(tmp_path, mark):
    path = _folder(tmp_path)
    READ.read(path)  # as they came, without a list
    lines = [f"{_hash(path)} {mark}./a.npy", f"{'0' * 64} {mark}other.npy"]
    (tmp_path / HASHES).write_text("\n".join(lines) + "\n")
    before = READ.read(path)  # b.npy is not listed, and read as it is
    content = bytearray(path.read_bytes())
    for bit in (0, 100, 8 * len(content) - 30):
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"a\.npy is not the file that .*{HASHES} lists"):
            READ.read(path)
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    assert np.array_equal(READ.read(path), before)


def test_a_line_that_is_no_hash_is_named(tmp_path):
    (tmp_path / HASHES).write_text("0" * 64 + "  a.npy\nabc  b.npy\n")
    with pytest.raises(DataError, match=rf"{HASHES}, line 2 is no hash"):
        read_hashes(tmp_path)
