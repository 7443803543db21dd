"""The demo: generated creatures, a network without and one with hiding, the table and the pictures."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import PIL.Image

from ..core.data_options import DataOptions
from ..core.progress import Stage
from ..core.resume import Begin
from ..core.runs import ROOTS, point_latest
from .demo_images import make_demo_images
from .evaluate import Evaluation, ScoredImages, evaluate
from .loading import cores
from .localizer import Localizer
from .pictures import overlay, picture_of, save_picture, side_by_side, spread_rows
from .session import train_run
from .settings import ImageSettings

ARMS = {"no hiding": 0.0, "Hide-and-Seek": 0.5}


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Attributes:
        evaluations: For each arm.
        runs: For each arm.
        sheet: The pictures side by side.
        seconds: Wall time of the whole demo.
    """

    evaluations: dict[str, Evaluation]
    runs: dict[str, Path]
    sheet: Path
    seconds: float

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "arms": {arm: evaluation.scores.to_json() for arm, evaluation in self.evaluations.items()},
            "runs": {arm: str(run) for arm, run in self.runs.items()},
            "pictures": str(self.sheet),
            "seconds": self.seconds,
        }


def run_demo(
    *, data_root: Path, runs: Path = ROOTS["image"], stage: Stage, seed: int = 0, images: int = 300
) -> DemoResult:
    """Make the images, train twice with everything but the hiding equal, score and draw.

    Args:
        data_root: The images go to `<data_root>/image-demo`.
        runs: Where runs lie.
        stage: Shows progress.
        seed: Of the images and both networks.
        images: To train on, a class.
    """
    start = time.perf_counter()
    folder = data_root / "image-demo"
    with stage("drawing creatures", 1, "set") as advance:
        make_demo_images(folder, training=images, testing=max(4, images // 5), seed=seed)
        advance(1)
    where = _train_both(folder, data_root=data_root, runs=runs, seed=seed, stage=stage)
    evaluations = {arm: evaluate([run], images=ScoredImages(runs=runs)) for arm, run in where.items()}
    point_latest(runs, where["Hide-and-Seek"])
    sheet = _sheet(where, evaluations, runs)
    return DemoResult(evaluations, where, sheet, time.perf_counter() - start)


def _train_both(folder: Path, *, data_root: Path, runs: Path, seed: int, stage: Stage) -> dict[str, Path]:
    """Both arms at once, each in a process with its share of the cores: so small a network gains nothing from more."""
    epochs = len(ARMS) * ImageSettings.preset("image-demo").train.epochs
    logs = runs / folder.name
    before = set(logs.glob("*/log.jsonl"))
    with (
        ProcessPoolExecutor(min(len(ARMS), cores()), mp_context=get_context("forkserver")) as pool,
        stage("training without and with hiding", epochs, "epochs") as advance,
    ):
        arms = {
            arm: pool.submit(_train_arm, folder, probability, data_root, runs, seed)
            for arm, probability in ARMS.items()
        }
        shown = 0
        while wait(arms.values(), timeout=0.5).not_done:
            done = sum(len(log.read_text().splitlines()) for log in set(logs.glob("*/log.jsonl")) - before)
            advance(done - shown)
            shown = done
        found = {arm: future.result() for arm, future in arms.items()}
        advance(epochs - shown)
    return found


def _train_arm(folder: Path, probability: float, data_root: Path, runs: Path, seed: int) -> Path:
    import torch

    torch.set_num_threads(max(1, cores() // len(ARMS)))
    settings = ImageSettings.preset("image-demo").updated({"hide.probability": probability, "train.seed": seed})
    return train_run(str(folder), settings=settings, options=DataOptions(data_root=data_root), begin=Begin(runs)).run


def _sheet(where: dict[str, Path], evaluations: dict[str, Evaluation], runs: Path) -> Path:
    localizers = {arm: Localizer.from_run(run, root=runs) for arm, run in where.items()}
    first = next(iter(evaluations.values())).predictions
    rows: list[list[PIL.Image.Image]] = []
    for i in spread_rows(first.table, 8):
        with PIL.Image.open(first.table.path(i)) as image:
            plain = overlay(image, true_boxes=first.table.boxes[first.table.paths[i]].tolist())
        drawn = [picture_of(evaluations[arm].predictions, localizers[arm], i, title=False) for arm in where]
        rows.append([plain, *(one for one in drawn if one is not None)])
    path = where["Hide-and-Seek"] / "side_by_side.png"
    return save_picture(side_by_side(rows, headings=["creature and true box", *where]), path)
