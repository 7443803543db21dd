"""`thas run`: a folder and a table become a few sure intervals; what is done stays done."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from thas.cli import run as command
from thas.core.errors import CheckpointError, DataError
from thas.core.run_settings import read_settings
from thas.features import backbone_settings
from thas.features.backbone_settings import BackboneSettings
from thas.features.backbone_task import BackboneTask
from thas.features.cache import write_features
from thas.temporal_has.chain_plan import make_plan
from thas.temporal_has.settings import Settings
from thas.temporal_has.task import HeadTask

from .conftest import planted_videos
from .test_features_train_backbone import BLUE, GREY, RED, TINY, write_colours
from .test_temporal_has_videos import save_backbone
from .video_files import write_video

FAST = ["--set", "network.channels=64", "train.batch_size=4", "train.learning_rate=0.02", "train.epochs=8"]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("THAS_WEIGHTS", str(tmp_path / "store"))
    return tmp_path


def planted(folder: Path, *, subsets: bool) -> dict[str, tuple[float, float]]:
    """Features and a table; where each video's action was planted, in seconds. The last video is not in the table."""
    features, labels, places = planted_videos(videos=19)
    folder.mkdir()
    lines = ["video,label,subset" if subsets else "video,label"]
    for i, (video, known) in enumerate(list(labels.items())[:-1]):
        subset = ["training", "training", "test"][i // 3 % 3]
        lines.append(f"{video},{known[0]},{subset}" if subsets else f"{video},{known[0]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    for one in features.values():
        write_features(folder / "features", one, recipe={"backbone": "planted"})
    (folder / "video_18.mp4").write_bytes(b"")  # never read: its features are there
    return {
        video: (float(features[video].start_seconds[a]), float(features[video].end_seconds[b - 1]))
        for video, (a, b) in places.items()
    }


def test_features_and_a_table_become_intervals_that_are_trusted(place, capsys):
    places = planted(place / "mine", subsets=False)
    assert command(["run", "mine", *FAST]) == 0
    first = capsys.readouterr()
    assert "take the features that all 19 videos have" in first.err
    assert "labels told right: 3 of 3 videos" in first.err or "labels told right: 4 of 4 videos" in first.err
    with open("mine/intervals.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["video"] for row in rows} == set(places)
    for video, (start, end) in places.items():
        mine = [row for row in rows if row["video"] == video]
        assert len(mine) <= 3, "few"
        best = max(mine, key=lambda row: float(row["score"]))
        assert float(best["start_seconds"]) < end, video
        assert float(best["end_seconds"]) > start, video
        assert {row["label_is"] for row in mine} == {"predicted" if video == "video_18" else "from the table"}
    assert "--run mine/thas/" in first.err
    assert command(["convert", "mine/intervals.csv", "same.json"]) == 0, "what is written for people is read as well"
    found = json.loads(Path("same.json").read_text())["results"]
    assert sum(map(len, found.values())) == len(rows)
    capsys.readouterr()
    page = Path("mine/intervals.html").read_text()
    assert "mine/intervals.html" in first.err
    assert ">labels told right<" in page, "of the videos held out"
    assert "trained on these very videos" not in page
    assert page.count('"n":"video_') == 19, "those without a label, too"
    before = {path: path.read_bytes() for path in Path("mine/thas").rglob("checkpoint*")}
    assert len(before) == 2
    assert command(["run", "mine", *FAST, "--json"]) == 0
    again = capsys.readouterr()
    assert "learning from" not in again.err, "what is done stays done"
    assert json.loads(again.out)["labels_told"]["right"] in (3, 4)
    assert {path: path.read_bytes() for path in before} == before


def test_changed_labels_or_settings_are_learned_anew(place, capsys):
    planted(place / "mine", subsets=True)
    assert command(["run", "mine", *FAST]) == 0
    assert "labels told right: 6 of 6 videos" in capsys.readouterr().err
    text = Path("mine/labels.csv").read_text()
    Path("mine/labels.csv").write_text(text.replace("video_00,class_0", "video_00,class_1"))
    assert command(["run", "mine", *FAST]) == 0
    assert "learning from the training videos" in capsys.readouterr().err
    assert command(["run", "mine", *FAST[:-1], "train.epochs=3"]) == 0
    assert "learning from the training videos" in capsys.readouterr().err


def test_an_interrupted_run_goes_on(place, monkeypatch, capsys):
    planted(place / "mine", subsets=True)
    real, count = HeadTask.epoch, [0]

    def interrupted(self, *arguments, **options):
        count[0] += 1
        if count[0] == 5:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    monkeypatch.setattr(HeadTask, "epoch", interrupted)
    assert command(["run", "mine", *FAST]) == 130
    assert "next: thas run mine" in capsys.readouterr().err
    assert command(["run", "mine", *FAST]) == 0
    assert count[0] < 5 + 8, "it did not begin anew"


def test_a_backbone_of_ones_own_is_trained_on_the_way_and_goes_on_when_interrupted(place, monkeypatch, capsys):
    """From pixels and labels alone: a colour that comes up in a grey video is found where it is."""
    Path("mine").mkdir()
    rows, places = ["video,label"], {}
    for i in range(10):
        name, before, shown = f"v{i:02d}", 16 + 5 * (i % 4), 24 + 3 * (i % 3)
        write_colours(
            Path(f"mine/{name}.mp4"), (GREY, before), ((RED, BLUE)[i % 2], shown), (GREY, 40 - before), seed=i
        )
        rows.append(f"{name},{('red', 'blue')[i % 2]}")
        places[name] = (before / 12, (before + shown) / 12)
    Path("mine/labels.csv").write_text("\n".join(rows) + "\n")

    class Small(BackboneSettings):
        def __init__(self):
            super().__init__(**{**vars(TINY), "epochs": 12, "candidates": 6})

    monkeypatch.setattr(backbone_settings, "BackboneSettings", Small)
    real, numbers = BackboneTask.epoch, []

    def interrupted(task, number):
        numbers.append(number)
        if len(numbers) == 6:
            raise KeyboardInterrupt
        return real(task, number)

    monkeypatch.setattr(BackboneTask, "epoch", interrupted)
    whole = ["run", "mine", "--train-backbone", *FAST]
    assert command(whole) == 130
    assert "next: thas run mine --train-backbone" in capsys.readouterr().err
    assert command(whole) == 0
    assert numbers == [0, 1, 2, 3, 4, 5, *range(5, 12)], "it went on where it was"
    shown = capsys.readouterr()
    assert "train a small backbone from your labels" in shown.err
    assert "labels told right: 2 of 2 videos" in shown.err
    with open("mine/intervals.csv", newline="") as file:
        found = list(csv.DictReader(file))
    middles = 0
    for video, (start, end) in places.items():
        best = max((row for row in found if row["video"] == video), key=lambda row: float(row["score"]))
        middles += start <= (float(best["start_seconds"]) + float(best["end_seconds"])) / 2 <= end
    assert middles >= 8, f"the surest interval's middle lies in the action in {middles} of 10"
    run = next(Path("mine/thas").glob("*/run"))
    assert read_settings(run, Settings)[0].network.head == Settings().network.head, "as thas train would by itself"
    backbone = Path("mine/backbone.safetensors").read_bytes()
    assert command(whole) == 0
    assert "training the backbone" not in capsys.readouterr().err
    assert Path("mine/backbone.safetensors").read_bytes() == backbone


def test_without_weights_the_one_command_is_named(place, capsys):
    Path("mine").mkdir()
    Path("mine/labels.csv").write_text("video,label\na,Run\nb,Jump\n")
    for name in "ab":
        write_video(place / f"mine/{name}.mp4", frames=30)
    assert command(["run", "mine"]) == 1
    assert "thas weights fetch i3d" in capsys.readouterr().err
    plan = make_plan("mine", train_backbone=True)
    assert plan.lines()[0].startswith("1. train a small backbone")
    assert "mean mAP of 44 to 66" in plan.lines()[0], "what it is worth on films, beside what else there is"
    shutil.rmtree("mine")
    Path("mine").mkdir()
    Path("mine/labels.csv").write_text("video,label\nghost,Run\n")
    with pytest.raises(DataError, match="none of the videos of its table"):
        make_plan("mine")
    write_video(place / "mine/ghost.mp4", frames=30)
    with pytest.raises(CheckpointError):
        make_plan("mine")


def test_from_video_files_and_a_spreadsheet(place, capsys):
    openpyxl = pytest.importorskip("openpyxl")
    Path("mine").mkdir()
    book = openpyxl.Workbook()
    for row in (["video", "label"], ["a.mp4", "Run"], ["b", "Jump"], ["broken", "Jump"], ["c", "Run"]):
        book.active.append(row)
    book.save("mine/my labels.xlsx")
    for i, name in enumerate("abc"):
        write_video(place / f"mine/{name}.mp4", frames=40 + 8 * i)
    Path("mine/broken.mp4").write_bytes(b"no video")
    weights = str(save_backbone(place / "small.safetensors"))
    fast = ["--weights", weights, "--set", "network.channels=8", "train.epochs=2"]
    assert command(["run", "mine", *fast, "--plan"]) == 1
    assert "mv 'mine/my labels.xlsx' mine/labels.xlsx" in " ".join(capsys.readouterr().err.split())
    assert command(["run", "mine", "mine/my labels.xlsx", *fast, "--plan"]) == 0
    assert "make features of 4 videos" in (planned := capsys.readouterr().err)
    assert "about" in planned
    assert not Path("mine/intervals.csv").exists()
    Path("other.csv").write_text("video,label\na,Run\n")
    assert command(["run", "mine", "other.csv", *fast]) == 1
    assert "another table of labels" in capsys.readouterr().err
    assert command(["run", "thumos14", "other.csv", *fast]) == 2  # a name, whose table would not be heeded
    assert "thumos14 is no folder, into which other.csv could be copied" in " ".join(capsys.readouterr().err.split())
    Path("mine/labels.xlsx").rename("mine/Labels.XLSX")  # as some systems write it
    assert command(["run", "mine", "mine/my labels.xlsx", *fast]) == 3
    shown = capsys.readouterr()
    assert "1 video gave no intervals: broken" in shown.err
    assert "interval" in shown.out
    with open("mine/intervals.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(":" in row["start"] and np.isfinite(float(row["score"])) for row in rows)
