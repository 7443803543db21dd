"""What one click an action is worth beside a video's labels: both trained with the same seeds, on several data sets.

    python benchmarks/point_labels.py NAME=DATA_SET_FOLDER:FEATURES ... --out FOLDER [--set KEY=VALUE ...]

Clicks are drawn once, each at a random moment of a true segment of a training video; segments are seen by nothing else.
Every run's detections are kept in FOLDER, so that what was done is not done again. Printed: mean mAP over IoU 0.1 to
0.7 of the test videos (rules of `activitynet`), and differences paired by seed and by draws of test videos.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from thas.core.segments import Segments
from thas.datasets.dataset import Dataset
from thas.datasets.opening import open_dataset
from thas.eval.annotations import Annotations
from thas.eval.assessment import assess
from thas.eval.certainty import video_weights, weighted_map
from thas.features.cache import FeatureCache
from thas.sweep.table import ArmScores, estimate
from thas.temporal_has.data import training_labels
from thas.temporal_has.localize import localize
from thas.temporal_has.points import PointLabels
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train

IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
DRAWS = 1000
ARMS = {"labels of videos": 0.0, "and one click an action": 1.0}


def clicks(opened: Dataset) -> Segments:
    """A random moment of each true segment of a training video."""
    truth = opened.annotations(opened.train_subset).segments
    draw = np.random.default_rng(0)
    time = truth.start_seconds + draw.random(len(truth)) * truth.duration_seconds
    return Segments(truth.video, truth.label, time, time)


def found(opened: Dataset, cache: FeatureCache, points: Segments, settings: Settings) -> Segments:
    """What a network trained so finds in the test videos."""
    labels, _ = training_labels(opened, cache, dataset=opened.name, skip_missing=True)
    model = train(cache, PointLabels(labels, points), classes=opened.classes, settings=settings, recipe=cache.recipe)
    test = [video for video in opened.videos_of(opened.test_subset) if video in cache]
    return Segments.concat([localize(model.sequence(cache[video]), rules=settings.localize) for video in test])


def scored(detections: Segments, truth: Annotations) -> tuple[np.ndarray, np.ndarray]:
    """(8,) mAP in per cent at each IoU and their mean, and the same on draws of test videos as (DRAWS, 8)."""
    ranking = assess(detections, truth, iou=IOU, protocol="activitynet").ranking
    column = {video: i for i, video in enumerate(truth.videos)}
    mine = [column[video] for video in ranking.videos]
    once, weights = np.ones((1, len(column)), np.int16), video_weights(len(column), draws=DRAWS, seed=0)
    values = 100 * weighted_map(ranking, np.concatenate([once, weights])[:, mine])
    values = np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)
    return values[0], values[1:]


def main() -> None:
    """Train what is missing, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help="NAME=DATA_SET_FOLDER:FEATURES")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], help="KEY=VALUE of settings")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    typed = dict(pair.split("=", 1) for pair in given.set)
    scores: dict[tuple[str, str], dict[int, tuple[np.ndarray, np.ndarray]]] = {}
    sets = {name: place.split(":") for name, place in (pair.split("=", 1) for pair in given.sets)}
    for seed in range(given.seeds):
        for name, (folder, features) in sets.items():
            opened, cache = open_dataset(folder), FeatureCache(Path(features))
            truth, points = opened.annotations(opened.test_subset), clicks(opened)
            for title, weight in ARMS.items():
                kept = given.out / f"{name}-{weight:g}-{seed}.json"
                if not kept.exists():
                    values = {"train.device": "cpu", **typed, "train.seed": seed, "train.points": weight}
                    rows = found(opened, cache, points, Settings().updated(values))
                    kept.write_text(json.dumps(rows.to_activitynet()))
                rows = Segments.from_activitynet(json.loads(kept.read_text()), scored=True)
                scores.setdefault((name, title), {})[seed] = own = scored(rows, truth)
                print(f"{name}, {title}, seed {seed}: {own[0][-1]:.1f}, at 0.5 {own[0][4]:.1f}", flush=True)
    print("\n| set | " + " | ".join(ARMS) + " | difference | at 0.5 |\n|---|---|---|---|---|")
    for name in sets:
        arms = []
        for title in ARMS:
            own = scores[name, title]
            values, draws = (np.stack([own[seed][i] for seed in sorted(own)]) for i in (0, 1))
            arms.append(ArmScores(title, {}, (), tuple(sorted(own)), values, draws, {}, {}))
        gain = estimate(arms[1], arms[0])
        cells = [f"{one.mean[-1]:.1f} ± {one.deviation[-1]:.1f}" for one in arms]
        for k in (-1, 4):
            cells.append(f"{gain.value[k]:+.1f} ({gain.low[k]:+.1f} to {gain.high[k]:+.1f})")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
