"""Processor seconds of one I3D clip (16x224x224) on one thread: the plain module against what might be quicker.

    python benchmarks/backbones_speed.py [--rounds 3] [--compile]

All variants take turns within one run, and the smallest of their rounds counts: only ratios within a run say anything.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from thas.features.i3d import I3D, Unit3D
from thas.features.runner import Runner
from thas.features.weights import load_backbone


def folded(network: I3D) -> I3D:
    """The same network with each batch normalization inside its convolution."""
    network = copy.deepcopy(network)
    for unit in network.modules():
        if isinstance(unit, Unit3D) and unit.bn is not None:
            unit.conv3d = fuse_conv_bn_eval(unit.conv3d, unit.bn)
            unit.bn = nn.Identity()
    return network


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = I3D().eval()
    clip = torch.randn(1, 3, 16, 224, 224)
    frames = np.random.default_rng(0).integers(0, 256, (1, 16, 224, 224, 3), np.uint8)
    runner = Runner(load_backbone("i3d", random_weights=True), device="cpu", batch=1)
    without = folded(network)
    variants: dict[str, Callable[[], object]] = {
        "plain module, eager": lambda: network(clip),
        "as extract-features runs it (bytes in, channels last)": lambda: runner(frames),
        "batch normalization folded in": lambda: without(clip),
    }
    if options.compile:
        compiled = torch.compile(without, dynamic=False)
        variants["folded and compiled"] = lambda: compiled(clip)
    seconds = defaultdict(list)
    for _ in range(options.rounds):
        for name, forward in variants.items():
            with torch.inference_mode():
                begin = time.process_time()
                forward()
                seconds[name].append(time.process_time() - begin)
    plain = min(seconds["plain module, eager"])
    for name, values in seconds.items():
        print(f"{name}: {min(values):.2f} s a clip, {plain / min(values):.2f} x the plain module", flush=True)
    runner.close()


if __name__ == "__main__":
    main()
