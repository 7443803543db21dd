"""Detections from their files."""

from __future__ import annotations

import json

import pytest

from thas.core.errors import DataError
from thas.core.segments import Segments
from thas.eval import read_detections

ROWS = [("v1", "Diving", 1.0, 2.5, 0.75), ("v1", "Shotput", 3.0, 4.0, -1.5), ("v2", "Diving", 0.0, 9.0, 2e-5)]


@pytest.fixture
def table():
    return Segments(*zip(*ROWS, strict=True))


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("indent", [None, 2])
def test_activitynet_json(tmp_path, table, indent):
    content = {"version": "x", "results": table.to_activitynet(), "external_data": {"used": [1, {"results": 0}]}}
    assert read_detections(write(tmp_path / "d.json", json.dumps(content, indent=indent))) == table


def test_json_without_any_detection(tmp_path):
    empty = read_detections(write(tmp_path / "d.json", '{"results": {"v": []}}'))
    assert len(empty) == 0
    assert empty.score is not None


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv(tmp_path, table, mark):
    lines = ["video-id,t-start,t-end,label,score"]
    lines += [f"{v},{s},{e},{c},{p}" for v, c, s, e, p in ROWS]
    assert read_detections(write(tmp_path / "d.csv", "\n".join(lines).replace(",", mark))) == table


@pytest.mark.parametrize("ids", [{"Diving": "26", "Shotput": "79"}, {"Diving": "8", "Shotput": "16"}, {}])
def test_thumos_text_by_number_position_or_name(tmp_path, table, ids):
    lines = [f"{v}.mp4 {s} {e} {ids.get(c, c)} {p}\n" for v, c, s, e, p in ROWS]
    assert read_detections(write(tmp_path / "d.txt", "".join(lines))) == table


def test_positions_in_a_list_of_ones_own(tmp_path):
    path = write(tmp_path / "d.txt", "v 0 1 2 0.5\n")
    assert read_detections(path, classes=["a", "b"]).label.tolist() == ["b"]


def test_numbers_that_can_mean_two_things(tmp_path):
    with pytest.raises(DataError, match="two things"):
        read_detections(write(tmp_path / "d.txt", "v 0 1 7 0.5\nv 0 1 9 0.5\n"))


def row(**change):
    return json.dumps({"results": {"v": [{"label": "a", "segment": [0, 1], "score": 0.5} | change]}})


BROKEN = {
    "empty.json": ("  \n", "is empty"),
    "list.json": ("[]", "not a table"),
    "cut.json": ('{"results": {"v": [', "not valid JSON"),
    "cut2.json": ('{"results": {"v": []}', "not valid JSON"),
    "more.json": ('{"results": {}} {}', "follows its end"),
    "truth.json": ('{"database": {}}', "looks like ground truth"),
    "results.json": ('{"results": []}', "not a table of videos"),
    "video.json": ('{"results": {"v": {}}}', "not a list"),
    "twice.json": ('{"results": {"v": [], "v": []}}', "twice"),
    "score.json": ('{"results": {"v": [{"label": "a", "segment": [0, 1]}]}}', "video v, row 0: not a detection"),
    "three.json": (row(segment=[0, 1, 2]), "video v, row 0: not a detection"),
    "text.json": (row(score="high"), "video v, row 0: not a detection"),
    "nan.json": (row(score=float("nan")), "video v, row 0: the score is nan"),
    "inf.json": (row(segment=[0, float("inf")]), "video v, row 0: the end is inf"),
    "huge.json": (row(segment=[0, 10**400]), "video v, row 0: not a detection"),
    "yes.json": (row(score=True), "video v, row 0: not a detection"),
    "digits.json": (row(segment="35"), "video v, row 0: not a detection"),
    "nolabel.json": (row(label=None), "video v, row 0: not a detection"),
    "deep.json": ('{"results": {"v": ' + "[" * 100_000 + "]" * 100_000 + "}}", "too deep"),
    "tables.json": ('{"results": {"v": []}, "results": {}}', "there twice"),
    "columns.csv": ("video,label,start,end,start_seconds,score\nv,a,0,1,0,0.5\n", "2 columns for the start"),
    "noname.csv": ("video,label,start,end,score\nv,,0,1,0.5\n", "line 2: not a detection"),
    "back.json": (row(segment=[3, 1]), "video v, row 0: the segment ends before"),
    "empty.csv": ("", "is empty"),
    "noscore.csv": ("video,label,start,end\nv,a,0,1\n", "no column 'score'"),
    "mixed.csv": ("video,label,start,end,score\nv,a,0,1,0.5\n0,1,v,a,0.5\n", "line 3: the start is not"),
    "nan.csv": ("video,label,start,end,score\n\nv,a,0,1,0.5\nv,a,0,1,nan\n", "line 4: the score is nan"),
    "empty.txt": ("\n", "is empty"),
    "few.txt": ("v 0 1 7 0.5\nv 0 1 8\n", "line 2: not a line of detections"),
    "swapped.txt": ("v 0 1 0.5 7\n", "line 1: the class is '0.5'"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_files_name_the_place(tmp_path, name):
    text, message = BROKEN[name]
    with pytest.raises(DataError, match=message) as caught:
        read_detections(write(tmp_path / name, text))
    assert name in str(caught.value)


def test_missing_and_not_text(tmp_path):
    with pytest.raises(DataError, match="do not exist"):
        read_detections(tmp_path / "none.json")
    (tmp_path / "noise.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(DataError, match="not a text file"):
        read_detections(tmp_path / "noise.txt")
