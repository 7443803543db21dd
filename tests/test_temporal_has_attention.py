"""The attention head: smoothing and top mean drawn by hand, and the laws that any head must keep."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thas.temporal_has.attention import AttentionNetwork, smooth, top_mean
from thas.temporal_has.hide import Hiding
from thas.temporal_has.seeded_dropout import Chance


def network(seed: int = 0, **options) -> AttentionNetwork:
    torch.manual_seed(seed)
    return AttentionNetwork(4, 3, **({"channels": 6} | options))


def valid_of(*lengths: int) -> torch.Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_smoothing_weighs_neighbours_by_a_triangle():
    x = torch.tensor([0.0, 0, 0, 9, 0, 0, 0])[None, :, None]
    found = smooth(x, valid_of(7), size=5).flatten()
    # weights 1 2 3 2 1 of 9; one snippet from the end the last 1 is missing, hence 8
    assert torch.allclose(found, torch.tensor([0.0, 9 / 8, 2, 3, 2, 9 / 8, 0]))


def test_smoothing_leaves_a_constant_as_it_is_also_at_the_ends_and_before_padding():
    x = torch.full((2, 6, 1), 3.0)
    valid = valid_of(6, 2)
    found = smooth(x, valid, size=5)[valid]
    assert torch.allclose(found, torch.full_like(found, 3.0))


def test_no_smoothing_over_one_snippet():
    x = torch.randn(1, 5, 2)
    assert torch.equal(smooth(x, valid_of(5), size=1), x)


@given(length=st.integers(1, 12), size=st.sampled_from([3, 5, 7]), padding=st.integers(0, 5))
def test_padding_does_not_change_what_is_smoothed(length: int, size: int, padding: int):
    x = torch.randn(1, length, 2, generator=torch.Generator().manual_seed(length))
    padded = torch.cat([x, torch.full((1, padding, 2), 1e3)], dim=1)
    valid = torch.arange(length + padding)[None] < length
    alone = smooth(x, valid_of(length), size=size)
    assert torch.allclose(smooth(padded, valid, size=size)[:, :length], alone, atol=1e-5)


def test_top_mean_takes_a_share_of_each_videos_own_length():
    x = torch.tensor([[5.0, 1, 3, 9], [2, 8, 99, 99]])[..., None]
    found = top_mean(x, valid_of(4, 2), share=0.5)
    assert found.flatten().tolist() == [7.0, 8.0]  # (9 + 5) / 2, and the best of two; 99 is padding


@pytest.mark.parametrize(("snippets", "share", "counted"), [(1, 0.25, 1), (3, 0.25, 1), (8, 0.25, 2), (9, 0.25, 3)])
def test_top_mean_rounds_up_and_takes_at_least_one(snippets: int, share: float, counted: int):
    x = torch.arange(float(snippets))[None, :, None]
    assert top_mean(x, valid_of(snippets), share=share).item() == pytest.approx(snippets - (counted + 1) / 2)


def test_top_mean_over_all_is_the_mean():
    x = torch.randn(2, 5, 3)
    assert torch.allclose(top_mean(x, valid_of(5, 5), share=1.0), x.mean(dim=1))


@given(length=st.integers(1, 9), padding=st.integers(1, 6), parts=st.sampled_from([(1, 0), (1, 1), (0, 0)]))
def test_padding_changes_nothing(length: int, padding: int, parts: tuple[int, int]):
    net = network(attention=bool(parts[0]), background=bool(parts[1])).eval()
    x = torch.randn(1, length, 4, generator=torch.Generator().manual_seed(length))
    alone = net(x)
    padded = net(torch.cat([x, torch.full((1, padding, 4), 7.0)], dim=1), valid_of(length, length + padding)[:1])
    assert torch.allclose(alone.video_logits, padded.video_logits, atol=1e-5)
    assert torch.allclose(alone.sequence, padded.sequence[:, :length], atol=1e-5)
    assert (alone.attention is not None, padded.attention is not None) == (net.attention is not None,) * 2
    if alone.attention is not None and padded.attention is not None:
        assert torch.allclose(alone.attention, padded.attention[:, :length], atol=1e-5)


def test_shapes_and_the_sequence_is_what_is_pooled():
    net = network(background=True).eval()
    output = net(torch.randn(2, 8, 4))
    assert output.sequence.shape == (2, 8, 3)
    assert output.attention is not None
    assert output.attention.shape == (2, 8)
    assert output.background is not None
    assert output.background.shape == (2, 2)
    assert torch.allclose(output.video_logits, top_mean(output.sequence, valid_of(8, 8), share=0.25))


def test_the_loss_sees_the_background_class_where_there_is_one():
    x, labels = torch.randn(2, 8, 4), torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    with_background, without = network(background=True).eval(), network().eval()
    output = with_background(x)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(output.video_logits, labels, reduction="none")
    assert output.background is not None
    ground = -torch.log(torch.sigmoid(output.background[:, 0])) - torch.log(torch.sigmoid(-output.background[:, 1]))
    found = with_background.losses(output, labels, loss="sigmoid")
    assert torch.allclose(found, plain.mean(dim=1) + ground / 2, atol=1e-6)
    output = without(x)
    plain = torch.nn.functional.cross_entropy(output.video_logits, labels, reduction="none")
    assert torch.allclose(without.losses(output, labels, loss="softmax"), plain, atol=1e-6)


def test_without_attention_each_classs_activation_stands_for_itself():
    net, x = network(attention=False, smoothing=1).eval(), torch.randn(1, 5, 4)
    output = net(x)
    assert output.attention is None
    assert torch.equal(output.sequence, net.classifier(output.maps))
    assert not any(name.startswith("attention") for name in net.state_dict())
    with pytest.raises(ValueError, match="needs attention"):
        network(attention=False, background=True)


def test_hiding_after_the_embedding_hides_there():
    net = network(smoothing=1).eval()
    x = torch.randn(1, 6, 4)
    mask = torch.tensor([[False, False, True, True, False, False]])
    maps = net(x, None, Chance(hiding=Hiding(mask, "zero"))).maps
    assert (maps[mask] == 0).all()
    assert torch.equal(maps[~mask], net(x).maps[~mask])


def test_even_sizes_are_refused():
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        network(kernel_size=2)
    with pytest.raises(ValueError, match="smoothing must be odd"):
        network(smoothing=4)


def test_one_snippet_is_enough():
    output = network(background=True).eval()(torch.randn(1, 1, 4))
    assert torch.isfinite(output.video_logits).all()
