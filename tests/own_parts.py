"""Parts of one's own, as short as docs/plugins.md says they may be; written into a folder that is no part of thas."""

from __future__ import annotations

HEAD = """
import torch
from torch import nn


class Wide(nn.Module):
    def __init__(self, features, classes, channels=16):
        super().__init__()
        self.look = nn.Conv1d(features, channels, 3, padding=1)
        self.drop = nn.Dropout(0.1)
        self.tell = nn.Conv1d(channels, classes, 1)

    def forward(self, x):  # (B, T, D) -> (B, T, C)
        maps = torch.relu(self.look(x.transpose(1, 2)))
        return self.tell(self.drop(maps)).transpose(1, 2)
"""

LOSS = """
from torch.nn import functional


def focal(logits, labels):  # (B, C), (B, C) -> (B,)
    each = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return ((1 - (-each).exp()) ** 2 * each).mean(dim=1)


focal.probabilities = "sigmoid"
"""

NETWORK = """
from torch import nn


def tiny(width=1.0):
    channels = int(16 * width)
    first, second = nn.Conv2d(3, channels, 3, stride=2, padding=1), nn.Conv2d(channels, channels, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())  # (B, 3, H, W) -> (B, channels, H / 2, W / 2)


def flat():
    return nn.Flatten()


def torn():
    raise RuntimeError("torn")
"""

READER = """
import csv


def planted(folder):
    rows = list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))
    return {row["video"]: [row["label"]] for row in rows}, {row["video"]: row["subset"] for row in rows}
"""
