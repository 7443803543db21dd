"""Annotators' files as typed: labels and splits in one command, what is asked for, and what data sets do with them."""

from __future__ import annotations

import csv
import json

import pytest

from thas.cli import run

HEADING = (
    "Observation id,Source,Time offset (s),Media duration (s),Subject,Behavior,Behavior type,Time,Media file name\n"
)


def thas(capsys, *tokens):
    code = run([str(token) for token in tokens])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def coded(tmp_path):
    """Eight persons' videos: everyone walks, every other one runs, too."""
    rows = [
        f"o{i},player #1:P{i}_cam.mp4,0,9.5,p{i},{what},{kind},{time},P{i}_cam.mp4\n"
        for i in range(8)
        for what in (("walk", "run") if i % 2 else ("walk",))
        for time, kind in ((1, "START"), (2, "STOP"))
    ]
    path = tmp_path / "coded.csv"
    path.write_text(HEADING + "".join(rows))
    return path


def test_labels_and_a_split_in_one_command(tmp_path, capsys, coded):
    target = tmp_path / "labels.csv"
    code, _, err = thas(
        capsys, "convert", coded, target, "--to", "labels", "--split", "test=0.25", "--split-by", "P[0-9]"
    )
    assert code == 0, err
    with target.open() as file:
        held = list(csv.DictReader(file))
    subset = {row["video"]: row["subset"] for row in held}
    assert sorted(subset.values()).count("test") == 2
    assert {row["label"] for row in held if row["subset"] == "test"} == {"walk", "run"}
    again = tmp_path / "again.csv"
    assert (
        thas(capsys, "convert", coded, again, "--to", "labels", "--split", "test=0.25", "--split-by", "P[0-9]")[0] == 0
    )
    assert again.read_text() == target.read_text()


def test_only_some_and_labels_of_several_fields(tmp_path, capsys, coded):
    where = ("--where", "subject=p1", "subject=p2", "--label", "subject", "behavior")
    assert thas(capsys, "convert", coded, tmp_path / "t.json", *where)[0] == 0
    database = json.loads((tmp_path / "t.json").read_text())["database"]
    assert [row["label"] for row in database["P1_cam"]["annotations"]] == ["p1 walk", "p1 run"]
    assert database["P2_cam"]["duration"] == 9.5


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (("--where", "subject"), "not of the form"),
        (("--split", "test=1.5"), "leaves nothing to train on"),
        (("--split", "test=0.2", "--split-by", "Q"), "finds nothing"),
        (("--split", "test=0.2", "--split-by", "("), "no regular expression"),
        (("--to", "points"), "no instants"),
        (("--fps", "0"), "above 0"),
        (("--columns", "vidoe=x"), "did you mean 'video'"),
        (("--from", "borris"), "did you mean 'boris'"),
    ],
)
def test_what_is_typed_wrongly_is_said(tmp_path, capsys, coded, tokens, said):
    code, _, err = thas(capsys, "convert", coded, tmp_path / "t.json", *tokens)
    assert code == 2
    assert said in err
    assert "next" in err


def test_what_the_file_lacks_is_asked_for(tmp_path, capsys):
    path = tmp_path / "e.csv"
    path.write_text(
        HEADING.replace("Source,Time offset (s),Media duration (s),", "")
        + "o,,run,POINT,1,a.mp4\no,,run,POINT,70,b.mp4\n"
    )
    code, _, err = thas(capsys, "convert", path, tmp_path / "p.csv", "--to", "points")
    assert code == 1
    assert "--seconds a=SECONDS" in err
    code, _, err = thas(capsys, "convert", path, tmp_path / "p.csv", "--to", "points", "--seconds", "a=60", "b=20")
    assert code == 0, err
    assert (tmp_path / "p.csv").read_text() == "video,label,time_seconds\na,run,1.0\nb,run,10.0\n"
    assert thas(capsys, "convert", tmp_path / "p.csv", tmp_path / "back.json")[0] == 0
    assert json.loads((tmp_path / "back.json").read_text())["database"]["b"]["points"] == [
        {"label": "run", "time": 10.0}
    ]


def test_a_data_set_with_such_annotations_is_checked_and_scored(tmp_path, capsys, coded):
    folder = tmp_path / "films"
    (folder / "annotations").mkdir(parents=True)
    coded.rename(folder / "annotations" / "coded.csv")
    rows = [
        f"P{i}_cam,{what},{'test' if i > 5 else 'training'}\n"
        for i in range(8)
        for what in (("walk", "run") if i % 2 else ("walk",))
    ]
    (folder / "labels.csv").write_text("video,label,subset\n" + "".join(rows))
    code, out, _ = thas(capsys, "data", "check", folder, "--json")
    report = json.loads(out)
    assert report["segments"] == {"training": 9, "test": 3}
    assert code == 3, "the videos are not there"
    (tmp_path / "found.csv").write_text("video,label,start,end,score\nP7_cam,run,1,2,0.9\n")
    code, out, err = thas(
        capsys, "eval", tmp_path / "found.csv", "--annotations", folder / "annotations" / "coded.csv", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["ap"]["run"][0] == pytest.approx(0.25)


def test_cvat_needs_the_rate(tmp_path, capsys, coded):
    code, _, err = thas(capsys, "convert", coded, tmp_path / "out", "--to", "cvat")
    assert code == 2
    assert "--fps" in err
    assert thas(capsys, "convert", coded, tmp_path / "out", "--to", "cvat", "--fps", "25")[0] == 0
    assert (tmp_path / "out" / "P3_cam.xml").exists()
