"""Odd labels, odd features, damaged runs and foreign checkpoints: named, refused or handled, and nothing lost."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from safetensors.torch import safe_open

from thas.cli import run as command
from thas.core.errors import CheckpointError
from thas.features.cache import write_features
from thas.temporal_has.model import load_model

from .conftest import make_features

LABELS = ('pass, long "wide"', "跳水; O'Neil", "alone")


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys) -> Path:
    """A data set of odd videos, and a run on it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    draw = np.random.default_rng(0)
    videos = {
        "long, with comma": (0, draw.random((30, 4))),
        "one": (1, draw.random((1, 4))),
        "few": (0, draw.random((3, 4))),
        "constant": (1, np.ones((20, 4))),
        "zero": (2, np.zeros((20, 4))),
        "bare": (None, draw.random((9, 4))),
        "test one": (0, draw.random((1, 4))),
        "test long": (1, draw.random((40, 4))),
        "test zero": (None, np.zeros((40, 4))),
    }
    Path("mine").mkdir()
    with open("mine/labels.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["video", "label", "subset"])
        for name, (label, data) in videos.items():
            subset = "test" if name.startswith("test") else "training"
            rows.writerow([name, "" if label is None else LABELS[label], subset])
            write_features(Path("mine/features"), make_features(name, data), recipe={"backbone": "odd"})
    assert thas("train", "--dataset", "mine", "--set", "network.channels=8", "train.epochs=2") == 0
    capsys.readouterr()
    return tmp_path


def thas(*arguments: str) -> int:
    return command(list(arguments))


def checkpoint() -> Path:
    return Path("runs/latest").resolve() / "checkpoint.safetensors"


def test_odd_videos_and_labels_come_out_as_they_went_in(folder, capsys):
    """One snippet, fewer than segments, constant, zero, without label, a class with one video, quotes and commas."""
    assert thas("localize", "--subset", "training", "--out", "found", "--pictures") == 0
    with open("found/detections.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} <= set(LABELS)
    written = json.loads(Path("found/detections.json").read_text(encoding="utf-8"))
    assert {row["label"] for rows in written["results"].values() for row in rows} == {row["label"] for row in rows}
    assert len(written["thas"]["videos"]) == 6
    assert len(list(Path("found/timelines").glob("*.png"))) == 6


def test_nan_costs_one_video(folder, capsys):
    import h5py

    with h5py.File("mine/features/test long.h5", "r+") as file:
        file["features"][7, 1] = np.nan
        del file.attrs["crc32"]  # as in a file of an older version, in which nothing else would notice
    assert thas("localize", "--json") == 3
    captured = capsys.readouterr()
    failed = json.loads(captured.out)["failed"]
    assert list(failed) == ["test long"]
    assert "NaN" in failed["test long"]


def test_features_of_another_width_cost_one_video(folder, capsys):
    write_features(Path("mine/features"), make_features("test one", np.ones((3, 7))), recipe={"backbone": "odd"})
    assert thas("localize", "--json") == 3
    assert list(json.loads(capsys.readouterr().out)["failed"]) == ["test one"]


def test_a_half_written_run_is_named(folder, capsys):
    kept = checkpoint().read_bytes()
    checkpoint().write_bytes(kept[: len(kept) // 2])
    assert thas("localize") == 1
    assert "is not a checkpoint of thas" in capsys.readouterr().err
    checkpoint().unlink()
    assert thas("localize") == 2
    error = capsys.readouterr().err
    assert "has a network yet" in error
    assert "--resume --run" in error
    settings = checkpoint().with_name("settings.toml")
    whole = settings.read_text(encoding="utf-8")
    checkpoint().touch()
    settings.write_text(whole[: whole.index("[hide]") + 3], encoding="utf-8")
    assert thas("localize") == 2
    assert "is not a TOML file" in capsys.readouterr().err
    settings.unlink()
    assert thas("localize", "--run", str(settings.parent)) == 2
    assert "is not a run" in capsys.readouterr().err


def test_half_written_detections_are_named(folder, capsys):
    path = checkpoint().with_name("detections.json")
    path.write_text(path.read_text()[:99])
    Path("mine/annotations.json").write_text(
        json.dumps({"database": {"test long": {"annotations": [{"label": LABELS[0], "segment": [0, 1]}]}}})
    )
    assert thas("eval") == 1
    assert "holds no detections" in capsys.readouterr().err


class Bomb:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return (Path.write_text, (Path("executed"), "gotcha"))


def test_a_pickle_in_the_checkpoints_place_is_never_executed(folder, capsys):
    checkpoint().write_bytes(pickle.dumps({"network": Bomb()}))
    assert thas("localize") == 1
    assert "is not a checkpoint of thas" in capsys.readouterr().err
    assert not Path("executed").exists()


def test_a_checkpoint_of_another_version_is_named(folder):
    with safe_open(checkpoint(), framework="np") as file:
        about = json.loads(file.metadata()["thas"])
    del about["crc32"]  # as other versions have none, or another
    tensors = load_file(checkpoint())
    for changes, says in (
        ({"format": 99, "thas": "9.9"}, "is of format 99"),
        ({"settings": {"network": {"depth": 3}}}, "no setting"),
        ({"classes": ["a", "b"]}, "is not a checkpoint of thas"),
    ):
        save_file(tensors, "other.safetensors", metadata={"thas": json.dumps(about | changes)})
        with pytest.raises(Exception, match=says) as caught:
            load_model(Path("other.safetensors"))
        assert getattr(caught.value, "exit_code", None), caught.value
    save_file(tensors, "bare.safetensors")
    with pytest.raises(CheckpointError, match="is not a checkpoint of thas"):
        load_model(Path("bare.safetensors"))
