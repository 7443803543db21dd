"""The trial before a training: labels that can be learned hide nothing, labels that cannot hide half; both say why."""

from __future__ import annotations

import numpy as np
import pytest

from thas.core.errors import UsageError
from thas.temporal_has.data import TrainingFeatures
from thas.temporal_has.rules import Decision, hiding
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train

from .conftest import make_features, planted_videos

CLASSES = ("class_0", "class_1", "class_2")
QUICK = Settings().updated({"train.epochs": 25, "network.channels": 16, "train.learning_rate": 0.01})


def hiding_of(features, labels, settings=QUICK, **options):
    said = {}
    train(
        features,
        labels,
        classes=CLASSES,
        settings=settings,
        on_rules=lambda became, decisions: said.update({one.key: one for one in decisions}),
        **options,
    )
    return said.get("hide.probability")


def test_labels_that_are_learned_hide_nothing():
    draw, labels = np.random.default_rng(0), {f"v{i}": (CLASSES[i % 3],) for i in range(30)}
    features = {}
    for video, (label,) in labels.items():
        x = draw.normal(size=(6, 4))
        x[2:4, CLASSES.index(label)] += 9
        features[video] = make_features(video, x)
    decision = hiding_of(features, labels)
    assert decision.value == 0
    assert "are told, at" in decision.why


def test_labels_that_are_learned_by_heart_hide_half():
    draw = np.random.default_rng(2)
    features = {f"v{i}": make_features(f"v{i}", draw.normal(size=(6, 40))) for i in range(30)}
    labels = {video: (CLASSES[i % 3],) for i, video in enumerate(features)}
    decision = hiding_of(features, labels, QUICK.updated({"train.epochs": 75}))
    assert decision.value == 0.5
    assert "worse than by chance" in decision.why


@pytest.mark.parametrize("probability", [0.0, 0.3])
def test_what_is_given_by_hand_is_not_tried_out(probability):
    features, labels, _ = planted_videos(videos=30, snippets=12)
    settings = QUICK.updated({"hide.probability": probability, "train.epochs": 1})
    assert hiding_of(features, labels, settings) is None


def test_too_few_videos_are_not_tried_out():
    features, labels, _ = planted_videos(videos=6, snippets=12)
    decision = hiding_of(features, labels, QUICK.updated({"train.epochs": 1}))
    assert (decision.value, decision.why) == (0, "not tried out, which takes 30 to 1000 videos, and these are 6")


@pytest.mark.parametrize(
    "labels_of",
    [lambda i: CLASSES[:1], lambda i: CLASSES, lambda i: CLASSES[: 1 + (i == 3)]],
    ids=["one label everywhere", "every label in every video", "a rare label beside one that all have"],
)
def test_labels_that_held_out_videos_share_say_nothing_of_what_was_learned_by_heart(labels_of):
    draw = np.random.default_rng(0)
    features = {f"v{i}": make_features(f"v{i}", draw.normal(size=(6, 4))) for i in range(32)}
    labels = {video: labels_of(i) for i, video in enumerate(features)}
    decision = hiding_of(features, labels, QUICK.updated({"train.epochs": 1}))
    assert (decision.value, decision.why) == (0, "not tried out, as all held-out videos have the same labels")


def test_what_else_is_decided_heeds_what_the_trial_said(monkeypatch):
    monkeypatch.setattr("thas.temporal_has.train.whether_to_hide", lambda *_, **__: hiding(1.5))
    features, labels, _ = planted_videos(videos=30, snippets=12)
    told: list[Decision] = []
    settings = QUICK.updated({"train.epochs": 1})
    one = train(features, labels, classes=CLASSES, settings=settings, on_rules=lambda _, rules: told.extend(rules))
    assert (one.settings.hide.probability, one.settings.network.top) == (0.5, 0.125)
    assert len({decision.key for decision in told}) == len(told), "each is told once"


def test_a_trial_changes_nothing_of_the_training():
    features, labels, _ = planted_videos(videos=30, snippets=12)
    quick = QUICK.updated({"train.epochs": 4})
    for seed in (0, 1):
        settings = quick.updated({"train.seed": seed})
        one = train(features, labels, classes=CLASSES, settings=settings)
        decided = {"hide.probability": one.settings.hide.probability, "network.top": one.settings.network.top}
        by_hand = settings.updated(decided)
        assert train(features, labels, classes=CLASSES, settings=by_hand).to_bytes() == one.to_bytes()


def test_a_part_of_the_videos_is_those_videos():
    features, labels, _ = planted_videos(videos=5, snippets=7)
    for room in (0, 1e9):
        data = TrainingFeatures(features, list(labels), snippets=0, memory_bytes=room)
        part = data.part([3, 1])
        assert part.videos == [data.videos[3], data.videos[1]]
        assert len(part) == 2
        assert part.lengths == [7, 7]
        assert bool((part[0] == data[3]).all())
        assert bool((part[1] == data[1]).all())


def test_a_probability_between_minus_one_and_zero_is_none():
    with pytest.raises(UsageError, match="from 0 to 1, or -1"):
        Settings().updated({"hide.probability": -0.5})
