"""Average precision: cases drawn by hand, the protocols' differences, and laws that hold for any detections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.core.errors import DataError, UsageError
from thas.core.segments import Segments
from thas.eval import PROTOCOLS, Annotations, evaluate


def truth(*rows: tuple[str, str, float, float], classes: tuple[str, ...] = ("a", "b"), ignored=()) -> Annotations:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    aside = list(zip(*ignored, strict=True)) or [(), (), (), ()]
    return Annotations(Segments(*columns), classes, ignored=Segments(*aside))


def found(*rows: tuple[str, str, float, float, float]) -> Segments:
    return Segments(*zip(*rows, strict=True)) if rows else Segments.empty(scored=True)


def ap(detections: Segments, annotations: Annotations, protocol: str = "activitynet", iou: float = 0.5) -> list[float]:
    return evaluate(detections, annotations, iou=[iou], protocol=protocol).ap[0].tolist()


ONE = truth(("v", "a", 0, 10), ("v", "a", 20, 30), classes=("a",))


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_perfect_detections_score_one(protocol):
    assert ap(found(("v", "a", 0, 10, 0.9), ("v", "a", 20, 30, 0.8)), ONE, protocol) == pytest.approx([1.0])


@pytest.mark.parametrize(("protocol", "expected"), [("activitynet", 5 / 6), ("thumos14", 5 / 6), ("wtalc", 5 / 6)])
def test_a_false_positive_between_two_hits(protocol, expected):
    #  hit, miss, hit -> precision 1 at the first, 2/3 at the second
    detections = found(("v", "a", 0, 10, 0.9), ("v", "a", 12, 18, 0.8), ("v", "a", 20, 30, 0.7))
    assert ap(detections, ONE, protocol) == pytest.approx([expected])


def test_the_envelope_and_the_sum_at_hits_differ():
    # miss, hit, hit: precision 1/2 then 2/3; the envelope lifts the first to 2/3
    detections = found(("v", "a", 12, 18, 0.9), ("v", "a", 0, 10, 0.8), ("v", "a", 20, 30, 0.7))
    assert ap(detections, ONE, "activitynet") == pytest.approx([2 / 3])
    assert ap(detections, ONE, "thumos14") == pytest.approx([(1 / 2 + 2 / 3) / 2])


def test_eleven_points():
    # one of two found: precision 1 at recalls 0 to 0.5, that is at 6 of 11 points
    assert ap(found(("v", "a", 0, 10, 0.9)), ONE, "thumos14-11point") == pytest.approx([6 / 11])


def test_an_overlap_on_the_threshold_passes_only_where_the_protocol_says_so():
    half = found(("v", "a", 0, 5, 0.9))
    one = truth(("v", "a", 0, 10), classes=("a",))
    assert ap(half, one, "activitynet") == [1.0]
    assert ap(half, one, "thumos14") == [0.0]


def test_the_second_detection_of_a_truth_is_false():
    detections = found(("v", "a", 0, 10, 0.9), ("v", "a", 0, 9, 0.8), ("v", "a", 20, 30, 0.7))
    assert ap(detections, ONE) == pytest.approx([5 / 6])


def test_who_chooses_decides():
    # The surer detection overlaps less. activitynet gives it the truth; under thumos14 the truth takes the better one.
    one = truth(("v", "a", 0, 10), classes=("a",))
    detections = found(("v", "a", 0, 7, 0.9), ("v", "a", 0, 10, 0.8))
    assert ap(detections, one, "activitynet") == [1.0]
    assert ap(detections, one, "thumos14") == [0.5]


def test_wtalc_takes_the_first_listed_truth_that_passes():
    # The first detection overlaps both; wtalc gives it the first listed, so the second, which fits only that, is left.
    both = truth(("v", "a", 0, 16), ("v", "a", 4, 20), classes=("a",))
    detections = found(("v", "a", 4, 20, 0.9), ("v", "a", 0, 12, 0.8))
    assert ap(detections, both, "activitynet") == [1.0]
    assert ap(detections, both, "wtalc") == [0.5]


def test_wtalc_is_zero_as_a_whole_when_a_class_has_no_detection():
    two = truth(("v", "a", 0, 10), ("v", "b", 0, 10))
    scores = evaluate(found(("v", "a", 0, 10, 1.0)), two, iou=[0.5], protocol="wtalc")
    assert scores.map.tolist() == [0.0]
    assert scores.ap[0].tolist() == [1.0, 0.0]


def test_ambiguous_segments():
    annotations = truth(("v", "a", 0, 10), classes=("a",), ignored=[("v", "Ambiguous", 40, 50)])
    detections = found(("v", "a", 41, 45, 0.9), ("v", "a", 0, 10, 0.8))
    assert ap(detections, annotations, "activitynet") == [0.5]  # a false positive like any other
    assert ap(detections, annotations, "thumos14") == [1.0]  # not counted
    assert ap(detections, annotations, "wtalc") == [1.0]


def test_a_matched_detection_stays_under_thumos14_though_it_touches_ambiguous():
    annotations = truth(("v", "a", 0, 10), classes=("a",), ignored=[("v", "Ambiguous", 9, 50)])
    assert ap(found(("v", "a", 0, 10, 0.8)), annotations, "thumos14") == [1.0]
    assert ap(found(("v", "a", 0, 10, 0.8)), annotations, "wtalc") == [0.0]


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_detections_in_videos_without_truth_are_false_positives(protocol):
    detections = found(("w", "a", 0, 10, 0.9), ("v", "a", 0, 10, 0.8), ("v", "a", 20, 30, 0.7))
    assert ap(detections, ONE, protocol)[0] < 1
    assert ap(detections[1:], ONE, protocol) == pytest.approx([1.0])


def test_a_class_without_truth_is_nan_and_out_of_the_mean():
    scores = evaluate(found(("v", "b", 0, 10, 0.9)), truth(("v", "a", 0, 10)), iou=[0.5])
    assert np.isnan(scores.ap[0, 1])
    assert scores.map.tolist() == [0.0]
    assert scores.to_json()["ap"] == {"a": [0.0], "b": [None]}


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_no_detections_at_all(protocol):
    assert evaluate(Segments.empty(scored=True), ONE, protocol=protocol).map.tolist() == [0.0] * 7


def test_no_truth_at_all():
    assert np.isnan(evaluate(found(("v", "a", 0, 1, 1.0)), truth(classes=("a",))).average)


def test_two_truths_with_equal_iou_the_later_is_taken():
    # The first detection overlaps both by the same amount and takes the later; the second then finds the earlier free.
    both = truth(("v", "a", 0, 10), ("v", "a", 10, 20), classes=("a",))
    detections = found(("v", "a", 5, 15, 0.9), ("v", "a", 0, 10, 0.8))
    assert ap(detections, both, iou=0.3) == [1.0]
    assert ap(found(("v", "a", 5, 15, 0.9), ("v", "a", 10, 20, 0.8)), both, iou=0.3) == [0.5]


def test_a_point_overlaps_nothing():
    assert ap(found(("v", "a", 5, 5, 0.9)), truth(("v", "a", 5, 5), classes=("a",))) == [0.0]


def test_known_labels_leave_other_classes_out():
    two = truth(("v", "a", 0, 10), ("w", "b", 0, 10))
    detections = found(("w", "a", 0, 10, 0.9), ("v", "a", 0, 10, 0.8))
    plain = evaluate(detections, two, iou=[0.5])
    known = evaluate(detections, two, iou=[0.5], known_labels=True)
    assert plain.ap[0, 0] == 0.5
    assert known.ap[0, 0] == 1.0
    assert known.details["detections_dropped"] == {"not one of its video's own labels (known labels)": 1}


def test_a_list_of_videos():
    two = truth(("v", "a", 0, 10), ("w", "a", 0, 10), classes=("a",))
    scores = evaluate(found(("v", "a", 0, 10, 0.8), ("w", "a", 50, 60, 0.9)), two, iou=[0.5], videos=["v"])
    assert scores.average == 1.0
    assert scores.details["detections_dropped"] == {"video not in the chosen list": 1}
    assert scores.details["videos"] == 1


def test_unknown_labels():
    detections = found(("v", "c", 0, 10, 0.8), ("v", "a", 0, 10, 0.8), ("v", "a", 20, 30, 0.8))
    with pytest.raises(DataError, match="row 0, in v"):
        evaluate(detections, ONE)
    assert evaluate(detections, ONE, unknown_labels="drop").average == 1.0
    assert evaluate(detections, ONE, protocol="thumos14").details["detections_dropped"] == {
        "label unknown to the ground truth": 1
    }


def test_repeated_truth_and_truth_of_no_length_count_unless_cleaned():
    odd = truth(("v", "a", 0, 10), ("v", "a", 0, 10), ("v", "a", 5, 5), classes=("a",))
    detections = found(("v", "a", 0, 10, 0.9))
    kept = evaluate(detections, odd, iou=[0.5])
    assert kept.map[0] == pytest.approx(1 / 3)
    assert kept.details["counts"] == {"ground truths of no length": 1, "repeated ground truths": 1}
    cleaned = evaluate(detections, odd, iou=[0.5], clean_truth=True)
    assert cleaned.map[0] == 1.0
    assert cleaned.details["counts"] == {
        "ground truths of no length, dropped": 1,
        "repeated ground truths, dropped": 1,
    }


@pytest.mark.parametrize("iou", [[], [50], [-0.1], [float("nan")]])
def test_thresholds_are_fractions(iou):
    with pytest.raises(UsageError):
        evaluate(found(), ONE, iou=iou)


def test_unknown_protocol_suggests():
    with pytest.raises(UsageError, match="thumos14"):
        evaluate(found(), ONE, protocol="thumos")


def test_ground_truth_is_refused_as_detections():
    with pytest.raises(DataError, match="no scores"):
        evaluate(ONE.segments, ONE)


# Times on a coarse grid and few distinct scores, so that ties, touching ends and overlaps on a threshold all occur.
intervals = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda t: (float(t[0]), float(t[0] + t[1])))
names, labels = st.sampled_from(["u", "v", "w"]), st.sampled_from(["a", "b"])
truths = st.lists(st.tuples(names, labels, intervals), min_size=1, max_size=12).map(
    lambda rows: truth(*[(v, c, *t) for v, c, t in rows])
)
scored = st.lists(st.tuples(names, labels, intervals, st.integers(1, 5)), max_size=25).map(
    lambda rows: found(*[(v, c, *t, s / 5) for v, c, t, s in rows])
)
IOU = [0.1, 0.3, 0.5, 0.75]


def one_by_one(detections: Segments, annotations: Annotations, t: float) -> dict[str, float]:
    """A row-by-row evaluator after ActivityNet's rules, for comparison."""
    result = {}
    for c in sorted(set(annotations.segments.label)):
        own = annotations.segments[annotations.segments.label == c]
        taken, hits = set(), []
        ranked = detections.sorted_by_score() if len(detections) else detections
        for video, label, start, end, _ in ranked:
            if label != c:
                continue
            best, chosen = -1.0, None
            for row in np.lexsort((own.end_seconds, own.start_seconds)):
                if own.video[row] != video or row in taken:
                    continue
                inside = max(0.0, min(end, own.end_seconds[row]) - max(start, own.start_seconds[row]))
                iou = inside / (own.end_seconds[row] - own.start_seconds[row] + (end - start) - inside)
                if iou >= t and iou >= best:
                    best, chosen = iou, row
            hits.append(chosen is not None)
            taken.add(chosen)
        precision = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
        result[c] = sum(max(precision[i:]) for i in range(len(hits)) if hits[i]) / len(own)
    return result


@settings(max_examples=150)
@given(scored, truths)
def test_the_same_as_row_by_row(detections, annotations):
    scores = evaluate(detections, annotations, iou=IOU)
    for k, t in enumerate(IOU):
        for c, expected in one_by_one(detections, annotations, t).items():
            assert scores.ap[k, scores.classes.index(c)] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60)
@given(scored, truths, st.randoms(use_true_random=False), st.sampled_from(["activitynet", "wtalc"]))
def test_the_order_of_rows_is_of_no_account(detections, annotations, random, protocol):
    rows = list(range(len(detections)))
    random.shuffle(rows)
    shuffled = detections[np.array(rows, dtype=int)]
    np.testing.assert_array_equal(
        evaluate(detections, annotations, iou=IOU, protocol=protocol).ap,
        evaluate(shuffled, annotations, iou=IOU, protocol=protocol).ap,
    )


@settings(max_examples=60)
@given(scored, truths, st.sampled_from(["activitynet", "thumos14", "thumos14-11point"]), st.sampled_from([0.5, 2, 64]))
def test_scaling_all_times_changes_nothing(detections, annotations, protocol, factor):
    def scaled(table: Segments) -> Segments:
        return Segments(table.video, table.label, table.start_seconds * factor, table.end_seconds * factor, table.score)

    larger = Annotations(scaled(annotations.segments), annotations.classes)
    np.testing.assert_array_equal(
        evaluate(detections, annotations, iou=IOU, protocol=protocol).ap,
        evaluate(scaled(detections), larger, iou=IOU, protocol=protocol).ap,
    )


@settings(max_examples=60)
@given(scored, truths, st.sampled_from(list(PROTOCOLS)))
def test_renaming_the_classes_changes_nothing(detections, annotations, protocol):
    def renamed(table: Segments) -> Segments:
        labels = [{"a": "z", "b": "y"}[name] for name in table.label]
        return Segments(table.video, labels, table.start_seconds, table.end_seconds, table.score)

    other = Annotations(renamed(annotations.segments), ("z", "y"))
    np.testing.assert_array_equal(
        evaluate(detections, annotations, iou=IOU, protocol=protocol).ap,
        evaluate(renamed(detections), other, iou=IOU, protocol=protocol).ap,
    )


@settings(max_examples=60)
@given(scored.filter(len), st.lists(st.integers(0, 8), min_size=1, max_size=6, unique=True), st.data())
def test_a_worse_duplicate_never_helps(detections, starts, data):
    # With separate truths and IoU above a half, a duplicate cannot be right about another truth.
    annotations = truth(*[(v, c, 2.0 * s, 2.0 * s + 2) for s in starts for v in "uv" for c in "ab"])
    i = data.draw(st.integers(0, len(detections) - 1))
    copy = Segments(*[column[i : i + 1] for column in list(detections._columns().values())[:4]], [0.01])
    worse = Segments.concat([detections, copy])
    for protocol in ("activitynet", "thumos14"):
        before = evaluate(detections, annotations, iou=[0.6, 0.8], protocol=protocol).ap
        assert (evaluate(worse, annotations, iou=[0.6, 0.8], protocol=protocol).ap <= before).all()


@settings(max_examples=40)
@given(scored, truths)
def test_a_higher_threshold_never_helps_thumos14(detections, annotations):
    found_at = evaluate(detections, annotations, iou=IOU).ap
    assert ((found_at >= 0) & (found_at <= 1) | np.isnan(found_at)).all()
