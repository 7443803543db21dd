"""One comparison on several data sets: ranks, differences over all of them, and the choice with each set left out.

Whoever takes the arm that is best on the data it is then scored on has chosen on the test data, and its score there is
too good. So each set is left out in turn: the arm that is best on the *other* sets is chosen, and its score on the set
left out, which had no say, is what such a choice is worth on new data.

An interval over all sets is that of a mean over the sets: the videos of each are drawn for themselves, and so are its
seeds. The sets stay these: nothing is said about others but by leaving one out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..core.errors import UsageError, listing
from ..core.files import write_atomically
from ..eval.json_values import plain_table
from .table import Drawn, Estimate, SweepScores, drawn_values, interval


@dataclass(frozen=True)
class LeftOut:
    """A data set that had no say in the choice.

    Attributes:
        dataset: Its name.
        chosen: The arm that is best on the other sets.
        value: What it scores here, by the main measure.
        reference: What the reference scores here.
        best: The arm that is best here.
        best_value: What that scores.
    """

    dataset: str
    chosen: str
    value: float
    reference: float
    best: str
    best_value: float


@dataclass(frozen=True, eq=False)
class SetScores:
    """A sweep on each of several data sets.

    Attributes:
        sweeps: At least two, with the same arms, reference and measures.
        folder: Where the files about all of them are.
    """

    sweeps: tuple[SweepScores, ...]
    folder: Path

    @property
    def reference(self) -> str:
        """The arm that the others are compared with."""
        return self.sweeps[0].reference

    @property
    def main(self) -> int:
        """The position of the measure by which arms are ranked and chosen."""
        return self.sweeps[0].main

    @property
    def measure(self) -> str:
        """Its name."""
        return self.sweeps[0].measures[self.main]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The arms that were trained on every set, in the order of the plan."""
        return tuple(arm.label for arm in self.sweeps[0].arms if all(one.arm(arm.label).seeds for one in self.sweeps))

    @cached_property
    def values(self) -> np.ndarray:
        """(A, S) the main measure of each arm on each set, the mean over its seeds."""
        rows = [[one.arm(label).mean[self.main] for one in self.sweeps] for label in self.labels]
        return np.array(rows, dtype=np.float64).reshape(len(self.labels), len(self.sweeps))

    @cached_property
    def ranks(self) -> np.ndarray:
        """(A, S) places on each set, 1 for the best; equals share theirs."""
        above = (self.values[None] > self.values[:, None]).sum(axis=1)
        equal = (self.values[None] == self.values[:, None]).sum(axis=1)
        return 1 + above + (equal - 1) / 2

    def difference(self, labels: Sequence[str]) -> Estimate | None:
        """Arms less the reference, one a set, and the mean over the sets; None where there is nothing to compare.

        Args:
            labels: S arms, the one of each set.
        """
        found = []
        for i, (sweep, label) in enumerate(zip(self.sweeps, labels, strict=True)):
            one = drawn_values(sweep.arm(label), sweep.arm(self.reference), seed=i)
            if one is None:
                return None
            # Sets of equally many videos draw the same ones by their numbers; in another order they are independent.
            order = np.random.default_rng([1, i]).permutation(len(one.draws))
            found.append(one._replace(draws=one.draws[order]))
        value, draws = (np.mean([one[k] for one in found], axis=0) for k in (0, 1))
        return interval(Drawn(value, draws, min(one.seeds for one in found)))

    @cached_property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The choice with each set left out; empty where no arm was trained on all sets."""
        if self.reference not in self.labels:
            return ()
        found = []
        for i, sweep in enumerate(self.sweeps):
            others = np.delete(self.values, i, axis=1).mean(axis=1)
            here = self.values[:, i]
            chosen, best = int(others.argmax()), int(here.argmax())
            reference = here[self.labels.index(self.reference)]
            found.append(
                LeftOut(
                    sweep.dataset,
                    self.labels[chosen],
                    float(here[chosen]),
                    float(reference),
                    self.labels[best],
                    float(here[best]),
                )
            )
        return tuple(found)

    def choice(self) -> Estimate | None:
        """What choosing on other data is worth: the arms chosen without each set, less the reference, over all sets."""
        chosen = [one.chosen for one in self.left_out]
        return self.difference(chosen) if chosen else None

    @property
    def failed(self) -> dict[str, str]:
        """What failed, by data set, arm and seed, and why."""
        return {f"{one.dataset}: {what}": why for one in self.sweeps for what, why in one.failed.items()}

    def to_json(self) -> dict[str, object]:
        """Plain values, fractions."""
        first = self.sweeps[0]
        arms = []
        for i, label in enumerate(self.labels):
            row: dict[str, object] = {"label": label, "mean": self.values[i].mean(), "mean_rank": self.ranks[i].mean()}
            row["values"] = dict(zip((one.dataset for one in self.sweeps), self.values[i].tolist(), strict=True))
            row["ranks"] = dict(zip((one.dataset for one in self.sweeps), self.ranks[i].tolist(), strict=True))
            if label != self.reference and (found := self.difference([label] * len(self.sweeps))) is not None:
                row["difference"] = found.to_json()
            arms.append(row)
        choice = self.choice()
        return plain_table(
            {
                "name": first.name,
                "measure": self.measure,
                "measures": first.measures,
                "reference": self.reference,
                "interval": interval_means(self),
                "datasets": {one.dataset: one.to_json() for one in self.sweeps},
                "over_all": arms,
                "leave_one_out": [vars(one) for one in self.left_out],
                "chosen_without_the_set": choice.to_json() if choice else None,
                "failed": self.failed,
                "folder": str(self.folder),
            }
        )

    def write(self) -> None:
        """Write sweep.json."""
        write_atomically(self.folder / "sweep.json", json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n")


def interval_means(scores: SetScores) -> str:
    """What the intervals over all sets are."""
    first = scores.sweeps[0]
    seeds = " and seeds" if first.seeds > 1 else ""
    return f"95 % over the {first.things}{seeds} of each of these {len(scores.sweeps)} data sets, {first.draws} draws"


def check_alike(names: Sequence[str], measures: Sequence[tuple[str, ...]]) -> None:
    """Refuse data sets that cannot be told apart, or are not scored alike.

    Raises:
        UsageError: Two are called alike, there is only one, or their measures differ.
    """
    if len(names) < 2:
        raise UsageError("--datasets takes two or more", next="--dataset for one")
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise UsageError(f"two data sets are called {twice}", next="give the folder of one another name")
    if len(set(measures)) > 1:
        raise UsageError(
            "the data sets are not scored alike",
            why="; ".join(f"{name}: {listing(one, 12)}" for name, one in zip(names, measures, strict=True)),
            next="--set eval.iou=[0.1,0.2,0.3,0.4,0.5,0.6,0.7]",
        )
