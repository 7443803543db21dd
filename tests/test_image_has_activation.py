from __future__ import annotations

import pytest
import torch
from torch import nn

from thas.image_has.activation import activation_map, captured, upsampled
from thas.image_has.localize import localize


def test_the_sum_drawn_by_hand():
    maps = torch.tensor([[[[1.0, 2.0]], [[10.0, 20.0]]]])  # one image, two maps, one row of two places
    weight = torch.tensor([[1.0, 0.0], [0.5, -1.0]])
    assert activation_map(maps, weight, torch.tensor([0])).tolist() == [[[1.0, 2.0]]]
    assert activation_map(maps, weight, torch.tensor([1])).tolist() == [[[-9.5, -19.0]]]


def test_one_class_an_image_several_or_all_agree():
    maps, weight = torch.randn(4, 6, 3, 5), torch.randn(7, 6)
    classes = torch.tensor([3, 0, 6, 3])
    every = activation_map(maps, weight)
    assert every.shape == (4, 7, 3, 5)
    torch.testing.assert_close(activation_map(maps, weight, classes), every[torch.arange(4), classes])
    several = activation_map(maps, weight, torch.stack([classes, classes.flip(0)], dim=1))
    torch.testing.assert_close(several[:, 1], every[torch.arange(4), classes.flip(0)])


def test_its_mean_is_the_logit_of_an_average_pooled_network():
    maps, classifier = torch.randn(2, 6, 4, 4), nn.Linear(6, 3)
    logits = classifier(maps.mean((2, 3)))
    torch.testing.assert_close(activation_map(maps, classifier.weight).mean((2, 3)) + classifier.bias, logits)


@pytest.mark.parametrize("classes", [torch.tensor([0]), torch.zeros(2, 2, 2, dtype=torch.long)])
def test_classes_that_do_not_fit_are_refused(classes: torch.Tensor):
    with pytest.raises(ValueError, match="classes must be"):
        activation_map(torch.ones(2, 6, 4, 4), torch.ones(3, 6), classes)


def test_a_weight_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 5\)"):
        activation_map(torch.ones(2, 6, 4, 4), torch.ones(3, 5))


@pytest.mark.parametrize(("maps", "weight"), [((6, 4, 4), (3, 6)), ((2, 6, 4, 4, 1), (3, 6)), ((2, 6, 4, 4), (6,))])
def test_maps_and_weights_of_other_axes_are_refused(maps, weight):
    with pytest.raises(ValueError, match="do not fit"):
        activation_map(torch.ones(maps), torch.ones(weight))


def test_upsampling_keeps_a_flat_map_flat_and_the_leading_axes():
    large = upsampled(torch.full((2, 3, 1, 1), 5.0), (7, 9))
    torch.testing.assert_close(large, torch.full((2, 3, 7, 9), 5.0))
    assert localize(large, scale="range").tolist() == [[[0, 0, 9, 7]] * 3] * 2, "rounding errors are no object"


def test_no_hook_stays_even_after_an_error():
    layer = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="shapes"), captured(layer) as outputs:
        layer(torch.ones(1, 2)) + layer(torch.ones(1, 3))
    assert len(outputs) == 1
    assert not layer._forward_hooks
