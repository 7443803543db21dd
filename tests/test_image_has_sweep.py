"""Sweeps of the image half."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from thas.cli import run
from thas.image_has.demo import make_demo_images
from thas.image_has.sweep import ImageHalf, _drawn, _measured

EXPERIMENT = """
half = "image"
preset = "image-demo"
title = "Hiding creatures"
reference = "GAP"

[settings]
train.epochs = 1

[arms.GAP]
hide.probability = 0.0

[arms.HaS]
hide.size = [8]

[arms."HaS, half of the maximum"]
hide.size = [8]
localize.threshold = 0.5

[arms.both]
ensemble = ["GAP", "HaS"]
map_members = ["HaS"]
"""


@pytest.fixture(scope="module")
def creatures(tmp_path_factory) -> Path:
    return make_demo_images(tmp_path_factory.mktemp("data") / "creatures", training=6, testing=3)


def test_an_experiment_on_images(creatures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("creatures.toml").write_text(EXPERIMENT)
    arguments = ["creatures.toml", "--dataset", str(creatures), "--workers", "1", "--seeds", "1", "--draws", "30"]
    assert run(["sweep", *arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    arms = {arm["label"]: arm for arm in content["arms"]}
    assert content["measures"] == ["Top-1 Clas", "GT-known Loc", "Top-1 Loc", "MaxBoxAcc"]
    assert arms["HaS"]["runs"] == arms["HaS, half of the maximum"]["runs"]
    assert arms["HaS"]["mean"][0] == arms["HaS, half of the maximum"]["mean"][0]
    assert len(arms["both"]["runs"]["0"]) == 2
    assert content["baselines"]["blind whole image"][1] == pytest.approx(
        json.loads(_eval(arms["GAP"]["runs"]["0"][0], capsys))["baselines"]["whole_image"]
    )
    # The table is the same as that of thas image eval.
    theirs = json.loads(_eval(arms["HaS"]["runs"]["0"][0], capsys))
    mine = dict(zip(content["measures"], arms["HaS"]["mean"], strict=True))
    assert mine["GT-known Loc"] == pytest.approx(theirs["gt_known_loc"])
    assert mine["Top-1 Loc"] == pytest.approx(theirs["top1_loc"])
    assert mine["Top-1 Clas"] == pytest.approx(theirs["top1_clas"])
    assert mine["MaxBoxAcc"] == pytest.approx(theirs["swept"]["max_box_acc"])
    assert not Path("runs/image/latest").exists()
    assert len(list(Path("runs/image/creatures/sweeps/trained").iterdir())) == 2
    # The same experiment by the image half's own command; nothing is trained again.
    assert run(["image", "sweep", *arguments]) == 0
    printed = capsys.readouterr()
    assert "training" not in printed.err
    assert "GT-known Loc" in printed.out
    assert "95 % over images alone: one seed" in printed.out


def _eval(folder: str, capsys) -> str:
    assert run(["image", "eval", folder, "--json"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["image", "sweep", "hide_probability"], "hide_probability is an experiment on videos"),
        (["sweep", "image_sizes", "--features", "x"], "--features goes with videos"),
        (["image", "sweep", "--set", "hide.size=0,8", "--preset", "nonsense"], "there is no image preset 'nonsense'"),
    ],
)
def test_what_belongs_to_the_other_half_is_refused(creatures, tmp_path, capsys, arguments, message):
    assert run([*arguments, "--dataset", str(creatures), "--runs", str(tmp_path / "runs")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_changed_image_is_another_data_set(tmp_path):
    folder = make_demo_images(tmp_path / "few", training=2, testing=1)
    before = ImageHalf(str(folder)).data()
    image = next((folder / "train").glob("*/*.png"))
    image.write_bytes(image.read_bytes() + b" ")
    assert ImageHalf(str(folder)).data() != before


def test_draws_of_images_by_hand():
    hits = np.array([[1, 1, 0, 0, 1], [1, 0, 0, 1, 1], [1, 0, 0, 0, 1], [1, 1, 0, 1, 0]], np.float32)
    assert _measured(np.ones((1, 4), np.float32), hits).tolist() == [[1.0, 0.5, 0.0, 0.75]]
    assert _measured(np.array([[4, 0, 0, 0]], np.float32), hits).tolist() == [[1.0, 1.0, 0.0, 1.0]]
    drawn = _drawn(hits, draws=400, seed=0)
    assert drawn.shape == (400, 4)
    assert (drawn[:, 0] == 1).all()
    assert abs(drawn[:, 1].mean() - 0.5) < 0.05
    assert (drawn[:, 3] >= drawn[:, 1] * 0).all()
