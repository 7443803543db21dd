"""Streams: the clips and features of the finished file, each interval told once and in time, a file that grows."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thas.cli import run as command
from thas.core.errors import UsageError, VideoError
from thas.core.segments import Segments
from thas.deploy.live import Live, lookahead
from thas.deploy.sources import GrowingFile, Shown, connections, frames_of, open_stream
from thas.deploy.streaming import LiveClips, stream_video, usual_scores
from thas.features.clips import plan_clips
from thas.features.extraction_settings import Clipping
from thas.features.flow import FlowPreprocessing
from thas.features.preprocessing import Preprocessing
from thas.temporal_has.attention import AttentionNetwork
from thas.temporal_has.localizer import Localizer
from thas.temporal_has.model import Model
from thas.temporal_has.network import Head, NetworkOutput
from thas.temporal_has.settings import Settings

from .conftest import make_features
from .video_files import number_of, write_video

TINY = Preprocessing(1, 1, 1, 1)


class Straight(Head):
    """The features themselves are the sequence; nothing is looked at but the snippet itself."""

    def __init__(self, wide: bool = False) -> None:
        super().__init__()
        self.nothing, self.wide = torch.nn.Parameter(torch.zeros(1)), wide

    def forward(self, x, valid=None, chance=None):
        sequence = x - x.mean(dim=1, keepdim=True) if self.wide else x
        return NetworkOutput(x.amax(dim=1), x, sequence)


def localizer(network: Head | None = None, classes: int = 2, **localize) -> Localizer:
    changes = {"input.normalise": "none", "train.loss": "sigmoid", **{f"localize.{k}": v for k, v in localize.items()}}
    settings = Settings().updated(changes)
    mean, deviation = torch.zeros(classes), torch.ones(classes)
    names = tuple("abcd"[:classes])
    return Localizer(Model((network or Straight()).eval(), mean, deviation, names, settings, {}, spread=1.0))


FIXED = {"threshold_rule": "fixed", "threshold": [0.5], "nms": "none", "score": "mean", "upsample": 1}


def seen(live: Live, values) -> list[tuple[str, float, float]]:
    data = np.asarray(values, np.float32)
    for i, row in enumerate(data):
        live.add(row, float(i), float(i + 1))
    return [(one.label, one.start_seconds, one.end_seconds) for one in live.told]


def test_an_interval_is_told_once_it_is_over_and_never_again():
    live = Live(localizer(**FIXED), labels=["a"])
    assert live.lookahead == 0
    assert seen(live, [[0, 0], [2, 0], [2, 0]]) == []
    told = live.add(np.array([0, 0], np.float32), 3.0, 4.0)
    told += live.add(np.array([0, 0], np.float32), 4.0, 5.0)
    assert [(one.label, one.start_seconds, one.end_seconds) for one in told] == [("a", 1.0, 3.0)]
    assert 1.0 <= told[0].delay_seconds <= 2.0
    assert live.finish(5.0) == []
    live.add(np.array([9, 0], np.float32), 5.0, 6.0)
    assert [(one.start_seconds, one.end_seconds) for one in live.finish(6.0)] == [(5.0, 6.0)], "cut at the end"


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=40), st.integers(0, 2))
def test_with_levels_and_labels_that_are_given_it_tells_what_the_finished_video_has(values, gap):
    """Whatever comes: causality costs nothing but the levels and the labels."""
    opened = localizer(**FIXED, gap_seconds=float(gap))
    data = np.array([[one, 0.0] for one in values], np.float32)
    live = Live(opened, labels=["a"])
    found = seen(live, data)
    early = len(found)
    found += [(one.label, one.start_seconds, one.end_seconds) for one in live.finish(float(len(values)))]
    whole = opened(make_features("stream", data, fps=1, length=1, stride=1), labels=["a"])
    expected = sorted((label, start, end) for _, label, start, end, _ in whole)
    assert sorted(found) == expected
    assert live.whole(float(len(values))) == whole
    assert early >= sum(end + gap + 2 <= len(values) for _, _, end in expected), "and tells it in time"


def test_what_is_far_below_the_usual_is_not_told():
    quiet = [[0.0, 0.0]] * 3 + [[0.6, 0.0]] * 2 + [[0.0, 0.0]] * 4
    assert seen(Live(localizer(**FIXED), labels=["a"]), quiet) == [("a", 3.0, 5.0)]
    assert seen(Live(localizer(**FIXED), labels=["a"], usual={"a": 5.0}), quiet) == []


def test_a_long_stream_forgets_and_says_so():
    live = Live(localizer(**FIXED), labels=["a"], horizon_seconds=10.0)
    pattern = [[0, 0], [0, 0], [1, 0], [1, 0], [0, 0]]
    expected = [("a", 5.0 * i + 2, 5.0 * i + 4) for i in range(8)]
    assert seen(live, pattern * 8) == expected[:7]
    assert [one.start_seconds for one in live.finish(40.0)] == [37.0]
    assert live.forgot
    assert live.whole(40.0) is None


def test_how_far_a_head_looks_ahead():
    assert lookahead(localizer(AttentionNetwork(4, 4, channels=8, kernel_size=3, smoothing=5), 4).model) == 3
    assert lookahead(localizer(AttentionNetwork(4, 4, channels=8, kernel_size=1, smoothing=1), 4).model) == 0
    with pytest.raises(UsageError, match="needs the whole video"):
        lookahead(localizer(Straight(wide=True)).model)


@given(
    st.lists(st.floats(0.02, 0.2), min_size=1, max_size=60),
    st.sampled_from([Clipping(4, 1, None, stride_frames=3), Clipping(5, 2, None, stride_frames=1)])
    | st.builds(
        Clipping, st.integers(1, 6), st.integers(1, 3), st.just(25.0), stride_seconds=st.sampled_from([0.04, 0.1, 0.64])
    ),
)
def test_clips_are_those_of_the_finished_video(steps, clipping):
    """By number of the frames, and by their times; also of rates that vary."""
    end = np.cumsum(steps)
    start = end - steps
    how = vars(clipping)
    plan = plan_clips(start, end, **how)
    clips = LiveClips(clipping, TINY, fps=None)
    found = []
    for i, (first, last) in enumerate(zip(start, end, strict=True)):
        picture = np.full((1, 1, 3), i, np.uint8)
        found += clips.add(Shown(float(first), float(last), lambda picture=picture: picture))
    found += clips.finish()
    assert [clip[:, 0, 0, 0].tolist() for clip, _, _ in found] == plan.frames.tolist()
    assert [one for _, one, _ in found] == pytest.approx(plan.start_seconds.tolist())
    assert [one for _, _, one in found] == pytest.approx(plan.end_seconds.tolist())


def test_what_a_stream_cannot_have_is_refused():
    with pytest.raises(UsageError, match="fixed number of clips"):
        LiveClips(Clipping(4, 1, None, snippets=20), TINY, fps=25)
    with pytest.raises(UsageError, match="optical flow"):
        LiveClips(Clipping(4, 1, 25.0, stride_frames=4), FlowPreprocessing(256, None, 224, 224), fps=25)
    with pytest.raises(UsageError, match="how many frames come a second"):
        LiveClips(Clipping(4, 1, None, stride_seconds=0.5), TINY, fps=None)


def test_a_file_that_grows_is_followed_to_its_end(tmp_path, monkeypatch):
    whole = write_video(tmp_path / "whole.ts", frames=50, options={"g": "10"}).read_bytes()
    path, wanted, done = tmp_path / "growing.ts", threading.Event(), threading.Event()

    def write() -> None:
        with path.open("wb") as file:
            file.write(whole[: len(whole) // 2])
            file.flush()
            wanted.wait(60)
            file.write(whole[len(whole) // 2 :])
        done.set()

    def may_wait(self) -> bool:
        time.sleep(0.01)
        return not done.is_set()

    monkeypatch.setattr(GrowingFile, "_may_wait", may_wait)
    writer = threading.Thread(target=write)
    writer.start()
    numbers = []
    with open_stream(str(path)) as container:
        for one in frames_of(container):
            numbers.append(number_of(one.picture()))
            assert one.end_seconds - one.start_seconds == pytest.approx(0.04)
            if len(numbers) == 5:
                assert not done.is_set(), "frames come while the file still grows"
                wanted.set()
    writer.join()
    assert numbers == list(range(50))


def test_a_file_ends_when_nothing_was_added_for_a_while(tmp_path):
    now, path = [0.0], tmp_path / "still.ts"
    path.write_bytes(b"abcdef")

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if 3.0 < now[0] < 3.1:
            path.write_bytes(b"abcdefgh")

    file = GrowingFile(path, patience_seconds=5.0, clock=lambda: now[0], sleep=sleep)
    assert [file.read(4), file.read(4), file.read(4)] == [b"abcd", b"ef", b"gh"]
    assert now[0] == pytest.approx(3.05, abs=0.1)
    assert file.read(4) == b""
    assert now[0] == pytest.approx(8.05, abs=0.2)
    file.close()


def shown(source) -> list[Shown]:
    with open_stream(str(source), patience_seconds=0.0) as container:
        return list(frames_of(container))


def test_what_cannot_be_streamed_is_said(tmp_path):
    ordinary = write_video(tmp_path / "ordinary.mov", frames=60, codec="mjpeg", pixels="yuvj420p")
    assert ordinary.stat().st_size > 60_000, "small ones fit into a buffer, in which one can go back"
    with pytest.raises(VideoError, match=r"cannot be streamed|before it showed") as caught:
        shown(ordinary)
    assert "of an ordinary .mp4 the index comes last" in caught.value.next
    with pytest.raises(VideoError, match="there is no video"):
        shown(tmp_path / "nowhere.ts")
    for password in ("secret", "se@secret", "se/secret", "secret/t", "secret?t", "secret#t"):
        with pytest.raises(VideoError) as caught:
            shown(f"rtsp://me:{password}@127.0.0.1:9/door")
        assert "secret" not in str(caught.value)
        assert "127.0.0.1:9/door" in str(caught.value) or password[-2] in "?#"
    with pytest.raises(VideoError, match="/dev/video987 cannot be streamed") as caught:
        shown("/dev/video987")
    assert "camera" in caught.value.next
    (tmp_path / "empty.ts").write_bytes(b"")
    with pytest.raises(VideoError):
        shown(tmp_path / "empty.ts")


class Away:
    """In place of `open_stream`: what a source gives each time it is opened, None where it cannot be, and a clock."""

    def __init__(self, *gives: Path | None) -> None:
        self.gives, self.now = list(gives), 0.0

    @contextmanager
    def __call__(self, source, *, patience_seconds):
        path = self.gives.pop(0)
        if path is None:
            raise VideoError("it cannot be streamed", why="nobody answers", next="wait")
        with open_stream(str(path), patience_seconds=0.0) as container:
            yield container

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def connections(self, **how):
        return connections("rtsp://camera/door", clock=lambda: self.now, sleep=self.sleep, **how)


def test_a_camera_that_went_away_is_opened_again_for_so_long(tmp_path, monkeypatch):
    film = write_video(tmp_path / "film.ts", frames=10)
    (tmp_path / "empty.ts").write_bytes(b"")

    def frames(away: Away, **how) -> list[tuple[float, int]]:
        monkeypatch.setattr("thas.deploy.sources.open_stream", away)
        return [(one.away_seconds, len(list(one.frames))) for one in away.connections(**how)]

    # Gone for three tries, then one that opens and shows nothing; then it is back, and gone for good.
    away = Away(film, None, None, None, tmp_path / "empty.ts", film, None, None, None, None, None, None)
    assert frames(away, again_seconds=5.0) == [(0.0, 10), (4.0, 10)]
    assert away.gives == [], "tried for five seconds"
    assert frames(Away(film)) == [(0.0, 10)], "an end is one where nothing else was asked for"
    with pytest.raises(VideoError, match="cannot be streamed"):
        frames(Away(None), again_seconds=5.0)
    with pytest.raises(UsageError, match="does not come back"):
        list(connections(str(film), again_seconds=5.0))


def test_no_interval_spans_a_gap_and_times_go_on(trained, tmp_path, monkeypatch, caplog):
    film = write_video(tmp_path / "film.ts", frames=60)
    monkeypatch.setattr("thas.deploy.sources.open_stream", Away(film, film, None))
    opened = Localizer.from_run(trained / "runs/latest")
    live = Live(opened, labels=opened.model.classes[:1])
    now = iter(range(0, 100_000, 7))  # seconds: every look at the clock is seven later
    *told, end = stream_video(
        opened, "rtsp://camera/door", live=live, again_seconds=1.0, clock=lambda: float(next(now))
    )
    assert end.came_back == 1
    assert end.candidates is None
    assert end.seconds == pytest.approx(2.4 + 7 + 2.4, abs=0.05)
    assert end.snippets == 2 * ((60 - 8) // 8 + 1)
    assert len(told) >= 2
    assert {one.start_seconds >= 9.3 for one, _ in told} == {False, True}
    assert all(one.end_seconds <= 2.45 or one.start_seconds >= 9.3 for one, _ in told)
    assert "away for 7.0 s" in caplog.text


def test_ctrl_c_ends_a_camera_and_all_is_written(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    film, add = write_video(tmp_path / "film.ts", frames=60), Live.add

    def interrupted(self, *snippet):
        if self.snippets == 4:
            raise KeyboardInterrupt
        return add(self, *snippet)

    monkeypatch.setattr(Live, "add", interrupted)
    stream = ["localize", "--stream", str(film), "--run", str(trained / "runs/latest"), "--stream-patience", "0"]
    assert command(stream) == 0
    end = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert end["snippets"] == 4
    assert Path("detections/film.stream.csv").exists()


def test_the_command_tells_lines_and_ends_with_the_list_of_the_finished_file(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    video = write_video(tmp_path / "match.ts", frames=90)
    run = str(trained / "runs/latest")
    assert command(["localize", "--stream", str(video), "--run", run, "--stream-patience", "0"]) == 0
    *lines, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert end["end"]
    assert end["intervals"] == len(lines)
    assert end["seconds"] == pytest.approx(90 / 25, abs=0.05)
    assert end["snippets"] == (90 - 8) // 8 + 1
    assert all({"label", "start_seconds", "end_seconds", "score", "delay_seconds"} <= line.keys() for line in lines)
    assert command(["localize", str(video), "--run", run, "--out", "finished", "--no-pictures"]) == 0
    capsys.readouterr()
    streamed, finished = (
        Segments.from_activitynet(json.loads(Path(path).read_text())["results"], scored=True)
        for path in ("detections/match.stream.json", "finished/match.json")
    )
    assert len(finished) > 0
    assert list(streamed.label) == list(finished.label)
    for name in ("start_seconds", "end_seconds", "score"):
        assert np.allclose(getattr(streamed, name), getattr(finished, name), atol=1e-4), name
    assert usual_scores(trained / "runs/latest").keys() <= {"Run, fast", "Jump"}
    assert command(["localize", "other.mp4", "--stream", str(video), "--run", run]) == 2
