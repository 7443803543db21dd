"""`thas eval` and `thas convert` as typed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from thas.annotators.convert import write
from thas.cli import run
from thas.core.segments import Segments
from thas.eval import Annotations

TRUTH = Annotations(
    Segments(["v1", "v1", "v2", "t1"], ["a", "b", "a", "a"], [0, 30, 5, 0], [10, 40, 15, 9]),
    ("a", "b"),
    {"v1": 60.0, "v2": 20.0, "t1": 30.0},
    {"v1": "test", "v2": "test", "t1": "training"},
)
FOUND = Segments(["v1", "v1", "v2", "v1"], ["a", "b", "a", "b"], [0, 30, 5, 0], [10, 34, 14, 5], [0.9, 0.8, 0.7, 0.8])


@pytest.fixture
def files(tmp_path):
    write(TRUTH, tmp_path / "truth.json", form="activitynet")
    write(FOUND, tmp_path / "found.json", form="activitynet")
    return str(tmp_path / "found.json"), "--annotations", str(tmp_path / "truth.json")


def typed(capsys, *tokens):
    code = run(["eval", *map(str, tokens)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_has_fractions_and_the_account(capsys, files):
    code, out, err = typed(capsys, *files, "--iou", "0.3", "0.5", "--json")
    content = json.loads(out)
    assert code == 0
    assert content["protocol"] == "activitynet"
    assert content["iou"] == [0.3, 0.5]
    assert content["map"] == [0.75, 0.5]  # of two b with one score the earlier, a false one, goes first
    assert content["average"] == pytest.approx(0.625)
    assert content["ap"]["a"] == [1.0, 1.0]
    assert (content["videos"], len(content["videos_hash"])) == (2, 12)
    assert "all detections lie in test" in err
    assert content["labels_told"]["right"] == 2, "by each video's surest detection"
    assert "labels told right: 2 of 2 videos" in err


def test_the_table(capsys, files):
    code, out, _ = typed(capsys, *files, "--iou", "0.5", "--ties", "--baselines", "--bootstrap")
    assert code == 0
    for word in (
        "eval_detection.py",
        "50.0",
        "95 % over videos",
        "ties at worst",
        "blind: whole video",
        "4 detections",
    ):
        assert word in out


def test_tables_for_papers(capsys, files):
    code, out, _ = typed(capsys, *files, "--iou", "0.3", "0.5", "--markdown", "--diagnose")
    assert code == 0
    lines = out.splitlines()
    assert lines[:3] == [
        "| mAP (%) at IoU | 0.3 | 0.5 | mean |",
        "|:---|---:|---:|---:|",
        "| activitynet | 75.0 | 50.0 | 62.5 |",
    ]
    assert all(not line or line.startswith("|") for line in lines), "tables alone"
    code, out, _ = typed(capsys, *files, "--iou", "0.3", "0.5", "--latex", "--protocol", "all")
    assert out.count("\\begin{tabular}") == 1
    code, out, _ = typed(capsys, files[0], *files, "--latex")
    assert out.count("\\begin{tabular}") == 3
    assert typed(capsys, *files, "--latex", "--json")[0] == 2


def test_all_protocols(capsys, files):
    _, out, _ = typed(capsys, *files, "--protocol", "all")
    for name in ("activitynet", "thumos14", "thumos14-11point", "wtalc"):
        assert name in out
    _, out, _ = typed(capsys, *files, "--protocol", "all", "--json")
    assert len(json.loads(out)["scores"]) == 4


def test_two_files_are_compared(capsys, files, tmp_path):
    write(FOUND[:1], tmp_path / "worse.json", form="activitynet")
    _, out, _ = typed(capsys, files[0], tmp_path / "worse.json", *files[1:], "--json")
    content = json.loads(out)
    assert content["difference"][0] < 0
    assert content["verdict"]
    code, out, _ = typed(capsys, files[0], tmp_path / "worse.json", *files[1:])
    assert code == 0
    assert content["verdict"] in out


def test_the_table_of_a_comparison_fits_a_terminal(capsys, files, monkeypatch):
    monkeypatch.setattr("thas.cli.eval_output.out.width", 80)
    _, out, _ = typed(capsys, files[0], *files)
    assert "…" not in out
    assert "score the same" in out


def test_one_threshold_has_no_mean_beside_it(capsys, files):
    _, out, _ = typed(capsys, *files, "--iou", "0.5", "--baselines")
    assert " mean" not in out


def test_warnings_stay_on_stderr_beside_json(capsys, files, tmp_path):
    (tmp_path / "none.json").write_text('{"results": {}}')
    _, out, err = typed(capsys, tmp_path / "none.json", *files[1:], "--subset", "test", "--json")
    assert json.loads(out)["detections"] == 0
    assert "no detections" in err


def test_seeds_must_be_scored_on_the_same_videos(capsys, files, tmp_path):
    write(Segments(["t1"], ["a"], [0], [9], [0.5]), tmp_path / "other.json", form="activitynet")
    code, _, err = typed(capsys, files[0], tmp_path / "other.json", *files[1:], "--seeds")
    assert code == 2
    assert "same videos" in err


def test_the_diagnosis_names_its_rules_and_what_it_leaves_out(capsys, files, tmp_path):
    bare = Annotations(TRUTH.segments, TRUTH.classes, {}, TRUTH.subsets)
    write(bare, tmp_path / "bare.json", form="activitynet")
    options = ("--subset", "test", "--protocol", "thumos14", "--diagnose")
    _, out, err = typed(capsys, files[0], "--annotations", tmp_path / "bare.json", *options)
    assert "rules of activitynet" in out
    assert "do not say how long the videos are" in err
    _, _, err = typed(capsys, *files, *options)
    assert "do not say how long" not in err


def test_seeds_are_averaged(capsys, files, tmp_path):
    write(FOUND[:1], tmp_path / "other.json", form="activitynet")
    names = (files[0], tmp_path / "other.json", files[0])
    _, out, _ = typed(capsys, *names, *files[1:], "--seeds", "--iou", "0.5", "--json")
    content = json.loads(out)
    assert content["map"][0] == pytest.approx((0.5 + 0.25 + 0.5) / 3)
    assert content["map_deviation"][0] > 0
    code, _, err = typed(capsys, *names, *files[1:])
    assert code == 2
    assert "--seeds" in err


def test_diagnosis(capsys, files, tmp_path):
    code, out, _ = typed(capsys, *files, "--pictures", tmp_path / "why")
    assert code == 0
    assert "In short" in out
    assert "too short" in out
    assert (tmp_path / "why" / "errors.png").exists()
    _, out, _ = typed(capsys, *files, "--diagnose", "--json")
    assert json.loads(out)["diagnosis"][0]["detections"]["correct"] == 2


def test_a_list_of_videos(capsys, files, tmp_path):
    (tmp_path / "list.txt").write_text("v2\n")
    _, out, err = typed(capsys, *files, "--videos", tmp_path / "list.txt", "--json")
    assert json.loads(out)["ap"]["a"][0] == 1.0
    (tmp_path / "list.txt").write_text("v2\nv3\n")
    warned = typed(capsys, *files, "--videos", tmp_path / "list.txt")[2]
    assert "videos of the chosen list that the annotations do not name: 1" in warned
    code, _, err = typed(capsys, *files, "--videos", "thumos14-212")
    assert code == 1
    assert "0 with" in err or "have 0" in err


@pytest.mark.parametrize(
    ("tokens", "code", "words"),
    [
        (["--subset", "tset"], 2, "did you mean 'test'"),
        (["--iou", "50"], 2, "not per cent"),
        (["--protocol", "thumos"], 2, "thumos"),
        (["--videos", "nowhere"], 2, "no list of videos"),
        (["--protocol", "all", "--diagnose"], 2, "name one protocol"),
        (["--seeds"], 2, "two or more"),
    ],
)
def test_wrong_usage(capsys, files, tokens, code, words):
    found, _, err = typed(capsys, *files, *tokens)
    assert found == code
    assert words in err


def test_missing_things(capsys, files, tmp_path):
    assert typed(capsys, files[0])[0] == 2
    code, _, err = typed(capsys, tmp_path / "none.json", *files[1:])
    assert code == 1
    assert "do not exist" in err
    strange = Segments(["v1"], ["c"], [0], [1], [0.5])
    write(strange, tmp_path / "strange.json", form="activitynet")
    code, _, err = typed(capsys, tmp_path / "strange.json", *files[1:])
    assert code == 1
    assert "--drop-unknown-labels" in err
    assert typed(capsys, tmp_path / "strange.json", *files[1:], "--drop-unknown-labels")[0] == 0
    write(Annotations(Segments.empty(), ("a", "b"), {"v1": 9.0}), tmp_path / "bare.json", form="activitynet")
    code, _, err = typed(capsys, files[0], "--annotations", tmp_path / "bare.json")
    assert code == 1
    assert "no annotated segment" in err or "does not know" in err


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A data set in our folder layout, and a run that has been localized."""
    from thas.core.run_settings import RunData, write_settings
    from thas.core.runs import new_folder
    from thas.temporal_has.results import write_detections
    from thas.temporal_has.settings import Settings

    monkeypatch.chdir(tmp_path)
    write(TRUTH, tmp_path / "set" / "annotations.json", form="activitynet")
    rows = [f"{video},a,{subset}\n" for video, subset in TRUTH.subsets.items()] + ["v1,b,test\n"]
    (tmp_path / "set" / "labels.csv").write_text("video,label,subset\n" + "".join(rows))
    folder = new_folder(tmp_path / "runs" / "set")
    write_settings(folder, Settings(), RunData("set", "data", "training", "test", "set/features"), {})
    write_detections(folder / "detections.json", FOUND, {"labels": "known"})
    (folder / "checkpoint.safetensors").touch()
    return folder


def test_the_newest_run(capsys, run_folder):
    code, out, _ = typed(capsys, "--iou", "0.3", "0.5")
    assert code == 0
    assert "set test, 2 videos" in out
    kept = json.loads((run_folder / "scores.json").read_text())
    assert kept["map"] == [0.75, 0.5]


def test_a_named_run_with_its_diagnosis(capsys, run_folder):
    code, _, err = typed(capsys, run_folder, "--diagnose")
    assert code == 0
    assert (run_folder / "diagnosis" / "errors.png").exists()
    assert "errors.png" in err


def test_a_data_set_by_name(capsys, run_folder, tmp_path):
    write(FOUND, tmp_path / "found.json", form="activitynet")
    code, out, _ = typed(capsys, tmp_path / "found.json", "--dataset", "set", "--iou", "0.5", "--json")
    assert code == 0
    assert json.loads(out)["videos"] == 2
    code, out, _ = typed(capsys, tmp_path / "found.json", "--annotations", "set", "--iou", "0.5", "--json")
    assert json.loads(out)["map"] == [0.5]
    code, out, _ = typed(capsys, "--dataset", "set", "--iou", "0.5", "--json")
    assert json.loads(out)["map"] == [0.5]
    assert typed(capsys, "--subset", "test")[0] == 2


def test_no_detections_at_all(capsys, files, tmp_path):
    (tmp_path / "none.json").write_text('{"results": {}}')
    options = ["--ties", "--baselines", "--bootstrap", "--diagnose"]
    drawn = ["--pictures", tmp_path / "why"]
    code, out, _ = typed(capsys, tmp_path / "none.json", *files[1:], "--subset", "test", *options, *drawn)
    assert code == 0
    assert "0 detections" in out
    code, out, _ = typed(capsys, tmp_path / "none.json", *files[1:], "--subset", "test", *options, "--json")
    assert json.loads(out)["average"] == 0


def test_convert(capsys, files, tmp_path):
    assert run(["convert", files[0], str(tmp_path / "chapters"), "--to", "webvtt", "--top", "1"]) == 0
    assert "2 files written" in capsys.readouterr().out
    assert (tmp_path / "chapters" / "v1.vtt").read_text().count("-->") == 1
    assert run(["convert", files[2], str(tmp_path / "t.csv"), "--subset", "training", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["form"] == "csv"
    assert (tmp_path / "t.csv").read_text().splitlines()[1:] == ["t1,a,0.0,9.0,training,30.0"]
    assert run(["convert", files[0], str(tmp_path / "x.bin")]) == 2
    assert run(["convert", files[0], str(tmp_path / "x.csv"), "--subset", "test"]) == 2
    assert run(["convert", files[2], str(tmp_path / "x.csv"), "--top", "1"]) == 2
    assert run(["convert", files[0], str(tmp_path / "x.csv"), "--top", "0"]) == 2


def test_convert_never_replaces_its_source(capsys, files):
    from pathlib import Path

    before = Path(files[0]).read_bytes()
    assert run(["convert", files[0], files[0]]) == 2
    assert Path(files[0]).read_bytes() == before
    assert "another TARGET" in capsys.readouterr().err


def test_convert_and_back_for_classes_of_ones_own(files, tmp_path):
    for source, target in (("found.json", "a.txt"), ("a.txt", "b.csv"), ("b.csv", "c.json")):
        assert run(["convert", str(tmp_path / source), str(tmp_path / target)]) == 0
    assert json.loads((tmp_path / "c.json").read_text()) == json.loads((tmp_path / "found.json").read_text())


def test_no_heavy_import():
    code = (
        "import sys, thas.eval, thas.cli.eval, thas.eval.assessment, thas.eval.explanation, thas.eval.report;"
        "bad = {'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).returncode == 0
