from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thas.sweep.half import Outcome
from thas.sweep.picture import draw_sweep
from thas.sweep.report import difference_table, score_table
from thas.sweep.table import ArmScores, SweepScores, estimate


def arm(label, values, draws=None, *, seeds=None, failed=None, settings=None) -> ArmScores:
    values = np.asarray(values, float)
    draws = np.repeat(values[:, None], 200, axis=1) if draws is None else np.asarray(draws, float)
    numbers = tuple(range(len(values))) if seeds is None else seeds
    runs = {n: [f"run {label} {n}"] for n in numbers}
    return ArmScores(label, settings or {}, (), numbers, values, draws, runs, failed or {})


def scores(*arms, reference="a", measures=("0.5", "mean"), swept="", baselines=None, seeds=2) -> SweepScores:
    return SweepScores(
        name="x",
        title="Hiding",
        source="a paper",
        dataset="planted",
        kind="temporal",
        things="videos",
        measure_title="mAP (%) at temporal IoU",
        measures=measures,
        main=-1,
        seeds=seeds,
        reference=reference,
        swept=swept,
        arms=arms,
        baselines=baselines or {"blind tiles of 3 s": [0.2, None]},
        draws=200,
        seconds=1.0,
        folder=Path("nowhere"),
    )


def test_mean_and_deviation_by_hand():
    one = arm("a", [[0.2, 0.4], [0.4, 0.6]])
    assert one.mean.tolist() == pytest.approx([0.3, 0.5])
    assert one.deviation.tolist() == pytest.approx([0.02**0.5] * 2)
    assert np.isnan(arm("a", [[0.2, 0.4]]).deviation).all()


def test_a_difference_pairs_the_seeds():
    """Seeds that differ much, but by which both arms move alike, do not widen the interval of the difference."""
    a, b = arm("a", [[0.1], [0.5], [0.9]]), arm("b", [[0.15], [0.55], [0.95]])
    found = estimate(b, a)
    assert found is not None
    assert (found.value[0], found.low[0], found.high[0]) == pytest.approx((0.05, 0.05, 0.05))
    assert found.real[0]
    own = estimate(a)
    assert own is not None
    assert own.low[0] < 0.2 < 0.8 < own.high[0]


def test_a_difference_pairs_the_draws():
    """Two draws of videos, one hard and one easy for both arms."""
    hard_and_easy = np.tile([[0.1], [0.9]], (100, 1))
    a = arm("a", [[0.5]], hard_and_easy[None])
    b = arm("b", [[0.55]], hard_and_easy[None] + 0.05)
    found = estimate(b, a)
    assert found is not None
    assert (found.low[0], found.high[0]) == pytest.approx((0.05, 0.05))


def test_only_seeds_that_both_have_are_compared():
    a = arm("a", [[0.1], [0.5]], seeds=(0, 1))
    b = arm("b", [[0.6], [0.9]], seeds=(1, 2))
    found = estimate(b, a)
    assert found is not None
    assert (found.value[0], found.seeds) == pytest.approx((0.1, 1))
    assert estimate(arm("c", [[0.1]], seeds=(5,)), a) is None


def test_seeds_that_contradict_each_other_leave_zero_in_the_interval():
    found = estimate(arm("b", [[0.6], [0.4]]), arm("a", [[0.5], [0.5]]))
    assert found is not None
    assert (found.value[0], found.low[0], found.high[0]) == pytest.approx((0, -0.1, 0.1))
    assert not found.real[0]


def lines(table) -> list[str]:
    from rich.console import Console

    console = Console(width=150)
    with console.capture() as captured:
        console.print(table)
    return captured.get().splitlines()


def test_tables_by_hand():
    lost = arm("c", np.zeros((0, 2)), np.zeros((0, 200, 2)), failed={0: "why", 1: "why"})
    found = scores(arm("a", [[0.2, 0.4], [0.4, 0.6]]), arm("b", [[0.3, 0.5]], failed={1: "why"}), lost)
    table = lines(score_table(found))
    assert table[0].split() == ["arm", "0.5", "mean"]
    assert table[1].split() == ["a", "30.0", "±", "14.1", "50.0", "±", "14.1"]
    assert table[2].split() == ["b", "(1", "of", "2", "seeds)", "30.0", "50.0"]
    assert table[3].split() == ["c", "failed"]
    assert table[4].split() == ["blind", "tiles", "of", "3", "s", "20.0"]
    differences = lines(difference_table(found))
    assert differences[1].split("seeds)")[1].split() == ["+10.0", "[+10.0,", "+10.0]*"] * 2
    assert len(differences) == 2


def test_a_sweep_of_one_setting_is_told_by_its_values():
    arms = [arm(f"hide.size={v}", [[0.1, 0.2]] * 2, settings={"hide.size": v}) for v in ((5, 10), 5)]
    table = lines(score_table(scores(*arms, swept="hide.size", reference="hide.size=5")))
    assert [line.split()[0] for line in table[:3]] == ["hide.size", "[5,10]", "5"]


def test_json_holds_no_nan():
    import json

    found = scores(arm("a", [[0.2, np.nan]]), arm("b", [[0.3, 0.5]]), seeds=1)
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["arms"][1]["difference"]["value"] == [pytest.approx(0.1), None]
    assert content["arms"][0]["mean"] == [0.2, None]
    assert content["interval"] == "95 % over videos alone: one seed, 200 draws, the same for all arms"


def test_pictures_of_numbers_of_lists_and_of_names(tmp_path):
    draw = np.random.default_rng(0)

    def some(label, settings):
        values = draw.uniform(0.2, 0.6, (2, 2))
        return arm(label, values, values[:, None] + draw.normal(0, 0.05, (2, 200, 2)), settings=settings)

    numbers = [some(f"p={p}", {"p": p}) for p in ("0", "0.5", "0.75")]
    lists = [some(f"s={s}", {"s": s}) for s in ([5, 10], 5)]
    for i, found in enumerate(
        (
            scores(*numbers, swept="p", reference="p=0"),
            scores(*lists, swept="s", reference="s=5"),
            scores(some("a", {}), some("b", {}), baselines={}),
            scores(some("a", {}), seeds=1),
        )
    ):
        path = draw_sweep(found, tmp_path / f"{i}.png")
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_outcome_comes_back(tmp_path):
    one = Outcome(np.array([0.5]), np.array([[0.4], [np.nan]]), {"detections": 3})
    one.save(tmp_path / "deep" / "one.npz")
    again = Outcome.load(tmp_path / "deep" / "one.npz")
    assert again is not None
    assert np.array_equal(again.draws, one.draws, equal_nan=True)
    assert again.facts == one.facts
    (tmp_path / "deep" / "one.npz").write_bytes(b"PK")
    assert Outcome.load(tmp_path / "deep" / "one.npz") is None
    assert Outcome.load(tmp_path / "none.npz") is None


@pytest.mark.parametrize(("values", "draws"), [([np.nan], [[0.5]]), ([np.inf], [[0.5]]), ([0.5], [[-np.inf]])])
def test_what_was_kept_and_is_no_number_is_measured_again(tmp_path, values, draws):
    Outcome(np.array(values), np.array(draws), {}).save(tmp_path / "one.npz")
    assert Outcome.load(tmp_path / "one.npz") is None
