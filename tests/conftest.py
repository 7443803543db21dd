"""Helpers that several rooms' tests share."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from . import warm

# A busy machine is no fault of the code: nothing here is failed by a clock.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")
os.environ.setdefault("MPLBACKEND", "Agg")
# Tests run side by side already: several threads in each only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing here outlives a power cut. That files are flushed is tested by what is called; a disk's 4 ms each time were a
# fifth of the time of tests that train.
os.fsync = os.fstat
PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
# Likewise what takes a process a core by itself, as reading videos does, takes one here.
os.sched_getaffinity = lambda process: {0}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are cores: somebody always waits for Ray, or for a process that was killed."""
    return len(PROCESSORS) + 1


# What waits or takes longest begins first, so that nobody waits for it at the end.
FIRST = ("test_features_ray.py", "test_core_ray_jobs.py", "test_docs_commands.py", "test_deploy_export.py")


def pytest_collection_modifyitems(items):
    """Stable, so that a file's tests stay together and share what they make."""
    items.sort(key=lambda item: (*(item.path.name != name for name in FIRST), item.path))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Of several workers each begins with other files, so that it finds the rest rewritten by the others."""
    report = yield
    if isinstance(collector, pytest.Dir):
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        first = worker * len(report.result) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        report.result = report.result[first:] + report.result[:first]
    return report


_SIGNALS = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}


@pytest.fixture(autouse=True)
def _signals():
    """What a library such as Ray lets signals do would last for all later tests: a SIGTERM then ended the process."""
    yield
    for one, handler in _SIGNALS.items():
        signal.signal(one, handler)


def pytest_collection_finish():
    """What is imported stays: looking it through for garbage again and again took a twentieth of the time."""
    gc.collect()
    gc.freeze()
    if hasattr(os, "fork"):
        warm.start()


def pytest_sessionfinish():
    warm.stop()


SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared_data(name: str) -> Path:
    """A folder of real data that does not come with the project; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {name}, which does not come with the project")
    return path


def make_features(video: str, data, *, fps: float = 10.0, length: int = 16, stride: int = 8):
    """Features on an even grid."""
    from thas.features.cache import Features
    from thas.features.clips import SnippetGrid

    data = np.asarray(data, dtype=np.float32)
    grid = SnippetGrid(fps=fps, length_frames=length, stride_frames=stride, count=len(data))
    return Features(video, data, grid.start_seconds, grid.end_seconds, float(grid.end_seconds[-1]))


def papers_settings(values=None):
    """The paper's network and training with some settings changed, whatever the defaults are."""
    from thas.core.presets import resolve_settings
    from thas.temporal_has.settings import Settings

    return resolve_settings(Settings, presets=["has2017"])[0].updated(values or {})


def planted_videos(*, videos: int = 24, classes: int = 3, snippets: int = 40, dimension: int = 8, seed: int = 0):
    """Videos in which five snippets of noise carry their class's own feature; features and labels by video."""
    draw = np.random.default_rng(seed)
    features, labels, places = {}, {}, {}
    for i in range(videos):
        label = i % classes
        data = np.abs(draw.normal(0, 0.1, (snippets, dimension)))
        start = int(draw.integers(0, snippets - 5))
        data[start : start + 5, label] += 2.0
        name = f"video_{i:02d}"
        features[name] = make_features(name, data)
        labels[name] = (f"class_{label}",)
        places[name] = (start, start + 5)
    return features, labels, places


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with videos (mine/), a small backbone's weights and a run trained on its features (runs/latest)."""
    from .filmed_run import filmed_run

    return filmed_run(tmp_path_factory.mktemp("trained"))


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",
    "--renderer-process-limit=1",
]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One window for all pages, which keep nothing in it; while one is open, the others share its process."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        window = chromium.new_context()
        empty = tmp_path_factory.mktemp("browser") / "empty.html"
        empty.touch()
        window.new_page().goto(empty.as_uri())
        yield window
        chromium.close()


@pytest.fixture
def opened(browser):
    """Opens a page; whatever it logs as an error, or fetches from elsewhere, fails the test."""
    pages = []

    def open_page(path, *, width=1200, height=900, scheme="light"):
        page = browser.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("dialog", lambda dialog: page.faults.append(dialog.message) or dialog.accept())
        page.on(
            "request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else page.faults.append(r.url)
        )
        page.goto(path.resolve().as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        assert page.faults == []
        page.close()
