"""Several networks in one: each as if alone, their mean outside, and one checkpoint that resumes."""

from __future__ import annotations

import pytest
import torch

from thas.core.errors import UsageError
from thas.temporal_has.heads import Members, build_head
from thas.temporal_has.model import load_model
from thas.temporal_has.settings import NetworkSettings, Settings
from thas.temporal_has.train import train

from .conftest import planted_videos

SMALL = {"channels": 8, "kernel_size": 1, "smoothing": 1, "dropout": 0.0}
CLASSES = ("class_0", "class_1", "class_2")
QUICK = Settings().updated({"train.epochs": 2, "network.channels": 8, "network.members": 2})


@pytest.mark.parametrize("head", ["attention", "has2017"])
def test_what_several_say_is_the_mean_of_what_each_says(head):
    torch.manual_seed(0)
    several = build_head(4, 3, NetworkSettings(head=head, members=3, **SMALL), seed=5).eval()
    assert isinstance(several, Members)
    x = torch.randn(2, 6, 4)
    said = several(x)
    alone = [member(x) for member in several.members]
    assert torch.allclose(said.sequence, sum(one.sequence for one in alone) / 3)
    assert torch.allclose(said.video_logits, sum(one.video_logits for one in alone) / 3)
    assert not torch.allclose(alone[0].sequence, alone[1].sequence), "each begins with weights of its own"
    first = build_head(4, 3, NetworkSettings(head=head, **SMALL), seed=5).eval()
    assert torch.equal(first(x).sequence, alone[0].sequence), "the first is what a single one would be"


def test_each_member_learns_from_its_own_answer():
    """The mean would do with one member that is right; each must be."""
    several = build_head(4, 3, NetworkSettings(members=2, **SMALL), seed=0)
    x, labels = torch.randn(5, 6, 4), torch.eye(3)[[0, 1, 2, 0, 1]]
    output = several(x)
    losses = several.losses(output, labels, loss="sigmoid")
    own = [head.losses(head(x), labels, loss="sigmoid") for head in several.members]
    assert torch.allclose(losses, (own[0] + own[1]) / 2)
    first, second = (next(member.parameters()) for member in several.members)
    of_first, of_second = torch.autograd.grad(losses.sum(), [first, second])
    assert torch.allclose(of_first, torch.autograd.grad(own[0].sum(), [first])[0] / 2, atol=1e-7)
    assert torch.allclose(of_second, torch.autograd.grad(own[1].sum(), [second])[0] / 2, atol=1e-7)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_members_are_kept_in_one_checkpoint_and_resumed_to_the_same_bytes(tmp_path, average):
    features, labels, _ = planted_videos(videos=6, snippets=12)
    quick = QUICK.updated({"train.average": average})
    for name, epochs in (("whole", 2), ("parts", 1)):
        (tmp_path / name).mkdir()
        settings = quick.updated({"train.epochs": epochs})
        train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path / name)
    train(features, labels, classes=CLASSES, settings=quick, folder=tmp_path / "parts", resume=True)
    whole, parts = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    model = load_model(tmp_path / "whole" / "checkpoint.safetensors")[0]
    assert len(model.network.members) == 2
    video = next(iter(features))
    sequence = model.sequence(features[video])
    assert sequence.logits.shape == (12, 3)
    assert sequence.spread > 0


def test_a_network_of_ones_own_is_one():
    features, labels, _ = planted_videos(videos=4, snippets=6)
    with pytest.raises(UsageError, match=r"network\.members=2 needs a head that can be built"):
        train(features, labels, classes=CLASSES, settings=QUICK, network=torch.nn.Linear(8, 3))


def test_the_kept_weights_are_the_mean_of_those_after_each_step():
    """One batch an epoch, so the weights after each step are those of trainings of 1, 2 and 3 epochs."""
    features, labels, _ = planted_videos(videos=4, snippets=6)
    plain = QUICK.updated({"network.members": 1, "network.dropout": 0.0})

    def weights(epochs, average):
        settings = plain.updated({"train.epochs": epochs, "train.average": average})
        return train(features, labels, classes=CLASSES, settings=settings).network.state_dict()

    each = [weights(epochs, 0.0) for epochs in (1, 2, 3)]
    for name, value in weights(3, 0.99).items():
        assert torch.allclose(value, sum(one[name] for one in each) / 3, atol=1e-6)
    for name, value in weights(3, 0.5).items():  # half and half from the second step on
        assert torch.allclose(value, each[0][name] / 4 + each[1][name] / 4 + each[2][name] / 2, atol=1e-6)
