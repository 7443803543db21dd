"""A decoding worker: a process of its own that scans and decodes videos for the one that runs the network.

Its own process, so that a decoder that crashes or hangs costs one video. It never imports torch: it starts in a third
of a second and is small. It is started as `python -c`, not by multiprocessing, so that users' scripts need no
`if __name__ == "__main__"`.

Requests arrive on stdin and answers leave on what was stdout, each a pickle behind its length:

    Scan   -> its FrameTable, or Finished with an error
    Decode -> arrays of frames, uint8, then Finished
"""

from __future__ import annotations

import gc
import os
import pickle
import struct
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np

    from .decode import Decoder
    from .frame_table import FrameTable
    from .preprocessing import Preprocessing

# Bytes of prepared frames sent at a time. Together with the queue that receives them, this bounds memory.
BLOCK_BYTES = 2 << 20

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Scan:
    """Asks for a video's frame table; `fps` is the rate of frames that carry no times."""

    path: str
    fps: float | None = None


@dataclass(frozen=True, eq=False)
class Decode:
    """Asks for frames of a video, prepared: those of its table whose numbers, (M,) int64 and rising, are `wanted`."""

    path: str
    table: FrameTable
    wanted: np.ndarray
    decoder: Decoder
    preparation: Preprocessing


@dataclass(frozen=True)
class Finished:
    """No more frames come: which decoder gave them, and why, and what ended it, if anything did."""

    used: dict[str, str]
    error: Exception | None = None


def send(pipe: BinaryIO, message: object) -> None:
    """Write one message; arrays go out of band, without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [body, *(buffer.raw() for buffer in buffers)]
    pipe.write(_LENGTH.pack(len(parts)) + b"".join(_LENGTH.pack(len(part)) for part in parts))
    for part in parts:
        pipe.write(part)
    pipe.flush()


def receive(pipe: FileIO | BufferedReader, wait: Callable[[], None] = lambda: None) -> object:
    """Read one message; `wait` is called before each read, to return when something has arrived.

    Raises:
        EOFError: The other side is gone.
    """
    (count,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size, wait))
    sizes = [_LENGTH.unpack(_exactly(pipe, _LENGTH.size, wait))[0] for _ in range(count)]
    body, *buffers = [_exactly(pipe, size, wait) for size in sizes]
    return pickle.loads(body, buffers=buffers)


def _exactly(pipe: FileIO | BufferedReader, size: int, wait: Callable[[], None]) -> bytearray:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        wait()
        got = pipe.readinto(view[at:])
        if not got:
            raise EOFError("the other side is gone")
        at += got
    return data


class StderrWatch:
    """Sends the process's stderr into a file and gives out what was added since the last call.

    The only place where decord admits that it painted over damage.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the process is
        self._read = 0
        os.dup2(self._file.fileno(), 2)

    def __call__(self) -> str:
        """What was printed since the last call."""
        size = os.fstat(self._file.fileno()).st_size
        if size == self._read:
            return ""
        added = os.pread(self._file.fileno(), min(size - self._read, 4000), self._read)
        self._read = size
        return added.decode(errors="replace")


def serve(requests: FileIO | BufferedReader, answers: BinaryIO) -> None:
    """Answer requests until the other side closes."""
    from ..core.processes import give_back_memory

    watch = StderrWatch()
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        try:
            if isinstance(request, Scan):
                _scan(answers, watch, request)
            elif isinstance(request, Decode):
                _decode(answers, watch, request)
        except BrokenPipeError:
            return
        watch()
        # Decoders and their frames refer to each other: while waiting 200 MB would be held of a film of 1080 lines.
        gc.collect()
        give_back_memory()


def _scan(answers: BinaryIO, watch: StderrWatch, request: Scan) -> None:
    from .video import scan_video

    watch()
    try:
        send(answers, scan_video(request.path, watch=watch, fps=request.fps))
    except Exception as error:
        send(answers, Finished({}, _portable(error, request.path, "open")))


def _decode(answers: BinaryIO, watch: StderrWatch, request: Decode) -> None:
    import numpy as np

    from .decode import decode_frames

    table, wanted = request.table, request.wanted
    used: dict[str, str] = {}
    ended: Exception | None = None
    watch()
    block: list[np.ndarray] = []
    try:
        decoded = decode_frames(request.path, table, wanted, decoder=request.decoder, watch=watch, used=used)
        for frame in request.preparation.frames(decoded, table.start_seconds[wanted]):
            block.append(frame)
            if len(block) * block[0].nbytes >= BLOCK_BYTES:
                send(answers, np.stack(block))
                block = []
    except Exception as error:
        ended = _portable(error, request.path, "decode")
    if block:
        send(answers, np.stack(block))
    send(answers, Finished(used, ended))


def _portable(error: Exception, path: str, stage: str) -> Exception:
    from ..core.errors import UsageError
    from .video import UnreadableVideo

    if isinstance(error, UnreadableVideo | UsageError):
        return error
    why = f"{type(error).__name__}: {str(error) or 'no message'}".splitlines()[0][:300]
    return UnreadableVideo(Path(path).name, stage=stage, why=why)


def main() -> None:
    """Serve the process that started this one, over its stdin and stdout."""
    import signal

    # Ctrl-C reaches the whole group; the parent decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    serve(os.fdopen(os.dup(0), "rb"), answers)


def command() -> list[str]:
    """What to start a worker with; it finds this package the way the starting process did."""
    import json

    paths = json.dumps(list(map(str, sys.path)))
    package = __name__.rpartition(".")[0]
    return [sys.executable, "-c", f"import sys; sys.path[:] = {paths}; from {package}.worker import main; main()"]
