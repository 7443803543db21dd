"""Tables of text, however a spreadsheet writes them."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import DataError
from thas.core.tables import csv_text, number, split_heading, table_rows

COLUMNS = {"video": ("video", "clip"), "label": ("label",), "subset": ("subset",)}


def rows(path, text, **options):
    path.write_bytes(text.encode())
    return list(table_rows(path, COLUMNS, needed=("video", "label"), **options))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def test_rows_come_with_their_lines(path):
    text = "\n\nclip,note,label\na,first,Run\n ,,\nb,second,Jump\n"
    assert rows(path, text) == [(4, {"video": "a", "label": "Run"}), (6, {"video": "b", "label": "Jump"})]


def test_tables_put_behind_one_another_and_marks_that_nobody_sees(path):
    found = rows(path, "video,label\na,Run\n\u200bvideo\u200b,label\nb,\u2060Jump \ufeff\nvideo,Run\n")
    assert [tuple(row.values()) for _, row in found] == [("a", "Run"), ("b", "Jump"), ("video", "Run")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_heading_says_what_separates(path, mark, end):
    lines = [f"Video{mark}LABEL{mark}subset", f'a{mark} "x, y; z"{mark}test', f"b{mark}Run{mark}"]
    found = [row for _, row in rows(path, "\ufeff" + end.join(lines) + end)]
    assert found == [
        {"video": "a", "label": "x, y; z", "subset": "test"},
        {"video": "b", "label": "Run", "subset": ""},
    ]


def test_a_row_may_end_early_or_late_where_that_loses_nothing(path):
    assert rows(path, "video,label,subset\na,Run\nb,Run,test,,\n") == [
        (2, {"video": "a", "label": "Run", "subset": ""}),
        (3, {"video": "b", "label": "Run", "subset": "test"}),
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("name,label\n", "has no column 'video'"),
        ("video,clip,label\n", "has 2 columns for the video: video, clip"),
        ("video,label\na\n", "line 2: 1 field where the heading has 2"),
        ("video,label,label\n", "has 2 columns for the label"),
        ("video;label\na,Run\n", "line 2: 1 field where the heading has 2"),
        ("video,label\na,Run,fast\n", "line 2: 3 fields where the heading has 2"),
        ("video,label\n\n" + "a" * 200_000 + ",Run\n", "line 3 is not a row"),
    ],
)
def test_what_is_wrong_is_named(path, text, named):
    with pytest.raises(DataError, match=named) as caught:
        rows(path, text)
    assert str(caught.value).count("\n") >= 1, "and what to do"
    assert caught.value.subject == str(path)


def test_what_is_no_text_or_not_there_is_named(path):
    path.write_bytes("video,label\na,Sprünge\n".encode("cp1252"))
    with pytest.raises(DataError, match="is not a text file") as caught:
        list(table_rows(path, COLUMNS))
    assert "CSV UTF-8" in caught.value.next
    with pytest.raises(DataError, match="cannot be read"):
        list(table_rows(path.with_name("absent.csv"), COLUMNS))


def test_numbers():
    assert number(" 2.5", place="t.csv, line 2", name="end") == number("2,5", place="", name="end") == 2.5
    for text in ("nan", "inf", "", "2,500", None, True):
        with pytest.raises(DataError, match=r"t\.csv, line 2: the end is not a finite number"):
            number(text, place="t.csv, line 2", name="end")


@given(st.text(max_size=60))
def test_any_line_is_split(line):
    names, separator = split_heading(line)
    assert separator in ",;\t"
    assert all(name == name.strip().lower() for name in names)


@given(st.lists(st.text(alphabet="'=+-@a1,;\" ", max_size=5), min_size=1, max_size=4))
def test_no_cell_is_a_formula_and_each_is_read_as_it_was(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_text(csv_text([("video", "label"), *((f"{name}x", f"{name}y") for name in names)]))
    with path.open(newline="") as file:
        assert not any(cell.lstrip()[:1] in tuple("=+-@") for row in csv.reader(file) for cell in row)
    read = [row["video"] for _, row in table_rows(path, COLUMNS, needed=("video", "label"))]
    assert read == [f"{name}x".strip() for name in names]


def test_a_nul_is_no_text(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(b"video,label\na,Jump\nb,Run\0\n")
    with pytest.raises(DataError, match="is not a text file") as caught:
        list(table_rows(path, ("video", "label")))
    assert caught.value.why == "line 3 holds a NUL"
