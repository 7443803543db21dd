"""Bad input and bad luck: the right frames or a named failure; never a hang, never a wrong frame in silence."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from thas.core.errors import DataError
from thas.core.temporary_names import remove_unfinished
from thas.features import pool
from thas.features.cache import FeatureCache, Features, write_features
from thas.features.cache_tools import verify_cache
from thas.features.extraction_job import refuse_damaged
from thas.features.pool import Closed, Decoding, Opened
from thas.features.preprocessing import square
from thas.features.video import UnreadableVideo, scan_video
from thas.features.whole_files import transport_stream_damage
from thas.features.worker import Decode, Finished, Scan

from .video_files import write_video

HOW = square(96)


class _Reader:
    """One worker that decodes whole files, as the pool's lanes do."""

    def __init__(self):
        self.worker = pool._Worker(30, threading.Event())

    def frames(self, path: Path) -> np.ndarray:
        self.worker.ask(Scan(str(path)))
        table = self.worker.answer()
        refuse_damaged(path.name, table)
        self.worker.ask(Decode(str(path), table, np.arange(len(table)), "auto", HOW))
        frames = []
        while not isinstance(some := self.worker.answer(), Finished):
            frames.extend(some)
        return np.stack(frames)


@pytest.fixture(scope="module")
def reader():
    reader = _Reader()
    yield reader
    reader.worker.end()


def _flip(data, draw):
    for _ in range(3):
        data[draw.integers(len(data))] ^= 1 << int(draw.integers(8))


def _hole(data, draw):
    at = int(draw.integers(len(data)))
    del data[at : at + int(draw.integers(1, 3000))]


def _zeros(data, draw):
    at = int(draw.integers(len(data)))
    span = data[at : at + int(draw.integers(1, 3000))]
    data[at : at + len(span)] = bytes(len(span))


def _cut(data, draw):
    del data[int(draw.integers(len(data))) :]


@pytest.mark.parametrize("damage", [_flip, _hole, _zeros, _cut])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_damage_is_noticed_or_harmless(tmp_path, reader, suffix, damage):
    path = write_video(tmp_path / f"v.{suffix}", 60, options={"g": "20", "bf": "2", "preset": "fast"})
    truth, whole = reader.frames(path), path.read_bytes()
    noticed, silent = 0, 0
    for seed in range(6):
        data = bytearray(whole)
        damage(data, np.random.default_rng(seed))
        path.write_bytes(data)
        try:
            silent += not np.array_equal(reader.frames(path), truth)
        except UnreadableVideo:
            noticed += 1
    # H.264 has no checksums: of 3 flipped bits some 3 in 100 give another valid stream, which nothing can notice.
    assert silent <= 1
    assert noticed >= 2


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda data: data[: 188 * 7 + 5], "the last packet is cut off after 5 of 188 bytes"),
        (lambda data: data[: 188 * 3] + b"\0" * 188 + data[188 * 4 :], "packet 3 does not begin with"),
        (lambda data: data[: 188 * 9] + data[188 * 11 :], "packets of stream 256 are missing before packet 9"),
        (lambda data: data, ""),
    ],
)
def test_a_transport_streams_packets_tell_of_damage(tmp_path, spoil, why):
    path = write_video(tmp_path / "v.ts", 30, options={"crf": "10"})
    path.write_bytes(spoil(path.read_bytes()))
    assert transport_stream_damage(path).startswith(why)
    try:
        damage = scan_video(path).damage
    except UnreadableVideo as error:  # of so few packets no frame comes out
        damage = error.why
    assert bool(damage) == bool(why)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_a_recording_that_lost_its_index_is_no_stranger(tmp_path, options):
    path = write_video(tmp_path / "v.mp4", 10, container_options=options)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") + 60])
    with pytest.raises(UnreadableVideo, match="describes its streams is missing") as caught:
        scan_video(path)
    assert "download it again" in (caught.value.next or "")
    path.write_bytes(b"nothing that FFmpeg knows" * 20)
    with pytest.raises(UnreadableVideo) as caught:
        scan_video(path)
    assert "it is no video" in (caught.value.next or "")


# A worker that crashes or hangs on files of certain names, and works otherwise.
_ODD_WORKER = """
import os, signal, sys, time
from thas.features import worker
scan, decode = worker._scan, worker._decode
def odd_scan(answers, watch, request):
    if "crash" in request.path:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in request.path:
        time.sleep(600)
    scan(answers, watch, request)
def odd_decode(answers, watch, request):
    if "exit" in request.path:
        os._exit(7)
    decode(answers, watch, request)
worker._scan, worker._decode = odd_scan, odd_decode
worker.main()
"""


def test_a_worker_that_dies_or_hangs_costs_its_video(tmp_path, monkeypatch):
    source = write_video(tmp_path / "a.mp4", 20)
    videos = {}
    for name in ("crash", "one", "exit", "hang", "two"):
        videos[name] = tmp_path / f"{name}.mp4"
        videos[name].write_bytes(source.read_bytes())
    start = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n" + _ODD_WORKER]
    monkeypatch.setattr(pool, "command", lambda: start)
    from thas.features.clips import plan_clips

    decoding = Decoding(
        videos.items(),
        plan=lambda video, table: plan_clips(table.start_seconds, table.end_seconds, length_frames=8, stride_frames=4),
        preparation=HOW,
        patience_seconds=5,  # a busy machine may take long to start the others
    )
    with decoding:
        events = list(decoding)
    closed = {event.video: event.error for event in events if isinstance(event, Closed)}
    assert {event.video for event in events if isinstance(event, Opened)} == {"one", "two", "exit"}
    assert closed["one"] is None
    assert closed["two"] is None
    assert "died of signal 11" in closed["crash"].why
    assert "ended with code 7" in closed["exit"].why
    assert "silent for" in closed["hang"].why


def test_a_worker_waits_for_the_next_videos_wherever_they_are(tmp_path, monkeypatch):
    from thas.features.clips import plan_clips

    started, start = [], pool._Worker.__init__

    def counted(worker, *arguments):
        start(worker, *arguments)
        started.append(worker._process)

    monkeypatch.setattr(pool._Worker, "__init__", counted)
    monkeypatch.setattr(pool, "_waiting", queue.Queue(maxsize=1))
    write_video(tmp_path / "a.mp4", 20)

    def number_of_events(folder: Path) -> int:
        folder.mkdir()
        (tmp_path / "a.mp4").rename(folder / "a.mp4")
        monkeypatch.chdir(folder)
        decoding = Decoding(
            [("a", Path("a.mp4"))],
            plan=lambda _, table: plan_clips(table.start_seconds, table.end_seconds, length_frames=8, stride_frames=4),
            preparation=HOW,
        )
        with decoding:
            events = list(decoding)
        assert all(event.error is None for event in events if isinstance(event, Closed)), events
        (folder / "a.mp4").rename(tmp_path / "a.mp4")
        return len(events)

    first = number_of_events(tmp_path / "one")
    assert number_of_events(tmp_path / "two") == first
    assert len(started) == 1
    started[0].kill()
    started[0].wait()
    assert number_of_events(tmp_path / "three") == first
    assert len(started) == 2
    pool._leave(pool._Worker(1.0, threading.Event()))
    assert started[2].poll() is not None, "one waits already"
    pool._end_waiting()
    assert started[1].poll() is not None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is asked of Linux")
def test_a_worker_that_waits_holds_no_pictures(tmp_path):
    path = write_video(tmp_path / "a.mp4", 12, size=(1440, 2560), options={"preset": "ultrafast"})
    worker = pool._Worker(100.0, threading.Event())

    def megabytes_after(*numbers: int) -> float:
        worker.ask(Decode(str(path), table, np.array(numbers), "pyav", HOW))
        while isinstance(worker.answer(), np.ndarray):
            pass
        worker.ask(Scan(str(path)))  # answered when all else is done
        worker.answer()
        held = Path(f"/proc/{worker._process.pid}/status").read_text().partition("VmRSS:")[2]
        return int(held.split()[0]) / 1000

    worker.ask(Scan(str(path)))
    table = worker.answer()
    few, many = megabytes_after(0), megabytes_after(*range(12))
    worker.end()
    assert many < few + 25


def test_leaving_early_ends_the_workers(tmp_path):
    path = write_video(tmp_path / "a.mp4", 60)
    from thas.features.clips import plan_clips

    decoding = Decoding(
        {str(i): path for i in range(20)}.items(),
        plan=lambda video, table: plan_clips(table.start_seconds, table.end_seconds, length_frames=8, stride_frames=1),
        preparation=HOW,
        workers=2,
    )
    with decoding:
        next(iter(decoding))
    assert not any(lane.is_alive() for lane in decoding._lanes)


def _data(video: int) -> np.ndarray:
    return np.random.default_rng(video).normal(size=(40, 64)).astype(np.float32)


def _features(video: int) -> Features:
    return Features(str(video), _data(video), np.arange(40), np.arange(40) + 1.0, 41)


def test_kill_9_at_a_dozen_moments_loses_nothing_finished(tmp_path):
    draw = np.random.default_rng(0)
    finished: set[str] = set()
    written = 0
    begin, pid = time.perf_counter(), os.fork()
    if not pid:
        write_features(tmp_path / "before", _features(0), recipe={"a": 1})
        os._exit(0)
    os.waitpid(pid, 0)
    longest = min(max(0.02, 1.5 * (time.perf_counter() - begin)), 0.3)  # a busy machine takes longer for a file
    for _ in range(12):
        pid = os.fork()
        if not pid:
            for video in range(written, written + 8):  # all are read again in the end
                write_features(tmp_path, _features(video), recipe={"a": 1})
            signal.pause()
        time.sleep(float(draw.uniform(0, longest)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        there = {path.name for path in tmp_path.glob("*.h5") if not path.name.startswith(".")}
        assert finished <= there
        new = sorted(int(name.removesuffix(".h5")) for name in there - finished)
        for video in new[-3:]:  # the last to be finished before the kill; all of them at the end
            assert np.array_equal(FeatureCache(tmp_path)[str(video)].data, _data(video))
        finished, written = there, len(there)
    assert finished
    assert verify_cache(tmp_path).faults == {}
    cache = FeatureCache(tmp_path)
    assert all(np.array_equal(cache[video].data, _data(int(video))) for video in cache)
    remove_unfinished(tmp_path)
    assert not list(tmp_path.glob(".unfinished*"))


def test_a_full_disk_keeps_what_was_finished(tmp_path):
    # A limit on the size of a file stands in for the disk; it needs a process of its own.
    code = f"""
import resource, signal, sys
sys.path[:] = {sys.path!r}
import numpy as np
from thas.features.cache import Features, write_features
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
make = lambda video, rows: Features(video, np.ones((rows, 64)), np.arange(rows), np.arange(rows) + 1.0, rows)
write_features({str(tmp_path)!r}, make("small", 10), recipe={{}})
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    write_features({str(tmp_path)!r}, make("large", 1000), recipe={{}})
except OSError as error:
    print("refused", error.errno)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("refused"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["small.h5"]
    assert len(FeatureCache(tmp_path)["small"]) == 10


def test_a_nearly_full_disk_is_refused_before_hdf5_meets_it(tmp_path, monkeypatch):
    free = os.statvfs(tmp_path)

    class Nearly:
        f_frsize, f_bavail = free.f_frsize, (5 << 20) // free.f_frsize

    write_features(tmp_path, _features(0), recipe={})
    monkeypatch.setattr(os, "statvfs", lambda path: Nearly)
    write_features(tmp_path, _features(1), recipe={})
    large = Features("large", np.ones((5000, 64)), np.arange(5000), np.arange(5000) + 1.0, 5001)
    with pytest.raises(OSError, match="No space left"):
        write_features(tmp_path, large, recipe={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.h5", "1.h5"]


def test_a_folder_that_cannot_be_written_to(tmp_path):
    from thas.features.extract import BackboneWeights, extract_dataset

    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be written"):
        extract_dataset(
            {"a": tmp_path / "a.mp4"}, tmp_path / "file" / "cache", weights=BackboneWeights(random_weights=True)
        )
