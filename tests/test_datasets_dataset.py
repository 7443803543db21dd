from __future__ import annotations

import json

import pytest

from thas.core.errors import DataError, UsageError
from thas.datasets.data_preset import dataset_presets
from thas.datasets.labels import read_labels
from thas.datasets.opening import open_dataset

from .conftest import shared_data


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "videos" / "deep").mkdir(parents=True)
    for name in ("a.mp4", "deep/b.MKV", "notes.txt"):
        (tmp_path / "videos" / name).touch()
    (tmp_path / "labels.csv").write_text(
        'video,label,subset\na,"Jump, high",training\na,Run,training\nb,Run,validation\nc,,validation\n'
    )
    return tmp_path


def test_a_folder_with_a_label_table(folder):
    dataset = open_dataset(folder)
    assert dataset.videos == ("a", "b", "c")
    assert dataset.labels == {"a": ("Jump, high", "Run"), "b": ("Run",), "c": ()}
    assert dataset.classes == ("Jump, high", "Run")
    assert (dataset.train_subset, dataset.test_subset) == ("training", "validation")
    assert dataset.video_path("b").name == "b.MKV"
    assert dataset.features_folder == folder / "features"


def test_missing_and_doubled_files_are_named(folder):
    with pytest.raises(DataError, match="video c has no file"):
        open_dataset(folder).video_path("c")
    (folder / "videos" / "a.webm").touch()
    with pytest.raises(DataError, match="video a has 2 files"):
        open_dataset(folder).video_path("a")


def test_a_table_that_keeps_suffixes_still_finds_its_files(folder):
    (folder / "labels.csv").write_text("video,label\na.mp4,Run\n")
    (folder / "videos" / "a.webm").touch()
    assert open_dataset(folder).video_path("a.mp4").name == "a.mp4"


def test_without_subsets_all_videos_are_both(folder):
    (folder / "labels.csv").write_text("video,label\na,Run\nb,Run\n")
    dataset = open_dataset(folder)
    assert dataset.train_subset == dataset.test_subset == ""
    assert dataset.videos_of("") == ("a", "b")


def test_subsets_are_known_however_they_are_written(folder):
    (folder / "labels.csv").write_text("video,label,subset\na,Run,Train\nb,Run,Test\n")
    dataset = open_dataset(folder)
    assert (dataset.train_subset, dataset.test_subset) == ("Train", "Test")
    (folder / "labels.csv").write_text("video,label,subset\na,Run,x\nb,Run,y\n")
    with pytest.raises(UsageError, match="not clear which subset"):
        open_dataset(folder)
    dataset = open_dataset(folder, train_subset="x", test_subset="y")
    assert (dataset.train_subset, dataset.test_subset) == ("x", "y")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["Training", "testing"], ("Training", "testing")),
        (["train", "val"], ("train", "val")),
        (["train", "val", "test"], ("train", "test")),
        (["TRAIN", "Dev"], ("TRAIN", "Dev")),
        (["validation", "dev"], ("validation", "dev")),
        (["validation", "test"], ("validation", "test")),
        (["val"], ("val", "val")),
        (["mine"], ("mine", "mine")),
        (["train", "rest"], "which subset of .* is scored"),
        (["val", "rest"], "which subset of .* is scored"),
        (["rest", "test"], "which subset of .* is trained on"),
    ],
)
def test_which_subset_is_trained_on_and_which_is_scored(tmp_path, names, chosen):
    rows = [f"v{i},Run,{name}" for i, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("\n".join(["video,label,subset", *rows]))
    if isinstance(chosen, str):
        with pytest.raises(UsageError, match=chosen):
            open_dataset(tmp_path)
    else:
        dataset = open_dataset(tmp_path)
        assert (dataset.train_subset, dataset.test_subset) == chosen


def test_an_unknown_subset_is_named(folder):
    with pytest.raises(UsageError, match="no videos in subset 'test'"):
        open_dataset(folder).videos_of("test")


def test_segments_without_a_label_table(tmp_path):
    rows = [{"label": "Run", "segment": [0, 1]}, {"label": "Jump", "segment": [2, 3]}]
    database = {"v": {"subset": "training", "duration": 9.0, "annotations": rows}}
    (tmp_path / "annotations.json").write_text(json.dumps({"database": database}))
    dataset = open_dataset(tmp_path)
    assert set(dataset.labels["v"]) == {"Run", "Jump"}
    assert len(dataset.annotations().segments) == 2
    assert "there is no" in dataset.labels_remark
    assert "annotations.json" in dataset.labels_remark
    (tmp_path / "labels.csv").write_text("video,label\nv,Run\n")
    assert open_dataset(tmp_path).labels_remark == ""


def test_annotations_are_those_of_the_data_sets_videos_and_subsets(folder):
    row = {"label": "Run", "segment": [0, 1]}
    database = {name: {"subset": "other", "annotations": [row]} for name in ("a", "b", "elsewhere")}
    (folder / "annotations.json").write_text(json.dumps({"database": database}))
    dataset = open_dataset(folder)
    assert set(dataset.annotations().segments.video) == {"a", "b"}
    assert set(dataset.annotations("validation").segments.video) == {"b"}
    assert set(dataset.annotations().classes) == {"Run", "Jump, high"}, "also what is learned and has no segment"


def test_what_is_not_a_data_set(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'thumos14'"):
        open_dataset("thumos")
    with pytest.raises(DataError, match="has no labels"):
        open_dataset(tmp_path)
    with pytest.raises(DataError) as caught:
        open_dataset("thumos14", data_root=tmp_path)
    assert "crcv.ucf.edu" in caught.value.next


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("video,label\n", "names no video"),
        ("name,label\na,b\n", "no column 'video'"),
        ("video,label\n../a,b\n", "line 2"),
        ("video,label\na,b\n,c\n", "line 3"),
        ("video,label,subset\na,b,training\na,c,test\n", "line 3"),
        ("video,label,subset\na,pass, long,training\n", "line 2: 4 fields where the heading has 3"),
        ("video,label,subset\na;Run;training\n", "line 2: 1 field where the heading has 3"),
    ],
)
def test_a_bad_table_is_named(tmp_path, text, says):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_labels(path)
    assert says in str(caught.value)


def test_a_table_from_a_spreadsheet(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes("\ufeffvideo, label\r\na, Run\r\na, Run\r\n".encode())
    assert read_labels(path) == ({"a": ("Run",)}, {"a": ""})
    path.write_bytes('\ufeffVideo;Label;Subset\r\na;Jump, high;training\r\na;"Stop; go";training\r\n;;\r\n'.encode())
    assert read_labels(path) == ({"a": ("Jump, high", "Stop; go")}, {"a": "training"})
    path.write_text("video\tlabel\tsubset\t\na\tJump, high\ttraining\t\nb\tRun\n")
    assert read_labels(path) == ({"a": ("Jump, high",), "b": ("Run",)}, {"a": "training", "b": ""})
    path.write_bytes(b"\xff\xfe\x00video")
    with pytest.raises(DataError, match="is not a text file"):
        read_labels(path)
    path.write_text("video,label\nC:\\films\\a.mp4,Run\n")
    with pytest.raises(DataError, match="is not the name of a video") as caught:
        read_labels(path)
    assert "write a.mp4" in caught.value.next


def test_presets_are_data_sets():
    assert dataset_presets() == ["activitynet-1.2", "activitynet-1.3", "demo", "thumos14", "thumos14-101"]


def test_thumos14_with_101_classes_takes_its_test_videos_from_the_annotations(tmp_path):
    folder = tmp_path / "thumos14" / "annotations"
    folder.mkdir(parents=True)
    (folder / "Diving_val.txt").write_text("video_validation_0000001  1.0 2.0\n")
    (folder / "Diving_test.txt").write_text("video_test_0000001  1.0 2.0\n")
    with pytest.raises(DataError, match="no labels") as caught:
        open_dataset("thumos14-101", data_root=tmp_path)
    assert "labels_101.csv" in str(caught.value)
    rows = ["video,label", "video_validation_0000001,Diving", "video_validation_0000002,Archery"]
    (tmp_path / "thumos14" / "labels_101.csv").write_text("\n".join(rows) + "\n")
    opened = open_dataset("thumos14-101", data_root=tmp_path)
    assert opened.classes == ("Archery", "Diving")
    assert opened.videos_of("validation") == ("video_validation_0000001", "video_validation_0000002")
    assert opened.videos_of("test") == ("video_test_0000001",)
    assert opened.annotations("test").classes == ("Diving", "Archery")
    assert open_dataset("thumos14", data_root=tmp_path).classes == ("Diving",)


def test_the_counts_of_thumos14_are_the_published_ones(tmp_path):
    from thas.datasets.check import check_dataset

    (tmp_path / "thumos14").symlink_to(shared_data("thumos14"))
    report = check_dataset(open_dataset("thumos14", data_root=tmp_path))
    assert "validation has its 200 videos" in report.remarks
    assert "test has its 3358 segments" in report.remarks
    assert not any("published with" in remark for remark in report.remarks)
