"""Data sets' own forms and tables of laboratories: files drawn by hand."""

from __future__ import annotations

import json

import pytest

from thas.annotators.events import ReadingOptions
from thas.core.errors import DataError
from thas.eval import read_annotations


def reading(path, text, **options):
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return read_annotations(path, options=ReadingOptions(**options))


def test_epic_kitchens_has_time_stamps(tmp_path):
    text = (
        "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
        "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\nP01_1,P01,P01_11,0,01:00:00.50,01:00:02.25,1,113,"
        '"take, then hold",take,0,plate,2,"[\'plate\', \'cup\']","[2, 3]"\n'
    )
    assert list(reading(tmp_path / "e.csv", text).segments) == [("P01_11", "take, then hold", 3600.5, 3602.25)]
    assert reading(tmp_path / "e.csv", text, label=("verb", "noun")).classes == ("take plate",)


def test_charades_cuts_ends_past_the_video(tmp_path):
    text = 'id,subject,scene,actions,length\nA,S1,"Hall",c001 1.00 9.00;c002 0.50 3.00,8.5\nB,S2,Hall,,4.0\n'
    found = reading(tmp_path / "c.csv", text)
    assert list(found.segments) == [("A", "c001", 1, 8.5), ("A", "c002", 0.5, 3)]
    assert found.durations == {"A": 8.5, "B": 4}
    assert any("1 end past" in note for note in found.notes)
    with pytest.raises(DataError, match="is no action"):
        reading(tmp_path / "c.csv", text.replace("c001 1.00 9.00", "c001 1.00"))


def test_multithumos_has_numbers(tmp_path):
    found = reading(
        tmp_path / "m.json",
        {"v1": {"subset": "testing", "duration": 9.5, "actions": [[24, 0.5, 1.5]]}, "v2": {"actions": []}},
    )
    assert list(found.segments) == [("v1", "24", 0.5, 1.5)]
    assert (found.subsets["v1"], found.videos) == ("test", ("v1", "v2"))


def test_activitynet_without_its_wrapper(tmp_path):
    found = reading(tmp_path / "a.json", {"v_x": {"duration": 9, "annotations": [{"label": "a", "segment": [1, 2]}]}})
    assert list(found.segments) == [("v_x", "a", 1, 2)]


def test_soccernet_counts_each_half_from_its_start(tmp_path):
    rows = [
        {"gameTime": "1 - 00:01", "label": "Kick-off", "position": "1254", "team": "home", "visibility": "visible"},
        {"gameTime": "2 - 01:00", "label": "Goal", "position": "60500", "team": "away", "visibility": "visible"},
        {"gameTime": "2 - 02:03", "label": "Goal"},
    ]
    found = reading(tmp_path / "Labels-v2.json", {"UrlLocal": "league/2015/A 1 - 0 B/", "annotations": rows})
    game = "A 1 - 0 B"
    assert [row[:3] for row in found.points] == [
        (f"{game} - 1", "Kick-off", 1.254),
        (f"{game} - 2", "Goal", 60.5),
        (f"{game} - 2", "Goal", 123),
    ]
    assert not len(found.segments)
    with pytest.raises(DataError, match="position in milliseconds is not a whole number"):
        reading(tmp_path / "l.json", {"UrlLocal": "g", "annotations": [rows[0] | {"position": "1.2 s"}]})
    with pytest.raises(DataError, match="does not name the game"):
        reading(tmp_path / "l.json", {"annotations": rows})


def test_events_at_frames_with_a_rate_for_each_video(tmp_path):
    content = [
        {"video": "v", "fps": 25.0, "num_frames": 100, "events": [{"frame": 50, "label": "land", "comment": "axel"}]}
    ]
    found = reading(tmp_path / "val.json", content)
    assert list(found.points) == [("v", "land", 2, 2)]
    assert found.durations == {"v": 4}
    assert reading(tmp_path / "val.json", content, label=("comment", "label")).classes == ("axel land",)
    with pytest.raises(DataError, match="frame rate"):
        reading(tmp_path / "val.json", [content[0] | {"fps": None}])


def test_salads_are_microseconds(tmp_path):
    found = reading(
        tmp_path / "05-2-activityAnnotation.txt", "1000000 9000000 prepare_dressing\n1500000 2500000 add_oil_core\n"
    )
    assert list(found.segments) == [("05-2", "prepare_dressing", 1, 9), ("05-2", "add_oil_core", 1.5, 2.5)]
    found = reading(
        tmp_path / "05-2-activityAnnotation.txt",
        "0 9000000 a\n1500000 2500000 add_oil_core\n",
        where={"phase": ("core",)},
        label=("activity",),
    )
    assert found.classes == ("add_oil",)


def test_breakfast_has_a_line_a_frame_or_ranges(tmp_path):
    lines = "SIL\n" * 15 + "pour_milk\n" * 30 + "SIL\n" * 15
    with pytest.raises(DataError, match="frame rate"):
        reading(tmp_path / "P16_cam01_P16_milk.txt", lines)
    found = reading(tmp_path / "P16_cam01_P16_milk.txt", lines, form="breakfast", leave_out=("SIL",))
    assert list(found.segments) == [("P16_cam01_P16_milk", "pour_milk", 1, 3)]
    assert any("15 frames a second" in note for note in found.notes)
    found = reading(
        tmp_path / "P16_cam01_P16_milk.txt", "1-15 SIL  \n16-45 pour_milk\n", form="breakfast", leave_out=("SIL",)
    )
    assert list(found.segments) == [("P16_cam01_P16_milk", "pour_milk", 1, 3)]
    assert reading(tmp_path / "x.txt", lines, form="frame-labels", fps=30).durations == {"x": 2}


def test_jigsaws_counts_frames_from_one_and_includes_the_last(tmp_path):
    found = reading(tmp_path / "Knot_B001.txt", "31 60 G1 \n61 90 G12 \n")
    assert list(found.segments) == [("Knot_B001", "G1", 1, 2), ("Knot_B001", "G12", 2, 3)]
    with pytest.raises(DataError, match="not known what the numbers are") as error:
        reading(tmp_path / "Knot_B001.txt", "31 60 cut\n61 90 tie\n")
    assert "--from jigsaws" in error.value.next
    with pytest.raises(DataError, match="count from 1"):
        reading(tmp_path / "Knot_B001.txt", "0 60 G1\n")


OWN = '"file";"Rater";"from";"to";"type";"ID"\n'
OWN += '"a_1.json";"ann";1,5;2,5;"Float";"a"\n"a_2.json";"bob";1.4;2.6;"Float";"a"\n'


def test_a_table_whose_columns_are_named(tmp_path):
    columns = {"video": ("id",), "label": ("type",), "start": ("from",), "end": ("to",)}
    with pytest.raises(DataError, match="no column 'video'") as error:
        reading(tmp_path / "t.csv", OWN)
    assert "--columns" in error.value.next
    found = reading(tmp_path / "t.csv", OWN, columns=columns)
    assert list(found.segments) == [("a", "Float", 1.5, 2.5), ("a", "Float", 1.4, 2.6)]
    assert any("several Raters are read together: ann, bob" in note for note in found.notes)
    found = reading(tmp_path / "t.csv", OWN, columns=columns, where={"Rater": ("bob",)})
    assert list(found.segments) == [("a", "Float", 1.4, 2.6)]
    with pytest.raises(DataError, match="no column 'idd'") as error:
        reading(tmp_path / "t.csv", OWN, columns=columns | {"video": ("idd",)})
    assert "did you mean 'id'" in error.value.why


def test_a_table_with_ranges_of_frames_under_each_label(tmp_path):
    columns = {"video": ("video_id",), "ranges": ("reach", "hold")}
    text = "video_id,who,Reach,Hold\n19,x,1-12,13 - 18\n20,y,-,1-6\n"
    found = reading(tmp_path / "t.csv", text, columns=columns, fps=12)
    assert list(found.segments) == [("19", "Reach", 0, 1), ("19", "Hold", 1, 1.5), ("20", "Hold", 0, 0.5)]
    for wrong, said in (
        ({}, "frame rate"),
        ({"fps": 12, "columns": columns | {"ranges": ("grab",)}}, "no column 'grab'"),
    ):
        with pytest.raises(DataError, match=said):
            reading(tmp_path / "t.csv", text, **({"columns": columns} | wrong))
    with pytest.raises(DataError, match="no range of frames"):
        reading(tmp_path / "t.csv", text.replace("1-12", "soon"), columns=columns, fps=12)
