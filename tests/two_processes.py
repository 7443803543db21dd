"""Two processes that share a training as under torchrun, whose own agent starts them: forked, with all imported."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from .warm import Done, run_warm


def run_by_two(target: str | Path, *arguments: str) -> Done:
    """Run a script, or a module by its name, in two processes; what they print is shown if one fails.

    Args:
        target: Its file, or the name.
        arguments: That it is given.
    """
    imports = ("lightning_fabric", "torch._dynamo", "torch.distributed.launcher.api")
    done = run_warm(_both, str(target), *arguments, imports=imports)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def _both() -> None:
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ["OMP_NUM_THREADS"] = "1"
    standalone = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "min_nodes": 1, "max_nodes": 1}
    agent = LaunchConfig(**standalone, nproc_per_node=2, start_method="fork", monitor_interval=0.02)
    elastic_launch(agent, _one)(*sys.argv[1:])


def _one(target: str, *arguments: str) -> None:
    sys.argv = [target, *arguments]
    sys.path.insert(0, os.getcwd())
    if target.endswith(".py"):
        runpy.run_path(target, run_name="__main__")
    else:
        runpy.run_module(target, run_name="__main__", alter_sys=True)
