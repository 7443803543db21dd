"""VP9 by libvpx, which notices damage that FFmpeg's own decoder lets pass.

Pictures of VP9 carry neither numbers nor checksums, but what is learned from one shapes the code of those behind it:
after flipped bits or a lost packet, arithmetic decoding runs past the end of some picture's data before long. libvpx
looks whether it did (`vpx_reader_has_error`), FFmpeg's decoder does not. Both give the same pictures, as quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

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
    """Decodes a stream's packets beside the decoder whose pictures are used.

    Args:
        decoder: By `libvpx`.
    """

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
            self._decoder.decode(Packet(data))
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
