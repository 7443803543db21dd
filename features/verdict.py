"""What an account of decoding means: which frames a video shows, which of them were lost to damage, and why.

A damaged picture spoils those that refer to it: all that are decoded after it, until decoding may begin anew at a sound
key frame, and of the ones after that those that lead up to it, shown before it and decoded after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from .thorough import Account

# What decoders say of streams that were joined or cut, and of which no shown picture suffers; a reference that is
# missing is told by itself. Of other errors some decoders, that of HEVC above all, mark no frame.
NOISE = re.compile(
    r"mmco: unref short|co located POCs|number of reference frames|reorder buffer|frame RPS|SEI type|Late SEI"
    r"|non-existing [PS]PS|decode_slice_header|no frame!|time ?scale|timestamps|deprecated"
)
# Pictures are decoded out of their order, but not further than this.
_REORDERED = 32


@dataclass(frozen=True, eq=False)
class Verdict:
    """Which of the decoder's frames a video shows.

    Attributes:
        shown: (N,) int64, their numbers among all that the decoder gives, rising.
        lost: (N,) bool, the ones not to be trusted.
        holes: (G, 2) int64 stamps, from and to, where frames should be and none came.
        damage: What happened first; empty for a sound video.
        headless: The beginning is lost, so that times do not count from there.
        notes: What is worth knowing beside.
    """

    shown: np.ndarray
    lost: np.ndarray
    holes: np.ndarray
    damage: str = ""
    headless: bool = False
    notes: tuple[str, ...] = ()

    def from_damage_on(self) -> Verdict:
        """The same with all lost from the damage on: frames whose times are counted move up where some are gone."""
        behind = np.ones_like(self.lost) if self.headless else np.maximum.accumulate(self.lost)
        return replace(self, lost=behind)


@dataclass(frozen=True)
class _Fault:
    """Something that may spoil frames from a packet on.

    Attributes:
        packet: Its number.
        why: What it is.
        itself: False if only what leads up to the packet, a key frame, can suffer.
        reference: A picture that is referred to is missing.
        more: Others may be missing behind it.
    """

    packet: int
    why: str
    itself: bool = True
    reference: bool = False
    more: bool = False


def judge(account: Account) -> Verdict:
    """Tell damage from noise.

    Frames before the first that can be decoded belong to a recording that begins between key frames: they are there for
    nobody, and no damage.
    """
    return _Judge(account).verdict()


class _Judge:
    """The account with what is looked up in it."""

    def __init__(self, account: Account) -> None:
        self.packets, self.frames, self.events = account.packets, account.frames, account.events
        self.account = account
        self.output: dict[int, int] = {}
        for number, frame in enumerate(self.frames):
            self.output.setdefault(frame.packet, number)

    def verdict(self) -> Verdict:
        begin = self._beginning()
        if begin is None:
            nothing = np.empty(0, np.int64)
            why = next((event.text for event in self.events), "") or self.account.ended or "it shows no frame"
            return Verdict(nothing, nothing.astype(bool), nothing.reshape(0, 2), why)
        first = self.frames[begin].packet
        notes = list(self.account.notes)
        if first:
            notes.append(f"it begins between key frames: {first} packets come before the first that can be decoded")
        head = self._lost_head(first)
        spoilt: set[int] = set()
        seams: dict[str, None] = {}
        why = ""
        for fault in sorted(self._faults(first), key=lambda fault: fault.packet):
            lost = self._spoilt_by(fault) if fault.more or fault.packet not in spoilt else set[int]()
            if lost and self._at_seam(fault):
                at = self._key_of(fault.packet)
                seams.setdefault(f"joined at packet {at}: pictures before it refer to absent ones ({fault.why})")
            elif lost:
                why = why or fault.why
                if fault.reference and fault.packet > first:
                    lost.add(fault.packet - 1)  # bytes that are gone may have been its end
            spoilt |= lost
        shown = np.arange(begin, len(self.frames))
        if spoilt:
            spoilt |= self._out_of_order(begin)
        holes = [self._hole(number) for number in sorted(spoilt)] + [gap for gap in self._gaps if gap]
        why = why or head
        if self.account.ended and not why:
            why = f"reading stopped: {self.account.ended}"
        return Verdict(
            shown,
            np.array([self.frames[number].packet in spoilt for number in shown], dtype=bool),
            np.array(sorted(hole for hole in holes if hole), dtype=np.int64).reshape(-1, 2),
            why,
            bool(head),
            tuple(dict.fromkeys([*notes, *seams])),
        )

    def _out_of_order(self, begin: int) -> set[int]:
        """Packets whose frames come out behind others that are shown after them: their times cannot be trusted."""
        stamps = np.array([np.nan if frame.stamp is None else frame.stamp for frame in self.frames[begin:]])
        behind = np.fmax.accumulate(stamps) - stamps
        # What falls further is another clock.
        late = np.flatnonzero((behind > 0) & (behind < _REORDERED * self._step))
        return {self.frames[begin + int(number)].packet for number in late}

    def _lost_head(self, first: int) -> str:
        """Why the beginning is lost, and not only left out by a recording that began between key frames."""
        for event in self.events:
            if event.kind in ("container", "break") and (event.packet < first or event.packet == 0):
                return event.text
            if event.kind == "failure" and event.packet < first and self.account.indexed:
                return event.text
        if any(packet.key and not packet.discarded for packet in self.packets[:first]):
            why = "the decoder marks its first frame as damaged"
            return next((event.text for event in self.events if event.packet < first), why)
        return ""

    def _beginning(self) -> int | None:
        """Number of the first frame that stands on its own; of the first undamaged one if none is known to."""
        sound = [number for number, frame in enumerate(self.frames) if not frame.corrupt]
        alone = (number for number in sound if self.frames[number].key or self.frames[number].intra)
        return next(alone, sound[0] if sound else None)

    def _faults(self, first: int) -> list[_Fault]:
        """All that may have spoilt frames from packet `first` on."""
        found = [_Fault(frame.packet, "the decoder marks a frame as damaged") for frame in self.frames if frame.corrupt]
        for event in self.events:
            told = event.kind == "error" and not NOISE.search(event.text)
            if told or (event.kind == "failure" and event.packet not in self.output):
                if event.packet < len(self.packets) and not self.packets[event.packet].discarded:
                    found.append(_Fault(self._first_field(event.packet), event.text))
            elif event.kind == "reference":
                found.append(_Fault(event.packet, event.text, event.packet not in self._keys, reference=True))
        # What leads up to the first frame is not shown either, be it damaged or not.
        return [
            fault
            for fault in [*found, *self._container_faults]
            if fault.packet >= first
            and not (self._leads_to(fault.packet, first) and self._key_of(fault.packet) == first)
        ]

    @cached_property
    def _container_faults(self) -> list[_Fault]:
        """Losses between packets: counted ones, and where the container's reader complained and stamps are missing."""
        # FFmpeg calls one of the last two packets before a seam damaged, since counting begins anew behind them.
        ends = {event.packet - back for event in self.events if event.kind == "seam" for back in (1, 2)}
        corrupt = (number for number, packet in enumerate(self.packets) if packet.corrupt and number not in ends)
        found = [_Fault(number, "a packet is marked as damaged") for number in corrupt]
        told = {(event.packet, event.kind): event.text for event in self.events}
        for (number, kind), text in told.items():
            gap = self._gap_at(number) if kind in ("container", "seam") else None
            lost = kind == "break" or gap is not None
            if kind == "seam" and gap is not None:
                lost = gap[1] - gap[0] < self._clock_jump
            # A block of Matroska that lost bytes takes what follows it for its own.
            lost = lost or (number == len(self.packets) and kind == "container" and text.startswith("matroska"))
            if lost:
                # The last packet before it may have lost its end.
                place = max(0, number - 1) if kind == "container" else number
                found.append(_Fault(min(place, len(self.packets) - 1), text, more=True))
        return sorted(found, key=lambda fault: fault.packet)

    @property
    def _clock_jump(self) -> float:
        """Stamps that a gap at a seam spans at most, ten seconds at 25 frames each; a longer one is another clock."""
        return 250 * self._step

    def _at_seam(self, fault: _Fault) -> bool:
        """Whether a fault is where pieces were joined: pictures that lead up to a key frame refer to another piece's.

        Only they suffer, and nothing was lost since; players show them, if anything comes out. They are marked, but the
        file is sound.
        """
        key = self._key_of(fault.packet)
        return fault.reference and key is not None and (not fault.itself or self._leads_to(fault.packet, key))

    @cached_property
    def _keys(self) -> list[int]:
        """The packets at which decoding may begin anew, rising."""
        return sorted(frame.packet for frame in self.frames if frame.key and frame.intra and not frame.corrupt)

    def _first_field(self, packet: int) -> int:
        """The packet of the frame that a packet completes, where frames consist of two fields."""
        before = self.output.get(packet - 1)
        return packet - 1 if before is not None and self.frames[before].interlaced else packet

    def _spoilt_by(self, fault: _Fault) -> set[int]:
        """The packets whose pictures a fault spoils."""
        key = self._key_of(fault.packet)
        place = int(np.searchsorted(self._keys, fault.packet, side="right"))
        anew = self._keys[place] if place < len(self._keys) else len(self.packets)
        if not fault.itself or (not fault.more and key is not None and self._leads_to(fault.packet, key)):
            return {number for number in range(fault.packet, anew) if key is not None and self._leads_to(number, key)}
        after = self._keys[place + 1] if place + 1 < len(self._keys) else len(self.packets)
        leading = {number for number in range(anew + 1, after) if self._leads_to(number, anew)}
        return set(range(fault.packet, anew)) | leading

    def _key_of(self, packet: int) -> int | None:
        """The last packet up to this one at which decoding may begin."""
        place = int(np.searchsorted(self._keys, packet, side="right"))
        return self._keys[place - 1] if place else None

    def _leads_to(self, packet: int, key: int) -> bool:
        """Whether a picture that is decoded after a key frame is shown before it."""
        if packet <= key:
            return False
        mine, its = self.packets[packet].stamp, self.packets[key].stamp
        if mine is not None and its is not None:
            return mine < its
        return packet in self.output and self.output[packet] < self.output[key]

    def _hole(self, packet: int) -> tuple[int, int] | None:
        """From and to which stamp a spoilt packet leaves nothing; None if it gave a frame, which is marked itself."""
        stamp = self.packets[packet].stamp
        if packet in self.output or stamp is None or self.packets[packet].discarded:
            return None
        return stamp, stamp + max(1, self.packets[packet].span)

    @cached_property
    def _gaps(self) -> list[tuple[int, int] | None]:
        return [self._gap_at(fault.packet) for fault in self._container_faults]

    @cached_property
    def _step(self) -> float:
        """From one stamp to the next, as a rule."""
        stamps = np.unique([p.stamp for p in self.packets if p.stamp is not None])
        return float(np.median(np.diff(stamps))) if len(stamps) > 2 else 0.0

    def _gap_at(self, packet: int) -> tuple[int, int] | None:
        """From and to which stamp nothing is shown about a packet; None if nothing is missing there."""

        def stamps(reach: int) -> list[int]:
            about = self.packets[max(0, packet - reach) : packet + reach]
            return sorted({p.stamp for p in about if p.stamp is not None})

        near, wide = stamps(_REORDERED // 2), stamps(2 * _REORDERED)
        if not self._step or not near:
            return None
        for before, after in pairwise(wide):
            if near[0] <= before <= near[-1] and after - before > 1.5 * self._step:
                return round(before + self._step), after
        return None
