"""Real filmed people: what a pretrained network is worth, from video files to intervals, and whether hiding helps.

    python benchmarks/real_pixels.py OUT people=FOLDER [reverse=FOLDER2] [--kinds i3d lite0 own] [--seeds 0 1 2]

Each FOLDER is a data set of videos with labels and true segments (`annotations.json`) of its test videos. Features are
made by the real command, in FOLDER/features_KIND, and what is there is not made again; so are the runs, in OUT. Prints
a table a data set: mAP at each IoU, and differences from the first arm of the same features, paired by seed and draw of
test videos, with 95 % intervals; beside them the best blind tiles, which are given the true labels.

I3D takes a minute of processor time for a minute of video, the others a fraction. How the joined films were made of
single clips (Weizmann's ten actions): each video one person, clips of one or two target classes among as many of the
others and one to three more, in any order, each a random 70 to 100 % of its clip; mirrored every other time.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thas.cli import run as thas
from thas.core.data_options import VideoOptions
from thas.core.presets import resolve_settings
from thas.core.resume import Begin
from thas.core.runs import ROOTS, is_finished
from thas.datasets.opening import open_dataset
from thas.eval.annotations import Annotations
from thas.eval.assessment import assess
from thas.eval.baselines import baselines
from thas.eval.certainty import video_weights, weighted_map
from thas.sweep.table import ArmScores, estimate
from thas.temporal_has.results import DETECTIONS, read_detections
from thas.temporal_has.session import train_run
from thas.temporal_has.settings import Settings

IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
DRAWS = 1000
# How each kind of features is made; of an image network one frame a snippet, the cheapest.
KINDS = {
    "i3d": "--backbone i3d --weights i3d",
    "lite0": "--backbone timm:tf_efficientnet_lite0 --weights efficientnet_lite0 --length-frames 1",
    "own": "",
}
ARMS: Mapping[str, tuple[tuple[str, ...], float]] = {
    "default": ((), 0.0),
    "default, hiding 0.5": ((), 0.5),
    "has, hiding 0.5": (("has",), 0.5),
    "has, nothing hidden": (("has",), 0.0),
}


@dataclass(frozen=True)
class Place:
    """A data set, its features of one kind, and where their runs lie."""

    folder: Path
    features: Path
    runs: Path


def made(folder: Path, kind: str, backbone: tuple[str, ...]) -> Path:
    """The features of a kind, made now where they are missing."""
    features = folder / f"features_{kind}"
    options = KINDS[kind].split()
    if kind == "own":
        weights = folder / "own.safetensors"
        if not weights.exists():
            code = thas(["train-backbone", "--dataset", str(folder), "--out", str(weights), *backbone])
            assert code == 0, code
        options = ["--weights", str(weights)]
    code = thas(["extract-features", "--dataset", str(folder), "--out", str(features), *options])
    assert code == 0, code
    return features


def trained(place: Place, arm: str, seed: int) -> Path:
    """The run of an arm and a seed, trained now or found."""
    presets, hidden = ARMS[arm]
    into = place.runs / arm.replace(", ", "-").replace(" ", "-") / str(seed)
    if not (is_finished(into) and (into / DETECTIONS).exists()):
        options = {"hide.probability": hidden, "train.seed": seed}
        settings, origins = resolve_settings(Settings, presets=presets, options=options)
        data, begin = VideoOptions(features=place.features), Begin(ROOTS["temporal"], into=into)
        train_run(str(place.folder), settings=settings, origins=origins, options=data, begin=begin)
    return into


def scores(run: Path, truth: Annotations) -> tuple[np.ndarray, np.ndarray]:
    """(K + 1,) mAP in per cent at each IoU and their mean, and (DRAWS, K + 1) the same on draws of test videos."""
    ranking = assess(read_detections(run / DETECTIONS)[0], truth, iou=IOU, protocol="activitynet").ranking
    column = {video: i for i, video in enumerate(truth.videos)}
    mine = [column[video] for video in ranking.videos]
    once, weights = np.ones((1, len(column)), np.int16), video_weights(len(column), draws=DRAWS, seed=0)
    each = 100 * weighted_map(ranking, np.concatenate([once, weights])[:, mine])
    found = np.concatenate([each, each.mean(axis=1, keepdims=True)], axis=1)
    return found[0], found[1:]


def arm_of(place: Place, arm: str, seeds: list[int], truth: Annotations) -> ArmScores:
    """All seeds of an arm."""
    found = [scores(trained(place, arm, seed), truth) for seed in seeds]
    values, draws = (np.stack([one[i] for one in found]) for i in (0, 1))
    return ArmScores(arm, {}, (), tuple(seeds), values, draws, {}, {})


def row(title: str, one: ArmScores, reference: ArmScores) -> str:
    """A line of the table."""
    cells = [f"{value:.1f}" for value in one.mean[:-1]]
    spread = f" ± {one.deviation[-1]:.1f}" if len(one.seeds) > 1 else ""
    cells.append(f"**{one.mean[-1]:.1f}**{spread}")
    difference = estimate(one, reference) if one is not reference else None
    if difference is not None:
        cells.append(f"{difference.value[-1]:+.1f} ({difference.low[-1]:+.1f} to {difference.high[-1]:+.1f})")
    else:
        cells.append("")
    return "| " + " | ".join([title, *cells]) + " |"


def main() -> None:
    """Make, train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("sets", nargs="+", help="NAME=FOLDER")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--backbone", nargs="*", default=[], help="options of train-backbone, as epochs=60")
    given = parser.parse_args()
    own = tuple(f"--{option}" for option in given.backbone)
    for pair in given.sets:
        name, _, path = pair.partition("=")
        folder = Path(path)
        opened = open_dataset(folder)
        truth = opened.annotations(opened.test_subset)
        learned = len(opened.videos_of(opened.train_subset))
        print(f"\n{name}: {learned} videos to learn from, {len(truth.videos)} to test\n")
        heads = ["features, head", *(f"{iou:g}" for iou in IOU), "mean", f"over {given.arms[0]}, 95 %"]
        print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
        blind = baselines(truth, iou=IOU, draws=3)[0]
        cells = [*(f"{100 * value:.1f}" for value in blind.map), f"{100 * blind.average:.1f}", ""]
        print("| " + " | ".join([f"blind {blind.name}, true labels", *cells]) + " |", flush=True)
        for kind in given.kinds:
            place = Place(folder, made(folder, kind, own), given.out / name / kind)
            reference = arm_of(place, given.arms[0], given.seeds, truth)
            for arm in given.arms:
                one = reference if arm == given.arms[0] else arm_of(place, arm, given.seeds, truth)
                print(row(f"{kind}, {arm}", one, reference), flush=True)


if __name__ == "__main__":
    main()
