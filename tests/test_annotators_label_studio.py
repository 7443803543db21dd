"""Label Studio: ranges of frames in all its exports, names of uploads, rates; and what is written comes back."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.annotators.convert import write
from thas.annotators.events import ReadingOptions
from thas.annotators.forms import form_of
from thas.core.errors import DataError
from thas.core.segments import Segments
from thas.eval import Annotations, read_annotations


def region(first, last, *labels, **more):
    return {
        "type": "timelinelabels",
        "value": {"ranges": [{"start": first, "end": last}], "timelinelabels": [*labels]},
    } | more


def task(*results, media="/data/upload/3/0a1b2c3d-day 1.mp4", who=1, number=7, **more):
    annotation = {"id": 5, "completed_by": who, "result": [*results]}
    return {"id": number, "data": {"video": media, "site": "north"}, "annotations": [annotation]} | more


def reading(path, content, **options):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_annotations(path, options=ReadingOptions(**options))


def test_frames_count_from_one_and_ends_are_included(tmp_path):
    found = reading(tmp_path / "t.json", [task(region(1, 25, "Run"), region(26, 26, "Jump", "قفز"))], fps=25)
    assert list(found.segments) == [("day 1", "Run", 0, 1), ("day 1", "Jump", 1, 1.04), ("day 1", "قفز", 1, 1.04)]


@pytest.mark.parametrize(
    ("media", "name"),
    [
        ("/data/upload/3/0a1b2c3d-a-b.mp4", "a-b"),
        ("/data/local-files/?d=films%2Fday%201/a.mkv", "a"),
        ("https://host/films/a%20b.mp4?sig=1", "a b"),
        ("s3://bucket/x/0a1b2c3d-a.mp4", "0a1b2c3d-a"),
    ],
)
def test_where_videos_lie(tmp_path, media, name):
    assert reading(tmp_path / "t.json", [task(region(1, 2, "a"), media=media)], fps=1).videos == (name,)


def test_the_rate_is_asked_for_or_in_the_file(tmp_path):
    with pytest.raises(DataError, match="frame rate is not known") as error:
        reading(tmp_path / "t.json", [task(region(1, 2, "a"))])
    assert "--fps" in error.value.next
    box = {"type": "videorectangle", "value": {"framesCount": 100, "duration": 4.0, "sequence": [], "labels": ["x"]}}
    found = reading(tmp_path / "t.json", [task(box, region(1, 25, "a"))])
    assert list(found.segments) == [("day 1", "a", 0, 1)]
    assert any("videorectangle not read" in note for note in found.notes)
    for tag, expected in (('frameRate="10"', 0.1), ('framerate="$fps"', 0.5), ("", 1 / 24)):
        project = {"label_config": f'<View><Video name="v" value="$video" {tag}/></View>'}
        one = {"annotation": task(region(1, 1, "a"))["annotations"][0], "project": project}
        one |= {"task": {"id": 1, "data": {"video": "x.mp4", "fps": 2}}}
        assert reading(tmp_path / "t.json", one).segments.end_seconds[0] == pytest.approx(expected, abs=1e-6)


def test_the_short_export_and_the_table(tmp_path):
    parts = [{"ranges": [{"start": 11, "end": 20}], "timelinelabels": ['say "hi"']}]
    short = [
        {"video": "/data/upload/1/0a1b2c3d-x.mp4", "id": 1, "timelineLabels": parts, "annotator": 3, "annotation_id": 2}
    ]
    assert list(reading(tmp_path / "t.json", short, fps=10).segments) == [("x", 'say "hi"', 1, 2)]
    both = [short[0] | {"hands": [{"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["clap"]}], "annotators": [3]}]
    assert reading(tmp_path / "t.json", both, fps=10).classes == ("clap", 'say "hi"'), "two timelines, a list each"
    cell = json.dumps(parts).replace('"', '""')
    text = f'annotation_id,annotator,id,timelineLabels,video\n2,3,1,"{cell}",/data/upload/1/0a1b2c3d-x.mp4\n'
    assert list(reading(tmp_path / "t.csv", text, fps=10).segments) == [("x", 'say "hi"', 1, 2)]


def test_several_people_and_what_was_cancelled(tmp_path):
    one = task(region(1, 1, "a"), who={"id": 1, "email": "ann@x"})
    one["annotations"] += [
        {"completed_by": 2, "result": [region(2, 2, "a")]},
        {"was_cancelled": True, "result": [region(3, 3, "a")]},
    ]
    one |= {"drafts": [{"result": [region(4, 4, "a")]}], "predictions": [{"result": [region(5, 5, "a")]}]}
    found = reading(tmp_path / "t.json", [one], fps=1)
    assert found.segments.start_seconds.tolist() == [0, 1]
    for left in ("1 cancelled annotation not read", "1 draft not read", "1 prediction not read"):
        assert any(left in note for note in found.notes)
    assert any("annotated several times" in note for note in found.notes)
    assert len(reading(tmp_path / "t.json", [one], fps=1, where={"annotator": ("ann@x",)}).segments) == 1


def test_a_task_without_anything_is_a_video_all_the_same(tmp_path):
    assert reading(tmp_path / "t.json", [task() | {"annotations": []}]).videos == ("day 1",)


def test_sound_beside_the_video_has_seconds(tmp_path):
    sound = {"type": "labels", "value": {"start": 1.5, "end": 2.25, "labels": ["call"], "channel": 0}}
    assert list(reading(tmp_path / "t.json", [task(sound)]).segments) == [("day 1", "call", 1.5, 2.25)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([task(region("x", 2, "a"))], "'x' is no frame"),
        ([task(region(9, 2, "a"))], "ends before it starts"),
        ([task(region(1, 2, "a"), media="") | {"data": {"site": "north"}}], "names no video"),
        ([task({"type": "timelinelabels", "value": 3})], "where a table must be"),
        (json.dumps([task()])[:-9], "not valid JSON"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        reading(tmp_path / "t.json", content, fps=10)


def test_a_configuration_is_no_annotation(tmp_path):
    (tmp_path / "c.xml").write_text(
        '<View><Choices name="c" toName="v"><Choice value="A"/></Choices><Video name="v"/></View>'
    )
    with pytest.raises(DataError, match="labelling configuration") as error:
        read_annotations(tmp_path / "c.xml")
    assert "1 name: A; it has no TimelineLabels" in error.value.why


rates = st.sampled_from([10.0, 24.0, 25.0, 29.97])
frames = st.integers(0, 3000)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn")), min_size=1, max_size=6)
rows = st.lists(st.tuples(st.sampled_from(["v1", "v2"]), texts, frames, st.integers(1, 500)), min_size=1, max_size=6)


@settings(max_examples=30)
@given(rows, rates)
def test_what_is_written_is_read_back_and_its_configuration_fits(tmp_path_factory, drawn, fps):
    segments = Segments(*zip(*[(v, c, s / fps, (s + n) / fps) for v, c, s, n in drawn], strict=True))
    truth = Annotations(segments, tuple(sorted(set(segments.label))))
    tasks, configuration = write(truth, tmp_path_factory.mktemp("ls") / "t.json", form="label-studio", fps=fps)
    assert form_of(tasks) == "label-studio"
    back = read_annotations(tasks, options=ReadingOptions(fps=fps))
    assert sorted(back.segments) == [
        (v, c, pytest.approx(s, abs=1e-5), pytest.approx(e, abs=1e-5)) for v, c, s, e in sorted(segments)
    ]
    view = ElementTree.parse(configuration).getroot()
    (timeline,), (video,) = view.iter("TimelineLabels"), view.iter("Video")
    result = json.loads(tasks.read_text())[0]["annotations"][0]["result"][0]
    assert (result["from_name"], result["to_name"]) == (timeline.get("name"), video.get("name"))
    assert float(video.get("frameRate")) == pytest.approx(fps)
    assert [one.get("value") for one in view.iter("Label")] == list(truth.classes)
