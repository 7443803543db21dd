"""From a table of images to batches: decoded and cropped on the CPU, flipped, normalised and hidden on the device."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..core.errors import DataError, Failure
from ..core.processes import cores, forked_clean
from ..core.reading import MOST_PIXELS
from .decode import read_image
from .images import ImageTable
from .settings import InputSettings, TrainSettings


@dataclass(frozen=True)
class Batch:
    """Some images of a table.

    Attributes:
        pixels: (B, 3, S, S) uint8, RGB.
        labels: (B,) int64.
        rows: (B,) int64, which images of the table.
        sizes: (B, 2) int64, height and width in pixels of what these were made of: in tests the file's image, as shown
            or as stored.
        failed: Images that could not be read, and are in none of the other fields.
    """

    pixels: Tensor
    labels: Tensor
    rows: Tensor
    sizes: Tensor
    failed: tuple[Failure, ...] = ()

    def pin_memory(self) -> Batch:
        """The same in page-locked memory, from which a GPU copies while it computes; called by `DataLoader`."""
        return replace(self, pixels=self.pixels.pin_memory(), labels=self.labels.pin_memory())


def seed_of(*numbers: int) -> int:
    """A seed made of several numbers, so that no two uses share their random numbers.

    >>> seed_of(0, 1) != seed_of(1, 0)
    True
    """
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def epoch_order(images: int, *, seed: int, epoch: int) -> Tensor:
    """(N,) int64, the order of an epoch; a function of seed and epoch alone, so that a resumed run meets the same."""
    return torch.randperm(images, generator=torch.Generator().manual_seed(seed_of(seed, epoch, 1)))


def shrunk(image: PIL.Image.Image, *, short_side: int) -> PIL.Image.Image:
    """The image with its short side at so many pixels, in proportion.

    Raises:
        DataError: It is so long and thin that it would have more than `MOST_PIXELS`.
    """
    width, height = image.size
    scale = short_side / min(width, height)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    if size[0] * size[1] > MOST_PIXELS:
        raise DataError(
            f"an image of {width} x {height} pixels cannot have a short side of {short_side}",
            why=f"at {width} x {height} pixels it is too long and thin",
            next="crop it",
        )
    return image if size == image.size else image.resize(size, PIL.Image.Resampling.BILINEAR)


def crop_corner(height: int, width: int, *, size: int, seed: int, epoch: int, row: int) -> tuple[int, int]:
    """Top and left of an image's random crop; a function of seed, epoch and image, whoever loads it."""
    random = np.random.default_rng((seed, epoch, row, 2))
    return int(random.integers(height - size + 1)), int(random.integers(width - size + 1))


_Item = tuple[Tensor, int, int, tuple[int, ...]]
"""Pixels (3, S, S), label, row, and height and width of what they were cut or squashed from."""


class _TrainingFiles(Dataset[object]):
    """Items (row, epoch) -> a crop and its label, or the problem."""

    def __init__(self, table: ImageTable, settings: InputSettings, seed: int) -> None:
        self.table, self.settings, self.seed = table, settings, seed
        self.kept: list[np.ndarray | Failure] | None = None

    def keep(self, threads: int) -> None:
        """Decode everything once into memory."""
        with ThreadPoolExecutor(threads) as pool:
            self.kept = list(pool.map(self._shrunk, range(len(self.table))))

    def _shrunk(self, row: int) -> np.ndarray | Failure:
        try:
            image = read_image(self.table.path(row), upright=self.table.upright, short_side=self.settings.resize)
            return np.asarray(shrunk(image, short_side=self.settings.resize))
        except DataError as error:
            return Failure(self.table.paths[row], "broken image, left out", error.why)

    def __getitem__(self, item: tuple[int, int]) -> _Item | Failure:
        row, epoch = item
        whole = self.kept[row] if self.kept is not None else self._shrunk(row)
        if isinstance(whole, Failure):
            return whole
        size = self.settings.size
        top, left = crop_corner(*whole.shape[:2], size=size, seed=self.seed, epoch=epoch, row=row)
        crop = torch.from_numpy(whole[top : top + size, left : left + size].copy())
        return crop.permute(2, 0, 1), int(self.table.labels[row]), row, whole.shape[:2]


def _collated(items: list[_Item | Failure]) -> Batch:
    good = [item for item in items if not isinstance(item, Failure)]
    pixels = torch.stack([item[0] for item in good]) if good else torch.empty(0, 3, 0, 0, dtype=torch.uint8)
    return Batch(
        pixels=pixels,
        labels=torch.tensor([item[1] for item in good], dtype=torch.int64),
        rows=torch.tensor([item[2] for item in good], dtype=torch.int64),
        sizes=torch.tensor([item[3] for item in good], dtype=torch.int64).reshape(-1, 2),
        failed=tuple(item for item in items if isinstance(item, Failure)),
    )


class TrainingLoader:
    """Batches of random crops, epoch after epoch.

    Small data sets are decoded once and kept in memory; of others, worker processes decode each image every time. Of
    `world` processes each, by its `rank`, gets its share of every batch.
    """

    def __init__(
        self, table: ImageTable, *, settings: InputSettings, train: TrainSettings, rank: int = 0, world: int = 1
    ) -> None:
        self.table = table
        self._files = _TrainingFiles(table, settings, train.seed)
        self._batches = _Batches(len(table), train, rank, world)
        workers = max(0, cores() - 1) if train.workers < 0 else train.workers
        gigabytes = len(table) * settings.resize**2 * 3 * 1.35 / 1e9
        if gigabytes <= train.cache_gigabytes:
            self._files.keep(cores())
            workers = 0
        self._workers = workers
        self._loader = DataLoader(
            self._files,
            batch_sampler=self._batches,
            num_workers=workers,
            collate_fn=_collated,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            multiprocessing_context=forked_clean(__name__) if workers else None,
        )

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch, the same whenever they are asked for; those left over change each time."""
        self._batches.epoch = epoch
        yield from self._loader

    def close(self) -> None:
        """End the processes. The garbage collector closes the queue by which they are told, and waits 5 s for each."""
        del self._loader


class _Batches:
    """The sampler: lists of (row, epoch). It does not know the loader, which is gone when nobody uses it any more."""

    def __init__(self, count: int, train: TrainSettings, rank: int, world: int) -> None:
        self._count, self._train, self._rank, self._world = count, train, rank, world
        self.epoch = 0

    def __len__(self) -> int:
        return max(1, self._count // self._train.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        size = self._train.batch_size
        order = epoch_order(self._count, seed=self._train.seed, epoch=self.epoch).tolist()
        for i in range(len(self)):
            mine = order[i * size : (i + 1) * size][self._rank :: self._world]
            yield [(row, self.epoch) for row in mine]


def normalised(pixels: Tensor, *, settings: InputSettings, channels_last: bool = False) -> Tensor:
    """(B, 3, S, S) uint8 -> float32 with the data set's mean at 0."""
    mean = torch.tensor(settings.mean, device=pixels.device).view(1, 3, 1, 1) * 255
    scale = 1 / (torch.tensor(settings.std, device=pixels.device).view(1, 3, 1, 1) * 255)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return pixels.to(torch.float32, memory_format=layout).sub_(mean).mul_(scale)


def flipped(pixels: Tensor, *, probability: float, generator: torch.Generator) -> Tensor:
    """A copy with each image mirrored with this probability."""
    turned = torch.rand(len(pixels), generator=generator, device=generator.device) < probability
    rows = turned.nonzero().flatten().to(pixels.device)
    return pixels.index_copy(0, rows, pixels[rows].flip(-1))


class _TestFiles(Dataset[object]):
    """Whole images squashed to a square, and the size they had."""

    def __init__(self, table: ImageTable, side: int) -> None:
        self.table, self.side = table, side

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> _Item | Failure:
        try:
            image = read_image(self.table.path(row), upright=self.table.upright)
        except DataError as error:
            return Failure(self.table.paths[row], "broken image, counted as missed", error.why)
        pixels = squashed(image, side=self.side)
        return pixels, int(self.table.labels[row]), row, (image.height, image.width)


def squashed(image: PIL.Image.Image, *, side: int) -> Tensor:
    """(3, side, side) uint8: the whole image, its proportions ignored, so that boxes scale by each axis alone."""
    small = image.resize((side, side), PIL.Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)


def whole_batches(table: ImageTable, *, side: int, batch_size: int, workers: int = 0) -> Iterator[Batch]:
    """Every image once, whole, in order."""
    yield from DataLoader(
        _TestFiles(table, side),
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=_collated,
        multiprocessing_context=forked_clean(__name__) if workers else None,
    )
