"""Jobs, and a whole sweep, on a Ray cluster: one on this machine."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from thas.cli import run
from thas.core.errors import UsageError
from thas.core.spread import Spread

from .sweep_data import SMALL, planted_dataset, undrawn


@pytest.mark.parametrize(
    ("spread", "message"),
    [
        (Spread(address="auto"), "an address is of a Ray cluster"),
        (Spread(engine="ray", address="ray://head:10001"), "started on a machine of the cluster"),
        (Spread(engine="ray", workers=2), "--workers is of this machine's processes"),
    ],
)
def test_what_does_not_go_with_ray(spread, message):
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match=message):
        spread.check()


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}  # a busy machine starves nice processes
    ray.init(address="local", num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def _work_of(folder: Path):
    """Work of which one job is killed at its first attempt, and one always."""

    # Made inside a function, so that Ray sends the function itself: the machines do not have this file.
    def work(job, device, step):
        step()
        (folder / f"{job}-{os.getpid()}").touch()
        if job == "doomed" or (job == "killed" and len(list(folder.glob("killed-*"))) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if job == "wrong":
            raise UsageError("wrong", why="so it is")
        return f"{job} on {device or 'any'}"

    return work


def test_a_sweep_gives_the_same_bytes_as_on_this_machine(ray, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    undrawn(monkeypatch)
    planted_dataset(Path("planted"), videos=9)
    pairs = [f"{key}={values[0]}" for key, values in SMALL.items()]
    command = ["sweep", "--dataset", "planted", "--seeds", "1", "--draws", "20", "--json", "--set", *pairs]
    command += ["hide.probability=0,0.5"]
    told = {}
    for runs, engine in (("ray", ["--engine", "ray"]), ("local", ["--workers", "1"])):
        assert run([*command, "--runs", runs, *engine]) == 0
        told[runs] = json.loads(capsys.readouterr().out)
    assert [arm["mean"] for arm in told["ray"]["arms"]] == [arm["mean"] for arm in told["local"]["arms"]]
    # Localized in two jobs, one of each network's, it finds what one process does, to the byte.
    monkeypatch.setattr("thas.temporal_has.localizing_jobs._VIDEOS", 2)
    trained = told["local"]["arms"][0]["runs"]["0"][0]
    for out, engine in (("ray", ["--engine", "ray"]), ("local", [])):
        assert run(["localize", "--dataset", "planted", "--run", trained, "--out", f"found-{out}", *engine]) == 0
    for name in ("detections.csv", "detections.json", "sequences.h5"):
        assert Path("found-ray", name).read_bytes() == Path("found-local", name).read_bytes()
    for one, other in zip(told["ray"]["arms"], told["local"]["arms"], strict=True):
        pair = [Path(arm["runs"]["0"][0], "checkpoint.safetensors").read_bytes() for arm in (one, other)]
        assert pair[0] == pair[1]


# Behind the others: what Ray prints about a dead process comes seconds later, into whatever test then runs.
def test_a_job_whose_process_is_killed_is_done_again(ray, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps: list[int] = []
    found = dict(Spread(engine="ray").run(_work_of(tmp_path), ["a", "killed", "wrong", "doomed"], on_step=steps.append))
    assert found[0] == "a on any"
    assert found[1] == "killed on any"
    assert len(list(tmp_path.glob("killed-*"))) == 2
    assert str(found[2]) == "wrong; so it is"
    assert found[3].what == "its process died 3 times"
    assert len(list(tmp_path.glob("doomed-*"))) == 3
    assert set(steps) <= {0, 1, 2, 3}
    assert not list(tmp_path.glob(".thas-*")), "nothing is left where it was typed"
