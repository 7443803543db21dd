"""The time budget, as rows, CSV and a spreadsheet, and one video's timeline as a picture."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.annotators.convert import write
from thas.cli import run as command
from thas.core.errors import UsageError
from thas.core.segments import Segments
from thas.eval import Annotations
from thas.report.time_table import by_label, time_budget, union_seconds, write_time_table

# v, 10 s:  Run 1 to 3 and 2 to 4 (overlapping), Dive 8 to 9;  w, 20 s: nothing of Dive, Run 5 to 10
ACTIONS = Segments(["v", "v", "v", "w"], ["Run", "Run", "Dive", "Run"], [1, 2, 8, 5], [3, 4, 9, 10])
SECONDS = {"v": 10.0, "w": 20.0}


def test_a_row_for_each_video_and_label_zeros_included():
    rows = time_budget(ACTIONS, videos=["v", "w", "empty"], seconds=SECONDS)
    found = {(row.video, row.label): row for row in rows}
    assert len(rows) == 6
    run = found["v", "Run"]
    assert (run.count, run.total_seconds, run.mean_seconds, run.longest_seconds) == (2, 3.0, 2.0, 2.0)
    assert (run.latency_seconds, run.share) == (1.0, 0.3)
    none = found["w", "Dive"]
    assert (none.count, none.total_seconds, none.mean_seconds, none.latency_seconds, none.share) == (
        0,
        0,
        None,
        None,
        0,
    )
    assert found["empty", "Run"].share is None, "its length is not known"
    together = by_label(rows, seconds=30.0)
    assert [(row.label, row.count, row.total_seconds) for row in together] == [("Dive", 1, 1.0), ("Run", 3, 8.0)]
    assert together[1].mean_seconds == pytest.approx(3.0)
    assert together[1].share == pytest.approx(8 / 30)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=12))
def test_time_covered_twice_counts_once(intervals):
    covered = np.zeros(60, dtype=bool)
    for start, length in intervals:
        covered[start : start + length] = True
    start, length = np.array(intervals, dtype=float).reshape(-1, 2).T
    assert union_seconds(start, start + length) == covered.sum()


def test_csv(tmp_path):
    rows = time_budget(Segments(["=v"], ["Run"], [1.0], [63.25]), seconds={"=v": 124.5})
    with write_time_table(tmp_path / "t.csv", rows).open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "video": "'=v", "label": "Run", "count": "1", "total_seconds": "62.250", "total": "01:02.2",
        "mean_seconds": "62.250",
        "longest_seconds": "62.250", "latency_seconds": "1.000", "share": "0.5000",
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"neither a \.csv"):
        write_time_table(tmp_path / "t.ods", rows)


def test_spreadsheet(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    rows = time_budget(Segments(["=1+1", "v\x07"], ["Run", "Run"], [1.0, 0], [63.25, 1]), seconds={"=1+1": 124.5})
    sheet = openpyxl.load_workbook(write_time_table(tmp_path / "t.xlsx", rows)).active
    assert [cell.value for cell in sheet[1]][:3] == ["video", "label", "count"]
    assert (sheet["A2"].value, sheet["A2"].data_type) == ("=1+1", "s"), "no formula"
    assert sheet["D2"].value == 62.25
    assert sheet["E2"].number_format == "[mm]:ss.0"
    assert sheet["A3"].value == "v?"


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(Annotations(ACTIONS, ("Dive", "Run"), SECONDS), "truth.json", form="activitynet")
    assert command(["summary", "truth.json", "--out", "s.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["label"], row["total_seconds"]) for row in found["labels"]] == [("Dive", 1.0), ("Run", 8.0)]
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 5
    assert command(["summary", "truth.json"]) == 0
    assert "00:08.0" in capsys.readouterr().out
    scored = Segments(ACTIONS.video, ACTIONS.label, ACTIONS.start_seconds, ACTIONS.end_seconds, [0.9, 0.8, 0.7, 0.6])
    write(scored, "found.json", form="activitynet")
    for options, count in (([], 2), (["--all"], 3)):
        assert command(["summary", "found.json", "--json", *options]) == 0
        runs = [row for row in json.loads(capsys.readouterr().out)["labels"] if row["label"] == "Run"]
        assert runs[0]["count"] == count, "of detections that overlap, the surest counts"
