"""The registry's networks as plain modules: clips in, one feature vector a clip out, the classifiers cut off."""

from __future__ import annotations

import warnings
from importlib import import_module

import torch
from torch import nn


def torchvision_network(name: str) -> nn.Module:
    """One of torchvision's video networks without its classifier."""
    import torchvision.models.video as models

    network = getattr(models, name)(weights=None)
    for head in ("fc", "classifier", "head"):
        if hasattr(network, head):
            setattr(network, head, nn.Identity())
            return network
    raise AssertionError(f"{name} has no known head")


def pytorchvideo_network(name: str) -> nn.Module:
    """One of pytorchvideo's networks without its last projection."""
    family = {"c2d_r50": "resnet", "slow_r50": "resnet", "slowfast_r50": "slowfast", "x3d_m": "x3d"}.get(name, "csn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pytorchvideo uses what torch has since deprecated
        network = getattr(import_module(f"pytorchvideo.models.hub.{family}"), name)(pretrained=False)
    head = network.blocks[-1]
    head.proj, head.activation = nn.Identity(), None
    return SlowFastFeatures(network) if name.startswith("slowfast") else network


class SlowFastFeatures(nn.Module):
    """Gives SlowFast its two paths: all frames to the fast one, every fourth to the slow one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, D) features of clips (B, 3, T, H, W)."""
        frames = clips.shape[2]
        slow = torch.linspace(0, frames - 1, frames // 4, device=clips.device).long()
        return self.network([clips.index_select(2, slow), clips])
