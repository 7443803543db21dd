"""Pictures that are missing from a stream or damaged in it, told by what its coded pictures carry.

A picture that others refer to may be lost between encoder and file: its packet is simply not there, and decoders
predict from an older one, most of them without a word. H.264 counts reference pictures (frame_num: ITU-T H.264,
7.4.3), MPEG-1 and MPEG-2 all pictures of a group (temporal_reference: ITU-T H.262, 6.3.9). HEVC lists what it refers
to, so that its decoder tells by itself; MPEG-4, VP8 and VP9 count nothing.

Pictures of VP9 carry neither numbers nor checksums, but what is learned from one shapes the code of those behind it:
after flipped bits or a lost packet, arithmetic decoding runs past the end of some picture's data before long. libvpx
looks whether it did (`vpx_reader_has_error`), FFmpeg's decoder does not. Both give the same pictures, as quickly.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from .h264_units import Bits, SequenceParameters, sequence_parameters, sized_units, units

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream


# Where fewer pictures than this share come as they are numbered, the stream does not count them.
_COUNTED = 0.75
# Kinds of NAL units of H.264: slices, the three parts of a partitioned one's first, a key picture, sets of parameters.
_SLICES, _KEY_SLICE, _SEQUENCE, _PICTURE = (1, 2, 5), 5, 7, 8
# Bytes of a slice in which its frame_num lies.
_HEAD = 32
# Heads of a picture and of a group of pictures.
_MPEG_HEADS = re.compile(rb"\x00\x00\x01([\x00\xb8])")


# Codecs whose pictures are predicted and carry no number.
_UNCOUNTED = frozenset({"mpeg4", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "h263", "flv1", "vp8", "vp9", "theora"})


def uncounted_gaps(codec: str, start_seconds: np.ndarray) -> tuple[str, ...]:
    """A sentence about frames that an even video leaves out, where nothing tells an encoder's choice from a loss.

    >>> uncounted_gaps("vp9", np.delete(np.arange(50) / 25, 20))[0][:48]
    'it leaves out a frame 1 times, first after 0.76 '
    >>> uncounted_gaps("h264", np.delete(np.arange(50) / 25, 20))
    ()
    """
    steps = np.diff(start_seconds)
    if codec not in _UNCOUNTED or len(steps) < 2:
        return ()
    usual = float(np.median(steps))
    gaps = np.flatnonzero(steps > 1.5 * usual)
    if not len(gaps) or float(np.mean(np.abs(steps - usual) < 0.1 * usual)) < 0.9:
        return ()
    first = float(start_seconds[int(gaps[0])])
    why = f"if packets were lost there, the pictures up to the next key frame are wrong: {codec} need not tell"
    return (f"it leaves out a frame {len(gaps)} times, first after {first:.2f} s; {why}",)


class PictureCounts(ABC):
    """Follows the numbers of a stream's pictures.

    Attributes:
        fields: Some picture is a field: two make a frame. Where both lie in one packet, none is told.
    """

    def __init__(self) -> None:
        self.fields = False
        self._pictures = 0
        self._gaps: dict[int, str] = {}

    @abstractmethod
    def add(self, packet: int, data: bytes) -> None:
        """Look at a packet, in the order of decoding."""

    def gaps(self) -> dict[int, str]:
        """The packets before which a picture is missing that they, or later ones, refer to; and what says so.

        None where there are so many that the stream does not count its pictures.
        """
        return dict(self._gaps) if len(self._gaps) <= 1 + (1 - _COUNTED) * self._pictures else {}


def picture_counts(codec: str, extradata: bytes | None) -> PictureCounts | None:
    """What follows the pictures of a codec; None if it does not number them, or its decoder tells by itself.

    `extradata` is what the container holds of the stream before its first packet.
    """
    if codec == "h264":
        return H264Counts(extradata or b"")
    return MpegCounts() if codec in ("mpeg1video", "mpeg2video") else None


class H264Counts(PictureCounts):
    """Follows `frame_num`.

    Args:
        extradata: Sets of parameters, as avcC (ISO/IEC 14496-15, 5.3.3.1) or as a piece of the stream.
    """

    def __init__(self, extradata: bytes) -> None:
        super().__init__()
        self._length_size = 0
        self._sets: dict[int, SequenceParameters] = {}
        self._sequences: dict[int, int] = {}  # by picture parameters
        self._before: int | None = None
        if extradata[:1] == b"\x01" and len(extradata) > 6:
            self._length_size = (extradata[4] & 3) + 1
            self._avcc(extradata)
        else:
            for unit in units(extradata):
                self._parameters(unit)

    def _avcc(self, data: bytes) -> None:
        at, left = 6, data[5] & 31
        for _ in range(2):
            for _ in range(left):
                size = int.from_bytes(data[at : at + 2], "big")
                self._parameters(data[at + 2 : at + 2 + size])
                at += 2 + size
            left = data[at] if at < len(data) else 0
            at += 1

    def add(self, packet: int, data: bytes) -> None:
        """Look at a packet's first slice."""
        for unit in sized_units(data, self._length_size) if self._length_size else units(data):
            kind = unit[0] & 31 if unit else 0
            if kind in (_SEQUENCE, _PICTURE):
                self._parameters(unit)
            elif kind in _SLICES:
                self._slice(packet, unit)
                return

    def _parameters(self, unit: bytes) -> None:
        kind = unit[0] & 31 if unit else 0
        try:
            if kind == _SEQUENCE:
                number, found = sequence_parameters(Bits(unit[1:]))
                self._sets[number] = found
            elif kind == _PICTURE:
                bits = Bits(unit[1 : 1 + _HEAD])
                number = bits.exp()
                self._sequences[number] = bits.exp()
        except EOFError:
            return

    def _slice(self, packet: int, unit: bytes) -> None:
        bits = Bits(unit[1 : 1 + _HEAD])
        try:
            bits.pass_exp(2)
            sequence = self._sets[self._sequences[bits.exp()]]
            if sequence.planes_apart:
                bits.take(2)
            number = bits.take(sequence.width)
            self.fields = self.fields or (not sequence.frames_only and bool(bits.take(1)))
        except (EOFError, KeyError):
            return
        before, most = self._before, 1 << sequence.width
        self._pictures += 1
        if unit[0] & 31 == _KEY_SLICE:
            before = None
        if before is not None and not sequence.gaps_allowed and number not in (before, (before + 1) % most):
            missing = (number - before - 1) % most
            self._gaps[packet] = f"h264: the number of its picture is {number} after {before}: {missing} are missing"
        if unit[0] & 0x60:  # others refer to it
            self._before = number


class MpegCounts(PictureCounts):
    """Follows `temporal_reference` through each group of pictures."""

    def __init__(self) -> None:
        super().__init__()
        self._group: set[int] = set()
        # The last two references: number and packet.
        self._older: tuple[int, int] | None = None
        self._newest: tuple[int, int] | None = None

    def add(self, packet: int, data: bytes) -> None:
        """Look at the heads of groups and pictures in a packet."""
        for head in _MPEG_HEADS.finditer(data):
            at = head.end()
            if head.group(1) == b"\xb8":
                self._look()
                self._group, self._newest, self._older = set(), None, None
            elif at + 2 <= len(data):
                number, kind = data[at] << 2 | data[at + 1] >> 6, data[at + 1] >> 3 & 7
                self._picture(packet, number, reference=kind in (1, 2))

    def _picture(self, packet: int, number: int, *, reference: bool) -> None:
        if number in self._group:
            return  # its other field
        self._pictures += 1
        if reference:
            self._look()
            self._older, self._newest = self._newest, (number, packet)
        elif self._newest is not None and 0 < (number - self._newest[0]) % 1024 < 512:
            # Shown after all references that came; decoders then show the last of these too late.
            what = f"picture {number} of its group comes without the one that it leads up to"
            self._gaps[self._newest[1]] = self._gaps[packet] = f"mpeg: {what}"
        self._group.add(number)

    def _look(self) -> None:
        """Once a reference comes, all pictures between the two before it should have come."""
        if self._older is not None and self._newest is not None:
            (older, _), (newest, packet) = self._older, self._newest
            span = (newest - older) % 1024
            missing = [n for n in range(1, span if span < 512 else 0) if (older + n) % 1024 not in self._group]
            if missing:
                what = f"{len(missing)} of the pictures {older} to {newest} of its group are missing"
                self._gaps.setdefault(packet, f"mpeg: {what}")
        self._older = None


# Of more bits libvpx decodes none, unless it was built for them.
_EIGHT_BITS = frozenset({"yuv420p", "yuv422p", "yuv440p", "yuv444p", "gbrp", "yuva420p"})


def libvpx(stream: VideoStream) -> VideoCodecContext | None:
    """The decoder of libvpx for a stream; None if that is not VP9 of eight bits, or FFmpeg was built without libvpx."""
    from av.codec.codec import UnknownCodecError
    from av.codec.context import CodecContext

    codec = stream.codec_context
    if codec.name != "vp9" or codec.pix_fmt not in _EIGHT_BITS:
        return None
    try:
        decoder = CodecContext.create("libvpx-vp9", "r")
    except UnknownCodecError:
        return None
    decoder.thread_type, decoder.thread_count = "NONE", 1
    return decoder


class Vp9Check:
    """Decodes a stream's packets by `libvpx`, beside the decoder whose pictures are used."""

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._decoder = decoder
        self._key: int | None = None
        self._faults: dict[int, str] = {}

    def add(self, packet: int, data: bytes) -> None:
        """Decode a packet, in the order of the stream."""
        from av.error import FFmpegError
        from av.packet import Packet

        if _is_key(data):
            self._key = packet
        try:
            self._decoder.decode(Packet(data))  # pyright: ignore[reportUnknownMemberType]
        except FFmpegError:
            # What was wrong shows only some pictures later: all since the last key frame are in doubt.
            if self._key is not None:
                why = f"vp9: the data of packet {packet} do not fit the pictures before it, or are damaged themselves"
                self._faults.setdefault(self._key, why)

    def faults(self) -> dict[int, str]:
        """The key frames, by packet, behind which something is not what was written; and what says so."""
        return self._faults


def _is_key(data: bytes) -> bool:
    """Whether a packet begins with a key frame, by its first byte (VP9 Bitstream Specification, 6.2).

    >>> [_is_key(bytes([first])) for first in (0x82, 0x86, 0x88, 0xB0, 0xB2)]
    [True, False, False, True, False]
    """
    bits = f"{data[0]:08b}" if data else ""
    shown_again, inter = bits[5:7] if bits[2:4] == "11" else bits[4:6] or "11"
    return bits[:2] == "10" and (shown_again, inter) == ("0", "0")
