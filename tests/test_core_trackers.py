"""Trackers named on the command line: what they are told in both halves, and that none of them costs a run."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import pytest

from thas.cli import run
from thas.core import plugin_imports
from thas.core.checkpoints import CHECKPOINT
from thas.core.errors import UsageError
from thas.core.trackers import Trackers
from thas.image_has.demo import make_demo_images

from .documented import ROOT
from .sweep_data import planted_dataset

TRACK = """
seen, others = [], []
number = 7


def track(event):
    seen.append(event)


def other(event):
    others.append(event)


def torn(event):
    torn.calls += 1
    raise ConnectionError("the service is down")


torn.calls = 0


def leaves(event):
    raise SystemExit(5)


def interrupted(event):
    raise KeyboardInterrupt


def nothing():
    pass


class Tracker:
    def __init__(self, event=None):
        pass

    def __call__(self, event):
        seen.append(event)


object_ = Tracker()
"""
TRAIN = ["train", "--dataset", "mine", "--set", "network.channels=16", "train.epochs=2", "--device", "cpu"]


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A working folder with a data set of videos, and modules of one's own on the path."""
    monkeypatch.setenv(plugin_imports.ENVIRONMENT, "")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "own_track.py").write_text(TRACK)
    (modules / "own_broken.py").write_text("raise RuntimeError('boom')\n")
    monkeypatch.syspath_prepend(str(modules))
    monkeypatch.chdir(tmp_path)
    planted_dataset(Path("mine"), videos=9)
    yield modules
    for name in ("own_track", "own_broken"):
        sys.modules.pop(name, None)


def kinds(events) -> list[str]:
    return [type(event).__name__ for event in events]


def test_each_tracker_is_told_each_event_and_a_resumed_run_may_have_others(own):
    assert run([*TRAIN, "--tracker", "own_track:track", "own_track:other"]) == 0
    told = sys.modules["own_track"]
    assert kinds(told.seen) == ["Started", "Decided", "Epoch", "Epoch"]
    assert told.others == told.seen
    begun = told.seen[0]
    assert (begun.epochs, begun.epochs_done, begun.items) == (2, 0, 6)
    assert begun.run.samefile("runs/latest")
    log = [json.loads(line) for line in Path("runs/latest/log.jsonl").read_text().splitlines()]
    assert [event.known() for event in told.seen[2:]] == log
    assert "own_track" not in Path("runs/latest/settings.toml").read_text()
    told.seen.clear()
    assert run([*TRAIN, "--epochs", "3", "--resume", "--tracker=own_track:object_"]) == 0
    assert kinds(told.seen) == ["Started", "Decided", "Epoch"]
    assert (told.seen[0].epochs_done, told.seen[-1].number) == (2, 3)
    assert len(told.others) == 4, "not named this time"


def test_trackers_of_images_are_told_of_batches_too(own, capsys):
    make_demo_images(Path("creatures"), training=4, testing=2)
    train = ["image", "train", "--dataset", "creatures", "--preset", "image-demo", "--device", "cpu", "--epochs", "1"]
    assert run([*train, "--tracker", "own_track:torn", "--tracker", "own_track:track"]) == 0
    told = sys.modules["own_track"]
    assert kinds(told.seen)[0] == "Started"
    assert set(kinds(told.seen)[1:-1]) == {"Seen"}
    assert kinds(told.seen)[-1] == "Epoch"
    assert sum(event.items for event in told.seen[1:-1]) == told.seen[0].items
    assert told.seen[0].run.samefile("runs/image/latest")
    assert told.torn.calls == 1
    assert capsys.readouterr().err.count("the service is down") == 1


def test_one_that_raises_is_warned_of_once_and_changes_nothing(own, capsys):
    assert run(TRAIN) == 0
    without = (Path("runs/latest") / CHECKPOINT).resolve().read_bytes()
    capsys.readouterr()
    assert run([*TRAIN, "--tracker", "own_track:torn", "own_track:leaves", "own_track:track"]) == 0
    told = capsys.readouterr().err
    assert told.count("tracker own_track:torn raised ConnectionError: the service is down; training goes on") == 1
    assert told.count("tracker own_track:leaves raised SystemExit: 5; training goes on without it") == 1
    assert sys.modules["own_track"].torn.calls == 1
    assert len(sys.modules["own_track"].seen) == 4
    assert (Path("runs/latest") / CHECKPOINT).resolve().read_bytes() == without
    with pytest.raises(KeyboardInterrupt):
        Trackers(["own_track:interrupted"])(sys.modules["own_track"].seen[0])


@pytest.mark.parametrize("half", ["videos", "images"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("own_track:absent", "module own_track has no absent"),
        ("own_track:number", "it cannot be called: it is of type int"),
        ("own_track:Tracker", "it is a class"),
        ("own_track:nothing", "it is called with one argument, the event: too many positional arguments"),
        ("own_broken:track", "it raises on import: RuntimeError: boom"),
        ("own_nowhere:track", "No module named 'own_nowhere'"),
        ("track", "it must name a module"),
    ],
)
def test_what_is_no_tracker_is_refused_before_anything_is_trained(own, capsys, half, name, why):
    if half == "images":
        make_demo_images(Path("mine"), training=1, testing=1)
    command = TRAIN if half == "videos" else ["image", "train", "--dataset", "mine", "--preset", "image-demo"]
    assert run([*command, "--tracker", name]) == 2
    told = capsys.readouterr().err
    assert name in told.splitlines()[0]
    assert why in told.splitlines()[1]
    assert told.splitlines()[2].startswith("  next: ")
    assert not Path("runs").exists()


def test_only_the_first_of_several_processes_imports_and_calls_them(own, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    Trackers(["own_broken:track", "own_track:track"])("anything")  # type: ignore[arg-type]
    assert "own_track" not in sys.modules
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UsageError, match="own_broken"):
        Trackers(["own_broken:track"])


class Recorded(types.ModuleType):
    """Stands for a service's module: remembers what is called, in order."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[str] = []

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **named: self.calls.append(name)


@pytest.mark.parametrize(
    ("service", "calls"),
    [
        ("mlflow", ["set_experiment", "start_run", "log_artifact", "log_metrics", "log_metrics"]),
        ("wandb", ["init", "log", "log"]),
    ],
)
def test_the_documents_examples_follow_a_training(own, monkeypatch, capsys, service, calls):
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs/training.md").read_text(), flags=re.S)
    (text,) = [one for one in shown if f"import {service}\n" in one]
    (own / f"own_{service}.py").write_text(text)
    recorded = Recorded(service)
    monkeypatch.setitem(sys.modules, service, recorded)
    assert run([*TRAIN, "--tracker", f"own_{service}:track"]) == 0
    assert "training goes on without it" not in capsys.readouterr().err
    assert recorded.calls == calls
    sys.modules.pop(f"own_{service}")
