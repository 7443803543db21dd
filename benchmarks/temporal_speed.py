"""Speed and memory of the temporal half, as ratios within one run where there is something to compare with.

Seconds are of the processor, all threads together, so that a neighbour disturbs less.

    python benchmarks/temporal_speed.py localize     200 cached videos to written results, by the steps of the way
    python benchmarks/temporal_speed.py classes      one video, 101 classes, many thresholds: rules and suppression
    python benchmarks/temporal_speed.py throughput   training, against a plain loop over the same network
    python benchmarks/temporal_speed.py memory       peak memory of training on 1010 videos of 2000 x 4096 float16

Nothing else should run beside them. Each but `classes` takes a head last. `localize` takes T and D (300 128), `memory`
the number of videos and train.memory_gigabytes (1010 1.0); its files need 0.9 GB (few, under many names).
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from thas.core.presets import resolve_settings
from thas.core.resume import Begin
from thas.core.segments import Segments
from thas.features.cache import FeatureCache, Features, write_features
from thas.temporal_has.activation import ClassActivationSequence
from thas.temporal_has.data import pad
from thas.temporal_has.heads import build_head
from thas.temporal_has.localize import localize as find_segments
from thas.temporal_has.localizer import Localizer
from thas.temporal_has.results import write_detections, write_result, write_sequences
from thas.temporal_has.rules import Known, decide
from thas.temporal_has.runs import localize_dataset
from thas.temporal_has.seeded_dropout import Chance
from thas.temporal_has.session import train_run
from thas.temporal_has.settings import LocalizeSettings, Settings
from thas.temporal_has.suppress import suppress, suppress_segments
from thas.temporal_has.train import train

VIDEOS = 200


def best(run: Callable[[], object], times: int = 5) -> float:
    """The shortest of some runs, in seconds, after one to warm up."""
    run()
    seconds = []
    for _ in range(times):
        begin = time.process_time()
        run()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def features_of(name: str, snippets: int, dimension: int, draw: np.random.Generator) -> Features:
    """Noise, a snippet every half second."""
    start = np.arange(snippets) * 0.5
    data = draw.random((snippets, dimension), dtype=np.float32)
    return Features(name, data, start, start + 0.64, float(start[-1] + 0.64))


def data_set(folder: Path, videos: int, snippets: int, dimension: int) -> Path:
    """A data set of noise: 20 classes, ten videos to learn from, the rest to localize."""
    draw = np.random.default_rng(0)
    rows = ["video,label,subset"]
    for i in range(videos + 20):
        write_features(folder / "features", features_of(f"v{i:04d}", snippets, dimension, draw), recipe={"made": "up"})
        rows.append(f"v{i:04d},class {i % 20},{'training' if i < 20 else 'test'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def settings_of(head: str, changes: dict[str, object]) -> Settings:
    """The settings of a head's preset, with changes."""
    settings = resolve_settings(Settings, presets=[head])[0]
    known = Known(several=0, probabilities=False, length_seconds=16 / 30, stride_seconds=8 / 30, most=100, labels=1)
    return settings.updated({one.key: one.value for one in decide(settings, known)} | changes)


def localize(snippets: int = 300, dimension: int = 128, head: str = "attention") -> None:
    """`thas localize` on 200 cached videos, after torch is imported, and where its time goes."""
    with tempfile.TemporaryDirectory() as scratch:
        place = data_set(Path(scratch) / "noise", VIDEOS, snippets, dimension)
        settings = settings_of(head, {"train.epochs": 1, "localize.labels": "predicted"})
        run = train_run(str(place), settings=settings, begin=Begin(Path(scratch) / "runs")).run
        one = {"threshold": (0.5,), "upsample": 1, "nms": "none"}
        rules_of = {
            "one threshold": replace(settings.localize, **one),
            "nine thresholds, upsampled by 8, soft-NMS": Settings().localize,
        }
        print(f"{head}: {VIDEOS} videos, T {snippets}, D {dimension}")
        for name, rules in rules_of.items():
            whole = best(lambda rules=rules: write_result(run, localize_dataset(run, settings=rules)))
            result = localize_dataset(run, settings=rules)
            print(f"  {name}: {whole:.2f} s, {len(result.detections)} detections")
            _steps(place, run, rules)


def _steps(place: Path, run: Path, rules: LocalizeSettings) -> None:
    cache, localizer = FeatureCache(place / "features"), Localizer.from_run(run, settings=rules)
    plain = localizer.with_settings(replace(rules, nms="none"))
    videos = [video for video in cache if int(video[1:]) >= 20]
    features = [cache[video] for video in videos]
    sequences = [localizer.sequence(one) for one in features]
    found = localize_dataset(run, settings=rules).detections
    steps: dict[str, Callable[[], object]] = {
        "opening the run": lambda: Localizer.from_run(run),
        "reading features": lambda: [cache[video] for video in videos],
        "network": lambda: [localizer.sequence(one) for one in features],
        "segments": lambda: suppress_segments(
            Segments.concat([plain.segments(one) for one in sequences]), rule=rules.nms, iou=rules.nms_iou
        ),
        "writing sequences": lambda: write_sequences(run / "s.h5", sequences),
        "writing detections": lambda: write_detections(run / "d.json", found, {}),
    }
    for name, step in steps.items():
        print(f"    {name}: {best(step, 3):.3f} s")


def classes() -> None:
    """Localization rules alone."""
    draw = np.random.default_rng(0)
    logits = draw.standard_normal((2000, 101)).cumsum(axis=0).astype(np.float32)
    times, names = np.arange(2000.0), tuple(f"class {i}" for i in range(101))
    even = np.full(101, 0.2, np.float32)
    sequence = ClassActivationSequence("v", logits, even, even, times, times + 1, 2000.0, names)
    for count in (1, 17):
        thresholds = list(np.linspace(0.1, 0.9, count))
        rules = {"threshold": thresholds, "threshold_rule": "max", "score": "outer-inner", "upsample": 1}
        for nms in ("none", "nms", "soft"):
            seconds = best(lambda rules=rules, nms=nms: find_segments(sequence, **rules, nms=nms))
            found = len(find_segments(sequence, **rules, nms=nms))
            print(f"T 2000, 101 classes, {count} thresholds, {nms}: {seconds * 1e3:.1f} ms, {found} detections")
    for count, groups in ((10_000, 1), (30_000, 100), (100_000, 20_000)):
        start, score, group = draw.uniform(0, 300, count), draw.random(count), draw.integers(0, groups, count)
        end = start + draw.exponential(4, count)
        for rule in ("nms", "soft"):
            seconds = best(lambda: suppress(start, end, score, group=group, rule=rule), 2)  # noqa: B023
            print(f"{count} segments in {groups} groups, {rule}: {seconds:.3f} s")


def throughput(videos: int = 64, snippets: int = 750, dimension: int = 1024, head: str = "has2017") -> None:
    """Videos a second in training, features in memory, ours and written down plainly."""
    draw = np.random.default_rng(0)
    features = {f"v{i}": features_of(f"v{i}", snippets, dimension, draw) for i in range(videos)}
    labels = {video: (f"class {i % 20}",) for i, video in enumerate(features)}
    names = tuple(f"class {i}" for i in range(20))
    print(f"{head}: {videos} videos, T {snippets}, D {dimension}, batches of 16; videos/s, ratio to the plain loop")
    for probability in (0.0, 0.5):
        settings = settings_of(head, {"hide.probability": probability, "train.epochs": 3})
        plain, ours = [], []
        for _ in range(3):
            began: list[float] = [time.process_time()]
            train(
                features,
                labels,
                classes=names,
                settings=settings,
                on_epoch=lambda e, began=began: began.append(time.process_time()),
            )
            ours.append(videos / float(np.diff(began)[1:].min()))
            plain.append(videos / _plain_epoch(features, settings))
        print(
            f"  p_hide {probability}: plain {max(plain):.1f}, ours {max(ours):.1f}, "
            f"{max(ours) / max(plain):.2f} times as fast"
        )


def _plain_epoch(features: dict[str, Features], settings: Settings) -> float:
    """Seconds of the quickest of three epochs of a loop as one would write it, hidden snippets filled in."""
    data = [torch.from_numpy(one.data) for one in features.values()]
    targets = torch.eye(20)[torch.arange(len(data)) % 20]
    mean = torch.cat(data).mean(dim=0)
    network = build_head(data[0].shape[1], 20, settings.network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        for batch in torch.randperm(len(data)).split(16):
            x, valid = pad([data[i] for i in batch.tolist()])
            if settings.hide.probability:
                part = torch.arange(x.shape[1]) * 20 // x.shape[1]
                hidden = (torch.rand(len(x), 20) < settings.hide.probability)[:, part]
                x = torch.where(hidden[..., None], mean, x)
            output = network(x, valid, Chance(torch.randint(2**62, (len(x),)).tolist()))
            loss = network.losses(output, targets[batch], loss=settings.train.loss).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def memory(videos: int = 1010, gigabytes: float = 1.0, head: str = "attention") -> None:
    """Peak memory of one epoch on features that do not fit."""
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        place, kinds = Path(scratch), 50
        for i in range(kinds):
            write_features(place, features_of(f"v{i}", 2000, 4096, draw), recipe={"made": "up"}, dtype="float16")
        for i in range(kinds, videos):  # the same bytes under another name; each is read as a file of its own
            os.link(place / f"v{i % kinds}.h5", place / f"v{i}.h5")
        labels = {f"v{i}": (f"class {i % 20}",) for i in range(videos)}
        settings = settings_of(head, {"train.epochs": 1, "train.memory_gigabytes": gigabytes})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.process_time()
        classes = tuple(f"class {i}" for i in range(20))
        train(FeatureCache(place), labels, classes=classes, settings=settings)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        about = {
            "head": head,
            "videos": videos,
            "features_gigabytes_float16": round(videos * 2000 * 4096 * 2 / 1e9, 1),
            "train.memory_gigabytes": gigabytes,
            "steps": -(-videos // 16),
            "peak_gigabytes": round(peak / 1e6, 2),
            "before_gigabytes": round(before / 1e6, 2),
            "seconds": round(time.process_time() - begin),
        }
        print(json.dumps(about))


if __name__ == "__main__":
    chosen = {"localize": localize, "classes": classes, "throughput": throughput, "memory": memory}
    chosen[sys.argv[1]](*(n if n[0].isalpha() else float(n) if "." in n else int(n) for n in sys.argv[2:]))  # type: ignore[operator]
