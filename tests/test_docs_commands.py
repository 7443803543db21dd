"""Every command that the documents show: its options exist, and it works on a small data set where it can."""

from __future__ import annotations

import glob
import json
import re
import shutil
from pathlib import Path

import PIL.Image
import pytest

from thas.cli import build_app, run
from thas.features.cache import write_features
from thas.image_has.demo import make_demo_images
from thas.sweep.plan import Experiment
from thas.temporal_has.watch import watch

from .conftest import planted_videos
from .documented import NOT_RUN, ROOT, commands, documents, reason, tokens
from .video_files import write_video

PAGES = [str(page.relative_to(ROOT)) for page in documents()]


def test_reasons_are_of_commands_that_are_shown():
    shown = {command for page in documents() for command in commands(page)}
    assert len(shown) > 60
    for pattern in NOT_RUN:
        assert any(re.fullmatch(pattern, command) for command in shown), f"no document shows {pattern}"


@pytest.mark.parametrize("page", PAGES)
def test_every_option_is_there(page):
    app = build_app()
    for command in commands(ROOT / page):
        given = [token for token in tokens(command) if token != "..."]
        while "--plugin" in given:
            at = given.index("--plugin")
            del given[at : at + 2]
        app.parse_args(given, exit_on_error=False, print_error=False)


@pytest.fixture(scope="module")
def world(trained, tmp_path_factory) -> Path:
    """A folder in which what the documents name is there: small, and of the same names."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(trained, folder, dirs_exist_ok=True, symlinks=True)
    (folder / "mine").rename(folder / "my_videos")
    labels = folder / "my_videos/labels.csv"
    labels.write_text(labels.read_text().replace('"Run, fast"', "Run"))
    names = {"v0": "match0", "v1": "match3", "v2": "match2", "v3": "match1"}  # match1 is the test video
    for old, new in names.items():
        (folder / f"my_videos/videos/{old}.mp4").rename(folder / f"my_videos/videos/{new}.mp4")
    more = [(i, "Run" if i % 2 else "Jump") for i in range(4, 14)]
    for i, _ in more:
        shutil.copy(folder / f"my_videos/videos/match{i % 4}.mp4", folder / f"my_videos/videos/match{i}.mp4")
    rows = re.sub(r"^v\d", lambda found: names[found[0]], labels.read_text(), flags=re.M).splitlines()
    labels.write_text("\n".join([*rows, *(f"match{i},{label},training" for i, label in more), ""]))
    weights = folder / "my_videos/backbone.safetensors"
    (folder / "small.safetensors").rename(weights)
    shutil.rmtree(folder / "my_videos/features")
    points = [f"match{i},{label},0.8" for i, label in more]
    (folder / "my_videos/points.csv").write_text("\n".join(["video,label,time_seconds", *points, ""]))
    segments = {
        "match1": {"subset": "test", "duration": 2.56, "annotations": []},
        "match3": {"subset": "training", "duration": 1.92, "annotations": [{"label": "Run", "segment": [0.2, 1.0]}]},
    }
    for label, segment in (("Run", [0.5, 1.5]), ("Jump", [1.6, 2.4])):
        segments["match1"]["annotations"].append({"label": label, "segment": segment})
    for path in (folder / "my_videos/annotations.json", folder / "annotations.json", folder / "truth.json"):
        path.write_text(json.dumps({"database": segments}))
    (folder / "incoming").mkdir()
    for name in ("new_match.mp4", "incoming/match.mp4", "recording.ts"):
        write_video(folder / name, frames=60)
    shutil.rmtree(folder / "runs")
    shutil.rmtree(folder / "others")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = ["extract-features", "--dataset", "my_videos", "--weights", str(weights)]
        assert run(made) == 0
        fast = ["--set", "train.epochs=1", "network.channels=8"]
        for seed in ("0", "1"):
            assert run(["train", "--dataset", "my_videos", *fast, f"train.seed={seed}"]) == 0
        one, two = sorted(path for path in Path("runs/my_videos").iterdir())
        for path, name in ((one, "A"), (two, "B")):
            path.rename(path.with_name(name))
        Path("runs/latest").unlink()
        Path("runs/latest").symlink_to("my_videos/B")
        found = Path("runs/latest/detections.json").read_text()
        for name in ("found.json", "ours.json", "theirs.json"):
            Path(name).write_text(found)
        marked = {video: {**entry, "points": [{"label": "Run", "time": 0.7}]} for video, entry in segments.items()}
        Path("marked.json").write_text(json.dumps({"database": marked}))
        for seed in range(3):
            Path(f"seed{seed}.json").write_text(found)
        shutil.copy("new_match.mp4", "match.mp4")
        _known_sets()
        _files_of_tools()
        _photographs()
        _own_module()
    return folder


def _known_sets() -> None:
    """THUMOS14 and ActivityNet with a few videos of which features were made, and detections in THUMOS14's folder."""
    features, labels, places = planted_videos(videos=12, classes=2)
    actions = {"class_0": "Diving", "class_1": "LongJump"}
    for name, subsets in (("thumos14", ("validation", "test")), ("activitynet-1.3", ("training", "validation"))):
        folder, known = Path("data", name), {}
        for i, (video, one) in enumerate(features.items()):
            write_features(folder / "features", one, recipe={"backbone": "planted"})
            segment = [float(one.start_seconds[places[video][0]]), float(one.end_seconds[places[video][1] - 1])]
            row = {"label": actions[labels[video][0]], "segment": segment}
            known[video] = {"subset": subsets[i > 7], "duration": one.duration_seconds, "annotations": [row]}
        (folder / "annotations.json").write_text(json.dumps({"database": known}))
    rows = [f"{video},{actions[label]}" for video, (label,) in labels.items()]
    Path("data/thumos14/labels_101.csv").write_text("\n".join(["video,label", *rows, ""]))
    Path("thumos14").symlink_to("data/thumos14")
    found = {video: [{"label": "Diving", "segment": [0, 5], "score": 0.5}] for video in list(known)[8:]}
    Path("thumos14/found.json").write_text(json.dumps({"results": found}))
    made = ["convert", "data/thumos14/annotations.json", "data/thumos14/annotations", "--to", "thumos"]
    assert run(made) == 0


def _files_of_tools() -> None:
    """What people who mark actions have: a BORIS project of four persons, its clicks, tables of a laboratory."""
    event = "Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus"
    Path("coding.tsv").write_text(
        "Observation id\tone\n\nMedia file(s)\n\nPlayer #1\tmatch0.mp4\n\nTime offset (s)\t0\n\n"
        f"{event}\n0.5\tmatch0.mp4\t60\t25\t\tRun\t\t\tPOINT\n"
    )
    observations = {}
    for number in range(8):
        media = f"d/P{number // 2}_{number}.mp4"
        times = [[1, "", "Run", "", ""], [2, "", "Run", "", ""]]
        observations[str(number)] = {
            "file": {"1": [media]},
            "type": "MEDIA",
            "time offset": 0.0,
            "events": times,
            "media_info": {"length": {media: 60.0}},
        }
    kinds = {"0": {"type": "State event", "code": "Run"}}
    project = {"project_format_version": "7.0", "behaviors_conf": kinds, "observations": observations}
    Path("coding.boris").write_text(json.dumps(project))
    Path("AllLabels.csv").write_text("ID,Experimenter,type,from,to\nmatch0,rater1,Run,0.5,1.5\nmatch0,x,Run,0,1\n")
    Path("phases.csv").write_text("video_id,approach,action,leave\nmatch0,1-12,13-17,-\n")


def _photographs() -> None:
    """Coloured creatures, and two runs trained on them."""
    photos = make_demo_images(Path("my_photos"), training=2, testing=1)
    Path("holiday").mkdir()
    for number, path in enumerate(sorted((photos / "val").glob("*/*.png"))[:2]):
        PIL.Image.open(path).convert("RGB").save(f"holiday/{number}.jpg")
    few = ["--preset", "image-demo", "--epochs", "1", "--device", "cpu"]
    assert run(["image", "train", "--dataset", "my_photos", *few]) == 0
    (made,) = Path("runs/image/my_photos").iterdir()
    for name in "AB":
        shutil.copytree(made, f"runs/image/ilsvrc/{name}")


def _own_module() -> None:
    """mine.py, of what the documents show, and a tracker that needs no service."""
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/plugins.md").read_text(encoding="utf-8"), re.DOTALL)
    parts = [one for one in code if "class Wide" in one or "def tiny" in one]
    assert len(parts) == 2
    Path("mine.py").write_text("\n".join([*parts, "def track(event):\n    print(type(event).__name__)\n"]))


# The same, over sooner.
SHORT = {
    "train ": ["--epochs", "1"],
    "train-backbone": ["--epochs", "1", "--clips-per-video", "1", "--input-size", "16", "--width", "2"],
    "sweep": ["--set", "train.epochs=1", "--seeds", "1", "--workers", "1", "--draws", "20"],
    "image train": ["--epochs", "1", "--device", "cpu"],
    "localize --watch": ["--once"],
    "localize --stream": ["--stream-patience", "0"],
}


def typed(command: str) -> list[str]:
    """The command with the names of what is there, its wild cards as a shell fills them in, and soon over."""
    command = command.replace("NAME", "my_videos").replace("RUN_B", "runs/my_videos/B")
    command = command.replace("found.json --annotations thumos14/", "thumos14/found.json --annotations thumos14/")
    command = command.replace("--out my_videos/backbone.safetensors", "--out my_videos/own.safetensors")
    given = ["runs/my_videos/A" if token == "RUN" else token for token in tokens(command)]
    if "--seeds" in given and given[given.index("--seeds") + 1 :][:1] == ["5"]:
        at = given.index("--seeds")
        del given[at : at + 2]
    more = [extra for begin, words in SHORT.items() if command.startswith(f"thas {begin}") for extra in words]
    given += [word for word in more if word != "--once" or "--once" not in given]
    return [name for token in given for name in (sorted(glob.glob(token)) if "/*." in token else [token])]


def test_they_work_as_shown(world, monkeypatch, capsys):
    """Page by page, each in the state that the one before left, as a reader would have it."""
    monkeypatch.chdir(world)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("THAS_WEIGHTS", str(world / "kept"))
    monkeypatch.syspath_prepend(str(world))
    monkeypatch.setitem(watch.__kwdefaults__, "settle_seconds", 0.0)  # nothing is still being copied here
    every_arm = Experiment.all_arms
    monkeypatch.setattr(Experiment, "all_arms", lambda experiment: every_arm(experiment)[:2])  # each is a training
    pages = {page: [one for one in commands(ROOT / page) if not reason(one)] for page in PAGES}
    assert sum(map(len, pages.values())) > 60
    failed, truth = [], Path("truth.json").read_bytes()
    for page, command in ((page, one) for page, shown in pages.items() for one in dict.fromkeys(shown)):
        if command == pages[page][0]:
            Path("truth.json").write_bytes(truth)  # a page before may have written another
            Path("runs/latest").unlink()
            Path("runs/latest").symlink_to("my_videos/B")
        given = typed(command)
        code = run(given)
        told = capsys.readouterr()
        # Small as the videos are, `data check` has much to say about them.
        if code != 0 and not (code == 3 and given[:2] == ["data", "check"]):
            failed.append(f"{page}: {command}\n{told.err}")
    assert not failed, "\n".join(failed)
