"""Optical flow as a network's input: TV-L1 by OpenCV between each frame and the next, in bytes.

As I3D's flow stream is fed (Carreira & Zisserman 2017): the frames' short side is 256 and 25 of them are shown a
second; displacements are cut off at 20 pixels either way and become -1 to 1. x is positive to the right, y downwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError
from .preprocessing import Preprocessing, resize_window

if TYPE_CHECKING:
    from cv2.optflow import DualTVL1OpticalFlow

# A byte of 128 is no motion, exactly; 127 steps either way. What `FlowPreprocessing.mean` and `std` take back.
_STILL, _STEPS = 128, 127


@dataclass(frozen=True)
class FlowPreprocessing(Preprocessing):
    """Frames to flow, 2 channels (x, y), or to RGB and flow side by side, 5 channels; in the same crop as frames alone.

    Attributes:
        with_rgb: Whether the colours come first.
        bound_pixels: Displacements are cut off at this, in pixels of the resized frame.
        steady_fps: Frames further apart than one and a half of this rate's steps are no neighbours: the flow between
            them is not computed, and the last one before stands in for it.
        flow: The method; there is one.
    """

    mean: tuple[float, ...] = (_STILL,) * 2
    std: tuple[float, ...] = (_STEPS,) * 2
    with_rgb: bool = False
    bound_pixels: float = 20.0
    steady_fps: float = 25.0
    flow: str = "tv-l1 of opencv"

    @property
    def channels(self) -> int:
        """2, or 5 with the colours."""
        return 5 if self.with_rgb else 2

    def frames(self, decoded: Iterable[np.ndarray], seconds: np.ndarray) -> Iterator[np.ndarray]:
        """Prepare the frames of a video in order; a frame's flow is that to the next one.

        Args:
            decoded: (H, W, 3) uint8 RGB each.
            seconds: (N,) when each of them appears.

        Yields:
            (crop_height, crop_width, channels) uint8. The last frame's flow is the one before it.
        """
        method = tv_l1()
        steps = np.diff(seconds)
        longest = 1.5 * max(1 / self.steady_fps, float(np.median(steps)) if len(steps) else 0.0)
        before: tuple[np.ndarray, np.ndarray] | None = None
        flow: np.ndarray | None = None
        for i, rgb in enumerate(decoded):
            grey = self._grey(rgb)
            if before is not None:
                if steps[i - 1] <= longest:
                    flow = method.calc(before[1], grey, None)
                yield self._joined(before[0], flow)
            before = (rgb, grey)
        if before is not None:
            yield self._joined(before[0], flow)

    def _grey(self, rgb: np.ndarray) -> np.ndarray:
        import cv2

        tall, wide, _, _ = self.window(*rgb.shape[:2])
        return cv2.cvtColor(resize_window(rgb, tall, wide, 0, 0, tall, wide), cv2.COLOR_RGB2GRAY)

    def _joined(self, rgb: np.ndarray, flow: np.ndarray | None) -> np.ndarray:
        tall, wide, top, left = self.window(*rgb.shape[:2])
        place = np.s_[top : top + self.crop_height, left : left + self.crop_width]
        flow = np.zeros((tall, wide, 2), np.float32) if flow is None else flow
        bound = self.bound_pixels
        steps = np.rint(np.clip(flow[place], -bound, bound) * (_STEPS / bound)).astype(np.int16)
        moved = (steps + _STILL).astype(np.uint8)
        return np.concatenate([self.frame(rgb), moved], axis=2) if self.with_rgb else moved


def tv_l1() -> DualTVL1OpticalFlow:
    """OpenCV's TV-L1: how far each pixel of the first of two (H, W) grey pictures moves, x then y, (H, W, 2) float32.

    Raises:
        UsageError: This OpenCV has none, or there is none.
    """
    try:
        import cv2

        cv2.setNumThreads(1)  # there is a process a core already
        return cv2.optflow.DualTVL1OpticalFlow_create()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            "optical flow needs OpenCV with its contributed modules",
            why=str(error),
            next="pip install 'thas[flow]'; another opencv package beside it must go: pip uninstall opencv-python",
            subject="opencv",
        ) from error
