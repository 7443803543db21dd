"""The commands as typed: exit codes, the three lines of an error, JSON on stdout, nothing lost."""

from __future__ import annotations

import csv
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import thas as thas_python
from thas.cli import build_app, run
from thas.core.segments import Segments
from thas.features.cache import write_features
from thas.temporal_has.model import load_model

from .conftest import make_features, planted_videos

# Eight seeds of eight find what was planted: rounding may fall as it likes. Trials have tests of their own.
FAST = ["--set", "network.channels=64", "train.batch_size=4", "train.learning_rate=0.02", "train.epochs=8"]
FAST += ["hide.probability=0"]


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A data set with features, labels and true segments."""
    features, labels, places = planted_videos(videos=18)
    data = tmp_path_factory.mktemp("data") / "mine"
    data.mkdir()
    database = {}
    with open(data / "labels.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["video", "label", "subset"])
        for i, (video, known) in enumerate(labels.items()):
            subset = "test" if i // 3 % 3 == 2 else "training"
            rows.writerows([video, label, subset] for label in known)
            first, end = places[video]
            one = features[video]
            segment = [float(one.start_seconds[first]), float(one.end_seconds[end - 1])]
            database[video] = {
                "subset": subset,
                "duration": one.duration_seconds,
                "annotations": [{"label": known[0], "segment": segment}],
            }
    (data / "annotations.json").write_text(json.dumps({"database": database}))
    for one in features.values():
        write_features(data / "features", one, recipe={"backbone": "planted"})
    return data


@pytest.fixture
def folder(mine, tmp_path, monkeypatch):
    """A working folder of its own with that data set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    shutil.copytree(mine, "mine")
    return tmp_path


def thas(*arguments) -> int:
    return run([str(argument) for argument in arguments])


def network_of(folder: Path) -> bytes:
    model, _, _ = load_model(folder / "checkpoint.safetensors")
    return b"".join(value.numpy().tobytes() for value in model.network.state_dict().values())


def newest() -> Path:
    return Path("runs/latest").resolve()


def test_train_localize_eval(folder, capsys):
    assert thas("train", "--dataset", "mine", *FAST) == 0
    assert {path.name for path in newest().iterdir()} >= {
        "settings.toml",
        "environment.json",
        "log.jsonl",
        "checkpoint.safetensors",
        "detections.json",
        "detections.csv",
        "sequences.h5",
    }
    capsys.readouterr()
    assert thas("eval", "--iou", "0.1", "0.3", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["protocol"] == "activitynet"
    assert scores["iou"] == [0.1, 0.3]
    assert scores["map"][0] > 0.7, "what was planted is found"
    assert set(scores["ap"]) == {"class_0", "class_1", "class_2"}
    assert thas("localize", "--out", "found", "--pictures") == 0
    assert len(list(Path("found/timelines").glob("*.png"))) == 6
    written = json.loads(Path("found/detections.json").read_text())
    assert written["thas"]["videos"] == [f"video_{i:02d}" for i in range(18) if i // 3 % 3 == 2]
    with open("found/detections.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert 0 < len(rows) < sum(map(len, written["results"].values())), "the table tells each action once"
    assert all(len(row[name].split(".")[1]) == 3 for row in rows for name in ("start_seconds", "end_seconds"))
    capsys.readouterr()
    arguments = (
        "eval",
        "found/detections.json",
        "--annotations",
        "mine/annotations.json",
        "--subset",
        "test",
        "--json",
    )
    assert thas(*arguments, "--iou", "0.1", "0.3") == 0
    assert json.loads(capsys.readouterr().out)["map"] == scores["map"]


def test_it_is_told_whether_the_test_videos_labels_are_right(folder, capsys):
    """Right by what was planted; and all wrong once the table names the test videos anew."""
    assert thas("train", "--dataset", "mine", *FAST, "--json") == 0
    told = json.loads(capsys.readouterr().out)["labels_told"]
    assert told == {"videos": 6, "right": 6, "commonest": 2, "learned": False, "verdict": "fair"}
    table, turned = (
        Path("mine/labels.csv").read_text(),
        {"class_0": "class_1", "class_1": "class_2", "class_2": "class_0"},
    )
    rows = [line.split(",") for line in table.splitlines()]
    anew = [[video, turned.get(label, label) if subset == "test" else label, subset] for video, label, subset in rows]
    Path("mine/labels.csv").write_text("".join(",".join(row) + "\n" for row in anew))
    for command in (["train", "--dataset", "mine", *FAST], ["localize"], ["eval"]):
        assert thas(*command) == 0
        assert "labels told right: 0 of 6 videos: do not trust these intervals" in capsys.readouterr().err, command[0]
    assert thas("eval", "--json") == 0
    assert json.loads(capsys.readouterr().out)["labels_told"]["right"] == 0
    assert thas("localize", "--subset", "training") == 0
    assert "12 of 12 videos, on which the network was trained" in capsys.readouterr().err


def test_segments_are_not_read_in_training(folder):
    """With the training segments scrambled, the same bytes come out."""
    assert thas("train", "--dataset", "mine", *FAST) == 0
    before = (newest() / "checkpoint.safetensors").read_bytes()
    path = Path("mine/annotations.json")
    content = json.loads(path.read_text())
    draw = random.Random(0)
    for entry in content["database"].values():
        if entry["subset"] == "training":
            entry["annotations"] = [{"label": "class_0", "segment": sorted(draw.uniform(0, 9) for _ in range(2))}]
    path.write_text(json.dumps(content))
    assert thas("train", "--dataset", "mine", *FAST) == 0
    assert (newest() / "checkpoint.safetensors").read_bytes() == before


def test_runs_are_never_overwritten(folder):
    assert thas("train", "--dataset", "mine", *FAST, "train.epochs=1") == 0
    assert thas("train", "--dataset", "mine", *FAST, "train.epochs=1") == 0
    assert len(list(Path("runs/mine").iterdir())) == 2


def test_resume_takes_the_runs_own_settings(folder, capsys):
    assert thas("train", "--dataset", "mine", *FAST, "train.epochs=4", "hide.segments=5") == 0
    first = newest()
    assert thas("train", "--dataset", "mine", "--resume", "--epochs", "8") == 0
    assert newest() == first
    resumed = network_of(first)
    assert thas("train", "--dataset", "mine", *FAST, "train.epochs=8", "hide.segments=5") == 0
    assert resumed == network_of(newest())
    assert thas("train", "--dataset", "mine", "--resume", "--run", str(first), "--hide-probability", "0.5") == 2
    assert "cannot be resumed with another hide.probability" in capsys.readouterr().err


def test_printed_settings_can_be_fed_back(folder, capsys):
    assert thas("train", "--dataset", "mine", "--print-config", "--hide-probability", "0.25") == 0
    printed = capsys.readouterr().out
    assert "probability = 0.25" in printed
    assert "(option)" in printed
    Path("mine.toml").write_text(printed)
    assert thas("train", "--dataset", "mine", "--print-config", "--config", "mine.toml") == 0
    assert "probability = 0.25" in capsys.readouterr().out


def test_labels_taken_from_the_segments_are_told(folder, capsys):
    assert thas("train", "--dataset", "mine", *FAST, "train.epochs=1") == 0
    assert "there is no mine/labels.csv" not in capsys.readouterr().err
    Path("mine/labels.csv").unlink()
    assert thas("train", "--dataset", "mine", *FAST, "train.epochs=1") == 0
    told = "there is no mine/labels.csv: videos have the labels of their segments in mine/annotations.json"
    assert capsys.readouterr().err.count(told) == 1


def test_a_video_without_features_is_named_and_can_be_skipped(folder, capsys):
    Path("mine/features/video_00.h5").unlink()
    assert thas("train", "--dataset", "mine", *FAST) == 1
    assert "video_00" in capsys.readouterr().err
    assert not Path("runs").exists() or not list(Path("runs").glob("mine/*/checkpoint*"))
    assert thas("train", "--dataset", "mine", *FAST, "--skip-missing") == 3
    assert "video_00" in capsys.readouterr().err
    Path("mine/features/video_06.h5").unlink()
    assert thas("localize") == 3
    assert "video_06" in capsys.readouterr().err


def test_several_runs_of_a_data_set_are_averaged(folder, capsys):
    for name, changes in {"a": [], "b": ["train.seed=1"], "short": ["input.snippets=20"]}.items():
        assert thas("train", "--dataset", "mine", "--runs", name, *FAST, "train.epochs=3", *changes) == 0
    a, b, short = (Path(name, "latest").resolve() for name in ("a", "b", "short"))
    before = {path: path.read_bytes() for path in a.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert thas("localize", "--run", a, b) == 0
    (written,) = a.glob(f"with-{b.name}-*/detections.json")
    assert f"thas eval {written} --dataset" in capsys.readouterr().err.replace("\n", "")
    assert {path: path.read_bytes() for path in before} == before, "the first run keeps its own result"
    facts = json.loads(written.read_text())["thas"]
    assert facts["runs"] == [str(a), str(b)]
    first = thas_python.Localizer.from_run(a, b)
    video = thas_python.FeatureCache("mine/features")[facts["videos"][0]]
    found = Segments.from_activitynet(json.loads(written.read_text())["results"], scored=True)
    assert found.by_video()[video.video] == first(video).sorted_by_score()
    assert thas("eval", written, "--dataset", "mine", "--json") == 0
    assert thas("localize", "--run", a, b, "--map-members", "0") == 0
    assert len(list(a.glob(f"with-{b.name}-*/detections.json"))) == 2, "another mean has a folder of its own"
    assert thas("localize", "--run", a, b, "--map-members", "2") == 2
    assert "there is no network 2" in capsys.readouterr().err
    assert thas("localize", "--run", a, short) == 2
    told = capsys.readouterr().err.replace("\n", "")
    assert f"{a} and {short} cannot be averaged" in told
    assert "input.snippets is 2000 and 20" in told


def test_features_of_another_recipe_are_refused(folder, capsys):
    assert thas("train", "--dataset", "mine", *FAST, "train.epochs=1") == 0
    write_features(Path("other"), make_features("video_02", [[0.0] * 8]), recipe={"backbone": "c3d"})
    assert thas("localize", "--features", "other") == 1
    assert "backbone: 'planted' and 'c3d'" in capsys.readouterr().err


def test_nan_in_a_feature_file_is_named(folder, capsys):
    import h5py

    with h5py.File("mine/features/video_00.h5", "r+") as file:
        file["features"][3, 2] = float("nan")
        del file.attrs["crc32"]  # as in a file of an older version, in which nothing else would notice
    assert thas("train", "--dataset", "mine", *FAST) == 1
    message = capsys.readouterr().err
    assert "video_00" in message
    assert "NaN" in message


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["train", "--dataset", "nowhere"], 2, "there is no data set 'nowhere'"),
        (["train", "--dataset", "mine", "--set", "hide.probabilty=0"], 2, "did you mean 'hide.probability'"),
        (["train", "--dataset", "mine", "--set", "hide.probability"], 2, "has no value"),
        (["train", "--dataset", "mine", "--preset", "has2018"], 2, "there is no preset 'has2018'"),
        (["train", "--dataset", "mine", "--epoch", "3"], 2, "epoch"),
        (["train", "--dataset", "mine", "--train-subset", "trainnig"], 2, "no subset 'trainnig'"),
        (["train", "--dataset", "mine", "--test-subset", "tset"], 2, "no subset 'tset'"),
        (["train", "--dataset", "mine", "--features", "nowhere"], 1, "nowhere"),
        (["train", "--dataset", "mine", "--set", "network.kernel_size=2"], 2, "must be odd"),
        (["localize", "photo.jpg"], 2, "photo.jpg is a picture"),
        (["localize", "photo.TIFF"], 2, "photo.TIFF is a picture"),
        (["train", "--dataset", "mine", "--set", "localize.threshold="], 2, "needs at least one value"),
        (["train", "--dataset", "mine", "--set", "train.learning_rate=inf"], 2, "must be a number"),
        (["train", "--dataset", "mine", "--set", "train.learning_rate=1e30"], 1, "training diverged"),
        (["eval", "--dataset", "nowhere"], 2, "there is no data set 'nowhere'"),
        (["train"], 2, "--dataset"),
        (["localize", "--run", "nowhere"], 2, "nowhere is not a run"),
        (["localize"], 2, "there is no run"),
        (["eval"], 2, "there is no run"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_mistakes_are_named_with_the_right_exit_code(folder, capsys, arguments, code, says):
    assert thas(*arguments) == code
    captured = capsys.readouterr()
    assert says in " ".join(captured.err.split())
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_folder_in_which_nothing_can_be_written(folder, capsys):
    Path("runs").write_text("a file, not a folder")
    assert thas("train", "--dataset", "mine", *FAST) == 1
    assert "runs" in capsys.readouterr().err


def test_a_full_disk_leaves_no_broken_file(folder, capsys, monkeypatch):
    from thas.core import training_state as module

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(module, "write_atomically", full)
    assert thas("train", "--dataset", "mine", *FAST) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert not list(Path("runs").glob("mine/*/checkpoint*"))


def test_held_out_videos_choose_the_network_that_localizes(folder, capsys):
    held_out = ["train.validation=0.3", "train.patience=3", "train.learning_rate=0"]
    assert thas("train", "--dataset", "mine", *FAST, *held_out, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["best_epoch"] == load_model(newest() / "best.safetensors")[2]["epoch"] == 1
    assert "held out mAP" in printed.err
    assert thas("eval") == 0
    assert "training stopped after" not in capsys.readouterr().err, "after four epochs nothing had got better"
    (newest() / "checkpoint.safetensors").write_bytes(b"not needed")
    assert thas("localize", "--out", "best") == 0
    assert Path("best/detections.csv").read_bytes() == (newest() / "detections.csv").read_bytes()
    assert thas("localize", "--checkpoint", "last", "--out", "last") == 1


def test_an_interruption_says_so_and_can_be_resumed(folder, capsys, monkeypatch):
    from thas.core import training_state as module

    real = module.append_log

    def interrupt(path, epoch):
        real(path, epoch)
        if epoch.number == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "append_log", interrupt)
    assert thas("train", "--dataset", "mine", *FAST) == 130
    assert "--resume" in capsys.readouterr().err
    monkeypatch.setattr(module, "append_log", real)
    assert thas("train", "--dataset", "mine", "--resume") == 0
    log = [json.loads(line)["number"] for line in (newest() / "log.jsonl").read_text().splitlines()]
    assert log == [*range(1, 9)], "it went on from epoch 5, the last that was finished"


def test_one_bad_test_video_does_not_cost_the_others(folder, capsys):
    Path("mine/features/video_06.h5").write_bytes(b"not HDF5")
    assert thas("train", "--dataset", "mine", *FAST) == 3
    assert "video_06" in capsys.readouterr().err
    facts = json.loads((newest() / "detections.json").read_text())["thas"]
    assert "video_06" not in facts["videos"]
    assert len(facts["videos"]) == 5
    assert thas("eval") == 0
    assert "video_06" in capsys.readouterr().err


def test_localizing_other_videos_leaves_the_runs_own_detections(folder, capsys):
    assert thas("train", "--dataset", "mine", *FAST) == 0
    before = (newest() / "detections.json").read_bytes()
    assert thas("localize", "--subset", "training") == 0
    assert (newest() / "detections.json").read_bytes() == before
    assert (newest() / "mine-training" / "detections.json").exists()


def test_a_run_that_came_to_nothing_does_not_hide_a_good_one(folder):
    assert thas("train", "--dataset", "mine", *FAST) == 0
    good = newest()
    assert thas("train", "--dataset", "mine", *FAST, "train.learning_rate=1e30") == 1
    assert newest() == good
    assert len(list(Path("runs/mine").iterdir())) == 1


def test_a_run_is_scored_as_its_settings_say_and_from_anywhere(folder, capsys, monkeypatch):
    assert thas("train", "--dataset", "mine", *FAST, "eval.iou=0.25,0.5", "eval.protocol=thumos14") == 0
    run_folder = newest()
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    capsys.readouterr()
    assert thas("eval", "--run", run_folder, "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["iou"], scores["protocol"]) == ([0.25, 0.5], "thumos14")


def test_an_unfinished_training_is_scored_with_a_warning(folder, capsys):
    assert thas("train", "--dataset", "mine", *FAST, "train.epochs=4") == 0
    path = newest() / "settings.toml"
    path.write_text(path.read_text().replace("epochs = 4 ", "epochs = 40 "))
    assert thas("eval") == 0
    assert "after 4 of 40 epochs" in " ".join(capsys.readouterr().err.split())


def test_what_was_not_foreseen_is_three_lines_too(folder, capsys, monkeypatch):
    from thas.datasets import opening

    monkeypatch.setattr(opening, "read_labels", lambda path: 1 / 0)
    assert thas("train", "--dataset", "mine") == 1
    message = capsys.readouterr().err
    assert "ZeroDivisionError" in message
    assert "--debug" in message
    assert "Traceback" not in message


def commands() -> list[list[str]]:
    found = []
    app = build_app()
    for name in app:
        if name.startswith("-"):
            continue
        inner = [sub for sub in app[name] if not sub.startswith("-")]
        found += [[name, sub] for sub in inner] or [[name]]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_commands_help_has_an_example(command, capsys):
    assert run([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "example:" in text
    assert f"thas {' '.join(command)}" in text


def test_help_says_what_each_command_is_for(capsys):
    assert run(["--help"]) == 0
    lines = [line.strip("│ ").rstrip() for line in capsys.readouterr().out.splitlines()]
    for name in {command[0] for command in commands()}:
        (line,) = [line for line in lines if line.split(" ")[0] == name]
        assert len(line.split()) > 3, line


def test_help_imports_nothing_slow():
    """It answers in a third of a second on a quiet machine; what would make it slow is an import."""
    code = "import sys, thas.cli; thas.cli.run(['--help']); slow = {'torch', 'pandas', 'matplotlib', 'scipy', 'h5py'}; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(slow & set(sys.modules))"], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_json_is_one_object(folder, capsys, monkeypatch):
    monkeypatch.setattr("thas.core.doctor._PROBES", dict.fromkeys(("torch", "decord", "cuda"), "text = 'there'"))
    assert thas("train", "--dataset", "mine", *FAST, "--json") == 0
    assert json.loads(capsys.readouterr().out)["videos"] == 12
    assert thas("localize", "--json") == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert len(Segments.from_activitynet(results, scored=True)) > 0
    assert thas("doctor", "--json") in (0, 1)
    assert {finding["name"] for finding in json.loads(capsys.readouterr().out)} >= {"torch", "decord", "disk"}


def test_known_labels_are_used_and_said(folder, capsys):
    assert thas("train", "--dataset", "mine", *FAST, "--labels", "known") == 0
    assert thas("eval") == 0
    assert "labels known" in " ".join(capsys.readouterr().out.split())
