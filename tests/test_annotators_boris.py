"""BORIS: both layouts, both kinds of export, queued videos, subjects, projects; and what is written comes back."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.annotators.annotation_files import read_any
from thas.annotators.convert import losses, write
from thas.annotators.events import ReadingOptions
from thas.annotators.forms import form_of
from thas.core.errors import DataError
from thas.core.segments import Segments
from thas.eval import Annotations, read_annotations

V7 = """Observation id\tmorning

Media file(s)

Player #1\tC:\\films\\A b.avi

Time offset (s)\t{offset}

independent variables
variable\tvalue
weather\tsun, wind
Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tModifier 1\tComment\tStatus
{rows}
"""
V8 = (
    "Observation id,Observation date,Description,Observation duration,Observation type,Source,Time offset (s),"
    "Media duration (s),FPS,Subject,Behavior,Behavioral category,Modifier #1,Behavior type,"
    "Time,Media file name,Comment\n"
)
AGGREGATED = (
    "Observation id;Source;Time offset (s);Media duration (s);Subject;Behavior;Behavior type;"
    "Start (s);Stop (s);Duration (s);Media file name\n"
)


def reading(path, text, **options):
    path.write_bytes(text.encode())
    return read_annotations(path, options=ReadingOptions(**options))


def v7(time, who, what, kind, modifier="", media="C:\\films\\A b.avi"):
    return f"{time}\t{media}\t100.5\t25\t{who}\t{what}\t\t{modifier}\t\t{kind}"


def v8(
    time, who, what, kind, *, source="player #1:films/a.mp4", length="60", media="films/a.mp4", offset="0", modifier=""
):
    first = f"o1,2024-05-01 10:00:00,,50,Media file(s),{source},{offset},{length},25,{who},{what},,{modifier}"
    return f'{first},{kind},{time},{media},"no, none"\n'


def test_starts_and_stops_of_two_subjects_are_not_mixed(tmp_path):
    rows = [
        v7("1.0", "ann", "walk", "START"),
        v7("2.0", "bob", "walk", "START"),
        v7("3.0", "ann", "walk", "STOP"),
        v7("0:05.5", "bob", "walk", "STOP"),
        v7("4.25", "", "call", "POINT"),
    ]
    found = reading(tmp_path / "e.tsv", V7.format(offset="0.0", rows="\n".join(rows)))
    assert list(found.segments) == [("A b", "walk", 1.0, 3.0), ("A b", "walk", 2.0, 5.5)]
    assert list(found.points) == [("A b", "call", 4.25, 4.25)]
    assert found.durations == {"A b": 100.5}
    assert any("instant" in note for note in found.notes)


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_line_ends_and_a_mark_make_no_difference(tmp_path, ends):
    text = V7.format(offset="0", rows=v7("1", "", "läuft 🏃", "START") + "\n" + v7("2", "", "läuft 🏃", "STOP"))
    found = reading(tmp_path / "e.tsv", "\ufeff" + text.replace("\n", ends))
    assert list(found.segments) == [("A b", "läuft 🏃", 1.0, 2.0)]


def test_the_offset_of_an_observation_is_taken_off(tmp_path):
    rows = v7("101", "", "walk", "START") + "\n" + v7("102.5", "", "walk", "STOP")
    assert list(reading(tmp_path / "e.tsv", V7.format(offset="100", rows=rows)).segments) == [("A b", "walk", 1.0, 2.5)]
    found = reading(tmp_path / "e.tsv", V7.format(offset="0:01:40", rows=rows), offset=0.5)
    assert list(found.segments) == [("A b", "walk", 1.5, 3.0)]


def test_modifiers_keep_states_apart_and_may_be_part_of_the_label(tmp_path):
    rows = [v8(1, "", "eat", "START", modifier="left"), v8(2, "", "eat", "START", modifier="right")]
    rows += [v8(3, "", "eat", "STOP", modifier="left"), v8(4, "", "eat", "STOP", modifier="right")]
    found = reading(tmp_path / "e.csv", V8 + "".join(rows))
    assert [(start, end) for _, _, start, end in found.segments] == [(1, 3), (2, 4)]
    found = reading(tmp_path / "e.csv", V8 + "".join(rows), label=("behavior", "modifiers"))
    assert found.classes == ("eat left", "eat right")


QUEUE = {"source": "player #1:x/a.mp4;x/b.mp4|player #2:x/side.mp4", "length": "60.000;30.000|90.000", "offset": "10"}


def test_queued_videos_get_their_own_clocks(tmp_path):
    rows = [
        v8(15, "", "run", "START", media="x/a.mp4", **QUEUE),
        v8(20, "", "run", "STOP", media="x/a.mp4", **QUEUE),
        v8(68, "", "run", "START", media="x/a.mp4", **QUEUE),
        v8(75, "", "run", "STOP", media="x/b.mp4", **QUEUE),
        v8(80.5, "", "jump", "POINT", media="x/b.mp4", **QUEUE),
    ]
    found = reading(tmp_path / "e.csv", V8 + "".join(rows))
    assert list(found.segments) == [("a", "run", 5, 10), ("a", "run", 58, 60), ("b", "run", 0, 5)]
    assert list(found.points) == [("b", "jump", 10.5, 10.5)]
    assert found.durations == {"a": 60, "b": 30}
    assert any("side" in note for note in found.notes)
    assert any("goes on" in note for note in found.notes)


def test_a_row_that_lies_in_another_video_than_it_says_is_named(tmp_path):
    rows = v8(15, "", "run", "START", media="x/b.mp4", **QUEUE) + v8(20, "", "run", "STOP", media="x/b.mp4", **QUEUE)
    with pytest.raises(DataError, match="by the clock"):
        reading(tmp_path / "e.csv", V8 + rows)


def test_lengths_that_an_old_layout_does_not_hold_are_asked_for(tmp_path):
    rows = [v7("1", "", "run", "START", media="a.mp4"), v7("2", "", "run", "STOP", media="a.mp4")]
    rows += [v7("70", "", "run", "START", media="b.mp4"), v7("80", "", "run", "STOP", media="b.mp4")]
    text = V7.format(offset="0", rows="\n".join(rows))
    with pytest.raises(DataError, match="lengths are not known") as error:
        reading(tmp_path / "e.tsv", text)
    assert "--seconds a=SECONDS" in error.value.next
    found = reading(tmp_path / "e.tsv", text, seconds={"a": 60.0})
    assert list(found.segments) == [("a", "run", 1, 2), ("b", "run", 10, 20)]
    with pytest.raises(DataError, match="80 s together"):
        reading(tmp_path / "e.tsv", text, seconds={"a": 60.0, "b": 20.0})


def test_aggregated_events_with_semicolons_and_decimal_commas(tmp_path):
    rows = [
        'o1;player #1:a.mp4;0,000;60,5;No focal subject;"say ""hi"";";STATE;1,25;2,5;1,25;a.mp4\n',
        "o1;player #1:a.mp4;0,000;60,5;No focal subject;مشي;POINT;3,75;3,75;NA;a.mp4\n",
    ]
    found = reading(tmp_path / "e.csv", AGGREGATED + "".join(rows))
    assert list(found.segments) == [("a", 'say "hi";', 1.25, 2.5)]
    assert list(found.points) == [("a", "مشي", 3.75, 3.75)]


def test_states_without_an_end_are_named_or_left_out(tmp_path):
    text = V8 + v8(1, "ann", "run", "START") + v8(2, "ann", "run", "START") + v8(3, "ann", "run", "STOP")
    with pytest.raises(DataError, match="'ann' 'run' at 1 s has no stop"):
        reading(tmp_path / "e.csv", text)
    found = reading(tmp_path / "e.csv", text, skip_unpaired=True)
    assert [(start, end) for _, _, start, end in found.segments] == [(2, 3)]
    assert any("1 state without" in note for note in found.notes)
    with pytest.raises(DataError, match="no start"):
        reading(tmp_path / "e.csv", V8 + v8(3, "", "run", "STOP"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (V8 + v8("x", "", "run", "POINT"), "not a finite number"),
        (V8 + v8(1, "", "run", "ONCE"), "of the kind 'ONCE'"),
        (V8 + v8(1, "", "", "POINT"), "behavior is empty"),
        (V8 + v8(1, "", "run", "POINT")[:40], "where the heading has"),
        (V8 + v8(1714557600, "", "run", "POINT"), "not in the videos of its observation"),
        (V8 + v8("NA", "", "run", "POINT"), "an event has no time"),
        (AGGREGATED + "o;player #1:a.mp4;0;60;;run;STATE;3;2;-1;a.mp4\n", "ends before it starts"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as error:
        reading(tmp_path / "e.csv", text)
    assert error.value.subject == str(tmp_path / "e.csv")


def test_live_observations_have_no_video(tmp_path):
    live = v8(1, "", "run", "POINT", source="NA", media="NA", length="NA").replace("Media file(s)", "Live observation")
    found = reading(tmp_path / "e.csv", V8 + live)
    assert not len(found.points)
    assert any("live" in note for note in found.notes)
    assert list(reading(tmp_path / "e.csv", V8 + live, video="scene").points) == [("scene", "run", 1, 1)]


def test_two_videos_of_one_name_are_not_taken_for_one(tmp_path):
    rows = v8(1, "", "run", "POINT") + v8(
        1, "", "run", "POINT", source="player #1:other/a.mp4", media="other/a.mp4"
    ).replace("o1", "o2")
    with pytest.raises(DataError, match="two videos are called a"):
        reading(tmp_path / "e.csv", V8 + rows)


def test_a_sheet_is_read_as_a_text_is(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in (V8 + v8(1.5, "", "run", "START") + v8(2.5, "", "run", "STOP")).splitlines():
        book.active.append([float(cell) if cell.replace(".", "").isdigit() else cell for cell in line.split(",")[:-1]])
    book.save(tmp_path / "e.xlsx")
    assert list(read_any(tmp_path / "e.xlsx").segments) == [("a", "run", 1.5, 2.5)]


def project(events, **more):
    info = {"length": {"d/a.mp4": 60.0}}
    observation = {
        "file": {"1": ["d/a.mp4"]},
        "type": "MEDIA",
        "time offset": 0.0,
        "events": events,
        "media_info": info,
    }
    kinds = {"0": {"type": "State event", "code": "s"}, "1": {"type": "Point event", "code": "p"}}
    return {"project_format_version": "7.0", "behaviors_conf": kinds, "observations": {"o": observation | more}}


def test_a_project_pairs_by_subject_and_modifier(tmp_path):
    events = [
        [1, "x", "s", "", ""],
        [2, "y", "s", "", ""],
        [3, "x", "s", "", ""],
        [4, "y", "s", "", ""],
        [5, "", "p", "", ""],
    ]
    found = reading(tmp_path / "p.boris", json.dumps(project(events)))
    assert [(start, end) for _, _, start, end in found.segments] == [(1, 3), (2, 4)]
    assert list(found.points) == [("a", "p", 5, 5)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (project([[1, "", "s", "", ""]]), "'s' at 1 s has no stop"),
        (project([[1, "", "z", "", ""]]), "not in the project's ethogram"),
        (project([[1, ""]]), "is no event"),
        (project([["NA", "", "p", "", ""]]), "no time"),
        (project({"a": 1}), "where a list must be"),
    ],
)
def test_what_is_wrong_in_a_project_is_named(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        reading(tmp_path / "p.boris", json.dumps(content))


def test_a_project_counts_from_the_creation_of_its_media(tmp_path):
    info = {"length": {"d/a.mp4": 60.0}, "media_creation_time": {"d/a.mp4": 1714557600.0}}
    content = project([[1714557605.5, "", "p", "", ""]], media_creation_date_as_offset=True, media_info=info)
    assert list(reading(tmp_path / "p.boris", json.dumps(content)).points) == [("a", "p", 5.5, 5.5)]


times = st.integers(0, 60_000).map(lambda n: n / 1000)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf")), min_size=1, max_size=6)
rows = st.lists(st.tuples(st.sampled_from(["v1", "v 2"]), texts, times, times), min_size=1, max_size=8)


@settings(max_examples=40)
@given(rows, rows)
def test_a_project_written_is_read_back(tmp_path_factory, drawn, clicks):
    segments = Segments(*zip(*[(v, c, s, s + d) for v, c, s, d in drawn], strict=True))
    known = set(segments.label)
    points = Segments(*(list(zip(*[(v, c, s, s) for v, c, s, _ in clicks if c not in known], strict=True)) or [[]] * 4))
    truth = Annotations(segments, tuple(sorted({*known, *points.label})), {"v1": 120.0, "v 2": 120.0}, points=points)
    path = tmp_path_factory.mktemp("boris") / "p.boris"
    write(truth, path, form="boris")
    assert form_of(path) == "boris-project"
    back = read_annotations(path)
    for mine, theirs in ((truth.segments, back.segments), (truth.points, back.points)):
        assert sorted((v, c, round(s, 3), round(e, 3)) for v, c, s, e in mine) == sorted(theirs)
    assert back.durations == truth.durations


def test_what_a_form_cannot_hold_is_said():
    scored = Segments(["v"], ["a"], [0], [1], [0.5])
    assert losses(scored, "boris")[0] == "scores are not written: boris has none"
    assert "lengths are not known: 1 video ends" in losses(scored, "boris")[1]
    points = Annotations(Segments.empty(), ("a",), subsets={"v": "test"}, points=Segments(["v"], ["a"], [1], [1]))
    assert losses(points, "srt") == [
        "1 instant not written: srt has segments alone",
        "subsets are not written: srt has none",
    ]
    assert losses(points, "activitynet") == []


def test_a_packed_project_is_read_and_a_damaged_one_named(tmp_path):
    media = "films/a.mp4"
    observation = {"file": {"1": [media]}, "type": "MEDIA", "time offset": 0.0, "media_info": {"length": {media: 60.0}}}
    observation["events"] = [[1, "", "Run", "", ""], [2.5, "", "Run", "", ""]]
    kinds = {"0": {"type": "State event", "code": "Run"}}
    project = {"project_format_version": "7.0", "behaviors_conf": kinds, "observations": {"o": observation}}
    packed = gzip.compress(json.dumps(project).encode())
    path = tmp_path / "coding.boris.gz"
    path.write_bytes(packed)
    assert form_of(path) == "boris-project"
    assert list(read_any(path).segments) == [("a", "Run", 1.0, 2.5)]
    bomb = gzip.compress(b"[" + b" " * (65 << 20))
    for content, why in ((packed[:-9], "cut short"), (packed[:10] + b"no", "not what gzip writes"), (bomb, "64 MB")):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read") as caught:
            read_any(path)
        assert why in caught.value.why
