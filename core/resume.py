"""Beginning a run or going on with an interrupted one: which settings may change between, and who may write."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Generic

from .checkpoints import CHECKPOINT, OLD_CHECKPOINT
from .errors import DataError, NothingKept, Terminated, ThasError, UsageError
from .files import DISK_FULL, remove_unfinished
from .log import LOG, Epoch, Event, OnEvent, Started, read_log
from .narrowing import as_int
from .processes import only_one
from .run_settings import RunData, Table, read_settings, write_settings
from .runs import find_interrupted, first_process, new_folder, point_latest, resume_command

MAY_CHANGE: Mapping[str, str] = {
    "train.epochs": "the epochs before are the same, and more or fewer follow them",
    "train.patience": "it says when to stop, not what is learned until then",
    "train.checkpoint_epochs": "it says how often the state is written down",
    "train.device": "the draws are made on the CPU; what differs is how a device rounds",
    "train.workers": "who reads a batch does not change it",
    "train.memory_gigabytes": "what is not kept in memory is read again, and is the same",
    "backbone.device": "the draws are made on the CPU; what differs is how a device rounds",
    "backbone.memory_gigabytes": "what is not kept in memory is decoded again, and is the same",
    "train.cache_gigabytes": "what is not kept in memory is decoded again, and is the same",
}
"""The settings of either half with which a training may go on that was begun with others, and why each may."""

TRACELESS = frozenset(MAY_CHANGE) - {"train.epochs", "train.patience"}
"""Those that leave no trace in the network, so that trainings that differ in nothing else are one."""


@dataclass
class Begun(Generic[Table]):
    """A run to train in.

    Attributes:
        folder: Of torchrun's processes only the first may write there; that of the others may not exist.
        settings: Of the run: a resumed one has its own.
        resuming: Whether it has a checkpoint to go on from.
        on_event: Called with what happens.
        new_epochs: How many there were in this session.
    """

    folder: Path
    settings: Table
    resuming: bool
    on_event: OnEvent
    new_epochs: int = 0

    def tell(self, event: Event) -> None:
        """Hand on what happens."""
        self.new_epochs += isinstance(event, Epoch)
        self.on_event(event)


@dataclass(frozen=True)
class Begin:
    """Where to train.

    Attributes:
        root: Where runs lie.
        resume: Go on with the interrupted run of the data set, or with the one of this folder.
        into: Train into this folder instead of a new run, from its checkpoint where it holds one. Whoever asks for it
            holds it; `latest` does not point to it.
    """

    root: Path
    resume: bool | Path = False
    into: Path | None = None


@contextmanager
def begun(
    begin: Begin,
    settings: Table,
    data: RunData,
    *,
    name: str,
    origins: Mapping[str, str] | None = None,
    items: int | None = None,
    on_event: OnEvent = lambda event: None,
) -> Generator[Begun[Table], None, None]:
    """A run's folder, held against other processes while the block lasts; `latest` points to it afterwards.

    A new run that ends in the block before it has a checkpoint is removed: it would help nobody. One that is killed
    stays, and is resumed from its first epoch.

    Args:
        begin: A new run, or which.
        settings: Of the run; of a resumed one, what is asked for now.
        data: Of the run; a resumed one must be of the same.
        name: The data set's, for the run's folder.
        origins: Where each changed setting came from.
        items: Videos or images of an epoch, with which `Started` is told; None where the training does so itself.
        on_event: Called with that, and with what the training tells.

    Raises:
        UsageError: There is nothing to resume, another process trains the run, or it was begun with something else that
            may not change.
    """
    origins = origins or {}
    resuming = bool(begin.resume) and begin.into is None
    if resuming:
        named = begin.resume if isinstance(begin.resume, Path) else None
        folder = find_interrupted(named, kind=settings.kind, root=begin.root, dataset=name)
        settings = resumed_settings(folder, settings, data, origins)
    elif begin.into is not None:
        folder = begin.into
    else:
        folder = new_folder(begin.root / name) if first_process() else begin.root / name
    held = only_one(folder, wait=False) if begin.into is None and first_process() else nullcontext()
    with held:
        if first_process():
            remove_unfinished(folder)
        if not resuming and first_process():
            write_settings(folder, settings, data, origins)
        try:
            run = Begun(folder, settings, _has_checkpoint(folder), on_event)
            if items is not None:
                epochs_done = len(read_log(folder / LOG)) if run.resuming else 0
                run.tell(Started(as_int(settings.flat()["train.epochs"]), epochs_done, items, folder))
            yield run
        except (ThasError, KeyboardInterrupt) as error:
            if isinstance(error, DataError) and error.why.startswith(DISK_FULL) and _has_checkpoint(folder):
                error.next = f"free some space, then {resume_command(folder, settings.kind)}"
            new = begin.into is None and not resuming and not isinstance(error, Terminated)
            if first_process() and new and not _has_checkpoint(folder):
                rmtree(folder, ignore_errors=True)
                if isinstance(error, KeyboardInterrupt):
                    raise NothingKept from None
            raise
    if begin.into is None and first_process():
        point_latest(begin.root, folder)


def _has_checkpoint(folder: Path) -> bool:
    return (folder / CHECKPOINT).exists() or (folder / OLD_CHECKPOINT).exists()


def resumed_settings(run: Path, given: Table, data: RunData, origins: Mapping[str, str]) -> Table:
    """The run's own settings, and those asked for now that may change between a training and its resumption.

    What a preset says does not count as asked for: the run was begun with presets, too, and without them on the command
    line it is the same run. Options and `--config` do.

    Raises:
        UsageError: Something else was asked for than the run was begun with, and may not change.
    """
    kept, before = read_settings(run, type(given))
    if not _same_place(before.dataset, data.dataset) or before.train_subset != data.train_subset:
        raise UsageError(
            f"{run} cannot be resumed on {data.train_subset} of {data.dataset}",
            why=f"it was begun on {before.train_subset} of {before.dataset}",
            next="name those, or train a new run without --resume",
        )
    chosen = [key for key, origin in origins.items() if origin and not origin.startswith("preset")]
    asked = {key: value for key, value in given.flat().items() if key in chosen}
    own = kept.flat()
    other = [key for key, value in asked.items() if key not in MAY_CHANGE and value != own[key]]
    if other:
        key = other[0]
        source = origins[key]
        raise UsageError(
            f"{run} cannot be resumed with another {key}",
            why=f"it was begun with {own[key]}, and {asked[key]} is asked for now"
            + (f" by {source}" if source != "option" else ""),
            next="resume without that, or train a new run without --resume; what may change: "
            + ", ".join(one for one in MAY_CHANGE if one in own),
            subject=key,
        )
    return kept.updated({key: value for key, value in asked.items() if key in MAY_CHANGE})


def _same_place(one: str, other: str) -> bool:
    """Whether two data sets are one; of a folder that is not there any more only the name tells."""
    first, second = Path(one), Path(other)
    if first.exists() and second.exists():
        return first.samefile(second)
    return one == other or (not first.exists() and first.is_absolute() and second.name == first.name)
