"""From a decoded frame to the numbers a network is given: resize, crop, colour order, mean and scale.

Workers do the geometry (bytes in, bytes out, without torch); the arithmetic happens beside the network. The resize
kernel is our own and exact, because another library's kernel, or the next version of the same, changes the features.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import MISSING, asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Literal, TypedDict, Unpack

import numpy as np

from ..core.narrowing import is_table, is_tuple

# Two taps a direction at half-pixel centres, weights of 11 bits, rounded to bytes: what OpenCV and torch call bilinear
# without antialiasing, computed in integers so that every machine agrees.
KERNEL = "bilinear-2tap-int11"
_ONE = 2048


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a frame before the network.

    Attributes:
        resize_height: Height in pixels after resizing; with `resize_width` None, the length of the short side.
        resize_width: Width in pixels after resizing, whatever the aspect; None keeps the aspect.
        crop_height: Height of the window that is cut out.
        crop_width: Width of that window.
        crop_top: First row of the window; None centres it.
        crop_left: First column of the window; None centres it.
        colour: Order of the channels.
        value_range: Frames have values from 0 to this before the mean is subtracted: 255 or 1.
        mean: Subtracted from each channel, in the order of `colour`.
        std: Each channel is divided by it.
        mean_cube: SHA-256 of the mean cube that is subtracted instead of `mean`, or None.
        kernel: The resize kernel; there is one.

    >>> Preprocessing(128, 171, 112, 112).window(240, 320)
    (128, 171, 8, 29)
    >>> Preprocessing(128, None, 112, 112).window(240, 320)
    (128, 170, 8, 29)
    """

    resize_height: int
    resize_width: int | None
    crop_height: int
    crop_width: int
    crop_top: int | None = None
    crop_left: int | None = None
    colour: Literal["rgb", "bgr"] = "rgb"
    value_range: float = 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    mean_cube: str | None = None
    kernel: str = KERNEL

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
            if len(getattr(self, name)) != self.channels:
                raise ValueError(f"{name} must have {self.channels} numbers, but has {len(getattr(self, name))}")
        for name in ("resize_height", "resize_width", "crop_height", "crop_width"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, but is {value}")
        if self.colour not in ("rgb", "bgr"):
            raise ValueError(f"colour must be rgb or bgr, but is {self.colour!r}")
        if self.kernel != KERNEL:
            raise ValueError(f"kernel must be {KERNEL}, but is {self.kernel!r}")
        if min(self.std) <= 0 or self.value_range <= 0:
            raise ValueError("std and value_range must be above 0")
        short = self.resize_height if self.resize_width is None else self.resize_width
        if self.crop_height > self.resize_height or self.crop_width > short:
            raise ValueError(
                f"a window of {self.crop_height}x{self.crop_width} does not fit into {self.resize_height}x{short}"
            )

    @property
    def channels(self) -> int:
        """Of a prepared frame."""
        return 3

    def window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Resized height and width, and the window's first row and column, for frames of (height, width)."""
        if self.resize_width is not None:
            tall, wide = self.resize_height, self.resize_width
        elif height <= width:  # the long side is rounded down, as torchvision does
            tall, wide = self.resize_height, self.resize_height * width // height
        else:
            tall, wide = self.resize_height * height // width, self.resize_height
        top = (tall - self.crop_height) // 2 if self.crop_top is None else self.crop_top
        left = (wide - self.crop_width) // 2 if self.crop_left is None else self.crop_left
        return tall, wide, min(top, tall - self.crop_height), min(left, wide - self.crop_width)

    def frame(self, rgb: np.ndarray) -> np.ndarray:
        """Resize, crop and order one frame: (H, W, 3) uint8 RGB in, (crop_height, crop_width, 3) uint8 out."""
        tall, wide, top, left = self.window(*rgb.shape[:2])
        cut = resize_window(rgb, tall, wide, top, left, self.crop_height, self.crop_width)
        return np.ascontiguousarray(cut[:, :, ::-1]) if self.colour == "bgr" else cut

    def frames(self, decoded: Iterable[np.ndarray], seconds: np.ndarray) -> Iterator[np.ndarray]:
        """Prepare the frames of a video in order, one by one; `seconds` (N,) says when each of them appears."""
        return map(self.frame, decoded)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for a recipe or a weights file."""
        return {name: list(value) if is_tuple(value) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: object) -> Preprocessing:
        """The inverse of `to_dict`; ValueError names an unknown or missing entry."""
        table = dict(values) if is_table(values) else dict[str, object]()
        if unknown := {*table} - {field.name for field in fields(cls)}:
            raise ValueError(f"unknown entries of a preprocessing: {', '.join(sorted(unknown))}")
        if missing := {field.name for field in fields(cls) if field.default is MISSING} - {*table}:
            raise ValueError(f"not a preprocessing: it lacks {', '.join(sorted(missing))}")
        try:
            return replace(cls(1, None, 1, 1), **table)
        except TypeError as error:
            raise ValueError(f"not a preprocessing: {error}") from None


class Values(TypedDict, total=False):
    """What becomes of each channel's values; as the attributes of `Preprocessing`."""

    colour: Literal["rgb", "bgr"]
    value_range: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


def square(size: int, **others: Unpack[Values]) -> Preprocessing:
    """Frames squeezed into a square without cropping, for small networks: nothing at the borders is lost."""
    return Preprocessing(size, size, size, size, **others)


@lru_cache(maxsize=64)
def _taps(source: int, target: int, first: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For `count` output positions from `first` on: the two source positions and the second one's weight of 2048."""
    # Exact in integers: the centre of output i lies at ((2 i + 1) source - target) / (2 target).
    twice = (2 * np.arange(first, first + count, dtype=np.int64) + 1) * source - target
    twice = np.clip(twice, 0, 2 * target * (source - 1))
    low, rest = np.divmod(twice, 2 * target)
    weight = (2 * rest * _ONE + 2 * target) // (4 * target)
    return low, np.minimum(low + 1, source - 1), weight.astype(np.int32)


def resize_window(
    frame: np.ndarray, tall: int, wide: int, top: int, left: int, crop_height: int, crop_width: int
) -> np.ndarray:
    """A window of a frame resized to (tall, wide); only the window is computed.

    Args:
        frame: (H, W, 3) uint8.
        tall: Height that the whole frame is resized to.
        wide: Width that it is resized to.
        top: First row of the window.
        left: First column of the window.
        crop_height: Rows of the window.
        crop_width: Columns of the window.

    Returns:
        (crop_height, crop_width, 3) uint8.
    """
    height, width = frame.shape[:2]
    if (height, width) == (tall, wide):
        return np.ascontiguousarray(frame[top : top + crop_height, left : left + crop_width])
    rows, next_rows, down = _taps(height, tall, top, crop_height)
    columns, next_columns, right = _taps(width, wide, left, crop_width)
    right = right[:, None]
    # Columns first on the few rows that are needed, each in 32-bit integers.
    needed, where = np.unique(np.concatenate([rows, next_rows]), return_inverse=True)
    strip = frame[needed]
    blended = strip[:, columns].astype(np.int32)
    blended *= _ONE - right
    other = strip[:, next_columns].astype(np.int32)
    other *= right
    blended += other
    down = down[:, None, None]
    mixed = blended[where[:crop_height]] * (_ONE - down)
    mixed += blended[where[crop_height:]] * down
    mixed += 1 << 21
    mixed >>= 22
    return mixed.astype(np.uint8)
