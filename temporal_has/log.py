"""The log of a training: a JSON object a line, an epoch each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import cannot_write

LOG = "log.jsonl"


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training videos gave.

    Attributes:
        number: From 1.
        loss: Mean over the videos.
        accuracy: Fraction of videos whose likeliest class is one of their labels, while hidden as in training.
        seconds: Wall time.
    """

    number: int
    loss: float
    accuracy: float
    seconds: float


def append_log(path: Path, epoch: Epoch) -> None:
    """Add an epoch; a line that was cut off by a crash is left to itself.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            if file.tell() > 0:
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write((json.dumps(vars(epoch)) + "\n").encode())
    except OSError as error:
        raise cannot_write(path, error) from error


def read_log(path: Path) -> list[dict[str, Any]]:
    """The epochs of a run; after a resumption the last word on each counts, and lines cut off count for nothing."""
    if not path.exists():
        return []
    epochs: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            epoch = json.loads(line)
            epochs[int(epoch["number"])] = epoch
        except (ValueError, KeyError, TypeError):
            continue
    return [epochs[number] for number in sorted(epochs)]


def convergence(log: Sequence[Mapping[str, Any]], *, window: int = 10) -> float:
    """How far the loss still fell: its mean over the last `window` epochs against the `window` before, as a fraction.

    >>> convergence([{"loss": 2.0}] * 10 + [{"loss": 1.0}] * 10)
    0.5
    """
    losses = np.array([epoch["loss"] for epoch in log])
    if len(losses) < 2 * window:
        return float("nan")
    before, last = losses[-2 * window : -window].mean(), losses[-window:].mean()
    return float((before - last) / max(abs(before), 1e-12))
