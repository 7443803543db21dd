"""Several data sets at once: ranks, intervals over all, and the choice with each set left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from thas.cli import run
from thas.core.errors import UsageError
from thas.sweep.over_sets import SetScores, check_alike
from thas.sweep.report import left_out_table, over_sets_table

from .sweep_data import SMALL, planted_dataset, undrawn
from .test_sweep_table import arm, lines, scores


def on(dataset: str, **values: float):
    """A sweep on a data set: one measure, one seed, no scatter unless drawn."""
    found = scores(*(arm(label, [[value]]) for label, value in values.items()), measures=("mean",), seeds=1)
    return type(found)(**{**vars(found), "dataset": dataset})


def test_ranks_and_the_choice_by_hand():
    #            a     b     c        best of the others
    first = on("x", a=0.1, b=0.5, c=0.3)  # y and z: a .5, b .25, c .4 -> a
    second = on("y", a=0.6, b=0.2, c=0.6)  # x and z: a .25, b .4, c .25 -> b
    third = on("z", a=0.4, b=0.3, c=0.2)  # x and y: a .35, b .35, c .45 -> c
    found = SetScores((first, second, third), Path("nowhere"))
    assert found.ranks.tolist() == [[3, 1.5, 1], [1, 3, 2], [2, 1.5, 3]]
    assert [(one.dataset, one.chosen, one.value) for one in found.left_out] == [
        ("x", "a", 0.1),
        ("y", "b", 0.2),
        ("z", "c", 0.2),
    ]
    assert [(one.best, one.best_value) for one in found.left_out] == [("b", 0.5), ("a", 0.6), ("a", 0.4)]
    choice = found.choice()
    assert choice is not None
    # On x the reference itself, on y .4 and on z .2 below it.
    assert choice.value.tolist() == pytest.approx([-0.2])
    assert (choice.low[0], choice.high[0]) == pytest.approx((-0.2, -0.2))
    rows = [line.split() for line in lines(left_out_table(found))]
    assert rows[1] == ["x", "a", "10.0", "10.0", "b", "50.0"]
    assert rows[-1][0] == "mean"
    assert rows[-1][1:4] == ["16.7", "36.7", "50.0"]
    table = [line.split() for line in lines(over_sets_table(found))]
    assert table[0] == ["arm", "x", "y", "z", "mean", "rank", "difference"]
    assert table[1] == ["a", "10.0", "60.0", "40.0", "36.7", "1.8"]
    assert table[2][:8] == ["b", "50.0", "20.0", "30.0", "33.3", "2.0", "-3.3", "[-3.3,"]


def test_sets_are_drawn_for_themselves():
    """Two sets that scatter alike: their mean scatters by the root of two less, though both drew the same numbers."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2000, 1))

    def one(dataset: str):
        arms = (arm("a", [[0.5]], np.full((1, 2000, 1), 0.5)), arm("b", [[0.5]], 0.5 + noise[None]))
        found = scores(*arms, measures=("mean",), seeds=1)
        return type(found)(**{**vars(found), "dataset": dataset})

    sweeps = one("x"), one("y")
    alone = sweeps[0].difference(sweeps[0].arm("b"))
    both = SetScores(sweeps, Path("nowhere")).difference(["b", "b"])
    assert alone is not None
    assert both is not None
    width, narrower = alone.high[0] - alone.low[0], both.high[0] - both.low[0]
    assert narrower / width == pytest.approx(0.5**0.5, rel=0.1)


def test_an_arm_that_failed_on_one_set_has_no_rank_and_is_not_chosen():
    first = on("x", a=0.1, b=0.5)
    lost = arm("b", np.zeros((0, 1)), np.zeros((0, 200, 1)), failed={0: "why"})
    second = scores(arm("a", [[0.2]]), lost, measures=("mean",), seeds=1)
    found = SetScores((first, type(second)(**{**vars(second), "dataset": "y"})), Path("nowhere"))
    assert found.labels == ("a",)
    assert [one.chosen for one in found.left_out] == ["a", "a"]
    assert found.failed == {"y: b, seed 0": "why"}
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["over_all"][0]["mean_rank"] == 1


@pytest.mark.parametrize(
    ("names", "measures", "message"),
    [
        (["x"], [("mean",)], "two or more"),
        (["x", "x"], [("mean",)] * 2, "two data sets are called x"),
        (["x", "y"], [("0.1", "mean"), ("0.5", "mean")], "not scored alike"),
    ],
)
def test_sets_that_cannot_be_compared(names, measures, message):
    with pytest.raises(UsageError, match=message):
        check_alike(names, measures)


def test_a_sweep_on_two_sets_by_its_command(tmp_path, capsys, monkeypatch):
    undrawn(monkeypatch)
    folders = [planted_dataset(tmp_path / name, videos=9) for name in ("one", "two")]
    pairs = [f"{key}={values[0]}" for key, values in SMALL.items()]
    shared = ["--runs", str(tmp_path / "runs"), "--seeds", "1", "--draws", "20", "--workers", "1"]
    command = ["sweep", "--datasets", *map(str, folders), *shared, "--set", *pairs, "hide.probability=0,0.5"]
    assert run([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("2 arms, 1 seed: 2 runs of 2 networks") == 2
    assert run([*command, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert list(content["datasets"]) == ["one", "two"]
    for name, folder in zip(("one", "two"), folders, strict=True):
        assert content["datasets"][name]["arms"][0]["mean"][-1] == content["over_all"][0]["values"][name]
        alone = ["sweep", "--dataset", str(folder), *shared, "--set", *pairs, "hide.probability=0,0.5", "--json"]
        assert run(alone) == 0
        told = capsys.readouterr()
        assert "training" not in told.err, "what was trained with others is there"
        assert json.loads(told.out)["arms"] == content["datasets"][name]["arms"]
    assert [one["dataset"] for one in content["leave_one_out"]] == ["one", "two"]
    assert json.loads(Path(content["folder"], "sweep.json").read_text()) == content
    assert run([*command, "--markdown"]) == 0
    assert "| left out |" in capsys.readouterr().out
    assert run([*command[:1], *command[4:]]) == 2
    assert "no data set is named" in capsys.readouterr().err
