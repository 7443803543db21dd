"""Kinds of errors on cases drawn by hand, their prices, and the reports made from them."""

from __future__ import annotations

import numpy as np
import pytest

from thas.core.segments import Segments
from thas.eval import PROTOCOLS, Annotations, evaluate
from thas.eval.assessment import Beside, assess
from thas.eval.diagnosis import KINDS, diagnose
from thas.eval.explanation import action_table, error_table, explain, recall_table, summary
from thas.eval.pictures import draw
from thas.eval.preparation import prepare
from thas.eval.ranking import rank
from thas.eval.slices import RECALL_IOU, average_recall, slices, video_level_ap


def ranked(detections, annotations, iou=0.5):
    chosen = PROTOCOLS["activitynet"]
    prepared = prepare(detections, annotations, protocol=chosen)
    return rank(prepared, thresholds=[iou], protocol=chosen), prepared


#  a: |----------|            |----------|
#     0         10            30        40      b in w: 0..10
TRUTH = Annotations(
    Segments(["v", "v", "w"], ["a", "a", "b"], [0, 30, 0], [10, 40, 10]), ("a", "b"), {"v": 60.0, "w": 20.0}
)

CASES = {
    "correct": ("v", "a", 1, 10),
    "too short": ("v", "a", 4, 7),
    "too long": ("v", "a", 0, 25),
    "shifted": ("v", "a", 6, 15),
    "wrong label": ("w", "a", 0, 9),
    "wrong label and place": ("w", "a", 6, 15),
    "background": ("v", "a", 45, 50),
}


@pytest.mark.parametrize("kind", list(CASES))
def test_one_detection_of_each_kind(kind):
    video, label, start, end = CASES[kind]
    ranking, prepared = ranked(Segments([video], [label], [start], [end], [0.5]), TRUTH)
    found = diagnose(ranking, prepared, k=0)
    assert list(KINDS)[found.kind[0]] == kind


def test_the_second_on_one_action_is_a_double():
    detections = Segments(["v", "v"], ["a", "a"], [0, 1], [10, 10], [0.9, 0.8])
    ranking, prepared = ranked(detections, TRUTH)
    assert [list(KINDS)[i] for i in diagnose(ranking, prepared, k=0).kind] == ["correct", "double detection"]


def test_prices():
    # a too short one ranked above a correct one; class b has nothing.
    detections = Segments(["v", "v"], ["a", "a"], [30, 0], [33, 10], [0.9, 0.8])
    ranking, prepared = ranked(detections, TRUTH)
    found = diagnose(ranking, prepared, k=0)
    assert found.map == pytest.approx((0.25 + 0) / 2)
    assert found.corrected["too short"] == pytest.approx((1.0 + 0) / 2)  # boundaries right: both actions found
    assert found.removed["too short"] == pytest.approx((0.5 + 0) / 2)
    assert found.corrected["background"] == found.map
    assert found.missed_free == pytest.approx(0.25)  # b is missed: without it only a counts
    assert found.truth_counts == {"found": 1, "only too short": 1, "only too long": 0, "only shifted": 0, "missed": 1}


def test_a_wrong_label_put_right_finds_the_action():
    ranking, prepared = ranked(Segments(["w"], ["a"], [0], [10], [0.9]), TRUTH)
    found = diagnose(ranking, prepared, k=0)
    assert found.map == 0
    assert found.corrected["wrong label"] == pytest.approx(0.5)


def test_an_overlap_of_just_the_threshold_is_enough_for_a_wrong_label():
    ranking, prepared = ranked(Segments(["w"], ["a"], [0], [5], [0.9]), TRUTH)  # IoU 5 of 10
    assert list(KINDS)[diagnose(ranking, prepared, k=0).kind[0]] == "wrong label"


def test_of_several_for_one_action_the_surest_is_put_right():
    # Of class a: too short 0.9, background 0.8, too short 0.7, both of one action; b has nothing.
    detections = Segments(["v"] * 3, ["a"] * 3, [4, 45, 3], [7, 50, 6], [0.9, 0.8, 0.7])
    ranking, prepared = ranked(detections, TRUTH)
    assert diagnose(ranking, prepared, k=0).corrected["too short"] == pytest.approx((0.5 + 0) / 2)


def test_the_detections_that_matter_are_the_surest_of_each_class():
    # Of a, with two actions, a hit and a miss, then a miss; of b, with one, a miss, then a hit.
    detections = Segments(
        ["v", "v", "v", "w", "w"],
        ["a", "a", "a", "b", "b"],
        [0, 50, 51, 15, 0],
        [10, 55, 56, 20, 10],
        [0.9, 0.5, 0.4, 0.8, 0.7],
    )
    ranking, prepared = ranked(detections, TRUTH)
    found = diagnose(ranking, prepared, k=0)
    assert {name: n for name, n in found.first_counts.items() if n} == {"correct": 1, "background": 2}
    assert {name: n for name, n in found.counts.items() if n} == {"correct": 2, "background": 3}


def test_a_single_action_has_a_map():
    truth = Annotations(Segments(["v"], ["a"], [0], [10]), ("a",))
    ranking, prepared = ranked(Segments(["v"], ["a"], [0], [10], [0.9]), truth)
    assert diagnose(ranking, prepared, k=0).map == 1.0


def test_merged_and_split():
    detections = Segments(["v"] * 3, ["a"] * 3, [0, 31, 36], [40, 34, 39], [0.9, 0.8, 0.7])
    ranking, prepared = ranked(detections, TRUTH)
    found = diagnose(ranking, prepared, k=0)
    assert (found.merged, found.split) == (1, 1)


def many(seed=0):
    generator = np.random.default_rng(seed)
    truth, found = [], []
    for i in range(30):
        for j in range(4):
            length = float(generator.choice([1, 4, 8, 20]))
            label = "abc"[generator.integers(3)]
            truth.append((f"v{i}", label, 40.0 * j, 40.0 * j + length))
            shift = generator.normal(0, 1, 2)
            start = 40.0 * j + max(shift[0], -40.0 * j)
            name = label if generator.random() < 0.8 else "abc"[generator.integers(3)]
            found.append((f"v{i}", name, start, max(start, 40 * j + length + shift[1]), generator.random()))
            found.append((f"v{i}", label, 40.0 * j + 25, 40.0 * j + 30, generator.random()))
    videos = {f"v{i}": 160.0 for i in range(30)}
    return Segments(*zip(*found, strict=True)), Annotations(Segments(*zip(*truth, strict=True)), tuple("abc"), videos)


@pytest.mark.parametrize("iou", [0.05, 0.3, 0.5, 0.9])
def test_its_map_is_the_score_and_corrections_never_cost(iou):
    detections, annotations = many()
    ranking, prepared = ranked(detections, annotations, iou)
    found = diagnose(ranking, prepared, k=0)
    assert found.map == pytest.approx(evaluate(detections, annotations, iou=[iou]).map[0], abs=1e-12)
    for values in (found.corrected, found.removed):
        assert all(value >= found.map - 1e-12 for value in values.values())
    assert found.missed_free >= found.map - 1e-12
    assert sum(found.truth_counts.values()) == len(annotations.segments)


def test_slices_cover_the_actions_and_a_single_group_is_the_score():
    detections, annotations = many(1)
    ranking, prepared = ranked(detections, annotations)
    groups = slices(ranking, prepared, k=0, durations=annotations.durations)
    for by in {group.by for group in groups}:
        assert sum(group.truths for group in groups if group.by == by) == len(annotations.segments)
    (whole,) = [group for group in groups if group.by == "actions in its video"]
    assert whole.name == "2 to 4"
    assert whole.map == pytest.approx(evaluate(detections, annotations, iou=[0.5]).map[0])


def test_groups_have_the_bounds_that_their_names_say():
    # Actions of 1, 3 and 30 s in a video of 60: shares of 2, 5 and 50 per cent.
    truth = Annotations(Segments(["v"] * 3, ["a"] * 3, [0, 10, 25], [1, 13, 55]), ("a",), {"v": 60.0})
    ranking, prepared = ranked(Segments(["v"], ["a"], [0], [1], [0.9]), truth)
    groups = slices(ranking, prepared, k=0, durations=truth.durations)
    named = {(group.by, group.name): group.truths for group in groups}
    assert sum(number for (by, _), number in named.items() if by == "share of its video") == 3
    for by, unit, values in (("share of its video", " %", (100 / 60, 5, 50)), ("length", " s", (1, 3, 30))):
        for value in values:
            fits = [name for (one, name) in named if one == by and within(value, name.removesuffix(unit))]
            assert len(fits) == 1, (value, named)


def within(value: float, words: str) -> bool:
    """Whether a group called "up to 4", "2 to 4" or "over 4" holds a value."""
    if words.startswith("over "):
        return value > float(words.removeprefix("over "))
    low, _, high = words.removeprefix("up ").removeprefix("to ").rpartition(" to ")
    return (not low or value > float(low)) and value <= float(high)


def test_slices_without_durations_leave_coverage_and_position_out():
    detections, annotations = many(1)
    ranking, prepared = ranked(detections, annotations)
    assert {group.by for group in slices(ranking, prepared, k=0)} == {"length", "actions in its video"}


def test_average_recall():
    # Two actions of 10 s; the surest detection is right about the first, the second is off by half.
    detections = Segments(["v", "v"], ["b", "a"], [0, 35], [10, 45], [0.9, 0.8])
    annotations = Annotations(Segments(["v", "v"], ["a", "a"], [0, 30], [10, 40]), ("a", "b"))
    recall = average_recall(*ranked(detections, annotations), proposals=[1, 2], thresholds=np.array([0.3, 0.5]))
    assert recall.tolist() == [[0.5, 0.5], [1.0, 0.5]]


def test_average_recall_counts_each_videos_own_detections_at_activitynets_thresholds():
    # Of each video the surest is off by a third (IoU 0.5), the second right; the surest of all are those of w.
    detections = Segments(["v", "v", "w", "w"], ["a"] * 4, [0, 30, 5, 30], [20, 40, 25, 40], [0.2, 0.1, 0.9, 0.8])
    annotations = Annotations(Segments(["v", "v", "w", "w"], ["a"] * 4, [0, 30, 5, 30], [10, 40, 15, 40]), ("a",))
    recall = average_recall(*ranked(detections, annotations))
    assert RECALL_IOU.tolist() == pytest.approx([0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
    assert recall.shape == (6, 10)  # 1, 5, 10, 20, 50 and 100 proposals a video; IoU 0.5 to 0.95
    assert recall[0].tolist() == [0.5, *[0.0] * 9]
    for row in recall[1:]:
        assert row.tolist() == [1.0, *[0.5] * 9]


def test_the_number_of_proposals_is_that_of_activitynet():
    # 110 detections, each of an action of its own, the surest first: N of them find N actions.
    starts = np.arange(110) * 10.0
    videos, labels = ["v"] * 110, ["a"] * 110
    annotations = Annotations(Segments(videos, labels, starts, starts + 8), ("a",))
    detections = Segments(videos, labels, starts, starts + 8, 1 - starts / 2000)
    recall = average_recall(*ranked(detections, annotations))
    assert (recall * 110).round(9).tolist() == [[number] * 10 for number in (1, 5, 10, 20, 50, 100)]


def test_video_level_ap():
    annotations = Annotations(Segments(["u", "w"], ["a", "a"], [0, 0], [1, 1]), ("a", "b"))
    detections = Segments(["u", "x", "w"], ["a"] * 3, [7, 7, 7], [8, 8, 8], [0.9, 0.8, 0.7])
    values = video_level_ap(ranked(detections, annotations)[0])
    assert values[0] == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(values[1])
    assert video_level_ap(ranked(detections[:2], annotations)[0])[0] == pytest.approx(0.5)


def test_reports_and_pictures(tmp_path):
    from rich.console import Console

    detections, annotations = many(2)
    assessment = assess(detections, annotations, beside=Beside(baselines=True, draws=50))
    explanation = explain(assessment, annotations)
    lines = summary(explanation)
    assert "mAP" in lines[0]
    assert any("Blind guessing" in line for line in lines)
    console = Console(width=80, record=True, file=(tmp_path / "out.txt").open("w"))
    with console.file:
        for table in (error_table, action_table, recall_table):
            console.print(table(explanation))
    assert "…" not in console.export_text()
    files = draw(explanation, assessment, tmp_path / "pictures")
    assert [file.name for file in files] == ["errors.png", "actions.png", "classes.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


@pytest.mark.parametrize("rows", [0, 1])
def test_nearly_nothing_can_be_diagnosed(rows):
    detections = Segments(["v"], ["a"], [0], [10], [0.5])[:rows]
    explanation = explain(assess(detections, TRUTH), TRUTH)
    assert summary(explanation)
    assert explanation.to_json()["map"] == pytest.approx(0.25 * rows)


def test_the_picture_of_many_classes_shows_the_worst_too():
    from matplotlib.figure import Figure

    from thas.eval.pictures import _classes

    names = [f"class {i:02}" for i in range(50)]
    truth = Segments(["v"] * 50, names, range(50), range(1, 51))
    found = truth[np.arange(50) < 30]
    found = Segments(found.video, found.label, found.start_seconds, found.end_seconds, np.linspace(0, 1, 30))
    axes = Figure().add_subplot()
    _classes(axes, assess(found, Annotations(truth, tuple(names)), iou=[0.5]))
    widths = [bar.get_width() for bar in axes.patches]
    assert (widths.count(0), widths.count(100)) == (20, 20)
    assert "20 worst of 50" in axes.get_title()
