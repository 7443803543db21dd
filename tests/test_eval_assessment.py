"""What is scored, and what stands beside the score."""

from __future__ import annotations

import pytest

from thas.core.errors import UsageError
from thas.core.segments import Segments
from thas.eval import PROTOCOLS, Annotations
from thas.eval.assessment import Beside, assess, choose_subset, compare_assessments, read_video_list
from thas.eval.baselines import baselines
from thas.eval.explanation import action_table, error_table, explain, summary
from thas.eval.preparation import oddities, prepare
from thas.eval.thumos14 import CLASS_IDS, VIDEO_LISTS

TRUTH = Annotations(
    Segments(["v", "w", "x"], ["a", "a", "b"], [0, 0, 0], [10, 10, 10]),
    ("a", "b"),
    dict.fromkeys("vwx", 20.0),
    subsets={"v": "training", "w": "test", "x": "test"},
)


def found(*videos: str) -> Segments:
    n = len(videos)
    return Segments(videos, ["a"] * n, [0] * n, [10] * n, [0.9] * n)


def test_the_subset_that_all_detections_lie_in_is_scored_and_said():
    chosen, said = choose_subset(TRUTH, found("w", "x"), None)
    assert sorted(chosen.segments.video) == ["w", "x"]
    assert "all detections lie in test" in said


@pytest.mark.parametrize(
    ("videos", "why"), [(("v", "w"), "the detections lie in test, training"), (("y",), "in none of their videos")]
)
def test_of_detections_in_several_subsets_or_none_the_subset_is_asked_for(videos, why):
    with pytest.raises(UsageError) as caught:
        choose_subset(TRUTH, found(*videos), None)
    assert why in caught.value.why
    assert "--subset t" in caught.value.next


def test_the_subset_named_is_taken_and_one_alone_needs_no_word():
    assert choose_subset(TRUTH, found("v"), "test")[0].segments.video.tolist() == ["w", "x"]
    alone = Annotations(TRUTH.segments, TRUTH.classes)
    assert choose_subset(alone, found("v"), None) == (alone, "")


def test_a_list_of_videos_is_the_first_word_of_each_line(tmp_path):
    path = tmp_path / "videos.txt"
    path.write_text("w 12.5 test\nv\nw\n")
    assert read_video_list(str(path), TRUTH) == ("w", "v")
    with pytest.raises(UsageError) as caught:
        read_video_list("nothing.txt", TRUTH)
    assert next(iter(VIDEO_LISTS)) in caught.value.why


def test_broken_truth_is_scored_as_it_is_unless_asked_otherwise():
    # A segment of no length can be found by nobody; --clean-truth drops it, and the recall rises.
    odd = Annotations(Segments(["v", "v"], ["a", "a"], [0, 15], [10, 15]), ("a",), {"v": 20.0})
    assert assess(found("v"), odd, iou=[0.5]).scores.map.tolist() == [0.5]
    assert assess(found("v"), odd, iou=[0.5], clean_truth=True).scores.map.tolist() == [1.0]


def test_short_actions_are_not_taken_for_broken_ones():
    short = Annotations(Segments(["v", "v"], ["a", "a"], [0, 15], [10, 15.5]), ("a",), {"v": 20.0})
    assert assess(found("v"), short, iou=[0.5], clean_truth=True).scores.map.tolist() == [0.5]


def test_nothing_stands_beside_a_score_that_was_not_asked_for():
    plain = assess(found("v", "w"), TRUTH, iou=[0.5])
    assert (plain.ties, plain.interval, plain.baselines) == (None, None, ())
    whole = assess(found("v", "w"), TRUTH, iou=[0.5], beside=Beside(ties=True, baselines=True, draws=20))
    assert whole.ties is not None
    assert whole.interval is not None
    assert len(whole.interval.draws) == 20
    assert {one.name for one in whole.baselines} == {one.name for one in baselines(TRUTH, iou=[0.5])}
    assert {"ties", "bootstrap", "baselines"} <= whole.to_json().keys()


def test_scores_of_other_videos_are_not_compared():
    a = assess(found("v", "w"), TRUTH, iou=[0.5])
    with pytest.raises(UsageError, match="same videos"):
        compare_assessments(a, assess(found("w"), TRUTH.subset("test"), iou=[0.5]))
    assert compare_assessments(a, a, draws=10).difference.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("protocol", ["thumos14", "wtalc"])
def test_a_protocol_that_heeds_ambiguous_segments_says_that_there_are_none(protocol):
    one = Annotations(TRUTH.segments, TRUTH.classes, TRUTH.durations, ignored=Segments(["v"], ["a"], [12], [14]))
    heeds = PROTOCOLS[protocol].ambiguous != "ignore"
    for truth, missing in ((TRUTH, heeds), (one, False)):
        counts = prepare(found("v"), truth, protocol=PROTOCOLS[protocol]).counts
        assert any(name.startswith("missing kinds") for name in counts) == missing


def test_rows_that_are_odd_are_counted_and_ordinary_ones_are_not():
    truth = Annotations(
        Segments(["v", "v", "w"], ["a", "a", "b"], [0, 19, 0], [0.5, 21.5, 10]), ("a", "b"), dict.fromkeys("vw", 20.0)
    )
    detections = Segments(
        ["v", "v", "v", "w"], ["a", "b", "a", "a"], [0, 0, 1, 2], [9, 9, 9, 21.0], [0.4, 0.3, 0.2, 0.1]
    )
    counts = oddities(prepare(detections, truth, protocol=PROTOCOLS["activitynet"]), truth)
    assert {name: number for name, number in counts.items() if number} == {
        "ground truths that end more than 1 s past the video": 1
    }
    late = Annotations(truth.segments, truth.classes, dict.fromkeys("vw", 19.5))
    counts = oddities(prepare(detections, late, protocol=PROTOCOLS["activitynet"]), late)
    assert counts["detections that end more than 1 s past the video"] == 1


def test_blind_tiles_have_the_lengths_that_people_compare_with():
    names = {one.name for one in baselines(TRUTH, iou=[0.5])}
    assert names == {*(f"tiles of {n} s" for n in (1, 2, 3, 5, 10, 20, 30)), "whole video"}


def test_prices_are_told_in_per_cent_with_the_change_in_points():
    # Of a one action of two is found, of b none, so (0.5 + 0) / 2; the label put right finds that of b: (0.5 + 1) / 2.
    detections = Segments(["v", "x"], ["a", "a"], [0, 0], [10, 10], [0.9, 0.8])
    assessed = assess(detections, TRUTH, iou=[0.5])
    table = error_table(explain(assessed, TRUTH))
    corrected = dict(zip(table.columns[0].cells, table.columns[3].cells, strict=True))
    assert corrected["wrong label"] == "75.0 (+50.0)"
    assert corrected["background"] == "25.0 (+0.0)"


def test_the_parts_of_the_explanation_are_shares_of_what_they_are_said_to_be():
    explained = explain(assess(found("v", "x"), TRUTH, iou=[0.5]), TRUTH)
    table = action_table(explained)
    rows = dict(zip(table.columns[1].cells, zip(*(table.columns[i].cells for i in (2, 3)), strict=True), strict=True))
    assert rows["found"] == ("1", "33.3 %")
    assert rows["missed"] == ("2", "66.7 %")
    assert any(
        "(50 % of the leading detections)" in line or "(50.0 % of the leading" in line for line in summary(explained)
    )


def test_thumos14s_classes_have_the_challenges_numbers():
    # detclasslist.txt: 20 of the 101 classes, by number and, which is the same, by name.
    assert (len(CLASS_IDS), sum(CLASS_IDS), min(CLASS_IDS), max(CLASS_IDS)) == (20, 894, 7, 97)
    assert [CLASS_IDS[number] for number in sorted(CLASS_IDS)] == sorted(CLASS_IDS.values())
