"""What the package uses of torchcodec, which is an optional extra."""

from torch import Tensor

class Frame:
    data: Tensor
    pts_seconds: float

class FrameBatch:
    data: Tensor
    pts_seconds: Tensor

class VideoDecoder:
    def __init__(
        self, source: str, *, dimension_order: str, num_ffmpeg_threads: int, device: str, seek_mode: str
    ) -> None: ...
    def __len__(self) -> int: ...
    def get_frame_at(self, index: int) -> Frame: ...
    def get_frames_at(self, indices: list[int]) -> FrameBatch: ...
