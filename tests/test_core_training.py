"""Trainings of both halves by their commands: interrupted, killed, resumed, moved, and asked to change."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from safetensors.numpy import load_file

from thas.cli import run as thas
from thas.core import training, training_state
from thas.core.checkpoints import BEST, CHECKPOINT, read_header
from thas.core.log import LOG, Epoch, read_log
from thas.core.training_state import keeping
from thas.features.cache import write_features

from .conftest import planted_videos

FAST = {
    "temporal": ["train", "--set", "network.channels=8", "train.epochs=3", "train.checkpoint_epochs=1"],
    "image": [
        *("image", "train", "--preset", "image-demo", "--set", "input.size=16", "input.resize=18", "network.width=0.5"),
        *("train.epochs=3", "train.stages=2", "train.batch_size=8", "hide.size=4"),
    ],
}


@pytest.fixture(params=["temporal", "image"])
def half(request, tmp_path, monkeypatch):
    """A command of one half that trains for a moment, in a folder with its data."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    if request.param == "temporal":
        features, labels, _ = planted_videos(videos=9, snippets=12)
        for one in features.values():
            write_features(place / "mine" / "features", one, recipe={"backbone": "planted"})
        rows = [f"{v},{known[0]},{'test' if i > 5 else 'training'}" for i, (v, known) in enumerate(labels.items())]
        (place / "mine" / "labels.csv").write_text("\n".join(["video,label,subset", *rows]) + "\n")
    else:
        draw = np.random.default_rng(0)
        for subset, count in (("train", 8), ("val", 2)):
            for name, colour in (("blue", (40, 60, 200)), ("red", (200, 60, 40))):
                (place / "mine" / subset / name).mkdir(parents=True)
                for i in range(count):
                    pixels = np.clip(draw.integers(-30, 30, (20, 20, 3)) + colour, 0, 255).astype(np.uint8)
                    PIL.Image.fromarray(pixels).save(place / "mine" / subset / name / f"{i}.png")
    return request.param


def train(half: str, *more: str) -> int:
    return thas([*FAST[half], "--dataset", "mine", *more])


def resume(half: str, *more: str) -> int:
    command = FAST[half][: FAST[half].index("train") + 1]
    return thas([*command, "--dataset", "mine", "--resume", *more])


def runs(half: str) -> list[Path]:
    root = Path("runs/image/mine" if half == "image" else "runs/mine")
    return sorted(path.parent for path in root.glob("*/settings.toml"))


def evaluate(half: str, *more: str) -> int:
    return thas([*(("image", "eval") if half == "image" else ("eval",)), *more, "--json"])


def same_tensors(one: Path, other: Path) -> bool:
    first, second = load_file(one / CHECKPOINT), load_file(other / CHECKPOINT)
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


class Killed(BaseException):
    """What nothing in the package catches, as nothing catches SIGKILL."""


def before_epoch(monkeypatch, number: int, happens) -> None:
    """Let something happen when an epoch is about to be kept."""

    @contextmanager
    def watched(*where, every):
        with keeping(*where, every=every) as keep:

            def kept(epoch, last):
                if epoch.number == number:
                    happens()
                keep(epoch, last)

            yield kept

    monkeypatch.setattr(training, "keeping", watched)


def kill() -> None:
    raise Killed


def test_a_killed_training_hides_no_good_run_and_is_gone_on_with(half, monkeypatch, capsys):
    assert train(half) == 0
    (good,) = runs(half)
    latest = good.parents[1] / "latest"
    for number in (1, 3):
        others = runs(half)
        with monkeypatch.context() as patched:
            before_epoch(patched, number, kill)
            with pytest.raises(Killed):
                train(half)
        (killed,) = set(runs(half)) - set(others)
        assert latest.resolve() == good.resolve()
        capsys.readouterr()
        assert evaluate(half) in (0, 1)  # 1: without true segments
        assert ("has no network yet" in capsys.readouterr().err) == (number == 1)
        assert resume(half, "--json") == 0
        assert Path(json.loads(capsys.readouterr().out)["run"]).resolve() == killed.resolve()
        assert same_tensors(good, killed)
        assert [line["number"] for line in read_log(killed / LOG)] == [1, 2, 3]
        shutil.rmtree(killed)
        latest.unlink()
        latest.symlink_to(good.relative_to(latest.parent))


def test_a_scheduler_that_ends_it_loses_the_running_epoch_only(half, monkeypatch, capsys):
    assert train(half, "--runs", "others") == 0
    with monkeypatch.context() as patched:
        before_epoch(patched, 3, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert train(half) == 143
    assert "--resume" in capsys.readouterr().err
    (run,) = runs(half)
    assert read_header(run / CHECKPOINT)["epoch"] == 2
    assert resume(half) == 0
    (whole,) = (path.parent for path in Path("others").glob("mine/*/settings.toml"))
    assert same_tensors(whole, run)


@pytest.mark.parametrize("name", [BEST, CHECKPOINT])
def test_what_is_being_written_when_ctrl_c_is_pressed_is_not_lost(tmp_path, monkeypatch, name):
    state = SimpleNamespace(
        epochs_done=0, best=SimpleNamespace(epoch=1), best_model=lambda: b"best", checkpoint=lambda: b"last"
    )
    pressed, write = [], training_state.write_atomically

    def interrupted(path: Path, content: bytes) -> None:
        if path.name == name and not pressed:
            pressed.append(name)
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(training_state, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt), keeping(tmp_path, state, every=1) as keep:
        keep(Epoch(1, loss=0.5, accuracy=1.0, seconds=1.0), True)
    assert ((tmp_path / BEST).read_bytes(), (tmp_path / CHECKPOINT).read_bytes()) == (b"best", b"last")


def test_what_may_change_on_resume_and_what_may_not(half, capsys):
    assert train(half) == 0
    (run,) = runs(half)
    assert resume(half, "--epochs", "4", "--device", "cpu") == 0
    assert read_header(run / CHECKPOINT)["epoch"] == 4
    assert resume(half, "--config", str(run / "settings.toml")) == 0, "it is the run's own"
    Path("more.toml").write_text("[train]\nepochs = 5\n")
    assert resume(half, "--config", "more.toml") == 0
    assert read_header(run / CHECKPOINT)["epoch"] == 5
    before = (run / CHECKPOINT).read_bytes()
    Path("other.toml").write_text("[train]\nseed = 9\n")
    for options in (["--config", "other.toml"], ["--seed", "9"], ["--set", "train.batch_size=4"]):
        capsys.readouterr()
        assert resume(half, "--run", str(run), *options) == 2
        error = capsys.readouterr().err
        assert "cannot be resumed with another train." in error
        assert "train.epochs" in error, "what may change"
    assert (run / CHECKPOINT).read_bytes() == before


def test_a_run_works_from_any_folder_and_names_what_moved(half, monkeypatch, tmp_path, capsys):
    place = Path.cwd()
    assert train(half) == 0
    (run,) = (path.resolve() for path in runs(half))
    truth = {"database": {f"video_0{i}": {"annotations": [{"label": "class_0", "segment": [0, 1]}]} for i in (6, 7, 8)}}
    (place / "mine" / "annotations.json").write_text(json.dumps(truth))
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert evaluate(half, str(run)) == 0
    first = json.loads(capsys.readouterr().out)
    place.rename(tmp_path / "there")
    moved = tmp_path / "there" / run.relative_to(place)
    assert evaluate(half, str(moved)) == 0, "the data still lies beside it"
    again = json.loads(capsys.readouterr().out)
    measure = "top1_clas" if half == "image" else "map"
    assert again[measure] == first[measure]
    (tmp_path / "there" / "mine").rename(tmp_path / "elsewhere")
    assert evaluate(half, str(moved)) == 1
    error = capsys.readouterr().err
    assert str(place / "mine") in error
    assert "--dataset FOLDER" in error
    assert evaluate(half, str(moved), "--dataset", str(tmp_path / "elsewhere")) == 0
    if half == "temporal":
        assert thas(["localize", "nowhere.mp4", "--run", str(moved)]) == 2
        assert "there is no video nowhere.mp4" in capsys.readouterr().err
