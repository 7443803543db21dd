"""Several data sets at once: what each arm scores, and the arm that the other sets would have chosen.

    thas train --dataset D --features F --seed 0 --runs ROOT/default/NAME/0     # and so on: ROOT/ARM/NAME/anything
    python benchmarks/temporal_defaults.py ROOT --reference default NAME=D NAME2=D2

Each run's sequences are localized anew by today's rules. Differences from the reference are paired by seed and draw of
test videos. The last table leaves one data set out: the arm with the best mean rank on all *other* sets, what it scores
on this one, and by how much the choice from all sets, this one among them, flatters. Each arm's networks are localized
by other rules, too, which needs no training: `ARM | RULE` is an arm of its own. Sets that share videos, such as all of
them and those of one label, are given with one family, NAME=D@FAMILY, and left out together.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from thas.core.run_settings import read_settings
from thas.core.segments import Segments
from thas.datasets.opening import open_dataset
from thas.eval.annotations import Annotations
from thas.eval.assessment import assess
from thas.eval.baselines import baselines
from thas.eval.certainty import video_weights, weighted_map
from thas.sweep.table import ArmScores, estimate
from thas.temporal_has.ensemble import averaged
from thas.temporal_has.localize import localize
from thas.temporal_has.results import SEQUENCES, read_sequences
from thas.temporal_has.settings import LocalizeSettings, Settings

DRAWS = 1000
_LOW = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
RULES: Mapping[str, Mapping[str, Any]] = {
    "the rules": {},
    "whole probability": {"probability_power": 1.0},
    "root of probability": {"probability_power": 0.5},
    "without squashing": {"squash": False},
    "levels from 0.1": {"threshold": _LOW},
    "class threshold 0.1": {"class_threshold": 0.1},
    "sigma 0.5": {"nms_sigma": 0.5},
    "none of these": {
        "probability_power": 1.0, "squash": False, "threshold": _LOW, "class_threshold": 0.1, "nms_sigma": 0.5
    },
}  # fmt: skip


def scored(detections: Segments, truth: Annotations) -> tuple[np.ndarray, np.ndarray]:
    """Mean over IoU 0.1 to 0.7 of the mAP in per cent, as (1,) and on each draw of test videos as (DRAWS, 1)."""
    iou = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    ranking = assess(detections, truth, iou=iou, protocol="activitynet").ranking
    column = {video: i for i, video in enumerate(truth.videos)}
    mine = [column[video] for video in ranking.videos]
    once, weights = np.ones((1, len(column)), np.int16), video_weights(len(column), draws=DRAWS, seed=0)
    means = 100 * weighted_map(ranking, np.concatenate([once, weights])[:, mine]).mean(axis=1)
    return means[:1], means[1:, None]


def arm(name: str, found: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> ArmScores:
    """The scores of one arm on one set, by seed."""
    seeds = tuple(sorted(found))
    values, draws = (np.stack([found[seed][i] for seed in seeds]) for i in (0, 1))
    return ArmScores(name, {}, (), seeds, values, draws, {}, {})


def relocalized(runs: Sequence[Path], rules: LocalizeSettings) -> Segments:
    """Detections from the mean of some runs' sequences, by other rules."""
    sequences = averaged([read_sequences(run / SEQUENCES) for run in runs])
    return Segments.concat([localize(one, rules=rules) for one in sequences.values()])


def arms_of(root: Path, name: str, truth: Annotations, rules_named: Collection[str]) -> dict[str, ArmScores]:
    """All arms of one set: each folder's networks, by each of the rules named, and the mean of its networks."""
    found: dict[str, ArmScores] = {}
    for folder in sorted(path for path in root.iterdir() if (path / name).is_dir()):
        runs = sorted(path.parent for path in (folder / name).rglob(SEQUENCES))
        by_seed = {read_settings(run, Settings)[0].train.seed: run for run in runs}
        for title, changes in RULES.items():
            if changes and title not in rules_named:
                continue
            rules = replace(LocalizeSettings(), **changes)
            scores = {seed: scored(relocalized([run], rules), truth) for seed, run in by_seed.items()}
            arm_name = folder.name if not changes else f"{folder.name} | {title}"
            found[arm_name] = arm(arm_name, scores)
        if len(by_seed) > 1:
            mean = scored(relocalized(list(by_seed.values()), LocalizeSettings()), truth)
            title = f"{folder.name} | mean of the networks"
            found[title] = arm(title, dict.fromkeys(by_seed, mean))
    return found


def print_set(name: str, arms: Mapping[str, ArmScores], reference: str, truth: Annotations) -> None:
    """A table of one set, in Markdown."""
    print(f"\n{name}: {len(truth.videos)} videos\n\n| arm | mean mAP 0.1 to 0.7 | over {reference} |\n|---|---|---|")
    blind = baselines(truth, draws=3)[0]
    print(f"| blind {blind.name}, true labels | {100 * blind.average:.1f} | |")
    for title, one in arms.items():
        spread = f" ± {one.deviation[0]:.1f}" if len(one.seeds) > 1 and one.deviation[0] > 0 else ""
        difference = estimate(one, arms[reference]) if title != reference else None
        gain = ""
        if difference is not None:
            gain = f"{difference.value[0]:+.1f} ({difference.low[0]:+.1f} to {difference.high[0]:+.1f})"
        print(f"| {title} | {one.mean[0]:.1f}{spread} ({len(one.seeds)}) | {gain} |")


def print_left_out(sets: Mapping[str, Mapping[str, ArmScores]], families: Mapping[str, str]) -> None:
    """For each set the arm of the best mean rank on the other families, and what it is worth here."""
    titles = [title for title in next(iter(sets.values())) if all(title in arms for arms in sets.values())]
    means = np.array([[arms[title].mean[0] for title in titles] for arms in sets.values()])
    ranks = np.array([[(row > value).sum() + (row == value).sum() / 2 for value in row] for row in means])
    whole = int(ranks.mean(axis=0).argmin())
    print(f"\n{len(titles)} arms; chosen from all sets: {titles[whole]}\n")
    print("| left out | chosen on the others | scores | choice from all | it flatters by | best here, in hindsight |")
    print("|---|---|---|---|---|---|")
    family = np.array([families[name] for name in sets])
    for i, name in enumerate(sets):
        chosen, best = int(ranks[family != family[i]].mean(axis=0).argmin()), int(means[i].argmax())
        score, flattered = means[i, chosen], means[i, whole]
        print(
            f"| {name} | {titles[chosen]} | {score:.1f} | {flattered:.1f} | {flattered - score:+.1f} "
            f"| {titles[best]} {means[i, best]:.1f} |"
        )


def main() -> None:
    """Score all runs below a folder, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("sets", nargs="+", help="NAME=DATA_SET_FOLDER, or NAME=DATA_SET_FOLDER@FAMILY")
    parser.add_argument("--reference", default="default")
    parser.add_argument("--rules", nargs="*", default=tuple(RULES), help="beside today's; all by default")
    given = parser.parse_args()
    sets: dict[str, dict[str, ArmScores]] = {}
    families: dict[str, str] = {}
    for pair in given.sets:
        name, _, place = pair.partition("=")
        folder, _, family = place.partition("@")
        families[name] = family or name
        opened = open_dataset(folder)
        truth = opened.annotations(opened.test_subset)
        sets[name] = arms_of(given.root, name, truth, given.rules)
        print_set(name, sets[name], given.reference, truth)
    if len(sets) > 1:
        print_left_out(sets, families)


if __name__ == "__main__":
    main()
