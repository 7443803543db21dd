"""On real photographs and boxes, where they are at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import shared_data
from thas.image_has.datasets import open_images
from thas.image_has.decode import image_size
from thas.image_has.images import ImageTable
from thas.image_has.predict import Predictions
from thas.image_has.scores import score


@pytest.fixture(scope="module")
def val() -> ImageTable:
    return open_images(str(shared_data("imagenette-128"))).subset("val")


def test_all_images_have_a_class_and_boxes(val: ImageTable):
    assert (len(val), len(val.classes), len(val.boxes)) == (250, 10, 250)
    assert not val.problems
    assert max(len(boxes) for boxes in val.boxes.values()) > 1


def test_boxes_that_look_at_no_image_score_what_is_known_of_them(val: ImageTable):
    sizes = np.array([image_size(val.path(i))[::-1] for i in range(len(val))])
    whole = np.concatenate([np.zeros((len(val), 2)), sizes[:, ::-1]], axis=1)
    found = replace(Predictions.nothing(val), sizes=sizes, known_boxes=whole, predicted_boxes=whole)
    scores = score(replace(found, predicted=val.labels))
    assert (
        scores.gt_known_loc == scores.top1_loc == scores.baselines["whole_image"] == 0.376
    )  # 0.364 by first boxes alone
    assert 0.504 < scores.baselines["centred_box"] < 0.54
    assert scores.top1_clas == 1
