"""Is a Matroska file whole? Its clusters, some seconds each, may carry a checksum, and FFmpeg's writer gives them one.

FFmpeg's reader passes over them, and a flipped bit of HEVC, VP9 or AV1 is seen by nothing else (RFC 8794, 11.3.1;
RFC 9559, 5.1).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# What describes the streams and their clock: with it damaged, nothing is to be trusted.
_DESCRIBING = {0x1549A966: "Info", 0x1654AE6B: "Tracks"}
_CHECKSUM = b"\xbf\x84"
_PORTION = 1 << 20


class Spoilt(NamedTuple):
    """A part of a file that is not what was written.

    Attributes:
        begin: Its first byte.
        end: The byte after its last; None if all of the file is concerned.
        why: What is wrong.
    """

    begin: int
    end: int | None
    why: str


def segment_end(file: BinaryIO) -> int:
    """Where the segment of a file ends by its own size; 0 if it does not say (RFC 8794, 4 and 6)."""
    place = 0
    for wanted in (_EBML, _SEGMENT):
        kind, begin, length = _head(file, place) or (0, 0, None)
        if kind != wanted or length is None:
            return 0
        place = begin + length
    return place


def spoilt_parts(path: Path) -> Iterator[Spoilt]:
    """The parts whose checksum fails; none where there are no checksums."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        place = 0
        for wanted in (_EBML, _SEGMENT):
            head = _head(file, place)
            if head is None or head[0] != wanted:
                return
            place = head[1] + (head[2] or 0 if wanted == _EBML else 0)
        while place < size:
            kind, begin, length = _head(file, place) or (0, 0, None)
            if length is None or begin + length > size:
                # A damaged head, a cluster written live without its length, or the file's end is gone.
                place = _next_cluster(file, place + 1)
                continue
            if (kind == _CLUSTER or kind in _DESCRIBING) and _fails(file, begin, length):
                whole = kind in _DESCRIBING
                name = _DESCRIBING.get(kind, "cluster")
                why = f"matroska: the checksum of its {name} at byte {place} fails"
                yield Spoilt(0 if whole else place, None if whole else begin + length, why)
            place = begin + length


def _fails(file: BinaryIO, begin: int, length: int) -> bool:
    """Whether an element begins with a checksum that is not the one of what follows."""
    file.seek(begin)
    head = file.read(6)
    if length < 6 or head[:2] != _CHECKSUM:
        return False
    left, found = length - 6, 0
    while left > 0 and (data := file.read(min(left, _PORTION))):
        found, left = zlib.crc32(data, found), left - len(data)
    return found != int.from_bytes(head[2:], "little")


def _head(file: BinaryIO, place: int) -> tuple[int, int, int | None] | None:
    """Kind, first byte and length of the element at a byte; None if none is there.

    The length is None where it is not said.
    """
    file.seek(place)
    data = file.read(12)
    if len(data) < 2 or not data[0] & 0xF0:
        return None
    width = 9 - data[0].bit_length()
    kind, rest = int.from_bytes(data[:width], "big"), data[width:]
    if not rest or not rest[0]:
        return None
    bytes_ = 9 - rest[0].bit_length()
    length = int.from_bytes(rest[:bytes_], "big") & ((1 << 7 * bytes_) - 1)
    return kind, place + width + bytes_, None if length == (1 << 7 * bytes_) - 1 else length


def _next_cluster(file: BinaryIO, place: int) -> int:
    """The byte at which a cluster begins, from a byte on; past the end if none does."""
    mark = _CLUSTER.to_bytes(4, "big")
    while True:
        file.seek(place)
        data = file.read(_PORTION)
        at = data.find(mark)
        if at >= 0:
            return place + at
        if len(data) < _PORTION:
            return place + len(data) + 4
        place += len(data) - 3
