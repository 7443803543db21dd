"""Spreadsheets as people keep them: right, or the cell is named."""

from __future__ import annotations

import datetime
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.annotators.annotation_files import read_any
from thas.core.errors import DataError
from thas.core.tables import find_table, number, seconds, table_rows
from thas.datasets.labels import read_labels
from thas.datasets.opening import open_dataset
from thas.eval import read_annotations, read_detections
from thas.image_has.folder import read_boxes

openpyxl = pytest.importorskip("openpyxl")

COLUMNS = {"video": ("video",), "label": ("label", "action"), "subset": ("subset",), "start": ("start",)}


def written(path, *rows, sheets=(), **formats):
    """A spreadsheet of rows, and further sheets; formats by cell."""
    book = openpyxl.Workbook()
    for sheet, content in ((book.active, rows), *((book.create_sheet(name), more) for name, more in sheets)):
        for row in content:
            sheet.append(row)
    for cell, written_as in formats.items():
        book.active[cell].number_format = written_as
    book.save(path)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels.xlsx"


def rows(path, needed=("video", "label")):
    return list(table_rows(path, COLUMNS, needed=needed))


def test_a_title_empty_rows_other_columns_and_numbers_as_names(path):
    written(
        path,
        ["Our matches", None, None, None],
        [],
        ["Video", "Remark", "Action", "Subset"],
        ["a", 3.7, "Run", "training"],
        [None, None, None, None],
        [12, datetime.date(2024, 5, 3), "Jump", None],
        [None, "only a remark", None, None],
    )
    assert rows(path) == [
        (4, {"video": "a", "label": "Run", "subset": "training"}),
        (6, {"video": "12", "label": "Jump", "subset": ""}),
    ]


def test_what_nobody_sees_is_no_part_of_a_name_and_what_is_shown_is(path):
    written(
        path,
        ["video\xa0", "\ufefflabel"],
        [7, "Run"],
        [8.0, "\u200bLong jump\xa0"],
        [9, "Run"],
        ["Video", "LABEL"],
        ["x\u200e", "Run"],
        A2="000",
        A3="0000",
        A4="0.0",
    )
    assert [tuple(row.values()) for _, row in rows(path)] == [
        ("007", "Run"),
        ("0008", "Long jump"),
        ("9", "Run"),
        ("x", "Run"),
    ], "numbers with their noughts; no marks without width; the heading, once more, is no row"


def test_a_cell_merged_over_rows_counts_in_each(path):
    book = openpyxl.Workbook()
    for row in (["video", "label"], ["a", "Run"], [None, "Jump"], ["b", "Run"]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.save(path)
    assert [(row["video"], row["label"]) for _, row in rows(path)] == [("a", "Run"), ("a", "Jump"), ("b", "Run")]


def test_of_several_sheets_the_one_with_the_columns_is_read(path):
    table = [["video", "label"], ["a", "Run"]]
    written(path, ["what", "this is"], ["a", "note"], sheets=[("data", table)])
    assert [row for _, row in rows(path)] == [{"video": "a", "label": "Run"}]
    written(path, *table, sheets=[("data", table)])
    with pytest.raises(DataError, match="2 sheets with such a table: Sheet, data"):
        rows(path)
    book = openpyxl.load_workbook(path)
    book["data"].sheet_state = "hidden"
    book.save(path)
    assert len(rows(path)) == 1


def test_times_are_read_as_they_are_shown(path):
    written(
        path,
        ["video", "label", "start"],
        ["a", "Run", "1:23"],
        ["a", "Run", datetime.time(0, 1, 23)],
        ["a", "Run", datetime.timedelta(seconds=83.5)],
        ["a", "Run", 83.5],
        ["a", "Run", "83,5"],
        ["a", "Run", 83],
        C3="mm:ss",
        C4="[h]:mm:ss.0",
    )
    found = [seconds(row["start"], place="x", name="start") for _, row in rows(path, ("video", "label", "start"))]
    assert found == [83, 83, 83.5, 83.5, 83.5, 83]


@pytest.mark.parametrize(
    ("value", "written_as", "says"),
    [
        (datetime.time(1, 23), "h:mm", "cell C2 is 1 hours 23 minutes"),
        (datetime.timedelta(hours=25, minutes=10), "[h]:mm", "cell C2 is 25 hours 10 minutes"),
        (datetime.datetime(2024, 1, 5), "yyyy-mm-dd", "cell C2 is a date, 2024-01-05"),
        ("=B2/0", "General", "cell C2 is a formula whose value the file does not hold"),
        ("#REF!", "General", "cell C2 holds the error #REF!"),
    ],
)
def test_what_is_not_plain_is_named_by_its_cell(path, value, written_as, says):
    written(path, ["video", "label", "start"], ["a", "Run", value], C2=written_as)
    with pytest.raises(DataError) as error:
        rows(path, ("video", "label", "start"))
    assert says in error.value.what
    assert error.value.next


def test_a_date_among_the_labels_is_named_too(path):
    written(path, ["video", "label"], ["a", datetime.date(2024, 5, 3)])
    with pytest.raises(DataError, match="sheet Sheet, cell B2 is a date"):
        rows(path)


def test_the_computed_value_of_a_formula_is_read(path, tmp_path):
    """As a spreadsheet saves it: the formula, and beside it what it gave."""
    import zipfile

    written(tmp_path / "raw.xlsx", ["video", "label"], ["a", "=UPPER(A2)"])
    with zipfile.ZipFile(tmp_path / "raw.xlsx") as raw, zipfile.ZipFile(path, "w") as computed:
        for name in raw.namelist():
            content = raw.read(name)
            if name == "xl/worksheets/sheet1.xml":
                assert content.count(b"<v />") + content.count(b"<v></v>") + content.count(b"<v/>") == 1
                for empty in (b"<v />", b"<v></v>", b"<v/>"):
                    content = content.replace(empty, b"<v>A</v>")
                content = content.replace(b'r="B2"', b'r="B2" t="str"')
            computed.writestr(name, content)
    assert [row for _, row in rows(path)] == [{"video": "a", "label": "A"}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "save it again"),
        (b"PK\x03\x04 cut short", "save it again"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 of long ago, or with a password", "save it again"),
        (None, "check the path"),
        ("video;label\r\nü;Run\r\n".encode(), "name it labels.csv"),
    ],
)
def test_a_file_that_is_none_is_named(path, content, says):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read") as caught:
        rows(path)
    assert says in caught.value.next


def test_a_sheet_that_is_called_csv_is_named(path):
    written(path, ["video", "label"], ["a", "Run"])
    path.rename(path.with_suffix(".csv"))
    with pytest.raises(DataError, match="is not a text file") as caught:
        list(table_rows(path.with_suffix(".csv"), ("video", "label")))
    assert "name it labels.xlsx" in caught.value.next


def test_a_sheet_without_the_columns_is_named(path):
    written(path, ["name", "class"], ["a", "Run"])
    with pytest.raises(DataError, match="no sheet with the columns video,label"):
        rows(path)
    written(path)
    with pytest.raises(DataError, match="is empty"):
        rows(path)


def test_a_data_set_takes_labels_and_annotations_from_spreadsheets(tmp_path, path):
    written(
        path, ["video", "label", "subset"], ["a", "Run", "training"], ["b", "Jump", "training"], ["c", "Run", "test"]
    )
    table = written(tmp_path / "annotations.xlsx", ["video", "label", "start", "end"], ["c", "Run", "1:05", "1:07,5"])
    dataset = open_dataset(tmp_path)
    assert dataset.labels == {"a": ("Run",), "b": ("Jump",), "c": ("Run",)}
    assert list(dataset.annotations("test").segments) == [("c", "Run", 65.0, 67.5)]
    assert len(read_annotations(table).segments) == len(read_any(table).segments) == 1
    (tmp_path / "labels.csv").write_text("video,label\na,Run\n")
    with pytest.raises(DataError, match=r"labels.csv, labels.xlsx"):
        open_dataset(tmp_path)
    (tmp_path / "labels.csv").unlink()
    shutil.move(path, tmp_path / "labels.ods")
    with pytest.raises(DataError, match="of a kind that is not read") as error:
        open_dataset(tmp_path)
    assert error.value.next.endswith(f"--convert-to xlsx --outdir {tmp_path} {tmp_path / 'labels.ods'}")
    assert find_table(tmp_path, "boxes") is None


def test_a_table_of_labels_with_times_is_the_true_segments_too(tmp_path, path):
    """As a person keeps one: a row an action, here and there without a time; training sees the labels alone."""
    heading = ["Video", "Label", "Start", "End"]
    written(path, heading, ["a.mp4", "Run", "0:01", "0:02,5"], ["a.mp4", "Jump", None, None], ["b", "Run", "1,5", 3])
    dataset = open_dataset(tmp_path)
    assert dataset.labels == {"a.mp4": ("Run", "Jump"), "b": ("Run",)}
    assert dataset.annotations_path == path
    found = dataset.annotations()
    assert list(found.segments) == [("a.mp4", "Run", 1.0, 2.5), ("b", "Run", 1.5, 3.0)]
    assert "1 row has no times" in " ".join(found.notes)
    written(path, heading, ["a.mp4", "Run", datetime.datetime(2026, 1, 2), 3])
    with pytest.raises(DataError, match="C2") as caught:
        open_dataset(tmp_path).annotations()
    assert "date" in caught.value.what + caught.value.why
    written(path, heading[:2], ["a.mp4", "Run"])
    assert open_dataset(tmp_path).annotations_path is None


def test_detections_and_boxes_come_from_spreadsheets_too(tmp_path):
    found = written(
        tmp_path / "found.xlsx", ["video", "label", "start", "end", "score"], ["a", "Run", "0:01", 2.5, "0,9"]
    )
    assert list(read_detections(found)) == [("a", "Run", 1.0, 2.5, 0.9)]
    assert list(read_any(found)) == [("a", "Run", 1.0, 2.5, 0.9)]
    boxes = written(
        tmp_path / "boxes.xlsx", ["image", "label", "x0", "y0", "x1", "y1"], ["i.png", "cat", "1,5", 2, 3, 4]
    )
    assert read_boxes(boxes, {"i.png": "cat"}) == ({"i.png": [(1.5, 2.0, 3.0, 4.0)]}, [])


@pytest.mark.parametrize(
    "text", ["1:60", "1:61:00", "1:-3", "1:2:3:4", "a:03", "1:", ":5", "", "12;5", "1,234", "1.234,5"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(DataError):
        seconds(text, place="x.csv, line 2", name="start")


@given(st.integers(0, 5 * 3600 * 1000))
def test_a_time_is_the_same_however_it_is_written(milliseconds):
    value = milliseconds / 1000
    minutes, rest = divmod(value, 60)
    hours = int(minutes // 60)
    for text in (
        f"{value:.3f}",
        f"{int(minutes)}:{rest:06.3f}",
        f"{hours}:{int(minutes) % 60:02d}:{rest:06.3f}",
        f"{int(minutes)}:{rest:06.3f}".replace(".", ","),
    ):
        assert seconds(text, place="x", name="start") == pytest.approx(value, abs=1e-9)


def test_a_comma_before_decimals_is_understood_and_thousands_are_not_guessed():
    assert number("61,5", place="x", name="start") == 61.5
    assert number("0,125", place="x", name="start") == 0.125
    for text in ("1,234", "1,234.5", "1.234,5"):
        with pytest.raises(DataError, match="finite number"):
            number(text, place="x", name="start")


def _with_sheet(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """A spreadsheet of three rows, with its sheet's XML changed."""
    book = openpyxl.Workbook()
    for row in (["video", "label"], ["a", "Run"], ["b", "Run"]):
        book.active.append(row)
    book.active.merge_cells("B2:B3")
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = next(name for name in parts if name.startswith("xl/worksheets/"))
    assert b'ref="B2:B3"' in parts[sheet]
    parts[sheet] = change(parts[sheet])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace(b'ref="B2:B3"', b'ref="A1:XFD1048576"'), "merges millions of cells"),
        (
            lambda text: text.replace(b"<mergeCell ", b'<x:mergeCell xmlns:x="y" ref="A1:XFD99999"/><mergeCell '),
            "merges",
        ),
        (lambda text: text.replace(b"</sheetData>", b'<row r="9"><c r="A9"/></row>' * 200 + b"</sheetData>"), "fills"),
        (lambda text: b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>' + text, "declares a document type"),
    ],
)
def test_a_small_spreadsheet_of_millions_of_cells_is_refused_before_it_is_read(tmp_path, monkeypatch, change, why):
    monkeypatch.setattr("thas.core.workbook_parts._MOST_CELLS", 100)
    began = time.process_time()
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_labels(_with_sheet(tmp_path / "labels.xlsx", change))
    assert why in caught.value.why
    assert time.process_time() - began < 2
    assert list(read_labels(_with_sheet(tmp_path / "sound.xlsx", lambda text: text))[0]) == ["a", "b"]
