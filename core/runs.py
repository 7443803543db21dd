"""Run folders: `<root>/<data set>/<time>/`, never overwritten, `<root>/latest` pointing to the newest."""

from __future__ import annotations

import glob
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from .._version import __version__
from .errors import DataError, UsageError
from .files import cannot_write
from .settings_table import read_toml

SETTINGS = "settings.toml"
ENVIRONMENT = "environment.json"
IMAGE_TRAIN = "thas image train"
"""The command that makes runs of images."""


def first_process() -> bool:
    """Whether this process is the one that writes and prints, of those that torchrun started; alone it is."""
    return int(os.environ.get("WORLD_SIZE", "1")) <= 1 or int(os.environ.get("RANK", "0")) == 0


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
        point_latest(root, folder)
        return folder
    raise DataError(f"no new run could be made in {root / name}", why="a thousand were begun within a second")


def point_latest(root: Path, folder: Path) -> None:
    """Let `<root>/latest` be a link to `folder`; where links cannot be made the newest folder is found by its time."""
    link, temporary = root / "latest", root / f".latest.{os.getpid()}"
    try:
        temporary.symlink_to(folder.resolve().relative_to(root.resolve()))
        os.replace(temporary, link)
    except OSError:
        temporary.unlink(missing_ok=True)


def remove_run(root: Path, folder: Path) -> None:
    """Remove a run that came to nothing, and point `latest` to the newest of the others."""
    shutil.rmtree(folder, ignore_errors=True)
    link = root / "latest"
    if link.is_symlink() and not link.exists():
        link.unlink()
        others = _runs_below(root, "*")
        if others:
            point_latest(root, others[-1])


def _runs_below(root: Path, dataset: str) -> list[Path]:
    """Runs, the newest last; -10 comes after -2."""

    def age(run: Path) -> tuple[str, int]:
        day, time_of_day, *attempt = run.name.split("-")
        return f"{day}-{time_of_day}", int(attempt[0]) if attempt and attempt[0].isdigit() else 1

    pattern = "*" if dataset == "*" else glob.escape(dataset)
    found = [path.parent for path in root.glob(f"{pattern}/*-*/{SETTINGS}")]
    return sorted(found, key=age)


def find_run(
    folder: Path | None, *, root: Path = Path("runs"), dataset: str | None = None, command: str = "thas train"
) -> Path:
    """The run meant: a folder, or the newest below `root`, of one data set if named.

    Args:
        folder: A run's folder; None for the newest.
        root: Where runs lie.
        dataset: Only runs of this data set.
        command: What makes runs, for the message where there is none.

    Raises:
        UsageError: There is none, or the folder is of the other half's.
    """
    if folder is not None:
        if (folder / SETTINGS).exists():
            _check_half(folder, images=command == IMAGE_TRAIN)
            return folder.resolve()
        raise UsageError(
            f"{folder} is not a run",
            why=f"it has no {SETTINGS}" if folder.is_dir() else "there is no such folder",
            next=f"{command} makes one below {root}; {root}/latest is the newest",
            subject=str(folder),
        )
    if dataset is None and (root / "latest" / SETTINGS).exists():
        return (root / "latest").resolve()
    found = _runs_below(root, dataset or "*")
    if not found:
        raise UsageError(
            f"there is no run in {root}" + (f" of data set {dataset}" if dataset else ""),
            why="nothing was trained here yet",
            next=f"{command} --dataset NAME, or name a run's folder",
        )
    return found[-1].resolve()


def _check_half(run: Path, *, images: bool) -> None:
    """Raise a UsageError if a run is of videos where images are meant, or the other way round."""
    # The sections are the same in both halves; only images have a size.
    if images != ("size" in read_toml(run / SETTINGS).get("input", {})):
        kind, program = ("videos", "thas") if images else ("images", "thas image")
        raise UsageError(
            f"{run} is a run of {kind}", next=f"{program} eval {run}, or {program} localize", subject=str(run)
        )


def environment() -> dict[str, Any]:
    """Versions and the machine's make, so that a run can be repeated."""
    from importlib.metadata import PackageNotFoundError, version

    packages: dict[str, str | None] = {}
    for name in ("torch", "torchvision", "numpy", "scipy", "h5py", "av", "decord", "pillow", "lightning-fabric"):
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
