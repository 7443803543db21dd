"""The numbers that others published or computed, reproduced to 1e-9."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.conftest import shared_data
from thas.eval import evaluate, read_annotations, read_detections


@pytest.fixture(scope="module")
def golden():
    return shared_data("golden")


@pytest.mark.parametrize("k", [0, 1, 2])
def test_thumos14_as_its_authors_stored_it(golden, k):
    expected = json.loads((golden / "expected.json").read_text())["thumos14"]
    threshold = expected["iou"][k]
    detections = read_detections(golden / f"THUMOS14_det_iou{threshold}.txt")
    truth = read_annotations(shared_data("thumos14") / "annotations").subset("test")
    scores = evaluate(detections, truth, iou=[threshold], protocol="thumos14")
    order = [scores.classes.index(name) for name in expected["classes"]]
    np.testing.assert_allclose(scores.ap[0, order], expected["ap"][k], rtol=0, atol=1e-9)
    assert scores.map[0] == pytest.approx(expected["map"][k], abs=1e-9)


def test_activitynet_without_ties(golden):
    expected = json.loads((golden / "expected.json").read_text())["activitynet"]
    detections = read_detections(golden / "scnn_iou0.5_tiefree.json")
    truth = read_annotations(golden / "thumos14_test_gt_212.json")
    scores = evaluate(detections, truth, iou=expected["thr"])
    order = [scores.classes.index(name) for name in expected["classes"]]
    np.testing.assert_allclose(scores.ap[:, order], expected["AP"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(scores.map, expected["mAP"], rtol=0, atol=1e-9)
