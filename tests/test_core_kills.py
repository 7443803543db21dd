"""A handful of the kills that benchmarks/kills.py does by the hundred."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .warm import run_warm

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_is_killed_comes_back_when_it_is_typed_again():
    names = ["convert", "import-features", "weights fetch"]
    done = run_warm(CHECKOUT / "benchmarks" / "kills.py", "2", "0", *names)  # one at a moment, one at a file
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    assert all("same   2, left over: none" in line for line in lines), done.stdout
