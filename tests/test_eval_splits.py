"""Splits: shares come out, labels are spread, people stay together, order is no matter."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import UsageError
from thas.eval.splits import split

LABELS = st.dictionaries(
    st.text("abcdef0123", min_size=1, max_size=4),
    st.lists(st.sampled_from("xyz"), max_size=3, unique=True).map(tuple),
    min_size=4,
)


@given(LABELS, st.integers(0, 3))
def test_every_video_is_in_one_subset_and_none_is_empty(labels, seed):
    found = split(labels, {"training": 0.7, "test": 0.3}, seed=seed)
    assert list(found) == list(labels)
    assert set(found.values()) == {"training", "test"}
    assert found == split(dict(reversed(labels.items())), {"training": 0.7, "test": 0.3}, seed=seed)
    assert abs(Counter(found.values())["test"] - 0.3 * len(labels)) <= 2


@given(LABELS)
def test_people_stay_together(labels):
    groups = {video: video[0] for video in labels}
    if len(set(groups.values())) < 2:
        with pytest.raises(UsageError, match="cannot be divided"):
            split(labels, {"training": 1, "test": 1}, groups=groups)
        return
    found = split(labels, {"training": 1, "test": 1}, groups=groups)
    assert len({(groups[video], where) for video, where in found.items()}) == len(set(groups.values()))


def test_rare_labels_reach_every_subset():
    labels = {f"v{i:02d}": ("often", "rare") if i < 4 else ("often",) for i in range(40)}
    found = split(labels, {"training": 0.75, "test": 0.25}, seed=7)
    rare = Counter(found[video] for video, names in labels.items() if "rare" in names)
    assert rare == {"training": 3, "test": 1}
    assert Counter(found.values()) == {"training": 30, "test": 10}


def test_another_seed_draws_otherwise():
    labels = {f"v{i}": ("a",) for i in range(20)}
    assert split(labels, {"a": 1, "b": 1}, seed=0) != split(labels, {"a": 1, "b": 1}, seed=1)


def test_shares_are_above_zero():
    with pytest.raises(UsageError, match="above 0"):
        split({"v": ("a",)}, {"training": 1, "test": 0})
