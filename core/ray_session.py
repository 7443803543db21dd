"""Ray, connected to: a cluster that is there, or one started on this machine for as long as it is needed."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import TextIO

from .errors import FeatureError, UsageError, first_line
from .messages import logger

# "token" where whoever connects must know a secret; Ray before 2.52 knows no such thing.
_MODE = "RAY_AUTH_MODE"
_LOOK_EVERY_SECONDS = 2.0
# Less than the minute after which Ray gives up.
_PATIENCE_SECONDS = 20.0
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


class Head:
    """The head of a cluster. Where it is lost Ray ends this process after a minute, without a word of ours: so it is
    looked after, and asked for nothing while nobody answers there.
    """

    def __init__(self, place: str, address: str | None) -> None:
        host, _, port = place.rpartition(":")
        self._place, self._address = (host.strip("[]"), int(port)), address
        self._seen = -_LOOK_EVERY_SECONDS

    def check(self) -> None:
        """See, every two seconds, that it answers; wait for it a while where it does not.

        Raises:
            FeatureError: It did not come back.
        """
        began = time.monotonic()
        while time.monotonic() - self._seen > _LOOK_EVERY_SECONDS:
            try:
                socket.create_connection(self._place, timeout=_LOOK_EVERY_SECONDS).close()
                self._seen = time.monotonic()
            except OSError as error:
                if time.monotonic() - began > _PATIENCE_SECONDS:
                    raise cluster_lost(self._address, f"nobody answers at {':'.join(map(str, self._place))}") from error
                time.sleep(0.25)


def on_node(node: str) -> dict[str, object]:
    """Options of Ray for what must run on one machine, as what this process asks for news, which goes with no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


def cluster_lost(address: str | None, why: str) -> FeatureError:
    """The message for a cluster that went away."""
    return FeatureError(
        f"the Ray cluster{f' at {address}' if address else ''} was lost",
        why=(why.strip().splitlines() or ["it does not answer"])[0][:200],
        next="start it again (ray start --head) and type the same command: it continues",
        subject=address or "ray",
    )


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
            if not is_here(address) and os.environ.get(_MODE) != "token":
                logger.warning(
                    f"the Ray cluster at {address} asks for no token: whoever reaches it can run any program on its "
                    f"machines; set {_MODE}=token on all of them, or let its ports be reached from within alone "
                    "(docs/many_machines.md)"
                )
        except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            if "AuthToken" in "".join(traceback.format_exception(error)):
                raise FeatureError(
                    f"the Ray cluster at {address} asks for a token",
                    why=f"{_MODE} is {os.environ.get(_MODE, 'not set')}, or ~/.ray/auth_token is of another cluster",
                    next=f"export {_MODE}=token, with what `ray get-auth-token` prints on its head as RAY_AUTH_TOKEN",
                    subject=address,
                ) from error
            raise FeatureError(
                f"there is no Ray cluster at {address}",
                why=first_line(error),
                next="ray start --head, and give --address HOST:6379; without --address Ray starts here",
                subject=address,
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()
