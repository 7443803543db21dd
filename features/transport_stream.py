"""Is an MPEG transport stream whole? Decoders go on over holes in one without a word; its packets tell.

Every packet of 188 bytes begins with 0x47, and those of one stream are counted modulo 16 (ISO/IEC 13818-1, 2.4.3).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

_PACKET, _SYNC = 188, 0x47
# Packets read at a time: 47 MB.
_PORTION = 250_000


def transport_stream_damage(path: Path) -> str:
    """What is wrong with the packets of a transport stream; empty if nothing is, or if it is of another packet size."""
    with open(path, "rb") as file:
        start = file.read(2 * _PACKET + 1)
        if len(start) > 2 * _PACKET and not start[0] == start[_PACKET] == start[2 * _PACKET] == _SYNC:
            return ""  # packets of 192 or 204 bytes, or something before the first one
        file.seek(0)
        counters: dict[int, int] = {}
        at = 0
        while True:
            data = file.read(_PORTION * _PACKET)
            if not data:
                return ""
            if len(data) % _PACKET:
                return f"the last packet is cut off after {len(data) % _PACKET} of {_PACKET} bytes"
            packets = np.frombuffer(data, np.uint8).reshape(-1, _PACKET)
            lost = packets[:, 0] != _SYNC
            if lost.any():
                return f"packet {at + int(np.argmax(lost))} does not begin with the synchronisation byte"
            why = _miscounted(packets, counters, at)
            if why:
                return why
            at += len(packets)


def _miscounted(packets: np.ndarray, counters: dict[int, int], at: int) -> str:
    stream = (packets[:, 1].astype(np.int64) & 0x1F) << 8 | packets[:, 2]
    if (packets[:, 1] & 0x80).any():
        return f"packet {at + int(np.argmax(packets[:, 1] & 0x80))} is marked as damaged"
    counter = (packets[:, 3] & 0x0F).astype(np.int64)
    payload = packets[:, 3] & 0x10 != 0
    # An announced discontinuity may begin anywhere.
    announced = (packets[:, 3] & 0x20 != 0) & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 != 0)
    for number in np.unique(stream):
        if number == 0x1FFF:  # padding is not counted
            continue
        rows = np.flatnonzero((stream == number) & payload)
        if not len(rows):
            continue
        before = np.roll(counter[rows], 1)
        before[0] = counters.get(int(number), int(counter[rows[0]]) - 1)
        step = (counter[rows] - before) % 16
        wrong = (step > 1) & ~announced[rows]  # 0 is a packet sent twice
        if wrong.any():
            return f"packets of stream {number} are missing before packet {at + int(rows[np.argmax(wrong)])}"
        counters[int(number)] = int(counter[rows[-1]])
    return ""
