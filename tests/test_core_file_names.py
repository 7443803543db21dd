from __future__ import annotations

import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.annotators.convert import write
from thas.cli.console import PlainConsole
from thas.core.errors import DataError
from thas.core.file_names import file_name, name_fault
from thas.core.json_files import parse_json
from thas.core.segments import Segments
from thas.datasets.labels import read_labels
from thas.datasets.opening import open_dataset
from thas.eval.annotations import Annotations


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_name_from_data_stays_in_its_folder(name, other):
    made = file_name(name, ".png")
    assert os.path.basename(made) == made
    assert made not in {".", ".."}
    assert not made.startswith(".")
    assert "\0" not in made
    assert len(os.fsencode(made)) <= 255
    assert (file_name(other, ".png") == made) == (name == other)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", "a\0b", "a\x1b[31m", "x" * 255])
def test_what_is_no_name_of_a_video(tmp_path, name):
    assert name_fault(name)
    database = {name: {"subset": "test", "annotations": [{"label": "Run", "segment": [0, 1]}]}}
    (tmp_path / "annotations.json").write_text(json.dumps({"database": database}))
    with pytest.raises(DataError):
        open_dataset(tmp_path)
    if name.strip() and "\0" not in name:
        (tmp_path / "labels.csv").write_text(f"video,label\n{name},Run\n")
        with pytest.raises(DataError, match="not the name of a video"):
            read_labels(tmp_path / "labels.csv")


def test_conversion_writes_into_its_folder_alone(tmp_path):
    segments = Segments(["../../v"], ["Run"], [0], [1])
    truth = Annotations(segments, ("Run",), {"../../v": 5.0}, {"../../v": "../../../test"})
    folder = tmp_path / "a" / "b"
    for form in ("webvtt", "thumos"):
        try:
            write(truth, folder, form=form)
        except DataError:
            continue
    assert {path for path in tmp_path.rglob("*") if path.is_file()} <= set(folder.glob("*"))


def test_a_terminal_is_not_steered_by_names():
    text = io.StringIO()
    console = PlainConsole(file=text, force_terminal=True, color_system="standard")
    console.print("[red]bad[/] \x1b[2J\u202egnp", highlight=False)
    console.print("\x07tab\tand line", markup=False)
    said = text.getvalue()
    assert "\x1b[2J" not in said
    assert "\u202e" not in said
    assert "\\x1b" in said
    assert "\\u202e" in said
    assert "\x1b[31mbad" in said  # rich's own colours remain


@pytest.mark.parametrize("text", [r'{"\ud800": 1}', r'["a\uDFFF"]', r'["\ude00\ud83d"]'])
def test_half_a_character_in_json_is_refused(text):
    """Nothing could be called so, nor written; but bytes of names that are no UTF-8, and whole characters, are read."""
    with pytest.raises(DataError, match="is not valid JSON") as caught:
        parse_json(text, "a.json")
    assert "half a character" in caught.value.why
    assert parse_json(r'["a\udcff", "\ud83d\ude00"]', "a.json") == ["a\udcff", "\U0001f600"]
