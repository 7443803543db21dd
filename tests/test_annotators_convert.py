"""Every form that is read is written back the same; the others hold what their readers expect."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.annotators.annotation_files import read_any
from thas.annotators.convert import select, write
from thas.core.errors import DataError, UsageError
from thas.core.segments import Segments
from thas.datasets.labels import read_labels
from thas.eval import Annotations
from thas.eval.subtitles import cues, timestamp

FOUND = Segments(["v1", "v1", "v2"], ["Diving", "Shotput", "Diving"], [1.25, 3, 0], [2.5, 4, 9.1], [0.75, -1.5, 2e-5])
TRUTH = Annotations(
    Segments(["v1", "v2", "v1"], ["Diving", "Shotput", "Shotput"], [1.25, 0, 3], [2.5, 9.1, 4]),
    ("Diving", "Shotput"),
    {"v1": 60.5, "v2": 20.0},
    {"v1": "validation", "v2": "test"},
    Segments(["v2"], ["Ambiguous"], [10], [12]),
)


@pytest.mark.parametrize(("form", "name"), [("activitynet", "d.json"), ("csv", "d.csv"), ("thumos", "d.txt")])
def test_detections_come_back(tmp_path, form, name):
    assert write(FOUND, tmp_path / name, form=form) == [tmp_path / name]
    assert read_any(tmp_path / name) == FOUND


names = st.text("abc_-é", min_size=1, max_size=5)
numbers = st.floats(0, 1e4, allow_nan=False)
rows = st.lists(st.tuples(names, names, numbers, numbers, st.floats(-1e6, 1e6)), min_size=1, max_size=8)


@settings(max_examples=30)
@given(rows)
def test_any_detections_come_back(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("forms")
    table = Segments(*zip(*[(v, c, s, s + d, p) for v, c, s, d, p in drawn], strict=True))
    for form, name in (("activitynet", "d.json"), ("csv", "d.csv")):
        write(table, folder / name, form=form)
        assert sorted(read_any(folder / name)) == sorted(table)


@pytest.mark.parametrize(("form", "name"), [("activitynet", "t.json"), ("csv", "t.csv"), ("thumos", "t")])
def test_ground_truth_comes_back(tmp_path, form, name):
    write(TRUTH, tmp_path / name, form=form)
    back = read_any(tmp_path / name)
    assert isinstance(back, Annotations)
    assert sorted(back.segments) == sorted(TRUTH.segments)
    assert back.ignored == TRUTH.ignored
    assert (back.classes, back.durations, back.subsets) == (TRUTH.classes, TRUTH.durations, TRUTH.subsets)


def test_thumos_text_has_the_numbers_of_the_challenge(tmp_path):
    write(FOUND, tmp_path / "d.txt", form="thumos")
    assert (tmp_path / "d.txt").read_text().splitlines()[0] == "v1 1.25 2.5 26 0.75"


def test_thumos_text_takes_single_words_only(tmp_path):
    with pytest.raises(DataError, match="single words"):
        write(Segments(["v"], ["long jump"], [0], [1], [1]), tmp_path / "d.txt", form="thumos")


def test_webvtt(tmp_path):
    table = Segments(["v1", "v1"], ["b & <c>", "a"], [3725.5, 1], [3726, 1], [0.5, 0.25])
    (file,) = write(table, tmp_path, form="webvtt")
    assert file.name == "v1.vtt"
    assert file.read_text().splitlines() == [
        "WEBVTT - v1",
        "",
        "00:00:01.000 --> 00:00:01.001",
        "a (0.25)",
        "",
        "01:02:05.500 --> 01:02:06.000",
        "b &amp; &lt;c&gt; (0.5)",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00:00.000"), (59.9996, "00:01:00.000"), (-3, "00:00:00.000")])
def test_timestamps(seconds, text):
    assert timestamp(seconds) == text


def test_label_studio(tmp_path):
    write(FOUND, tmp_path / "t.json", form="label-studio", fps=10, media="/data/{video}.mkv")
    first, second = json.loads((tmp_path / "t.json").read_text())
    assert first["data"] == {"video": "/data/v1.mkv"}
    region = first["predictions"][0]["result"][0]
    assert region["value"] == {"ranges": [{"start": 13, "end": 25}], "timelinelabels": ["Diving"]}
    assert (region["type"], region["score"]) == ("timelinelabels", 0.75)
    assert second["predictions"][0]["score"] == 2e-5
    write(TRUTH, tmp_path / "t.json", form="label-studio")
    assert "annotations" in json.loads((tmp_path / "t.json").read_text())[0]


def test_fiftyone(tmp_path):
    write(FOUND, tmp_path / "labels.json", form="fiftyone")
    labels = json.loads((tmp_path / "labels.json").read_text())["labels"]
    assert labels["v2"] == [{"label": "Diving", "timestamps": [0.0, 9.1], "confidence": 2e-5}]
    write(FOUND, tmp_path / "labels.json", form="fiftyone", media="/data/{video}.mkv")
    assert "/data/v2.mkv" in json.loads((tmp_path / "labels.json").read_text())["labels"]


def test_select():
    assert select(FOUND, most=1).score.tolist() == [0.75, 2e-5]
    assert select(FOUND, minimum_score=0).score.tolist() == [0.75, 2e-5]
    assert len(select(Segments.empty(scored=True), most=3)) == 0
    with pytest.raises(UsageError):
        select(TRUTH.segments, most=1)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="fiftyone"):
        write(FOUND, tmp_path / "x", form="fiftyon")
    with pytest.raises(UsageError, match="video"):
        write(FOUND, tmp_path / "x", form="fiftyone", media="here.mp4")
    with pytest.raises(UsageError, match="above 0"):
        write(FOUND, tmp_path / "x", form="label-studio", fps=0)
    with pytest.raises(DataError, match="does not exist"):
        read_any(tmp_path / "none")


def test_srt(tmp_path):
    table = Segments(["v/1", "v/1"], ["b <i>\n\nc", "a"], [2.0, 1.0], [3.0, 4.0], [0.5, 0.25])
    (file,) = write(table, tmp_path, form="srt")
    assert file.name == "v%2F1.srt"
    assert file.read_text().split("\n\n") == [
        "1\n00:00:01,000 --> 00:00:02,000\na (0.25)",
        "2\n00:00:02,000 --> 00:00:03,000\na (0.25)\nb (i) c (0.5)",
        "3\n00:00:03,000 --> 00:00:04,000\na (0.25)\n",
    ]
    (file,) = write(table, tmp_path, form="srt", apart=False)
    assert file.read_text().count("-->") == 2


TIMES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.sampled_from("ab")), min_size=1, max_size=8)


@given(TIMES)
def test_cues_do_not_overlap_and_say_all_that_happens(rows):
    start, length, label = zip(*rows, strict=True)
    table = Segments(["v"] * len(rows), label, start, [s + n for s, n in zip(start, length, strict=True)])
    found = cues(table)
    assert all(one[1] <= after[0] for one, after in pairwise(found))
    assert all(one[0] < one[1] for one in found)
    for at in range(40):
        said = {line for first, last, lines in found if first <= at + 0.5 < last for line in lines}
        assert said == {name for s, n, name in rows if s <= at + 0.5 < s + n}


def test_labels_of_videos(tmp_path):
    truth = Annotations(
        Segments(["v", "v", "w"], ["Run", "=Dive", "Run"], [0, 1, 2], [1, 2, 3]),
        ("Run", "=Dive"),
        subsets={"v": "test", "w": "test", "none": "test"},
    )
    write(truth, tmp_path / "labels.csv", form="labels")
    labels, subsets = read_labels(tmp_path / "labels.csv")
    assert labels == {"none": (), "v": ("=Dive", "Run"), "w": ("Run",)}
    assert set(subsets.values()) == {"test"}
    with pytest.raises(UsageError, match="no labels"):
        write(FOUND, tmp_path / "labels.csv", form="labels")


def test_labels_typed_by_hand_stay_where_some_are_written_anew(tmp_path, caplog):
    """What was marked on a page goes into the data set's own table, beside all that nobody marked."""
    path, points = tmp_path / "labels.csv", tmp_path / "points.csv"
    path.write_text("video,label,subset\nv,Run,test\nw,Run,training\nx,Jump,training\nx,Run,training\n")
    points.write_text("video,label,time_seconds\nw,Run,1.5\n")
    marked = Annotations(Segments(["w"], ["Dive"], [0], [1]), ("Dive",), points=Segments(["w"], ["Dive"], [2], [2]))
    write(marked, path, form="labels")
    assert read_labels(path) == (
        {"v": ("Run",), "x": ("Jump", "Run"), "w": ("Dive",)},
        {"v": "test", "x": "training", "w": "training"},
    )
    assert "rows of 2 other videos, which stay: v, x" in caplog.text
    write(marked, points, form="points")
    assert points.read_text().splitlines()[1:] == ["w,Dive,2.0"], "those of the same video are the new ones"
    path.write_text("no table of labels")
    with pytest.raises(DataError):
        write(marked, path, form="labels")
    assert path.read_text() == "no table of labels"
