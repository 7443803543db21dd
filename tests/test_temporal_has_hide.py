from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thas.core.dropping import dropped
from thas.temporal_has.hide import HideSegments, Hiding, hide, hide_maps, hide_mask, segment_size


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_whole_segments_are_hidden_and_the_last_is_truncated():
    # Seven snippets in segments of three: 000 111 2
    seen = {tuple(hide_mask((1, 7), size=3, probability=0.5, generator=generator(s))[0].tolist()) for s in range(200)}
    assert len(seen) == 2**3
    for mask in seen:
        assert mask[0] == mask[1] == mask[2]
        assert mask[3] == mask[4] == mask[5]


def test_hidden_snippets_take_the_fill_and_the_rest_is_untouched():
    x = torch.arange(12.0).reshape(1, 6, 2)
    before = x.clone()
    fill = torch.tensor([-1.0, -2.0])
    mask = hide_mask((1, 6), size=2, probability=0.5, generator=generator(1))
    y = hide(x, size=2, probability=0.5, fill=fill, generator=generator(1))
    assert mask.any()
    assert not mask.all()
    assert torch.equal(x, before)
    assert torch.equal(y[~mask], x[~mask])
    assert (y[mask] == fill).all()


def test_the_share_of_hidden_segments_is_the_probability():
    mask = hide_mask((400, 100), size=5, probability=0.3, generator=generator())
    assert abs(float(mask.float().mean()) - 0.3) < 0.02  # 8,000 segments: four standard deviations


def test_videos_are_hidden_independently_and_anew():
    draw = generator()
    first, second = (hide_mask((2, 64), size=2, probability=0.5, generator=draw) for _ in range(2))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)


def test_of_several_sizes_each_video_draws_one_and_zero_hides_nothing():
    mask = hide_mask((3000, 8), size=[0, 2, 8], probability=1.0, generator=generator())
    assert abs(float(mask.any(dim=1).float().mean()) - 2 / 3) < 0.04
    mask = hide_mask((2000, 8), size=[8, 1], probability=0.5, generator=generator())
    uniform = (mask.all(dim=1) | ~mask.any(dim=1)).float().mean()
    assert abs(float(uniform) - (0.5 + 0.5 * 2 / 2**8)) < 0.05


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 9)), min_size=1, max_size=5), st.integers(0, 99))
def test_videos_of_different_lengths_and_sizes_are_drawn_one_after_the_other(videos, seed):
    lengths, sizes = zip(*videos, strict=True)
    draw = generator(seed)
    shape = (len(videos), max(lengths) + 2)
    mask = hide_mask(shape, size=torch.tensor(sizes), probability=0.5, generator=generator(seed), lengths=lengths)
    for row, (length, size) in zip(mask, videos, strict=True):
        assert torch.equal(row[:length], hide_mask((1, length), size=size, probability=0.5, generator=draw)[0])
        assert not row[length:].any(), "padding is not hidden"


@given(st.integers(1, 50), st.integers(1, 30))
def test_segments_cover_the_video(snippets, segments):
    size = segment_size(snippets, segments)
    assert size * segments >= snippets
    assert -(-snippets // size) <= segments


@given(st.integers(1, 40), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**31))
def test_masks_are_made_of_whole_segments(snippets, size, probability, seed):
    mask = hide_mask((2, snippets), size=size, probability=probability, generator=generator(seed))
    assert mask.shape == (2, snippets)
    for start in range(0, snippets, size):
        piece = mask[:, start : start + size]
        assert torch.equal(piece.all(dim=1), piece.any(dim=1))


@pytest.mark.parametrize(
    ("size", "probability"), [(-1, 0.5), ([], 0.5), ([2, -3], 0.5), (2, 1.5), (2, -0.1), (2, float("nan"))]
)
def test_nonsense_is_refused(size, probability):
    with pytest.raises(ValueError, match="must be"):
        hide_mask((1, 4), size=size, probability=probability, generator=generator())


def test_the_module_hides_in_training_only():
    module = HideSegments(size=2, probability=0.5, generator=generator(1))
    x = torch.ones(4, 20, 3)
    assert (module(x) == 0).any()
    assert torch.equal(module.eval()(x), x)


def test_hidden_maps_take_the_mean_of_the_batch_without_its_padding():
    # Two videos of three and one snippets: the mean of the four is 5; the padding's 100 must not count.
    maps = torch.tensor([[[1.0], [3.0], [8.0]], [[8.0], [100.0], [100.0]]], requires_grad=True)
    valid = torch.tensor([[True, True, True], [True, False, False]])
    mask = torch.tensor([[True, False, False], [True, False, False]])
    shown = hide_maps(maps, Hiding(mask), valid)
    assert shown[..., 0].tolist() == [[5.0, 3.0, 8.0], [5.0, 100.0, 100.0]]
    assert hide_maps(maps, Hiding(mask, "zero"), valid)[..., 0].tolist() == [[0.0, 3.0, 8.0], [0.0, 100.0, 100.0]]
    shown.sum().backward()
    assert maps.grad is not None
    assert maps.grad[..., 0].tolist() == [[0, 1, 1], [0, 1, 1]], "nothing is learnt through what is hidden"


def test_the_mean_of_a_shared_batch_is_that_of_all_its_parts():
    maps, mask = torch.tensor([[[2.0], [4.0]]]), torch.tensor([[True, False]])
    others = torch.tensor([10.0, 2.0])  # elsewhere two snippets whose maps sum to 10
    assert hide_maps(maps, Hiding(mask, total=lambda mine: mine + others))[0, :, 0].tolist() == [4.0, 4.0]


@given(st.floats(0, 1), st.integers(0, 100))
def test_dropout_scales_what_it_keeps(probability, seed):
    x = torch.full((5, 4), 3.0)
    y = dropped(x, probability=probability, generator=generator(seed))
    kept = y != 0
    assert torch.allclose(y[kept] * (1 - probability), x[kept])
    assert torch.equal(y, dropped(x, probability=probability, generator=generator(seed)))
    assert (x == 3).all()
