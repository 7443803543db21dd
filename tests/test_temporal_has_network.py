from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.temporal_has.activation import activation_map
from thas.temporal_has.data import pad, sample_positions
from thas.temporal_has.hide import Hiding, hide_maps
from thas.temporal_has.network import HasNetwork, over_time, pool
from thas.temporal_has.seeded_dropout import Chance


def network(**options) -> HasNetwork:
    torch.manual_seed(0)
    return HasNetwork(4, 3, **({"channels": 6} | options))


def test_the_papers_network():
    default = HasNetwork(4096, 20)
    shapes = [tuple(p.shape) for p in default.parameters()]
    assert shapes == [(500, 4096, 1), (500,), (500, 500, 1), (500,), (20, 500), (20,)]
    assert default.pooling == "max"


def test_max_pooling_keeps_the_best_moment_and_mean_pooling_all():
    maps = torch.tensor([[[1.0, 5.0], [3.0, 1.0], [9.0, 9.0]]])
    valid = torch.tensor([[True, True, False]])
    assert pool(maps, valid, pooling="max").tolist() == [[3.0, 5.0]]
    assert pool(maps, valid, pooling="mean").tolist() == [[2.0, 3.0]]
    assert pool(maps, None, pooling="max").tolist() == [[9.0, 9.0]]


def test_the_sequence_is_the_weighted_sum_of_the_maps():
    net = network()
    output = net(torch.randn(2, 5, 4))
    by_hand = torch.einsum("btm,cm->btc", output.maps, net.classifier.weight)
    assert torch.allclose(output.sequence, by_hand, atol=1e-6)
    assert torch.equal(output.sequence, activation_map(output.maps, net.classifier.weight))


def test_mean_pooling_makes_the_logits_the_mean_of_the_sequence():
    net = network(pooling="mean")
    output = net(torch.randn(2, 5, 4))
    assert torch.allclose(output.video_logits, output.sequence.mean(dim=1) + net.classifier.bias, atol=1e-6)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_padding_changes_nothing(kernel_size, pooling):
    net = network(kernel_size=kernel_size, pooling=pooling)
    short, long = torch.randn(3, 4), torch.randn(9, 4)
    both = net(*pad([short, long]))
    alone = net(short[None])
    assert torch.allclose(both.video_logits[:1], alone.video_logits, atol=1e-5)
    assert torch.allclose(both.sequence[:1, :3], alone.sequence, atol=1e-5)


def test_a_size_one_kernel_is_a_convolution():
    net = network()
    x = torch.randn(2, 7, 4)
    maps = x.transpose(1, 2)
    for convolution in net.convolutions:
        maps = torch.relu(convolution(maps))
    assert torch.allclose(net(x).maps, maps.transpose(1, 2), atol=1e-6)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.sampled_from([1, 3, 5, 7]),
    st.booleans(),
)
def test_convolving_over_time_is_what_the_module_does_alone(lengths, size, leaf):
    """Same maps and gradients as the module's on each video without its padding; the input is as it was."""
    torch.manual_seed(sum(lengths))
    convolution = torch.nn.Conv1d(4, 5, size, padding=size // 2).double()
    x, valid = pad([torch.rand(length, 4, dtype=torch.float64) for length in lengths])
    x[~valid] = 9.0
    before = x.clone()
    variables = [*convolution.parameters(), *([x.requires_grad_()] if leaf else [])]
    found = over_time(convolution, x, valid)[valid]
    alone = [convolution(one[:length].mT).mT for one, length in zip(x, lengths, strict=True)]
    assert torch.allclose(found, torch.cat(alone), atol=1e-12)
    for mine, theirs in zip(
        torch.autograd.grad(found.square().sum(), variables),
        torch.autograd.grad(torch.cat(alone).square().sum(), variables),
        strict=True,
    ):
        assert torch.allclose(mine, theirs, atol=1e-10)
    assert torch.equal(x, before)


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd"):
        network(kernel_size=2)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=4),
    st.sampled_from(["max", "mean"]),
    st.integers(0, 1000),
)
def test_hidden_snippets_need_not_be_computed(masks, pooling, seed):
    """Same logits and same gradients as on the filled-in sequences."""
    net = network(pooling=pooling).double()
    draw = torch.Generator().manual_seed(seed)
    fill = torch.rand(4, generator=draw, dtype=torch.float64)
    hidden = [torch.tensor(mask) for mask in masks]
    videos = [torch.rand(len(mask), 4, generator=draw, dtype=torch.float64) for mask in masks]
    filled = [torch.where(mask[:, None], fill, x) for mask, x in zip(hidden, videos, strict=True)]
    whole = net(*pad(filled)).video_logits
    quick = net.video_logits_of_visible(
        [x[~mask] for mask, x in zip(hidden, videos, strict=True)], [int(mask.sum()) for mask in hidden], fill
    )
    assert torch.allclose(whole, quick, atol=1e-12)
    parameters = list(net.parameters())
    for one, other in zip(
        torch.autograd.grad(whole.square().sum(), parameters),
        torch.autograd.grad(quick.square().sum(), parameters),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-10)


def test_that_is_refused_where_it_would_be_wrong():
    x = [torch.rand(2, 4)]
    for net in (network(kernel_size=3), network(dropout=0.5)):
        with pytest.raises(ValueError, match="size-1"):
            net.video_logits_of_visible(x, [1], torch.zeros(4))
    assert network(dropout=0.5).eval().sees_single_snippets


@given(st.integers(1, 500), st.integers(1, 100))
def test_sampling_is_even_and_within_the_video(count, most):
    rows = sample_positions(count, most)
    assert len(rows) == min(count, most)
    assert rows[0] >= 0
    assert rows[-1] < count
    steps = rows[1:] - rows[:-1]
    assert len(steps) == 0 or (steps.min() >= 1 and steps.max() - steps.min() <= 1)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_hiding_after_the_first_layer(kernel_size):
    """The first layer sees everything; what follows sees its maps with segments hidden."""
    net = network(kernel_size=kernel_size)
    x, valid = pad([torch.randn(7, 4), torch.randn(4, 4)])
    mask = torch.zeros(2, 7, dtype=torch.bool)
    chance = Chance(hiding=Hiding(mask))
    assert torch.equal(net(x, valid, chance).video_logits, net(x, valid).video_logits)
    mask[0, 2:4] = mask[1, :2] = True
    first, second = net.convolutions
    maps = hide_maps(torch.relu(first(x.mT)).mT, Hiding(mask), valid) * valid[..., None]
    maps = torch.relu(second(maps.mT)).mT
    by_hand = net.classifier(pool(maps, valid, pooling="max"))
    assert torch.allclose(net(x, valid, chance).video_logits, by_hand, atol=1e-6)
