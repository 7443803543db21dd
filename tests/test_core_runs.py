"""Runs: which one is meant, where its data is now, and who may train in it."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from thas.core.checkpoints import CHECKPOINT, read_header
from thas.core.errors import CheckpointError, NothingKept, UsageError
from thas.core.processes import is_held, only_one
from thas.core.resume import MAY_CHANGE, Begin, begun
from thas.core.run_settings import RunData, read_settings, write_settings
from thas.core.runs import find_interrupted, find_run, is_finished, kind_of, new_folder, point_latest
from thas.core.temporary_names import unfinished_path
from thas.image_has.settings import ImageSettings
from thas.temporal_has.settings import Settings

SETTINGS = Settings().updated({"train.epochs": 3})


def checkpoint(run: Path, **description) -> None:
    """A file with a header and no tensors."""
    header = json.dumps({"__metadata__": {"thas": json.dumps(description)}}).encode()
    (run / CHECKPOINT).write_bytes(len(header).to_bytes(8, "little") + header)


def make_run(root: Path, name: str = "mine", *, epoch: int | None = None, settings=SETTINGS) -> Path:
    run = new_folder(root / name)
    write_settings(run, settings, data_of(root.parent / name))
    if epoch is not None:
        checkpoint(run, epoch=epoch)
    return run


def data_of(folder: Path) -> RunData:
    return RunData(str(folder), "data", "training", "test")


def test_runs_may_be_called_otherwise(tmp_path):
    root = tmp_path / "runs"
    good = make_run(root, epoch=3)
    point_latest(root, good.rename(good.with_name("A")))
    assert find_run(None, root=root) == good.with_name("A")
    (root / "latest").unlink()
    with pytest.raises(UsageError, match="there is no run"):
        find_run(None, root=root)


def test_the_newest_run_is_the_newest_with_a_network(tmp_path, caplog):
    root = tmp_path / "runs"
    good = make_run(root, epoch=3)
    point_latest(root, good)
    killed = make_run(root)
    with caplog.at_level(logging.WARNING, logger="thas"):
        assert find_run(None, root=root) == good
        assert find_run(None, root=root, dataset="mine") == good
    assert str(killed) in caplog.text
    assert f"--resume --run {killed}" in caplog.text
    shutil.rmtree(good)
    with pytest.raises(UsageError, match="has a network yet") as caught:
        find_run(None, root=root)
    assert f"--resume --run {killed}" in caught.value.next


@pytest.mark.parametrize("name", ["B", "best-one", "a-b-c-d"])
def test_a_run_that_was_given_a_name_is_as_old_as_its_settings(tmp_path, name):
    root = tmp_path / "runs"
    named = make_run(root, epoch=3).rename(root / "mine" / name)
    os.utime(named / "settings.toml", (1e9, 1e9))
    newer = make_run(root, epoch=3)
    assert find_run(None, root=root) == newer
    point_latest(root, named)
    assert find_run(None, root=root) == named, "the link says so"
    os.utime(named / "settings.toml", (4e9, 4e9))
    (root / "latest").unlink()
    assert find_run(None, root=root) == (named if "-" in name else newer)


def test_the_interrupted_run_is_resumed_not_the_newest(tmp_path):
    root = tmp_path / "runs"
    interrupted, finished = make_run(root, epoch=2), make_run(root, epoch=3)
    stalled = make_run(root, settings=SETTINGS.updated({"train.patience": 1, "train.validation": 0.2}))
    checkpoint(stalled, epoch=2, best={"epoch": 1})
    assert [is_finished(run) for run in (interrupted, finished, stalled)] == [False, True, True]
    where = {"kind": "temporal", "root": root, "dataset": "mine"}
    assert find_interrupted(None, **where) == interrupted
    assert find_interrupted(finished, **where) == finished
    checkpoint(interrupted, epoch=3)
    assert find_interrupted(None, **where) == stalled, "of finished ones the newest"
    with pytest.raises(UsageError, match=r"there is no run in .* of data set other"):
        find_interrupted(None, kind="temporal", root=root, dataset="other")


def test_runs_made_before_the_half_was_written_down(tmp_path):
    for settings, kind in ((SETTINGS, "temporal"), (ImageSettings(), "image")):
        run = make_run(tmp_path / kind, settings=settings)
        text = (run / "settings.toml").read_text()
        assert text.startswith(f'kind = "{kind}"\n')
        assert kind_of(run) == kind
        (run / "settings.toml").write_text(text.removeprefix(f'kind = "{kind}"\n'))
        assert kind_of(run) == kind
        assert read_settings(run, type(settings))[0] == settings
    with pytest.raises(UsageError, match="is a run of videos"):
        find_run(new := make_run(tmp_path / "temporal"), kind="image")
    (new / "settings.toml").write_text("[hide]\n")
    with pytest.raises(CheckpointError, match="does not say what data"):
        read_settings(new, Settings)


def test_what_lies_beside_a_run_is_found_where_both_were_copied(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there" / "deep"
    (here / "mine" / "features").mkdir(parents=True)
    run = new_folder(here / "runs" / "mine")
    features = str(here / "mine" / "features")
    write_settings(run, SETTINGS, RunData(str(here / "mine"), str(here), "training", "test", features))
    shutil.copytree(here, there)
    copy = there / run.relative_to(here)
    assert read_settings(copy, Settings)[1].dataset == str(here / "mine"), "it is where it was"
    shutil.rmtree(here)
    found = read_settings(copy, Settings)[1]
    assert (found.dataset, found.features) == (str(there / "mine"), str(there / "mine" / "features"))
    shutil.rmtree(there / "mine")
    assert read_settings(copy, Settings)[1].dataset == str(here / "mine"), "to be named as missing"


def resume(root: Path, folder: Path | bool, settings=SETTINGS, origins=None):
    return begun(Begin(root, folder), settings, data_of(root.parent / "mine"), name="mine", origins=origins)


def hold(folder: Path, held, leave) -> None:
    with only_one(folder):
        held.set()
        leave.wait(60)


def test_two_at_once_are_refused(tmp_path):
    root = tmp_path / "runs"
    run, other = make_run(root, epoch=1), make_run(root, epoch=1)
    context = multiprocessing.get_context("spawn")
    held, leave = context.Event(), context.Event()
    process = context.Process(target=hold, args=(other, held, leave))
    process.start()
    try:
        assert held.wait(60)
        assert is_held(other)
        with pytest.raises(UsageError, match="is being trained by another process") as caught, resume(root, other):
            pytest.fail("two trained in one run")
        assert str(process.pid) in caught.value.why
        with resume(root, True) as found:
            assert found.folder == run, "one that is trained was not interrupted"
    finally:
        leave.set()
        process.join()
    assert not is_held(other)


@pytest.mark.parametrize(("error", "raised"), [(KeyboardInterrupt, NothingKept), (UsageError("no"), UsageError)])
def test_a_run_that_came_to_nothing_is_removed(tmp_path, error, raised):
    root, folders = tmp_path / "runs", []

    def ended_by(error, folder: Path | bool, *, epoch: int | None = None) -> None:
        with resume(root, folder) as found:
            folders.append(found.folder)
            assert (found.folder / "settings.toml").exists()
            if epoch:
                checkpoint(found.folder, epoch=epoch)
            raise error

    with pytest.raises(raised):
        ended_by(error, False)
    assert not folders[-1].exists()
    with pytest.raises(KeyboardInterrupt):
        ended_by(KeyboardInterrupt, False, epoch=1)
    with pytest.raises(UsageError):
        ended_by(UsageError("no"), folders[-1])
    assert folders[-1].exists()


@pytest.mark.parametrize("source", ["option", "mine.toml"])
@pytest.mark.parametrize("table", [Settings, ImageSettings])
def test_what_may_change_between_a_training_and_its_resumption(tmp_path, table, source):
    root, settings = tmp_path / "runs", table()
    run = make_run(root, epoch=1, settings=settings)
    changes = {"train.epochs": 99, "train.device": "cpu", "train.checkpoint_epochs": 7}
    changes |= {"train.workers": 3} if table is ImageSettings else {"train.memory_gigabytes": 0.5}
    assert set(changes) < set(MAY_CHANGE)
    given = settings.updated(changes)
    with resume(root, run, given, dict.fromkeys(changes, source)) as found:
        assert found.settings == given
    for key, value in {"train.seed": 5, "hide.probability": 0.25, "train.batch_size": 3}.items():
        with (
            pytest.raises(UsageError, match=f"another {key.replace('.', '[.]')}") as caught,
            resume(root, run, settings.updated({key: value}), {key: source}),
        ):
            pytest.fail("it was resumed")
        assert "train.epochs" in caught.value.next
        with resume(root, run, settings.updated({key: value}), {key: "preset x, paper"}) as found:
            assert found.settings == settings, "a preset is not asked for"
    with resume(root, run, given, {}) as found:
        assert found.settings == settings, "the run has its own"


def test_headers_are_read_without_torch(tmp_path):
    checkpoint(tmp_path, epoch=2, kind="temporal")
    assert read_header(tmp_path / CHECKPOINT) == {"epoch": 2, "kind": "temporal"}
    for content in (b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}", b"\x04\0\0\0\0\0\0\0null"):
        (tmp_path / CHECKPOINT).write_bytes(content)
        with pytest.raises(CheckpointError, match="is not a checkpoint of thas"):
            read_header(tmp_path / CHECKPOINT)
    with pytest.raises(CheckpointError, match="there is no weights file"):
        read_header(tmp_path / "none")


def test_what_killed_processes_left_in_a_run_and_beside_it_is_removed(tmp_path):
    root = tmp_path / "runs"
    run = make_run(root, epoch=1)
    settings, data = read_settings(run, type(SETTINGS))
    for begin in (Begin(root, run), Begin(root, into=run)):  # resumed, and of a sweep, which holds the folder itself
        (run / f".{CHECKPOINT}.part").write_text("whole, but not in its place")
        with begun(begin, settings, data, name="mine"):
            assert sorted(path.name for path in run.glob(".*.part")) == []
    dead = multiprocessing.get_context("spawn").Process(target=int)
    dead.start()
    dead.join()
    left = unfinished_path(root / "latest")
    left = left.with_name(left.name.replace(f".{os.getpid()}-", f".{dead.pid}-"))
    left.symlink_to("mine/nowhere")
    point_latest(root, run)
    assert (root / "latest").resolve() == run.resolve()
    assert sorted(path.name for path in root.iterdir()) == ["latest", "mine"]


def test_the_clock_may_go_back(tmp_path, monkeypatch):
    """What was made last comes last all the same: in order, as the newest, and as the one to go on with."""
    stamps = iter(["20260102-120000", "20260102-115959", "20260102-120000", "20251231-235959", "20260103-000000"])
    monkeypatch.setattr("thas.core.runs.time.strftime", lambda _: next(stamps))
    made = []
    for _ in range(5):
        made.append(new_folder(tmp_path / "mine"))
        (made[-1] / "settings.toml").write_text('kind = "temporal"\n')
        (made[-1] / "weights.safetensors").touch()
        assert find_run(None, root=tmp_path, dataset="mine") == made[-1]
        assert find_interrupted(None, kind="temporal", root=tmp_path, dataset="mine") == made[-1]
    assert [one.name for one in made[:4]] == ["20260102-120000" + end for end in ("", "-2", "-3", "-4")]
    assert made[4].name == "20260103-000000"
    (tmp_path / "mine" / "notes").mkdir()
    (tmp_path / "mine" / "20990101-000000x").mkdir()  # a person's own, and no run of that time
    stamps = iter(["20260103-000000"])
    assert new_folder(tmp_path / "mine").name == "20260103-000000-2"
