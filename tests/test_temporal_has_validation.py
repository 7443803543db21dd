"""Choosing the best epoch, and stopping early, by videos held out of training and their labels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.core.checkpoints import BEST, CHECKPOINT
from thas.core.errors import DataError, UsageError
from thas.core.log import best_epoch, read_log, stopped_early
from thas.core.task import Verdict
from thas.temporal_has.localizer import Localizer
from thas.temporal_has.model import checkpoint_path, load_model
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train
from thas.temporal_has.validation import held_out, label_map

from .conftest import papers_settings, planted_videos

CLASSES = ("class_0", "class_1", "class_2")
SMALL = {"network.channels": 16, "train.epochs": 12, "train.learning_rate": 0.01, "train.checkpoint_epochs": 4}


def validated(**values) -> Settings:
    changes = {key.replace("__", "."): value for key, value in values.items()}
    return papers_settings(SMALL | {"train.validation": 0.25} | changes)


def same_network(one, other) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)


@settings(max_examples=40)
@given(
    st.dictionaries(st.text(max_size=3), st.sets(st.sampled_from("abc"), min_size=1), min_size=1, max_size=40),
    st.floats(0.01, 0.9),
    st.integers(0, 99),
)
def test_no_class_loses_all_its_videos(labels, fraction, seed):
    labels = {video: sorted(names) for video, names in labels.items()}
    try:
        apart = held_out(labels, fraction=fraction, seed=seed)
    except DataError:
        return
    assert apart == held_out(labels, fraction=fraction, seed=seed) == [video for video in labels if video in set(apart)]
    assert len(apart) <= fraction * len(labels) + 0.5
    kept = {label for video in set(labels) - set(apart) for label in labels[video]}
    assert kept == {label for names in labels.values() for label in names}


@settings(max_examples=40)
@given(st.lists(st.integers(2, 30), min_size=1, max_size=6), st.sampled_from([0.1, 0.2, 0.25, 0.5]), st.integers(0, 99))
def test_each_class_loses_its_share(sizes, fraction, seed):
    labels = {f"{c}-{i}": [str(c)] for c, size in enumerate(sizes) for i in range(size)}
    if fraction * len(labels) < 1:
        return
    apart = Counter(video.split("-")[0] for video in held_out(labels, fraction=fraction, seed=seed))
    for c, size in enumerate(sizes):
        assert abs(apart[str(c)] - fraction * size) < 1


def test_other_seeds_hold_out_other_videos():
    labels = {f"v{i}": ["a"] for i in range(40)}
    assert len({tuple(held_out(labels, fraction=0.2, seed=seed)) for seed in range(5)}) == 5


def test_too_few_videos_are_named():
    with pytest.raises(DataError, match=r"train\.validation=0\.5 holds out none of 2 training videos"):
        held_out({"one": ["a"], "two": ["b"]}, fraction=0.5, seed=0)


def test_the_criterion_by_hand():
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    scores = np.array([[3.0, 1.0, 9.0], [2.0, 2.0, 9.0], [1.0, 1.0, 9.0]])
    # Class 0 comes first and third: (1/1 + 2/3) / 2. Class 1 first and then among two equals: the same. Class 2: none.
    assert label_map(scores, labels) == pytest.approx(5 / 6)
    assert Verdict(0.9, -1.0) > Verdict(0.8, -0.1)
    assert Verdict(0.9, -0.1) > Verdict(0.9, -0.2), "among equals the lower loss"


def test_the_best_epoch_is_kept_and_used(tmp_path):
    features, labels, _ = planted_videos(videos=16)
    model = train(features, labels, classes=CLASSES, settings=validated(), folder=tmp_path)
    log = read_log(tmp_path / "log.jsonl")
    assert all({"validation_map", "validation_loss", "learning_rate", "videos_per_second"} <= set(line) for line in log)
    best = best_epoch(log)
    assert best is not None
    chosen, _, description = load_model(tmp_path / BEST)
    assert description["epoch"] == description["best"]["epoch"] == best["number"]
    assert description["best"]["map"] == best["validation_map"]
    assert same_network(model, chosen)
    assert same_network(Localizer.from_run(tmp_path).model, chosen)
    last = Localizer.from_run(tmp_path, checkpoint="last").model
    assert same_network(last, load_model(tmp_path / CHECKPOINT)[0])
    # That network was the last one of a training that ended there.
    short = validated(train__epochs=best["number"])
    train(features, labels, classes=CLASSES, settings=short, folder=tmp_path / "short")
    assert same_network(load_model(tmp_path / "short" / CHECKPOINT)[0], chosen)


def test_held_out_videos_teach_nothing():
    """A training without them, of the same videos in the same order, is the same."""
    features, labels, _ = planted_videos(videos=16)
    apart = held_out(labels, fraction=0.25, seed=0)
    settings = validated(train__epochs=1)
    with_them = train(features, labels, classes=CLASSES, settings=settings)
    rest = {video: names for video, names in labels.items() if video not in apart}
    without = train(features, rest, classes=CLASSES, settings=settings.updated({"train.validation": 0}))
    assert len(apart) == 4
    assert same_network(with_them, without)
    assert np.array_equal(with_them.mean, without.mean)


def test_it_stops_when_nothing_gets_better(tmp_path):
    features, labels, _ = planted_videos(videos=12)
    settings = validated(train__patience=3, train__learning_rate=0, train__epochs=50)
    train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path)
    log = read_log(tmp_path / "log.jsonl")
    assert len(log) == 4, "the first epoch is the best, and three more are not better"
    assert stopped_early(log, 3)
    assert not stopped_early(log, 4)
    assert not stopped_early(log, 0)
    assert load_model(tmp_path / CHECKPOINT)[2]["epoch"] == 4
    seen = []
    train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path, resume=True, on_epoch=seen.append)
    assert seen == [], "there is nothing to resume"
    longer = settings.updated({"train.patience": 5})
    train(features, labels, classes=CLASSES, settings=longer, folder=tmp_path, resume=True, on_epoch=seen.append)
    assert [epoch.number for epoch in seen] == [5, 6]
    with pytest.raises(UsageError, match=r"train\.validation must be above 0"):
        Settings().updated({"train.patience": 3})


def test_resuming_chooses_the_same_epoch(tmp_path):
    features, labels, _ = planted_videos(videos=12)
    settings = validated(train__checkpoint_epochs=1)
    train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path / "whole")
    for cut in (1, 5, 9):
        mine = tmp_path / f"cut-{cut}"
        train(features, labels, classes=CLASSES, settings=settings.updated({"train.epochs": cut}), folder=mine)
        train(features, labels, classes=CLASSES, settings=settings, folder=mine, resume=True)
        for name in (BEST, CHECKPOINT):
            assert (mine / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), cut


def test_without_held_out_videos_there_is_only_the_last(tmp_path):
    features, labels, _ = planted_videos(videos=6)
    train(features, labels, classes=CLASSES, settings=papers_settings(SMALL), folder=tmp_path)
    assert not (tmp_path / BEST).exists()
    assert checkpoint_path(tmp_path) == checkpoint_path(tmp_path, "last") == tmp_path / CHECKPOINT
    assert "validation_map" not in read_log(tmp_path / "log.jsonl")[0]
