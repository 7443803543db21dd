"""Many jobs spread over the processes of this machine, or over a Ray cluster.

On Ray a job whose process is killed, or whose machine is lost, is done again elsewhere, a few times. The machines must
share the folder the command was typed in, and what the jobs read and write.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from .._version import __version__
from .errors import Failure, UsageError, first_line
from .files import writing
from .messages import collected, logger
from .processes import Job, Result, Work, attempt, cores, run_jobs
from .ray_session import Head, check_ray, cluster_lost, on_node, ray_session


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Over what jobs are spread.

    Attributes:
        workers: Processes; one a GPU, or one a core, by default.
        engine: ray takes all machines of a Ray cluster, each with its GPUs or cores (pip install ray). They must share
            the folder in which the command is typed, and the data.
        address: HOST:PORT of the cluster, or auto for the one this machine is in; without it Ray starts on this machine
            alone. Without RAY_AUTH_MODE=token (docs/many_machines.md) who reaches its ports can run any program on
            its machines.
    """

    workers: int | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None

    def check(self) -> None:
        """Raise a UsageError where these do not go together, or Ray is not installed."""
        if self.engine == "ray":
            check_ray(self.address)
            if self.workers is not None:
                raise UsageError("--workers is of this machine's processes", next="leave it out: Ray gives all cores")
        elif self.address:
            raise UsageError("an address is of a Ray cluster", next="add --engine ray")

    def processes(self, jobs: int, devices: Sequence[str] = ()) -> int:
        """How many jobs this machine does at once; of a cluster's machines each has one thread a job."""
        return min(jobs, cores() if self.engine == "ray" else self.workers or len(devices) or cores())

    def run(
        self,
        work: Work[Job, Result],
        jobs: Sequence[Job],
        *,
        devices: Sequence[str] | None = None,
        on_step: Callable[[int], None] = lambda job: None,
    ) -> Generator[tuple[int, Result | Failure], None, None]:
        """Do jobs, in any order; see `run_jobs`.

        Args:
            work: A function of a module.
            jobs: Each is pickled.
            devices: GPUs to be given out in turn, of a cluster one a job; None where jobs choose for themselves.
            on_step: Called with a job's number whenever it reports a step.
        """
        if self.engine == "ray":
            return run_jobs_on_ray(work, jobs, address=self.address, gpus=devices is not None, on_step=on_step)
        workers = self.processes(len(jobs), devices or ())
        return run_jobs(work, jobs, workers=workers, devices=devices or (), on_step=on_step)


# A job that was in work on so many processes that died is given up.
_MOST_DEATHS = 3


def run_jobs_on_ray(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    *,
    address: str | None = None,
    gpus: bool = False,
    on_step: Callable[[int], None] = lambda job: None,
) -> Generator[tuple[int, Result | Failure], None, None]:
    """Do jobs in any order, one a core of the cluster, or one a GPU, as `processes.run_jobs` does on this machine.

    Work is named to the machines, not sent, and is of the package; paths are those of the folder in which this process
    runs. Without an address, HOST:PORT or "auto", Ray starts on this machine alone.

    Raises:
        FeatureError: There is no cluster, or it was lost.
        UsageError: Ray is not installed, or a machine cannot help.
    """
    here = Path.cwd()
    proof = here / f".thas-{os.getpid()}.proof"
    with writing(here):
        proof.touch()
    try:
        with ray_session(address) as ray:
            context = ray.get_runtime_context()
            desk = ray.remote(num_cpus=0)(_Steps).options(**on_node(context.get_node_id())).remote()
            with_gpu = gpus and ray.cluster_resources().get("GPU", 0) >= 1
            options = {"num_cpus": 1, "num_gpus": int(with_gpu), "max_retries": _MOST_DEATHS - 1}
            remote = ray.remote(**options)(_do)
            device = "cuda" if with_gpu else ""
            waiting = {remote.remote(work, one, device, i, desk, proof, __version__): i for i, one in enumerate(jobs)}
            head = Head(context.gcs_address, address)
            try:
                while waiting:
                    head.check()
                    ready, _ = ray.wait(list(waiting), timeout=0.25)
                    for number, count in ray.get(desk.taken.remote()).items():
                        for _ in range(count):
                            on_step(number)
                    for one in ready:
                        number = waiting.pop(one)
                        try:
                            result, messages = ray.get(one)
                        except ray.exceptions.RayTaskError as error:
                            raise error.cause from None
                        except ray.exceptions.RayError as error:
                            what = f"its process died {_MOST_DEATHS} times"
                            why = first_line(error)
                            yield number, Failure("", what, why, next="run it again; with --engine local it says more")
                            continue
                        for message in messages:
                            logger.warning(message)
                        yield number, result
            except (ray.exceptions.RayError, ConnectionError) as error:  # of the desk
                raise cluster_lost(address, str(error)) from error
            finally:
                for one in waiting:
                    with contextlib.suppress(Exception):
                        ray.cancel(one, force=True)
    finally:
        proof.unlink(missing_ok=True)


class _Steps:
    """Steps that jobs reported, kept until they are asked for."""

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()

    def tell(self, number: int) -> None:
        self._steps[number] += 1

    def taken(self) -> dict[int, int]:
        """What was told since the last call."""
        steps, self._steps = self._steps, Counter()
        return dict(steps)


class _RemoteTell(Protocol):
    def remote(self, number: int) -> None: ...


class _Desk(Protocol):
    """`_Steps` as other processes see it."""

    tell: _RemoteTell


def _do(
    work: Work[Job, Result], job: Job, device: str, number: int, desk: _Desk, proof: Path, version: str
) -> tuple[Result | Failure, list[str]]:
    """A job on a machine of the cluster, with one thread as in one of several processes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if version != __version__:
        raise UsageError(
            f"a machine of the Ray cluster has thas {__version__}, not {version}", next="install the same everywhere"
        )
    with contextlib.suppress(OSError):
        os.chdir(proof.parent)
    if not proof.exists():
        raise UsageError(
            f"a machine of the Ray cluster does not see {proof.parent}",
            why="the machines must share the folder in which the command is typed",
            next="type it in a shared folder, or leave --engine ray out",
        )
    with collected() as messages:
        result = attempt(work, job, device, lambda: desk.tell.remote(number))
    return result, messages
