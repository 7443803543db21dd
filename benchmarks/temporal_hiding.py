"""When hiding helps: half hidden, nothing hidden and the default's trial, on several data sets, and the trial's limit.

    python benchmarks/temporal_hiding.py NAME=D NAME2:16=D2@FAMILY NAME3=D3#32@FAMILY --seeds 8 --keep FOLDER

Each set D is a folder with features; `#32` learns from 32 of its training videos, drawn once, `:16` takes 16 seeds.
Of each set and seed it trains with nothing hidden and with half, and has the trial say the loss of held-out labels; the
trial's default is one of the two. Then the limit of that loss, above which half is hidden, is chosen on all families
but one, by the mean of the sets, and scored on that one. Differences are paired by seed and draw of test videos. What
is kept is not repeated.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from temporal_defaults import scored

from thas.datasets.opening import open_dataset
from thas.features.cache import FeatureCache
from thas.temporal_has.data import training_labels
from thas.temporal_has.localizer import Localizer, localize_videos
from thas.temporal_has.model import Model
from thas.temporal_has.rules import BY_HEART, Decision
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train

LIMITS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, np.inf)  # always hidden ... never


class Given(NamedTuple):
    """One data set of the command line."""

    name: str
    folder: str
    most: int


class Compared(NamedTuple):
    """Both trainings of a set, over S seeds.

    Attributes:
        none: (S, 1 + draws) mean mAP, nothing hidden: as it is, and on draws of test videos.
        half: Likewise, half hidden.
        losses: (S,) of held-out labels, by chance = 1; NaN where there was no trial.
    """

    none: np.ndarray
    half: np.ndarray
    losses: np.ndarray

    def gains(self, limit: float) -> np.ndarray:
        """(S, 1 + draws) over nothing hidden, where half is hidden above a loss."""
        return np.where((self.losses > limit)[:, None], self.half - self.none, 0.0)


class Decided(Exception):
    """What the trial said, before the training that follows."""


def stop(rules: Sequence[Decision]) -> None:
    """End a training that was begun for its trial alone."""
    raise Decided(*(one.why for one in rules if one.key == "hide.probability"))


def compared(given: Given, seeds: int, keep: Path) -> Compared:
    """Train what is not kept yet."""
    opened, cache = open_dataset(given.folder), FeatureCache(Path(given.folder) / "features")
    labels, _ = training_labels(opened, cache, dataset=given.folder, skip_missing=True)
    if given.most:
        drawn = np.random.default_rng(5).permutation(sorted(labels))[: given.most]
        labels = {video: labels[video] for video in labels if video in set(drawn)}
    tested = [video for video in opened.videos_of(opened.test_subset) if video in cache]
    features, truth = {video: cache[video] for video in {*labels, *tested}}, opened.annotations(opened.test_subset)

    def trained(seed: int, probability: float, heard: Callable[[Sequence[Decision]], None]) -> Model:
        settings = Settings().updated({"train.seed": seed, "hide.probability": probability})
        if probability > 0:  # as where the trial decides
            settings = settings.updated({"network.top": 0.125})
        return train(
            features, labels, classes=opened.classes, settings=settings, on_rules=lambda _, rules: heard(rules)
        )

    def score(seed: int, probability: float) -> np.ndarray:
        model = trained(seed, probability, lambda rules: None)
        found = localize_videos(Localizer(model), features, tested)[0]
        return np.concatenate([part.ravel() for part in scored(found, truth)])

    def loss(seed: int) -> float:
        try:
            trained(seed, -1.0, stop)
        except Decided as decided:
            said = re.search(r"at ([0-9.]+) of", str(decided))
            return float(said[1]) if said else np.nan
        raise RuntimeError("nothing was decided")

    rows = []
    for seed in range(seeds):
        path = keep / f"{given.name}-{seed}.npz"
        if not path.exists():
            np.savez(path, none=score(seed, 0.0), half=score(seed, 0.5), loss=loss(seed))
        kept = np.load(path)
        rows.append((kept["none"], kept["half"], float(kept["loss"])))
    none, half, losses = zip(*rows, strict=True)
    return Compared(np.stack(none), np.stack(half), np.array(losses))


def told(gains: np.ndarray) -> str:
    """(S, 1 + draws) as a mean with its 95 % interval over seeds and test videos."""
    picked = np.random.default_rng(0).integers(len(gains), size=(len(gains), gains.shape[1] - 1))
    means = np.take_along_axis(gains[:, 1:], picked, axis=0).mean(axis=0)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{gains[:, 0].mean():+.1f} ({low:+.1f} to {high:+.1f}){' *' if low > 0 or high < 0 else ''}"


def left_out(sets: dict[str, Compared], families: Sequence[str]) -> None:
    """The limit of the best mean over the other families, scored on this one."""
    worth = np.array([[one.gains(limit)[:, 0].mean() for limit in LIMITS] for one in sets.values()])
    print("\n| limit of the loss | " + " | ".join(f"{limit:g}" for limit in LIMITS) + " |")
    print("|---|" + "---|" * len(LIMITS))
    print("| gain, mean of the sets | " + " | ".join(f"{one:+.2f}" for one in worth.mean(axis=0)) + " |")
    print("\n| family left out | limit chosen on the others | gain there |\n|---|---|---|")
    of = np.array(families)
    for family in dict.fromkeys(families):
        means = worth[of != family].mean(axis=0)
        chosen = [i for i in range(len(LIMITS)) if means[i] > means.max() - 1e-9]
        ends = list(dict.fromkeys((chosen[0], chosen[-1])))  # of limits that are as good there
        limits = " to ".join(f"{LIMITS[i]:g}" for i in ends)
        gains = [
            f"{name} {' to '.join(dict.fromkeys(f'{worth[row, i]:+.1f}' for i in ends))}"
            for row, name in enumerate(sets)
            if of[row] == family
        ]
        print(f"| {family} | {limits} | {', '.join(gains)} |")


def main() -> None:
    """Train, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help="NAME=FOLDER, NAME:SEEDS=FOLDER#VIDEOS@FAMILY")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=Path("hiding"))
    asked = parser.parse_args()
    asked.keep.mkdir(parents=True, exist_ok=True)
    found: dict[str, Compared] = {}
    families = []
    print("| set | seeds | loss of held-out labels | nothing hidden | half, over it | the trial, over it |")
    print("|---|---|---|---|---|---|")
    for text in asked.sets:
        name, _, place = text.partition("=")
        name, _, seeds = name.partition(":")
        folder, _, family = place.partition("@")
        folder, _, most = folder.partition("#")
        families.append(family or name)
        found[name] = one = compared(Given(name, folder, int(most or 0)), int(seeds or asked.seeds), asked.keep)
        span = "no trial" if np.isnan(one.losses).all() else f"{one.losses.min():.2f} to {one.losses.max():.2f}"
        line = f"| {name} | {len(one.none)} | {span} | {one.none[:, 0].mean():.1f} | {told(one.half - one.none)} "
        print(line + f"| {told(one.gains(BY_HEART))} |", flush=True)
    if len(set(families)) > 1:
        left_out(found, families)


if __name__ == "__main__":
    main()
