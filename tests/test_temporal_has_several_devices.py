"""Two processes on the CPU, as torchrun starts them; skipped where Lightning Fabric is not installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from thas.core.checkpoints import CHECKPOINT
from thas.core.log import read_log
from thas.features.cache import write_features
from thas.temporal_has.model import load_model
from thas.temporal_has.train import train

from .conftest import make_features, papers_settings, planted_videos
from .two_processes import run_by_two

FABRIC = any(importlib.util.find_spec(name) for name in ("lightning_fabric", "lightning"))
CLASSES = ("class_0", "class_1", "class_2")
# Eleven videos in batches of five: shares of 3 and 2, and of the last batch's one video 1 and none.
SMALL = {"network.channels": 16, "train.epochs": 4, "train.learning_rate": 0.003, "train.batch_size": 5}
VARIANTS = {
    "paper": {},
    "kernels": {"network.kernel_size": 3, "network.pooling": "mean", "network.dropout": 0.3, "train.clip_norm": 0.5},
    "layer": {"hide.layer": 1},
    "dropout": {"input.dropout": "training", "train.loss": "sigmoid"},
    "validation": {"train.validation": 0.3, "hide.size": "2,4"},
    "attention": {"network.head": "attention", "network.dropout": 0.7, "network.background": True},
    "bf16": {"train.precision": "bf16"},
}

SCRIPT = """
import pickle
import sys
from pathlib import Path

from thas.temporal_has.train import train

if __name__ == "__main__":
    root = Path(sys.argv[1])
    features, labels, classes, variants = pickle.loads((root / "given.pickle").read_bytes())
    for name, settings in variants.items():
        train(features, labels, classes=classes, settings=settings, folder=root / name)
    for name in ("paper", "attention"):
        for epochs in (2, 4):
            settings = variants[name].updated({"train.epochs": epochs})
            train(features, labels, classes=classes, settings=settings, folder=root / "resumed" / name, resume=True)
"""


def uneven_videos():
    """Planted videos of different lengths."""
    features, labels, _ = planted_videos(videos=11)
    short = {video: make_features(video, one.data[: 7 + 3 * i]) for i, (video, one) in enumerate(features.items())}
    return short, labels


@pytest.mark.skipif(not FABRIC, reason="Lightning Fabric is not installed; it is needed for several devices only")
def test_two_processes_give_what_one_gives(tmp_path: Path):
    import pickle

    features, labels = uneven_videos()
    variants = {name: papers_settings(SMALL | values) for name, values in VARIANTS.items()}
    two = tmp_path / "two"
    two.mkdir()
    (two / "given.pickle").write_bytes(pickle.dumps((features, labels, CLASSES, variants)))
    (two / "script.py").write_text(SCRIPT)
    run_by_two(two / "script.py", str(two))
    for name, settings in variants.items():
        train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path / "one" / name)
        close = {"atol": 6e-3, "rtol": 0} if name == "bf16" else {"atol": 2e-6, "rtol": 1e-5}
        one, _, said = load_model(tmp_path / "one" / name / CHECKPOINT)
        other, _, also_said = load_model(two / name / CHECKPOINT)
        for key, value in one.network.state_dict().items():
            torch.testing.assert_close(
                other.network.state_dict()[key], value, msg=lambda m, n=name: f"{n}: {m}", **close
            )
        assert said.get("best", {}).get("epoch") == also_said.get("best", {}).get("epoch")
        log, other_log = read_log(tmp_path / "one" / name / "log.jsonl"), read_log(two / name / "log.jsonl")
        assert [epoch["number"] for epoch in other_log] == [1, 2, 3, 4]
        lines = (two / name / "log.jsonl").read_text().splitlines()
        assert len(lines) == 4, "one process writes"
        for mine, theirs in zip(log, other_log, strict=True):
            assert theirs["loss"] == pytest.approx(mine["loss"], rel=1e-2 if name == "bf16" else 1e-5)
            assert theirs["accuracy"] == pytest.approx(mine["accuracy"])
            assert theirs.get("validation_map") == pytest.approx(mine.get("validation_map"))
    for name in ("paper", "attention"):
        assert (two / "resumed" / name / CHECKPOINT).read_bytes() == (two / name / CHECKPOINT).read_bytes()


@pytest.mark.skipif(not FABRIC, reason="Lightning Fabric is not installed; it is needed for several devices only")
def test_the_command_makes_one_run_and_speaks_with_one_voice(tmp_path: Path, monkeypatch):
    features, labels = uneven_videos()
    rows = [f"{video},{known[0]},{'test' if i > 8 else 'training'}" for i, (video, known) in enumerate(labels.items())]
    for one in features.values():
        write_features(tmp_path / "mine" / "features", one, recipe={"backbone": "planted"})
    (tmp_path / "mine" / "labels.csv").write_text("\n".join(["video,label,subset", *rows]) + "\n")
    fast = ["--set", "network.channels=16", "train.epochs=2", "train.validation=0.3"]
    monkeypatch.chdir(tmp_path)
    done = run_by_two("thas", "train", "--dataset", "mine", "--json", *fast)
    result = json.loads(done.stdout[done.stdout.index("{") :])
    (run,) = (path.parent for path in (tmp_path / "runs").glob("mine/*/checkpoint.safetensors"))
    assert result["run"] == str(run.relative_to(tmp_path))
    assert [path.name for path in (tmp_path / "runs" / "mine").iterdir()] == [run.name]
    assert result["validation_map"] == max(line["validation_map"] for line in read_log(run / "log.jsonl"))
    assert {"best.safetensors", "detections.json", "log.jsonl"} <= {path.name for path in run.iterdir()}
    assert len((run / "log.jsonl").read_text().splitlines()) == 2
