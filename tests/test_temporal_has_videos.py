"""From raw video files to intervals: results that replace nothing, and a folder that is watched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import thas
from thas.cli import run as command
from thas.core.errors import CheckpointError, VideoError
from thas.core.segments import Segments
from thas.features.cache import FeatureCache
from thas.temporal_has.results import read_detections
from thas.temporal_has.video_results import VideoResult
from thas.temporal_has.watch import Arrivals, look, watch

from .filmed_run import save_backbone
from .video_files import write_video


@pytest.fixture(scope="module")
def match(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("match") / "match.mp4", frames=60)


@pytest.fixture
def place(trained, match, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    shutil.copy(match, tmp_path)
    return tmp_path


def localize(trained, *arguments) -> int:
    return command(["localize", *map(str, arguments), "--run", str(trained / "runs/latest")])


def names(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()} - {".lock"}


def test_a_video_file_becomes_intervals_a_table_and_a_picture(trained, place, capsys):
    assert localize(trained, "match.mp4") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("match: ")
    assert "00:0" in printed
    assert names("detections") == {"match.json", "match.csv", "match.png", "match.html"}
    assert "../match.mp4" in Path("detections/match.html").read_text(), "the video plays beside its timeline"
    written = json.loads(Path("detections/match.json").read_text())
    assert written["thas"]["source"] == str(place / "match.mp4")
    assert set(written["results"]) == {"match"}


def test_nothing_is_replaced_but_the_same_result(trained, place, capsys):
    Path("detections").mkdir()
    Path("detections/match.json").write_text("mine")
    assert localize(trained, "match.mp4", "--no-pictures") == 0
    assert Path("detections/match.json").read_text() == "mine"
    assert names("detections") == {"match.json", "match-2.json", "match-2.csv"}
    first = Path("detections/match-2.json").read_bytes()
    capsys.readouterr()
    assert localize(trained, "match.mp4", "--no-pictures") == 0
    assert "found before" in capsys.readouterr().err
    assert localize(trained, "match.mp4") == 0, "the picture is added"
    assert names("detections") == {"match.json", "match-2.json", "match-2.csv", "match-2.png", "match-2.html"}
    assert Path("detections/match-2.json").read_bytes() == first
    assert localize(trained, "match.mp4", "--no-pictures", "--set", "localize.threshold=0.6") == 0
    assert "match-3.json" in names("detections")
    write_video(place / "match.mp4", frames=50)
    assert localize(trained, "match.mp4", "--no-pictures") == 0
    assert "match-4.json" in names("detections"), "another video of the same name"
    (place / "elsewhere").mkdir()
    write_video(place / "elsewhere/match.mp4", frames=50)
    capsys.readouterr()
    assert localize(trained, "match.mp4", "elsewhere/match.mp4", "--no-pictures", "--json") == 0
    both = json.loads(capsys.readouterr().out)
    assert [Path(video["written"][0]).name for video in both["videos"]] == ["match-4.json", "match-5.json"]


@pytest.mark.parametrize("at", [1, 4])
def test_the_files_of_a_result_that_was_killed_between_them_appear_together(trained, place, monkeypatch, at):
    from thas.temporal_has import video_results

    rename, renamed = os.replace, []

    def killed(source, target):
        if Path(source).name.startswith(".part."):
            renamed.append(target)
            if len(renamed) == at:
                raise SystemExit("killed")
        rename(source, target)

    monkeypatch.setattr(video_results.os, "replace", killed)
    with pytest.raises(SystemExit):
        localize(trained, "match.mp4")
    assert "match.json" not in names("detections"), "it comes last"
    monkeypatch.setattr(video_results.os, "replace", rename)
    assert localize(trained, "match.mp4") == 0
    assert names("detections") == {"match.json", "match.csv", "match.png", "match.html"}


def test_several_runs_are_averaged(trained, place, capsys, monkeypatch):
    monkeypatch.setattr("thas.temporal_has.watch.watch.__kwdefaults__", {**watch.__kwdefaults__, "settle_seconds": 0.0})
    runs = [(trained / name / "latest").resolve() for name in ("runs", "others")]
    several = ["--no-pictures", "--run", *map(str, runs)]
    assert localize(trained, "match.mp4", "--no-pictures") == 0
    assert command(["localize", "match.mp4", *several]) == 0
    assert names("detections") == {"match.json", "match.csv", "match-2.json", "match-2.csv"}
    facts = json.loads(Path("detections/match-2.json").read_text())["thas"]
    assert facts["runs"] == [str(run) for run in runs]
    assert len(set(facts["checkpoint_sha256"])) == 2
    found, _ = read_detections(Path("detections/match-2.json"))
    assert found == thas.Localizer.from_run(*runs)("match.mp4").sorted_by_score()
    capsys.readouterr()
    assert command(["localize", *several, "match.mp4"]) == 0, "--run takes no video"
    assert "found before" in capsys.readouterr().err
    assert command(["localize", "match.mp4", "--map-members", "1", *several]) == 0
    assert "match-3.json" in names("detections")
    Path("in").mkdir()
    os.replace("match.mp4", "in/match.mp4")
    assert command(["localize", "--watch", "in", "--once", *several]) == 0
    assert json.loads(Path("detections/match-4.json").read_text())["thas"]["runs"] == facts["runs"]


def test_a_broken_video_is_named_and_does_not_stop_the_others(trained, place, capsys):
    Path("broken.mp4").write_bytes(b"no video")
    assert localize(trained, "broken.mp4", "nowhere.mp4", "match.mp4", "--no-pictures") == 3
    captured = capsys.readouterr()
    assert "match: " in captured.out
    assert "broken.mp4: could not be localized" in captured.err
    assert "2 of 3 videos" in captured.err
    assert names("detections") == {"match.json", "match.csv"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["match.mp4", "--dataset", "x"],
        ["match.mp4", "--watch", "."],
        ["--once"],
        ["match.mp4", "--labels", "known"],
        ["--watch", "nowhere"],
        ["match.mp4", "--set", "train.epochs=3"],
    ],
)
def test_what_does_not_go_together(trained, place, capsys, arguments):
    assert localize(trained, *arguments) == 2
    assert capsys.readouterr().out == ""


def test_a_folder_is_not_taken_for_a_video(trained, place, capsys):
    assert localize(trained, place) == 2
    assert f"--watch {place}" in capsys.readouterr().err.replace("\n", "")


def test_from_python_in_three_lines(trained, place):
    localizer = thas.Localizer.from_run(trained / "runs/latest")
    segments = localizer("match.mp4")
    assert set(segments.video) == {"match"}
    from_cache = localizer(FeatureCache(trained / "mine/features")["v0"])
    # As the training features were made; the last bits are another process's.
    anew = localizer(trained / "mine/videos/v0.mp4")
    assert list(anew.label) == list(from_cache.label)
    for column in ("start_seconds", "end_seconds", "score"):
        np.testing.assert_allclose(getattr(anew, column), getattr(from_cache, column), rtol=1e-4)
    with pytest.raises(VideoError, match="there is no video"):
        localizer("nowhere.mp4")
    other = save_backbone(place / "other.safetensors", seed=1)
    with pytest.raises(thas.ThasError, match="cannot be made with these weights"):
        thas.Localizer.from_run(trained / "runs/latest", weights=other)("match.mp4")
    with pytest.raises(CheckpointError, match=r"there is no weights file gone\.safetensors"):
        thas.Localizer.from_run(trained / "runs/latest", weights="gone.safetensors")("match.mp4")


def test_a_watched_folder_is_taken_once_and_goes_on(trained, place, capsys, monkeypatch):
    monkeypatch.setattr("thas.temporal_has.watch.watch.__kwdefaults__", {**watch.__kwdefaults__, "settle_seconds": 0.0})
    Path("in").mkdir()
    os.replace("match.mp4", "in/match.mp4")
    Path("in/broken.mkv").write_bytes(b"no video")
    Path("in/.hidden.mp4").write_bytes(b"")
    Path("in/notes.txt").write_text("no video either")
    assert localize(trained, "--watch", "in", "--once", "--json") == 3
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["video"], second["video"]) == ("broken", "match")
    assert first["failed"]
    assert not second["failed"]
    written = Path("detections/match.json").stat().st_mtime_ns
    Path("in/broken.mkv").unlink()
    assert localize(trained, "--watch", "in", "--once") == 0
    assert Path("detections/match.json").stat().st_mtime_ns == written


def test_ctrl_c_ends_the_watch_with_130(trained, place, capsys, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("thas.temporal_has.watch.watch.__kwdefaults__", {**watch.__kwdefaults__, "sleep": interrupt})
    Path("in").mkdir()
    assert localize(trained, "--watch", "in") == 130
    assert "--watch in" in capsys.readouterr().err


def test_a_file_has_arrived_when_it_stays_the_same():
    a, b = Path("a.mp4"), Path("b.mp4")
    arrivals = Arrivals(settle_seconds=3)
    assert arrivals.update({a: (10, 1)}, 0.0) == []
    assert arrivals.update({a: (20, 1), b: (5, 9)}, 2.0) == [], "a grew"
    assert arrivals.update({a: (20, 2), b: (5, 9)}, 4.0) == [], "a was written to"
    assert arrivals.update({a: (20, 2), b: (5, 9)}, 5.0) == [b]
    arrivals.take(b)
    assert arrivals.update({a: (20, 2), b: (5, 9)}, 7.0) == [a]
    arrivals.take(a)
    assert arrivals.update({b: (5, 9)}, 11.0) == []
    assert arrivals.update({b: (6, 9)}, 12.0) == []
    assert arrivals.update({b: (6, 9)}, 15.0) == [b], "a file that changes arrives anew"


class Clock:
    """Seconds that pass only while one sleeps; something may happen at each."""

    def __init__(self, happens=()):
        self.now, self.happens = 0.0, dict(happens)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now in self.happens:
            self.happens[self.now]()


def watched(folder, clock, *, once=False, stop=20):
    found = []

    def localize_file(path):
        found.append((clock.now, path.name))
        return VideoResult(path, Segments.empty(scored=True))

    for result in watch(folder, localize_file, once=once, clock=clock, sleep=clock.sleep):
        if result.failed:
            found.append((clock.now, result.failed))
        if len(found) == stop:
            break
    return found


def test_videos_are_taken_as_they_arrive(tmp_path):
    def write(name, size):
        return lambda: (tmp_path / name).write_bytes(b"x" * size)

    write("old.mp4", 3)()
    clock = Clock({2.0: write("new.mp4", 1), 4.0: write("new.mp4", 2), 5.0: write("old.mp4", 4)})
    assert watched(tmp_path, clock, stop=3) == [(3.0, "old.mp4"), (7.0, "new.mp4"), (8.0, "old.mp4")]


def test_once_takes_what_is_there_and_names_what_is_still_copied(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "b.mp4").write_bytes(b"x")
    grows = {float(t): (lambda t=t: (tmp_path / "b.mp4").write_bytes(b"x" * t)) for t in range(1, 30)}
    grows[2.0] = lambda: [(tmp_path / "late.mp4").write_bytes(b"x"), (tmp_path / "b.mp4").write_bytes(b"xx")]
    found = watched(tmp_path, Clock(grows), once=True)
    assert found == [(3.0, "a.mp4"), (10.0, "it is still being written")]


def test_a_watched_folder_may_be_gone_for_a_while(tmp_path):
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"x")
    clock = Clock({1.0: lambda: folder.rename(away), 5.0: lambda: away.rename(folder)})
    assert watched(folder, clock, stop=1) == [(8.0, "a.mp4")]
    assert set(look(folder)) == {folder / "a.mp4"}


def test_a_picture_of_many_detections_in_any_script(tmp_path, recwarn):
    from thas.temporal_has.timeline import draw_timeline, lanes

    from .test_temporal_has_localize import sequence

    line = lanes(np.array([0, 1, 2, 3.0]), np.array([9, 8, 7, 4.0]), np.array([4, 3, 2, 1.0]), most=3)
    assert line.tolist() == [0, 1, 2, -1]
    draw = np.random.default_rng(0)
    drawn = sequence(draw.random(50), -draw.random(50))
    n = 2000
    start = draw.uniform(0, 45, n)
    found = Segments(["v"] * n, ["a"] * n, start, start + draw.uniform(0, 5, n), draw.normal(size=n))
    for rule in ("max", "range", "fixed"):
        path = tmp_path / f"{rule}.png"
        draw_timeline(path, {"": drawn}, {"": found}, labels=("a", "b"), threshold_rule=rule, title="跳水 $1 $2")
        assert path.stat().st_size > 5000
    assert not [one for one in recwarn if "Glyph" in str(one.message)]
