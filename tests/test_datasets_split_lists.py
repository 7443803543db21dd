"""Lists beside a data set: which videos are in which subset, and the order of its classes."""

from __future__ import annotations

import json

import pytest

from thas.core.errors import DataError, UsageError
from thas.datasets.labels import read_classes, read_splits
from thas.datasets.opening import open_dataset
from thas.features.importing import read_rates


def _write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


TABLE = "video,label\na,run\nb,jump\nc,run\nd,sit\n"


def test_subsets_come_from_the_lists(tmp_path):
    folder = _write(tmp_path, labels__csv=TABLE, split_train__txt="a\nb\n", split_test__txt="c\nd\n")
    dataset = open_dataset(folder)
    assert dataset.videos_of(dataset.train_subset) == ("a", "b")
    assert dataset.videos_of(dataset.test_subset) == ("c", "d")
    assert (dataset.train_subset, dataset.test_subset) == ("train", "test")
    assert dataset.labels_remark == ""


def test_what_the_lists_and_the_table_do_not_share_is_said(tmp_path):
    folder = _write(tmp_path, labels__csv=TABLE, split_train__txt="A.mp4\nb\nx\n", split_test__txt="c\n")
    dataset = open_dataset(folder)
    assert dataset.videos_of("train") == ("a", "b")
    for part in ("A.mp4", "1 video of split_*.txt has no label, left out: x", "in no split_*.txt: d"):
        assert part in dataset.labels_remark


def test_a_video_in_two_lists(tmp_path):
    with pytest.raises(DataError, match=r"split_test\.txt and in split_train\.txt"):
        read_splits(_write(tmp_path, split_train__txt="a\nb\n", split_test__txt="b\n"))


def test_annotations_alone_with_lists_as_bas_net_has_them(tmp_path):
    entry = {"annotations": [{"label": "run", "segment": [0, 1]}], "subset": "Validation", "duration": 9}
    database = {"database": dict.fromkeys("abc", entry)}
    folder = _write(tmp_path, gt__json=json.dumps(database), split_train__txt="a\nb\n", split_test__txt="c\n")
    dataset = open_dataset(folder)
    assert dataset.videos_of("test") == ("c",)
    assert dataset.classes == ("run",)
    assert "gt.json" in dataset.labels_remark


def test_classes_in_the_order_of_their_list(tmp_path):
    _write(tmp_path, labels__csv=TABLE, mapping__txt="0 sit\n1 run\n2 fly\n3 jumps\n")
    dataset = open_dataset(tmp_path)
    assert read_classes(tmp_path) == ("sit", "run", "fly", "jumps")
    assert dataset.classes == ("sit", "run", "jump")
    assert "1 label is not in the list of classes" in dataset.labels_remark
    assert "jumps" in dataset.labels_remark


def test_rates_of_a_dictionary(tmp_path):
    path = tmp_path / "fps_dict.json"
    path.write_text('{"a": 30, "b": 25.0}')
    assert read_rates(str(path)) == {"a": 30.0, "b": 25.0}
    path.write_text('{"a": "x"}')
    with pytest.raises(UsageError, match="no frame rates"):
        read_rates(str(path))
