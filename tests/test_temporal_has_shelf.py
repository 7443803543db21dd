"""Sequences of many videos, most of them in a file."""

from pathlib import Path

import numpy as np
import pytest

from thas.temporal_has.activation import ClassActivationSequence, SequenceShelf


def sequence(number: int) -> ClassActivationSequence:
    """A video of one to four snippets and two classes, activations in Fortran's order as networks may give."""
    snippets = 1 + number % 4
    start = np.arange(float(snippets))
    logits = np.asfortranarray(np.random.default_rng(number).normal(size=(snippets, 2)).astype(np.float32))
    sure = np.array([0.1, number], np.float32)
    return ClassActivationSequence(f"v{number}", logits, sure, sure, start, start + 1, 9.0, ("Run", "Jump"), spread=2.5)


def same(one: ClassActivationSequence, other: ClassActivationSequence) -> bool:
    pairs = [(value, vars(other)[name]) for name, value in vars(one).items()]
    return all(np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in pairs)


@pytest.mark.parametrize("memory_bytes", [0, 40, 10**6])
def test_what_was_put_there_comes_back(tmp_path, memory_bytes):
    put = [sequence(i) for i in range(9)]
    shelf = SequenceShelf(put[:3], near=tmp_path, memory_bytes=memory_bytes)
    assert same(shelf[2], put[2]), "reading in between does not disturb what comes after"
    shelf.extend(put[3:])
    assert len(shelf) == 9
    assert all(same(one, other) for one, other in zip(shelf, put, strict=True))
    assert same(shelf[-1], put[-1])
    assert [one.video for one in shelf[1:8:3]] == ["v1", "v4", "v7"]
    shelf.arrange([4, 0])
    assert [one.video for one in shelf] == ["v4", "v0"]
    assert same(shelf[0], put[4])
    shelf[0].logits[:] = 7  # a copy
    assert same(shelf[0], put[4])
    with pytest.raises(IndexError):
        shelf[2]
    assert not list(tmp_path.iterdir()), "the file has no name, so that nothing is left behind"


def test_activations_beyond_the_bound_are_not_kept_in_memory(tmp_path):
    import tracemalloc

    start = np.arange(1000.0)
    sure = np.zeros(200, np.float32)
    names = tuple(map(str, range(200)))
    shelf = SequenceShelf(near=tmp_path, memory_bytes=10**6)
    tracemalloc.start()
    for i in range(30):  # 800 kB each
        logits = np.full((1000, 200), i, np.float32)
        shelf.extend([ClassActivationSequence(f"v{i}", logits, sure, sure, start, start, 9.0, names)])
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2e6
    assert most < 6e6
    assert [int(one.logits[0, 0]) for one in shelf] == list(range(30))


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    asked = []

    def full(folder: Path, count: int) -> None:
        asked.append((folder, count))
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr("thas.temporal_has.activation.need_room", full)
    shelf = SequenceShelf([sequence(3)], near=tmp_path, memory_bytes=40)  # 4 x 2 x 4 bytes fit
    with pytest.raises(OSError, match="No space left"):
        shelf.extend([sequence(3)])
    assert asked == [(tmp_path, 32)]
    assert len(shelf) == 1


def test_a_folder_that_cannot_be_written_to_is_passed_over(tmp_path):
    put = sequence(3)
    shelf = SequenceShelf([put], near=tmp_path / "absent", memory_bytes=0)
    assert same(shelf[0], put)
