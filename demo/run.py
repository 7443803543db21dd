"""The demo: from generated video files to mAP, with and without hiding, through the functions a user would call.

The two arms differ in `hide.probability` and in nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ..core.file_names import file_name
from ..core.files import write_atomically
from ..core.messages import Stage, logger
from ..core.presets import made_of_preset, resolve_settings
from ..core.processes import cores
from ..datasets.dataset import Dataset
from ..datasets.opening import open_dataset
from ..temporal_has.settings import Settings

NAME = "demo"
ARMS: Mapping[str, float] = {"Video-full": 0.0, "Video-HaS": 0.5}
SEEDS = 3


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Attributes:
        iou: (K,) temporal IoU thresholds.
        scores: For each arm (S, K), the mAP of each seed, fractions.
        runs: For each arm its run folders, one a seed.
        pictures: Written pictures.
        seconds: Wall time of each stage.
        folder: Where the summary lies.
    """

    iou: tuple[float, ...]
    scores: Mapping[str, np.ndarray]
    runs: Mapping[str, list[Path]]
    pictures: list[Path]
    seconds: Mapping[str, float]
    folder: Path

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "iou": list(self.iou),
            "map": {arm: values.tolist() for arm, values in self.scores.items()},
            "runs": {arm: [str(run) for run in runs] for arm, runs in self.runs.items()},
            "pictures": [str(path) for path in self.pictures],
            "seconds": dict(self.seconds),
        }


def prepare_videos(data_root: Path, *, stage: Stage, short: bool = False) -> Dataset:
    """The demo's data set; its videos are generated where they are not there yet."""
    from .videos import generate

    folder = data_root / NAME
    if not (folder / "labels.csv").exists():
        train, test = (24, 12) if short else (120, 60)
        with stage("making videos", train + test, "videos") as advance:
            generate(folder, train_videos=train, test_videos=test, progress=advance)
    return open_dataset(NAME, data_root=data_root)


def open_with_videos(name: str, data_root: Path, *, stage: Stage, backbone: bool = False) -> Dataset:
    """Open a data set; the demo's videos, and if asked its `backbone`, are made where they are not there yet."""
    if name != NAME:
        return open_dataset(name, data_root=data_root)
    dataset = prepare_videos(data_root, stage=stage)
    if backbone and dataset.default_weights is None:
        logger.info("the demo's backbone is trained first; thas train-backbone --dataset demo is the same")
        prepare_backbone(dataset, stage=stage)
    return dataset


def prepare_backbone(dataset: Dataset, *, stage: Stage) -> Path:
    """The demo's backbone, trained on the labels of its own videos where it is not there yet."""
    from ..features.backbone_settings import BackboneSettings
    from ..features.train_backbone import train_backbone

    path = dataset.folder / "backbone.safetensors"
    if not path.exists():
        settings = made_of_preset(BackboneSettings, NAME, "backbone")
        videos = dataset.videos_of(dataset.train_subset)
        with stage("training the backbone", settings.epochs, "epochs") as advance:
            train_backbone(
                {video: dataset.video_path(video) for video in videos},
                {video: dataset.labels[video] for video in videos},
                dataset.classes,
                path,
                settings=settings,
                progress=advance,
            )
    return path


def run_demo(
    *,
    data_root: Path = Path("data"),
    runs: Path = Path("runs"),
    short: bool = False,
    workers: int | None = None,
    stage: Stage,
) -> DemoResult:
    """Make the videos, train the backbone, extract, train both arms with each seed, localize, score, draw.

    A `short` one has a fifth of the videos and one seed: to see that everything works, not which arm is better. The
    data set is made in `<data_root>/demo`.

    What an earlier call finished (videos, backbone, features) is taken as it is; training is done anew.
    """
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name] = round(time.perf_counter() - clock, 1)
        clock = time.perf_counter()

    if short:
        data_root = data_root / "short"  # never to be taken for the whole
    workers = workers or cores()
    dataset = prepare_videos(data_root, stage=stage, short=short)
    lap("videos")
    weights = prepare_backbone(dataset, stage=stage)
    lap("backbone")
    _extract(dataset, weights, stage=stage)
    lap("features")
    seeds = range(1 if short else SEEDS)
    folders = _train(data_root, runs, seeds, workers=workers, stage=stage)
    lap("training")
    result_folder = runs / NAME / f"{time.strftime('%Y%m%d-%H%M%S')}-summary"
    settings, _ = resolve_settings(Settings, data_preset=NAME)
    scores = {arm: np.array([_score(run, settings.eval.iou) for run in runs_]) for arm, runs_ in folders.items()}
    pictures = _draw(result_folder, dataset, {arm: runs_[0] for arm, runs_ in folders.items()})
    lap("scoring and pictures")
    from ..core.runs import point_latest

    point_latest(runs, folders["Video-HaS"][0])
    result = DemoResult(settings.eval.iou, scores, folders, pictures, seconds, result_folder)
    write_atomically(result_folder / "demo.json", json.dumps(result.to_json(), indent=1) + "\n")
    return result


def _extract(dataset: Dataset, weights: Path, *, stage: Stage) -> None:
    from ..core.errors import PartialFailure, counted
    from ..features.extract import ExtractionSettings, extract_dataset

    videos = {video: dataset.video_path(video) for video in dataset.videos}
    with stage("extracting features", len(videos), "videos") as advance:
        result = extract_dataset(
            videos,
            dataset.features_folder,
            settings=made_of_preset(ExtractionSettings, NAME, "features"),
            weights=weights,
            progress=advance,
        )
    if result.failed:
        raise PartialFailure(
            counted(
                [failure.subject for failure in result.failed], "video gave no features", "videos gave no features"
            ),
            why=result.failed[0].why,
            next=f"remove {dataset.folder} and run thas demo again",
        )


def _train_one(data_root: Path, runs: Path, probability: float, seed: int) -> Path:
    """One training in a process of its own; two at once share the cores better than one with two threads."""
    import torch

    from ..core.data_options import VideoOptions
    from ..core.resume import Begin
    from ..temporal_has.session import train_run

    torch.set_num_threads(1)
    arm = {"hide.probability": probability, "train.seed": seed}
    settings, origins = resolve_settings(Settings, data_preset=NAME, options=arm)
    options = VideoOptions(data_root=data_root)
    return train_run(NAME, settings=settings, origins=origins, options=options, begin=Begin(runs)).run


def _train(data_root: Path, runs: Path, seeds: Sequence[int], *, workers: int, stage: Stage) -> dict[str, list[Path]]:
    jobs = [(arm, seed) for seed in seeds for arm in ARMS]
    folders: dict[str, list[Path]] = {arm: [] for arm in ARMS}
    with (
        stage("training without and with hiding", len(jobs), "runs") as advance,
        ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool,
    ):
        futures = [pool.submit(_train_one, data_root, runs, ARMS[arm], seed) for arm, seed in jobs]
        for (arm, seed), future in zip(jobs, futures, strict=True):
            folders[arm].append(future.result())
            advance(1, f"{arm}, seed {seed}")
    return folders


def _score(run: Path, iou: Sequence[float]) -> np.ndarray:
    from ..eval.average_precision import evaluate
    from ..temporal_has.scored_source import source_of_run

    scoring = source_of_run(run)
    return evaluate(scoring.detections, scoring.truth, iou=iou).map


def _draw(folder: Path, dataset: Dataset, runs: Mapping[str, Path]) -> list[Path]:
    """The mean activation over all instances, and timelines of the first test video of each class, none chosen."""
    from ..core.segments import Segments
    from ..temporal_has.results import DETECTIONS, SEQUENCES, read_detections, read_sequences
    from ..temporal_has.timeline import draw_profile, draw_timeline

    truth = dataset.annotations(dataset.test_subset).segments
    sequences = {arm: read_sequences(run / SEQUENCES) for arm, run in runs.items()}
    detections = {arm: read_detections(run / DETECTIONS)[0].by_video() for arm, run in runs.items()}
    by_video = truth.by_video()
    nothing = Segments.empty(scored=True)
    written = []
    for video in sorted(by_video)[: len(dataset.classes)]:
        path = folder / file_name(video, ".png")
        draw_timeline(
            path,
            {arm: found[video] for arm, found in sequences.items()},
            {arm: found.get(video, nothing) for arm, found in detections.items()},
            truth=by_video[video],
        )
        written.append(path)
    draw_profile(folder / "activation_over_instances.png", sequences, truth)
    return [folder / "activation_over_instances.png", *written]
