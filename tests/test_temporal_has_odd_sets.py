"""`thas train` on data sets that are odd as a whole: each is trained on and localized, or refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from thas.cli import run as command
from thas.core.run_settings import read_settings
from thas.core.runs import find_run
from thas.features.cache import write_features
from thas.temporal_has.results import SEQUENCES, read_sequences
from thas.temporal_has.settings import Settings

from .conftest import make_features

X, Y, BOTH = ["Run"], ["Jump"], ["Run", "Jump"]
FEW = {"a": X, "b": Y, "c": X, "d": Y}


def softmax(x: np.ndarray) -> np.ndarray:
    high = np.exp(x - x.max(axis=1, keepdims=True))
    return high / high.sum(axis=1, keepdims=True)


def written(labels: dict[str, list[str]], kind=lambda x: x, lengths=(6,), width=4, test=X) -> None:
    """A data set of these training videos and one to test, its features drawn and then changed by `kind`."""
    draw = np.random.default_rng(0)
    lines = ["video,label,subset"]
    for i, (video, names) in enumerate({**labels, "test": test}.items()):
        lines += [f"{video},{name},{'test' if video == 'test' else 'training'}" for name in names]
        data = kind(draw.normal(size=(lengths[i % len(lengths)], width)))
        write_features(Path("mine/features"), make_features(video, data), recipe={"made": "up"})
    Path("mine/labels.csv").write_text("\n".join(lines) + "\n")


def train() -> int:
    return command(["train", "--dataset", "mine", "--set", "network.channels=4", "train.epochs=1"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("mine").mkdir()


ODD = {
    "one label everywhere, of two classes": {"labels": dict.fromkeys("abcd", X), "test": Y},
    "every label in every video": {"labels": dict.fromkeys("abc", BOTH)},
    "two videos": {"labels": {"a": X, "b": Y}},
    "a rare class of one video": {"labels": {**dict.fromkeys("abcdef", X), "g": Y}},
    "one snippet beside two hours": {"labels": FEW, "lengths": (1, 9000, 2)},
    "three numbers": {"labels": FEW, "width": 3},
    "8192 numbers": {"labels": FEW, "width": 8192},
    "constant": {"labels": FEW, "kind": lambda x: np.full_like(x, 7.0)},
    "one-hot": {"labels": FEW, "kind": lambda x: np.eye(4)[x.argmax(axis=1)]},
    "probabilities": {"labels": FEW, "kind": softmax},
    "logits": {"labels": FEW, "kind": lambda x: 30 * x},
    "negative": {"labels": FEW, "kind": lambda x: -5 - np.abs(x)},
    "a million times as large": {"labels": FEW, "kind": lambda x: 1e6 * x},
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_data_set_is_trained_on_with_its_rules_printed(here, capsys, name):
    written(**ODD[name])
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        assert train() == 0
    told = capsys.readouterr().err
    run = find_run(None, root=Path("runs"))
    became = read_settings(run, Settings)[0]
    for key, value in {
        "train.loss": became.train.loss,
        "input.normalise": became.input.normalise,
        "network.kernel_size": became.network.kernel_size,
        "network.smoothing": became.network.smoothing,
        "localize.classes": became.localize.classes,
        "hide.probability": became.hide.probability,
    }.items():
        assert f"{key} = {value}: " in told
    assert became.input.normalise == ("none" if name in {"one-hot", "probabilities"} else "standard")
    sequence = read_sequences(run / SEQUENCES)["test"]
    assert np.isfinite(sequence.logits).all()
    found = json.loads((run / "detections.json").read_text())["results"].get("test", [])
    assert all(0 <= row["segment"][0] < row["segment"][1] <= sequence.duration_seconds + 1e-6 for row in found)
    assert np.isfinite([row["score"] for row in found]).all()


def test_one_class_is_refused_with_the_reason(here, capsys):
    written({"a": X, "b": X})
    assert train() == 1
    told = capsys.readouterr().err.splitlines()
    assert "there is only one class, Run, which every labelled video has" in told[0]
    assert "nothing tells what the action is not" in told[1]
    assert not list(Path("runs").glob("*/*/checkpoint.safetensors"))
