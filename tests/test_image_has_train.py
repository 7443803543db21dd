from __future__ import annotations

import gc
import json
from collections import OrderedDict
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from thas.core.checkpoints import CHECKPOINT, OLD_CHECKPOINT
from thas.core.dropping import dropped
from thas.core.errors import CheckpointError, DataError, ThasError, UsageError
from thas.core.log import LOG, Epoch
from thas.core.runners import choose_device
from thas.core.runs import WEIGHTS
from thas.image_has.folder import read_folder
from thas.image_has.images import ImageTable
from thas.image_has.loading import TrainingLoader, crop_corner, epoch_order, flipped, normalised, whole_batches
from thas.image_has.localizer import Localizer
from thas.image_has.network import OwnNetwork
from thas.image_has.session import measured_colours
from thas.image_has.settings import ImageSettings, InputSettings
from thas.image_has.task import black, hidden_input
from thas.image_has.train import train
from thas.image_has.weights import load_weights

SETTINGS = ImageSettings.preset("image-demo").updated(
    {
        "input.size": 16,
        "input.resize": 18,
        "input.mean": (0.5, 0.2, 0.5),
        "input.std": (0.3, 0.2, 0.3),
        "hide.size": (0, 4),
        "network.width": 0.5,
        "train.epochs": 3,
        "train.stages": (2,),
        "train.batch_size": 8,
        "train.device": "cpu",
    }
)


@pytest.fixture
def colours(tmp_path: Path) -> ImageTable:
    """Two classes that differ in colour, of images of several sizes."""
    random = np.random.default_rng(0)
    for name, colour in (("blue", (40, 60, 200)), ("red", (200, 60, 40))):
        for i in range(12):
            path = tmp_path / "data" / "train" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = random.integers(-30, 30, (20 + i, 30 - i, 3))
            PIL.Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8)).save(path)
    return read_folder(tmp_path / "data")["train"]


def weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def test_it_learns_and_writes_all_of_a_run(colours: ImageTable, tmp_path: Path):
    epochs = []
    settings = SETTINGS.updated({"train.epochs": 8, "train.stages": (7,)})
    network, failed = train(colours, settings=settings, folder=tmp_path, on_epoch=epochs.append)
    assert epochs[-1].accuracy > 0.75
    assert epochs[-1].loss < epochs[0].loss
    assert not failed
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, 9))
    assert all(line["images_per_second"] > 0 for line in lines)
    assert [line["learning_rate"] for line in lines] == [0.05] * 7 + [0.005]
    saved = load_weights(tmp_path / WEIGHTS)
    assert saved.classes == ("blue", "red")
    assert all(torch.equal(a, b) for a, b in zip(weights(saved.network), weights(network), strict=True))


def test_interrupted_and_resumed_it_gives_the_same_bits(colours: ImageTable, tmp_path: Path):
    settings = SETTINGS.updated({"network.name": "alexnet", "network.width": 0.1, "input.size": 64, "input.resize": 66})
    whole, _ = train(colours, settings=settings)  # has dropout, so that its randomness is tried too

    def interrupt(epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(colours, settings=settings, folder=tmp_path, on_epoch=interrupt)
    resumed, _ = train(colours, settings=settings, folder=tmp_path, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    assert len((tmp_path / LOG).read_text().splitlines()) == 3


def test_a_resumed_log_holds_each_epoch_once(colours: ImageTable, tmp_path: Path):
    settings = SETTINGS.updated({"train.epochs": 4, "train.checkpoint_epochs": 2})

    def stop(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(colours, settings=settings, folder=tmp_path, on_epoch=stop)
    train(colours, settings=settings, folder=tmp_path, resume=True)
    assert [json.loads(line)["number"] for line in (tmp_path / LOG).read_text().splitlines()] == [1, 2, 3, 4]


def test_images_too_long_and_thin_to_be_shrunk_are_left_out(colours: ImageTable):
    PIL.Image.new("L", (1, 90_000)).save(colours.path(0))
    settings = SETTINGS.updated({"input.resize": 64, "input.size": 64, "train.epochs": 1})
    assert [problem.subject for problem in train(colours, settings=settings)[1]] == [colours.paths[0]]
    measured_colours(colours)


def own_network(seed: int = 0, classes: int = 2) -> OwnNetwork:
    """A user's: its own names, its own layers."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()),
            pool=nn.AdaptiveMaxPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(8, classes),
        )
    )
    return OwnNetwork(model, features="stem", classifier="head", pooling="max")


def test_a_network_of_ones_own_is_trained_kept_and_resumed(colours: ImageTable, tmp_path: Path):
    settings = SETTINGS.updated({"train.epochs": 6, "train.stages": (5,)})
    epochs: list[Epoch] = []
    whole, _ = train(colours, settings=settings, network=own_network(), folder=tmp_path, on_epoch=epochs.append)
    assert isinstance(whole, OwnNetwork)
    assert epochs[-1].accuracy > 0.75
    read = load_weights(tmp_path / WEIGHTS, own_network(seed=1))
    assert read.settings.input == settings.input
    pixels = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = Localizer.of(read, device="cpu").maps(pixels)
    expected, maps = whole.localization(normalised(pixels, settings=settings.input))
    torch.testing.assert_close(found.probabilities, expected.softmax(1))
    torch.testing.assert_close(found.maps[:, 0], maps)

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(colours, settings=settings, network=own_network(), folder=tmp_path / "again", on_epoch=interrupt)
    resumed, _ = train(colours, settings=settings, network=own_network(2), folder=tmp_path / "again", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_weights_of_ones_own_network_want_that_network(colours: ImageTable, tmp_path: Path):
    settings = SETTINGS.updated({"train.epochs": 1})
    train(colours, settings=settings, network=own_network(), folder=tmp_path / "own")
    with pytest.raises(CheckpointError, match="a network of your own") as caught:
        load_weights(tmp_path / "own" / WEIGHTS)
    assert "network=OwnNetwork(...)" in caught.value.next
    other = own_network(classes=3)
    before = [tensor.clone() for tensor in weights(other)]
    with pytest.raises(CheckpointError, match="of another shape than yours") as caught:
        load_weights(tmp_path / "own" / WEIGHTS, other)
    assert "head.bias is (2,) in the file and (3,) in the network" in caught.value.why
    assert all(torch.equal(a, b) for a, b in zip(weights(other), before, strict=True)), "nothing was loaded"
    train(colours, settings=settings, folder=tmp_path / "small")
    with pytest.raises(CheckpointError, match="holds those of small"):
        load_weights(tmp_path / "small" / WEIGHTS, own_network())


def test_tied_weights_are_kept(colours: ImageTable, tmp_path: Path):
    def tied() -> OwnNetwork:
        network = own_network()
        network.model.head_again = network.model.head  # type: ignore[assignment]
        network.model.view = nn.Module()  # type: ignore[assignment]
        network.model.view.register_buffer("of_the_head", network.weight.detach()[:1])
        network.model.forward = lambda x: network.model[:4](x)  # type: ignore[assignment, index]
        return network

    trained, _ = train(colours, settings=SETTINGS.updated({"train.epochs": 1}), network=tied(), folder=tmp_path / "run")
    read = load_weights(tmp_path / "run" / WEIGHTS, tied())
    assert all(torch.equal(a, b) for a, b in zip(weights(trained), weights(read.network), strict=True))


def test_resumed_before_the_first_epoch_it_begins(colours: ImageTable, tmp_path: Path):
    whole, _ = train(colours, settings=SETTINGS)
    resumed, _ = train(colours, settings=SETTINGS, folder=tmp_path / "killed", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_ones_own_network_must_fit(colours: ImageTable):
    average = OwnNetwork(own_network().model, features="stem", classifier="head", pooling="average")
    with pytest.raises(ValueError, match="not those of average pooling"):
        train(colours, settings=SETTINGS, network=average)

    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = own_network().model

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.inner(x), x

    several = OwnNetwork(Several(), features="inner.stem", classifier="inner.head", pooling="max")
    with pytest.raises(ValueError, match=r"must give logits \(2, 2\), but gave tuple"):
        train(colours, settings=SETTINGS, network=several)
    with pytest.raises(ValueError, match="3 logits, the images 2 classes"):
        train(colours, settings=SETTINGS, network=own_network(classes=3))
    with pytest.raises(UsageError, match="nothing is hidden at conv1"):
        train(colours, settings=SETTINGS.updated({"hide.at": "conv1"}), network=own_network())


def test_worker_processes_and_memory_load_the_same_images(colours: ImageTable):
    kept = TrainingLoader(colours, settings=SETTINGS.input, train=SETTINGS.train)
    read = TrainingLoader(
        colours,
        settings=SETTINGS.input,
        train=SETTINGS.updated({"train.cache_gigabytes": 0, "train.workers": 1}).train,
    )
    for epoch in (0, 1):
        for a, b in zip(kept.of_epoch(epoch), read.of_epoch(epoch), strict=True):
            assert torch.equal(a.pixels, b.pixels)
            assert torch.equal(a.rows, b.rows)


def test_the_processes_that_decode_are_gone_with_the_training(colours: ImageTable):
    """Left to the garbage collector, each was told to end by a queue that was gone, and waited for five seconds."""
    gc.disable()
    try:
        short = {"train.cache_gigabytes": 0, "train.workers": 1}
        train(colours, settings=SETTINGS.updated(short))
        assert active_children() == []
    finally:
        gc.enable()


def test_two_processes_share_each_batch(colours: ImageTable):
    whole = TrainingLoader(colours, settings=SETTINGS.input, train=SETTINGS.train)
    parts = [
        TrainingLoader(colours, settings=SETTINGS.input, train=SETTINGS.train, rank=rank, world=2) for rank in (0, 1)
    ]
    for batch, first, second in zip(whole.of_epoch(2), *(part.of_epoch(2) for part in parts), strict=True):
        assert sorted(batch.rows.tolist()) == sorted([*first.rows.tolist(), *second.rows.tolist()])


def test_an_epochs_order_and_crops_follow_from_its_number():
    assert sorted(epoch_order(9, seed=0, epoch=0).tolist()) == list(range(9))
    assert not torch.equal(epoch_order(99, seed=0, epoch=0), epoch_order(99, seed=0, epoch=1))
    corners = {crop_corner(20, 18, size=16, seed=0, epoch=epoch, row=3) for epoch in range(200)}
    assert corners == {(top, left) for top in range(5) for left in range(3)}


def test_broken_images_are_left_out_and_named(colours: ImageTable):
    colours.path(3).write_bytes(b"broken")
    _, failed = train(colours, settings=SETTINGS)
    assert [(problem.subject, problem.what) for problem in failed] == [(colours.paths[3], "broken image, left out")]


def test_when_no_image_can_be_read_the_first_is_named(colours: ImageTable):
    for i in range(len(colours)):
        colours.path(i).write_bytes(b"broken")
    with pytest.raises(DataError, match="none of the images"):
        train(colours, settings=SETTINGS)


def test_one_image_is_too_few(colours: ImageTable):
    with pytest.raises(DataError, match="1 training images"):
        train(colours.take([0]), settings=SETTINGS)


def test_a_loss_that_explodes_is_an_error_not_a_network(colours: ImageTable):
    with pytest.raises(ThasError, match="the loss became"):
        train(colours, settings=SETTINGS.updated({"train.learning_rate": "1e30"}))


def test_an_older_or_damaged_checkpoint_is_named(colours: ImageTable, tmp_path: Path):
    (tmp_path / OLD_CHECKPOINT).write_bytes(b"of torch")
    with pytest.raises(CheckpointError, match="an older thas, whose training cannot be continued"):
        train(colours, settings=SETTINGS, folder=tmp_path, resume=True)
    (tmp_path / CHECKPOINT).write_bytes(b"garbage")
    with pytest.raises(CheckpointError, match="is not a checkpoint of thas"):
        train(colours, settings=SETTINGS, folder=tmp_path, resume=True)


@pytest.mark.parametrize("key", ["train.seed", "hide.probability", "input.flip"])
def test_a_checkpoint_of_other_settings_or_images_is_refused(colours: ImageTable, tmp_path: Path, key: str):
    train(colours, settings=SETTINGS.updated({"train.epochs": 1}), folder=tmp_path)
    with pytest.raises(CheckpointError, match="a run with other settings") as caught:
        train(colours, settings=SETTINGS.updated({key: 1}), folder=tmp_path, resume=True)
    assert f"{key} was" in caught.value.why
    with pytest.raises(CheckpointError, match="a run with other labels"):
        train(colours.take(list(range(1, len(colours)))), settings=SETTINGS, folder=tmp_path, resume=True)


def test_an_unfinished_run_localizes_as_it_stands(colours: ImageTable, tmp_path: Path):
    train(colours, settings=SETTINGS.updated({"train.epochs": 2, "train.stages": 1}), folder=tmp_path)
    finished, standing = load_weights(tmp_path / WEIGHTS), load_weights(tmp_path / CHECKPOINT)
    assert standing.settings.network == finished.settings.network
    assert all(torch.equal(a, b) for a, b in zip(weights(finished.network), weights(standing.network), strict=True))

    def interrupt(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    longer = SETTINGS.updated({"train.epochs": 4, "train.stages": 1})
    with pytest.raises(KeyboardInterrupt):
        train(colours, settings=longer, folder=tmp_path, resume=True, on_epoch=interrupt)
    assert not (tmp_path / WEIGHTS).exists(), "they would be those of an earlier epoch"
    assert load_weights(tmp_path / CHECKPOINT).classes == ("blue", "red")


@pytest.mark.parametrize(
    "changes",
    [
        {"hide.at": "conv1"},
        {"hide.probability": 0},
        {"hide.fill": "zero"},
        {"input.dropout": "always", "hide.probability": 0.3},
        {"network.pooling": "max"},
        {"train.channels_last": False},
        {"train.precision": "bf16"},
    ],
)
def test_every_variant_of_the_paper_trains(colours: ImageTable, changes: dict):
    settings = SETTINGS.updated({"train.epochs": 1} | changes)
    losses = []
    train(colours, settings=settings, on_epoch=lambda epoch: losses.append(epoch.loss))
    assert np.isfinite(losses).all()


def test_trained_further_the_classifier_comes_first_and_the_statistics_stay(colours: ImageTable, tmp_path: Path):
    train(colours, settings=SETTINGS.updated({"train.epochs": 1}), folder=tmp_path / "first")
    begun = load_weights(tmp_path / "first" / WEIGHTS).network.state_dict()
    further = SETTINGS.updated(
        {
            "network.weights": str(tmp_path / "first" / WEIGHTS),
            "train.epochs": 3,
            "train.stages": (1,),
            "train.trunk_rate": (0, 0.1),
            "train.freeze_statistics": True,
        }
    )

    def changed(after: dict[str, torch.Tensor]) -> set[str]:
        return {name for name, value in after.items() if not torch.equal(value, begun[name])}

    head, _ = train(colours, settings=further.updated({"train.epochs": 1}))
    assert changed(head.state_dict()) == {"classifier.weight", "classifier.bias"}
    whole, _ = train(colours, settings=further)
    kept = {name for name in begun if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert kept
    assert changed(whole.state_dict()) == begun.keys() - kept
    assert all(one.requires_grad for one in whole.parameters())

    def interrupt(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(colours, settings=further, folder=tmp_path / "resumed", on_epoch=interrupt)
    resumed, _ = train(colours, settings=further, folder=tmp_path / "resumed", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_what_its_owner_froze_stays_frozen(colours: ImageTable):
    mine = own_network()
    first = next(mine.parameters()).requires_grad_(False)
    before = first.detach().clone()
    epochs = {"train.epochs": 2, "train.stages": (1,), "train.trunk_rate": (0, 1)}
    trained, _ = train(colours, settings=SETTINGS.updated(epochs), network=mine)
    assert torch.equal(next(trained.parameters()), before)
    assert sum(not one.requires_grad for one in trained.parameters()) == 1


def test_nothing_can_be_trained_further_that_was_not_trained(colours: ImageTable):
    with pytest.raises(UsageError, match="name no weights to begin from"):
        train(colours, settings=SETTINGS.updated({"train.freeze_statistics": True}))


def test_a_smaller_rate_of_the_trunk_moves_it_less(colours: ImageTable, tmp_path: Path):
    first, _ = train(colours, settings=SETTINGS.updated({"train.epochs": 1}), folder=tmp_path)
    once = SETTINGS.updated({"network.weights": str(tmp_path / WEIGHTS), "train.epochs": 1, "train.momentum": 0})

    def moved(rate: float) -> float:
        network, _ = train(colours, settings=once.updated({"train.trunk_rate": (rate,), "train.batch_size": 24}))
        begun = dict(first.named_parameters())
        trunk = [name for name in begun if not name.startswith("classifier")]
        return sum(float((dict(network.named_parameters())[name] - begun[name]).detach().norm()) for name in trunk)

    assert moved(0.1) == pytest.approx(0.1 * moved(1.0), rel=1e-3)


def test_hidden_pixels_are_the_mean_or_black():
    x, everything = torch.randn(2, 3, 8, 8), {"hide.probability": 1, "hide.size": 4}
    mean, _ = hidden_input(x, settings=ImageSettings().updated(everything), generator=torch.Generator())
    assert not mean.any()
    zero = ImageSettings().updated(everything | {"hide.fill": "zero"})
    pixels = hidden_input(x, settings=zero, generator=torch.Generator())[0]
    torch.testing.assert_close(pixels[0, :, 0, 0], black(zero.input))
    torch.testing.assert_close(
        normalised(torch.zeros(1, 3, 1, 1, dtype=torch.uint8), settings=zero.input)[0, :, 0, 0], black(zero.input)
    )


def test_dropout_of_pixels_keeps_the_mean():
    out = dropped(torch.ones(4, 3, 64, 64), probability=0.5, generator=torch.Generator().manual_seed(0))
    assert out.unique().tolist() == [0, 2]
    assert float(out.mean()) == pytest.approx(1, abs=0.02)


def test_the_mean_colour_is_measured(colours: ImageTable):
    mean, std = measured_colours(colours)
    assert mean == pytest.approx((120 / 255, 60 / 255, 120 / 255), abs=0.02)
    assert std == pytest.approx((80 / 255, 0.06, 80 / 255), abs=0.03)
    colours.path(0).write_bytes(b"broken")
    assert measured_colours(colours)[0] == pytest.approx(mean, abs=0.05)
    with pytest.raises(UsageError, match=r"input\.mean is empty"):
        train(colours, settings=SETTINGS.updated({"input.mean": (), "input.std": ()}))


def test_flipping_mirrors_whole_images_only():
    x = torch.arange(6 * 3 * 4 * 5, dtype=torch.uint8).reshape(6, 3, 4, 5)
    out = flipped(x, probability=0.5, generator=torch.Generator().manual_seed(1))
    turned = [torch.equal(out[i], x[i].flip(-1)) for i in range(6)]
    assert 0 < sum(turned) < 6
    assert all(turned[i] or torch.equal(out[i], x[i]) for i in range(6))


def test_the_mean_colour_is_zero_in_the_networks_eyes():
    settings = InputSettings(mean=(0.4, 0.6, 0.2), std=(0.1, 0.2, 0.5))
    pixels = torch.tensor([102, 153, 51], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(normalised(pixels, settings=settings), torch.zeros(1, 3, 4, 4), atol=1e-5, rtol=0)


def test_testing_sees_every_image_whole_and_knows_its_size(colours: ImageTable):
    colours.path(1).write_bytes(b"broken")
    batches = list(whole_batches(colours, side=16, batch_size=10))
    assert torch.cat([batch.rows for batch in batches]).tolist() == [0, *range(2, 24)]
    assert [problem.subject for batch in batches for problem in batch.failed] == [colours.paths[1]]
    with PIL.Image.open(colours.path(0)) as image:
        assert batches[0].sizes[0].tolist() == [image.height, image.width]


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_named(name: str):
    with pytest.raises(UsageError, match=name):
        choose_device(name)
