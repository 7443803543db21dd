"""Rules: what is known without a segment decides, every decision says why, and odd data is trained on or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.core.errors import DataError
from thas.temporal_has.data import TrainingFeatures
from thas.temporal_has.localize import localize
from thas.temporal_has.rules import Known, decide, share_of_several
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train

from .conftest import make_features

QUICK = Settings().updated({"train.epochs": 2, "network.channels": 8})


def known(**changes) -> Known:
    facts = {"several": 0.0, "probabilities": False, "length_seconds": 0.5, "stride_seconds": 0.25}
    return Known(**{**facts, "most": 100, "labels": 1, **changes})


def decided(settings=None, **changes):
    return {one.key: one.value for one in decide(settings or Settings(), known(**changes))}


@given(
    st.floats(0, 1),
    st.booleans(),
    st.floats(0.001, 60),
    st.floats(0.001, 60),
    st.integers(1, 100_000),
    st.integers(0, 9),
)
def test_whatever_is_known_every_decision_is_a_setting_with_a_reason(several, sums, length, stride, most, bound):
    facts = known(several=several, probabilities=sums, length_seconds=length, stride_seconds=stride, most=most)
    asked = Settings().updated({"network.kernel_most": bound})
    decisions = decide(asked, facts)
    assert {one.key for one in decisions} == {
        "train.loss", "input.normalise", "network.kernel_size", "network.smoothing", "network.top", "localize.classes"
    }  # fmt: skip
    became = asked.updated({one.key: one.value for one in decisions})
    assert all(one.why and one.key in one.line() for one in decisions)
    for size in (became.network.kernel_size, became.network.smoothing):
        assert size % 2 == 1
        assert 1 <= size <= most
    assert became.network.kernel_size <= (bound or most)
    assert decide(became, facts) == [], "a second time there is nothing left to decide"


@given(st.floats(0.01, 3), st.floats(0.01, 3), st.integers(1, 50))
def test_a_kernel_in_seconds_is_odd_and_the_nearest_there_is(length: float, stride: float, most: int):
    unbound = Settings().updated({"network.kernel_most": 0})
    size = decided(unbound, length_seconds=length, stride_seconds=stride, most=most)["network.kernel_size"]
    seen = length + (size - 1) * stride
    assert seen <= 1.1 + stride * 1.01 or size == 1
    assert seen >= 1.1 - stride * 1.01 or size >= most - 1


def test_what_is_given_by_hand_is_left_alone():
    given = Settings().updated(
        {
            "train.loss": "softmax", "input.normalise": "standard", "network.kernel_size": 7, "network.smoothing": 9,
            "network.top": 0.5, "localize.classes": 3,
        }
    )  # fmt: skip
    assert decided(given, several=0.6, probabilities=True) == {}
    assert decided(Settings().updated({"input.normalise": "standard"}), probabilities=True)["network.kernel_size"] == 3


@pytest.mark.parametrize(
    "key", ["train.loss", "input.normalise", "network.kernel_size", "network.smoothing", "network.top"]
)
def test_what_is_given_by_hand_leaves_the_rest_to_the_rules(key):
    value = decided()[key]
    assert decided(Settings().updated({key: value})) == {other: v for other, v in decided().items() if other != key}


def test_probabilities_stay_as_they_are_and_are_not_mixed_over_time():
    found = decided(probabilities=True)
    assert (found["input.normalise"], found["network.kernel_size"]) == ("none", 1)
    assert decided()["input.normalise"] == "standard"
    assert decided()["network.kernel_size"] == 3


def test_an_action_that_shares_most_videos_with_others_stands_for_less_of_their_time():
    assert [decided(several=share)["network.top"] for share in (0, 0.3, 0.5, 0.51, 1)] == [0.25] * 3 + [0.125] * 2
    assert decided(by_heart=True)["network.top"] == 0.125, "a quarter of what is seen"
    assert "network.top" not in decided(Settings().updated({"network.head": "has2017"})), "it takes the highest"


def test_of_many_classes_no_more_are_predicted_than_twice_what_a_video_was_seen_to_have():
    assert [decided(labels=count)["localize.classes"] for count in (1, 2, 4, 15)] == [5, 5, 8, 30]


def test_the_share_of_videos_with_several_labels_counts_each_label_once():
    assert share_of_several({}) == 0
    assert share_of_several({"a": ["x", "x"], "b": ["x", "y"], "c": ["y"], "d": ["x", "y"]}) == 0.5


def softmax(x):
    high = np.exp(x - x.max(axis=1, keepdims=True))
    return high / high.sum(axis=1, keepdims=True)


KINDS = {
    "three numbers": lambda x: x[:, :3],
    "one number": lambda x: x[:, :1],
    "constant": lambda x: np.full_like(x, 7.0),
    "zero": np.zeros_like,
    "one-hot": lambda x: np.eye(x.shape[1])[x.argmax(axis=1)],
    "probabilities": softmax,
    "logits": lambda x: 30 * x,
    "negative": lambda x: -np.abs(x) - 5,
    "a million times as large": lambda x: 1e6 * x,
    "a millionth": lambda x: 1e-6 * x,
}


@st.composite
def odd_sets(draw):
    """Features and labels of a few videos, odd in what they hold, how long they are and what they are called."""
    lengths = draw(st.lists(st.sampled_from([1, 2, 3, 40, 900]), min_size=2, max_size=5))
    kind = draw(st.sampled_from(sorted(KINDS)))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    names = [f"v{i}" for i in range(len(lengths))]
    features = {
        v: make_features(v, KINDS[kind](random.normal(size=(n, 4)))) for v, n in zip(names, lengths, strict=True)
    }
    known = draw(
        st.sampled_from(["one everywhere", "every one everywhere", "a rare one", "each its own", "one without any"])
    )
    of = {
        "one everywhere": lambda i: ["x"],
        "every one everywhere": lambda i: ["x", "y", "z"],
        "a rare one": lambda i: ["y"] if i == 0 else ["x"],
        "each its own": lambda i: ["xyz"[i % 3]],
        "one without any": lambda i: [] if i == 0 else ["x", "z"],
    }
    return features, {video: of[known](i) for i, video in enumerate(names)}


@settings(max_examples=12)
@given(odd_sets(), st.sampled_from([1, 2]), st.sampled_from(["auto", "softmax"]))
def test_odd_sets_are_trained_on_and_localized_to_segments_within_their_videos(odd, members, loss):
    features, labels = odd
    wanted = {"train.epochs": 1, "network.channels": 4, "network.members": members, "train.loss": loss}
    with np.errstate(all="raise", under="ignore"):
        model = train(features, labels, classes=("x", "y", "z"), settings=Settings().updated(wanted))
        for one in features.values():
            sequence = model.sequence(one)
            assert np.isfinite(sequence.logits).all()
            assert ((sequence.probabilities >= 0) & (sequence.probabilities <= 1)).all()
            found = localize(sequence, rules=model.settings.localize)
            assert found.score is not None
            assert np.isfinite(found.score).all()
            assert (found.start_seconds >= 0).all()
            assert (found.end_seconds <= one.duration_seconds + 1e-6).all()
            assert (found.start_seconds < found.end_seconds).all()


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_the_unit_of_a_feature_does_not_matter(scale):
    draw = np.random.default_rng(0)
    plain = {v: draw.normal(3, 1, size=(20, 4)) for v in "abcd"}
    labels = {"a": ["x"], "b": ["y"], "c": ["x"], "d": ["y"]}
    features = {v: make_features(v, np.asarray(x, np.float64) * scale) for v, x in plain.items()}
    model = train(features, labels, classes=("x", "y"), settings=QUICK)
    same = train({v: make_features(v, x) for v, x in plain.items()}, labels, classes=("x", "y"), settings=QUICK)
    got, wanted = model.sequence(features["a"]).logits, same.sequence(make_features("a", plain["a"])).logits
    assert np.allclose(got, wanted, atol=1e-3)


@pytest.mark.parametrize(
    "labels",
    [
        {"a": ["x"], "b": ["x"], "c": ["x"], "d": ["x"]},  # one label everywhere, of two classes
        {"a": ["x", "y"], "b": ["x", "y"], "c": ["x", "y"], "d": ["x", "y"]},
        {"a": ["x"], "b": ["y"]},
        {"a": ["x"], "b": ["x"], "c": ["x"], "d": ["y"]},  # a rare class of one video
    ],
)
def test_labels_that_say_little_are_trained_on(labels):
    draw = np.random.default_rng(1)
    features = {v: make_features(v, draw.normal(size=(6, 4))) for v in labels}
    model = train(features, labels, classes=("x", "y"), settings=QUICK)
    assert model.settings.train.loss == "sigmoid"
    assert np.isfinite(model.sequence(features["a"]).probabilities).all()


def test_one_class_is_refused_with_the_reason():
    features = {v: make_features(v, np.eye(4)) for v in "ab"}
    with pytest.raises(DataError, match="only one class") as caught:
        train(features, {"a": ["x"], "b": ["x"]}, classes=("x",), settings=QUICK)
    assert "what the action is not" in str(caught.value.why)


def test_probabilities_are_told_from_other_numbers_between_0_and_1():
    def told(x):
        data = TrainingFeatures({"a": make_features("a", x)}, ["a"], snippets=0, memory_bytes=1e6)
        return data.probabilities

    half = softmax(np.random.default_rng(0).normal(size=(9, 12))).astype(np.float16)
    assert told(half), "though half precision rounds each"
    assert not told(np.array([[0.5, 0.4], [0.5, 0.5]])), "a sum of 0.9"
    assert not told(np.array([[1.5, -0.5]]))
