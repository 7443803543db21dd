from __future__ import annotations

import csv
import json
import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from thas.cli import run
from thas.core.data_options import VideoOptions
from thas.core.errors import DataError, Failure, UsageError
from thas.core.processes import only_one, run_jobs
from thas.core.runs import find_run
from thas.core.spread import Spread
from thas.sweep.plan import Arm, Experiment
from thas.sweep.run import run_sweep
from thas.sweep.trainings import DONE, make_plan
from thas.temporal_has.sweep import TemporalHalf

from .sweep_data import SMALL, planted_dataset, undrawn

TYPED = [f"{key}={values[0]}" for key, values in SMALL.items()]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_dataset(tmp_path_factory.mktemp("data") / "planted")


@contextmanager
def silent(title, total, unit):
    yield lambda n=1, note="": None


def swept(half, experiment, *, typed=SMALL, stage=silent, **options):
    plan = make_plan(half, experiment, typed=typed, **options)
    with pytest.MonkeyPatch.context() as patch:
        undrawn(patch)
        return run_sweep(plan, spread=Spread(workers=1), draws=50, stage=stage)


def epochs_logged(folder) -> dict[str, int]:
    return {log.parent.name: len(log.read_text().splitlines()) for log in folder.glob("sweeps/trained/*/log.jsonl")}


def test_arms_that_differ_in_localization_alone_share_their_network(planted, tmp_path):
    half = TemporalHalf(str(planted), runs=tmp_path)
    arms = (
        Arm("half", {"hide.probability": 0, "localize.threshold": 0.5}),
        Arm("several", {"hide.probability": 0, "localize.threshold": [0.2, 0.5], "localize.score": "outer-inner"}),
        Arm("hidden", {"hide.probability": 0.5, "localize.threshold": 0.5}),
        Arm("both", {}, ("half", "hidden")),
    )
    plan = make_plan(half, Experiment("x", arms), typed=SMALL, seeds=2)
    assert [one.wanted_by for one in plan.trainings] == [
        (("half", 0), ("several", 0)),
        (("hidden", 0),),
        (("half", 1), ("several", 1)),
        (("hidden", 1),),
    ]
    scores = swept(half, Experiment("x", arms), seeds=2)
    assert set(epochs_logged(tmp_path / "planted").values()) == {4}
    assert len(epochs_logged(tmp_path / "planted")) == 4
    assert not scores.failed
    assert scores.arm("half").runs == scores.arm("several").runs
    assert len(scores.arm("both").runs[1]) == 2
    # Another sweep takes what it shares with this one, and scores alike.
    alone = Arm("half", {"localize.threshold": 0.5})
    again = swept(half, Experiment("y", (alone,)), typed=SMALL | {"hide.probability": ["0", "0.5"]}, seeds=2)
    assert len(epochs_logged(tmp_path / "planted")) == 4
    assert np.array_equal(again.arms[0].values, scores.arm("half").values)
    assert np.array_equal(again.arms[1].values, scores.arm("hidden").values)
    with pytest.raises(UsageError, match="there is no run"):
        find_run(None, root=tmp_path)  # the newest run is none of a sweep's
    assert not (tmp_path / "latest").exists()


def test_a_sweeps_run_scores_as_thas_eval_scores_it(planted, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("thas.temporal_has.rules.FEWEST_CLASSES", 1)  # the rule on labels is heeded by both
    arm = Arm("a", {"localize.class_threshold": 0.0, "localize.labels": "predicted"})
    scores = swept(TemporalHalf(str(planted), runs=tmp_path), Experiment("x", (arm,)), seeds=1)
    capsys.readouterr()
    assert run(["eval", scores.arm("a").runs[0][0], "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert scores.arm("a").values[0].tolist() == pytest.approx([*content["map"], content["average"]])


def test_interrupted_it_goes_on_where_it_was(planted, tmp_path):
    half = TemporalHalf(str(planted), runs=tmp_path / "cut")
    experiment = Experiment("x", (Arm("a"), Arm("b", {"hide.probability": 0.5})))
    steps = 0

    @contextmanager
    def interrupting(title, total, unit):
        def advance(n=1, note=""):
            nonlocal steps
            steps += n
            if steps == 6:  # the first network is finished, the second has two of four epochs
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        swept(half, experiment, stage=interrupting, seeds=1)
    plan = make_plan(half, experiment, typed=SMALL, seeds=1)
    assert [(one.done, one.epochs_done) for one in plan.trainings] == [(True, 4), (False, 2)]
    finished = plan.trainings[0].folder / "checkpoint.safetensors"
    before = finished.stat().st_mtime_ns
    titles = []

    @contextmanager
    def counting(title, total, unit):
        titles.append((title, total))
        yield lambda n=1, note="": None

    scores = swept(half, experiment, stage=counting, seeds=1)
    assert titles[0] == ("training 1 of 2 networks", 2)
    assert finished.stat().st_mtime_ns == before
    whole = swept(TemporalHalf(str(planted), runs=tmp_path / "whole"), experiment, seeds=1)
    for arm in ("a", "b"):
        cut, uncut = (one.arm(arm).runs[0][0] for one in (scores, whole))
        assert Path(cut, "checkpoint.safetensors").read_bytes() == Path(uncut, "checkpoint.safetensors").read_bytes()
    titles.clear()
    swept(half, experiment, stage=counting, seeds=1)
    assert titles == [("localizing and scoring", 2)]


def test_without_hiding_how_it_would_be_hidden_makes_no_other_network(planted, tmp_path):
    half = TemporalHalf(str(planted), runs=tmp_path)
    arms = (
        Arm("a", {"hide.probability": 0}),
        Arm("b", {"hide.probability": 0, "hide.size": [3]}),
        Arm("c", {"hide.probability": 0.5}),
    )
    wanted = [one.wanted_by for one in make_plan(half, Experiment("x", arms), typed=SMALL, seeds=1).trainings]
    assert wanted == [(("a", 0), ("b", 0)), (("c", 0),)]


def test_what_was_trained_on_other_data_is_trained_anew(planted, tmp_path):
    half = TemporalHalf(str(planted), runs=tmp_path)
    first = make_plan(half, Experiment("x", (Arm("a"),)), typed=SMALL)
    file = next((planted / "features").glob("*.h5"))
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    os.utime(file, ns=(times[0], times[1] + 1))
    assert make_plan(half, Experiment("x", (Arm("a"),)), typed=SMALL).trainings[0].folder != first.trainings[0].folder
    os.utime(file, ns=times)
    assert make_plan(half, Experiment("x", (Arm("a"),)), typed=SMALL).trainings[0].folder == first.trainings[0].folder


def test_videos_without_features_are_left_out_only_where_asked(tmp_path, capsys):
    folder = planted_dataset(tmp_path / "planted", videos=9)  # six to learn from
    (folder / "features" / "video_01.h5").rename(tmp_path / "aside.h5")
    arguments = ["sweep", "--dataset", str(folder), "--runs", str(tmp_path / "runs"), "--set", *TYPED]
    arguments += ["hide.probability=0,0.5", "--seeds", "1", "--draws", "20", "--workers", "1"]
    assert run(arguments) == 1
    assert "1 of 6 training videos has no features" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists(), "refused before anything is trained"
    assert run([*arguments, "--skip-missing", "--json"]) == 3
    printed = capsys.readouterr()
    assert json.loads(printed.out)["left_out"] == ["video_01"]
    assert " ".join(printed.err.split()).count("video_01") == 1, "said once, not for each network"
    facts = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("planted/sweeps/trained/*/done.json")]
    assert [one["videos"] for one in facts] == [5, 5]


def test_a_single_test_video_is_said(tmp_path, caplog):
    half = TemporalHalf(str(planted_dataset(tmp_path / "few", videos=3)), runs=tmp_path)
    arms = (Arm("a", {"localize.threshold": 0.5}), Arm("b", {"localize.threshold": 0.7}))
    swept(half, Experiment("x", arms), seeds=1, typed=SMALL | {"train.epochs": ["1"]})
    said = [one.message for one in caplog.records if "no interval and no star" in one.message]
    assert len(said) == 1


def test_another_set_of_videos_is_another_training(tmp_path):
    folder = planted_dataset(tmp_path / "planted", videos=9)

    def training(*absent, skip_missing=True, runs="runs") -> str:
        for name in absent:
            (folder / "features" / name).rename(tmp_path / name)
        half = TemporalHalf(str(folder), runs=tmp_path / runs, options=VideoOptions(skip_missing=skip_missing))
        plan = make_plan(half, Experiment("x", (Arm("a"),)), typed=SMALL, seeds=1)
        for name in absent:
            (tmp_path / name).rename(folder / "features" / name)
        return plan.trainings[0].folder.name

    whole = training(skip_missing=False)
    assert training() == whole, "nothing is missing: the option makes no difference"
    found = [whole, training("video_00.h5"), training("video_01.h5"), training("video_00.h5", "video_01.h5")]
    assert len(set(found)) == 4
    with open(folder / "labels.csv", "a") as table:
        table.write("never_extracted,class_0,training\n")
    # Elsewhere, so that the data set is opened anew.
    assert training("video_00.h5", runs="others") == found[1], "a row without features is not learned from"


def test_a_failed_arm_is_named_and_the_others_go_on(planted, tmp_path, capsys):
    experiment = tmp_path / "rates.toml"
    experiment.write_text(
        '[arms.good]\n[arms.bad]\ntrain.learning_rate = 1e30\n[arms.both]\nensemble = ["good", "bad"]\n'
    )
    typed = [pair for pair in TYPED if "learning_rate" not in pair]
    places = ["--dataset", str(planted), "--runs", str(tmp_path / "runs")]
    arguments = ["sweep", str(experiment), *places, "--set", *typed, "--seeds", "1", "--workers", "1", "--draws", "20"]
    assert run([*arguments, "--json"]) == 3
    printed = capsys.readouterr()
    content = json.loads(printed.out)
    assert [arm["label"] for arm in content["arms"] if "mean" in arm] == ["good"]
    assert "diverged" in content["failed"]["bad, seed 0"]
    assert "its member bad failed" in content["failed"]["both, seed 0"]
    assert "2 of 3 runs failed: bad, seed 0, both, seed 0" in printed.err
    assert (tmp_path / "runs" / "planted" / "sweeps" / "rates").is_dir()
    experiment.write_text("[arms.bad]\ntrain.learning_rate = 1e30\n")
    assert run(arguments) == 1


def test_the_files_say_what_the_table_says(planted, tmp_path, capsys):
    arguments = ["sweep", "--dataset", str(planted), "--runs", str(tmp_path), "--set", *TYPED]
    arguments += ["hide.probability=0,0.5", "eval.iou=[0.3,0.5]", "--seeds", "2", "--draws", "50", "--workers", "1"]
    assert run([*arguments, "--dry-run"]) == 0
    assert "2 arms, 2 seeds: 4 runs of 4 networks" in capsys.readouterr().out
    assert not (tmp_path / "planted").exists()
    assert run(arguments) == 0
    printed = capsys.readouterr().out
    assert "blind whole video" in printed
    assert "95 % over videos and seeds, 50 draws" in printed
    folder = next((tmp_path / "planted" / "sweeps" / "hide.probability").iterdir())
    content = json.loads((folder / "sweep.json").read_text())
    rows = list(csv.DictReader((folder / "sweep.csv").read_text().splitlines()))
    assert len(rows) == 2 * 2 * 3
    assert content["measures"] == ["0.3", "0.5", "mean"]
    for arm in content["arms"]:
        own = [row for row in rows if row["arm"] == arm["label"] and row["measure"] == "mean"]
        assert np.mean([float(row["value"]) for row in own]) == pytest.approx(arm["mean"][2], abs=1e-6)
        assert {row["hide.probability"] for row in own} == {arm["label"].split("=")[1]}
        assert f"{100 * arm['mean'][2]:.1f}" in printed
        assert (folder.parents[1] / "trained" / own[0]["run"].split("/")[-1] / DONE).exists()
    assert (folder / "sweep.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert run([*arguments, "--dry-run"]) == 0
    assert "to be trained" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "hide.probability=0.5"], "there is nothing to compare"),
        (["--set", "hide.probabilty=0,1"], "there is no setting 'hide.probabilty'"),
        (["--set", "hide.probability=0,2"], "arm hide.probability=2: hide.probability must be from -1"),
        (["--set", "hide.probability=0,1", "--reference", "0.5"], "there is no arm '0.5' to compare with"),
        (["--set", "hide.probability=0,0"], "two arms are called hide.probability=0"),
        (["--set", "hide.probability=0,1", "--seeds", "0"], "--seeds must be 1 or more"),
        (["--set", "eval.iou=[0.1],[0.2]"], "the arms differ in eval.iou"),
        (["--set", "hide.probability=0,1", "--name", "a/b"], "cannot be the name of a folder"),
        (["no_such_experiment"], "there is no experiment 'no_such_experiment'"),
    ],
)
def test_wrong_usage_is_named_before_anything_is_trained(planted, tmp_path, capsys, arguments, message):
    assert run(["sweep", *arguments, "--dataset", str(planted), "--runs", str(tmp_path / "runs")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists()


def test_without_true_segments_nothing_is_trained(tmp_path):
    folder = planted_dataset(tmp_path / "bare", videos=6)
    (folder / "annotations.json").unlink()
    with pytest.raises(DataError, match="has no ground-truth segments"):
        swept(TemporalHalf(str(folder), runs=tmp_path / "runs"), Experiment("x", (Arm("a"),)), seeds=1)
    assert not (tmp_path / "runs").exists()


def work(job, device, step):
    """What other processes are given to do."""
    step()
    if job == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "wrong":
        raise UsageError("wrong", why="so it is")
    return f"{job} on {device}"


def test_jobs_in_other_processes_and_one_of_them_killed():
    steps = []
    jobs = ["a", "killed", "b", "wrong"]
    found = dict(run_jobs(work, jobs, workers=2, devices=["cuda:0"], on_step=steps.append))
    assert found[0] == "a on cuda:0"
    assert found[2] == "b on cuda:0"
    assert isinstance(found[1], Failure)
    assert "code -9" in found[1].what
    assert str(found[3]) == "wrong; so it is"
    assert sorted(steps) == [0, 1, 2, 3]


def test_jobs_in_this_process():
    assert dict(run_jobs(work, ["a", "wrong"])) == {0: "a on ", 1: Failure("", "wrong", "so it is")}


def test_a_folder_is_held_by_one_at_a_time(tmp_path):
    import fcntl

    with only_one(tmp_path / "held"), open(tmp_path / "held" / ".lock") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held, entered = only_one(tmp_path / "held"), threading.Event()

    def wait_for_it():
        with only_one(tmp_path / "held"):
            entered.set()

    with held:
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        assert not entered.wait(0.1)
    assert entered.wait(60)
    waiting.join()
