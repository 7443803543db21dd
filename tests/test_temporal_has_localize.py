from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import UsageError
from thas.temporal_has.activation import ClassActivationSequence
from thas.temporal_has.localize import close_gaps, levels, localize, predicted_labels, run_scores, runs_above, squashed
from thas.temporal_has.settings import LocalizeSettings

# One level, the mean of a run, and nothing else: what most cases here are drawn for.
papers = partial(
    localize, threshold=0.5, threshold_rule="max", score="mean", probability_power=1.0, upsample=1, nms="none"
)


def sequence(*columns, probabilities=None, seconds=1.0) -> ClassActivationSequence:
    """Snippets of `seconds` each, side by side; a column a class, called a, b, ..."""
    logits = np.stack([np.asarray(column, np.float32) for column in columns], axis=1)
    count, classes = logits.shape
    start = np.arange(count) * seconds
    return ClassActivationSequence(
        video="v",
        logits=logits,
        video_logits=logits.max(axis=0),
        probabilities=np.asarray(probabilities if probabilities is not None else [1 / classes] * classes, np.float32),
        start_seconds=start,
        end_seconds=start + seconds,
        duration_seconds=count * seconds,
        classes=tuple("abcdefgh"[:classes]),
    )


def test_the_rules_are_the_settings_and_may_be_changed_by_name():
    drawn = sequence([0.1, 2.0, 4.0, 2.1, 0.3, 0.0, 3.0, 3.0], [1.0, 0, 0, 0, 5.0, 0, 0, 0])
    assert list(localize(drawn)) == list(localize(drawn, rules=LocalizeSettings()))
    few = LocalizeSettings(threshold=(0.5,), nms="none")
    assert list(localize(drawn, rules=few)) == list(localize(drawn, threshold=0.5, nms="none"))
    assert len(localize(drawn, rules=few, minimum_seconds=2)) < len(localize(drawn, rules=few))
    assert len(localize(drawn)) > len(papers(drawn))
    with pytest.raises(UsageError, match=r"no setting 'localize\.treshold'"):
        localize(drawn, treshold=0.5)


def test_each_run_above_half_of_the_maximum_is_a_detection():
    #              0    1    2    3    4    5    6    7
    drawn = sequence([0.1, 2.0, 4.0, 2.1, 0.3, 0.0, 3.0, 3.0])
    found = papers(drawn, labels=["a"], score="max")
    assert list(found) == [("v", "a", 2.0, 4.0, 4.0), ("v", "a", 6.0, 8.0, 3.0)]


def test_the_mean_of_the_run_and_the_contrast_to_its_surroundings():
    values = np.array([[0.0, 0.0, 2.0, 4.0, 0.0, 1.0]])
    runs = runs_above(values > 1.5)
    assert runs.tolist() == [[0, 2, 4]]
    assert run_scores(values, runs, rule="mean").tolist() == [3.0]
    assert run_scores(values, runs, rule="outer-inner").tolist() == [3.0]
    assert run_scores(values, np.array([[0, 3, 4]]), rule="outer-inner").tolist() == [4.0 - (2.0 + 0.0) / 2]
    assert run_scores(values, np.array([[0, 0, 6]]), rule="outer-inner").tolist() == pytest.approx([7 / 6])


def test_gaps_are_closed():
    runs, edges = np.array([[0, 0, 2], [0, 3, 4], [0, 6, 7], [1, 6, 7]]), np.arange(8) / 3
    assert close_gaps(runs, edges, gap_seconds=0.34).tolist() == [[0, 0, 4], [0, 6, 7], [1, 6, 7]]
    assert close_gaps(runs, edges, gap_seconds=0.667).tolist() == [[0, 0, 7], [1, 6, 7]]
    drawn = sequence([3.0, 0, 3.0, 0, 0, 3.0])
    assert len(papers(drawn, labels=["a"])) == 3
    assert papers(drawn, labels=["a"], gap_seconds=1.0).end_seconds.tolist() == [3.0, 6.0]


def test_short_detections_are_dropped():
    drawn = sequence([3.0, 0, 3.0, 3.0])
    assert papers(drawn, labels=["a"], minimum_seconds=1.5).start_seconds.tolist() == [2.0]


def test_several_thresholds_pool_their_runs_without_repeats():
    drawn = sequence([0.0, 1.0, 4.0, 1.0, 0.0])
    found = papers(drawn, labels=["a"], threshold=(0.1, 0.2, 0.5))
    assert sorted(zip(found.start_seconds, found.end_seconds, strict=True)) == [(1.0, 4.0), (2.0, 3.0)]


def test_a_threshold_is_of_the_maximum_of_the_range_or_the_activation_itself():
    both = np.array([[-2.0, 0.0, 6.0, 2.0], [-9.0, -5.0, -3.0, -1.0]])
    assert levels(both, [0.25, 0.5], rule="max").tolist() == [[1.5, np.inf], [3.0, np.inf]]
    assert levels(both, [0.25, 0.5], rule="range").tolist() == [[0.0, -7.0], [2.0, -5.0]]
    assert levels(both, [-4.0, 2.5], rule="fixed").tolist() == [[-4.0, -4.0], [2.5, 2.5]]
    drawn = sequence(*both)

    def found(**rules):
        return [(label, start, end) for _, label, start, end, _ in papers(drawn, labels=["a", "b"], **rules)]

    assert found(threshold=0.25) == [("a", 2, 4)]
    assert found(threshold=0.5, threshold_rule="range") == [("a", 2, 3), ("b", 2, 4)]
    assert found(threshold=(-4.0, 2.5), threshold_rule="fixed") == [("a", 0, 4), ("a", 2, 3), ("b", 2, 4)]


def test_nothing_stands_out_of_a_constant_sequence_by_its_range():
    assert len(papers(sequence([2.0, 2.0]), labels=["a"], threshold_rule="range")) == 0
    assert len(papers(sequence([2.0, 2.0]), labels=["a"], threshold=2.5, threshold_rule="fixed")) == 0


def test_the_margin_of_the_contrast_is_a_setting():
    drawn = sequence([1.0, 0.0, 4.0, 4.0, 4.0, 4.0, 0.0, 1.0])
    scores = [papers(drawn, labels=["a"], score="outer-inner", margin=m).score.tolist() for m in (0.25, 0.5)]
    assert scores == [[4.0], [3.5]]


def test_overlapping_detections_of_a_class_give_way():
    drawn = sequence([0.0, 1.0, 4.0, 2.0, 0.0, 3.0], [0.0, 1.0, 4.0, 2.0, 0.0, 3.0])
    rules = {"labels": ["a", "b"], "threshold": (0.1, 0.3), "score": "outer-inner"}
    assert len(papers(drawn, **rules)) == 6, "1 to 4, 2 to 4 and 5 to 6, of each class"
    assert papers(drawn, **rules, nms="nms").start_seconds.tolist() == [2, 5, 2, 5]
    assert len(papers(drawn, **rules, nms="nms", nms_iou=0.7)) == 6
    soft = papers(drawn, **rules, nms="soft-linear")
    plain = papers(drawn, **rules)
    assert soft.score[plain.start_seconds == 1] == pytest.approx(plain.score[plain.start_seconds == 1] * (1 - 2 / 3))
    assert soft.score[plain.start_seconds != 1].tolist() == plain.score[plain.start_seconds != 1].tolist()


def test_all_classes_at_once_is_each_class_by_itself():
    draw = np.random.default_rng(0)
    many = sequence(*draw.standard_normal((7, 60)).cumsum(axis=1), probabilities=draw.random(7))
    rules = {"threshold": (0.2, 0.5, 0.8), "gap_seconds": 1.0, "minimum_seconds": 2.0, "upsample": 3, "nms": "soft"}
    for score in ("max", "mean", "outer-inner"):
        together = papers(many, labels=many.classes, score=score, **rules)
        alone = [row for label in many.classes for row in papers(many, labels=[label], score=score, **rules)]
        assert list(together) == alone


def test_upsampling_is_linear_interpolation():
    draw = np.random.default_rng(0)
    start = np.cumsum(draw.random(40))
    drawn = replace(
        sequence(*draw.random((3, 40))), start_seconds=start, end_seconds=start + 0.4, duration_seconds=50.0
    )
    fine = drawn.upsampled(5)
    centres = (drawn.edges_seconds[1:] + drawn.edges_seconds[:-1]) / 2
    at = (fine.start_seconds + fine.end_seconds) / 2
    for column, values in zip(fine.logits.T, drawn.logits.T, strict=True):
        assert np.allclose(column, np.interp(at, centres, values), atol=1e-6)


def test_labels_known_and_predicted():
    drawn = sequence([1.0, 0], [0, 1.0], [1.0, 1.0], probabilities=[0.6, 0.3, 0.1])
    assert set(papers(drawn, class_threshold=0.2).label) == {"a", "b"}
    assert set(papers(drawn, class_threshold=0.9).label) == {"a"}, "the likeliest is always looked for"
    assert set(papers(drawn, labels=["c"]).label) == {"c"}
    assert predicted_labels(np.array([0.1, 0.1]), ["a", "b"], class_threshold=0.5) == ("a",)


def test_of_many_likely_labels_the_likeliest_are_looked_for():
    drawn = sequence([1.0, 0], [0, 1.0], [1.0, 1.0], [1.0, 2.0], probabilities=[0.9, 0.5, 0.9, 0.7])
    assert [set(papers(drawn, classes=most).label) for most in (1, 2, 3, 4, 0)] == [
        {"a"}, {"a", "c"}, {"a", "c", "d"}, {"a", "b", "c", "d"}, {"a", "b", "c", "d"}
    ]  # fmt: skip
    assert set(papers(drawn, labels=["b", "d"], classes=1).label) == {"b", "d"}, "known labels are not bounded"


def test_no_more_detections_are_kept_than_asked_for_or_than_there_are_snippets():
    """Of one class and level a video of 40 snippets cannot have more than 20; three classes at eight levels can."""
    draw = np.random.default_rng(0)
    many = sequence(*draw.normal(size=(3, 40)), probabilities=[0.9, 0.5, 0.9])
    everything, bounded = localize(many, detections=0), localize(many, detections=7)
    assert len(everything) > 100
    assert sorted(bounded.score, reverse=True) == sorted(everything.score, reverse=True)[:40]
    assert set(bounded) <= set(everything)
    assert len(localize(many, detections=60)) == 60


def test_the_video_level_probability_weighs_the_score():
    drawn = sequence([2.0, 0], [2.0, 0], probabilities=[0.75, 0.25])
    assert papers(drawn, labels=["a", "b"], score="max").score.tolist() == pytest.approx([1.5, 0.5])


def test_a_power_of_the_probability_weighs_the_score():
    drawn = sequence([2.0, 0], [4.0, 0], probabilities=[0.81, 0.16])
    for power, wanted in ((1.0, (1.62, 0.64)), (0.5, (1.8, 1.6)), (0.0, (2.0, 4.0))):
        found = papers(drawn, labels=["a", "b"], probability_power=power)
        assert found.score.tolist() == pytest.approx(wanted)
    below = sequence([-1.0, -3.0], probabilities=[0.25])
    found = localize(
        below, threshold=-2.0, threshold_rule="fixed", score="mean", squash=False, upsample=1, nms="none",
        probability_power=0.5,
    )  # fmt: skip
    assert found.score.tolist() == pytest.approx([-1.5]), "below zero, less likely is lower still"


def test_a_class_nothing_speaks_for_is_not_found():
    assert len(papers(sequence([-1.0, -2.0], [0.0, 0.0]), labels=["a", "b"])) == 0


def test_a_flat_positive_sequence_is_the_whole_video():
    assert list(papers(sequence([2.0, 2.0, 2.0]), labels=["a"], score="max")) == [("v", "a", 0.0, 3.0, 2.0)]


def test_one_snippet_is_enough():
    assert list(papers(sequence([2.0]), labels=["a"], score="max", upsample=4)) == [("v", "a", 0.0, 1.0, 2.0)]


def test_overlapping_snippets_do_not_stretch_detections():
    # Clips of 2 s every 0.5 s: a run of three snippets covers 3 x 0.5 s, not 2 s + 2 x 0.5 s.
    start = np.arange(10) * 0.5
    drawn = replace(
        sequence([0, 0, 0, 4, 4, 4, 0, 0, 0, 0.0]), start_seconds=start, end_seconds=start + 2, duration_seconds=6.5
    )
    found = papers(drawn, labels=["a"])
    assert (found.start_seconds.tolist(), found.end_seconds.tolist()) == ([2.25], [3.75])


def test_upsampling_moves_edges_between_snippets():
    drawn = sequence([0.0, 0.0, 4.0, 0.0, 0.0])
    coarse, fine = papers(drawn, labels=["a"]), papers(drawn, labels=["a"], upsample=50, threshold=0.75)
    assert coarse.duration_seconds.tolist() == [1.0]
    assert fine.duration_seconds[0] == pytest.approx(0.5, abs=0.05)
    assert (fine.start_seconds[0] + fine.end_seconds[0]) / 2 == pytest.approx(2.5, abs=0.05)


def test_unknown_labels_and_rules_are_named():
    with pytest.raises(UsageError, match="labelled 'z'"):
        papers(sequence([1.0]), labels=["z"])
    with pytest.raises(UsageError, match=r"localize\.score must be one of"):
        papers(sequence([1.0]), labels=["a"], score="median")
    with pytest.raises(UsageError, match=r"localize\.threshold_rule must be one of"):
        papers(sequence([1.0]), labels=["a"], threshold_rule="median")
    with pytest.raises(UsageError, match=r"localize\.nms must be one of"):
        papers(sequence([1.0]), labels=["a"], nms="hard")


values = st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30)


@given(values, st.floats(0.125, 64), st.sampled_from([0.25, 0.5, 0.75]))
def test_scaling_the_axis_or_the_activation_scales_the_result(column, factor, threshold):
    found = papers(sequence(column), labels=["a"], threshold=threshold)
    longer = papers(sequence(column, seconds=factor), labels=["a"], threshold=threshold)
    assert np.allclose(longer.start_seconds, found.start_seconds * factor)
    assert np.allclose(longer.end_seconds, found.end_seconds * factor)
    assert np.allclose(longer.score, found.score)
    stronger = papers(sequence(np.asarray(column) * 2), labels=["a"], threshold=threshold)
    assert np.array_equal(stronger.start_seconds, found.start_seconds)
    assert np.allclose(stronger.score, found.score * 2, rtol=1e-5, atol=1e-30)


@given(values)
def test_runs_are_the_mask_again(column):
    mask = np.stack([np.asarray(column) > 0, np.asarray(column) > 1])
    rebuilt = np.zeros_like(mask)
    for row, first, end in runs_above(mask):
        assert mask[row, first:end].all()
        rebuilt[row, first:end] = True
    assert np.array_equal(rebuilt, mask)


@given(values)
def test_a_higher_threshold_never_covers_more(column):
    drawn = sequence(column)
    covered = [papers(drawn, labels=["a"], threshold=t).duration_seconds.sum() for t in (0.2, 0.5, 0.8)]
    assert covered == sorted(covered, reverse=True)


def test_of_negative_scores_the_likelier_class_ranks_first():
    logits = np.array([[-1.0, -1.0], [-3.0, -3.0]], dtype=np.float32)
    seconds, half = np.array([0.0, 1.0]), np.array([0.9, 0.1], dtype=np.float32)
    drawn = ClassActivationSequence("v", logits, half, half, seconds, seconds + 1, 2.0, ("likely", "unlikely"))
    found = papers(drawn, labels=("likely", "unlikely"), threshold=0.5, threshold_rule="range", score="mean")
    assert found.sorted_by_score().label.tolist() == ["likely", "unlikely"]


def test_a_single_snippet_that_speaks_for_a_class_is_the_whole_video():
    one, second = np.ones(2, dtype=np.float32), np.array([0.0])
    drawn = ClassActivationSequence(
        "v", np.array([[2.0, -2.0]], dtype=np.float32), one, one, second, second + 1, 1.0, ("there", "not there")
    )
    found = papers(drawn, labels=("there", "not there"), threshold=(0.1, 0.9), threshold_rule="range")
    assert next(iter(found))[1:4] == ("there", 0.0, 1.0)
    assert len(found) == 1


def test_squashing_keeps_the_order_of_moments_and_stops_outliers():
    values = np.array([[-40.0, -1.0, 0.0, 2.0, 900.0]], np.float32)
    squeezed = squashed(values, 4.0)
    assert squeezed.dtype == np.float32
    assert (np.diff(squeezed) > 0).all()
    assert squeezed[0, 2] == 0.5
    assert ((squeezed >= 0) & (squeezed <= 1)).all()
    assert squashed(values, 0.0) is values, "nobody measured the spread"
    assert np.isfinite(squashed(np.array([[-1e30, 1e30]]), 1e-6)).all()


def test_a_squashed_score_ranks_a_clear_run_over_an_outlier():
    """Four snippets of 6 that stand out of -6, and one of 60 among some of 20."""
    drawn = np.array([[-6.0] * 4 + [6.0] * 4 + [-6.0] * 4 + [20.0, 20.0, 60.0, 20.0, 20.0]])
    runs = np.array([[0, 4, 8], [0, 14, 15]])
    clear, outlier = run_scores(drawn, runs, rule="outer-inner")
    assert (clear, outlier) == (12.0, 40.0)
    clear, outlier = run_scores(squashed(drawn, 6.0), runs, rule="outer-inner")
    assert clear > 10 * outlier


@pytest.mark.parametrize("spread", [0.0, 5.0])
def test_a_wider_sequence_with_its_spread_scores_the_same(spread):
    drawn = replace(sequence([0.1, 2.0, 4.0, 2.1, 0.3, 0.0, 3.0, 3.0]), spread=spread)
    wide = replace(drawn, logits=drawn.logits * 8, spread=spread * 8)
    one, other = localize(drawn), localize(wide)
    assert one.start_seconds.tolist() == other.start_seconds.tolist()
    factor = 1 if spread else 8
    assert np.allclose(one.score * factor, other.score, rtol=1e-5)
