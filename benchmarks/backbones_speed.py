"""Processor seconds of one I3D clip (16x224x224) on one thread: the plain module against what might be quicker.

    python benchmarks/backbones_speed.py [--rounds 3] [--batch 2] [--compile]

All variants take turns within one run, and the medians of their rounds count: only ratios within a run say anything.
The multiply rate is that of a product of square matrices in the same run. `--compile` tries
torch.compile on torch's own operations instead, also with inductor's freezing; that takes minutes.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import torch
import torch._inductor.config as inductor
from torch import nn

from thas.features import i3d
from thas.features.i3d import I3D, Unit3D
from thas.features.runner import Runner
from thas.features.weights import load_backbone

SIDE = 2048  # of the matrices whose product shows what the core can do


class Plain(I3D):
    """The same network by torch's own operations alone, as one would write it down."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, 1024) features."""
        quick, i3d._quick = i3d._quick, lambda x: False
        try:
            return super().forward(clips)
        finally:
            i3d._quick = quick


def channels_last(network: I3D) -> I3D:
    """Its kernels in the layout in which frames arrive."""
    for weight in network.parameters():
        if weight.dim() == 5:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)
    return network


def multiplications(network: I3D, clip: torch.Tensor) -> int:
    """Multiply-adds of all convolutions for one clip."""
    total = 0

    def count(layer: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, Unit3D)
        total += output[0].numel() * layer.conv3d.weight[0].numel()

    hooks = [unit.register_forward_hook(count) for unit in network.modules() if isinstance(unit, Unit3D)]
    with torch.inference_mode():
        network(clip)
    for hook in hooks:
        hook.remove()
    return total


def medians(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Processor seconds of each, in turns; the first round only warms up."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for turn in range(rounds + 1):
        for name, forward in variants.items():
            with torch.inference_mode():
                begin = time.process_time()
                forward()
                if turn:
                    seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=2, help="clips at once; extract-features takes 2 a lane")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.compile:
        compiled(options.rounds, options.batch)
        return
    loaded = load_backbone("i3d", random_weights=True)
    network = loaded.network
    assert isinstance(network, I3D)
    plain = Plain().eval()
    plain.load_state_dict(network.state_dict())
    frames = np.random.default_rng(0).integers(0, 256, (options.batch, 16, 224, 224, 3), np.uint8)
    last = torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    first = last.contiguous()
    quick, only_layout = channels_last(copy.deepcopy(network)), channels_last(copy.deepcopy(plain))
    runner = Runner(loaded, device="cpu", batch=options.batch)  # folds normalizations into its network
    half = copy.deepcopy(network).to(torch.bfloat16)
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    variants: dict[str, Callable[[], object]] = {
        "plain module, eager": lambda: plain(first),
        "plain module, channels last": lambda: only_layout(last),
        "that, pooled axis by axis, all convolutions by oneDNN": lambda: quick(last),
        "that, batch normalization folded in: as extract-features runs it": lambda: runner(frames),
        "that, in bf16": lambda: half(last.to(torch.bfloat16)),
        "multiplying matrices": lambda: a @ b,
    }
    found = medians(variants, options.rounds)
    rate = SIDE**3 / found.pop("multiplying matrices")
    work = multiplications(network, first[:1])
    print(f"{work / 1e9:.1f} thousand million multiply-adds a clip; the core does {rate / 1e9:.0f} a second\n")
    print("| | s a clip | times the plain module | share of the core's rate |\n|---|---|---|---|")
    for name, seconds in found.items():
        each = seconds / options.batch
        gain = found["plain module, eager"] / seconds
        print(f"| {name} | {each:.2f} | {gain:.2f} | {work / each / rate:.0%} |", flush=True)
    with torch.inference_mode():
        reference = only_layout(first)
        for name, other in (("quick ways", quick(last)), ("folded", network(last)), ("bf16", half(last.bfloat16()))):
            error = (other.float() - reference).abs().max() / reference.abs().max()
            print(f"{name}: features differ by {error:.1e} of the largest")
    runner.close()


def compiled(rounds: int, batch: int) -> None:
    """Torch's compiler on torch's own operations, as it comes and with weights frozen into the program."""
    i3d._quick = lambda x: False
    torch.manual_seed(0)
    network = I3D().eval().requires_grad_(False)
    folded = copy.deepcopy(network)
    for unit in folded.modules():
        if isinstance(unit, Unit3D):
            unit.fold()
    clips = torch.randn(batch, 16, 224, 224, 3).permute(0, 4, 1, 2, 3)
    channels_last(folded)
    with torch.inference_mode():
        usual = torch.compile(folded, dynamic=False)
        usual(clips)
        inductor.freezing = True
        frozen = torch.compile(copy.deepcopy(folded), dynamic=False)
        frozen(clips)
    first = clips.contiguous()
    variants: dict[str, Callable[[], object]] = {
        "plain module, eager": lambda: network(first),
        "folded, channels last": lambda: folded(clips),
        "that, compiled": lambda: usual(clips),
        "that, compiled and frozen": lambda: frozen(clips),
    }
    found = medians(variants, rounds)
    for name, seconds in found.items():
        print(f"| {name} | {seconds / batch:.2f} | {found['plain module, eager'] / seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
