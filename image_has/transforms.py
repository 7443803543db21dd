"""Hide-and-Seek as a torchvision transform, for anyone's own pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import PIL.Image
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional
from torchvision.tv_tensors import Image, Video

from .decode import as_rgb
from .hide import checked_sizes, hide
from .settings import PAPER_SIZES

_PLAIN = {"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"}
"""PIL's modes that a tensor can stand for; images of others become RGB."""


def _is_plain_tensor(value: object) -> bool:
    return type(value) in (torch.Tensor, torch.nn.Parameter)


class HidePatches(v2.Transform):
    """Hide random square cells of images (Singh & Lee, "Hide-and-Seek", ICCV 2017).

    Put it after normalisation by the data set's mean and leave `fill` at 0, or give the mean as `fill`. Takes tensors
    and `tv_tensors.Image` of shape (..., M, H, W), PIL images and videos (all frames of a video are hidden alike); of
    a batch each image is hidden by itself. Boxes, masks and labels pass through unchanged. Hide while training only.

    Args:
        size: Side of a cell in pixels, or several sizes of which each image draws one; 0 hides nothing. The paper's
            sizes are for 224 pixel crops.
        probability: With which each cell is hidden.
        fill: What hidden pixels take: a number, or one a channel, in the units of the images.
        generator: The source of randomness. Without one it is torch's own, which a `DataLoader` seeds in each worker;
            an explicit one would be copied to every worker, and all would hide the same.

    >>> transform = HidePatches(size=2, probability=1.0)
    >>> float(transform(torch.ones(3, 8, 8)).sum())
    0.0
    """

    def __init__(
        self,
        size: int | Sequence[int] = PAPER_SIZES,
        *,
        probability: float = 0.5,
        fill: float | Sequence[float] = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.size = checked_sizes(size)
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, but is {probability!r}")
        self.probability = probability
        self.fill = fill
        self.generator = generator
        # Boxes and masks are tensors too: name exactly what is hidden.
        self._transformed_types = (_is_plain_tensor, Image, Video, PIL.Image.Image)

    def transform(self, inpt: PIL.Image.Image | Tensor, params: dict[str, object]) -> PIL.Image.Image | Tensor:
        """Called by torchvision for each image found in the sample."""
        if isinstance(inpt, PIL.Image.Image):
            inpt = inpt if inpt.mode in _PLAIN else as_rgb(inpt)  # a mean of palette entries means nothing
            return functional.to_pil_image(self._hidden(functional.pil_to_tensor(inpt)), mode=inpt.mode)
        return self._hidden(inpt)

    def _hidden(self, inpt: Tensor) -> Tensor:
        if inpt.ndim < 3:
            raise ValueError(f"an image must be (..., M, H, W), but its shape is {tuple(inpt.shape)}")
        pixels = inpt.as_subclass(torch.Tensor)
        if isinstance(inpt, Video):  # (..., T, M, H, W): time and channel together are what one cell hides
            fill = torch.as_tensor(self.fill)
            batch = pixels.reshape(-1, inpt.shape[-4] * inpt.shape[-3], *inpt.shape[-2:])
            fill = fill if fill.ndim == 0 else fill.repeat(inpt.shape[-4])
        else:
            fill, batch = torch.as_tensor(self.fill), pixels.reshape(-1, *inpt.shape[-3:])
        hidden = hide(
            batch,
            size=self.size,
            probability=self.probability,
            fill=fill,
            generator=self.generator or torch.default_generator,
        ).reshape(inpt.shape)
        return type(inpt)(hidden) if isinstance(inpt, Image | Video) else hidden

    def extra_repr(self) -> str:
        """The settings, for `print`."""
        return f"size={self.size}, probability={self.probability}, fill={self.fill}"
