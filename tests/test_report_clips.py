"""Clips: which frames they hold, how long each is shown, sound, names, and what cannot be cut."""

from __future__ import annotations

import errno
import json
import os

import av
import pytest

from thas.annotators.convert import write
from thas.cli import run as command
from thas.core.errors import DataError, UsageError
from thas.core.segments import Segments
from thas.report.clips import Clip, cut_clips, join_clips, plan_clips

from .conftest import PROCESSORS
from .video_files import number_of, write_video


def frames_of(path):
    with av.open(str(path)) as container:
        frames = [
            (number_of(frame.to_ndarray(format="rgb24")), float(frame.time)) for frame in container.decode(video=0)
        ]
        return [number for number, _ in frames], [seconds for _, seconds in frames]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("videos") / "match.mp4", 100, fps=25, audio_seconds=4.0)


def moments(*times, label="Run"):
    start, end = zip(*times, strict=True)
    return Segments(["match"] * len(times), [label] * len(times), start, end)


#  at 25 fps frame n is shown from n/25 to (n + 1)/25
@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [(1.0, 2.0, 25, 49), (1.01, 1.99, 25, 49), (0, 0.04, 0, 0), (3.9, 9, 97, 99), (1.03, 1.03, 25, 25)],
)
def test_a_clip_holds_the_frames_on_the_screen(tmp_path, video, start, end, first, last):
    (path,) = cut_clips(video, [Clip("Run", start, min(end, 4.0), "clip.mp4")], tmp_path)
    numbers, seconds = frames_of(path)
    assert numbers == list(range(first, last + 1))
    assert seconds == pytest.approx([i / 25 for i in range(len(numbers))], abs=1e-3)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"], "nothing unfinished stays"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors are given to a process on Linux only")
def test_a_clip_has_the_same_bytes_each_time_on_any_number_of_processors(tmp_path):
    tall = write_video(tmp_path / "tall.mp4", 10, size=(288, 160))
    if len(PROCESSORS) < 2:
        pytest.skip("one processor only")
    made, held = set(), []
    try:
        for processors in (PROCESSORS, {min(PROCESSORS)}):
            os.sched_setaffinity(0, processors)
            for size in (70_000, 150_000, 390_000):  # memory lies otherwise each time
                held.append(bytes([size % 251]) * size)
                made.add(cut_clips(tall, [Clip("Run", 0, 0.4, "clip.mp4")], tmp_path / "clips")[0].read_bytes())
    finally:
        os.sched_setaffinity(0, PROCESSORS)
    assert len(made) == 1


def test_overlapping_clips_of_one_pass_with_sound(tmp_path, video):
    plan, remarks = plan_clips("match", moments((1, 2), (1.4, 2.4), (2, 3)), duration_seconds=4.0, pad_seconds=0.2)
    assert remarks == []
    paths = cut_clips(video, plan, tmp_path)
    assert sorted(path.name for path in paths) == [
        "match_001_00m01.0s_Run.mp4", "match_002_00m01.4s_Run.mp4", "match_003_00m02.0s_Run.mp4",
    ]  # fmt: skip
    assert frames_of(tmp_path / "match_002_00m01.4s_Run.mp4")[0] == list(range(30, 65))
    with av.open(str(paths[0])) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0)) / 48000
    assert heard == pytest.approx(1.4, abs=0.05)


def test_frames_of_uneven_length_keep_their_times(tmp_path):
    stamps = [0, 1, 2, 10, 11, 12, 20, 30]
    source = write_video(tmp_path / "uneven.mp4", 8, fps=10, stamps=stamps)
    (path,) = cut_clips(source, [Clip("Run", 0.5, 2.0, "clip.mp4")], tmp_path)
    numbers, seconds = frames_of(path)
    assert numbers == [2, 3, 4, 5]
    assert seconds == pytest.approx([0, 0.8, 0.9, 1.0], abs=1e-3), "frame 2 is on the screen until frame 3 comes"


def test_what_lies_beyond_the_end_is_said():
    plan, remarks = plan_clips("match", moments((3, 9), (5, 6), (1, 2)), duration_seconds=4.0, pad_seconds=1)
    assert [(clip.start_seconds, clip.end_seconds) for clip in plan] == [(0, 3), (2, 4)]
    assert len(remarks) == 2
    assert "beyond the end" in remarks[1]


def test_names_sort_by_time_and_are_plain():
    many = moments(*((i, i + 1) for i in range(1200)), label="../a b/<ü>")
    plan, _ = plan_clips("ma/tch", many, duration_seconds=5000.0)
    names = [clip.name for clip in plan]
    assert names == sorted(names)
    assert names[61] == "ma_tch_0062_01m01.0s_a_b_ü.mp4"


def test_a_film_of_videos_of_different_sizes(tmp_path, video):
    other = write_video(tmp_path / "tall.mp4", 50, fps=25, size=(160, 96))
    clip = Clip("Run", 1.0, 2.0, "x")
    path = join_clips([(video, [clip]), (other, [clip])], tmp_path / "film.mp4")
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 50
    assert {(frame.height, frame.width) for frame in frames} == {(96, 160)}
    assert number_of(frames[24].to_ndarray(format="rgb24")) == 49
    with pytest.raises(UsageError, match="nothing to show"):
        join_clips([], tmp_path / "none.mp4")


def test_a_full_disk_is_named_and_leaves_nothing_unfinished(tmp_path, video, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("thas.core.files.os.replace", full)
    with pytest.raises(DataError) as caught:
        cut_clips(video, [Clip("Run", 1, 2, "clip.mp4")], tmp_path / "clips")
    assert "disk is full" in caught.value.why
    assert list((tmp_path / "clips").iterdir()) == []


def test_from_the_command_line(tmp_path, video, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = Segments(
        ["match", "match", "match", "gone"],
        ["Run", "Run", "Dive", "Run"],
        [0, 0.2, 2, 1],
        [1, 1, 3, 2],
        [0.9, 0.5, 0.8, 0.7],
    )
    write(found, "detections.json", form="activitynet")
    assert command(["clips", "detections.json", "--videos", str(video.parent), "--json"]) == 3, (
        "one video is not at hand"
    )
    done = json.loads(capsys.readouterr().out)
    assert [path.split("/")[-1] for path in done["files"]] == [
        "match_001_00m00.0s_Run.mp4",
        "match_002_00m02.0s_Dive.mp4",
    ]
    assert list(done["failed"]) == ["gone"]
    assert done["replaced"] == []
    again = ["clips", "detections.json", "--videos", str(video.parent), "--video", "match"]
    assert command([*again, "--pad", "0.2", "--label", "Run"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "1 was there before, and replaced; --out names another place" in told
    assert "clips also holds 1 clip from before, such as match_002_00m02.0s_Dive.mp4" in told
    film = [
        "clips",
        "detections.json",
        "--videos",
        str(video.parent),
        "--video",
        "match",
        "--film",
        "--out",
        "film.mp4",
    ]
    assert command([*film, "--label", "Run", "--all"]) == 0
    assert len(frames_of("film.mp4")[0]) == 45, "both candidates, one after the other"
    assert command([*film, "--label", "Rum"]) == 2
    assert "did you mean 'Run'" in capsys.readouterr().err
    assert command(["clips", "detections.json"]) == 1
    assert "--videos FOLDER" in capsys.readouterr().err
