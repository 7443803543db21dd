from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from thas.core.errors import UsageError
from thas.core.runners import Runner, choose_runner
from thas.core.runs import first_process

CPU = torch.device("cpu")


def test_without_fabric_several_processes_are_told_what_to_install(monkeypatch: pytest.MonkeyPatch):
    for name in ("lightning_fabric", "lightning", "lightning.fabric"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="pip install lightning-fabric"):
        choose_runner("cpu", "32")


def test_one_process_is_the_first_and_of_several_one(monkeypatch: pytest.MonkeyPatch):
    assert first_process()
    monkeypatch.setenv("RANK", "1")  # as some schedulers leave it behind
    assert first_process()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not first_process()
    monkeypatch.setenv("RANK", "0")
    assert first_process()


def stepped(gradient: list[float], **options: float) -> list[float]:
    weight = nn.Parameter(torch.zeros(2))
    runner = Runner(CPU, "32")
    runner.step((weight * torch.tensor(gradient)).sum(), torch.optim.SGD([weight], lr=1.0), **options)
    return (-weight.detach()).tolist()


def test_gradients_are_cut_to_length_not_to_direction():
    assert stepped([3.0, 4.0]) == [3.0, 4.0]
    assert stepped([3.0, 4.0], clip_norm=1.0) == pytest.approx([0.6, 0.8], rel=1e-5)
    assert stepped([0.3, 0.4], clip_norm=1.0) == pytest.approx([0.3, 0.4])


def test_mixed_precision_computes_in_16_bits_and_keeps_its_scale():
    x, weight = torch.rand(4, 8), nn.Parameter(torch.rand(8, 8))
    for precision, kind in (("32", torch.float32), ("bf16", torch.bfloat16), ("16", torch.float16)):
        with Runner(CPU, precision).autocast():
            assert (x @ weight).dtype == kind
    runner, optimizer = Runner(CPU, "16"), torch.optim.SGD([weight], lr=0.1)
    before = weight.detach().clone()
    runner.step(weight.sum() * torch.inf, optimizer)  # such a step is left out, and the scale is halved
    assert torch.equal(weight, before)
    again = Runner(CPU, "16")
    again.restore(runner.state())
    assert again.state() == runner.state()
    assert again.state()["scale"] == Runner(CPU, "16").state()["scale"] / 2
    assert Runner(CPU, "32").state() == {}
