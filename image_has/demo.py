"""The demo: generated creatures, a network without and one with hiding, the table and the pictures.

Each creature has a small head in a bright pattern that no other class has, and a large body whose colour and stripes
differ between the classes only a little. A network is content with the head; the box is round the whole creature.
"""

from __future__ import annotations

import csv
import io
import math
import time
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw

from ..core.data_options import DataOptions
from ..core.files import write_atomically
from ..core.messages import Stage
from ..core.processes import cores, forked_clean
from ..core.resume import Begin
from ..core.runs import ROOTS, point_latest
from .evaluate import Evaluation, ScoredImages, evaluate
from .localizer import Localizer
from .pictures import overlay, picture_of, save_picture, side_by_side, spread_rows
from .session import train_run
from .settings import ImageSettings

CLASSES = ("drix", "molu", "pelk", "zant")
_HEADS = ((230, 60, 50), (60, 110, 240), (240, 200, 40), (200, 60, 210))
_BODIES = ((116, 100, 96), (98, 102, 116), (112, 110, 94), (108, 98, 114))
_SIDE = 64
_FINE = 3  # drawn larger and shrunk, so that edges are smooth


def make_demo_images(folder: Path, *, training: int = 300, testing: int = 60, seed: int = 0) -> Path:
    """Write the data set: `train/<class>/*.png`, `val/<class>/*.png` and `boxes.csv`."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["image", "label", "x0", "y0", "x1", "y1"])
    for subset, count in (("train", training), ("val", testing)):
        for label, name in enumerate(CLASSES):
            for i in range(count):
                image, box = draw_creature(label, random=np.random.default_rng((seed, subset == "val", label, i)))
                path = f"{subset}/{name}/{i:04}.png"
                content = io.BytesIO()
                image.save(content, "PNG")
                write_atomically(folder / path, content.getvalue())
                if subset == "val":
                    rows.writerow([path, name, *(f"{corner:.2f}" for corner in box)])
        wanted = {f"{i:04}.png" for i in range(count)}
        for path in folder.glob(f"{subset}/*/[0-9][0-9][0-9][0-9].png"):  # of a larger set, drawn here before
            if path.parent.name in CLASSES and path.name not in wanted:
                path.unlink()
    write_atomically(folder / "boxes.csv", table.getvalue())
    return folder


def draw_creature(label: int, *, random: np.random.Generator) -> tuple[PIL.Image.Image, tuple[float, ...]]:
    """One image of 64 x 64 pixels and the box round its creature, x0, y0, x1, y1."""
    side = _SIDE * _FINE
    canvas = _background(random, side)
    length, angle = random.uniform(11, 16) * _FINE, random.uniform(-0.6, 0.6)
    forwards = 1 if random.random() < 0.5 else -1
    shape = PIL.Image.new("L", (side, side))
    body = PIL.Image.new("RGB", (side, side))
    # Anywhere that shows all of it: a box in the middle of the image must not do as well as a network.
    centre = random.uniform([1.4 * length, 1.1 * length], [side - 1.4 * length, side - 1.1 * length])

    def at(along: float, across: float) -> tuple[float, float]:
        along, across = along * forwards * length, across * length
        x = centre[0] + along * math.cos(angle) - across * math.sin(angle)
        return x, centre[1] + along * math.sin(angle) + across * math.cos(angle)

    body.paste(_stripes(random, side, label))
    draw = PIL.ImageDraw.Draw(shape)
    draw.polygon([at(0.95 * math.cos(t), 0.42 * math.sin(t)) for t in np.linspace(0, 2 * math.pi, 40)], fill=255)
    draw.polygon([at(-0.8, -0.1), at(-1.35, -0.3), at(-1.3, 0.35), at(-0.8, 0.1)], fill=255)  # the tail
    for foot in (-0.45, 0.4):
        draw.polygon([at(foot - 0.1, 0.2), at(foot - 0.13, 0.75), at(foot + 0.13, 0.75), at(foot + 0.1, 0.2)], fill=255)
    canvas.paste(body, mask=shape)
    head = PIL.Image.new("L", (side, side))
    x, y = at(0.95, -0.28)
    radius = 0.36 * length
    PIL.ImageDraw.Draw(head).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    canvas.paste(_rings(side, (x, y), radius, label), mask=head)
    both = np.maximum(np.asarray(shape), np.asarray(head)) > 127
    columns, lines = np.flatnonzero(both.any(0)), np.flatnonzero(both.any(1))
    box = (columns[0] / _FINE, lines[0] / _FINE, (columns[-1] + 1) / _FINE, (lines[-1] + 1) / _FINE)
    small = np.asarray(canvas.resize((_SIDE, _SIDE), PIL.Image.Resampling.BOX)).astype(np.float64)
    noisy = np.clip(small + random.normal(0, 6, small.shape), 0, 255).astype(np.uint8)
    return PIL.Image.fromarray(noisy), box


def _background(random: np.random.Generator, side: int) -> PIL.Image.Image:
    """Soft patches of dull colours, and stones in colours of no class."""
    coarse = random.uniform(60, 170, (5, 5, 1)) + random.uniform(-25, 25, (5, 5, 3))
    image = PIL.Image.fromarray(coarse.astype(np.uint8)).resize((side, side), PIL.Image.Resampling.BICUBIC)
    draw = PIL.ImageDraw.Draw(image)
    for _ in range(int(random.integers(4, 9))):
        x, y = random.uniform(0, side, 2)
        w, h = random.uniform(0.03, 0.12, 2) * side
        grey = random.uniform(50, 190)
        draw.ellipse((x - w, y - h, x + w, y + h), fill=tuple(int(grey + d) for d in random.uniform(-20, 20, 3)))
    return image


def _stripes(random: np.random.Generator, side: int, label: int) -> PIL.Image.Image:
    y, x = np.mgrid[:side, :side] / _FINE
    angle = math.pi * label / len(CLASSES)
    wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / 4.5 + random.uniform(0, 6))
    colour = np.array(_BODIES[label]) + random.uniform(-12, 12, 3)
    return PIL.Image.fromarray(np.clip(colour + 26 * wave[..., None], 0, 255).astype(np.uint8))


def _rings(side: int, centre: tuple[float, float], radius: float, label: int) -> PIL.Image.Image:
    y, x = np.mgrid[:side, :side]
    distance = np.hypot(x - centre[0], y - centre[1]) / radius
    light = np.where((distance * 2.4) % 1 < 0.5, 1.0, 0.35)
    return PIL.Image.fromarray((np.array(_HEADS[label]) * light[..., None]).astype(np.uint8))


ARMS = {"no hiding": 0.0, "Hide-and-Seek": 0.5}


@dataclass(frozen=True)
class DemoResult:
    """What the demo found."""

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
    """Make `images` a class in `<data_root>/image-demo`, train twice, all but the hiding equal, score and draw."""
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
        ProcessPoolExecutor(min(len(ARMS), cores()), mp_context=forked_clean(__name__)) as pool,
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
