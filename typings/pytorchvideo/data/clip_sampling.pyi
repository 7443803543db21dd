"""What the package uses of pytorchvideo, which brings no types of its own."""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

class ClipInfo(NamedTuple):
    clip_start_sec: Fraction
    clip_end_sec: Fraction
    clip_index: int
    aug_index: int
    is_last_clip: bool

class UniformClipSampler:
    def __init__(self, clip_duration: Fraction, stride: Fraction) -> None: ...
    def __call__(
        self, last_clip_time: Fraction, video_duration: Fraction, annotation: Mapping[str, object]
    ) -> ClipInfo: ...
