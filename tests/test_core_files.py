from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from thas.core.errors import DataError
from thas.core.files import cannot_write, write_atomically
from thas.core.plots import save_figure
from thas.core.temporary_names import replacing, unfinished_path


def test_a_file_is_written_whole_with_its_folder(tmp_path):
    path = tmp_path / "deep" / "down" / "file.txt"
    write_atomically(path, "first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["file.txt"], "nothing is left behind"


def test_what_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_atomically(path, "old")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="could not be written") as caught:
        write_atomically(path, "new")
    assert "disk is full" in caught.value.why
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_read_only_files_and_folders_are_respected(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    write_atomically(path, "old")
    path.chmod(0o444)
    with pytest.raises(DataError, match="could not be written"):
        write_atomically(path, "new")
    path.chmod(0o644)
    path.parent.chmod(0o555)
    try:
        with pytest.raises(DataError, match="could not be written"):
            write_atomically(path, "new")
    finally:
        path.parent.chmod(0o755)
    assert path.read_text() == "old"


def test_the_message_names_the_file_and_the_cause(tmp_path):
    error = cannot_write(tmp_path / "x", PermissionError(errno.EACCES, "Permission denied"))
    assert str(tmp_path / "x") in str(error)
    assert "Permission denied" in str(error)


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(1, 1))
    path = tmp_path / "new" / "a.png"
    save_figure(figure, path, dpi=20)
    before = path.read_bytes()
    assert before.startswith(b"\x89PNG")
    monkeypatch.setattr("thas.core.files.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(DataError, match="could not be written"):
        save_figure(figure, path, dpi=30)
    assert (path.read_bytes(), list(path.parent.iterdir())) == (before, [path])


def test_what_is_written_by_name_is_whole_and_takes_with_it_what_the_killed_left(tmp_path):
    """As HDF5, ONNX and torch.export write: under a name of the process, which the next may remove once it is dead."""
    path = tmp_path / "new" / "a.h5"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = unfinished_path(path)
    left = left.with_name(left.name.replace(f".{os.getpid()}-", f".{dead.pid}-"))
    left.parent.mkdir()
    left.write_text("half")
    mine = unfinished_path(path.with_name("b.h5"))  # which another thread of this process writes now
    mine.write_text("half")
    with replacing(path) as temporary:
        assert not path.exists()
        temporary.write_text("whole")
    assert (path.read_text(), sorted(os.listdir(path.parent))) == ("whole", [mine.name, "a.h5"])
    with pytest.raises(DataError, match="could not be written"), replacing(path) as temporary:
        os.mkdir(path.parent)  # the system refuses: it is there
    assert (path.read_text(), sorted(os.listdir(path.parent))) == ("whole", [mine.name, "a.h5"])


def test_no_folder_is_made_in_one_that_is_read_only(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    try:
        for path in (closed / "a.txt", closed / "new" / "deep" / "a.txt"):
            with pytest.raises(DataError, match="could not be written"):
                write_atomically(path, "x")
            with pytest.raises(DataError, match="could not be written"), replacing(path):
                pass
        assert list(closed.iterdir()) == []
    finally:
        closed.chmod(0o755)
