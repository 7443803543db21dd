"""H.264's bits as far as pictures are counted by them: units, sets of parameters and Exp-Golomb codes (ITU-T H.264)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# Profiles whose sequences say how colours are stored, and how they are scaled (7.3.2.1.1).
_HIGH = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})


class SequenceParameters(NamedTuple):
    """What is needed of a set of sequence parameters: bits of `frame_num`, and three flags."""

    width: int
    planes_apart: bool
    gaps_allowed: bool
    frames_only: bool


def sequence_parameters(bits: Bits) -> tuple[int, SequenceParameters]:
    """The number of a set of sequence parameters, and what is needed of it (7.3.2.1.1)."""
    profile = bits.take(8)
    bits.take(16)
    number, planes = bits.exp(), 0
    if profile in _HIGH:
        chroma = bits.exp()
        planes = bits.take(1) if chroma == 3 else 0
        bits.pass_exp(2)
        bits.take(1)
        if bits.take(1):
            for i in range(8 if chroma != 3 else 12):
                if bits.take(1):
                    _pass_scaling(bits, 16 if i < 6 else 64)
    width = bits.exp() + 4
    order = bits.exp()
    if order == 0:
        bits.exp()
    elif order == 1:
        bits.take(1)
        bits.pass_exp(2)
        bits.pass_exp(bits.exp())
    bits.exp()
    gaps = bits.take(1)
    bits.pass_exp(2)
    return number, SequenceParameters(width, bool(planes), bool(gaps), bool(bits.take(1)))


def _pass_scaling(bits: Bits, size: int) -> None:
    """Read past a scaling list (7.3.2.1.1.1)."""
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.exp()
            following = (last + (-(code // 2) if code % 2 == 0 else code // 2 + 1)) % 256
        last = following or last


class Bits:
    """Reads bits of a NAL unit."""

    def __init__(self, data: bytes) -> None:
        data = data.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, width: int) -> int:
        """An unsigned number of so many bits."""
        self._left -= width
        if self._left < 0:
            raise EOFError
        return self._value >> self._left & ((1 << width) - 1)

    def pass_exp(self, count: int) -> None:
        """Read past so many codes."""
        for _ in range(count):
            self.exp()

    def exp(self) -> int:
        """An unsigned Exp-Golomb code (9.1)."""
        rest = self._value & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        self.take(zeros)
        return self.take(zeros + 1) - 1


def units(data: bytes) -> Iterator[bytes]:
    """NAL units behind start codes."""
    at = data.find(b"\0\0\1")
    while at >= 0:
        end = data.find(b"\0\0\1", at + 3)
        yield data[at + 3 : end if end >= 0 else len(data)]
        at = end


def sized_units(data: bytes, length_size: int) -> Iterator[bytes]:
    """NAL units behind their lengths."""
    at = 0
    while at + length_size < len(data):
        size = int.from_bytes(data[at : at + length_size], "big")
        at += length_size
        yield data[at : at + size]
        at += size
