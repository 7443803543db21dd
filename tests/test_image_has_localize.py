from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from thas.image_has.localize import localize, otsu_level, scaled_boxes


def drawn(*rows: str) -> np.ndarray:
    return np.array([[0.0 if c == "." else float(c) for c in row] for row in rows])


PICTURE = drawn(
    ".......",
    ".55.9..",
    ".545...",
    "....1..",
    ".....2.",
)


@pytest.mark.parametrize(
    ("threshold", "box"),
    [
        (0.0, [1, 1, 6, 5]),  # everything above zero hangs together, through corners
        (0.2, [1, 1, 5, 3]),  # the 9 touches the 5 at a corner
        (0.6, [4, 1, 5, 2]),  # only the 9
    ],
)
def test_boxes_drawn_by_hand(threshold: float, box: list[float]):
    assert localize(PICTURE, threshold=threshold).tolist() == box


def test_corners_connect_only_with_eight_neighbours():
    assert localize(PICTURE, threshold=0.2, neighbours=4).tolist() == [1, 1, 4, 3]


def test_many_thresholds_at_once_in_any_order_equal_one_at_a_time():
    thresholds = [0.6, 0.0, 0.2]
    together = localize(PICTURE, threshold=thresholds)
    assert together.shape == (3, 4)
    assert together.tolist() == [localize(PICTURE, threshold=t).tolist() for t in thresholds]


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_map_that_tells_nothing_gives_the_whole_image(value: float):
    for scale in ("max", "range", "otsu"):
        assert localize(np.full((4, 6), value), scale=scale).tolist() == [0, 0, 6, 4]


def test_a_flat_positive_map_is_the_whole_image_too():
    assert localize(np.full((4, 6), 0.1, np.float32), threshold=0.99).tolist() == [0, 0, 6, 4]


def test_a_map_nowhere_positive_has_a_box_by_range_only():
    below = drawn("..", ".5") - 9
    assert localize(below, scale="max").tolist() == [0, 0, 2, 2]
    assert localize(below, scale="range").tolist() == [1, 1, 2, 2]


def test_of_equal_components_the_first_is_taken():
    assert localize(drawn("5..5"), threshold=0.2).tolist() == [0, 0, 1, 1]


def test_torch_maps_of_any_kind_and_leading_axes():
    maps = torch.from_numpy(PICTURE).repeat(2, 3, 1, 1).to(torch.bfloat16)
    boxes = localize(maps.requires_grad_(), threshold=[0.2, 0.6])
    assert boxes.shape == (2, 3, 2, 4)
    assert boxes[1, 2].tolist() == [[1, 1, 5, 3], [4, 1, 5, 2]]


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-4, 4, width=16)),
    st.lists(st.floats(0, 0.99), min_size=1, max_size=5),
)
def test_any_map_agrees_with_the_plain_definition(one: np.ndarray, thresholds: list[float]):
    for threshold, box in zip(thresholds, localize(one, threshold=thresholds).tolist(), strict=True):
        assert box == plain(one, threshold)


def plain(one: np.ndarray, threshold: float) -> list[float]:
    if one.max() <= 0 or one.max() == one.min():
        return [0, 0, one.shape[1], one.shape[0]]
    parts, count = ndimage.label(one > threshold * float(one.max()), np.ones((3, 3)))
    largest = max(range(1, count + 1), key=lambda part: int((parts == part).sum()))
    y, x = np.nonzero(parts == largest)
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan"), []])
def test_bad_thresholds_are_refused(threshold: object):
    with pytest.raises(ValueError, match="threshold must be"):
        localize(PICTURE, threshold=threshold)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_map_is_named_not_boxed(value: float):
    maps = np.stack([PICTURE, PICTURE])
    maps[1, 2, 3] = value
    with pytest.raises(ValueError, match="map 1"):
        localize(maps)


def test_boxes_scale_with_each_axis():
    assert scaled_boxes(np.array([[0, 1, 2, 4]]), map_size=(4, 4), image_size=(8, 40)).tolist() == [[0, 2, 20, 8]]


def test_otsus_level_lies_between_two_groups():
    low, high = [0, 1, 2, 1, 0], [10, 12, 11]
    assert otsu_level(np.array(low + high)) == pytest.approx((np.mean(low) + np.mean(high)) / 2)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.integers(-20, 20)))
def test_otsus_level_is_that_of_trying_every_division(values: np.ndarray):
    ordered = np.sort(values)
    tried = [
        ((cut * (len(values) - cut)) * (ordered[cut:].mean() - ordered[:cut].mean()) ** 2, cut)
        for cut in range(1, len(values))
    ]
    level = otsu_level(values)
    assert ordered[0] <= level <= ordered[-1]
    if tried:
        below = (values < level).sum() if ordered[0] < ordered[-1] else 1
        assert max(tried)[0] == pytest.approx({cut: gain for gain, cut in tried}[below])


@given(st.floats(0.01, 1000))
def test_a_fraction_of_otsus_level_does_not_depend_on_the_scale_of_the_map(scale: float):
    assert (
        localize(scale * PICTURE, threshold=0.8, scale="otsu") == localize(PICTURE, threshold=0.8, scale="otsu")
    ).all()


def test_otsus_level_finds_the_dim_thing_that_a_bright_spot_hides_from_the_maximum():
    dim = np.zeros((8, 8))
    dim[1:6, 1:6], dim[2, 2] = 0.15, 1.0
    assert localize(dim, threshold=0.2).tolist() == [2, 2, 3, 3]
    dim[2, 2] = 0.4
    assert localize(dim, threshold=0.8, scale="otsu").tolist() == [1, 1, 6, 6]
    # Otsu's level is 0.08 there; a factor may also lift it, and past the maximum only the maximum is left.
    boxes = localize(dim, threshold=[1.0, 3.0, 9.0], scale="otsu")
    assert boxes.tolist() == [[1, 1, 6, 6], [2, 2, 3, 3], [2, 2, 3, 3]]
