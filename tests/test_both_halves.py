"""The laws that the image half and the temporal half share: the same verbs, on two axes and on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thas.image_has import activation as image_activation
from thas.image_has import hide as image_hide
from thas.image_has import localize as image_localize
from thas.temporal_has import activation as temporal_activation
from thas.temporal_has import hide as temporal_hide
from thas.temporal_has import localize as temporal_localize


@dataclass(frozen=True)
class Half:
    """One half's verbs, and how to make something for them to work on.

    Attributes:
        hide: The verb.
        hide_mask: The verb.
        shape: Of a batch.
        mask_shape: Of its mask.
        channel_axis: Of a batch.
        grown: A mask with each axis so many times as long.
        activation: From maps (B, M, places) and a weight, (B, C, places).
        localize: From one row of activations, the extent found at a threshold: (start, end).
    """

    hide: Callable[..., torch.Tensor]
    hide_mask: Callable[..., torch.Tensor]
    shape: tuple[int, ...]
    mask_shape: tuple[int, ...]
    channel_axis: int
    grown: Callable[[torch.Tensor, int], torch.Tensor]
    activation: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    localize: Callable[[np.ndarray, float], tuple[float, float]]


def _temporal_extent(row: np.ndarray, threshold: float) -> tuple[float, float]:
    """The longest of the intervals found, as the image half takes the largest part."""
    times = np.arange(len(row), dtype=np.float64)
    sequence = temporal_activation.ClassActivationSequence(
        video="v",
        logits=row[:, None].astype(np.float32),
        video_logits=np.ones(1, np.float32),
        probabilities=np.ones(1, np.float32),
        start_seconds=times,
        end_seconds=times + 1,
        duration_seconds=float(len(row)),
        classes=("a",),
    )
    found = temporal_localize.localize(sequence, threshold=threshold, threshold_rule="max", upsample=1, nms="none")
    longest = int(found.duration_seconds.argmax())
    return float(found.start_seconds[longest]), float(found.end_seconds[longest])


def _image_extent(row: np.ndarray, threshold: float) -> tuple[float, float]:
    """Of an image one pixel high."""
    x0, _, x1, _ = image_localize.localize(row[None].astype(np.float32), threshold=threshold).tolist()
    return x0, x1


HALVES = {
    "image": Half(
        hide=image_hide.hide,
        hide_mask=image_hide.hide_mask,
        shape=(6, 3, 20, 28),
        mask_shape=(6, 20, 28),
        channel_axis=1,
        grown=lambda mask, times: mask.repeat_interleave(times, 1).repeat_interleave(times, 2),
        activation=lambda maps, weight: image_activation.activation_map(maps[:, :, None], weight)[:, :, 0],
        localize=_image_extent,
    ),
    "temporal": Half(
        hide=temporal_hide.hide,
        hide_mask=temporal_hide.hide_mask,
        shape=(6, 40, 3),
        mask_shape=(6, 40),
        channel_axis=2,
        grown=lambda mask, times: mask.repeat_interleave(times, 1),
        activation=lambda maps, weight: temporal_activation.activation_map(maps.mT, weight).mT,
        localize=_temporal_extent,
    ),
}


@pytest.fixture(params=HALVES)
def half(request: pytest.FixtureRequest) -> Half:
    return HALVES[request.param]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hidden(half: Half, x: torch.Tensor, **changes: Any) -> torch.Tensor:
    settings = {"size": 8, "probability": 0.5, "fill": 0.0, "generator": seeded()} | changes
    return half.hide(x, **settings)


def test_nothing_is_hidden_at_probability_0(half: Half):
    x = torch.randn(half.shape)
    assert torch.equal(hidden(half, x, probability=0.0), x)


def test_nothing_is_hidden_at_size_0(half: Half):
    x = torch.randn(half.shape)
    assert torch.equal(hidden(half, x, size=0, probability=1.0), x)


def test_all_is_fill_at_probability_1(half: Half):
    x = torch.randn(half.shape)
    fill = torch.tensor([1.0, -2.0, 3.0])
    out = hidden(half, x, probability=1.0, fill=fill).movedim(half.channel_axis, -1)
    assert torch.equal(out, fill.expand_as(out))


def test_the_input_is_untouched_and_the_result_is_new(half: Half):
    x = torch.randn(half.shape)
    before = x.clone()
    for probability in (0.0, 0.5):
        hidden(half, x, probability=probability).zero_()
        assert torch.equal(x, before)


def test_the_same_generator_gives_the_same_mask_and_another_another(half: Half):
    masks = [
        half.hide_mask(half.mask_shape, size=4, probability=0.5, generator=generator)
        for generator in (seeded(1), seeded(1), seeded(2))
    ]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_hiding_follows_its_mask_and_what_is_kept_is_bit_equal(half: Half):
    x = torch.randn(half.shape)
    x.view(-1)[:4] = torch.tensor([torch.nan, torch.inf, -0.0, 1e-42])
    mask = half.hide_mask(half.mask_shape, size=(0, 3, 8), probability=0.5, generator=seeded(3))
    out = hidden(half, x, size=(0, 3, 8), fill=7.0, generator=seeded(3))
    kept = ~mask.unsqueeze(half.channel_axis).expand_as(x)
    assert torch.equal(out.view(torch.int32)[kept], x.view(torch.int32)[kept])
    assert (out[~kept] == 7).all()


@given(size=st.integers(1, 9), times=st.integers(1, 4), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", HALVES)
def test_a_finer_axis_with_larger_cells_is_hidden_alike(name: str, size: int, times: int, seed: int):
    half = HALVES[name]
    coarse = half.hide_mask(half.mask_shape, size=size, probability=0.5, generator=seeded(seed))
    fine_shape = (half.mask_shape[0], *(side * times for side in half.mask_shape[1:]))
    fine = half.hide_mask(fine_shape, size=size * times, probability=0.5, generator=seeded(seed))
    assert torch.equal(fine, half.grown(coarse, times))


@pytest.mark.parametrize("changes", [{"size": -1}, {"size": ()}, {"probability": 1.1}, {"probability": -0.1}])
def test_the_same_settings_are_refused(half: Half, changes: dict):
    with pytest.raises(ValueError, match="must be"):
        hidden(half, torch.randn(half.shape), **changes)


def test_both_need_a_generator(half: Half):
    with pytest.raises(TypeError, match="generator"):
        half.hide(torch.randn(half.shape), size=4, probability=0.5, fill=0.0)


def test_an_activation_is_the_weighted_sum_of_the_maps_in_both():
    maps, weight = torch.randn(2, 5, 12), torch.randn(3, 5)
    image, temporal = (half.activation(maps, weight) for half in HALVES.values())
    torch.testing.assert_close(image, temporal)
    torch.testing.assert_close(image, torch.einsum("bml,cm->bcl", maps, weight))


ROW = np.array([0.0, 1.0, 6.0, 9.0, 7.0, 1.0, 0.0, 5.0, 0.5])


def test_both_find_the_same_extent_in_a_drawn_row():
    for threshold, extent in ((0.5, (2.0, 5.0)), (0.05, (1.0, 6.0)), (0.9, (3.0, 4.0))):
        assert [half.localize(ROW, threshold) for half in HALVES.values()] == [extent, extent]


@given(times=st.integers(1, 5), threshold=st.sampled_from([0.05, 0.2, 0.5, 0.9]))
@pytest.mark.parametrize("name", HALVES)
def test_a_finer_row_gives_the_same_extent_scaled(name: str, times: int, threshold: float):
    half = HALVES[name]
    start, end = half.localize(ROW, threshold)
    assert half.localize(ROW.repeat(times), threshold) == (start * times, end * times)


@given(factor=st.sampled_from([0.25, 0.5, 2.0, 64.0]))
@pytest.mark.parametrize("name", HALVES)
def test_stronger_activations_give_the_same_extent(name: str, factor: float):
    half = HALVES[name]
    assert half.localize(ROW * factor, 0.5) == half.localize(ROW, 0.5)
