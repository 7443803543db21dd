"""Ray, connected to: a cluster that is there, or one started on this machine for as long as it is needed."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import TextIO

from .errors import FeatureError, UsageError
from .messages import logger

_RESET = "\x1b[0m"


def check_ray(address: str | None = None, device: str | None = None) -> ModuleType:
    """The module `ray`.

    Raises:
        UsageError: It is not installed, or an argument does not go with it.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "the engine ray is not installed", why=str(error), next="pip install ray", subject="ray"
        ) from None
    if address and address.startswith("ray://"):
        raise UsageError(
            "the work is started on a machine of the cluster, not from outside",
            why=f"{address} is for Ray's client",
            next="type the command there, with --address auto",
            subject=address,
        )
    if device not in (None, "cpu", "cuda"):
        raise UsageError(
            f"with the engine ray a device is cpu or cuda, not {device!r}",
            why="Ray gives each process a GPU of its own",
            next="leave --device out",
            subject=device,
        )
    return ray


class _Stdout:
    """Stdout without what Ray prints there about machines, thirty lines each time; stderr gets the first of them."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        self._dropped = False

    def write(self, text: str) -> int:
        if "(raylet)" in text[:40]:
            sys.stderr.write(f"ray: {text.partition('(raylet)')[2].removeprefix(_RESET).strip().splitlines()[0]}\n")
        elif not (self._dropped and text == "\n"):
            self._stdout.write(text)
        self._dropped = "(raylet)" in text[:40]
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stdout, name)


def is_here(address: str) -> bool:
    """Whether a cluster's address is one that no other machine reaches.

    >>> is_here("local"), is_here("127.0.0.1:6379"), is_here("auto"), is_here("node1:6379")
    (True, True, False, False)
    """
    return address == "local" or address.rpartition(":")[0] in {"localhost", "127.0.0.1", "[::1]"}


@contextmanager
def ray_session(address: str | None) -> Generator[ModuleType]:
    """Ray, connected; one that the caller has connected already is left as it is."""
    ray = check_ray(address)
    with redirect_stdout(_Stdout(sys.stdout)):  # type: ignore[type-var]
        if ray.is_initialized():
            yield ray
            return
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        options: dict[str, object] = {"log_to_driver": False, "logging_level": logging.WARNING}
        if address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            options["include_dashboard"] = False
        try:
            host, colon, port = address.rpartition(":")
            if colon:  # Ray itself would try for minutes
                socket.create_connection((host, int(port)), timeout=10).close()
            ray.init(address=address, **options)
            if not is_here(address):
                logger.warning(
                    f"Ray has no passwords: whoever reaches the cluster at {address} can run any program on its "
                    "machines; let its ports be reached from within alone (docs/many_machines.md)"
                )
        except (OSError, ValueError) as error:
            raise FeatureError(
                f"there is no Ray cluster at {address}",
                why=str(error).splitlines()[0],
                next="ray start --head, and give --address HOST:6379; without --address Ray starts here",
                subject=address,
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()
