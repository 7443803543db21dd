"""What a page of many videos costs: its file, writing it, opening it in Chromium.

python benchmarks/report_page.py             # 99, 500 and 5000 videos, each opened five times in a browser of its own
python benchmarks/report_page.py 99 --times 3

Interactive is the second frame after everything was laid out, from the order to open the file on; the processor time
and the memory are those of the browser's process that shows the page. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Playwright, sync_playwright

from thas.core.segments import Segments
from thas.eval.annotations import Annotations
from thas.report.content import RunContent
from thas.report.page import write_page
from thas.temporal_has.activation import ClassActivationSequence

CLASSES = tuple(f"action_{i:02}" for i in range(20))
SNIPPETS = 800  # of half a second each
TRUE, FOUND, CANDIDATES = 10, 12, 60  # a video
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def sequences(names: list[str]) -> Iterator[ClassActivationSequence]:
    starts = np.arange(SNIPPETS) / 2
    for i, name in enumerate(names):
        logits = np.random.default_rng(i).normal(size=(SNIPPETS, len(CLASSES))).astype(np.float32)
        logits[:, i % len(CLASSES)] += 1
        top = logits.mean(axis=0)
        probabilities = np.exp(top) / np.exp(top).sum()
        yield ClassActivationSequence(
            name, logits, top, probabilities, starts, starts + 0.5, float(starts[-1] + 0.5), CLASSES
        )


def synthetic(videos: int) -> RunContent:
    """Videos of 400 s with one class each, of whose actions some are found, and others are not."""
    draw = np.random.default_rng(0)
    names = [f"video_{i:05}" for i in range(videos)]
    label = np.array([CLASSES[i % len(CLASSES)] for i in range(videos)])
    start = np.sort(draw.uniform(0, 380, (videos, TRUE)), axis=1)
    true = Segments(np.repeat(names, TRUE), np.repeat(label, TRUE), start.ravel(), start.ravel() + 8)
    guess = draw.uniform(0, 380, (videos, CANDIDATES))
    guess[:, :FOUND] = start[:, np.arange(FOUND) % TRUE] + draw.normal(0, 2, (videos, FOUND))
    guess = guess.clip(0, 390)
    found = Segments(
        np.repeat(names, CANDIDATES),
        np.repeat(label, CANDIDATES),
        guess.ravel(),
        guess.ravel() + 8,
        draw.uniform(size=guess.size),
    )
    truth = Annotations(true, CLASSES, dict.fromkeys(names, 400.0), dict.fromkeys(names, "test"))
    return RunContent(
        "many",
        found,
        lambda: sequences(names),
        tuple(names),
        threshold=(0.5,),
        labels={name: (one,) for name, one in zip(names, label.tolist(), strict=True)},
        truth=truth,
        iou=(0.5,),
    )


def opened(engine: Playwright, path: Path) -> tuple[float, float, float, float]:
    """Seconds to interactive, processor seconds, most megabytes, and milliseconds of one search."""
    browser = engine.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    start = time.perf_counter()
    page.goto(path.as_uri(), timeout=300_000)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    wall = time.perf_counter() - start
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderer = max((one for one in processes if one["type"] == "renderer"), key=lambda one: one["cpuTime"])
    status = Path(f"/proc/{renderer['id']}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    search = page.evaluate(
        """() => {
            const field = document.getElementById("search");
            const start = performance.now();
            field.value = "video_0001";
            field.dispatchEvent(new Event("input"));
            document.body.getBoundingClientRect();
            return performance.now() - start;
        }"""
    )
    browser.close()
    return wall, renderer["cpuTime"], peak, search


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", type=int, nargs="*", default=[99, 500, 5000])
    parser.add_argument("--times", type=int, default=5)
    typed = parser.parse_args()
    print("| videos | file | written in | interactive after | processor time | most memory | a search |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        for videos in typed.videos:
            before = time.process_time()
            path = write_page(Path(folder) / f"{videos}.html", [synthetic(videos)])
            writing = time.process_time() - before
            wall, processor, peak, search = map(
                statistics.median, zip(*(opened(engine, path) for _ in range(typed.times)), strict=True)
            )
            print(
                f"| {videos} | {path.stat().st_size / 1e6:.1f} MB | {writing:.1f} s | {wall:.2f} s | {processor:.2f} s "
                f"| {peak:.0f} MB | {search:.0f} ms |",
                flush=True,
            )


if __name__ == "__main__":
    main()
