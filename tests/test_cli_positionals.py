"""Values behind an option of several: which are the option's, and which are what the command is of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thas.cli import build_app, run
from thas.cli.positionals import rearranged


@pytest.fixture(scope="module")
def app():
    return build_app()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("A").mkdir()
    Path("photos").mkdir()
    Path("found.json").write_text("{}")
    Path("mine.toml").write_text('[arms."a"]\nhide.probability = 0.0\n')
    Path("preset.toml").write_text("[hide]\nprobability = 0.5\n")


@pytest.mark.parametrize(
    ("typed", "own", "kept"),
    [
        ("localize --run A B match.mp4 --json", ["match.mp4"], ["--run", "A", "B", "--json"]),
        ("localize --map-members 0 1 match.mp4", ["match.mp4"], ["--map-members", "0", "1"]),
        ("localize --set localize.threshold=0.3 hide.size=5 match.mp4", ["match.mp4"], None),
        ("localize --device cpu match.mp4 other.mkv", ["match.mp4", "other.mkv"], ["--device", "cpu"]),
        ("localize --pictures match.mp4 other.mkv", ["match.mp4", "other.mkv"], ["--pictures"]),
        ("image localize --run A bird.jpg", ["bird.jpg"], ["--run", "A"]),
        ("image localize --classes tench photos", ["photos"], ["--classes", "tench"]),
        ("image train --preset images-128 has-of-mine photos", ["photos"], ["--preset", "images-128", "has-of-mine"]),
        ("image train --hide-size 0 16 photos", ["photos"], ["--hide-size", "0", "16"]),
        ("eval --iou 0.1 0.3 found.json", ["found.json"], ["--iou", "0.1", "0.3"]),
        ("eval --run A found.json", ["found.json"], ["--run", "A"]),
        ("clips --label Diving found.json", ["found.json"], ["--label", "Diving"]),
        ("sweep --preset has attention mine.toml", ["mine.toml"], ["--preset", "has", "attention"]),
        ("sweep --preset has preset.toml hide_probability", ["hide_probability"], ["--preset", "has", "preset.toml"]),
        ("convert found.json --label tier out.csv", ["found.json"], ["--label", "tier", "out.csv"]),  # no file yet
        ("convert --where tier=A found.json out.csv", ["found.json", "out.csv"], ["--where", "tier=A"]),
        ("clips --label Diving -- A", ["A"], ["--label", "Diving"]),
    ],
)
def test_what_an_option_cannot_have_is_what_the_command_is_of(app, typed, own, kept):
    tokens = typed.split()
    chain = tokens[:2] if tokens[0] == "image" else tokens[:1]
    result = rearranged(app, tokens)
    assert result[: len(chain) + len(own)] == [*chain, *own]
    assert sorted(result) == sorted(token for token in tokens if token != "--")
    if kept is not None:
        assert result[len(chain) + len(own) :] == kept


@pytest.mark.parametrize(
    "typed",
    [
        "train --preset has has2071 --dataset A",
        "localize --device cpu --json",
        "localize --pictures match.mp4",
        "eval found.json --iou 0.5 --json",
        "eval --iou 0.1 0.3 --json",
        "--version",
        "list heads",
        "image",
        "nonsense --run A b.mp4",
        "doctor --help",
    ],
)
def test_what_is_clear_stays_as_it_was_typed(app, typed):
    assert rearranged(app, typed.split()) == typed.split()


@pytest.mark.parametrize(
    "typed",
    [
        "--pictures match.mp4",
        "match.mp4 --pictures other.mkv",
        "--pictures match.mp4 --json other.mkv",
        "match.mp4 --device cpu --json other.mkv",
    ],
)
def test_what_stands_behind_a_switch_is_what_the_command_is_of(app, typed):
    bound = app.parse_args(rearranged(app, ["localize", *typed.split()]), exit_on_error=False, print_error=False)[1]
    assert bound.arguments["inputs"] == [one for one in typed.split() if one.endswith((".mp4", ".mkv"))]


def test_names_that_begin_with_a_dash_stay_behind_the_dashes(app):
    assert rearranged(app, ["localize", "--json", "--", "-odd-.mp4"]) == ["localize", "--json", "--", "-odd-.mp4"]


def test_a_file_of_detections_behind_thresholds_is_scored(capsys):
    truth = {"v": {"duration": 10.0, "subset": "test", "annotations": [{"segment": [1, 3], "label": "a"}]}}
    Path("truth.json").write_text(json.dumps({"database": truth}))
    Path("found.json").write_text(json.dumps({"results": {"v": [{"segment": [1, 3], "label": "a", "score": 0.9}]}}))
    assert run(["eval", "--annotations", "truth.json", "--json", "--iou", "0.5", "0.7", "found.json"]) == 0
    assert json.loads(capsys.readouterr().out)["map"] == [1.0, 1.0]
