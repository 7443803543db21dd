from __future__ import annotations

import json

import av
import numpy as np
import pytest

from thas.cli import run
from thas.core.errors import DataError
from thas.datasets.check import check_dataset, read_duration
from thas.datasets.opening import open_dataset


def write_video(path, seconds: float = 2.0) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for i in range(int(seconds * 10)):
            picture = np.full((32, 32, 3), 10 * i % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture
def folder(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("a", "b", "c", "unlisted"):
        write_video(videos / f"{name}.mp4")
    rows = ["video,label,subset", "a,Run,training", "b,Jump,training", "c,Run,test"]
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def annotate(folder, **rows):
    database = {
        video: {"annotations": [{"label": label, "segment": segment} for label, *segment in found]}
        for video, found in rows.items()
    }
    (folder / "annotations.json").write_text(json.dumps({"database": database}))


def test_a_sound_data_set(folder):
    annotate(folder, a=[("Run", 0, 1)], c=[("Run", 0.5, 1.5)])
    report = check_dataset(open_dataset(folder))
    assert report.problems == []
    assert report.videos == {"training": 2, "test": 1}
    assert report.class_videos == {"Jump": {"training": 1}, "Run": {"training": 1, "test": 1}}
    assert report.segments == {"training": 1, "test": 1}
    assert report.duration_seconds["a"] == pytest.approx(2.0, abs=0.11)
    assert any("unlisted" in remark for remark in report.remarks)
    json.dumps(report.to_json())


@pytest.mark.parametrize(
    ("label", "several"),
    [
        ("Run; Jump", True),
        ("Run\nSwim", True),
        ("Run|Jump", True),
        ("Run, Jump", True),
        ("Run & Jump", True),
        ("Run, then swim", False),
        ("Push-up", False),
        ("Swim;", False),
    ],
)
def test_several_labels_in_one_cell_are_told(folder, label, several):
    with (folder / "labels.csv").open("a") as file:
        file.write(f'c,"{label}",test\n')
    told = [problem for problem in check_dataset(open_dataset(folder)).problems if "a row for each" in problem]
    assert bool(told) == several
    assert not several or repr(label) in told[0]


def test_everything_wrong_is_named(folder):
    rows = [
        "a,Run,training",
        "b,run,training",
        "c,Swim,test",
        "ghost,Run,training",
        "broken,Run,training",
        "bare,,training",
    ]
    (folder / "labels.csv").write_text("\n".join(["video,label,subset", *rows]) + "\n")
    (folder / "videos" / "broken.mp4").write_bytes(b"not a video")
    annotate(
        folder,
        a=[("Run", 0, 99), ("Run", 1, 1), ("Run", 0.5, 1), ("Run", 0.5, 1)],
        c=[("Run", 0, 1)],
    )
    report = check_dataset(open_dataset(folder))
    text = "\n".join(report.problems + report.remarks)
    for expected in (
        "2 videos of the table have no file in",
        "ghost",
        "1 video cannot be used: broken",
        "1 class has no training video: Swim",
        "differ only in writing: 'Run', 'run'",
        "1 true segment ends after its video: a",
        "1 true segment has no length: a",
        "1 true segment is repeated: a",
        "1 video has overlapping segments of one class: a",
        "1 video has segments of a label that the table does not give it: c",
        "1 training video has no label and teaches nothing: bare",
        "2 classes have fewer than 10 training videos: Run, run",
    ):
        assert expected in text, expected


def test_it_says_which_subset_is_which_and_what_is_left_lying(folder, capsys):
    rows = ["video,label,subset", "a,Run,Train", "b,Jump,train", "c,Run,Dev", "d,Jump,extra", "e,Run,extra", "f,Run,"]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    report = check_dataset(open_dataset(folder))
    assert (report.train_subset, report.test_subset) == ("Train", "Dev")
    assert "these subsets differ only in writing: 'Train', 'train'" in report.problems
    assert [remark for remark in report.remarks if "neither" in remark] == [
        "1 video without a subset is neither trained on nor scored",
        "2 videos of subset 'extra' are neither trained on nor scored",
        "1 video of subset 'train' is neither trained on nor scored",
    ]
    assert run(["data", "check", str(folder), "--train-subset", "train", "--test-subset", "extra"]) == 3
    assert "trained on 'train', scored on 'extra'" in capsys.readouterr().out
    (folder / "labels.csv").write_text("video,label\na,Run\nb,Jump\n")
    assert run(["data", "check", str(folder)]) == 0
    assert "trained on all videos, scored on all videos" in capsys.readouterr().out


def test_labels_taken_from_the_segments_are_remarked(folder):
    annotate(folder, a=[("Run", 0, 1)], b=[("Jump", 0.5, 1.5)])
    assert not any("labels.csv" in remark for remark in check_dataset(open_dataset(folder)).remarks)
    (folder / "labels.csv").unlink()
    remark = check_dataset(open_dataset(folder)).remarks[0]
    assert remark.startswith(f"there is no {folder / 'labels.csv'}: videos have the labels of their segments in")


def test_one_class_and_one_subset(folder):
    (folder / "labels.csv").write_text("video,label\na,Run\n")
    report = check_dataset(open_dataset(folder))
    assert any("there is one class" in problem for problem in report.problems)
    assert any("one subset" in remark for remark in report.remarks)
    assert any("no true segments" in remark for remark in report.remarks)


def test_what_is_no_video(folder):
    path = folder / "videos" / "x.mp4"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match="cannot be opened"):
        read_duration(path)


def test_the_command(folder, capsys):
    assert run(["data", "check", str(folder)]) == 0
    assert "nothing to mend" in capsys.readouterr().out
    (folder / "videos" / "a.mp4").unlink()
    assert run(["data", "check", str(folder), "--json"]) == 3
    assert "a" in json.loads(capsys.readouterr().out)["problems"][0]
