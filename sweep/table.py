"""What a sweep found: means over seeds, differences from the reference with intervals, and their files.

An interval tells how far other test videos (or images) and other seeds could have moved a number: each draw takes as
many videos as there are, with replacement, the same for all arms, and as many of the seeds; the arm's scores on these
videos are averaged over these seeds, and for a difference the reference's of the same seeds are taken off before (the
bootstrap over two crossed factors: Owen, "The pigeonhole bootstrap", 2007). Few seeds are a small sample of all: with
one, the interval is over the videos alone; with two or three it is somewhat too narrow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.files import write_atomically
from ..core.tables import csv_text
from ..eval.json_values import plain_table
from .plan import shown


@dataclass(frozen=True, eq=False)
class ArmScores:
    """One arm's runs.

    Attributes:
        label: Its name.
        settings: What makes it, by dotted key.
        ensemble: The arms whose networks are averaged; none for an arm with its own.
        seeds: S numbers from 0, of the runs that succeeded.
        values: (S, M) fractions.
        draws: (S, B, M) the same on each draw of test data.
        runs: For each seed its run's folder; an ensemble has several.
        failed: For each seed that failed, why.
    """

    label: str
    settings: Mapping[str, object]
    ensemble: tuple[str, ...]
    seeds: tuple[int, ...]
    values: np.ndarray
    draws: np.ndarray
    runs: Mapping[int, list[str]]
    failed: Mapping[int, str]

    @property
    def mean(self) -> np.ndarray:
        """(M,) over the seeds."""
        return self.values.mean(axis=0)

    @property
    def deviation(self) -> np.ndarray:
        """(M,) standard deviation of a sample, over the seeds; NaN of one."""
        return self.values.std(axis=0, ddof=1) if len(self.seeds) > 1 else np.full(self.values.shape[1], np.nan)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A mean, or a difference of means, with its 95 % interval.

    Attributes:
        value: (M,) fractions.
        low: (M,) lower end.
        high: (M,) upper end.
        p: (M,) two-sided: how often a draw turns the sign round, twice.
        seeds: How many seeds it rests on.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    seeds: int

    @property
    def real(self) -> np.ndarray:
        """(M,) bool: whether the interval leaves out 0."""
        return (self.low > 0) | (self.high < 0)

    def to_json(self) -> dict[str, object]:
        """Its arrays, and whether it is real."""
        return {**vars(self), "real": self.real}


class Drawn(NamedTuple):
    """A mean over seeds, and the same on each draw of test data and seeds.

    Attributes:
        value: (M,) fractions.
        draws: (B, M) the same; NaN where a draw has nothing to score.
        seeds: How many seeds it rests on.
    """

    value: np.ndarray
    draws: np.ndarray
    seeds: int


def drawn_values(arm: ArmScores, reference: ArmScores | None = None, *, seed: int = 0) -> Drawn | None:
    """An arm, or its difference from a reference, over the seeds that both have; None if there is none.

    Args:
        arm: With S runs and B draws.
        reference: To be taken off, seed by seed and draw by draw.
        seed: Of the draws of seeds.
    """
    common = [s for s in arm.seeds if reference is None or s in reference.seeds]
    if not common:
        return None
    rows = [arm.seeds.index(s) for s in common]
    values, draws = arm.values[rows], arm.draws[rows].astype(np.float64)
    if reference is not None:
        others = [reference.seeds.index(s) for s in common]
        values, draws = values - reference.values[others], draws - reference.draws[others]
    count, seeds = draws.shape[1], len(common)
    taken = np.random.default_rng(seed).integers(0, seeds, size=(count, seeds))
    weight = np.stack([(taken == s).mean(axis=1) for s in range(seeds)])
    return Drawn(values.mean(axis=0), np.einsum("sb,sbm->bm", weight, draws), seeds)


def interval(drawn: Drawn) -> Estimate:
    """The interval that draws give a value."""
    draws = drawn.draws
    low, high = np.full((2, draws.shape[1]), np.nan)
    known = ~np.isnan(draws).all(axis=0)
    low[known], high[known] = np.nanpercentile(draws[:, known], [2.5, 97.5], axis=0)
    turned = np.minimum((draws <= 0).sum(axis=0), (draws >= 0).sum(axis=0))
    return Estimate(drawn.value, low, high, np.minimum(1.0, 2 * (turned + 1) / (len(draws) + 1)), drawn.seeds)


def estimate(arm: ArmScores, reference: ArmScores | None = None, *, seed: int = 0) -> Estimate | None:
    """As `drawn_values`, with the interval."""
    drawn = drawn_values(arm, reference, seed=seed)
    return None if drawn is None else interval(drawn)


@dataclass(frozen=True, eq=False)
class SweepScores:
    """All arms of a sweep.

    Attributes:
        name: Of the experiment.
        title: In a few words.
        source: The paper and its table.
        dataset: Its name.
        kind: `temporal` or `image`.
        things: What was scored: videos or images.
        measure_title: What the measures are.
        measures: M names.
        main: The position of the one that pictures show.
        seeds: Runs asked for of each arm.
        reference: The arm that the others are compared with.
        swept: The one setting that differs, where there is just one.
        arms: In the order of the plan.
        baselines: (M,) each, None where one has no such measure.
        draws: B.
        seconds: Wall time.
        folder: Where the files are.
        left_out: Training videos without features, of which no arm learned.
    """

    name: str
    title: str
    source: str
    dataset: str
    kind: str
    things: str
    measure_title: str
    measures: tuple[str, ...]
    main: int
    seeds: int
    reference: str
    swept: str
    arms: tuple[ArmScores, ...]
    baselines: Mapping[str, list[float | None]]
    draws: int
    seconds: float
    folder: Path
    left_out: tuple[str, ...] = ()

    @property
    def failed(self) -> dict[str, str]:
        """What failed, by arm and seed, and why."""
        return {f"{arm.label}, seed {n}": why for arm in self.arms for n, why in arm.failed.items()}

    @property
    def interval_means(self) -> str:
        """What the intervals are."""
        over = f"{self.things} and seeds" if self.seeds > 1 else f"{self.things} alone: one seed"
        return f"95 % over {over}, {self.draws} draws, the same for all arms"

    def arm(self, label: str) -> ArmScores:
        """An arm by its name."""
        return next(arm for arm in self.arms if arm.label == label)

    def difference(self, arm: ArmScores) -> Estimate | None:
        """Of an arm from the reference; None for the reference, and where they have no seed in common."""
        return None if arm.label == self.reference else estimate(arm, self.arm(self.reference))

    def to_json(self) -> dict[str, object]:
        """Plain values, fractions."""
        keys = ("name", "title", "source", "dataset", "kind", "measure_title", "measures", "seeds", "reference")
        content = {key: getattr(self, key) for key in keys}
        content |= {"interval": self.interval_means, "draws": self.draws, "arms": [self._arm(arm) for arm in self.arms]}
        content |= {"baselines": dict(self.baselines), "failed": self.failed, "left_out": self.left_out}
        return plain_table(content | {"seconds": self.seconds, "folder": str(self.folder)})

    def _arm(self, arm: ArmScores) -> dict[str, object]:
        content: dict[str, object] = {
            "label": arm.label,
            "settings": dict(arm.settings),
            "ensemble": list(arm.ensemble),
        }
        content |= {"failed": {str(n): why for n, why in arm.failed.items()}}
        if not arm.seeds:
            return content
        own, difference = estimate(arm), self.difference(arm)
        assert own is not None
        content |= {"seeds": list(arm.seeds), "values": arm.values, "mean": arm.mean, "deviation": arm.deviation}
        content |= {"low": own.low, "high": own.high, "runs": {str(n): runs for n, runs in arm.runs.items()}}
        if difference is not None:
            content["difference"] = difference.to_json()
        return content

    def to_csv(self) -> str:
        """A row an arm, seed and measure; a column for each setting that arms differ in."""
        keys = sorted({key for arm in self.arms for key in arm.settings})
        rows: list[Sequence[object]] = [["arm", *keys, "seed", "measure", "value", "run"]]
        for arm in self.arms:
            settings = [shown(arm.settings[key]) if key in arm.settings else "" for key in keys]
            for seed, values in zip(arm.seeds, arm.values.tolist(), strict=True):
                for measure, value in zip(self.measures, values, strict=True):
                    rows.append([arm.label, *settings, seed, measure, f"{value:.6f}", " ".join(arm.runs[seed])])
        return csv_text(rows)

    def write(self) -> None:
        """Write sweep.json and sweep.csv."""
        write_atomically(self.folder / "sweep.json", json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n")
        write_atomically(self.folder / "sweep.csv", self.to_csv())
