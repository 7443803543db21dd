"""What runs on each machine of a Ray cluster: one process a GPU or group of cores, its network loaded once.

It imports no Ray itself, but where Ray has made an actor of it.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from .._version import __version__
from ..core.errors import ThasError
from ..core.messages import Forwarded, logger
from ..core.temporary_names import process_tag, remove_unfinished
from .dispatch import News
from .extraction_job import Estimate, Job, estimate_job
from .extraction_run import ExtractionRun

if TYPE_CHECKING:
    from ray import ObjectRef

    from .runner import Runner
    from .weights import LoadedBackbone

_TELL_EVERY_SECONDS = 0.5
# A file that another machine just made in a shared folder may take a moment to appear.
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Terms:
    """What must hold on a machine that is to help.

    `proof` is a file in the cache, to see whether the folder is the one of the machine that started the work; `witness`
    is one of the videos, which it must see.
    """

    version: str
    proof: Path
    witness: Path | None

    def refusal(self) -> str:
        """Why this machine cannot help; empty if it can."""
        if self.version != __version__:
            return f"it has thas {__version__}, the machine that started the work has {self.version}"
        for path, what in ((self.proof, "the cache is not the same folder there"), (self.witness, "no such video")):
            until = time.monotonic() + _PATIENCE_SECONDS
            while path is not None and not path.exists():
                if time.monotonic() > until:
                    return f"{what}: {path.parent if path is self.proof else path}"
                time.sleep(0.2)
        return ""


class ClusterExtractor:
    """Extracts what a desk hands out, as one machine alone would.

    Args:
        job: What to do, with this machine's cores or GPU.
        terms: What must hold here.
        cores: Its share of the machine's.
        take: Asks the desk for at most so many videos.
        tell: Tells the desk, and with True waits until it has heard.
    """

    def __init__(
        self,
        job: Job,
        *,
        terms: Terms,
        cores: int,
        take: Callable[[int], list[tuple[str, Path]]],
        tell: Callable[[News, bool], object],
    ) -> None:
        self._job, self._terms, self._cores = job, terms, cores
        self._take, self._tell = take, tell
        self._runner: Runner | None = None
        self._run: ExtractionRun | None = None
        self._warnings: list[str] = []
        logger.addHandler(Forwarded(lambda level, text: self._warnings.append(text)))
        self._shares = 0.0
        self._told_at = 0.0

    def prepare(self) -> tuple[str, str, str]:
        """The machine's name, the tag of this process's unfinished files, and why it cannot help, if it cannot."""
        refusal = self._terms.refusal()
        if not refusal and self._runner is None:
            import torch

            remove_unfinished(self._job.out)
            torch.set_num_threads(self._cores)
            cube = self._job.loaded.mean_cube
            if cube is not None:  # Ray's arrays lie in memory that all processes share, and cannot be written to
                self._job = replace(self._job, loaded=replace(self._job.loaded, mean_cube=cube.copy()))
            self._runner = self._job.runner()
        return platform.node(), process_tag(), refusal

    def estimate(self, videos: dict[str, Path]) -> Estimate:
        """What the videos would take here alone."""
        assert self._runner is not None, "not prepared"
        return estimate_job(self._job, videos, self._runner)

    def extract(self) -> ThasError | None:
        """Extract until the desk has no more; the error that ends the work on all machines, if there is one."""
        assert self._runner is not None, "not prepared"
        self._run, self._shares = ExtractionRun(self._job, self._runner, self._progress), 0.0
        try:
            self._run.work(self._videos(), decoders=self._job.decoders(self._cores))
        except ThasError as error:
            return error
        finally:
            self._report(wait=True)
        return None

    def _videos(self) -> Iterator[tuple[str, Path]]:
        while chunk := self._take(self._job.decoders(self._cores)):
            yield from chunk

    def _progress(self, done: float = 1, note: str = "", /) -> None:
        self._shares += done
        if time.monotonic() - self._told_at > _TELL_EVERY_SECONDS:
            self._report(wait=False)

    def _report(self, *, wait: bool) -> None:
        """Tell what is new since the last time."""
        assert self._run is not None
        news = News(shares=self._shares, warnings=list(self._warnings))
        news.add(self._run)
        self._run.clear()
        del self._warnings[: len(news.warnings)]
        self._shares, self._told_at = 0.0, time.monotonic()
        self._tell(news, wait)


_Found = TypeVar("_Found")


class _Remote(Protocol[_Found]):
    """A method of what lies on another machine."""

    def remote(self, *arguments: object, **named: object) -> ObjectRef[_Found]: ...


class _Desk(Protocol):
    """A `Desk`, as an actor sees it."""

    take: _Remote[list[tuple[str, Path]]]
    tell: _Remote[None]


class Actor(ClusterExtractor):
    """A `ClusterExtractor` as Ray's actor."""

    def __init__(self, who: int, job: Job, loaded: LoadedBackbone, terms: Terms, cores: int, desk: _Desk) -> None:
        import ray

        def take(most: int) -> list[tuple[str, Path]]:
            return ray.get(desk.take.remote(who, most=most))

        def tell(news: News, wait: bool) -> None:
            heard = desk.tell.remote(who, news)
            if wait:
                ray.get(heard)

        super().__init__(replace(job, loaded=loaded), terms=terms, cores=cores, take=take, tell=tell)
