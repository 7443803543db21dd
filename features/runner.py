"""A loaded backbone on a device: batches of prepared frames in, features out, as fast as the device allows."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from .weights import LoadedBackbone

Precision = Literal["fp32", "tf32", "bf16"]


class Runner:
    """Runs a backbone on batches of clips.

    Args:
        loaded: The network and its preprocessing.
        device: "cpu", "cuda", "cuda:1"; None takes a GPU if there is one.
        precision: "fp32"; "tf32" and "bf16" are faster on GPUs and change the features' last digits.
        compile: Compile the network first: half a minute once, for long jobs.
    """

    def __init__(
        self,
        loaded: LoadedBackbone,
        *,
        device: str | None = None,
        precision: Precision = "fp32",
        compile: bool = False,
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._tf32 = precision == "tf32"
        # Frames arrive as (B, T, H, W, 3): seen as (B, 3, T, H, W) that is channels-last already, the layout in which
        # convolutions are fastest on processors and on GPUs alike.
        network: Any = loaded.network
        network = network.to(self.device, self._dtype, memory_format=torch.channels_last_3d)
        self._network = torch.compile(network, dynamic=False) if compile else network
        self._compiled = compile
        how = loaded.backbone.preprocessing
        self._range = how.value_range
        shape = (1, 3, 1, 1, 1)
        cube = loaded.mean_cube
        mean = torch.tensor(how.mean).view(shape) if cube is None else torch.from_numpy(cube)[None]
        self._mean = mean.to(self.device, torch.float32)
        self._std = torch.tensor(how.std).view(shape).to(self.device)
        self._batch = 0

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """Features of clips.

        Args:
            clips: (B, T, H, W, 3) uint8, prepared by `Preprocessing.frame`.

        Returns:
            (B, D) float32.
        """
        count = len(clips)
        self._batch = max(self._batch, count)
        if self._compiled and count < self._batch:
            # One shape only, or each new one is compiled again.
            clips = np.concatenate([clips, np.repeat(clips[-1:], self._batch - count, axis=0)])
        x = torch.from_numpy(clips)
        if self.device.type == "cuda":
            x = x.pin_memory().to(self.device, non_blocking=True)
        x = x.permute(0, 4, 1, 2, 3).to(torch.float32)
        if self._range != 255.0:
            x.mul_(self._range / 255.0)
        x = x.sub_(self._mean).div_(self._std).to(self._dtype)
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self._tf32
        try:
            features = self._network(x)
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
        return features[:count].to("cpu", torch.float32).numpy()
