"""What is promised of files, signals, memory and addresses, whichever command is typed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from thas.core import files
from thas.core.errors import CheckpointError, DataError, FeatureError, out_of_memory
from thas.core.files import write_atomically
from thas.core.processes import only_one
from thas.core.temporary_names import replacing
from thas.core.weight_store import fetch_address, find_weights, stored

CHECKOUT = Path(__file__).resolve().parents[1]


def test_a_file_and_then_its_folder_are_flushed_before_it_counts_as_written(tmp_path, monkeypatch):
    done = []
    flush, rename, link = os.fsync, os.replace, os.link

    def flushed(handle):
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        flush(handle)

    def linked(opened, name, **options):
        done.append("link" if not os.path.lexists(name) else "there")
        link(opened, name, **options)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", lambda a, b: done.append("rename") or rename(a, b))
    monkeypatch.setattr(os, "link", linked)
    write_atomically(tmp_path / "a.txt", "x")
    new = ["file", "link", "folder"] if hasattr(os, "O_TMPFILE") else ["file", "file", "rename", "folder"]
    assert done == new
    done.clear()
    write_atomically(tmp_path / "a.txt", "yy")
    assert done[0] == "file"
    assert done[-3:] == ["file", "rename", "folder"]
    assert (os.listdir(tmp_path), (tmp_path / "a.txt").read_text()) == (["a.txt"], "yy")


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files without a name are Linux's")
def test_a_new_file_never_has_another_name(tmp_path, monkeypatch):
    """So that who is killed leaves nothing in a folder that nobody comes to again."""
    seen = set()

    def looking(name):
        action = getattr(os, name)

        def look(*parts, **options):
            seen.update(os.listdir(tmp_path))
            done = action(*parts, **options)
            seen.update(os.listdir(tmp_path))
            return done

        monkeypatch.setattr(os, name, look)

    for name in ("fsync", "link", "unlink", "replace"):
        looking(name)
    write_atomically(tmp_path / "a.txt", "x")
    assert seen == {"a.txt"}


@pytest.mark.parametrize("refused", [errno.EOPNOTSUPP, errno.EISDIR])
def test_file_systems_without_nameless_files_do_as_well(tmp_path, monkeypatch, refused):
    opened = os.open

    def opening(path, flags, *rest, **options):
        if flags & getattr(os, "O_TMPFILE", 0) == getattr(os, "O_TMPFILE", -1):
            raise OSError(refused, "no")
        return opened(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", opening)
    for content in ("x", "yy"):
        write_atomically(tmp_path / "a.txt", content)
    assert (os.listdir(tmp_path), (tmp_path / "a.txt").read_text()) == (["a.txt"], "yy")


def test_what_a_killed_process_left_of_a_file_is_in_nobodys_way(tmp_path):
    (tmp_path / ".a.txt.part").write_text("half")
    write_atomically(tmp_path / "a.txt", "whole")
    assert (os.listdir(tmp_path), (tmp_path / "a.txt").read_text()) == (["a.txt"], "whole")


def test_a_disk_that_fills_up_keeps_what_was_there(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a.txt", "before")

    def full(handle):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(DataError, match="could not be written") as caught:
        write_atomically(tmp_path / "a.txt", "after")
    assert caught.value.why.startswith(files.DISK_FULL)
    assert (os.listdir(tmp_path), (tmp_path / "a.txt").read_text()) == (["a.txt"], "before")


def test_what_hdf5_says_of_a_full_disk_is_understood_and_nothing_is_left(tmp_path):
    import h5py

    wrong = pytest.raises(DataError, match=r"a\.h5 could not be written")
    with wrong as caught, replacing(tmp_path / "a.h5") as name, h5py.File(name, "w"):
        raise RuntimeError("cannot flush (file write failed: errno = 28, error message = 'No space left on device')")
    assert caught.value.why.startswith(files.DISK_FULL)
    with pytest.raises(RuntimeError, match="another"), replacing(tmp_path / "a.h5"):
        raise RuntimeError("another fault")
    assert os.listdir(tmp_path) == []


def test_features_are_not_blamed_for_the_disk_that_they_are_packed_to(tmp_path, monkeypatch):
    """Half way through, so that HDF5, which goes down with a full disk, is not let go there."""
    from thas.features.cache_tools import pack_cache

    from .sweep_data import planted_dataset

    planted_dataset(tmp_path / "planted", videos=4)
    free, asked = os.statvfs(tmp_path), []

    def fewer(path):
        asked.append(path)
        return free if len(asked) < 3 else os.statvfs_result((free.f_bsize, free.f_frsize, *([0] * 8)))

    monkeypatch.setattr(os, "statvfs", fewer)
    with pytest.raises(DataError, match=r"all\.h5 could not be written") as caught:
        pack_cache(tmp_path / "planted/features", tmp_path / "all.h5")
    assert caught.value.why.startswith(files.DISK_FULL)
    assert os.listdir(tmp_path) == ["planted"]


def test_a_folder_on_a_full_disk_is_not_held(tmp_path, monkeypatch):
    def full(handle, content):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DataError, match="could not be written") as caught, only_one(tmp_path / "run"):
        pass
    assert caught.value.why.startswith(files.DISK_FULL)


@pytest.mark.parametrize(
    ("error", "command", "why", "turn"),
    [
        (MemoryError("Unable to allocate 3 GiB for an array"), ["train"], "3 GiB", "train.batch_size"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), ["image", "train"],
         "9 bytes", "train.batch_size=16"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), ["extract-features"], "2.00 GiB", "--batch 1"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), ["convert"], "allocate", "more memory"),
        (MemoryError(), [], "could not say", "more memory"),
    ],
)  # fmt: skip
def test_out_of_memory_says_what_was_too_large_and_what_to_turn(error, command, why, turn):
    told = out_of_memory(error, command)
    assert told is not None
    assert why in told.why
    assert turn in told.next


def test_other_errors_are_not_taken_for_it():
    assert out_of_memory(RuntimeError("shapes differ"), ["train"]) is None
    assert out_of_memory(OSError(errno.ENOENT, "no such file"), ["train"]) is None


def test_an_array_that_the_system_refuses_is_told_by_the_command(tmp_path, monkeypatch, capsys):
    from thas.cli import run

    def refused(*_, **__):
        np.empty(1 << 50)

    monkeypatch.setattr("thas.report.content.read_any", refused)
    (tmp_path / "a.csv").write_text("video,label,start,end\nv,a,0,1\n")
    assert run(["summary", str(tmp_path / "a.csv")]) == 1
    said = capsys.readouterr().err
    assert "there is not enough memory" in said
    assert "Unable to allocate 8.00 PiB" in said


SIGNALS = """
import sys, time
from contextlib import nullcontext
from thas import cli
from thas.core.interruptions import raising_on_sigterm
who, how = sys.argv[1:]
def work(seconds):
    for _ in range(10 * seconds):
        time.sleep(0.1)  # a signal that comes just before one sleep is acted upon after it
def slow(tokens=(), *, debug=False):
    try:
        with nullcontext() if who == "command" else raising_on_sigterm():  # as around a training
            try:
                print("ready", flush=True)  # inside: the signal may come before the next line
                work(20)
            except KeyboardInterrupt as error:
                try:
                    print(type(error).__name__, flush=True)
                    work(20 * (how == "twice"))
                except KeyboardInterrupt:
                    print("not at once", flush=True)
                raise
    except KeyboardInterrupt as error:
        return 143 if type(error).__name__ == "Terminated" else 130
cli.run = slow
sys.exit(slow()) if who == "library" else cli.main(["convert"])
"""


@pytest.mark.parametrize(
    ("number", "who", "how", "code"),
    [
        (signal.SIGTERM, "command", "once", 143),
        (signal.SIGINT, "command", "twice", 130),
        (signal.SIGTERM, "command", "twice", 143),
        (signal.SIGTERM, "training", "once", 143),
        (signal.SIGTERM, "training", "twice", 143),
        (signal.SIGTERM, "library", "once", 143),
        (signal.SIGTERM, "library", "twice", 143),
    ],
)
def test_every_command_ends_at_a_signal_and_at_once_at_the_second(number, who, how, code):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT.parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNALS, who, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # What was started in the background ignores Ctrl-C, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() in ("Terminated\n", "KeyboardInterrupt\n")
    if how == "twice":
        process.send_signal(number)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == code


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Gives each path its own name as content, over plain http."""
    monkeypatch.setenv("THAS_WEIGHTS", str(tmp_path / "kept"))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            content = self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


def digest(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def test_another_address_with_the_same_last_part_is_another_file(server):
    first = fetch_address(f"{server}/a/i3d.pt", digest("/a/i3d.pt"))
    second = fetch_address(f"{server}/b/i3d.pt", digest("/b/i3d.pt"))
    assert (first.read_text(), second.read_text()) == ("/a/i3d.pt", "/b/i3d.pt")
    assert stored("i3d") is None, "a stranger's file is none of the catalogue's"
    assert fetch_address(f"{server}/a/i3d.pt", digest("/a/i3d.pt")) == first
    assert find_weights(f"{server}/b/i3d.pt#sha256={digest('/b/i3d.pt')}") == second


@pytest.mark.parametrize("address", ["/x.pt", "/x.pt#sha256=", "/x.pt#md5=1"])
def test_plain_http_without_a_hash_is_refused_in_every_door(server, address):
    with pytest.raises(CheckpointError):
        find_weights(server + address)


def test_a_fetched_file_that_changed_is_refused(server):
    path = fetch_address(f"{server}/x.pt", digest("/x.pt"))
    path.write_text("other")
    with pytest.raises(CheckpointError, match="not what was fetched"):
        fetch_address(f"{server}/x.pt", digest("/x.pt"))


def test_what_a_killed_fetch_left_goes_with_the_next(server, tmp_path):
    for name in (".lock", "net.tar.gz"):
        left = tmp_path / "kept" / f".fetch-{name}"
        left.mkdir(parents=True)
        (left / name).touch()
    fetch_address(f"{server}/x.pt", digest("/x.pt"))
    assert not [*(tmp_path / "kept").glob(".fetch-*")]


class _Ray:
    """What a session asks of Ray."""

    class exceptions:
        class RayError(Exception):
            pass

    @staticmethod
    def is_initialized():
        return False

    @staticmethod
    def init(**_):
        pass

    shutdown = init


def test_a_cluster_that_others_reach_is_warned_of(monkeypatch, caplog):
    from thas.core import ray_session

    monkeypatch.setattr(ray_session, "check_ray", lambda address: _Ray)
    for mode, address, warned in (("", "auto", True), ("token", "auto", False), ("", None, False)):
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        caplog.clear()
        with ray_session.ray_session(address):
            pass
        assert ("asks for no token" in caplog.text) == warned


@pytest.mark.parametrize("command", ["extract-features", "sweep", "localize"])
def test_the_option_says_who_may_run_programs_there(command, capsys):
    from thas.cli import run

    assert run([command, "--help"]) == 0
    assert "RAY_AUTH_MODE=token" in capsys.readouterr().out


def test_a_cluster_that_asks_for_a_token_is_no_missing_one(monkeypatch):
    from thas.core import ray_session

    def refused(**_):
        try:
            raise RuntimeError("RPC error: InvalidAuthToken")
        except RuntimeError as error:
            raise ConnectionError("Failed to connect to Ray cluster") from error

    monkeypatch.setattr(_Ray, "init", staticmethod(refused))
    monkeypatch.setattr(ray_session, "check_ray", lambda address: _Ray)
    with pytest.raises(FeatureError, match="asks for a token") as caught, ray_session.ray_session("auto"):
        pass
    assert "RAY_AUTH_MODE=token" in caught.value.next


def test_a_head_that_does_not_answer_is_named_before_ray_ends_the_process(monkeypatch):
    from thas.core import ray_session

    monkeypatch.setattr(ray_session, "_LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(ray_session, "_PATIENCE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        head = ray_session.Head(f"127.0.0.1:{server.getsockname()[1]}", "head:6379")
        head.check()
    time.sleep(0.02)
    with pytest.raises(FeatureError, match="cluster at head:6379 was lost") as caught:
        head.check()
    assert "nobody answers at 127.0.0.1" in caught.value.why
    assert "continues" in caught.value.next


def test_a_cluster_that_is_lost_is_named(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="needs ray")
    from contextlib import contextmanager

    from thas.core.messages import silent
    from thas.features import ray_engine

    @contextmanager
    def session(_):
        yield ray

    class Job:
        out = tmp_path

    def gone(self):
        raise ray.exceptions.RaySystemError("the head is gone")

    monkeypatch.setattr(ray_engine, "ray_session", session)
    monkeypatch.setattr(ray_engine, "replace", lambda job, **_: job)
    monkeypatch.setattr(ray_engine.ClusterRun, "_extract", gone)
    with pytest.raises(FeatureError, match="was lost") as caught:
        ray_engine.ClusterRun(Job, silent, address="head:6379").work([], decoders=1)  # type: ignore[arg-type]
    assert "continues" in caught.value.next


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a planted data set and a run of two epochs."""
    from thas.cli import run

    from .sweep_data import planted_dataset

    folder = tmp_path_factory.mktemp("trained")
    planted_dataset(folder / "planted", videos=6)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run([*TRAIN, "train.epochs=2"]) == 0
    return folder


TRAIN = ["train", "--dataset", "planted", "--device", "cpu", "--set", "network.channels=4", "train.checkpoint_epochs=1"]
LOGS = [None, b"", b'{"number": 1, "loss": 0.5, "accu', b"\xff\n[]\n1\n", b'{"number": 3}\n' * 3]


@pytest.mark.parametrize("log", LOGS, ids=["lost", "empty", "torn", "no text", "lines that lack all else"])
def test_the_log_is_an_account_and_no_condition(trained, tmp_path, monkeypatch, log):
    """A run is scored, localized, shown and trained on without it."""
    from thas.cli import run

    monkeypatch.chdir(trained)
    shutil.copytree("runs", tmp_path / "runs", symlinks=True)
    path = next(tmp_path.glob("runs/planted/*/log.jsonl"))
    run_folder = str(path.parent)
    path.unlink() if log is None else path.write_bytes(log)
    assert run(["eval", run_folder]) == 0
    if log is None:
        assert run(["localize", "--run", run_folder, "--device", "cpu"]) == 0
        assert run(["report", run_folder, "--out", str(tmp_path / "page.html")]) == 0
    resumed = ["--resume", "--run", run_folder]
    assert run([*TRAIN, "train.epochs=3", *resumed]) == 0
    lines = [json.loads(line) for line in path.read_text(errors="replace").splitlines() if line.startswith('{"n')]
    assert lines[-1]["number"] == 3


def test_two_processes_may_write_one_file(tmp_path):
    """Whoever is last, it is whole, and nothing else is left."""
    code = (
        "import sys; from pathlib import Path; from thas.core.files import write_atomically\n"
        "for i in range(60): write_atomically(Path(sys.argv[1]), sys.argv[2] * 20000)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT.parent)}
    place = tmp_path / "a.txt"
    both = [subprocess.Popen([sys.executable, "-c", code, str(place), letter], env=environment) for letter in "ab"]
    ended, seen = False, set()
    while not ended:  # and a reader sees what one of them wrote, or nothing yet
        ended = all(process.poll() is not None for process in both)
        if place.exists():
            seen.add(place.read_text())
            time.sleep(0.001)
    assert [process.returncode for process in both] == [0, 0]
    assert seen <= {letter * 20000 for letter in "ab"}
    assert seen
    assert place.read_text() in {letter * 20000 for letter in "ab"}
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_that_nobody_foresaw_is_told_as_one(monkeypatch, capsys):
    from thas.cli import run

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("thas.report.content.read_any", full)
    assert run(["summary", "a.csv"]) == 1
    said = capsys.readouterr().err
    assert "a file could not be written" in said
    assert files.DISK_FULL in said
