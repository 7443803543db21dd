from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from thas.core.errors import UsageError
from thas.temporal_has.activation import ClassActivationSequence
from thas.temporal_has.ensemble import averaged, mean_sequence
from thas.temporal_has.localizer import Localizer
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train

from .conftest import planted_videos


def sequence(values, probability: float, *, video: str = "v", classes=("a", "b"), step: float = 1.0):
    logits = np.stack([np.asarray(values, np.float32), np.zeros(len(values), np.float32)], axis=1)
    start = step * np.arange(len(values))
    probabilities = np.array([probability, 1 - probability], np.float32)
    return ClassActivationSequence(
        video, logits, logits.max(axis=0), probabilities, start, start + step, step * len(values), classes
    )


def test_sequences_and_probabilities_are_averaged_by_hand():
    both = mean_sequence([sequence([0, 4, 0], 0.9), sequence([0, 0, 2], 0.3)])
    assert both.of("a").tolist() == [0, 2, 1]
    assert both.probabilities.tolist() == pytest.approx([0.6, 0.4])
    assert both.video_logits.tolist() == [3, 0]
    assert both.logits.dtype == np.float32


def test_some_members_may_give_probabilities_alone():
    both = mean_sequence([sequence([0, 4, 0], 0.9), sequence([0, 0, 2], 0.3)], map_members=[1])
    assert both.of("a").tolist() == [0, 0, 2]
    assert both.probabilities.tolist() == pytest.approx([0.6, 0.4])


def test_one_network_is_itself_and_videos_that_one_lacks_are_left_out():
    one = {"v": sequence([1, 2], 0.5), "w": sequence([3, 4], 0.5, video="w")}
    assert averaged([one]) is one
    assert list(averaged([one, {"w": sequence([5, 6], 0.7, video="w")}])) == ["w"]


def test_networks_that_see_a_video_differently_are_refused():
    with pytest.raises(UsageError, match="see v differently") as error:
        mean_sequence([sequence([1, 2], 0.5), sequence([1, 2], 0.5, classes=("b", "a"))])
    assert error.value.why == "their classes differ"
    with pytest.raises(UsageError) as error:
        mean_sequence([sequence([1, 2], 0.5), sequence([1, 2], 0.5, step=2.0)])
    assert "snippets are at other times" in error.value.why


CLASSES = ("class_0", "class_1", "class_2")


@pytest.fixture(scope="module")
def models():
    """Two networks of one data set, told apart by their seeds, and a video."""
    features, labels, _ = planted_videos(videos=6)
    settings = Settings().updated({"network.channels": 8, "train.epochs": 2})
    several = [
        train(features, labels, classes=CLASSES, settings=settings.updated({"train.seed": seed}), recipe={"layer": "x"})
        for seed in (0, 1)
    ]
    return several, features["video_00"]


def test_a_localizer_of_several_networks_finds_what_their_mean_shows(models):
    (one, other), video = models
    alone = [one.sequence(video), other.sequence(video)]
    both = Localizer(one, other)
    assert np.array_equal(both.sequence(video).logits, mean_sequence(alone).logits)
    assert np.array_equal(both.sequence(video).probabilities, mean_sequence(alone).probabilities)
    assert both(video) == both.segments(mean_sequence(alone))
    assert both(video) != Localizer(one)(video)
    drawn = Localizer(one, other, map_members=[1]).sequence(video)
    assert np.array_equal(drawn.logits, alone[1].logits)
    assert np.array_equal(drawn.probabilities, mean_sequence(alone).probabilities)
    again = both.with_settings(replace(both.settings, nms="none"))
    assert np.array_equal(again.sequence(video).logits, both.sequence(video).logits)


def test_one_network_is_asked_once_and_not_averaged(models):
    (one, _), video = models
    alone, found = one.sequence(video), Localizer(one).sequence(video)
    assert found.logits.tobytes() == alone.logits.tobytes()
    assert found.probabilities.tobytes() == alone.probabilities.tobytes()


def test_networks_that_cannot_be_averaged_are_named(models):
    (one, other), _ = models
    unlike = {
        "only one of them knows class_2, diving": replace(other, classes=("class_0", "class_1", "diving")),
        "their classes are in another order": replace(other, classes=CLASSES[::-1]),
        "their features were made differently: layer: 'x' and 'y'": replace(other, recipe={"layer": "y"}),
        "input.snippets is 2000 and 100": replace(other, settings=other.settings.updated({"input.snippets": 100})),
    }
    for why, stranger in unlike.items():
        with pytest.raises(UsageError, match="network 0 and network 2 cannot be averaged") as caught:
            Localizer(one, other, stranger)
        assert caught.value.why == why
    with pytest.raises(UsageError, match="there is no network 2 to give maps"):
        Localizer(one, other, map_members=[0, 2])
