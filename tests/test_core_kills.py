"""A handful of the kills that benchmarks/kills.py does by the hundred."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_is_killed_comes_back_when_it_is_typed_again():
    command = [sys.executable, str(CHECKOUT / "benchmarks" / "kills.py"), "2", "0"]  # one at a moment, one at a file
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT.parent), "OMP_NUM_THREADS": "1"}
    names = ["convert", "import-features", "weights fetch"]
    done = subprocess.run([*command, *names], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    assert all("same   2, left over: none" in line for line in lines), done.stdout
