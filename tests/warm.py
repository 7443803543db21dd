"""Processes that have imported everything before they begin, for tests of what a command or script comes to.

A fresh process pays seconds for importing torch alone. Here a server is forked from the tests' own process once all
test modules are imported and before any test runs; it has used nothing of what it imported, has one thread, and forks
a process for each command. Tests of what only a fresh process shows (imports, the first lines of a command, the memory
it takes) start one themselves.
"""

from __future__ import annotations

import importlib
import os
import pickle
import runpy
import signal
import socket
import struct
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_server: socket.socket | None = None


@dataclass(frozen=True)
class Done:
    """What a process came to: as of subprocess.run with its output captured as text."""

    returncode: int
    stdout: str
    stderr: str


def start() -> None:
    """Fork the server. It ends with this process."""
    global _server
    _server, theirs = socket.socketpair()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the threads of this process are pytest-xdist's, and stay behind
        child = os.fork()
    if child:
        theirs.close()
        return
    try:
        _server.close()
        _serve(theirs)
    finally:
        os._exit(0)


def stop() -> None:
    """End the server."""
    if _server is not None:
        _server.close()


def run_warm(
    target: str | Path | Callable[[], None],
    *arguments: str,
    env: dict[str, str] | None = None,
    imports: Sequence[str] = (),
    timeout: float = 300.0,
) -> Done:
    """Run a module (a name), a script (a path) or a function of a test module in a process of its own.

    Args:
        target: As after `python -m`, or a file, or the function.
        arguments: What `sys.argv` holds after its first entry.
        env: The whole environment; this process's by default.
        imports: Modules to be there already, imported once for all that ask for them.
        timeout: In seconds.
    """
    assert _server is not None, "tests/conftest.py starts it"
    environment = dict(os.environ) if env is None else env
    _server.settimeout(timeout)
    _send(_server, (target, arguments, os.getcwd(), environment, tuple(imports)))
    return Done(*_receive(_server))


def _send(pipe: socket.socket, content: object) -> None:
    data = pickle.dumps(content)
    pipe.sendall(struct.pack("!Q", len(data)) + data)


def _receive(pipe: socket.socket):
    def exactly(size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = pipe.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    return pickle.loads(exactly(*struct.unpack("!Q", exactly(8))))


def _serve(pipe: socket.socket) -> None:
    """Until the tests' process is gone."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    while True:
        try:
            target, arguments, folder, environment, imports = _receive(pipe)
        except EOFError:
            return
        for name in imports:
            importlib.import_module(name)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if not child:
                pipe.close()
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                _as_if_fresh(target, arguments, folder, environment)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            told = []
            for file in (out, err):
                file.seek(0)
                told.append(file.read().decode(errors="replace"))
        _send(pipe, (code, *told))


def _as_if_fresh(
    target: str | Path | Callable[[], None], arguments: Sequence[str], folder: str, environment: dict[str, str]
) -> None:
    """In the forked process: what Python does before and after the first and last line of a program."""
    code = 1
    try:
        for name, file, how in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
            setattr(sys, name, os.fdopen(file, how, buffering=1, closefd=False))
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        first = str(target.parent) if isinstance(target, Path) else folder
        sys.path[:0] = [first, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
        sys.argv = [str(target), *arguments]
        if isinstance(target, Path):
            runpy.run_path(str(target), run_name="__main__")
        elif isinstance(target, str):
            runpy.run_module(target, run_name="__main__", alter_sys=True)
        else:
            target()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
