from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.features.preprocessing import Preprocessing, resize_window, square

ORIGINAL = Preprocessing(128, 171, 112, 112, 8, 29, colour="bgr", mean=(90, 98, 102))


def test_the_originals_window_is_row_8_column_29():
    assert ORIGINAL.window(240, 320) == (128, 171, 8, 29)
    assert Preprocessing(128, 171, 112, 112).window(999, 10) == (128, 171, 8, 29)


def test_halving_takes_the_mean_of_four_pixels():
    frame = np.arange(4 * 6, dtype=np.uint8).reshape(4, 6, 1).repeat(3, axis=2) * 10
    small = resize_window(frame, 2, 3, 0, 0, 2, 3)
    # (0 + 10 + 60 + 70) / 4 = 35, then steps of 20 to the right and of 120 down
    assert small[:, :, 0].tolist() == [[35, 55, 75], [155, 175, 195]]


def test_doubling_by_hand():
    frame = np.array([[0, 100]], np.uint8)[:, :, None].repeat(3, axis=2)
    assert resize_window(frame, 1, 4, 0, 0, 1, 4)[0, :, 0].tolist() == [0, 25, 75, 100]


def test_the_window_is_a_part_of_the_whole():
    frame = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    whole = resize_window(frame, 40, 33, 0, 0, 40, 33)
    assert np.array_equal(resize_window(frame, 40, 33, 5, 7, 20, 11), whole[5:25, 7:18])
    assert np.array_equal(resize_window(frame, 50, 70, 5, 7, 20, 11), frame[5:25, 7:18])


sizes = st.integers(1, 60)


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, sizes, sizes, st.integers(0, 2**32 - 1))
def test_it_is_torchs_bilinear_to_a_rounding(height, width, tall, wide, seed):
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    ours = resize_window(frame, tall, wide, 0, 0, tall, wide)
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None].double()
    theirs = torch.nn.functional.interpolate(planes, (tall, wide), mode="bilinear", align_corners=False)
    assert np.abs(ours - theirs[0].permute(1, 2, 0).numpy()).max() <= 0.5 + 2 * 255 / 4096


def test_colour_order():
    frame = np.zeros((112, 112, 3), np.uint8)
    frame[:, :, 0] = 200  # red
    assert square(56).frame(frame)[0, 0].tolist() == [200, 0, 0]
    assert square(56, colour="bgr").frame(frame)[0, 0].tolist() == [0, 0, 200]
    assert ORIGINAL.frame(frame).shape == (112, 112, 3)
    assert ORIGINAL.frame(frame).flags.c_contiguous


@pytest.mark.parametrize(("size", "expected"), [((240, 320), (128, 170, 8, 29)), ((320, 240), (170, 128, 29, 8))])
def test_the_short_side_keeps_the_aspect(size, expected):
    assert Preprocessing(128, None, 112, 112).window(*size) == expected


@given(st.integers(1, 300), st.integers(1, 300))
def test_the_window_lies_within_the_resized_frame(height, width):
    for preprocessing in (ORIGINAL, Preprocessing(128, None, 112, 112), square(9)):
        tall, wide, top, left = preprocessing.window(height, width)
        assert 0 <= top <= tall - preprocessing.crop_height
        assert 0 <= left <= wide - preprocessing.crop_width


def test_it_survives_a_dictionary():
    assert Preprocessing.from_dict(ORIGINAL.to_dict()) == ORIGINAL
    with pytest.raises(ValueError, match="unknown entries of a preprocessing: gamma"):
        Preprocessing.from_dict(ORIGINAL.to_dict() | {"gamma": 1})
    with pytest.raises(ValueError, match="not a preprocessing"):
        Preprocessing.from_dict({"resize_height": 1})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"crop_height": 129}, "does not fit"),
        ({"crop_width": 0}, "crop_width"),
        ({"colour": "yuv"}, "colour"),
        ({"mean": (1, 2)}, "mean must have 3"),
        ({"std": (1, 0, 1)}, "std"),
        ({"kernel": "lanczos"}, "kernel"),
    ],
)
def test_impossible_values_are_named(change, named):
    with pytest.raises(ValueError, match=named):
        Preprocessing.from_dict(ORIGINAL.to_dict() | change)
