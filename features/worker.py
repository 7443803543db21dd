"""A decoding worker: a process of its own that scans and decodes videos for the one that runs the network.

Its own process, so that a decoder that crashes or hangs costs one video. It never imports torch: it starts in a third
of a second and is small. It is started as `python -c`, not by multiprocessing, so that users' scripts need no
`if __name__ == "__main__"`.

Requests arrive on stdin and answers leave on what was stdout, each a pickle behind its length:

    ("scan", path, fps)                                  -> ("table", FrameTable)
    ("decode", path, table, wanted, decoder, preparation) -> ("frames", uint8 array)*, then ("end", details)
                                                           or ("error", UnreadableVideo) instead of any of these
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

# Bytes of prepared frames sent at a time. Together with the queue that receives them, this bounds memory.
BLOCK_BYTES = 2 << 20

_LENGTH = struct.Struct("<Q")


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one message; arrays go out of band, without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [body, *(buffer.raw() for buffer in buffers)]
    pipe.write(_LENGTH.pack(len(parts)) + b"".join(_LENGTH.pack(len(part)) for part in parts))
    for part in parts:
        pipe.write(part)
    pipe.flush()


def receive(pipe: Any, wait: Callable[[], None] = lambda: None) -> Any:
    """Read one message.

    Args:
        pipe: Has `readinto`.
        wait: Called before each read, to return when something has arrived.

    Raises:
        EOFError: The other side is gone.
    """
    (count,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size, wait))
    sizes = [_LENGTH.unpack(_exactly(pipe, _LENGTH.size, wait))[0] for _ in range(count)]
    body, *buffers = [_exactly(pipe, size, wait) for size in sizes]
    return pickle.loads(body, buffers=buffers)


def _exactly(pipe: Any, size: int, wait: Callable[[], None]) -> bytearray:
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


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the other side closes."""
    watch = StderrWatch()
    while True:
        try:
            kind, *arguments = receive(requests)
        except EOFError:
            return
        try:
            if kind == "scan":
                _scan(answers, watch, *arguments)
            else:
                _decode(answers, watch, *arguments)
        except BrokenPipeError:
            return
        except Exception as error:
            send(answers, ("error", _portable(error, str(arguments[0]), "open" if kind == "scan" else "decode")))
        watch()


def _scan(answers: BinaryIO, watch: StderrWatch, path: str, fps: float | None = None) -> None:
    from .video import scan_video

    watch()
    send(answers, ("table", scan_video(path, watch=watch, fps=fps)))


def _decode(
    answers: BinaryIO, watch: StderrWatch, path: str, table: Any, wanted: Any, decoder: str, preparation: Any
) -> None:
    import numpy as np

    from .decode import decode_frames

    used: dict[str, str] = {}
    watch()
    # The first frame is sent alone, so that what cannot be decoded at all is known at once.
    block: list[np.ndarray] = []
    try:
        decoded = decode_frames(path, table, wanted, decoder=decoder, watch=watch, used=used)  # type: ignore[arg-type]
        for frame in preparation.frames(decoded, table.start_seconds[wanted]):
            block.append(frame)
            if len(block) * block[0].nbytes >= BLOCK_BYTES:
                send(answers, ("frames", np.stack(block)))
                block = []
    except Exception as error:
        if block:
            send(answers, ("frames", np.stack(block)))
        send(answers, ("details", used))
        send(answers, ("error", _portable(error, path, "decode")))
        return
    if block:
        send(answers, ("frames", np.stack(block)))
    send(answers, ("end", used))


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
    serve(sys.stdin.buffer, answers)


def command() -> list[str]:
    """What to start a worker with; it finds this package the way the starting process did."""
    import json

    paths = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
    package = __name__.rpartition(".")[0]
    return [sys.executable, "-c", f"import sys; sys.path[:] = {paths}; from {package}.worker import main; main()"]
