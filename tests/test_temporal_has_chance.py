from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thas.temporal_has.attention import AttentionNetwork
from thas.temporal_has.data import pad
from thas.temporal_has.network import HasNetwork
from thas.temporal_has.seeded_dropout import Chance, Dropout


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2**62)), min_size=1, max_size=4),
    st.integers(1, 9),
    st.floats(0.01, 1),
)
def test_what_is_dropped_of_a_video_does_not_depend_on_its_batch(videos, width, probability):
    dropout = Dropout(probability)
    lengths, seeds = zip(*videos, strict=True)
    maps, valid = pad([torch.ones(length, width) for length in lengths])
    together = dropout(maps, Chance(seeds), valid)
    for row, (length, seed) in enumerate(videos):
        alone = dropout(torch.ones(1, length, width), Chance([seed]))[0]
        assert torch.equal(together[row, :length], alone)
        assert (together[row, length:] == 0).all()
    assert (maps[valid] == 1).all(), "the input is as it was"


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.7, 0.95])
def test_the_share_dropped_is_the_probability_and_the_mean_stays(probability):
    maps = torch.ones(2, 4000, 64)
    dropped = Dropout(probability)(maps, Chance([0, 1]))
    off_by = 4 * (probability * (1 - probability) / maps.numel()) ** 0.5  # four standard errors
    assert (dropped == 0).float().mean().item() == pytest.approx(probability, abs=off_by)
    assert dropped[dropped > 0].unique().tolist() == pytest.approx([1 / (1 - probability)])
    assert dropped.mean().item() == pytest.approx(1, abs=off_by / (1 - probability))
    assert not torch.equal(dropped[0], dropped[1]), "another seed, other values"


def test_gradients_pass_where_values_do():
    maps = torch.rand(2, 5, 3, requires_grad=True)
    dropped = Dropout(0.5)(maps, Chance([1, 2]))
    dropped.sum().backward()
    assert maps.grad is not None
    assert torch.equal(maps.grad, 2.0 * (dropped != 0))


def test_nothing_is_dropped_at_test_time_and_everything_at_one():
    maps = torch.rand(1, 5, 3)
    assert Dropout(0.5).eval()(maps, None) is maps
    assert Dropout(0.0)(maps, None) is maps
    assert (Dropout(1.0)(maps, Chance([1])) == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_maps_stay_half_and_are_scaled_in_full(dtype):
    maps = torch.full((1, 50, 4), 3.0)
    dropped = Dropout(0.7)(maps.to(dtype), Chance([1]))
    assert dropped.dtype == dtype
    assert torch.equal(dropped, Dropout(0.7)(maps, Chance([1])).to(dtype))


@pytest.mark.parametrize("chance", [None, Chance(), Chance([1])])
def test_training_without_seeds_is_refused(chance):
    for network in (HasNetwork(4, 3, dropout=0.5), AttentionNetwork(4, 3)):
        with pytest.raises(ValueError, match=r"a seed for each of 2 videos, but has [01]: pass Chance\(seeds=\.\.\.\)"):
            network(torch.rand(2, 5, 4), None, chance)
        network.eval()(torch.rand(2, 5, 4), None, chance)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("head", [HasNetwork, AttentionNetwork])
def test_a_head_learns_the_same_of_a_video_whatever_its_batch(head, kernel_size):
    torch.manual_seed(0)
    network = head(4, 3, channels=16, kernel_size=kernel_size, dropout=0.6)
    videos, seeds = [torch.randn(length, 4) for length in (7, 3, 9)], [11, 12, 13]
    together = network(*pad(videos), Chance(seeds))
    for row, (video, seed) in enumerate(zip(videos, seeds, strict=True)):
        alone = network(video[None], None, Chance([seed]))
        assert torch.allclose(together.video_logits[row], alone.video_logits[0], atol=1e-5)
        assert torch.allclose(together.sequence[row, : len(video)], alone.sequence[0], atol=1e-5)
    other = network(*pad(videos), Chance([11, 12, 14]))
    assert torch.equal(other.video_logits[:2], together.video_logits[:2])
    assert not torch.equal(other.video_logits[2], together.video_logits[2])
