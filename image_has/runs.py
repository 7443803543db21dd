"""Runs of the image half: `runs/image/<dataset>/<time>/`, and what their settings.toml says.

A run holds settings.toml (all settings, and the data set), environment.json, log.jsonl, checkpoint.pt, at its end
weights.safetensors, and, once evaluated, boxes.json and scores.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..core.errors import CheckpointError
from ..core.files import write_atomically
from ..core.runs import ENVIRONMENT, IMAGE_TRAIN, SETTINGS, environment, find_run
from ..core.settings_table import flatten, read_toml
from .settings import ImageSettings

ROOT = Path("runs/image")


def find_image_run(folder: Path | None, *, root: Path = ROOT, dataset: str | None = None) -> Path:
    """The run meant: a folder, or the newest below `root`, of one data set if named.

    Raises:
        UsageError: There is none.
    """
    return find_run(folder, root=root, dataset=dataset, command=IMAGE_TRAIN)


def write_settings(run: Path, settings: ImageSettings, data: Mapping[str, str], origins: Mapping[str, str]) -> None:
    """Write settings.toml and environment.json."""
    lines = ["[data]", *(f"{name} = {json.dumps(value)}" for name, value in data.items()), ""]
    write_atomically(run / SETTINGS, "\n".join(lines) + "\n" + settings.to_toml(origins))
    write_atomically(run / ENVIRONMENT, json.dumps(environment(), indent=2) + "\n")


def read_settings(run: Path) -> tuple[ImageSettings, dict[str, str]]:
    """The settings of a run, and its data set: `dataset`, `data_root`, `train_subset` and `test_subset`.

    Raises:
        CheckpointError: settings.toml is of another form.
    """
    tables = read_toml(run / SETTINGS)
    data = tables.pop("data", {})
    if not {"dataset", "data_root", "train_subset", "test_subset"} <= set(data):
        raise CheckpointError(
            f"{run / SETTINGS} does not say what images the run is of", next="thas image train makes a new run"
        )
    return ImageSettings().updated(flatten(tables), origin=str(run / SETTINGS)), data
