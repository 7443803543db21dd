from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from thas.core.checkpoints import CHECKPOINT
from thas.core.errors import CheckpointError, DataError, FeatureError, UsageError
from thas.core.log import Epoch, append_log, read_log
from thas.core.runners import choose_device
from thas.core.training_state import State
from thas.temporal_has.data import TrainingFeatures
from thas.temporal_has.hide import hide_mask
from thas.temporal_has.localizer import Localizer
from thas.temporal_has.losses import video_loss
from thas.temporal_has.model import load_model
from thas.temporal_has.network import HasNetwork, Head, NetworkOutput, pool
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import _fingerprint, train

from .conftest import make_features, papers_settings, planted_videos

SMALL = {"network.channels": 16, "train.epochs": 30, "train.learning_rate": 0.01, "train.checkpoint_epochs": 4}
CLASSES = ("class_0", "class_1", "class_2")


def small(**values) -> Settings:
    return papers_settings(SMALL | {key.replace("__", "."): value for key, value in values.items()})


def bytes_of(model) -> bytes:
    return b"".join(value.numpy().tobytes() for value in model.network.state_dict().values())


def test_the_default_training_is_a_plain_loop():
    """What the many settings add must cost the default nothing: the loop, written out, gives the same bytes."""
    features, labels, _ = planted_videos(videos=7)
    settings = small(train__epochs=3, train__batch_size=3)
    model = train(features, labels, classes=CLASSES, settings=settings)
    torch.manual_seed(settings.train.seed)
    network = HasNetwork(8, 3, channels=16)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.train.learning_rate, weight_decay=0)
    order, hiding = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    for _ in range(3):
        for batch in torch.randperm(7, generator=order).split(3):
            videos = [torch.from_numpy(features[f"video_{i:02d}"].data) for i in batch]
            masks = [hide_mask((1, 40), size=2, probability=0.5, generator=hiding)[0] for _ in videos]
            visible = [x[~mask] for x, mask in zip(videos, masks, strict=True)]
            logits = network.video_logits_of_visible(visible, [int(mask.sum()) for mask in masks], model.mean)
            target = torch.nn.functional.one_hot(batch % 3, 3).float()
            loss = -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert bytes_of(model) == b"".join(value.numpy().tobytes() for value in network.state_dict().values())


def test_a_head_that_claims_to_see_single_snippets_and_cannot_answer_for_them_is_trained_as_any_other():
    class Plain(Head):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.classifier = torch.nn.Linear(8, 3)

        def forward(self, x, valid=None, chance=None) -> NetworkOutput:
            maps = self.classifier(x)
            return NetworkOutput(pool(maps, valid, pooling="mean"), maps, maps)

    class Claims(Plain):
        sees_single_snippets = True

    features, labels, _ = planted_videos(videos=7)
    trained = [
        train(features, labels, classes=CLASSES, settings=small(train__epochs=2), network=one())
        for one in (Plain, Claims)
    ]
    assert bytes_of(trained[0]) == bytes_of(trained[1])


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


@pytest.mark.parametrize("head", ["has2017", "attention"])
def test_training_neither_heeds_nor_changes_the_global_generator(tmp_path, head):
    features, labels, _ = planted_videos(videos=3)
    settings = small(train__epochs=4, network__head=head, network__dropout=0.5)
    found = []
    for seed in (7, 8):

        def disturb(_, seed=seed):
            torch.manual_seed(seed)

        torch.manual_seed(seed)
        expected = torch.rand(3)
        disturb(None)
        folder = tmp_path / str(seed)
        half = settings.updated({"train.epochs": 2})
        train(features, labels, classes=CLASSES, settings=half, folder=folder, on_epoch=disturb)
        found.append(bytes_of(train(features, labels, classes=CLASSES, settings=settings, folder=folder, resume=True)))
        assert torch.equal(torch.rand(3), expected)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"network.dropout": 0.5},
        {"network.head": "attention", "network.dropout": 0.7},
        {"network.kernel_size": 3},
        {"train.loss": "sigmoid"},
        {"hide.layer": 1},
        {"input.dropout": "training"},
        {"train.clip_norm": 0.1, "train.validation": 0.4},
        {"train.precision": "16"},
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


def test_a_checkpoint_from_before_dropout_had_its_own_generator_is_a_model_but_no_start(tmp_path):
    features, labels, _ = planted_videos(videos=6)
    model = train(features, labels, classes=CLASSES, settings=small(train__epochs=4), folder=tmp_path)
    _, extra, description = load_model(tmp_path / CHECKPOINT)
    del extra["random.dropout"]
    old = model.to_bytes(extra | {"random.torch": torch.get_rng_state()}, description)
    (tmp_path / CHECKPOINT).write_bytes(old)
    one = features["video_00"]
    assert np.array_equal(load_model(tmp_path / CHECKPOINT)[0].sequence(one).logits, model.sequence(one).logits)
    with pytest.raises(CheckpointError, match="older thas, whose training cannot be continued") as caught:
        train(features, labels, classes=CLASSES, settings=small(train__epochs=8), folder=tmp_path, resume=True)
    assert "localize with it as it is" in str(caught.value)


class OwnHead(Head):
    """A head as a user would write it, that heeds nothing of what chance decides."""

    def __init__(self, dimension, classes):
        super().__init__()
        self.classifier = torch.nn.Linear(dimension, classes)

    def forward(self, x, valid=None, chance=None):
        sequence = self.classifier(x)
        return NetworkOutput(pool(sequence, valid, pooling="mean"), x, sequence)


@pytest.mark.parametrize("options", [{}, {"hide.layer": 1}, {"input.dropout": "training"}, {"train.validation": 0.4}])
def test_another_head_trains_and_resumes(tmp_path, monkeypatch, options):
    def build(dimension, classes, settings, *, seed=0):
        torch.manual_seed(seed)
        return OwnHead(dimension, classes)

    monkeypatch.setattr("thas.temporal_has.train.build_head", build)
    monkeypatch.setattr("thas.temporal_has.model.build_head", build)
    features, labels, _ = planted_videos(videos=6)
    settings = small(train__epochs=4).updated(options)
    whole = train(features, labels, classes=CLASSES, settings=settings)
    train(features, labels, classes=CLASSES, settings=settings.updated({"train.epochs": 2}), folder=tmp_path)
    resumed = train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path, resume=True)
    assert bytes_of(resumed) == bytes_of(whole)


def test_a_network_of_ones_own_is_trained_kept_and_read_back(tmp_path):
    def own(seed: int = 0) -> torch.nn.Module:
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))

    features, labels, _ = planted_videos(videos=6)
    settings = small(train__epochs=4)
    whole = train(features, labels, classes=CLASSES, settings=settings, network=own(), folder=tmp_path / "whole")
    half = settings.updated({"train.epochs": 2})
    train(features, labels, classes=CLASSES, settings=half, network=own(), folder=tmp_path / "cut")
    train(features, labels, classes=CLASSES, settings=settings, network=own(7), folder=tmp_path / "cut", resume=True)
    one = features["video_00"]
    for folder in ("whole", "cut"):
        read = Localizer.from_run(tmp_path / folder, network=own)
        assert np.array_equal(read.sequence(one).logits, whole.sequence(one).logits)
    with pytest.raises(CheckpointError, match="a network of your own") as caught:
        Localizer.from_run(tmp_path / "whole")
    assert "network=..." in caught.value.next


def test_changed_labels_are_noticed(tmp_path):
    features, labels, _ = planted_videos(videos=6)
    train(features, labels, classes=CLASSES, settings=small(train__epochs=4), folder=tmp_path)
    settings = small(train__epochs=8)
    for others in (labels | {"video_00": ("class_1",)}, {v: k for v, k in labels.items() if v != "video_00"}):
        with pytest.raises(CheckpointError) as caught:
            train(features, others, classes=CLASSES, settings=settings, folder=tmp_path, resume=True)
        assert str(caught.value).count("\n") == 2, "three lines"
        assert "labels changed since the checkpoint" in caught.value.why
    same = dict(reversed(list(labels.items()))) | {"unlabelled": ()}
    assert _fingerprint(labels) == _fingerprint({video: known for video, known in same.items() if known})


class OnceInterrupted(dict):
    """Features of which one reading is interrupted by Ctrl-C."""

    def __init__(self, features, reading):
        super().__init__(features)
        self.left = reading

    def __getitem__(self, video):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().__getitem__(video)


@pytest.mark.parametrize("options", [{}, {"train.validation": 0.4}])
def test_an_interruption_costs_the_running_epoch_only(tmp_path, options):
    features, labels, _ = planted_videos(videos=6)
    # Nothing is kept in memory: six readings for the statistics, six an epoch; Ctrl-C comes amid the seventh.
    settings = small(train__epochs=9, train__memory_gigabytes=0).updated(options)
    train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path / "whole")
    interrupted = OnceInterrupted(features, 6 + 6 * 6 + 3)
    with pytest.raises(KeyboardInterrupt):
        train(interrupted, labels, classes=CLASSES, settings=settings, folder=tmp_path / "cut")
    assert load_model(tmp_path / "cut" / CHECKPOINT)[2]["epoch"] == 6
    train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path / "cut", resume=True)
    for name in {path.name for path in (tmp_path / "whole").glob("*.safetensors")}:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_processes_that_found_different_checkpoints_do_not_start():
    def of_two(mine, other):
        """Of two processes, one after `mine` epochs and the other after `other`."""
        runner = SimpleNamespace(world=2, device="cpu", total=lambda values: values + torch.tensor([other, other**2]))
        return SimpleNamespace(epochs_done=mine, runner=runner)

    for epochs in (0, 7):
        State.check_agreement(of_two(epochs, epochs))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="not all processes found the checkpoint"):
        State.check_agreement(of_two(7, 0))  # type: ignore[arg-type]


def test_clipped_gradients_change_what_is_learnt():
    features, labels, _ = planted_videos(videos=6)
    free, loose, tight = (
        bytes_of(train(features, labels, classes=CLASSES, settings=small(train__epochs=2, train__clip_norm=norm)))
        for norm in (0, 1e6, 1e-3)
    )
    assert free == loose != tight


@pytest.mark.parametrize("precision", ["bf16", "16"])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_mixed_precision_learns_the_same(precision, kernel_size):
    features, labels, _ = planted_videos(videos=6)
    losses = {}
    for kind in ("32", precision):
        seen = losses.setdefault(kind, [])
        settings = small(train__epochs=6, train__precision=kind, network__kernel_size=kernel_size)
        model = train(features, labels, classes=CLASSES, settings=settings, on_epoch=seen.append)
        assert {value.dtype for value in model.network.state_dict().values()} == {torch.float32}
    assert [e.loss for e in losses[precision]] == pytest.approx([e.loss for e in losses["32"]], rel=0.05, abs=0.01)
    assert [e.loss for e in losses[precision]] != [e.loss for e in losses["32"]]


def test_tensorboard_is_written_where_it_is_installed(tmp_path, monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    features, labels, _ = planted_videos(videos=9)
    log = []
    settings = small(train__epochs=2, train__validation=0.4)
    train(features, labels, classes=CLASSES, settings=settings, folder=tmp_path, on_epoch=log.append)
    assert written[0] == (str(tmp_path / "tensorboard"), 1)
    for epoch in log:
        assert ("loss", epoch.loss, epoch.number) in written
        assert ("validation/map", epoch.validation_map, epoch.number) in written
    names = {line[0] for line in written[1:-1]}
    assert {"loss", "accuracy", "learning_rate", "videos_per_second", "validation/map", "validation/loss"} <= names
    assert written[-1] == "closed"
    written.clear()
    longer = settings.updated({"train.epochs": 3})
    train(features, labels, classes=CLASSES, settings=longer, folder=tmp_path, resume=True)
    assert written[0][1] == 3, "what comes after the checkpoint is written anew"


def test_without_tensorboard_nothing_is_said(tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    features, labels, _ = planted_videos(videos=3)
    train(features, labels, classes=CLASSES, settings=small(train__epochs=1), folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, "log.jsonl"}
    assert capfd.readouterr() == ("", "")


class Listed(dict):
    """Features that remember the order in which they were read."""

    def __init__(self, features):
        super().__init__(features)
        self.read = []

    def __getitem__(self, video):
        self.read.append(video)
        return super().__getitem__(video)


def test_hiding_changes_neither_the_start_nor_the_order():
    """Runs that differ in hiding alone begin with the same weights and meet the videos in the same order.

    Each of these draws another number of times from the generator of hiding, or none.
    """
    features, labels, _ = planted_videos(videos=6)
    choices = (
        {"hide.probability": 0.0},
        {"hide.probability": 0.5},
        {"hide.segments": 3},
        {"hide.size": [2, 5]},
        {"input.dropout": "training"},
    )
    orders, starts, losses = [], set(), set()
    for choice in choices:
        # Nothing is kept in memory, so that every epoch reads; nothing is learnt, so that the start is left.
        still = small(train__epochs=3, train__learning_rate=0, train__batch_size=2, train__memory_gigabytes=0)
        listed, epochs = Listed(features), []
        model = train(listed, labels, classes=CLASSES, settings=still.updated(choice), on_epoch=epochs.append)
        orders.append(listed.read[6:])  # the first six readings are for the mean
        starts.add(bytes_of(model))
        losses.add(epochs[0].loss)
    assert all(order == orders[0] for order in orders)
    assert [sorted(orders[0][i : i + 6]) for i in (0, 6, 12)] == [sorted(features)] * 3
    assert orders[0][:6] != orders[0][6:12], "drawn anew each epoch"
    assert len(starts) == 1
    assert len(losses) == len(choices), "hidden differently"


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
    with pytest.raises(FeatureError, match="1 of 4 training videos has no features: ghost"):
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
    says = "there is no weights file" if content is None else "is not a checkpoint of thas"
    with pytest.raises(CheckpointError, match=says):
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


@pytest.mark.parametrize(("fps", "sizes"), [(30.0, (3, 3)), (15.0, (1, 1)), (50.0, (5, 5)), (20.0, (1, 3))])
@pytest.mark.parametrize("snippets", [12, 37])
def test_kernel_and_smoothing_given_in_seconds_follow_the_features(fps, sizes, snippets):
    """16 frames, every 8: 0.53 s and 0.27 s at 30 frames a second. At 20, 0.8 s are two snippets: between 1 and 3."""
    draw = np.random.default_rng(0)
    features = {v: make_features(v, draw.random((snippets, 4)), fps=fps) for v in "abcd"}
    labels = dict(zip("abcd", [("x",), ("y",)] * 2, strict=True))
    settings = Settings().updated({"train.epochs": 1, "network.channels": 8})
    network = train(features, labels, classes=("x", "y"), settings=settings).settings.network
    assert (network.kernel_size, network.smoothing) == sizes
    given = settings.updated({"network.kernel_size": 5, "network.smoothing": 1})
    network = train(features, labels, classes=("x", "y"), settings=given).settings.network
    assert (network.kernel_size, network.smoothing) == (5, 1)


def test_videos_of_a_single_snippet_have_no_stride_and_train_all_the_same():
    features = {v: make_features(v, np.eye(4)[[i]], fps=30.0) for i, v in enumerate("abcd")}
    labels = dict(zip("abcd", [("x",), ("y",)] * 2, strict=True))
    settings = Settings().updated({"train.epochs": 1, "network.channels": 8})
    assert train(features, labels, classes=("x", "y"), settings=settings).settings.network.kernel_size == 1


def test_the_kernel_follows_the_snippets_that_are_sampled():
    features = {v: make_features(v, np.ones((200, 4)), fps=30.0) for v in "abcd"}
    labels = dict(zip("abcd", [("x",), ("y",)] * 2, strict=True))
    settings = Settings().updated({"train.epochs": 1, "network.channels": 8, "input.snippets": 20})
    network = train(features, labels, classes=("x", "y"), settings=settings).settings.network
    assert (network.kernel_size, network.smoothing) == (1, 1), "every tenth: 2.7 s from one to the next"


def test_times_that_do_not_pass_give_no_kernel_unless_it_is_given():
    still = replace(make_features("a", np.eye(4)), start_seconds=np.zeros(4), end_seconds=np.zeros(4))
    features = {v: replace(still, video=v) for v in "abcd"}
    labels = dict(zip("abcd", [("x",), ("y",)] * 2, strict=True))
    settings = Settings().updated({"train.epochs": 1, "network.channels": 8})
    with pytest.raises(UsageError, match=r"network\.kernel_seconds"):
        train(features, labels, classes=("x", "y"), settings=settings)
    given = settings.updated({"network.kernel_size": 3, "network.smoothing": 3})
    assert train(features, labels, classes=("x", "y"), settings=given).settings.network.kernel_size == 3
    paper = small(train__epochs=1)
    assert train(features, labels, classes=("x", "y"), settings=paper).settings == paper, "it smooths nothing"


def test_what_damage_touched_is_neither_trained_on_nor_detected_in():
    features, labels, _ = planted_videos(videos=6)
    one = features["video_00"]
    lost = np.zeros(len(one))
    lost[10:14] = 0.2
    noise = one.data.copy()
    noise[10:14] = 1e3
    sound = replace(one, lost_seconds=lost)
    spoilt = replace(sound, data=noise)
    data = TrainingFeatures({"v": spoilt}, ["v"], snippets=0, memory_bytes=1e6)
    assert data.lengths == [len(one) - 4]
    assert np.array_equal(data[0].numpy(), np.delete(one.data, np.s_[10:14], axis=0))
    model = train(features, labels, classes=CLASSES, settings=small(train__epochs=2))
    logits = model.sequence(spoilt).logits
    assert np.array_equal(logits, model.sequence(sound).logits)
    assert not np.array_equal(logits, model.sequence(one).logits)
    assert np.array_equal(logits[10:14], np.tile(logits.min(axis=0), (4, 1)))
