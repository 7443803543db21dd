"""What checksums cost where files are read: processor time with and without them, in turns, the least of five.

    python benchmarks/checksums_cost.py [FOLDER]

Writes into FOLDER, a temporary one by default: caches of four videos of 2000 x 4096 in both types,
weights of 160 MB, and a workbook of 20,000 rows. "Without" replaces the sums by ones that cost nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from thas.core import checkpoints, hdf5, spreadsheets
from thas.features import FeatureCache, Features, write_features

VIDEOS, ROWS, WIDTH = 4, 2000, 4096


def cost(read: Callable[[], object], *without: object) -> tuple[float, float]:
    """Milliseconds with checksums and without."""
    least = [float("inf")] * 2
    for turn in range(10):
        for one in without if turn % 2 else ():
            one.start()  # type: ignore[attr-defined]
        began = time.process_time()
        read()
        least[turn % 2] = min(least[turn % 2], 1000 * (time.process_time() - began))
        for one in without if turn % 2 else ():
            one.stop()  # type: ignore[attr-defined]
    return least[0], least[1]


def row(what: str, found: tuple[float, float]) -> None:
    print(f"| {what} | {found[0]:.1f} ms | {found[1]:.1f} ms | {found[0] / found[1]:.2f} |", flush=True)


def main(folder: Path) -> None:
    draw = np.random.default_rng(0)
    edges = np.arange(ROWS + 1) * 0.64
    for stored in ("float32", "float16"):
        for i in range(VIDEOS):
            data = draw.normal(size=(ROWS, WIDTH)).astype(np.float32)
            features = Features(f"v{i}", data, edges[:-1], edges[1:], float(edges[-1]))
            write_features(folder / stored, features, recipe={"backbone": "c3d"}, dtype=stored)
        cache = FeatureCache(folder / stored)
        nothing = patch.object(hdf5, "check", lambda *_: None)
        row(f"{stored} features, {VIDEOS} videos of {ROWS} x {WIDTH}", cost(lambda c=cache: [c[v] for v in c], nothing))
    weights = folder / "w.safetensors"
    weights.write_bytes(checkpoints.packed({"w": torch.randn(40_000_000)}, {"kind": "image"}))
    without = patch.object(checkpoints, "check_unchanged", lambda *_: None)
    row("weights of 160 MB", cost(lambda: checkpoints.unpacked(weights), without))
    import openpyxl

    book = openpyxl.Workbook()
    for i in range(20_000):
        book.active.append([f"v{i}", "Run", i, i + 1])
    book.save(folder / "a.xlsx")
    scans = [patch.object(spreadsheets, name, lambda *_: None) for name in ("check_archive", "check_parts")]
    row("a workbook of 20,000 rows", cost(lambda: list(spreadsheets.plain_rows(folder / "a.xlsx")), *scans))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        main(Path(name))
