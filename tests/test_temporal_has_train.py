from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from thas.devices import choose_device
from thas.errors import CheckpointError, DataError, FeatureError, UsageError
from thas.settings import Settings
from thas.temporal_has.data import TrainingFeatures
from thas.temporal_has.localizer import Localizer
from thas.temporal_has.log import Epoch, append_log, read_log
from thas.temporal_has.model import load_model
from thas.temporal_has.train import CHECKPOINT, train, video_loss

from .conftest import make_features, planted_videos

SMALL = {"network.channels": 16, "train.epochs": 30, "train.learning_rate": 0.01, "train.checkpoint_epochs": 4}
CLASSES = ("class_0", "class_1", "class_2")


def small(**values) -> Settings:
    return Settings().updated(SMALL | {key.replace("__", "."): value for key, value in values.items()})


def bytes_of(model) -> bytes:
    return b"".join(value.numpy().tobytes() for value in model.network.state_dict().values())


def test_it_finds_what_was_planted_from_labels_alone():
    features, labels, places = planted_videos()
    model = train(features, labels, classes=CLASSES, settings=small())
    localizer = Localizer(model)
    hits = 0
    for video, (first, end) in places.items():
        found = localizer(features[video], labels=labels[video])
        best = found.sorted_by_score()[0:1]
        truth = features[video].start_seconds[first], features[video].end_seconds[end - 1]
        overlap = min(best.end_seconds[0], truth[1]) - max(best.start_seconds[0], truth[0])
        hits += overlap > 0.5 * (truth[1] - truth[0])
    assert hits >= 0.9 * len(places)


def test_same_seed_same_bytes_and_another_seed_others():
    features, labels, _ = planted_videos(videos=6)
    first, again, other = (
        train(features, labels, classes=CLASSES, settings=small(train__seed=seed, train__epochs=3))
        for seed in (1, 1, 2)
    )
    assert bytes_of(first) == bytes_of(again)
    assert bytes_of(first) != bytes_of(other)


def test_training_leaves_the_global_generator_alone():
    features, labels, _ = planted_videos(videos=3)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(features, labels, classes=CLASSES, settings=small(train__epochs=2))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"network.dropout": 0.5},
        {"network.kernel_size": 3},
        {"train.loss": "sigmoid"},
        {"hide.layer": 1},
        {"input.dropout": "training"},
    ],
)
def test_resuming_gives_the_bytes_of_an_uninterrupted_training(tmp_path, options):
    features, labels, _ = planted_videos(videos=6)
    settings = small(train__epochs=9).updated(options)
    whole = train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path / "whole")

    class Interrupted(Exception):
        pass

    def stop(epoch):
        if epoch.number == 6:  # after the checkpoint of epoch 4
            raise Interrupted

    with pytest.raises(Interrupted):
        train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path / "cut", on_epoch=stop)
    resumed = train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path / "cut", resume=True)
    assert bytes_of(resumed) == bytes_of(whole)
    assert (tmp_path / "cut" / CHECKPOINT).read_bytes() == (tmp_path / "whole" / CHECKPOINT).read_bytes()
    assert [epoch["number"] for epoch in read_log(tmp_path / "cut" / "log.jsonl")] == list(range(1, 10))


def test_a_checkpoint_of_other_settings_or_features_is_refused(tmp_path):
    features, labels, _ = planted_videos(videos=6)
    train(features, labels, classes=CLASSES, settings=small(train__epochs=4), folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"hide\.probability was 0\.5, now 0\.0"):
        train(
            features,
            labels,
            classes=CLASSES,
            settings=small(train__epochs=8, hide__probability=0),
            folder=tmp_path,
            resume=True,
        )
    others, _, _ = planted_videos(videos=6, seed=5)
    with pytest.raises(CheckpointError, match="features differ"):
        train(others, labels, classes=CLASSES, settings=small(train__epochs=8), folder=tmp_path, resume=True)


def test_hiding_changes_neither_the_start_nor_the_order(tmp_path):
    """With nothing to learn from, runs that differ in hiding alone begin with the same loss."""
    features, labels, _ = planted_videos(videos=6)
    first = {}
    for probability in (0.0, 0.5):
        losses = []
        settings = small(hide__probability=probability, train__epochs=2, train__learning_rate=0)
        train(features, labels, classes=CLASSES, settings=settings, on_epoch=losses.append)
        first[probability] = losses
    assert first[0.0][0].loss == pytest.approx(first[0.0][1].loss)
    assert first[0.5][0].loss != first[0.0][0].loss


def test_hiding_after_the_first_layer_and_dropout_are_other_trainings():
    features, labels, _ = planted_videos(videos=6)
    variants = [{}, {"hide.layer": 1}, {"input.dropout": "training"}, {"hide.layer": 1, "hide.fill": "zero"}]
    models = [
        train(features, labels, classes=CLASSES, settings=small(train__epochs=2).updated(options))
        for options in variants
    ]
    assert len({bytes_of(model) for model in models}) == len(variants)
    nothing = [
        train(features, labels, classes=CLASSES, settings=small(train__epochs=2, hide__probability=0).updated(options))
        for options in variants
    ]
    for model in nothing[1:]:  # hiding nothing is the same wherever it happens
        for one, other in zip(model.network.parameters(), nothing[0].network.parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-5)
    with pytest.raises(UsageError, match="exclude each other"):
        small(hide__layer=1, input__dropout="training")


def test_dropout_at_test_time_too_is_drawn_by_the_videos_name():
    features, labels, _ = planted_videos(videos=3)
    one, other = features["video_00"], replace(features["video_00"], video="other")
    for choice, drops in (("training", False), ("always", True)):
        settings = small(train__epochs=1, input__dropout=choice)
        model = train(features, labels, classes=CLASSES, settings=settings)
        logits = model.sequence(one).logits
        assert np.array_equal(logits, model.sequence(one).logits)
        assert np.array_equal(logits, model.sequence(other).logits) != drops


def test_the_fill_is_the_mean_of_the_training_features():
    features = {"a": make_features("a", [[1.0, 0], [3, 0]]), "b": make_features("b", [[8.0, 3]])}
    data = TrainingFeatures(features, ["a", "b"], snippets=0, memory_bytes=1e6)
    assert data.mean.tolist() == [4.0, 1.0]
    assert data.deviation.tolist() == pytest.approx([np.std([1, 3, 8]), np.std([0, 0, 3])])


def test_features_beyond_the_memory_bound_are_read_again_with_the_same_result():
    features, labels, _ = planted_videos(videos=6)
    kept = train(features, labels, classes=CLASSES, settings=small(train__epochs=3))
    read = train(features, labels, classes=CLASSES, settings=small(train__epochs=3, train__memory_gigabytes=0))
    assert bytes_of(kept) == bytes_of(read)


def test_losses_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
    one = video_loss(logits, torch.tensor([[1.0, 0, 0]]), loss="softmax")
    two = video_loss(logits, torch.tensor([[1.0, 1, 0]]), loss="softmax")
    assert one.item() == pytest.approx(np.log(2))
    assert two.item() == pytest.approx((np.log(2) + np.log(4)) / 2)
    flat = video_loss(torch.zeros(1, 3), torch.tensor([[1.0, 1, 0]]), loss="sigmoid")
    assert flat.item() == pytest.approx(np.log(2))


def test_odd_inputs_train():
    """One snippet, fewer snippets than segments, constant features, two labels, a class with one video."""
    features = {
        "one": make_features("one", np.ones((1, 4))),
        "few": make_features("few", np.zeros((3, 4))),
        "two": make_features("two", np.eye(4)),
    }
    labels = {"one": ["a"], "few": ["b"], "two": ["a", "c"], "none": []}
    for options in ({}, {"input.normalise": "standard", "network.pooling": "mean", "hide.size": "2,4"}):
        settings = small(train__epochs=3).updated(options)
        model = train(features, labels, classes=("a", "b", "c"), settings=settings)
        assert np.isfinite(model.sequence(features["one"]).logits).all()


def test_bad_inputs_are_named():
    features, labels, _ = planted_videos(videos=3)
    with pytest.raises(DataError, match="no training video has a label"):
        train(features, {"video_00": []}, classes=CLASSES, settings=small())
    with pytest.raises(DataError, match="class_2"):
        train(features, labels, classes=CLASSES[:2], settings=small())
    with pytest.raises(FeatureError, match="1 of 4 training videos have no features: ghost"):
        train(features, labels | {"ghost": ("class_0",)}, classes=CLASSES, settings=small())
    wide = {**features, "wide": make_features("wide", np.ones((3, 9)))}
    with pytest.raises(FeatureError, match="features of wide have 9 numbers a snippet"):
        train(wide, labels | {"wide": ("class_0",)}, classes=CLASSES, settings=small())
    model = train(features, labels, classes=CLASSES, settings=small(train__epochs=1))
    with pytest.raises(FeatureError, match="features of wide have 9 numbers"):
        model.sequence(wide["wide"])
    with pytest.raises(UsageError, match="no device 'tpu9'"):
        choose_device("tpu9")


def test_a_model_comes_back_as_it_was(tmp_path):
    features, labels, _ = planted_videos(videos=6)
    settings = small(train__epochs=2)
    model = train(features, labels, classes=CLASSES, settings=settings, recipe={"layer": "fc7"}, folder=tmp_path)
    loaded, _, description = load_model(tmp_path / CHECKPOINT)
    assert loaded.settings == settings
    assert loaded.classes == CLASSES
    assert loaded.recipe == {"layer": "fc7"}
    assert description["epoch"] == 2
    one = next(iter(features.values()))
    assert np.array_equal(loaded.sequence(one).logits, model.sequence(one).logits)


@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n(S'true'\ntR.", b"{}", None])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "checkpoint.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is not a run's checkpoint"):
        load_model(path)


def test_a_log_line_that_was_cut_off_costs_nothing(tmp_path):
    path = tmp_path / "log.jsonl"
    append_log(path, Epoch(1, 0.5, 1.0, 0.1))
    with open(path, "a") as file:
        file.write('{"number": 2, "lo')
    append_log(path, Epoch(2, 0.25, 1.0, 0.1))
    append_log(path, Epoch(2, 0.125, 1.0, 0.1))
    assert [(epoch["number"], epoch["loss"]) for epoch in read_log(path)] == [(1, 0.5), (2, 0.125)]


def test_one_class_is_refused():
    features, _, _ = planted_videos(videos=3)
    with pytest.raises(DataError, match="only one class"):
        train(features, {"video_00": ("a",)}, classes=("a",), settings=small())
