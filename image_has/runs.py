"""Run folders of the image half: `runs/image/<dataset>/<time>/`, never overwritten, `runs/image/latest` the newest.

A run holds settings.toml (all settings, and the data set), environment.json, log.jsonl, checkpoint.pt, at its end
weights.safetensors, and, once evaluated, boxes.json and scores.json.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import CheckpointError, DataError, UsageError
from ..files import cannot_write, write_atomically
from ..settings import flatten, read_toml
from .settings import ImageSettings

SETTINGS = "settings.toml"
ROOT = Path("runs/image")


def new_run(root: Path, name: str) -> Path:
    """Make an empty run folder and point `latest` to it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 1000):
        folder = root / name / (stamp if attempt == 1 else f"{stamp}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise cannot_write(folder, error) from error
        _point_latest(root, folder)
        return folder
    raise DataError(f"no new run could be made in {root / name}", why="a thousand were begun within a second")


def _point_latest(root: Path, folder: Path) -> None:
    link, temporary = root / "latest", root / f".latest.{os.getpid()}"
    try:
        temporary.symlink_to(folder.resolve().relative_to(root.resolve()))
        os.replace(temporary, link)
    except OSError:  # no links there: the newest run is then found by its name
        temporary.unlink(missing_ok=True)


def find_run(folder: Path | None, *, root: Path = ROOT, dataset: str | None = None) -> Path:
    """The run meant: a folder, or the newest below `root`, of one data set if named.

    Raises:
        UsageError: There is none.
    """
    if folder is not None:
        if (folder / SETTINGS).exists():
            return folder.resolve()
        raise UsageError(
            f"{folder} is not a run of the image half",
            why=f"it has no {SETTINGS}" if folder.is_dir() else "there is no such folder",
            next=f"thas image train makes one below {root}",
            subject=str(folder),
        )
    if dataset is None and (root / "latest" / SETTINGS).exists():
        return (root / "latest").resolve()
    found = sorted((path.parent for path in root.glob(f"{dataset or '*'}/*/{SETTINGS}")), key=lambda path: path.name)
    if not found:
        raise UsageError(
            f"there is no run in {root}" + (f" of data set {dataset}" if dataset else ""),
            why="nothing was trained here yet",
            next="thas image train --dataset FOLDER, or name a run's folder",
        )
    return found[-1].resolve()


def write_settings(run: Path, settings: ImageSettings, data: Mapping[str, str], origins: Mapping[str, str]) -> None:
    """Write settings.toml and environment.json."""
    lines = ["[data]", *(f"{name} = {json.dumps(value)}" for name, value in data.items()), ""]
    write_atomically(run / SETTINGS, "\n".join(lines) + "\n" + settings.to_toml(origins))
    write_atomically(run / "environment.json", json.dumps(_environment(), indent=2) + "\n")


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


def _environment() -> dict[str, Any]:
    packages: dict[str, str | None] = {}
    for name in ("torch", "torchvision", "numpy", "scipy", "pillow", "lightning", "lightning-fabric"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "thas": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "packages": packages,
    }
