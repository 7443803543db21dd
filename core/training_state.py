"""What a training must keep to go on to the same bytes, and where it is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .checkpoints import BEST, CHECKPOINT, FORMATS, part, unpacked
from .errors import CheckpointError
from .files import write_atomically
from .log import LOG, Epoch, append_log, cut_log
from .narrowing import as_float, as_int, as_table
from .resume import MAY_CHANGE
from .runners import Runner
from .task import Learner, Verdict
from .trackers import Scalars


@dataclass(frozen=True)
class Best:
    """The epoch with the best verdict so far, and its weights."""

    epoch: int
    verdict: Verdict
    weights: dict[str, Tensor]

    @property
    def facts(self) -> dict[str, object]:
        """Plain values, as a file's header holds them."""
        return {"epoch": self.epoch, **vars(self.verdict)}


class State:
    """How far a training has come."""

    def __init__(self, task: Learner, runner: Runner) -> None:
        self.task, self.runner = task, runner
        self.epochs_done = 0
        self.best: Best | None = None

    def judged(self) -> Verdict | None:
        """The verdict on the epoch that was just done; the best so far is remembered."""
        verdict = self.task.judge()
        if verdict is not None and (self.best is None or verdict > self.best.verdict):
            weights = {name: value.detach().clone() for name, value in self.task.network.state_dict().items()}
            self.best = Best(self.epochs_done, verdict, weights)
        return verdict

    def checkpoint(self) -> bytes:
        """All that is needed to go on, as the content of a file that is a network to be used, too."""
        extra, facts = self.task.state()
        for i, entry in self.task.optimiser.state_dict()["state"].items():
            extra |= {f"optimiser.{i}.{name}": value for name, value in entry.items() if value is not None}
        facts |= {**self.task.identity, "epoch": self.epochs_done, "runner": self.runner.state()}
        if self.best is not None:
            extra |= {f"best.{name}": value for name, value in self.best.weights.items()}
            facts["best"] = self.best.facts
        return self.task.packed(extra, facts, self.task.network.state_dict())

    def best_model(self) -> bytes:
        """The best epoch's network as the content of a file."""
        assert self.best is not None
        facts = {**self.task.identity, "epoch": self.best.epoch, "best": self.best.facts}
        return self.task.packed({}, facts, self.best.weights)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: It is no checkpoint, or belongs to another run or an older thas.
        """
        task = self.task
        tensors, description = unpacked(path)
        try:
            self._check_same_training(path, tensors, description)
            task.network.load_state_dict(part(tensors, "network"))
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in part(tensors, "optimiser").items():
                index, _, key = name.partition(".")
                state.setdefault(int(index), {})[key] = value
            task.optimiser.load_state_dict(task.optimiser.state_dict() | {"state": state})
            task.restore(tensors, description)
            self.runner.restore(dict(as_table(description["runner"])))
            self.epochs_done = as_int(description["epoch"])
            if "best" in description:
                device = next(task.network.parameters()).device
                weights = {name: value.to(device) for name, value in part(tensors, "best").items()}
                best = as_table(description["best"])
                verdict = Verdict(as_float(best["map"]), as_float(best["minus_loss"]))
                self.best = Best(as_int(best["epoch"]), verdict, weights)
        except KeyError as error:
            raise CheckpointError(
                f"{path} was written by an older thas, whose training cannot be continued",
                why=f"it does not hold {error}, and what is drawn now is not what it would have drawn",
                next="localize with it as it is, or train anew without --resume",
                subject=str(path),
            ) from None
        except (RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{path} cannot be resumed",
                why=" ".join(str(error).split())[:200],
                next="train a new run without --resume",
                subject=str(path),
            ) from None

    def _check_same_training(self, path: Path, tensors: Mapping[str, Tensor], saved: Mapping[str, object]) -> None:
        task = self.task
        if saved.get("format") not in FORMATS or saved.get("kind", "temporal") != task.kind:
            raise CheckpointError(
                f"{path} is a checkpoint of another kind",
                why=f"it is of {saved.get('kind', 'temporal')}, format {saved.get('format')}, by thas "
                f"{saved.get('thas', 'unknown')}; this is {task.kind}",
                next="name another run, or train a new one",
                subject=str(path),
            )
        usual, mine = _plain(task.usual), _plain(task.settings)
        theirs = {**usual, **as_table(saved.get("settings", {}))}
        differ = [key for key in mine if key not in MAY_CHANGE and mine[key] != theirs[key]]
        other, why = "", ""
        if differ:
            other, why = "settings", ", ".join(f"{key} was {theirs[key]}, now {mine[key]}" for key in differ)
        elif changed := [key for key, value in _plain(task.identity).items() if saved.get(key, value) != value]:
            other, why = (
                changed[0],
                f"the training {task.things} or their {changed[0]} changed since the checkpoint was written",
            )
        elif not all(name in tensors and torch.equal(tensors[name], one) for name, one in task.constants.items()):
            other, why = "features", "the training features differ"
        if why:
            raise CheckpointError(
                f"{path} belongs to a run with other {other}",
                why=why,
                next=f"resume with the same {other}, or train anew without --resume",
                subject=str(path),
            )

    def check_agreement(self) -> None:
        """Refuse to start where the processes stand at different epochs.

        Raises:
            CheckpointError: Not all of them found the same checkpoint.
        """
        epochs = torch.tensor([self.epochs_done, self.epochs_done**2], dtype=torch.float64, device=self.runner.device)
        mean, squares = map(float, self.runner.total(epochs) / self.runner.world)
        if mean**2 != squares:
            raise CheckpointError(
                "not all processes found the checkpoint to resume from",
                why="the run's folder is not on a disk that all nodes share",
                next="copy the run's folder to every node, or share it",
            )


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """As JSON gives them back."""
    return json.loads(json.dumps(dict(values)))


Keep = Callable[[Epoch, bool], None]
"""Keeps an epoch that was just done, and whether it is the last."""


@contextmanager
def keeping(folder: Path | None, state: State, *, every: int) -> Generator[Keep]:
    """Keep log and checkpoints in a folder; an interruption costs the running epoch only.

    Args:
        folder: None keeps nothing.
        state: Of the training.
        every: A checkpoint is written every so many epochs, and at the end.
    """
    if folder is None:
        yield lambda epoch, last: None
        return
    unwritten: dict[str, bytes] = {}

    def write() -> None:  # the best first: a crash between the two leaves an older checkpoint, which finds it again
        for name in (name for name in (BEST, CHECKPOINT) if name in unwritten):
            write_atomically(folder / name, unwritten[name])
            del unwritten[name]  # no sooner: an interruption meanwhile has it written again

    def keep(epoch: Epoch, last: bool) -> None:
        if state.best is not None and state.best.epoch == epoch.number:
            unwritten[BEST] = state.best_model()
        unwritten[CHECKPOINT] = state.checkpoint()
        append_log(folder / LOG, epoch)
        scalars.add(epoch)
        if last or epoch.number % every == 0:
            write()

    cut_log(folder / LOG, state.epochs_done)  # what comes after the checkpoint is done anew
    with closing(Scalars(folder, epochs_done=state.epochs_done)) as scalars:
        try:
            yield keep
        except KeyboardInterrupt:
            write()
            raise
