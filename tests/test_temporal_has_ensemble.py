from __future__ import annotations

import numpy as np
import pytest

from thas.errors import UsageError
from thas.temporal_has.activation import ClassActivationSequence
from thas.temporal_has.ensemble import averaged, mean_sequence


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
