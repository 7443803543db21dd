"""Small videos whose frames carry their own number, so that a test sees which frame it was given."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 10
SIZE = (96, 160)  # height, width: ten blocks of 16 pixels in a row


def numbered_frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A frame with its number in ten black or white blocks, and a gradient that moves."""
    height, width = size
    ramp = (np.arange(width)[None] * 2 + np.arange(height)[:, None] + 5 * number) % 256
    frame = np.repeat(ramp[:, :, None], 3, axis=2).astype(np.uint8)
    block = width // BITS
    for bit in range(BITS):
        frame[: height // 3, bit * block : (bit + 1) * block] = 235 if number >> bit & 1 else 16
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number in a decoded frame of any size."""
    height, width = frame.shape[:2]
    row = frame[height // 6, :, 1]
    return sum(1 << bit for bit in range(BITS) if row[int((bit + 0.5) * width / BITS)] > 128)


def write_video(
    path: Path,
    frames: int = 60,
    *,
    fps: int | Fraction = 25,
    codec: str = "libx264",
    size: tuple[int, int] = SIZE,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    stamps: Sequence[int] | None = None,
    audio_seconds: float = 0.0,
    format: str | None = None,
) -> Path:
    """Encode numbered frames; `stamps` in units of 1 / fps instead of 0, 1, 2, ..."""
    with av.open(str(path), "w", format=format, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options=options or {})
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        sound = (
            container.add_stream("aac" if path.suffix != ".webm" else "libopus", rate=48000) if audio_seconds else None
        )
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_frame(i, size), format="rgb24")
            frame.pts = stamps[i] if stamps is not None else i
            frame.time_base = 1 / Fraction(fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            silence = np.zeros((1, int(48000 * audio_seconds)), np.float32)
            for at in range(0, silence.shape[1], 960):
                part = av.AudioFrame.from_ndarray(silence[:, at : at + 960], format="fltp", layout="mono")
                part.sample_rate, part.pts, part.time_base = 48000, at, Fraction(1, 48000)
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return path
