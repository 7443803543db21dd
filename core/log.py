"""The log of a training: a JSON object a line, an epoch each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .files import write_atomically, writing
from .narrowing import is_table

LOG = "log.jsonl"


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data gave.

    Attributes:
        number: From 1.
        loss: Mean over the videos, images or clips.
        accuracy: Fraction of them whose likeliest class is one of their labels, while hidden as in training.
        seconds: Wall time of the training itself.
        learning_rate: Of this epoch, at its end.
        per_second: How many of them, over all devices, reading included; in the log as `videos_per_second` or so.
        things: What they are: videos, images or clips.
        validation_map: Mean average precision, over classes, of telling the held-out videos' labels; 0 to 1.
        validation_loss: Mean over the held-out videos, nothing hidden.
    """

    number: int
    loss: float
    accuracy: float
    seconds: float
    learning_rate: float | None = None
    per_second: float | None = None
    things: str = "videos"
    validation_map: float | None = None
    validation_loss: float | None = None

    def known(self) -> dict[str, float]:
        """Without what was not measured."""
        names = {"per_second": f"{self.things}_per_second"}
        return {names.get(k, k): value for k, value in vars(self).items() if value is not None and k != "things"}

    def summary(self) -> str:
        """A few words for a progress line.

        >>> Epoch(1, 0.5, 1.0, 0.1, validation_map=0.75).summary()
        'loss 0.500, videos right 100%, held out mAP 75%'
        """
        held_out = "" if self.validation_map is None else f", held out mAP {self.validation_map:.0%}"
        return f"loss {self.loss:.3f}, {self.things} right {self.accuracy:.0%}{held_out}"


@dataclass(frozen=True)
class Started:
    """A training begins, or goes on.

    Attributes:
        epochs: How many it is to have.
        epochs_done: How many it has.
        items: Videos, images or clips of an epoch.
        run: The run's folder, whose settings.toml is written.
    """

    epochs: int
    epochs_done: int
    items: int
    run: Path


@dataclass(frozen=True)
class Decided:
    """What rules decided of the settings before the first epoch.

    Attributes:
        lines: A decision each, with its reason.
    """

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """A batch was learned from.

    Attributes:
        items: How many it had, over all processes.
    """

    items: int


Event = Started | Decided | Seen | Epoch
"""What a training tells of its progress, in the order in which it comes."""
OnEvent = Callable[[Event], None]


def append_log(path: Path, epoch: Epoch) -> None:
    """Add an epoch; a line that was cut off by a crash is left to itself.

    Raises:
        DataError: The file cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            if file.tell() > 0:
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write((json.dumps(epoch.known()) + "\n").encode())


def cut_log(path: Path, epochs: int) -> None:
    """Leave out the epochs after the first so many, which are about to be done anew.

    Raises:
        DataError: The file cannot be written.
    """
    if path.exists():
        before = [line for line in read_log(path) if line["number"] <= epochs]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in before))


def read_log(path: Path) -> list[dict[str, float]]:
    """The epochs of a run; after a resumption the last word on each counts, and lines cut off count for nothing."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:  # an account, and no condition
        text = ""
    epochs: dict[int, dict[str, float]] = {}
    for line in text.splitlines():
        try:
            told: object = json.loads(line)
            if not is_table(told):
                continue
            # Runs of images called the number so.
            epoch = {"number" if name == "epoch" else name: value for name, value in told.items()}
            if _is_epoch(epoch):
                kept: dict[str, float] = {k: value for k, value in epoch.items() if isinstance(value, int | float)}
                epochs[int(kept["number"])] = kept
        except (ValueError, RecursionError):
            continue
    return [epochs[number] for number in sorted(epochs)]


def _is_epoch(epoch: Mapping[str, object]) -> bool:
    """Whether a line tells an epoch: a number from 1, a loss and an accuracy, and nothing that is no finite number."""
    if not {"number", "loss", "accuracy"} <= {name for name, value in epoch.items() if value is not None}:
        return False
    told = [epoch[name] for name in Epoch.__dataclass_fields__ if epoch.get(name) is not None]
    if not all(isinstance(value, int | float) and type(value) is not bool and -1e300 < value < 1e300 for value in told):
        return False
    judged = [epoch.get(name) is not None for name in ("validation_map", "validation_loss")]
    number = epoch["number"]
    return type(number) is int and number >= 1 and judged[0] == judged[1]


def best_epoch(log: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    """The epoch of the best validation: the highest mean average precision, the lowest loss among equals; None if none.

    >>> best_epoch([{"number": n, "validation_map": 1.0, "validation_loss": 1 / n} for n in (1, 2)])["number"]
    2
    """
    judged = [epoch for epoch in log if epoch.get("validation_map") is not None]
    return max(judged, key=lambda epoch: (epoch["validation_map"], -epoch["validation_loss"]), default=None)


def stopped_early(log: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Whether training had no reason to go on: the best epoch was `patience` epochs ago; 0 never stops."""
    best = best_epoch(log)
    return best is not None and 0 < patience <= log[-1]["number"] - best["number"]


def convergence(log: Sequence[Mapping[str, float]], *, window: int = 10) -> float:
    """How far the loss still fell: its mean over the last `window` epochs against the `window` before, as a fraction.

    >>> convergence([{"loss": 2.0}] * 10 + [{"loss": 1.0}] * 10)
    0.5
    """
    losses = np.array([epoch["loss"] for epoch in log])
    if len(losses) < 2 * window:
        return float("nan")
    before, last = losses[-2 * window : -window].mean(), losses[-window:].mean()
    return float((before - last) / max(abs(before), 1e-12))
