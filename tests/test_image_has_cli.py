"""The four commands, run as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from thas.cli import run
from thas.core.errors import CheckpointError
from thas.image_has import Localizer, photographs, session
from thas.image_has.demo import make_demo_images
from thas.temporal_has import Localizer as TemporalLocalizer


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo_images(tmp_path_factory.mktemp("drawn") / "creatures", training=6, testing=2)


@pytest.fixture
def creatures(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(drawn, tmp_path / "creatures"))


TRAIN = ["image", "train", "--dataset", "creatures", "--preset", "image-demo", "--epochs", "1", "--device", "cpu"]


def test_train_eval_and_localize_one_after_the_other(creatures: Path, capsys: pytest.CaptureFixture[str]):
    assert run([*TRAIN, "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["images"] == 24
    assert Path(trained["run"]).is_dir()
    assert run(["image", "eval", "--json", "--pictures", "drawn"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {"gt_known_loc", "top1_loc", "top1_clas", "swept", "baselines"} <= set(scores)
    assert 0 <= scores["gt_known_loc"] <= 1
    assert len(list(Path("drawn").iterdir())) == 8
    assert run(["image", "eval"]) == 0
    assert "GT-known Loc" in capsys.readouterr().out
    assert run(["report", trained["run"], "--out", "page.html", "--most", "3"]) == 0
    assert Path("page.html").read_text().count("<img ") == 6, "the three worst and the three best"
    capsys.readouterr()
    photos = [str(path) for path in sorted((creatures / "val").glob("*/0000.png"))]
    assert run(["image", "localize", *photos, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["images"]
    assert [one["image"] for one in found] == photos
    assert all(Path(one["overlay"]).exists() and len(one["boxes"][0]["box"]) == 4 for one in found)
    assert json.loads(Path("localized/boxes.json").read_text())["images"] == found


def test_several_runs_are_averaged_in_photographs(creatures: Path, capsys: pytest.CaptureFixture[str]):
    for seed in ("0", "1"):
        assert run([*TRAIN, "--seed", seed, "--runs", f"runs-{seed}"]) == 0
    a, b = (str(Path(f"runs-{seed}/latest").resolve()) for seed in ("0", "1"))
    photo = str(next((creatures / "val").glob("*/0000.png")))
    probabilities = {}
    for name, chosen in {"a": [a], "b": [b], "both": [a, b], "drawn by b": [a, b, "--map-members", "1"]}.items():
        capsys.readouterr()
        assert run(["image", "localize", photo, "--no-pictures", "--json", "--top", "4", "--run", *chosen]) == 0
        boxes = json.loads(capsys.readouterr().out)["images"][0]["boxes"]
        probabilities[name] = {box["label"]: box["score"] for box in boxes}
    for label, mean in probabilities["both"].items():
        assert mean == pytest.approx((probabilities["a"][label] + probabilities["b"][label]) / 2, abs=1e-5)
    assert probabilities["drawn by b"] == probabilities["both"]
    assert run(["image", "localize", photo, "--run", a, b, "--map-members", "2"]) == 2
    assert "there is no network 2" in capsys.readouterr().err


def test_boxes_that_localize_printed_can_be_scored(creatures: Path, capsys: pytest.CaptureFixture[str]):
    assert run(TRAIN) == 0
    capsys.readouterr()
    assert run(["image", "localize", "creatures/val", "--no-pictures", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    Path("printed.json").write_text(json.dumps(printed))
    for one in printed["images"]:
        one["image"] = Path(one["image"]).relative_to("creatures").as_posix()
    Path("within.json").write_text(json.dumps(printed))
    assert run(["image", "eval", "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    for file in ("printed.json", "within.json", "localized/boxes.json"):
        assert run(["image", "eval", "--boxes", file, "--json"]) == 0, "of the newest run's images"
        given = json.loads(capsys.readouterr().out)
        assert (given["top1_clas"], given["top1_loc"]) == (expected["top1_clas"], expected["top1_loc"])
        assert given["of"].startswith("creatures val; ")


def test_a_broken_photograph_does_not_stop_the_rest_but_changes_the_exit_code(
    creatures: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(TRAIN) == 0
    Path("broken.jpg").write_bytes(b"broken")
    PIL.Image.fromarray(np.zeros((9, 9), np.uint8)).save("grey.png")
    capsys.readouterr()
    assert run(["image", "localize", "broken.jpg", "grey.png", "--json"]) == 3
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert [one["image"] for one in content["images"]] == ["grey.png"]
    assert list(content["failed"]) == ["broken.jpg"]
    assert "broken.jpg" in captured.err
    Path("some").mkdir()
    Path("grey.png").rename("some/grey.png")
    Path("some/phone.heic").touch()
    assert run(["image", "localize", "some", "--no-pictures"]) == 0
    assert "in some, no images by their names: phone.heic" in capsys.readouterr().err


def test_what_was_found_in_other_photographs_stays(creatures: Path, capsys: pytest.CaptureFixture[str]):
    assert run(TRAIN) == 0
    for folder, colour in (("a", 0), ("b", 99)):
        Path(folder).mkdir()
        PIL.Image.new("L", (9, 9), colour).save(f"{folder}/x.png")

    def kept() -> list[tuple[str, str]]:
        images = json.loads(Path("localized/boxes.json").read_text())["images"]
        return [(one["image"], one["overlay"]) for one in images]

    assert run(["image", "localize", "a/x.png"]) == 0
    first = Path("localized/x.png").read_bytes()
    assert run(["image", "localize", "--run", "runs/image/latest", "b/x.png"]) == 0
    assert kept() == [("a/x.png", "localized/x.png"), ("b/x.png", "localized/x-2.png")]
    assert Path("localized/x.png").read_bytes() == first
    assert run(["image", "localize", "./a/x.png"]) == 0
    assert kept() == [("b/x.png", "localized/x-2.png"), ("a/x.png", "localized/x.png")]
    capsys.readouterr()
    Path("localized/boxes.json").write_text("[]")
    assert run(["image", "localize", "a/x.png"]) == 1
    assert "localized/boxes.json is in the way" in capsys.readouterr().err
    assert Path("localized/boxes.json").read_text() == "[]"
    assert run(["image", "localize", "nowhere.png", "--output", "others"]) == 2
    assert "there is no image nowhere.png" in capsys.readouterr().err
    Path("broken.png").write_bytes(b"none")
    assert run(["image", "localize", "broken.png", "--out", "others"]) == 1, "nothing was finished"
    assert run([*TRAIN, "--hide-size", "8", "999"]) == 2
    assert "hide.size must not be above input.size" in capsys.readouterr().err


def test_eval_says_how_it_localized_what_it_wrote_and_whether_that_beats_the_middle(
    creatures: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(TRAIN) == 0
    capsys.readouterr()
    assert run(["image", "eval", "--run", "runs/image/latest"]) == 0
    captured = capsys.readouterr()
    assert "written: " in captured.err
    assert "scores.json" in captured.err
    assert re.search(r"GT-known Loc (is above|is below|cannot be told from) that of the centred box", captured.err)
    assert "with " not in captured.out.splitlines()[1]
    assert run(["image", "eval", "--set", "localize.scale=otsu", "localize.threshold=1.5"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1] == "with localize.scale=otsu localize.threshold=1.5"
    assert "written: " not in captured.err
    assert "keeps only the scores of its own settings" in captured.err


def test_several_runs_are_scored_on_the_data_set_they_share(creatures: Path, capsys: pytest.CaptureFixture[str]):
    colours = ["--set", "input.mean=0.5,0.5,0.5", "input.std=0.3,0.3,0.3"]
    for seed in ("0", "1"):
        assert run([*TRAIN, *colours, "--seed", seed, "--runs", f"runs-{seed}"]) == 0
    capsys.readouterr()
    assert run(["image", "eval", "runs-0/latest", "runs-1/latest", "--map-members", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 8
    assert run(["image", "eval", "runs-0/latest", "--subset", "train", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["without_boxes"] == 24
    make_demo_images(Path("others"), training=2, testing=1)
    assert run([*TRAIN[:3], "others", *TRAIN[4:], *colours, "--runs", "runs-2"]) == 0
    assert run(["image", "eval", "runs-0/latest", "runs-2/latest"]) == 2
    assert "the runs are of several data sets" in capsys.readouterr().err


def test_a_run_is_resumed_on_its_own_images_only(creatures: Path, capsys: pytest.CaptureFixture[str]):
    assert run(TRAIN) == 0
    make_demo_images(Path("elsewhere/creatures"), training=2, testing=1)
    for other in (["--dataset", "elsewhere/creatures"], ["--dataset", "creatures", "--train-subset", "val"]):
        capsys.readouterr()
        assert run(["image", "train", "--preset", "image-demo", *other, "--resume", "--run", "runs/image/latest"]) == 2
        assert "it was begun on train of " in capsys.readouterr().err


def test_a_training_that_came_to_nothing_does_not_hide_the_run_before(
    creatures: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(TRAIN) == 0
    assert run([*TRAIN[:-1], "cuda:99"]) == 2
    capsys.readouterr()
    assert run(["image", "eval", "--json"]) == 0


def test_what_was_localized_before_an_interruption_is_kept(
    creatures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert run(TRAIN) == 0
    first, second = sorted((creatures / "val/drix").iterdir())[:2]
    real = photographs.read_image

    def interrupted(path: Path) -> PIL.Image.Image:
        if path == second:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(photographs, "read_image", interrupted)
    assert run(["image", "localize", *[str(first)] * 8, str(second)]) == 130
    kept = [one["image"] for one in json.loads(Path("localized/boxes.json").read_text())["images"]]
    assert kept == [str(first)] * 8, "photographs are looked at in eights"


def test_an_interruption_with_nothing_to_resume_advises_to_begin_again(
    creatures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert run(TRAIN) == 0

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "train", interrupted)
    capsys.readouterr()
    assert run(TRAIN) == 130
    said = capsys.readouterr().err
    assert "nothing was kept" in said
    assert "--resume" not in said
    assert len(list(Path("runs/image/creatures").iterdir())) == 1, "that of before"
    assert run([*TRAIN, "--resume"]) == 130
    assert "what was finished is kept" in capsys.readouterr().err


def test_images_without_boxes_are_said_to_be_so(creatures: Path, capsys: pytest.CaptureFixture[str]):
    assert run(TRAIN) == 0
    capsys.readouterr()
    assert run(["image", "eval", "--subset", "train"]) == 0
    assert "none of the images of creatures train has annotated boxes" in capsys.readouterr().err


def test_classes_that_training_never_sees_are_named(creatures: Path, capsys: pytest.CaptureFixture[str]):
    shutil.rmtree(creatures / "train/drix")
    assert run(TRAIN) == 0
    assert "1 class has no image in train" in " ".join(capsys.readouterr().err.split())


def test_who_opens_a_run_of_images_as_one_of_videos_is_told(creatures: Path):
    assert run(TRAIN) == 0
    with pytest.raises(CheckpointError, match="a run of the image half"):
        TemporalLocalizer.from_run("runs/image/latest")
    image = PIL.Image.open(next((creatures / "val").rglob("*.png")))
    found = Localizer.from_run("runs/image/latest", device="cpu").localize([image, image.resize((30, 20))], top=2)
    assert [len(one.boxes) for one in found] == [2, 2]
    assert all(0 <= x0 < x1 <= 30 and 0 <= y0 < y1 <= 20 for _, _, (x0, y0, x1, y1) in found[1].boxes)


def test_pictures_made_before_are_no_photographs(creatures: Path, capsys: pytest.CaptureFixture[str]):
    assert run(TRAIN) == 0
    Path("photos").mkdir()
    PIL.Image.new("L", (9, 9)).save("photos/x.png")
    for _ in range(2):
        capsys.readouterr()
        assert run(["image", "localize", "photos", "--output", "photos/found", "--json"]) == 0
        assert [one["image"] for one in json.loads(capsys.readouterr().out)["images"]] == ["photos/x.png"]


def test_boxes_of_images_that_are_gone_do_not_stop_training(creatures: Path, capsys: pytest.CaptureFixture[str]):
    next((creatures / "val/drix").iterdir()).unlink()
    assert run(TRAIN) == 0
    capsys.readouterr()
    assert run(["image", "eval"]) == 0
    assert "row of boxes.csv, left out: val/drix/" in capsys.readouterr().err


def test_a_run_of_the_other_half_is_named_as_such(creatures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(TRAIN) == 0
    run_of_videos = tmp_path / "runs/videos/20260101-000000"
    run_of_videos.mkdir(parents=True)
    (run_of_videos / "settings.toml").write_text("[data]\n")
    capsys.readouterr()
    assert run(["eval", "runs/image/latest"]) == 2
    assert "is a run of images\n  next: thas image eval " in capsys.readouterr().err
    assert run(["image", "eval", str(run_of_videos)]) == 2
    assert "is a run of videos\n  next: thas eval " in capsys.readouterr().err


def test_broken_training_images_are_counted_and_named(creatures: Path, capsys: pytest.CaptureFixture[str]):
    (creatures / "train/drix/0003.png").write_bytes(b"broken")
    assert run(TRAIN) == 3
    assert "train/drix/0003.png" in capsys.readouterr().err


def test_the_settings_can_be_printed_and_fed_back(creatures: Path, capsys: pytest.CaptureFixture[str]):
    options = ["--print-config", "--hide-size", "0", "8", "16", "--set", "hide.probability=0.25", "train.seed=3"]
    assert run([*TRAIN, *options]) == 0
    printed = capsys.readouterr().out
    assert "size = [0, 8, 16]" in printed
    assert "(option)" in printed
    Path("mine.toml").write_text(printed)
    assert run([*TRAIN, "--config", "mine.toml", "--print-config"]) == 0
    again = capsys.readouterr().out
    assert [line.split("#")[0] for line in again.splitlines()] == [line.split("#")[0] for line in printed.splitlines()]


def test_settings_of_a_run_and_presets_of_ones_own_are_taken(creatures: Path, capsys: pytest.CaptureFixture[str]):
    assert run(TRAIN) == 0
    Path("mine.toml").write_text("[network]\nwidth = 0.5\n")
    again = [
        "image",
        "train",
        "--dataset",
        "creatures",
        "--config",
        "runs/image/latest/settings.toml",
        "--print-config",
    ]
    capsys.readouterr()
    assert run([*again, "--preset", "images-128", "mine.toml"]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    kept = tomllib.loads(Path("runs/image/latest/settings.toml").read_text())
    assert printed == {key: kept[key] for key in printed}
    assert run([*TRAIN, "--preset", "image-demo", "mine.toml", "--print-config"]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert (printed["network"]["width"], printed["network"]["name"]) == (0.5, "small")


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["image", "train", "--dataset", "nowhere"], 2, "no image data set 'nowhere'"),
        (["image", "train"], 2, "no data set is named"),
        (["sweep", "--dataset", "x", "--preset", "images-128", "--set", "train.epochs=1,2"], 2, "thas image sweep"),
        ([*TRAIN, "--set", "hide.probabilty=1"], 2, "hide.probability"),
        ([*TRAIN, "--set", "hide.probability"], 2, "has no value"),
        (["image", "train", "--dataset", "creatures", "--preset", "imagenet"], 2, "no image preset"),
        ([*TRAIN, "--resume"], 2, "there is no run"),
        ([*TRAIN, "--train-subset", "trian"], 2, "no subset 'trian'"),
        (["image", "eval"], 2, "there is no run"),
        (["image", "eval", "--boxes", "x.csv"], 2, "which images"),
        (["image", "localize", "x.jpg"], 2, "there is no run"),
        (["image", "localize", "x.jpg", "--set", "train.epochs=3"], 2, "train.epochs has no effect"),
        (["image", "localize", "x.jpg", "--set", "localise.refine=3"], 2, "did you mean"),
        (["image", "eval", "--set", "network.width=0.2"], 2, "network.width has no effect"),
        (["image", "localize", "--run", "some/run", "x.jpg"], 2, "some/run is not a run"),
        (["image", "localize", "--run", "some/run"], 2, "no photograph is named"),
        (["image", "localize", "x.jpg", "--set", "localize.threshold=1"], 2, "must be below 1"),
        (["image", "eval", "--set", "refine=5"], 2, "did you mean 'localize.refine'?"),
        (["image", "train", "--dataset", "creatures", "--preset", "image-128"], 2, "finetune-has, googlenet, ilsvrc"),
        (["image", "localize", "x.jpg", "--top", "0"], 2, "--top"),
        (["image", "localize", "creatures/empty"], 2, "holds no images"),
    ],
)
def test_what_is_wrong_is_said_in_three_lines(
    creatures: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, named: str
):
    (creatures / "empty").mkdir()
    PIL.Image.new("RGB", (8, 8)).save("x.jpg")
    assert run(arguments) == code
    message = capsys.readouterr().err
    assert named in message
    assert "Traceback" not in message
    assert "next:" in message


def test_the_demo_shows_both_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert run(["image", "demo", "--images", "12", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content["arms"]) == {"no hiding", "Hide-and-Seek"}
    assert Path(content["pictures"]).exists()
    assert content["arms"]["no hiding"]["images"] == 16
