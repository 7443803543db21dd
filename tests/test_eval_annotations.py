"""Ground truth from its files."""

from __future__ import annotations

import json

import pytest

from tests.conftest import shared_data
from thas.core.errors import DataError, UsageError
from thas.core.segments import Segments
from thas.eval import Annotations, read_annotations


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def activitynet(tmp_path, database):
    return write(tmp_path / "truth.json", json.dumps({"version": "x", "taxonomy": [], "database": database}))


DATABASE = {
    "v1": {
        "subset": "training",
        "duration": 20.0,
        "annotations": [{"label": "b", "segment": [1, 2.5]}, {"label": "Ambiguous", "segment": [3, 4]}],
    },
    "v2": {"subset": "test", "duration": 9.0, "annotations": [{"label": "a", "segment": [0, 9]}]},
    "v3": {"subset": "test", "duration": 5.0, "annotations": []},
}


def test_activitynet_json(tmp_path):
    truth = read_annotations(activitynet(tmp_path, DATABASE))
    assert list(truth.segments) == [("v1", "b", 1.0, 2.5), ("v2", "a", 0.0, 9.0)]
    assert list(truth.ignored) == [("v1", "Ambiguous", 3.0, 4.0)]
    assert truth.classes == ("a", "b")
    assert truth.durations == {"v1": 20.0, "v2": 9.0, "v3": 5.0}
    assert truth.videos == ("v1", "v2", "v3")
    assert truth.video_labels() == {"v1": ("b",), "v2": ("a",), "v3": ()}


def test_a_subset_keeps_the_classes(tmp_path):
    test = read_annotations(activitynet(tmp_path, DATABASE)).subset("test")
    assert test.videos == ("v2", "v3")
    assert test.classes == ("a", "b")
    assert len(test.ignored) == 0


def test_an_unknown_subset(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'test'"):
        read_annotations(activitynet(tmp_path, DATABASE)).subset("tests")


def test_csv(tmp_path):
    path = write(tmp_path / "t.csv", "label,video,t-start,t-end,subset\na,v1,0,2,test\n\nb,v2,1,3,test\n")
    truth = read_annotations(path)
    assert list(truth.segments) == [("v1", "a", 0.0, 2.0), ("v2", "b", 1.0, 3.0)]
    assert truth.subsets == {"v1": "test", "v2": "test"}


@pytest.mark.parametrize("mark", [";", "\t"])
def test_csv_from_a_spreadsheet(tmp_path, mark):
    text = "\ufeffVideo;Label;Start;End;;\r\nv1;Jump, high;0.5;2;;\r\n\r\nv2;b;1;3;;\r\n".replace(";", mark)
    truth = read_annotations(write(tmp_path / "annotations.csv", text))
    assert list(truth.segments) == [("v1", "Jump, high", 0.5, 2.0), ("v2", "b", 1.0, 3.0)]
    text = "video;label;start;end\nv;a;0,5;1:02\n".replace(";", mark)
    assert list(read_annotations(write(tmp_path / "comma.csv", text)).segments) == [("v", "a", 0.5, 62.0)]
    with pytest.raises(DataError, match="line 2: the start is not") as caught:
        read_annotations(write(tmp_path / "thousands.csv", text.replace("0,5", "1,234")))
    assert "none for thousands" in caught.value.next


@pytest.mark.parametrize("folder", ["", "official/annotations/annotation"])
def test_thumos_folder(tmp_path, folder):
    write(tmp_path / folder / "Dive_test.txt", "v1  1.0 2.0\nv1  5.0 6.0\n")
    write(tmp_path / folder / "Dive_val.txt", "w1  1.0 2.0\n")
    write(tmp_path / folder / "Ambiguous_test.txt", "v2  0.0 2.0\n")
    write(tmp_path / folder / "detclasslist.txt", "9 Swim\n26 Dive\n")
    write(tmp_path / "durations_test.csv", "video,duration_seconds\nv1,10\nv9,3.5\n")
    truth = read_annotations(tmp_path)
    assert truth.classes == ("Swim", "Dive")
    assert truth.subsets == {"v1": "test", "v2": "test", "w1": "validation", "v9": "test"}
    assert truth.durations == {"v1": 10.0, "v9": 3.5}
    assert len(truth.subset("test").segments) == 2
    assert list(truth.ignored.video) == ["v2"]


def test_files_not_named_after_a_class_are_told(tmp_path):
    write(tmp_path / "Dive_test.txt", "v1  1.0 2.0\n")
    write(tmp_path / "read_me.txt", "hello\n")
    write(tmp_path / "detclasslist.txt", "26 Dive\n")
    assert "read_me.txt" in read_annotations(tmp_path).notes[0]


def test_thumos14_as_published():
    truth = read_annotations(shared_data("thumos14") / "annotations")
    validation, test = truth.subset("validation"), truth.subset("test")
    assert (len(validation.segments), len(test.segments)) == (3007, 3358)
    assert (len(validation.videos), len(test.videos)) == (1010, 1574)
    assert len(set(test.segments.video)) == 212
    assert len(truth.classes) == 20


BROKEN = {
    "empty.json": ("", "empty"),
    "list.json": ("[1, 2]", "not ground truth"),
    "cut.json": ('{"database": {', "not valid JSON"),
    "results.json": ('{"results": {}}', "looks like detections"),
    "shape.json": ('{"database": {"v": 3}}', "video v"),
    "row.json": ('{"database": {"v": {"annotations": [{"label": "a"}]}}}', "video v, annotation 0"),
    "nan.json": ('{"database": {"v": {"annotations": [{"label": "a", "segment": [NaN, 3]}]}}}', "annotation 0"),
    "digits.json": ('{"database": {"v": {"annotations": [{"label": "a", "segment": "05"}]}}}', "annotation 0"),
    "nolabel.json": ('{"database": {"v": {"annotations": [{"label": null, "segment": [0, 5]}]}}}', "annotation 0"),
    "twice.json": ('{"database": {"v": {"annotations": []}, "v": {"annotations": []}}}', "'v' is there twice"),
    "length.json": ('{"database": {"v": {"duration": -4, "annotations": []}}}', "video v: a duration of -4 s"),
    "noname.csv": ("video,label,start,end\n,a,0,1\n", "line 2: the video is empty"),
    "none.json": ('{"database": {}}', "no annotations"),
    "empty.csv": ("", "empty"),
    "heading.csv": ("v1,a,0,2\n", "no column 'video'"),
    "fields.csv": ("video,label,start,end\nv1,a,0\n", "line 2"),
    "swapped.csv": ("video,label,start,end\nv1,a,0,1\nv1,a,7,3\n", "line 3: the segment ends before"),
    "mixed.csv": ("video,label,start,end\n0,1,v1,a\n", "line 2: the start is not"),
    "scores.csv": ("video,label,start,end,score\nv1,a,0,1,0.5\n", "holds detections"),
    "subsets.csv": ("video,label,start,end,subset\nv1,a,0,1,x\nv1,a,0,1,y\n", "two subsets"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_files_name_the_place(tmp_path, name):
    text, message = BROKEN[name]
    with pytest.raises(DataError, match=message) as caught:
        read_annotations(write(tmp_path / name, text))
    assert name in str(caught.value)


def test_missing_file_and_empty_folder(tmp_path):
    with pytest.raises(DataError, match="do not exist"):
        read_annotations(tmp_path / "no.json")
    with pytest.raises(DataError, match="THUMOS14's form"):
        read_annotations(tmp_path)


def test_a_broken_thumos_line(tmp_path):
    write(tmp_path / "Dive_test.txt", "v1  1.0 2.0\nv1 5.0\n")
    with pytest.raises(DataError, match=r"Dive_test.txt, line 2"):
        read_annotations(tmp_path)


def test_a_label_outside_the_given_classes(tmp_path):
    path = write(tmp_path / "t.csv", "video,label,start,end\nv1,Divin,0,2\n")
    with pytest.raises(DataError, match="did you mean 'Diving'"):
        read_annotations(path, classes=["Diving"])


def test_annotations_check_themselves():
    with pytest.raises(DataError, match="not among its classes"):
        Annotations(Segments(["v"], ["a"], [0], [1]), ("b",))
    with pytest.raises(DataError, match="must not have scores"):
        Annotations(Segments(["v"], ["a"], [0], [1], [0.5]), ("a",))
