"""The trained networks of runs of images, and of files of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..core.checkpoints import CHECKPOINT
from ..core.errors import UsageError
from ..core.run_settings import read_settings
from ..core.runs import ROOTS, SETTINGS, WEIGHTS, find_run, resume_command
from .settings import ImageSettings
from .weights import TrainedNetwork, load_weights


def weights_files(sources: Sequence[Path], *, runs: Path = ROOTS["image"]) -> list[Path]:
    """The weights' files of runs or of such files themselves, which may not be there yet; the newest run's for none.

    Raises:
        UsageError: There is no such run.
    """
    chosen = [source if source.is_file() else find_run(source, kind="image", root=runs) for source in sources]
    found = chosen or [find_run(None, kind="image", root=runs)]
    for i, run in enumerate(found):
        if run.is_dir():  # the finished network's, else the last epoch's
            unfinished = (run / CHECKPOINT).exists() and not (run / WEIGHTS).exists()
            found[i] = run / (CHECKPOINT if unfinished else WEIGHTS)
    return found


def trained_networks(
    sources: Sequence[Path], *, runs: Path = ROOTS["image"]
) -> tuple[list[TrainedNetwork], ImageSettings, list[Path]]:
    """The networks of runs or weights files, the settings of the first, and the files.

    Raises:
        UsageError: There is no such run, or it has no network yet.
        CheckpointError: A file is damaged or of another kind.
    """
    files = weights_files(sources, runs=runs)
    members: list[TrainedNetwork] = []
    for file in files:
        if not file.exists() and file.name == WEIGHTS:
            raise UsageError(
                f"{file.parent} holds no trained network yet",
                why="its training did not come to its end",
                next=resume_command(file.parent, "image"),
                subject=str(file),
            )
        members.append(load_weights(file))
    settings = members[0].settings
    if (files[0].parent / SETTINGS).exists():
        settings = replace(read_settings(files[0].parent, ImageSettings)[0], localize=settings.localize)
    return members, settings, files
