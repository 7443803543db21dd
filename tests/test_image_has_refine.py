from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thas.image_has.views import refined


def drawn_image(*rows: str) -> torch.Tensor:
    """(1, 3, H, W), a grey for each letter."""
    return torch.tensor([[float(ord(c)) for c in row] for row in rows]).expand(1, 3, -1, -1)


HALVES = drawn_image(*["aaaazzzz"] * 6)


def test_a_map_fills_the_thing_it_touches_and_stops_at_its_edge():
    spot = torch.zeros(1, 1, 6, 8)
    spot[0, 0, 2:4, 1:3] = 1
    after = refined(spot, HALVES, iterations=30, reaches=[1, 2])
    assert after[..., :4].min() > 0.05, "the whole left half has taken some of it"
    assert after[..., 4:].max() < 0.01, "the right half looks different and has taken nothing"


def test_written_out_for_one_pixel():
    """One step with reach 1: the neighbours' mean by likeness, in deviations over the pixel and its neighbours."""
    generator = torch.Generator().manual_seed(1)
    image, maps = torch.rand(1, 3, 3, 3, generator=generator), torch.rand(1, 1, 3, 3, generator=generator)
    around = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    deviation = image[0].flatten(1).std(dim=1)
    unlike = torch.stack([((image[0, :, y, x] - image[0, :, 1, 1]).abs() / deviation).mean() * 10 for y, x in around])
    expected = (torch.softmax(-unlike, 0) * torch.stack([maps[0, 0, y, x] for y, x in around])).sum()
    assert refined(maps, image, iterations=1, reaches=[1])[0, 0, 1, 1].item() == pytest.approx(
        expected.item(), rel=1e-4
    )


@given(seed=st.integers(0, 10_000), times=st.integers(1, 5), height=st.integers(1, 9), width=st.integers(1, 9))
def test_stays_between_the_least_and_the_greatest(seed: int, times: int, height: int, width: int):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, height, width, generator=generator)
    maps = torch.randn(2, 2, height, width, generator=generator)
    after = refined(maps, image, iterations=times)
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    assert ((after >= low - 1e-5) & (after <= high + 1e-5)).all()


@given(seed=st.integers(0, 10_000), brightness=st.floats(0.1, 100), scale=st.floats(0.1, 100))
def test_neither_brightness_nor_the_maps_scale_matters(seed: int, brightness: float, scale: float):
    generator = torch.Generator().manual_seed(seed)
    image, maps = torch.rand(1, 3, 7, 8, generator=generator), torch.rand(1, 1, 7, 8, generator=generator)
    after = refined(maps, image, iterations=3)
    torch.testing.assert_close(
        refined(scale * maps, brightness * image, iterations=3), scale * after, rtol=1e-3, atol=1e-4
    )


def test_images_of_a_batch_and_maps_of_an_image_do_not_touch_one_another():
    generator = torch.Generator().manual_seed(0)
    image, maps = torch.rand(3, 3, 10, 12, generator=generator), torch.rand(3, 2, 10, 12, generator=generator)
    together = refined(maps, image, iterations=4)
    for i in range(3):
        for k in range(2):
            alone = refined(maps[i : i + 1, k : k + 1], image[i : i + 1], iterations=4)
            torch.testing.assert_close(together[i, k], alone[0, 0])


def test_mirrored_images_give_mirrored_maps():
    generator = torch.Generator().manual_seed(0)
    image, maps = torch.rand(1, 3, 9, 11, generator=generator), torch.rand(1, 1, 9, 11, generator=generator)
    torch.testing.assert_close(refined(maps.flip(-1), image.flip(-1)), refined(maps, image).flip(-1))


def test_no_iteration_changes_nothing_and_the_maps_given_are_kept():
    maps = torch.rand(1, 1, 6, 8)
    before = maps.clone()
    assert refined(maps, HALVES, iterations=0) is maps
    refined(maps, HALVES, iterations=2)
    assert torch.equal(maps, before)


def test_an_image_of_one_colour_gives_no_nan():
    assert refined(torch.rand(1, 1, 5, 5), torch.zeros(1, 3, 5, 5)).isfinite().all()


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="must agree"):
        refined(torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 8, 8))
