"""Two processes on the CPU, as torchrun starts them; skipped where Lightning Fabric is not installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from .two_processes import run_by_two

FABRIC = any(importlib.util.find_spec(name) for name in ("lightning_fabric", "lightning"))

SCRIPT = """
import sys
from pathlib import Path
from torch import nn
from thas.image_has.folder import read_folder
from thas.image_has.network import OwnNetwork
from thas.image_has.settings import ImageSettings
from thas.image_has.train import train

root = Path(sys.argv[1])
short = {"train.epochs": 3, "train.stages": "2", "train.batch_size": 8, "train.device": "cpu"}
colours = {"input.mean": "0.5 0.2 0.5", "input.std": "0.3 0.2 0.3"}
settings = ImageSettings.preset("image-demo").updated({"input.size": 16, "input.resize": 18} | colours | short)
if __name__ == "__main__":
    table = read_folder(root / "data")["train"]
    train(table, settings=settings, folder=root)
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    own = OwnNetwork(nn.Sequential(*layers), features="0", classifier="3")
    for epochs in (2, 3):
        train(table, settings=settings.updated({"train.epochs": epochs}), network=own, folder=root / "own",
              resume=epochs > 2)
"""


@pytest.mark.skipif(not FABRIC, reason="Lightning Fabric is not installed; it is needed for several devices only")
def test_two_processes_train_one_network(tmp_path: Path):
    random = np.random.default_rng(0)
    for name, colour in (("blue", (40, 60, 200)), ("red", (200, 60, 40))):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(random.integers(-30, 30, (20, 20, 3)) + colour, 0, 255).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    run_by_two(script, str(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3], "one process writes"
    losses = [line["loss"] for line in lines]
    assert min(losses) < 0.7 * losses[0]  # the last is no measure: a dozen images, most of them hidden
    assert (tmp_path / "weights.safetensors").exists()
    lines = [json.loads(line) for line in (tmp_path / "own/log.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3], "a network of one's own, resumed"
    assert (tmp_path / "own/weights.safetensors").exists()
