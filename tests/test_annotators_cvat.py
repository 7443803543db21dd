"""CVAT: tracks, tags and attributes over frames; what it does not say; and what is written comes back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.annotators.convert import write
from thas.annotators.events import ReadingOptions
from thas.core.errors import DataError
from thas.core.segments import Segments
from thas.eval import Annotations, read_annotations

TASK = "<meta><task><id>1</id><name>t</name><size>100</size>{more}<source>films/a.mp4</source></task></meta>"
JOB = "<meta><job><id>9</id><size>50</size><start_frame>0</start_frame></job></meta>"


OF_A = TASK.format(more="")


def document(body, *, meta=OF_A):
    return f"<annotations><version>1.1</version>{meta}{body}</annotations>"


def box(frame, *, outside=0, **attributes):
    inner = "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in attributes.items())
    return f'<box frame="{frame}" outside="{outside}" occluded="0" xtl="0" ytl="0" xbr="1" ybr="1">{inner}</box>'


def track(label, *boxes, task=""):
    return f'<track id="0" label="{label}"{task}>{"".join(boxes)}</track>'


def reading(path, text, **options):
    path.write_text(text, encoding="utf-8")
    return read_annotations(path, options=ReadingOptions(**options))


def test_a_track_ends_where_it_is_outside(tmp_path):
    body = track("run", box(10), box(20, outside=1), box(30), box(34))
    found = reading(tmp_path / "a.xml", document(body), fps=10)
    assert list(found.segments) == [("a", "run", 1, 2), ("a", "run", 3, 3.5)]
    assert found.durations == {"a": 10}
    later = OF_A.replace("<size>", "<start_frame>100</start_frame><size>")
    assert later != OF_A
    found = reading(tmp_path / "a.xml", document(track("run", box(250)), meta=later), fps=10)
    assert found.durations == {}, "a task that begins within the video does not say how long that is"


def test_attributes_cut_a_track_where_they_are_asked_for(tmp_path):
    body = track("man", box(0, look="no"), box(3, look="yes"), box(7, look="yes"), box(9, look="no"))
    assert [row[1:] for row in reading(tmp_path / "a.xml", document(body), fps=1).segments] == [("man", 0, 10)]
    found = reading(tmp_path / "a.xml", document(body), fps=1, label=("label", "look"))
    assert [row[1:] for row in found.segments] == [("man no", 0, 3), ("man yes", 3, 9), ("man no", 9, 10)]
    found = reading(tmp_path / "a.xml", document(body), fps=1, where={"look": ("yes",)})
    assert [row[1:] for row in found.segments] == [("man", 3, 9)]


def test_tags_of_frames_that_follow_each_other_are_one_action(tmp_path):
    body = "".join(f'<image id="{i}" name="frame_{i:06}"><tag label="run"/></image>' for i in (3, 4, 5, 9))
    body += '<image id="6" name="x"></image>'
    assert [row[1:] for row in reading(tmp_path / "a.xml", document(body), fps=1).segments] == [
        ("run", 3, 6),
        ("run", 9, 10),
    ]


def test_every_fifth_frame_stands_for_five(tmp_path):
    meta = TASK.format(more="<frame_filter>step=5</frame_filter>")
    body = track("run", box(10), box(15), box(20)) + '<image id="30" name="x"><tag label="jump"/></image>'
    body += '<image id="35" name="x"><tag label="jump"/></image>'
    found = reading(tmp_path / "a.xml", document(body, meta=meta), fps=5)
    assert [row[1:] for row in found.segments] == [("run", 2, 5), ("jump", 6, 8)]


def test_a_project_holds_several_videos(tmp_path):
    tasks = "".join(
        f"<task><id>{i}</id><name>{v}</name><source>{v}.mp4</source></task>" for i, v in ((4, "x"), (5, "y"))
    )
    body = track("run", box(0), task=' task_id="4"') + track("run", box(1), task=' task_id="5"')
    found = reading(
        tmp_path / "a.xml", document(body, meta=f"<meta><project><tasks>{tasks}</tasks></project></meta>"), fps=1
    )
    assert list(found.segments) == [("x", "run", 0, 1), ("y", "run", 1, 2)]


def test_a_rate_and_a_name_are_asked_for(tmp_path):
    with pytest.raises(DataError, match="frame rate") as error:
        reading(tmp_path / "a.xml", document(track("run", box(0))))
    assert "--fps" in error.value.next
    with pytest.raises(DataError, match="which video") as error:
        reading(tmp_path / "a.xml", document(track("run", box(0)), meta=JOB), fps=10)
    assert "--video" in error.value.next
    assert reading(tmp_path / "a.xml", document(track("run", box(0)), meta=JOB), fps=10, video="b").videos == ("b",)


def test_a_video_with_nothing_in_it_is_known(tmp_path):
    assert reading(tmp_path / "a.xml", document("")).videos == ("a",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (document(track("run", box("x"))), "the frame is not a whole number"),
        (document("")[:-4], "not whole XML"),
        ("<rows/>", "none of the forms"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        reading(tmp_path / "a.xml", text, fps=10)


frames = st.integers(0, 3000)
rows = st.lists(
    st.tuples(st.sampled_from(["v1", "v 2"]), st.sampled_from("ab<é"), frames, st.integers(1, 500)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20)
@given(rows, st.sampled_from([10.0, 25.0, 29.97]))
def test_what_is_written_is_read_back(tmp_path_factory, drawn, fps):
    segments = Segments(*zip(*[(v, c, s / fps, (s + n) / fps) for v, c, s, n in drawn], strict=True))
    truth = Annotations(segments, tuple(sorted(set(segments.label))))
    labels, *files = write(truth, tmp_path_factory.mktemp("cvat") / "x", form="cvat", fps=fps)
    assert [one["name"] for one in json.loads(labels.read_text())] == list(truth.classes)
    back = [row for file in files for row in read_annotations(file, options=ReadingOptions(fps=fps)).segments]
    assert sorted(back) == [(v, c, pytest.approx(s), pytest.approx(e)) for v, c, s, e in sorted(segments)]
