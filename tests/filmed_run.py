"""A run on a few small videos with a small backbone, for tests that begin at video files."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from thas.cli import run as command
from thas.features.c3d import C3D
from thas.features.preprocessing import square

from .video_files import write_video


def save_backbone(path: Path, seed: int = 0) -> Path:
    """A small backbone's file, as `thas train-backbone` writes it."""
    network = C3D(width=2, input_size=16, clip_frames=8, depth=2, fc_width=6, classes=3, generator=generator(seed))
    about = {"backbone": "c3d", "architecture": network.architecture, "classes": ["a"]}
    about["preprocessing"] = square(16, mean=(100, 110, 120), std=(50, 50, 50)).to_dict()
    save_file(network.state_dict(), str(path), metadata={"thas": json.dumps(about)})
    return path


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filmed_run(folder: Path) -> Path:
    """A folder with videos, a small backbone's weights and a run trained on its features."""
    (folder / "mine/videos").mkdir(parents=True)
    rows = ["video,label,subset"]
    for i in range(4):
        write_video(folder / f"mine/videos/v{i}.mp4", frames=40 + 8 * i)
        rows.append(f'v{i},"{"Run, fast" if i % 2 else "Jump"}",{"test" if i == 3 else "training"}')
    (folder / "mine/labels.csv").write_text("\n".join(rows) + "\n")
    save_backbone(folder / "small.safetensors")
    weights = str(folder / "small.safetensors")
    data = str(folder / "mine")
    assert command(["extract-features", "--dataset", data, "--weights", weights, "--stride-frames", "8"]) == 0
    fast = ["--set", "network.channels=8", "train.epochs=2", "localize.threshold=0.5,0.7"]
    assert command(["train", "--dataset", data, "--runs", str(folder / "others"), *fast, "train.seed=1"]) == 0
    assert command(["train", "--dataset", data, "--runs", str(folder / "runs"), *fast]) == 0
    return folder
