"""Names that were meant to be the same, said wherever tables, annotations, features and detections meet."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.cli import run
from thas.core.errors import FeatureError
from thas.core.near_names import label_sentence, near_label, near_names, near_sentence
from thas.core.segments import Segments
from thas.datasets.check import check_dataset
from thas.datasets.opening import open_dataset
from thas.features.cache import FeatureCache, write_features

from .conftest import make_features

NAMES = st.lists(st.text("abAB_1", min_size=1, max_size=6), max_size=8)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("v_x1", "x1"),
        ("x1", "v_x1"),
        ("X1", "x1"),
        ("x1.mp4", "x1"),
        ("videos/x1.MKV", "x1"),
        ("a-b", "a_b"),
        ("a b", "a_b"),
        ("x_1", "x1"),
        ("x01", "x1"),
        ("video_0000051", "video_51"),
        ("cafe\u0301", "caf\u00e9"),  # one letter, or a letter and an accent
    ],
)
def test_near_misses(name, known):
    assert near_names([name], [known, "other"]) == {name: known}


def test_what_is_not_near():
    assert near_names(["x", "y"], ["x", "z"]) == {}
    assert near_names(["v_x"], ["x", "X"]) == {}  # two would fit
    assert near_names(["v_x", "X"], ["x"]) == {}  # both would take it
    assert near_names(["x", "v_x"], ["x"]) == {}  # it is taken
    assert near_names(["v_1_1"], ["v_11"]) == {}


def test_what_most_names_have_before_or_behind():
    assert near_names(["i3d_a", "i3d_b", "c"], ["a", "b", "c"]) == {"i3d_a": "a", "i3d_b": "b"}
    assert near_names(["a.mp4_feat", "b.mp4_feat"], ["a", "b"]) == {"a.mp4_feat": "a", "b.mp4_feat": "b"}
    assert near_names(["a_0", "a_1", "b_0", "b_1"], ["a", "b"]) == {}  # pieces of a video are not the video
    assert near_names(["a_x"], ["a", "b"]) == {}  # one alone shows no rule


@given(NAMES, NAMES)
def test_a_near_name_is_never_one_that_is_there(names, known):
    near = near_names(names, known)
    assert set(near) <= set(names) - set(known)
    assert set(near.values()) <= set(known) - set(names)
    assert len(set(near.values())) == len(near)


def test_labels_and_sentences():
    assert near_label("Milk", ["milk", "tea"]) == "milk"
    assert near_label("golf", ["milk", "tea"]) == ""
    assert near_sentence(["v_x"], ["x"]) == "; 'v_x' is probably 'x'"
    assert label_sentence(["aa", "zzz"], ["a", "b"]) == "; 'aa' is probably 'a'"
    assert near_sentence(["x"], ["y"]) == ""


@pytest.fixture
def folder(tmp_path):
    """A data set of features alone, four videos of two classes, with true segments."""
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [f"{name},{label},{subset}" for name, label, subset in TABLE]
    (folder / "labels.csv").write_text("\n".join(["video,label,subset", *rows]) + "\n")
    for name, _, _ in TABLE:
        write_features(folder / "features", make_features(name, np.ones((6, 3))), recipe={"backbone": "made"})
    annotate(folder)
    return folder


TABLE = [("a", "Run", "training"), ("b", "Jump", "training"), ("c", "Run", "test"), ("d", "Jump", "test")]


def annotate(folder, rename=lambda name: name, labels=lambda label: label):
    database = {
        rename(name): {"subset": subset, "duration": 6.0, "annotations": [{"label": labels(label), "segment": [1, 3]}]}
        for name, label, subset in TABLE
    }
    (folder / "annotations.json").write_text(json.dumps({"database": database}))


def detect(folder, rename=lambda name: name):
    found = Segments([rename("c"), rename("d")], ["Run", "Jump"], [1, 1], [3, 3], [0.9, 0.8])
    path = folder / "detections.json"
    path.write_text(json.dumps({"results": found.to_activitynet()}))
    return str(path)


def test_features_without_videos_are_enough(folder):
    report = check_dataset(open_dataset(folder))
    assert report.problems == []
    assert any("4 videos have no file, but features" in remark for remark in report.remarks)
    (folder / "features" / "c.h5").unlink()
    assert check_dataset(open_dataset(folder)).problems == ["1 video of the table has neither a file nor features: c"]


def test_a_label_that_the_table_lacks(folder, capsys):
    annotate(folder, labels=lambda label: "Runn" if label == "Run" else label)
    assert run(["data", "check", str(folder)]) == 3
    assert "Runn; 'Runn' is probably 'Run'" in " ".join(capsys.readouterr().out.split())
    assert run(["eval", detect(folder), "--dataset", str(folder), "--iou", "0.5"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "label of the annotations is not in the table" in said
    assert "1 label of the ground truth is never detected: Runn; 'Runn' is probably 'Run'" in said


def test_annotations_of_other_names(folder, capsys):
    annotate(folder, rename=lambda name: f"v_{name}")
    assert run(["data", "check", str(folder)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "holds no segment of a video of the table" in said
    assert "'v_a' is probably 'a'" in said
    assert "nothing to mend" not in said


def test_detections_of_other_names(folder, capsys):
    arguments = ["--annotations", str(folder / "annotations.json")]
    assert run(["eval", detect(folder, lambda name: f"{name}.mp4"), *arguments]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "no detection lies in a video of the ground truth" in said
    assert "'c.mp4' is probably 'c'" in said
    assert run(["eval", detect(folder, lambda name: "C" if name == "c" else name), *arguments]) == 0
    assert "1 video of the detections is not in the ground truth: C; 'C' is probably 'c'" in " ".join(
        capsys.readouterr().err.split()
    )


def test_features_of_other_names(folder):
    from thas.temporal_has.data import training_labels

    for path in (folder / "features").glob("*.h5"):
        path.rename(path.with_name(f"v_{path.name}"))
    opened = open_dataset(folder)
    with pytest.raises(FeatureError, match="2 of 2 training videos have no features") as caught:
        training_labels(opened, FeatureCache(folder / "features"), dataset=str(folder), skip_missing=False)
    assert caught.value.why == "'a' is probably 'v_a', 'b' is probably 'v_b'"
    assert "'v_a' is probably 'a'" in "\n".join(check_dataset(opened).remarks)
