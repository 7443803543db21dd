"""How fast the image half hides, boxes and trains, beside plain code for the same.

    python benchmarks/image_speed.py hide
    python benchmarks/image_speed.py boxes            # with OpenCV beside it where cv2 is installed
    python benchmarks/image_speed.py train --network alexnet --side 112 --device cpu --threads 2
    python benchmarks/image_speed.py load --dataset FOLDER --workers 2
    python benchmarks/image_speed.py photos

One thread unless --threads says otherwise; the median of several rounds, of the best where the machine is shared.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from thas.core.runners import choose_device
from thas.eval.components import components
from thas.image_has.activation import activation_map, upsampled
from thas.image_has.box_workers import boxes_of
from thas.image_has.decode import read_image
from thas.image_has.hide import hide
from thas.image_has.loading import TrainingLoader, flipped, normalised, squashed
from thas.image_has.localize import localize
from thas.image_has.localizer import Localizer
from thas.image_has.network import build_network
from thas.image_has.photographs import localize_photographs
from thas.image_has.settings import OTSU_THRESHOLDS, ImageSettings, LocalizeSettings
from thas.image_has.task import hidden_input
from thas.image_has.views import refined
from thas.image_has.weights import TrainedNetwork


def rounds(work: Callable[[], object], *, count: int = 7) -> tuple[float, float]:
    """Best and median seconds."""
    work()
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds), float(np.median(seconds))


def report(what: str, seconds: tuple[float, float], items: int, unit: str) -> None:
    """One line."""
    best, median = seconds
    print(
        f"{what:<58} {1e3 * best:9.2f} ms best {1e3 * median:9.2f} ms median {items / best:10.0f} {unit}/s", flush=True
    )


def plain_hide(x: torch.Tensor, size: int, probability: float) -> torch.Tensor:
    """An image, a row and a cell at a time."""
    out = x.clone()
    for image in out:
        for top in range(0, x.shape[2], size):
            for left in range(0, x.shape[3], size):
                if random.random() < probability:
                    image[:, top : top + size, left : left + size] = 0
    return out


def measure_hide(arguments: argparse.Namespace) -> None:
    """32 x 3 x 224 x 224."""
    device = choose_device(arguments.device)
    x, generator = torch.randn(32, 3, 224, 224, device=device), torch.Generator().manual_seed(0)
    mean = torch.tensor([0.1, 0.2, 0.3])
    for name, size, fill in (
        ("16", 16, 0.0),
        ("mixed", (0, 16, 32, 44, 56), 0.0),
        ("mixed, mean colour", (0, 16, 56), mean),
    ):
        work = lambda size=size, fill=fill: hide(x, size=size, probability=0.5, fill=fill, generator=generator)  # noqa: E731
        report(f"hide, size {name}", rounds(work), 32, "images")
    report("a loop over images and cells, size 16", rounds(lambda: plain_hide(x, 16, 0.5)), 32, "images")


def opencv_boxes(maps: np.ndarray, thresholds: np.ndarray) -> None:
    """An image and a threshold at a time, as evaluation programs do."""
    import cv2  # type: ignore[import-not-found]

    for one in maps:
        grey = ((one - one.min()) / (one.max() - one.min()) * 255).astype(np.uint8)
        for threshold in thresholds:
            _, above = cv2.threshold(grey, int(threshold * grey.max()), 255, cv2.THRESH_BINARY)
            contours, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
            if contours:
                cv2.boundingRect(max(contours, key=cv2.contourArea))


def scipy_boxes(maps: np.ndarray, thresholds: np.ndarray) -> None:
    """The same with scipy."""
    for one in maps:
        for threshold in thresholds:
            parts, count = ndimage.label(one > threshold * one.max(), np.ones((3, 3)))
            sizes = [int((parts == part).sum()) for part in range(1, count + 1)]
            if sizes:
                y, x = np.nonzero(parts == 1 + int(np.argmax(sizes)))
                _ = (x.min(), y.min(), x.max() + 1, y.max() + 1)


def measure_boxes(arguments: argparse.Namespace) -> None:
    """Maps of a network on noise, at 224 x 224, and the network itself."""
    settings = ImageSettings().updated({"network.name": arguments.network})
    device = choose_device(arguments.device)
    network = build_network(settings.network, classes=1000, seed=0).eval().to(device, memory_format=torch.channels_last)
    n = 16
    coarse = torch.rand(n, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    x = functional.interpolate(coarse, size=(224, 224), mode="bicubic").to(device, memory_format=torch.channels_last)
    classes = torch.arange(n, device=device)

    @torch.inference_mode()
    def draw() -> torch.Tensor:
        output = network(x)
        return upsampled(activation_map(output.maps, network.weight, classes), (224, 224))

    report(f"maps: {arguments.network}-GAP and upsampling", rounds(draw), n, "images")
    maps = draw().cpu().numpy()
    hundred = np.arange(100) / 100
    report("boxes, one threshold", rounds(lambda: localize(maps, threshold=0.2, scale="range")), n, "images")
    otsu = LocalizeSettings(scale="otsu", threshold=OTSU_THRESHOLDS)
    report("boxes, the mean of 13 of Otsu's levels", rounds(lambda: boxes_of(maps, otsu)), n, "images")
    one, picture = torch.from_numpy(maps)[:8, None], x[:8].cpu()
    report("refining, 20 times", rounds(lambda: refined(one, picture, iterations=20), count=2), 8, "images")
    report("boxes of all parts, 100 thresholds (thas.eval)", rounds(lambda: components(maps, hundred)), n, "images")
    report("scipy, an image at a time, one threshold", rounds(lambda: scipy_boxes(maps, hundred[20:21])), n, "images")
    report(
        "scipy, an image and a threshold at a time, 100",
        rounds(lambda: scipy_boxes(maps, hundred), count=1),
        n,
        "images",
    )
    try:
        report(
            "OpenCV, an image and a threshold at a time, 100", rounds(lambda: opencv_boxes(maps, hundred)), n, "images"
        )
    except ImportError:
        print("OpenCV is not installed")


def measure_train(arguments: argparse.Namespace) -> None:
    """Training steps on images in memory, ours and a plain loop's, in turns."""
    device = choose_device(arguments.device)
    changes = {"network.name": arguments.network, "input.size": arguments.side, "network.stride": arguments.stride}
    settings = ImageSettings().updated(changes | {"input.resize": max(256, arguments.side)})
    b = arguments.batch
    pixels = torch.randint(0, 255, (b, 3, arguments.side, arguments.side), dtype=torch.uint8)
    labels = torch.randint(0, 1000, (b,)).to(device)
    generator = torch.Generator().manual_seed(0)

    def build(channels_last: bool):
        network = build_network(settings.network, classes=1000, seed=0).to(device)
        network = network.to(memory_format=torch.channels_last) if channels_last else network
        return network, torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)

    ours, plain = build(True), build(False)

    def step_ours() -> None:
        network, optimizer = ours
        moved = flipped(pixels.to(device), probability=0.5, generator=generator)
        x = normalised(moved, settings=settings.input, channels_last=True)
        x, _ = hidden_input(x, settings=settings, generator=generator)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=arguments.bf16):
            logits = network(x).logits
        functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    def step_plain() -> None:
        network, optimizer = plain
        images = []
        for image in pixels:  # a transform an image, as in a data set's __getitem__
            x = image.float() / 255
            x = x.flip(-1) if random.random() < 0.5 else x
            images.append(
                (x - torch.tensor(settings.input.mean).view(3, 1, 1)) / torch.tensor(settings.input.std).view(3, 1, 1)
            )
        x = plain_hide(torch.stack(images), 32, 0.5).to(device)
        optimizer.zero_grad()
        functional.cross_entropy(network(x).logits, labels).backward()
        optimizer.step()

    name = f"{arguments.network}, {arguments.side} px, batch {b}"
    report(f"training step, {name}", rounds(step_ours, count=arguments.rounds), b, "images")
    report(f"plain loop, {name}", rounds(step_plain, count=arguments.rounds), b, "images")


def measure_load(arguments: argparse.Namespace) -> None:
    """Decoding and cropping, nothing else."""
    from thas.image_has.datasets import open_images

    table = open_images(str(arguments.dataset)).subset("train")
    memory = 0 if arguments.workers else 2
    settings = ImageSettings.preset("images-128").updated(
        {"train.workers": arguments.workers, "train.cache_gigabytes": memory}
    )
    start = time.perf_counter()
    loader = TrainingLoader(table, settings=settings.input, train=settings.train)
    print(f"start: {time.perf_counter() - start:.1f} s for {len(table)} images, {arguments.workers} workers")
    for epoch in (0, 1):
        start = time.perf_counter()
        images = sum(len(batch.labels) for batch in loader.of_epoch(epoch))
        print(f"epoch {epoch}: {images / (time.perf_counter() - start):.0f} images/s")


def measure_photos(arguments: argparse.Namespace) -> None:
    """Files to boxes of the three likeliest classes, beside a photograph and a class at a time."""
    from tempfile import TemporaryDirectory

    import PIL.Image

    settings = ImageSettings().updated({"network.name": arguments.network, "input.size": arguments.side})
    network = build_network(settings.network, classes=100, seed=0).eval()
    member = TrainedNetwork(network, tuple(f"class {i}" for i in range(100)), settings)
    localizer = Localizer.of(member, device=arguments.device)
    generator = np.random.default_rng(0)
    for width, height, count in ((500, 375, 32), (4000, 3000, 16)):
        with TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{i}.jpg" for i in range(count)]
            for path in paths:
                small = PIL.Image.fromarray(generator.integers(0, 256, (30, 40, 3), dtype=np.uint8))
                small.resize((width, height)).save(path, quality=90)

            together = partial(localize_photographs, paths, localizer, top=3)
            print(f"{count} JPEG files of {width} x {height}")
            for name, work in (
                ("a photograph, then a class at a time", partial(one_at_a_time, paths, localizer)),
                ("localize_photographs", together),
                ("with pictures", partial(together, pictures=Path(folder) / "out")),
            ):
                report(name, rounds(work, count=arguments.rounds), count, "photographs")


def one_at_a_time(paths: list[Path], localizer: Localizer) -> None:
    """The three likeliest classes, each with a run of the network."""
    for path in paths:
        pixels = squashed(read_image(path), side=localizer.side)[None]
        first = localizer.maps(pixels)
        boxes_of(first.maps[0, 0].cpu().numpy(), localizer.settings.localize)
        for label in first.probabilities[0].topk(3).indices[1:]:
            boxes_of(localizer.maps(pixels, label[None]).maps[0, 1].cpu().numpy(), localizer.settings.localize)


def main() -> None:
    """Measure one thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["hide", "boxes", "train", "load", "photos"])
    parser.add_argument("--network", default="alexnet")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--stride", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    measures = {
        "hide": measure_hide,
        "boxes": measure_boxes,
        "train": measure_train,
        "load": measure_load,
        "photos": measure_photos,
    }
    measures[arguments.what](arguments)


if __name__ == "__main__":
    main()
