"""Small videos whose frames carry their own number, so that a test sees which frame it was given."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 10
SIZE = (96, 160)  # height, width: ten blocks of 16 pixels in a row
# By codec: an encoder, and options that give short groups of pictures, with B-pictures where there are any.
FRAMES_OPTIONS = {
    "h264": ("libx264", {"g": "20", "bf": "2", "preset": "fast"}),
    "hevc": ("libx265", {"preset": "fast", "x265-params": "log-level=none:keyint=20:bframes=2"}),
    "hevc-md5": ("libx265", {"preset": "fast", "x265-params": "log-level=none:keyint=20:bframes=2:hash=1"}),
    "mpeg2": ("mpeg2video", {"g": "12", "bf": "2", "q": "4"}),
    "mpeg4": ("mpeg4", {"g": "12", "q": "4"}),
    "vp9": ("libvpx-vp9", {"g": "20", "deadline": "realtime", "cpu-used": "6"}),
    "av1": ("libsvtav1", {"g": "20", "preset": "10"}),
}


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


def bytes_of_bits(bits: Sequence[tuple[int, int]]) -> bytes:
    """(width, value) pairs as bytes, filled up with zeros."""
    text = "".join(f"{value:0{width}b}" for width, value in bits)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def _exp(value: int) -> tuple[int, int]:
    """An unsigned Exp-Golomb code (ITU-T H.264, 9.1)."""
    return 2 * (value + 1).bit_length() - 1, value + 1


def _unit(kind: int, body: bytes) -> bytes:
    """A NAL unit with what would look like a start code broken up (7.4.1)."""
    out, zeros = bytearray(), 0
    for byte in body:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([0x60 | kind]) + bytes(out)


def field_coded(frames: int, *, rate: int | None = 25) -> bytes:
    """A bare H.264 stream of 64x64 frames, each coded as two fields; the number in black and white blocks.

    No encoder at hand writes fields as pictures of their own, so this one does, with uncompressed macroblocks. Without
    `rate` the stream does not say how fast it is to be shown.
    """
    head = [(8, 100), (8, 0), (8, 30), _exp(0), _exp(1), _exp(0), _exp(0), (2, 0), _exp(0), _exp(0), _exp(4), _exp(1)]
    head += [(1, 0), _exp(3), _exp(1), (1, 0), (1, 0), (1, 1), (1, 0)]
    if rate is None:
        head += [(1, 0)]
    else:
        head += [(1, 1), (4, 0), (1, 1), (32, 1), (32, 2 * rate), (1, 1), (4, 0)]
    sequence = _unit(7, bytes_of_bits([*head, (1, 1)]))
    kind = [_exp(0), _exp(0), (2, 0), _exp(0), _exp(0), _exp(0), (3, 0), *[_exp(0)] * 3, (1, 1), (2, 0), (1, 1)]
    picture = _unit(8, bytes_of_bits(kind))
    stream = b""
    for number in range(frames):
        stream += _unit(9, b"\x10") + sequence + picture
        for bottom in (0, 1):
            first = [_exp(number % 2)] if not bottom else []
            marking = [(2, 0)] if not bottom else [(1, 0)]
            start = [
                _exp(0),
                _exp(7),
                _exp(0),
                (4, 0),
                (1, 1),
                (1, bottom),
                *first,
                (8, bottom),
                *marking,
                _exp(0),
                _exp(1),
            ]
            stream += _unit(1 if bottom else 5, _field(start, number))
    return stream


def _field(start: list[tuple[int, int]], number: int) -> bytes:
    bits = list(start)
    for place in range(8):  # two rows of four uncompressed macroblocks
        bits.append(_exp(25))
        bits.append((-sum(width for width, _ in bits) % 8 or 8, 0) if sum(width for width, _ in bits) % 8 else (8, 0))
        if bits[-1] == (8, 0):
            bits.pop()
        bright = 200 if number >> place & 1 else 50
        bits += [(8, bright)] * 256 + [(8, 128)] * 128
    return bytes_of_bits([*bits, (1, 1)])


def field_number(frame: np.ndarray) -> int:
    """The number in a frame of `field_coded`: a bit a macroblock, two rows of four."""
    blocks = frame[16::32, 8::16, 1][:2]
    return sum(1 << bit for bit, value in enumerate(blocks.ravel()) if value > 128)
