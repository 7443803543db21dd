"""Is a file whole? Decoders go on over holes without a word; what its container counts and sums up tells.

MPEG transport streams: every packet begins with 0x47, and those of one stream are counted modulo 16 (ISO/IEC 13818-1,
2.4.3). Packets have 188 bytes; on Blu-ray discs and cameras' cards four bytes come before each, in broadcasting sixteen
may come after. Matroska: its clusters, some seconds each, may carry a checksum, and FFmpeg's writer gives them one.
FFmpeg's reader passes over them, and a flipped bit of HEVC, VP9 or AV1 is seen by nothing else (RFC 8794, 11.3.1;
RFC 9559, 5.1).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

_SYNC = 0x47
# Bytes from one packet to the next, and where in it the packet itself begins.
_LAYOUTS = ((188, 0), (192, 4), (204, 0))
# Bytes by which the layout is told.
_TRIED = 1 << 16
# Packets read at a time: about 47 MB.
_PORTION = 250_000
_PADDING = 0x1FFF


@dataclass(frozen=True)
class Break:
    """A place where a transport stream is not whole.

    Attributes:
        place: The byte up to which it is.
        stream: The stream concerned, by the number in its packets; None if it may be any.
        why: What is wrong.
        seam: Everything begins anew here, as where two recordings were put together: whether something is missing,
            the time stamps tell.
    """

    place: int
    stream: int | None
    why: str
    seam: bool = False


def transport_stream_breaks(path: Path) -> list[Break]:
    """The first thousand places at which a transport stream is not whole; none if its packets have no known length."""
    return list(islice(_breaks(path), 1000))


def transport_stream_damage(path: Path) -> str:
    """What is wrong first with the packets of a transport stream; empty if nothing is."""
    return next((found.why for found in _breaks(path)), "")


def _breaks(path: Path) -> Iterator[Break]:
    with open(path, "rb") as file:
        size, lead = _layout(file)
        if not size:
            return
        counters: dict[int, int] = {}
        seen: dict[int, int] = {}  # number of the last packet of each stream
        # The byte, and the number of the packet that begins there. Recordings may begin within a packet.
        place, at = max(0, _found_again(file, 0, size, lead)), 0
        file.seek(lead)
        if place and file.read(1) == bytes([_SYNC]):
            yield Break(0, None, "packet 0 is not followed by another")
        while True:
            file.seek(place)
            data = file.read(_PORTION * size)
            packets = np.frombuffer(data[: len(data) // size * size], np.uint8).reshape(-1, size)[:, lead:]
            astray = packets[:, 0] != _SYNC
            count = int(np.argmax(astray)) if astray.any() else len(packets)
            for number, stream, why, seam in sorted(_portion(packets[:count], counters, seen, at)):
                yield Break(place + (number - at) * size, stream, why, seam)
            place, at = place + count * size, at + count
            if count < len(packets):
                yield Break(place, None, f"packet {at} does not begin with the synchronisation byte")
                place = _found_again(file, place + 1, size, lead)
                if place < 0:
                    return
            elif len(data) < _PORTION * size:
                cut = len(data) % size
                if cut:
                    yield Break(place, None, f"the last packet is cut off after {cut} of {size} bytes")
                return


def _layout(file: BinaryIO) -> tuple[int, int]:
    """Bytes from one packet to the next, and where in it the packet begins; zeros if this is no known layout."""
    start = np.frombuffer(file.read(_TRIED), np.uint8) == _SYNC
    # A hole shifts what follows it, so that runs are counted, wherever they begin.
    runs = [int((start[: -2 * size] & start[size:-size] & start[2 * size :]).sum()) for size, _ in _LAYOUTS]
    return _LAYOUTS[int(np.argmax(runs))] if len(start) > 3 * _LAYOUTS[-1][0] and max(runs) > 2 else (0, 0)


def _found_again(file: BinaryIO, place: int, size: int, lead: int) -> int:
    """Where packets follow each other again, from a byte on; negative if nowhere."""
    while True:
        file.seek(place)
        data = np.frombuffer(file.read((1 << 20) + 2 * size + lead), np.uint8)
        if len(data) <= 2 * size + lead:
            return -1
        begins = data[lead : len(data) - 2 * size] == _SYNC
        begins &= (data[lead + size : len(data) - size] == _SYNC) & (data[lead + 2 * size :] == _SYNC)
        if begins.any():
            return place + int(np.argmax(begins))
        place += len(begins)


def _portion(
    packets: np.ndarray, counters: dict[int, int], seen: dict[int, int], at: int
) -> list[tuple[int, int, str, bool]]:
    """Number, stream, reason and seam of what is wrong with consecutive packets; the first one's number is `at`."""
    stream = (packets[:, 1].astype(np.int64) & 0x1F) << 8 | packets[:, 2]
    counter = (packets[:, 3] & 0x0F).astype(np.int64)
    payload = packets[:, 3] & 0x10 != 0
    marked = np.flatnonzero(packets[:, 1] & 0x80)
    found = [(at + int(n), int(stream[n]), f"packet {at + int(n)} is marked as damaged", False) for n in marked]
    # An announced discontinuity may begin anywhere.
    announced = (packets[:, 3] & 0x20 != 0) & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 != 0)
    tables = at + np.flatnonzero(stream == 0)
    for number in np.unique(stream):
        if number == _PADDING:  # is not counted
            continue
        rows = np.flatnonzero((stream == number) & payload)
        if not len(rows):
            continue
        before = np.roll(counter[rows], 1)
        before[0] = counters.get(int(number), int(counter[rows[0]]) - 1)
        step = (counter[rows] - before) % 16
        for place in np.flatnonzero((step > 1) & ~announced[rows]):  # 0 is a packet sent twice
            row = int(rows[place])
            previous = at + int(rows[place - 1]) if place else seen.get(int(number), -1)
            begins = bool(packets[row, 1] & 0x40)
            # A recording begins with the tables of what is in it.
            seam = begins and (number == 0 or bool(((tables > previous) & (tables < at + row)).any()))
            why = f"packets of stream {number} are missing before packet {at + row}"
            found.append((at + row, int(number), why, seam))
        counters[int(number)] = int(counter[rows[-1]])
        seen[int(number)] = at + int(rows[-1])
    return found


_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# What describes the streams and their clock: with it damaged, nothing is to be trusted.
_DESCRIBING = {0x1549A966: "Info", 0x1654AE6B: "Tracks"}
_CHECKSUM = b"\xbf\x84"
_READ_BYTES = 1 << 20


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
    while left > 0 and (data := file.read(min(left, _READ_BYTES))):
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
        data = file.read(_READ_BYTES)
        at = data.find(mark)
        if at >= 0:
            return place + at
        if len(data) < _READ_BYTES:
            return place + len(data) + 4
        place += len(data) - 3
