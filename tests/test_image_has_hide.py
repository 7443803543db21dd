from __future__ import annotations

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thas.image_has.hide import filled, hide, hide_mask


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_grid_starts_at_the_top_left_and_is_truncated_at_the_other_edges():
    mask = hide_mask((1, 5, 7), size=3, probability=0.5, generator=seeded(2))[0]
    cells = mask[::3, ::3]  # one pixel of each cell, wherever the edge cuts it
    assert cells.shape == (2, 3)
    assert 0 < int(cells.sum()) < 6, "the seed must hide some cells and not others, or the picture below shows nothing"
    drawn = torch.tensor([[cells[y // 3, x // 3] for x in range(7)] for y in range(5)])
    assert torch.equal(mask, drawn)


def test_of_a_single_size_every_random_number_is_a_cells():
    # So that a run with one size draws the same whether it is written as a number or as a list.
    cells = torch.rand(2, 2, 3, generator=seeded(1)) < 0.5
    for size in (3, (3,)):
        mask = hide_mask((2, 5, 7), size=size, probability=0.5, generator=seeded(1))
        assert torch.equal(mask[:, ::3, ::3], cells)


def test_a_picture_drawn_by_hand():
    x = torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    mask = torch.tensor([[[True, True, False, False], [True, True, False, False], [False, False, True, True]]])
    expected = [[9, 9, 3, 4], [9, 9, 7, 8], [9, 10, 9, 9]]
    assert filled(x, mask, fill=9.0)[0, 0].tolist() == expected


def test_all_channels_of_a_cell_are_hidden_together_each_with_its_own_fill():
    x = torch.full((4, 3, 8, 8), 7.0)
    hidden = hide(x, size=4, probability=0.5, fill=torch.tensor([1.0, 2.0, 3.0]), generator=seeded())
    for c, fill in enumerate((1.0, 2.0, 3.0)):
        assert torch.equal(hidden[:, c] == fill, hidden[:, 0] == 1.0)


def test_each_image_and_each_draw_is_hidden_anew():
    generator = seeded()
    first = hide_mask((2, 64, 64), size=8, probability=0.5, generator=generator)
    second = hide_mask((2, 64, 64), size=8, probability=0.5, generator=generator)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)


def test_mixed_sizes_are_drawn_uniformly_and_zero_hides_nothing():
    mask = hide_mask((4000, 16, 16), size=(0, 4, 16), probability=1.0, generator=seeded())
    untouched = (~mask.flatten(1).any(1)).float().mean()
    assert float(untouched) == pytest.approx(1 / 3, abs=0.03)
    half = hide_mask((4000, 16, 16), size=(0, 16), probability=0.5, generator=seeded())
    assert float(half.float().mean()) == pytest.approx(0.25, abs=0.03)


def test_a_cell_is_hidden_with_the_probability_asked_for():
    mask = hide_mask((500, 56, 56), size=8, probability=0.33, generator=seeded())
    assert float(mask[:, ::8, ::8].float().mean()) == pytest.approx(0.33, abs=0.01)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64]
)
def test_the_fast_way_is_bit_equal_to_a_plain_select(dtype: torch.dtype, layout: torch.memory_format):
    x = (torch.randn(3, 2, 9, 11) * 50).to(dtype).contiguous(memory_format=layout)
    if dtype.is_floating_point:
        x[0, 0, :3] = torch.tensor([torch.nan, torch.inf, -0.0])[:, None].to(dtype)
    mask = hide_mask((3, 9, 11), size=4, probability=0.5, generator=seeded())
    for fill in (0, 5, torch.tensor([3, 0])):
        plain = torch.where(mask[:, None], torch.as_tensor(fill).to(dtype).reshape(1, -1, 1, 1), x)
        found = filled(x, mask, fill=fill)
        assert found.is_contiguous(memory_format=layout)
        assert torch.equal(found.contiguous().view(torch.uint8), plain.contiguous().view(torch.uint8))


def test_a_part_of_a_larger_batch_is_filled_as_a_copy_of_it_would_be():
    larger = torch.randn(4, 3, 12, 12)
    mask = hide_mask((2, 9, 7), size=4, probability=0.5, generator=seeded())
    part, fill = larger[1:3, :, 2:11, 3:10], torch.tensor([1.0, 2.0, 3.0])
    before = larger.clone()
    assert torch.equal(filled(part, mask, fill=fill), filled(part.contiguous(), mask, fill=fill))
    assert torch.equal(larger, before)


def test_gradients_reach_what_is_visible_and_nothing_else():
    maps = torch.randn(2, 3, 8, 8, requires_grad=True)
    mask = hide_mask((2, 8, 8), size=4, probability=0.5, generator=seeded())
    filled(maps, mask, fill=0.0).sum().backward()
    assert maps.grad is not None
    assert torch.equal(maps.grad, (~mask)[:, None].expand_as(maps).float())


def test_the_memory_layout_is_kept():
    x = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    hidden = hide(x, size=4, probability=0.5, fill=torch.ones(3), generator=seeded())
    assert hidden.is_contiguous(memory_format=torch.channels_last)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_any_height_and_width_and_sizes(height: int, width: int, sizes: list[int], seed: int):
    mask = hide_mask((3, height, width), size=sizes, probability=0.5, generator=seeded(seed))
    assert mask.shape == (3, height, width)
    for image in mask:  # some size of the list explains the picture: every cell of its grid is of one kind
        assert any(_constant_cells(image, size) for size in sizes)


def _constant_cells(image: torch.Tensor, size: int) -> bool:
    if size == 0:
        return not image.any()
    cells = [cell for rows in image.split(size) for cell in rows.split(size, dim=1)]
    return all(bool((cell == cell[0, 0]).all()) for cell in cells)


def test_an_empty_batch_is_no_error():
    assert hide(torch.ones(0, 3, 8, 8), size=4, probability=0.5, fill=0.0, generator=seeded()).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": -1}, "size must be 0 or more"),
        ({"size": ()}, "size must be 0 or more"),
        ({"size": 2.5}, "size must be 0 or more"),
        ({"size": True}, "size must be 0 or more"),
        ({"probability": 1.5}, "probability must be"),
        ({"probability": float("nan")}, "probability must be"),
        ({"fill": torch.ones(2)}, "fill must be"),
    ],
)
def test_bad_settings_are_named(changes: dict, message: str):
    settings = {"size": 2, "probability": 0.5, "fill": 0.0} | changes
    with pytest.raises(ValueError, match=message):
        hide(torch.ones(1, 3, 4, 4), generator=seeded(), **settings)


def test_an_image_without_a_batch_axis_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 4, 4\)"):
        hide(torch.ones(3, 4, 4), size=2, probability=0.5, fill=0.0, generator=seeded())


def test_a_batch_of_the_papers_size_takes_milliseconds():
    x, generator = torch.randn(32, 3, 224, 224), seeded()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        best = min(
            _seconds(lambda: hide(x, size=(0, 16, 32, 44, 56), probability=0.5, fill=0.0, generator=generator))
            for _ in range(9)
        )
    finally:
        torch.set_num_threads(threads)
    assert best < 0.05, "measured 3 ms on one quiet core; the bound leaves room for a busy machine"


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
