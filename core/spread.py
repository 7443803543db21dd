"""Many jobs spread over the processes of this machine, or over a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal

from .errors import Failure, UsageError
from .processes import Job, Result, Work, cores, run_jobs


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
            from .ray_session import check_ray

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
            from .ray_jobs import run_jobs_on_ray

            return run_jobs_on_ray(work, jobs, address=self.address, gpus=devices is not None, on_step=on_step)
        workers = self.processes(len(jobs), devices or ())
        return run_jobs(work, jobs, workers=workers, devices=devices or (), on_step=on_step)
