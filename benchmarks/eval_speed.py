"""How fast the evaluator is, beside a plain one that goes through pandas rows.

    python benchmarks/eval_speed.py                       # a data set of THUMOS14's size, drawn at random
    python benchmarks/eval_speed.py --truth FOLDER        # THUMOS14's own test annotations
    python benchmarks/eval_speed.py --million             # a million detections, 200 classes, 10 thresholds
    python benchmarks/eval_speed.py --boxes               # maps to MaxBoxAcc at 100 thresholds

CPU seconds of the scoring alone, after the tables are in memory; the peak is of the whole process.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from thas.core.segments import Segments
from thas.eval import PROTOCOLS, Annotations, evaluate, read_annotations


def drawn_truth(*, videos: int, classes: int, instances: int, seed: int = 0) -> Annotations:
    """Ground truth like THUMOS14's: one or two classes a video, some 15 short instances."""
    generator = np.random.default_rng(seed)
    video = generator.integers(0, videos, instances)
    label = (video * 7 + (generator.random(instances) < 0.1)) % classes
    start = generator.uniform(0, 200, instances)
    end = start + generator.lognormal(1.2, 0.7, instances)
    names = tuple(f"class_{c:03}" for c in range(classes))
    return Annotations(Segments([f"video_{v:05}" for v in video], [names[c] for c in label], start, end), names)


def drawn_detections(truth: Annotations, *, count: int, seed: int = 1) -> Segments:
    """Half of them near an action of the right class, half anywhere."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, len(truth.segments), count)
    near = generator.random(count) < 0.5
    length = truth.segments.duration_seconds[rows]
    start = truth.segments.start_seconds[rows] + generator.normal(0, 0.3, count) * length
    start = np.where(near, start, generator.uniform(0, 200, count))
    end = start + length * generator.lognormal(0, 0.3, count)
    wrong = generator.random(count) < 0.2
    classes = np.array(truth.classes, dtype=object)
    label = np.where(wrong, classes[generator.integers(0, len(classes), count)], truth.segments.label[rows])
    return Segments(truth.segments.video[rows], label, start, end, generator.random(count))


def plain_map(detections: Segments, truth: Annotations, thresholds: np.ndarray) -> np.ndarray:
    """ActivityNet's protocol, a row at a time."""
    found, actions = detections.to_pandas(), truth.segments.to_pandas()
    ap = []
    for label in sorted(set(actions["label"])):
        own = actions[actions["label"] == label].reset_index(drop=True)
        by_video = own.groupby("video")
        mine = found[found["label"] == label].sort_values("score", ascending=False, kind="stable")
        taken = np.zeros((len(thresholds), len(own)), dtype=bool)
        hit = np.zeros((len(thresholds), len(mine)), dtype=bool)
        for i, (_, row) in enumerate(mine.iterrows()):
            if row["video"] not in by_video.groups:
                continue
            group = by_video.get_group(row["video"])
            first = np.maximum(row["start_seconds"], group["start_seconds"].to_numpy())
            last = np.minimum(row["end_seconds"], group["end_seconds"].to_numpy())
            inside = (last - first).clip(0)
            lengths = group["end_seconds"].to_numpy() - group["start_seconds"].to_numpy()
            overlap = inside / (lengths + row["end_seconds"] - row["start_seconds"] - inside)
            for k, threshold in enumerate(thresholds):
                for j in overlap.argsort()[::-1]:
                    if overlap[j] < threshold:
                        break
                    if not taken[k, group.index[j]]:
                        taken[k, group.index[j]] = hit[k, i] = True
                        break
        place = np.arange(1, len(mine) + 1)
        values = []
        for k in range(len(thresholds)):
            precision = np.maximum.accumulate((np.cumsum(hit[k]) / place)[::-1])[::-1]
            values.append(precision[hit[k]].sum() / len(own))
        ap.append(values)
    return np.mean(ap, axis=0)


def box_speed(*, images: int = 200, size: int = 224) -> None:
    """Maps of 14 x 14 upsampled, as networks give them: the sweep, and one labelling a threshold beside it."""
    from scipy import ndimage

    from thas.eval.boxes import BoxTruth
    from thas.eval.swept_maps import swept_scores

    generator = np.random.default_rng(0)
    coarse = np.maximum(ndimage.gaussian_filter(generator.normal(0, 1, (images, 14, 14)), (0, 1.5, 1.5)), 0)
    maps = np.stack([ndimage.zoom(one, size / 14, order=1) for one in coarse])
    corner = generator.uniform(0, size / 2, (images, 2))
    truth = BoxTruth(np.arange(images), np.concatenate([corner, corner + size / 3], axis=1), images=images)
    thresholds, sizes = np.arange(100) / 100, np.full((images, 2), size)

    def plain() -> float:
        hits = np.zeros(len(thresholds))
        for one, box in zip(maps, truth.box, strict=True):
            low, high = one.min(), one.max()
            for k, threshold in enumerate(thresholds):
                parts, _ = ndimage.label(one > low + threshold * (high - low), np.ones((3, 3)))
                rows, columns = ndimage.find_objects(parts)[np.bincount(parts.ravel())[1:].argmax()]
                width = min(columns.stop, box[2]) - max(columns.start, box[0])
                height = min(rows.stop, box[3]) - max(rows.start, box[1])
                inside = max(width, 0) * max(height, 0)
                own = (columns.stop - columns.start) * (rows.stop - rows.start)
                hits[k] += inside / (own + (box[2] - box[0]) * (box[3] - box[1]) - inside) >= 0.5
        return float((hits / images).max())

    ours, scores = cpu_seconds(lambda: swept_scores(maps, truth, sizes=sizes, thresholds=thresholds))
    theirs, value = cpu_seconds(plain)
    assert scores.max_box_acc == value
    print(f"{images} maps of {size} x {size}, 100 thresholds; the same MaxBoxAcc, {value:.4f}, both ways")
    for name, seconds in (("sweep by runs", ours), ("a label at a time", theirs)):
        each = 1000 * seconds / images
        print(f"{name:18} {each:6.2f} CPU ms an image, {50 * each / 60:5.1f} CPU min for 50,000")


def cpu_seconds(job) -> tuple[float, object]:
    begin = time.process_time()
    result = job()
    return time.process_time() - begin, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", help="THUMOS14's annotations")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--skip-plain", action="store_true")
    parser.add_argument("--boxes", action="store_true")
    options = parser.parse_args()
    if options.boxes:
        box_speed()
        return
    if options.million:
        truth = drawn_truth(videos=20_000, classes=200, instances=100_000)
        detections, thresholds = drawn_detections(truth, count=1_000_000), np.arange(10, 20) / 20
    else:
        truth = (
            read_annotations(options.truth).subset("test")
            if options.truth
            else drawn_truth(videos=212, classes=20, instances=3358)
        )
        detections, thresholds = drawn_detections(truth, count=42_000), np.arange(1, 8) / 10
    print(f"{len(detections)} detections, {len(truth.classes)} classes, {len(thresholds)} thresholds")
    for protocol in PROTOCOLS:
        seconds = min(
            cpu_seconds(lambda name=protocol: evaluate(detections, truth, iou=thresholds, protocol=name))[0]
            for _ in range(3)
        )
        print(f"{protocol:18} {seconds:6.2f} CPU s")
    print(f"peak memory        {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:6.2f} GB")
    if not (options.million or options.skip_plain):
        seconds, plain = cpu_seconds(lambda: plain_map(detections, truth, thresholds))
        difference = np.abs(plain - evaluate(detections, truth, iou=thresholds).map).max()
        print(f"row by row         {seconds:6.2f} CPU s (activitynet; differs by {difference:.1e})")


if __name__ == "__main__":
    main()
