"""Two processes that share a training as under torchrun.

torchrun itself starts `test_the_command_makes_one_run_and_speaks_with_one_voice`.
"""

from __future__ import annotations

import os
import runpy
import socket
import sys
from pathlib import Path

from .warm import run_warm


def run_by_two(script: Path, *arguments: str) -> None:
    """Run a script in two processes; what they print is shown if one fails.

    Args:
        script: Its file.
        arguments: That it is given.
    """
    done = run_warm(_both, str(script), *arguments, imports=("lightning_fabric", "torch._dynamo"))
    assert done.returncode == 0, done.stderr[-3000:]


def _both() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    known |= {"TORCHELASTIC_RUN_ID": "two", "TORCHELASTIC_USE_AGENT_STORE": "False", "OMP_NUM_THREADS": 1}
    os.environ.update({name: str(value) for name, value in known.items()})
    del sys.argv[0]
    children = []
    for rank in "01":
        child = os.fork()
        if not child:
            os.environ.update(RANK=rank, LOCAL_RANK=rank)
            runpy.run_path(sys.argv[0], run_name="__main__")
            sys.exit()
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children))
