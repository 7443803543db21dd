"""A loaded backbone on a device: batches of prepared frames in, features out, as fast as the device allows.

On a CPU several batches run side by side, each in its own lane with its own cores, rather than all cores on one batch:
cores that share a batch wait for each other after every layer, and badly so when a decoder takes one of them away.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch
from torch import nn

from ..core.errors import FeatureError, first_line
from ..core.runners import choose_device
from .c3d import C3D
from .i3d import Unit3D
from .weights import LoadedBackbone

Precision = Literal["fp32", "tf32", "bf16"]


# Enough to fill a large GPU with C3D; its first layer's output is 3.3 GB then in single precision.
_GPU_BATCH = 64
# Of the first layer's output, the largest there is. C3D is as quick with 2 clips in a lane as with 8, small networks
# want more.
_LANE_BYTES = 128 << 20


class Runner:
    """Runs a backbone on batches of clips. Close it, or use it in a `with` block, to give torch its threads back.

    Args:
        loaded: The network and its preprocessing.
        device: cpu, cuda, cuda:1 or auto, which takes a GPU if there is one, as None does.
        precision: "fp32"; "tf32" and "bf16" are faster on GPUs and change the features' last digits.
        compile: Compile the network first: half a minute once, for long jobs.
        batch: Clips in the network at once, over all lanes; None for what is quick and small in memory.

    Attributes:
        lanes: Batches that run side by side.
        batch: Clips in each of them.
    """

    def __init__(
        self,
        loaded: LoadedBackbone,
        *,
        device: str | None = None,
        precision: Precision = "fp32",
        compile: bool = False,
        batch: int | None = None,
    ) -> None:
        self.device = choose_device(device or "auto")
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        # Frames arrive as (B, T, H, W, 3): seen as (B, 3, T, H, W) that is channels-last already, the layout in which
        # convolutions are fastest on processors and on GPUs alike.
        network: nn.Module = loaded.network
        for unit in network.modules():
            if isinstance(unit, Unit3D):
                unit.fold()
        network = network.to(self.device, self._dtype)
        for weight in network.parameters():
            if weight.dim() == 5:  # of others' networks some are of images, whose weights have four
                weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)
        # On a processor, programs that may lay out their weights anew (freezing) take a quarter less time.
        self._network: Callable[[torch.Tensor], torch.Tensor] = (
            torch.compile(network, dynamic=False, options={"freezing": self.device.type == "cpu"})
            if compile
            else network
        )
        how = loaded.backbone.preprocessing
        self._range = how.value_range
        self._name = loaded.backbone.name
        shape = (1, how.channels, 1, 1, 1)
        cube = loaded.mean_cube
        mean = torch.tensor(how.mean).view(shape) if cube is None else torch.from_numpy(cube)[None]
        self._mean = mean.to(self.device, torch.float32)
        self._std = torch.tensor(how.std).view(shape).to(self.device)
        self._threads = torch.get_num_threads()
        self.lanes = 2  # on a GPU the second one prepares while the first one computes
        if compile:
            self.lanes = 1
        elif self.device.type == "cpu":
            self.lanes = min(4, self._threads)
            torch.set_num_threads(self._threads // self.lanes)
        if batch is None:
            width = loaded.network.architecture["width"] if isinstance(loaded.network, C3D) else 64
            pixels = loaded.backbone.clip_frames * how.crop_height * how.crop_width
            quick = max(2, min(8, _LANE_BYTES // (4 * pixels * width)))
            self.batch = quick if self.device.type == "cpu" else _GPU_BATCH
        else:
            self.batch = max(1, batch // self.lanes) if self.device.type == "cpu" else batch
        self._executor = ThreadPoolExecutor(self.lanes, thread_name_prefix="network")

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the lanes to end, and give torch its threads back."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(self._threads)

    def submit(self, clips: np.ndarray) -> Future[np.ndarray]:
        """Run a batch in the next free lane."""
        return self._executor.submit(self, clips)

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """Features of clips.

        Args:
            clips: (B, T, H, W, channels) uint8, prepared by `Preprocessing.frames`.

        Returns:
            (B, D) float32.
        """
        count = len(clips)
        if count < self.batch:
            # Always the same shape: the libraries choose their loops by it, and with them the last digits. So a clip's
            # features do not depend on which others it was computed with.
            clips = np.concatenate([clips, np.repeat(clips[-1:], self.batch - count, axis=0)])
        x = torch.from_numpy(clips)
        if self.device.type == "cuda":
            x = x.pin_memory().to(self.device, non_blocking=True)
        x = x.permute(0, 4, 1, 2, 3).to(torch.float32)
        if self._range != 255.0:
            x.mul_(self._range / 255.0)
        x = x.sub_(self._mean).div_(self._std).to(self._dtype)
        try:
            features = self._network(x)
        except torch.cuda.OutOfMemoryError as error:
            raise self._too_large(x) from error
        except (RuntimeError, ValueError) as error:
            raise FeatureError(
                f"{self._name} cannot be given clips of {clips.shape[1]} frames of {clips.shape[2]}x{clips.shape[3]}",
                why=first_line(error),
                next="leave out --length-frames: the network's own number is known",
                subject=self._name,
            ) from error
        return features[:count].to("cpu", torch.float32).numpy()

    def _too_large(self, x: torch.Tensor) -> FeatureError:
        """The message for a batch that the device has no memory for, with one that it has."""
        fits = len(x) // 2
        while fits:
            torch.cuda.empty_cache()
            try:
                self._network(x[:fits])
                break
            except torch.cuda.OutOfMemoryError:
                fits //= 2
        return FeatureError(
            f"a batch of {len(x)} clips does not fit into the memory of {self.device}",
            why=f"{fits} of them do" if fits else "not even one does",
            next=f"--batch {fits}" if fits else "--device cpu, or a smaller network",
            subject=self._name,
        )
