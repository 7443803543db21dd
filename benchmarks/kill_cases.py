"""The commands that write, on data so small that each takes seconds, for benchmarks/kills.py."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        types: What is typed.
        keeps: Files whose bytes must be the same, as patterns below the working folder.
        again: What is typed after a kill, in place of the same.
        needs: What must be made before, by name in `MAKERS` or `TYPED`.
        heavy: Whether it is worth importing torch and what else is slow before it is forked.
    """

    types: list[str]
    keeps: tuple[str, ...]
    again: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    heavy: bool = True


MODULES = (
    "thas.cli",
    "av",
    "matplotlib.backends.backend_agg",
    "openpyxl",
    "thas.features.extract",
    "thas.image_has.session",
    "thas.report.page",
    "thas.sweep.run",
    "thas.temporal_has.session",
)
"""What is imported once, before the forks; the first alone where no command of those named is heavy."""
_CPU = ["--device", "cpu"]
_FAST = [*_CPU, "--set", "network.channels=8", "train.epochs=3", "train.checkpoint_epochs=1"]
_SMALL = ["--clips-per-video", "1", "--batch", "4", "--input-size", "16", "--width", "2", "--device", "cpu"]
_SPARSE = ["--weights", "small.safetensors", "--stride-frames", "8", "--workers", "1", "--device", "cpu"]
_ONCE = ["--seeds", "1", "--workers", "1", "--draws", "20"]
_IMAGES = [
    "--device",
    "cpu",
    "--set",
    "network.name=small",
    "network.width=0.1",
    "input.size=32",
    "input.resize=40",
    "train.epochs=2",
]
_IMAGES += ["train.workers=0", "train.batch_size=4", "hide.size=8"]
_PLANTED = ["--dataset", "planted", "--runs", "new"]
COMMANDS = {
    "train": Command(
        ["train", *_PLANTED, *_FAST],
        ("new/planted/*/checkpoint.safetensors", "new/planted/*/sequences.h5"),
        ("--resume",),
        ("planted",),
    ),
    "image train": Command(
        ["image", "train", "--dataset", "creatures", "--runs", "new", *_IMAGES],
        ("new/creatures/*/weights.safetensors",),
        ("--resume",),
        ("creatures",),
    ),
    "train-backbone": Command(
        ["train-backbone", "--dataset", "mine", "--out", "new/b.safetensors", "--epochs", "2", *_SMALL],
        ("new/b.safetensors",),
        ("--resume",),
        ("mine",),
    ),
    "extract-features": Command(
        ["extract-features", "--dataset", "mine", *_SPARSE, "--out", "new"],
        ("new/*.h5",),
        (),
        ("mine",),
    ),
    "import-features": Command(
        ["import-features", "arrays", "--fps", "25", "--length-frames", "16", "--stride-frames", "8", "--out", "new"],
        ("new/*.h5",),
        (),
        ("arrays",),
    ),
    "sweep": Command(
        ["sweep", *_PLANTED, *_FAST[2:], "hide.probability=0,0.5", *_ONCE],
        ("new/planted/**/sweep.csv",),
        (),
        ("planted",),
    ),
    "image sweep": Command(
        ["image", "sweep", "--dataset", "creatures", "--runs", "new", *_IMAGES[2:], "hide.probability=0,0.5", *_ONCE],
        ("new/**/sweep.csv",),
        (),
        ("creatures",),
    ),
    "localize": Command(
        ["localize", "--run", "runs/latest", "--pictures", "--device", "cpu"],
        ("runs/planted/*/detections.json", "runs/planted/*/detections.csv", "runs/planted/*/sequences.h5"),
        (),
        ("run",),
    ),
    "watch": Command(
        ["localize", "--watch", "incoming", "--once", "--run", "runs-mine/latest", "--device", "cpu"],
        ("detections/*.json", "detections/*.csv"),
        (),
        ("run of videos",),
    ),
    "image localize": Command(
        ["image", "localize", "photos", "--run", "runs/image/latest", "--output", "new", "--device", "cpu"],
        ("new/*.json", "new/*.png"),
        (),
        ("image run",),
    ),
    "localize a file": Command(
        ["localize", "incoming/w0.mp4", "--run", "runs-mine/latest", "--out", "new", *_CPU],
        ("new/*.json", "new/*.csv", "new/*.png"),
        (),
        ("run of videos",),
    ),
    "localize a stream": Command(
        ["localize", "--stream", "incoming/w0.mp4", "--run", "runs-mine/latest", "--out", "new", *_CPU],
        ("new/*.json", "new/*.csv"),
        (),
        ("run of videos",),
    ),
    "eval": Command(
        ["eval", "runs/latest", "--diagnose", "--pictures", "new"],
        ("runs/planted/*/scores.json", "new/*.png"),
        (),
        ("run",),
    ),
    "image eval": Command(
        ["image", "eval", "runs/image/latest", "--pictures", "new", *_CPU],
        ("runs/image/creatures/*/scores.json", "new/**/*.png"),
        (),
        ("image run",),
    ),
    "plot": Command(["plot", "runs/latest", "--video", "video_08", "--out", "new/v.png"], ("new/v.png",), (), ("run",)),
    "summary": Command(["summary", "runs/latest", "--out", "new/s.csv"], ("new/s.csv",), (), ("run",)),
    "summary in Excel": Command(["summary", "runs/latest", "--out", "new/s.xlsx"], ("new/s.xlsx",), (), ("run",)),
    "export": Command(
        ["export", "runs/latest", "--format", "torch", "--out", "new"], ("new/export.json", "new/*.pt2"), (), ("run",)
    ),
    "export to ONNX": Command(
        ["export", "runs/latest", "--format", "onnx", "--out", "new"], ("new/export.json", "new/*.onnx"), (), ("run",)
    ),
    "features pack": Command(["features", "pack", "planted/features", "new.h5"], ("new.h5",), (), ("planted",), False),
    "convert": Command(
        ["convert", "planted/annotations.json", "new/truth.csv"], ("new/truth.csv",), (), ("planted",), False
    ),
    **{
        f"convert to {form}": Command(
            ["convert", "planted/annotations.json", target, "--to", form, "--fps", "25"],
            ("new/**/*.*", "new.*"),
            (),
            ("planted",),
            False,
        )
        for form, target in {
            "thumos": "new",
            "srt": "new",
            "elan": "new",
            "cvat": "new",
            "label-studio": "new/tasks.json",
            "boris": "new/p.boris",
        }.items()
    },
    "clips": Command(["clips", "runs-mine/latest", "--out", "new"], ("new/**/*.mp4",), (), ("run of videos",)),
    "clips as a film": Command(
        ["clips", "runs-mine/latest", "--film", "--out", "new/film.mp4"], ("new/film.mp4",), (), ("run of videos",)
    ),
    "report": Command(["report", "runs/latest", "--out", "new/page.html"], ("new/page.html",), (), ("run",)),
    "report of images": Command(
        ["report", "runs/image/latest", "--out", "new/page.html", *_CPU], ("new/page.html",), (), ("image run",)
    ),
    "run": Command(["run", "planted", *_FAST[2:]], ("planted/intervals.csv",), (), ("planted",)),
    "weights fetch": Command(["weights", "fetch", "tiny"], ("kept/*.ckpt",), (), ("shop",)),
}


def _planted(work: Path) -> None:
    from tests.sweep_data import planted_dataset

    planted_dataset(work / "planted", videos=9)


def _creatures(work: Path) -> None:
    from PIL import Image

    draw = np.random.default_rng(0)
    rows = ["image,label,x0,y0,x1,y1"]
    for subset, count in (("train", 4), ("val", 2)):
        for label, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
            folder = work / "creatures" / subset / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = draw.integers(90, 110, (40, 40, 3), np.uint8)
                pixels[10:30, 10:30] = colour
                Image.fromarray(pixels).save(folder / f"{i}.png")
                if subset == "val":
                    rows.append(f"{subset}/{label}/{i}.png,{label},10,10,30,30")
    (work / "creatures" / "boxes.csv").write_text("\n".join(rows) + "\n")
    shutil.copytree(work / "creatures" / "val" / "red", work / "photos")


def _mine(work: Path) -> None:
    from tests.test_temporal_has_videos import save_backbone
    from tests.video_files import write_video

    (work / "mine/videos").mkdir(parents=True)
    rows = ["video,label,subset"]
    for i in range(4):
        write_video(work / f"mine/videos/v{i}.mp4", frames=40, size=(32, 40))
        rows.append(f"v{i},{'Run' if i % 2 else 'Jump'},{'test' if i == 3 else 'training'}")
    (work / "mine/labels.csv").write_text("\n".join(rows) + "\n")
    save_backbone(work / "small.safetensors")
    (work / "incoming").mkdir()
    for i in range(2):
        shutil.copy(work / f"mine/videos/v{i}.mp4", work / f"incoming/w{i}.mp4")


def _arrays(work: Path) -> None:
    (work / "arrays").mkdir()
    for i in range(4):
        np.save(work / f"arrays/v{i}.npy", np.random.default_rng(i).normal(size=(20, 6)).astype(np.float32))


def _shop(work: Path) -> None:
    from thas.core.weight_catalogue import CATALOGUE, Published

    page = work / "simple" / "tiny-net"
    page.mkdir(parents=True)
    content = np.random.default_rng(0).bytes(5_000_000)
    with tarfile.open(page / "tiny-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("tiny-1.0/tiny/net.ckpt")
        info.size, info.mtime = len(content), 0
        archive.addfile(info, io.BytesIO(content))
    (page / "index.html").write_text("<!DOCTYPE html><a href='tiny-1.0.tar.gz'>tiny-1.0.tar.gz</a>")
    os.environ |= {"PIP_INDEX_URL": (work / "simple").as_uri(), "THAS_WEIGHTS": str(work / "kept")}
    digest = hashlib.sha256((page / "tiny-1.0.tar.gz").read_bytes()).hexdigest()
    address = "tiny-net/tiny-1.0.tar.gz/tiny-1.0/tiny/net.ckpt"
    CATALOGUE["tiny"] = Published(
        "tiny", "videos", "x", "MIT", address, hashlib.sha256(content).hexdigest(), len(content), digest
    )


MAKERS: dict[str, Callable[[Path], None]] = {
    "planted": _planted,
    "creatures": _creatures,
    "mine": _mine,
    "arrays": _arrays,
    "shop": _shop,
}
"""What commands need, made by functions."""
TYPED: dict[str, tuple[str, list[list[str]]]] = {
    "run": ("planted", [["train", "--dataset", "planted", "--runs", "runs", *_FAST]]),
    "run of videos": (
        "mine",
        [
            ["extract-features", "--dataset", "mine", *_SPARSE],
            ["train", "--dataset", "mine", "--runs", "runs-mine", *_FAST],
        ],
    ),
    "image run": ("creatures", [["image", "train", "--dataset", "creatures", *_IMAGES]]),
}
"""What commands need, made by other commands: what those need, and what is typed."""
