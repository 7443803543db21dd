"""Calibration: finds the slope and offset that were planted, and the checkpoint and the detections carry it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.temporal_has.model import load_model
from thas.temporal_has.results import LocalizeResult, read_detections, write_result
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train
from thas.temporal_has.validation import Calibration, calibrate

from .conftest import planted_videos

CLASSES = ("class_0", "class_1", "class_2")
QUICK = Settings().updated({"train.epochs": 2, "network.channels": 8, "train.validation": 0.3})


@pytest.mark.parametrize(("slope", "offset"), [(0.3, 0.0), (1.0, -1.0), (1.7, 0.5)])
def test_a_planted_slope_and_offset_are_found(slope, offset):
    draw = np.random.default_rng(0)
    x = draw.normal(0, 2, (4000, 2))
    right = draw.random(x.shape) < 1 / (1 + np.exp(-(slope * x + offset)))
    found = calibrate(1 / (1 + np.exp(-x)), right)
    assert found.slope == pytest.approx(slope, abs=0.08)
    assert found.offset == pytest.approx(offset, abs=0.1)


@settings(max_examples=30)
@given(st.integers(0, 2**20), st.integers(1, 6), st.integers(1, 4))
def test_few_videos_and_sure_networks_give_probabilities_in_the_same_order(seed, videos, classes):
    draw = np.random.default_rng(seed)
    said = draw.choice([0.0, 1e-9, 0.4, 1 - 1e-9, 1.0], (videos, classes))
    found = calibrate(said, draw.integers(0, 2, said.shape))
    line = found(np.linspace(0, 1, 11))
    assert np.isfinite(line).all()
    assert (np.diff(line) >= 0).all()
    assert ((line >= 0) & (line <= 1)).all()


def test_labels_that_are_all_alike_change_nothing():
    assert calibrate(np.array([[0.2], [0.9]]), np.ones((2, 1))) == Calibration()


def test_held_out_videos_give_probabilities_beside_the_scores(tmp_path):
    features, labels, _ = planted_videos(videos=12, snippets=12)
    model = train(features, labels, classes=CLASSES, settings=QUICK, folder=tmp_path)
    assert model.calibration is not None
    kept = load_model(tmp_path / "best.safetensors")[0]
    assert kept.calibration == pytest.approx(model.calibration)
    sequence = kept.sequence(next(iter(features.values())))
    from thas.temporal_has.localize import localize

    found = localize(sequence)
    result = LocalizeResult(found, [sequence], {}, {}, calibration=kept.calibration)
    write_result(tmp_path, result)
    rows = json.loads((tmp_path / "detections.json").read_text())["results"][sequence.video]
    column = sequence.classes.index(rows[0]["label"])
    assert rows[0]["probability"] == pytest.approx(float(kept.calibration(sequence.probabilities[column])), abs=1e-4)
    assert len(read_detections(tmp_path / "detections.json")[0]) == len(found)


def test_without_held_out_videos_there_is_no_probability(tmp_path):
    features, labels, _ = planted_videos(videos=6, snippets=12)
    model = train(features, labels, classes=CLASSES, settings=QUICK.updated({"train.validation": 0.0}))
    assert model.calibration is None
    assert LocalizeResult(None, [], {}, {}).likely() is None


@pytest.mark.parametrize("value", [[1.0], "ab", [1.0, float("nan")], {"slope": 1}])
def test_a_calibration_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="two numbers"):
        Calibration.of(value)
