"""Bootstrap over videos, paired comparison, means over seeds."""

from __future__ import annotations

import numpy as np
import pytest

from thas.core.segments import Segments
from thas.eval import PROTOCOLS, Annotations, Scores, evaluate
from thas.eval.average_precision import score
from thas.eval.certainty import bootstrap, compare, over_seeds, video_weights, weighted_map
from thas.eval.preparation import prepare
from thas.eval.ranking import rank
from thas.eval.report import verdict

IOU = np.array([0.3, 0.5, 0.7])


def made(seed, *, videos=12, noise=1.0):
    """Two classes in some videos, and detections that hit them more or less well."""
    generator = np.random.default_rng(seed)
    truth, found = [], []
    for i in range(videos):
        for j in range(3):
            label, start = "ab"[(i + j) % 2], 30.0 * j
            truth.append((f"v{i:02}", label, start, start + 10))
            shift = generator.normal(0, noise, 2).clip(-5, 5)
            found.append((f"v{i:02}", label, start + shift[0], start + 10 + shift[1], round(generator.random(), 2)))
            found.append((f"v{i:02}", label, start + 15, start + 20, round(generator.random(), 2)))
    annotations = Annotations(
        Segments(*zip(*truth, strict=True)),
        ("a", "b"),
        ignored=Segments(["v00", "v03"], ["Ambiguous"] * 2, [14, 14], [16, 50]),
    )
    return Segments(*zip(*found, strict=True)), annotations


def ranked(detections, annotations, protocol="activitynet"):
    chosen = PROTOCOLS[protocol]
    prepared = prepare(detections, annotations, protocol=chosen)
    return rank(prepared, thresholds=IOU, protocol=chosen), prepared


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_a_draw_that_takes_each_video_once_is_the_score(protocol):
    ranking, prepared = ranked(*made(0, noise=3), protocol)
    once = np.ones((1, len(ranking.videos)))
    np.testing.assert_allclose(weighted_map(ranking, once)[0], score(ranking, prepared).map, atol=1e-12)


@pytest.mark.parametrize("protocol", ["activitynet", "thumos14"])
def test_leaving_videos_out_is_scoring_the_others(protocol):
    detections, annotations = made(1, noise=3)
    ranking, _ = ranked(detections, annotations, protocol)
    some = set(ranking.videos[::3])
    weights = np.array([[video in some for video in ranking.videos]], dtype=np.int16)
    expected = evaluate(detections, annotations, iou=IOU.tolist(), protocol=protocol, videos=some)
    np.testing.assert_allclose(weighted_map(ranking, weights)[0], expected.map, atol=1e-12)


def test_the_interval_holds_the_score_and_is_seeded():
    ranking, prepared = ranked(*made(2, noise=3))
    once, again, other = (bootstrap(ranking, draws=300, seed=seed) for seed in (0, 0, 1))
    values = score(ranking, prepared).map
    assert ((once.low < values) & (values < once.high)).all()
    np.testing.assert_array_equal(once.draws, again.draws)
    assert (once.draws != other.draws).any()


def test_more_videos_make_it_narrower():
    few, many = (bootstrap(ranked(*made(3, videos=n, noise=3))[0], draws=300) for n in (10, 80))
    assert ((many.high - many.low) < (few.high - few.low)).all()


def test_a_better_method_is_seen_and_an_equal_one_is_not():
    good, truth = made(4, videos=40, noise=1)
    bad, _ = made(4, videos=40, noise=5)
    a, b = ranked(bad, truth)[0], ranked(good, truth)[0]
    better = compare(a, b, draws=300)
    assert better.real.all()
    assert (better.difference > 0).all()
    assert (better.p < 0.05).all()
    assert verdict(better, names=("A", "B")).startswith("B is better than A: by ")
    assert "-" not in verdict(compare(b, a, draws=300), names=("A", "B"))
    same = compare(b, b, draws=300)
    assert verdict(same, names=("A", "B")).startswith("No difference")
    assert not same.real.any()
    assert same.difference.tolist() == [0.0] * 4
    assert same.p.tolist() == [1.0] * 4


def test_a_single_video_tells_nothing_of_others():
    """Drawn again and again it is the same video, whose score was given as certain, and any difference as real."""
    good, truth = made(4, videos=1, noise=1)
    bad, _ = made(4, videos=1, noise=5)
    a, b = ranked(bad, truth)[0], ranked(good, truth)[0]
    assert bootstrap(b) is None
    better = compare(a, b, draws=50)
    assert better.difference[-1] > 0
    assert not better.real.any()
    assert (better.low.tolist(), better.high.tolist(), better.p.tolist()) == ([-1.0] * 4, [1.0] * 4, [1.0] * 4)
    assert "on a single video say nothing of others" in verdict(better, names=("A", "B"))


def test_compare_survives_different_videos():
    detections, truth = made(5)
    stranger = Segments(["zz"], ["a"], [0], [1], [0.99])
    result = compare(ranked(detections, truth)[0], ranked(Segments.concat([detections, stranger]), truth)[0], draws=100)
    assert (result.difference <= 0).all()


def test_weights():
    weights = video_weights(7, draws=50, seed=3)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_over_seeds():
    scores = [Scores(np.array([0.5]), np.array([[v]]), ("a",), "activitynet", np.array([v])) for v in (0.2, 0.4, 0.6)]
    mean, deviation = over_seeds(scores)
    assert mean == pytest.approx([0.4, 0.4])
    assert deviation == pytest.approx([0.2, 0.2])
    assert np.isnan(over_seeds(scores[:1])[1]).all()
