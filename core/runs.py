"""Run folders: `<root>/<data set>/<time>/`, never overwritten; `<root>/latest` points to the newest that has a network.

A run holds settings.toml (its half, its data and all settings), environment.json, log.jsonl, checkpoint.safetensors
(the last epoch's network, and all that resuming needs), best.safetensors where held-out data chose an epoch, and what
localization and evaluation add. `thas.core.run_settings` reads and writes settings.toml.
"""

from __future__ import annotations

import glob
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from .._version import __version__
from .checkpoints import BEST, CHECKPOINT, read_header
from .errors import CheckpointError, DataError, UsageError, plural
from .files import cannot_write, sync_folder
from .messages import logger
from .narrowing import as_int, as_table, is_table
from .processes import is_held
from .settings_table import COMMANDS, Kind, read_toml
from .temporary_names import remove_unfinished, unfinished_path

SETTINGS = "settings.toml"
ENVIRONMENT = "environment.json"
WEIGHTS = "weights.safetensors"
"""What a finished run of images holds, too: its network alone, to be passed on."""

ROOTS: dict[Kind, Path] = {"temporal": Path("runs"), "image": Path("runs/image"), "backbone": Path("runs/backbone")}
_NAME = re.compile(r"\d{8}-\d{6}(-\d{1,6})?")


def first_process() -> bool:
    """Whether this process is the one that writes and prints, of those that torchrun started; alone it is."""
    return int(os.environ.get("WORLD_SIZE", "1")) <= 1 or int(os.environ.get("RANK", "0")) == 0


def new_folder(parent: Path) -> Path:
    """Make an empty folder that is called by the time, and comes after all that are there.

    A clock may have gone back since they were made: then it is called by the time of the newest, with the next number.

    Raises:
        DataError: It cannot be made.
    """
    known = [path for path in parent.iterdir() if _NAME.fullmatch(path.name)] if parent.is_dir() else []
    day, number = max([(time.strftime("%Y%m%d-%H%M%S"), 0), *map(_age, known)])
    for attempt in range(number + 1, number + 1000):
        folder = parent / (day if attempt == 1 else f"{day}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder
    raise DataError(f"no new folder could be made in {parent}", why="a thousand were begun within a second")


def point_latest(root: Path, folder: Path) -> None:
    """Let `<root>/latest` be a link to `folder`; where links cannot be made the newest folder is found by its time."""
    link = root / "latest"
    temporary = unfinished_path(link)
    try:
        remove_unfinished(root)
        temporary.symlink_to(folder.resolve().relative_to(root.resolve()))
        os.replace(temporary, link)
        sync_folder(root)
    except (OSError, ValueError):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def has_model(run: Path) -> bool:
    """Whether a run holds a network that localizes."""
    return any((run / name).exists() for name in (CHECKPOINT, BEST, WEIGHTS))


def is_finished(run: Path) -> bool:
    """Whether a run's training came to its end: all epochs are done, or the best one is too long ago."""
    if (run / WEIGHTS).exists():
        return True
    try:
        header, train = read_header(run / CHECKPOINT), as_table(read_toml(run / SETTINGS).get("train", {}))
        epoch, patience = as_int(header["epoch"]), as_int(train.get("patience", 0))
        best = as_table(header.get("best", {})).get("epoch")
        stalled = best is not None and 0 < patience <= epoch - as_int(best)
        return stalled or epoch >= as_int(train["epochs"])
    except (CheckpointError, UsageError, KeyError, TypeError):
        return False


def kind_of(run: Path) -> Kind:
    """The half a run is of; those made before it was written down are told apart by their settings."""
    tables = read_toml(run / SETTINGS)
    told, sizes = tables.get("kind"), tables.get("input")
    # The sections are the same in both halves; only images have a size.
    older: Kind = "image" if is_table(sizes) and "size" in sizes else "temporal"
    known: Kind | None = next((kind for kind in COMMANDS if kind == told), None)
    return known or older


def resume_command(run: Path, kind: Kind) -> str:
    """What goes on with an interrupted training."""
    data = read_toml(run / SETTINGS).get("data")
    dataset = str(data.get("dataset", "NAME")) if is_table(data) else "NAME"
    return f"{COMMANDS[kind]} --dataset {shlex.quote(dataset)} --resume --run {shlex.quote(str(run))}"


def _runs_below(root: Path, dataset: str | None) -> list[Path]:
    """Runs, the newest last; -10 comes after -2."""
    pattern = "*" if dataset is None else glob.escape(dataset)
    return sorted((path.parent for path in root.glob(f"{pattern}/*-*/{SETTINGS}")), key=_age)


def _age(run: Path) -> tuple[str, int]:
    """When a run was begun, by its name; by its settings' time where somebody has given it another."""
    if not _NAME.fullmatch(run.name):
        return time.strftime("%Y%m%d-%H%M%S", time.localtime((run / SETTINGS).stat().st_mtime)), 1
    day, time_of_day, *attempt = run.name.split("-")
    return f"{day}-{time_of_day}", int(attempt[0]) if attempt else 1


def find_run(
    folder: Path | None, *, kind: Kind = "temporal", root: Path | None = None, dataset: str | None = None
) -> Path:
    """The run meant: a folder, or the newest below `root` that has a network, of one data set if named.

    A younger run without a network is told of in a warning, with the command that goes on with it.

    Raises:
        UsageError: There is none, or the folder is of the other half's.
    """
    root, command = root or ROOTS[kind], COMMANDS[kind]
    if folder is not None:
        if (folder / SETTINGS).exists():
            _check_kind(folder, kind)
            return folder.resolve()
        raise UsageError(
            f"{folder} is not a run",
            why=f"it has no {SETTINGS}" if folder.is_dir() else "there is no such folder",
            next=f"{command} makes one below {root}; {root}/latest is the newest",
            subject=str(folder),
        )
    found = _runs_below(root, dataset)
    trained = [run for run in found if has_model(run)]
    link = root / "latest"
    if dataset is None and (link / SETTINGS).exists() and has_model(link):
        trained = [link.resolve()]
    if found and not trained:
        raise UsageError(
            f"no run in {root} has a network yet" + (f" of data set {dataset}" if dataset else ""),
            why=f"the training of {found[-1]} was interrupted before its first checkpoint",
            next=resume_command(found[-1], kind),
            subject=str(found[-1]),
        )
    if not trained:
        raise UsageError(
            f"there is no run in {root}" + (f" of data set {dataset}" if dataset else ""),
            why="nothing was trained here yet",
            next=f"{command} --dataset NAME, or name a run's folder",
        )
    chosen = trained[-1]
    if found and _age(found[-1]) > _age(chosen) and not has_model(found[-1]) and not is_held(found[-1]):
        logger.warning(
            "%s is taken; the younger %s has no network yet, and %s goes on with it",
            chosen,
            found[-1],
            resume_command(found[-1], kind),
        )
    return chosen.resolve()


def find_interrupted(folder: Path | None, *, kind: Kind, root: Path, dataset: str) -> Path:
    """The run to resume: a folder, or of a data set's runs the newest that did not come to its end.

    Where all came to their end it is the newest, to which more epochs may be added. One that another process trains
    is passed over.

    Raises:
        UsageError: There is none.
    """
    if folder is not None:
        return find_run(folder, kind=kind, root=root)
    found = _runs_below(root, dataset)
    if not found:
        return find_run(None, kind=kind, root=root, dataset=dataset)
    open_ = [run for run in found if not is_finished(run)]
    return ([run for run in open_ if not is_held(run)] or open_ or found)[-1].resolve()


def _check_kind(run: Path, kind: Kind) -> None:
    """Raise a UsageError if a run is of videos where images are meant, or the other way round."""
    found = kind_of(run)
    if found != kind:
        things, program = ("images", "thas image") if found == "image" else ("videos", "thas")
        if found == "backbone":
            raise UsageError(
                f"{run} is the training of a backbone", next="thas extract-features --weights FILE", subject=str(run)
            )
        raise UsageError(
            f"{run} is a run of {things}", next=f"{program} eval {run}, or {program} localize", subject=str(run)
        )


def environment() -> dict[str, object]:
    """Versions and the machine's make, so that a run can be repeated."""
    used = ("torch", "torchvision", "numpy", "scipy", "h5py", "av", "decord", "pillow", "lightning-fabric")
    return {
        "thas": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "packages": {name: _version(name) for name in used},
    }


@cache
def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_map_members(count: int, map_members: Sequence[int]) -> None:
    """Refuse to average the maps or sequences of networks that are not among the `count` of several runs.

    Raises:
        UsageError: One is none of them.
    """
    strange = [i for i in map_members if not 0 <= i < count]
    if strange:
        raise UsageError(
            f"there is no network {strange[0]} to give maps",
            why=f"there is a mean of {plural(count, 'network')}, counted from 0",
            next=f"--map-members takes numbers from 0 to {count - 1}",
        )
