"""What a video's labels say about the network's answer."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def video_loss(video_logits: Tensor, labels: Tensor, *, loss: str) -> Tensor:
    """The loss of each video from its labels alone.

    Args:
        video_logits: (B, C).
        labels: (B, C), 1 where a video has a class.
        loss: `softmax`: cross-entropy, the mass shared evenly among a video's labels. `sigmoid`: the mean over classes
            of binary cross-entropy.

    Returns:
        (B,).
    """
    if loss == "sigmoid":
        return functional.binary_cross_entropy_with_logits(video_logits, labels, reduction="none").mean(dim=1)
    target = labels / labels.sum(dim=1, keepdim=True)
    return -(target * video_logits.log_softmax(dim=1)).sum(dim=1)
