"""Networks of timm and torchvision: found maps, read weights, named classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from tests.conftest import shared_data
from thas.cli import run
from thas.core.errors import CheckpointError, UsageError
from thas.image_has import activation_map
from thas.image_has.cam_layers import find_cam_layers
from thas.image_has.library import build_library_network, load_library_weights
from thas.image_has.loading import squashed
from thas.image_has.localizer import Localizer
from thas.image_has.network import OwnNetwork
from thas.image_has.settings import ImageSettings, NetworkSettings
from thas.image_has.untrained import (
    chosen_classes,
    imagenet_classes,
    library_settings,
    open_library_network,
    spelt_as,
    untrained_localizer,
    wordnet_ids,
)
from thas.image_has.views import refined, shrunk_to
from thas.image_has.weights import load_weights, save_weights, start_from

SMALL = "torchvision:shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def shufflenet(tmp_path_factory) -> Path:
    """A file of weights as torchvision keeps them, of a network drawn by chance."""
    path = tmp_path_factory.mktemp("weights") / "shufflenet.pth"
    torch.save(build_library_network(SMALL, classes=1000, seed=1).model.state_dict(), path)
    return path


class Odd(nn.Module):
    """Maps of two channels, and an end of one's own."""

    def __init__(self, end) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 3)
        self.end = end

    def forward(self, x):
        return self.end(self.maps(x))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Top(nn.Module):
    def forward(self, x):
        return x.amax((2, 3))


@pytest.mark.parametrize(("pool", "pooling"), [(Mean(), "average"), (Top(), "max")])
def test_the_pooled_layer_is_found_whatever_it_is_called(pool, pooling):
    model = Odd(nn.Sequential(pool, nn.Dropout(), nn.Linear(2, 4)))
    found = find_cam_layers(model, side=9)
    assert found == ("maps", "end.2", pooling)
    network = OwnNetwork(model, features=found.features, classifier=found.classifier, pooling=found.pooling).eval()
    network(torch.rand(1, 3, 9, 9))  # its own check agrees
    assert model.training is False
    assert not any(module._forward_hooks for module in model.modules())


class ChannelsLast(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


class MeanOfChannelsLast(nn.Module):
    def forward(self, x):
        return x.mean((1, 2))


def test_maps_with_their_channels_last_are_the_same_maps():
    """As Swin's; the layer that is pooled makes them so, after a normalization over channels."""
    end = nn.Sequential(ChannelsLast(), nn.LayerNorm(2), MeanOfChannelsLast(), nn.Linear(2, 4))
    model = Odd(end)
    found = find_cam_layers(model, side=9)
    assert found == ("end.1", "end.3", "average")
    network = OwnNetwork(model, features=found.features, classifier=found.classifier).eval()
    x = torch.rand(2, 3, 9, 11)
    seen = network(x)
    assert seen.maps.shape == (2, 2, 7, 9)
    torch.testing.assert_close(seen.maps, end[1](model.maps(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
    torch.testing.assert_close(seen.maps.mean((2, 3)) @ network.weight.T + end[3].bias, seen.logits)


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (nn.Sequential(Mean(), nn.LayerNorm(2), nn.Linear(2, 4)), "end.1 (LayerNorm)"),
        (nn.Sequential(Mean(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 4)), "end.2 (Tanh)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(98, 4)), "not the mean of any layer's maps"),
        (nn.Sequential(Mean(), nn.Linear(2, 4), nn.Softmax(1)), "not straight from one linear layer"),
        (nn.Sequential(nn.Conv2d(2, 4, 1), Mean()), "not straight from one linear layer"),
        (nn.Conv2d(2, 4, 1), "not one number for each class"),
    ],
)
def test_what_ends_otherwise_is_refused_with_the_reason(end, why):
    with pytest.raises(UsageError) as error:
        find_cam_layers(Odd(end), side=9)
    assert why in error.value.why


def test_maps_of_one_cell_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 4))
    with pytest.raises(ValueError, match="1 x 1"):
        OwnNetwork(model, features="1", classifier="3").eval()(torch.rand(2, 3, 8, 8))
    OwnNetwork(model, features="0", classifier="3").eval()(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("torchvision:squeezenet1_1", "not straight from one linear layer"),
        ("torchvision:alexnet", "(Dropout)|(ReLU)|(Linear)"),
        ("torchvision:nothing", ""),
        ("torchvision:r3d_18", ""),
    ],
)
def test_a_library_network_without_exact_maps_or_of_no_such_name_is_refused(name, why):
    with pytest.raises(UsageError) as error:
        build_library_network(name, classes=10)
    assert any(word in error.value.why for word in why.split("|"))


def test_class_names_are_all_there_and_each_another():
    names = imagenet_classes()
    assert len(names) == len(set(names)) == 1000
    places = chosen_classes(["English_springer", "golf ball", "701", "Tench"], names)
    assert places == [217, 574, 701, 0]
    assert spelt_as(["english_springer", "my cat"], names)[217] == "english_springer"
    for wrong in (["springer spaniel"], ["tench", "0"], ["1000"]):
        with pytest.raises(UsageError):
            chosen_classes(wrong, names)
    if wordnet_ids():
        assert chosen_classes(["n02102040"], names) == [217]


def test_a_chosen_subset_keeps_the_maps_and_the_order_of_the_logits(shufflenet):
    whole = open_library_network(SMALL, weights=shufflenet)
    part = open_library_network(SMALL, weights=shufflenet, classes=["golf ball", "0", "church"])
    assert part.classes == ("golf ball", "tench", "church")
    x = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = whole.network(x), part.network(x)
    assert torch.allclose(other.logits, one.logits[:, [574, 0, 497]], atol=1e-6)
    maps = [
        activation_map(out.maps, net.weight)[:, c]
        for out, net, c in ((one, whole.network, 574), (other, part.network, 0))
    ]
    assert (maps[0] - maps[1]).abs().max() <= 1e-4 * maps[0].abs().max()


def test_another_ports_names_are_read_by_order_and_another_network_is_refused(tmp_path):
    network = build_library_network(SMALL, classes=5, seed=1)
    theirs = {
        f"their.{i}.{name.rpartition('.')[2]}": t for i, (name, t) in enumerate(network.model.state_dict().items())
    }
    fresh = build_library_network(SMALL, classes=5, seed=2)
    load_library_weights(fresh, theirs, path=tmp_path)
    state = network.model.state_dict()
    assert all(torch.equal(t, state[n]) for n, t in fresh.model.state_dict().items() if "num_batches" not in n)
    few = build_library_network(SMALL, classes=3, seed=2)
    head = few.weight.clone()
    load_library_weights(few, theirs, path=tmp_path, classifier=False)
    assert torch.equal(few.weight, head), "another number of classes keeps its fresh classifier"
    assert torch.equal(few.model.state_dict()["conv1.0.weight"], state["conv1.0.weight"])
    turned = dict(reversed(theirs.items()))
    with pytest.raises(CheckpointError, match="not a file of this network"):
        load_library_weights(fresh, turned, path=tmp_path)
    kept = {n: t.clone() for n, t in fresh.model.state_dict().items()}
    other = build_library_network("torchvision:mnasnet0_5", classes=5, seed=2).model.state_dict()
    with pytest.raises(CheckpointError):
        load_library_weights(fresh, other, path=tmp_path)
    assert all(torch.equal(t, kept[n]) for n, t in fresh.model.state_dict().items())


def test_a_fine_tuned_network_is_built_again_from_its_file(tmp_path):
    network = build_library_network(SMALL, classes=3, seed=1).eval()
    settings = library_settings(SMALL).updated({"input.size": 64, "input.resize": 64})
    save_weights(tmp_path / "w.safetensors", network, classes=("a", "b", "c"), settings=settings)
    again = load_weights(tmp_path / "w.safetensors")
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again.network(x).logits, network(x).logits)
    assert (again.classes, again.settings.network.name) == (("a", "b", "c"), SMALL)


def test_training_further_begins_from_a_classifier_that_says_nothing(shufflenet):
    network = start_from(shufflenet, NetworkSettings(name=SMALL), classes=("a", "b"), seed=0).eval()
    with torch.inference_mode():
        assert not network(torch.rand(1, 3, 64, 64)).logits.any(), "else the first steps go into unlearning it"
    begun = open_library_network(SMALL, weights=shufflenet).network.state_dict()
    trunk = {name: tensor for name, tensor in network.state_dict().items() if "fc" not in name}
    assert all(torch.equal(tensor, begun[name]) for name, tensor in trunk.items())


def test_settings_know_names_of_libraries_and_refuse_others():
    assert ImageSettings().updated({"network.name": "timm:resnet18"}).network.name == "timm:resnet18"
    with pytest.raises(UsageError, match="there is no network 'resnet19'"):
        ImageSettings().updated({"network.name": "resnet19"})


def test_a_size_that_the_network_cannot_look_at_is_named(shufflenet):
    with pytest.raises(UsageError) as error:
        untrained_localizer(SMALL, weights=shufflenet, changes={"input.size": 32}, device="cpu")
    assert "1 x 1" in error.value.why
    assert (
        untrained_localizer(
            SMALL, weights=shufflenet, changes={"input.size": 64, "localize.zoom": 0}, device="cpu"
        ).side
        == 64
    )


def photographs(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for name in ("val/tench/1.png", "val/golf_ball/2.png", "train/tench/3.png", "train/golf_ball/4.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(draw.integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(folder / name)
    (folder / "boxes.csv").write_text(
        "image,label,x0,y0,x1,y1\nval/tench/1.png,tench,0,0,60,50\nval/golf_ball/2.png,golf_ball,5,5,20,30\n"
    )


def test_photographs_are_boxed_and_scored_without_a_run(tmp_path, monkeypatch, capsys, shufflenet):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "mine")
    net = ["--network", SMALL, "--weights", str(shufflenet), "--set", "input.size=96"]
    assert (
        run(
            [
                "image",
                "localize",
                "mine/val/tench/1.png",
                *net,
                "--classes",
                "tench",
                "golf ball",
                "--top",
                "2",
                "--json",
            ]
        )
        == 0
    )
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert {box["label"] for box in image["boxes"]} == {"tench", "golf ball"}
    assert sum(box["score"] for box in image["boxes"]) == pytest.approx(1, abs=1e-5)
    assert Path("localized/1.png").exists()
    assert run(["image", "eval", *net, "--dataset", "mine", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["images"] == 2
    assert SMALL in scores["of"]
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--network", SMALL, "--weights", "absent.pth"], "there is no weights file absent.pth"),
        (["--weights", "some.pth"], "what network is some.pth of?"),
        (["--classes", "tench"], "--classes chooses among a library's classes"),
        (["--network", "shufflenet_v2_x0_5", "--weights", "some.pth"], "is no library's network"),
        (["--network", SMALL, "--weights", "some.pth", "--run", "runs/latest"], "or a library's network?"),
        (["--weights", "efficientnet_lite0"], "thas weights fetch efficientnet_lite0"),
        (["--network", SMALL], "are not on this machine"),
        (["--network", SMALL, "--weights", "some.pth"], "some.pth holds no weights"),
    ],
)
def test_mistakes_are_named(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THAS_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "none"))
    Path("some.pth").write_bytes(b"nothing")
    PIL.Image.new("RGB", (20, 20)).save("photo.png")
    assert run(["image", "localize", "photo.png", *arguments]) in (1, 2)
    assert says in " ".join(capsys.readouterr().err.split())


def test_it_is_trained_further_and_localizes_from_its_run(tmp_path, monkeypatch, capsys, shufflenet):
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "mine")
    options = ["input.size=64", "input.resize=64", "train.epochs=1", "train.batch_size=2", "train.workers=0"]
    start = ["--network", SMALL, "--set", f"network.weights={shufflenet}", *options]
    assert run(["image", "train", "--dataset", "mine", "--preset", "finetune", *start]) == 0
    run_folder = Path("runs/image/latest").resolve()
    made = load_weights(run_folder / "weights.safetensors")
    assert made.settings.input.mean == library_settings(SMALL).input.mean, "the network's own, not the images'"
    assert made.classes == ("golf_ball", "tench")
    capsys.readouterr()
    assert run(["image", "localize", "mine/val/tench/1.png", "--json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert image["boxes"][0]["label"] in made.classes


def test_timm_networks_where_timm_is_installed(tmp_path):
    pytest.importorskip("timm")
    network = build_library_network("timm:test_efficientnet", classes=1000, seed=0)
    torch.save(network.model.state_dict(), tmp_path / "w.pth")
    member = open_library_network("timm:test_efficientnet", weights=tmp_path / "w.pth")
    assert member.settings.input.size > member.network.facts.side, "finer maps than in training"
    found = Localizer.of(member, device="cpu").localize([PIL.Image.new("RGB", (90, 60), (200, 30, 30))])
    assert 0 <= found[0].boxes[0].box[0] < found[0].boxes[0].box[2] <= 90
    with pytest.raises(UsageError, match="has no exact class activation maps"):
        build_library_network("timm:test_vit", classes=10)


def test_a_network_that_takes_only_some_sizes_is_shown_one_of_them(tmp_path):
    pytest.importorskip("timm")
    network = build_library_network("timm:dla46_c", classes=4, seed=0)
    torch.save(network.model.state_dict(), tmp_path / "w.pth")
    found = untrained_localizer("timm:dla46_c", weights=tmp_path / "w.pth", device="cpu")
    assert found.side % 32 == 0
    assert found.side > network.facts.side, "finer maps than in training"
    assert found.localize([PIL.Image.new("RGB", (90, 60), (200, 30, 30))])[0].boxes
    with pytest.raises(UsageError, match="cannot look at images of 250, 128, 448 pixels"):
        untrained_localizer("timm:dla46_c", weights=tmp_path / "w.pth", changes={"input.size": 250}, device="cpu")


def test_the_published_lite0_tells_and_boxes_photographs(monkeypatch):
    """Where both the weights and the photographs are at hand."""
    from thas.core.weight_store import stored
    from thas.eval.boxes import BoxTruth, best_iou
    from thas.image_has.datasets import open_images
    from thas.image_has.loading import whole_batches
    from thas.image_has.localize import localize, scaled_boxes
    from thas.image_has.untrained import respelt

    pytest.importorskip("timm")
    folder = shared_data("imagenette-128")
    if stored("efficientnet_lite0") is None:
        pytest.skip("needs the weights of efficientnet_lite0: thas weights fetch efficientnet_lite0")
    table = open_images(str(folder), training=False).subset("val")
    table = table.take(list(range(0, 250, 10)))
    paper = {"localize.refine": 0, "localize.zoom": 0, "localize.mirror": False, "input.size": 224}
    localizer = respelt(untrained_localizer(weights="efficientnet_lite0", changes=paper, device="cpu"), table.classes)
    (batch,) = whole_batches(table.relabelled(localizer.classes), side=224, batch_size=25)
    found = localizer.maps(batch.pixels, batch.labels)
    few = torch.tensor([localizer.classes.index(name) for name in table.classes])
    right = few[found.probabilities[:, few].argmax(1)] == batch.labels
    assert right.float().mean() >= 0.9, "96 % of all 250"
    boxes = localize(found.maps[:, -1], threshold=0.2)
    scaled = [
        scaled_boxes(b, map_size=(224, 224), image_size=tuple(s))
        for b, s in zip(boxes, batch.sizes.tolist(), strict=True)
    ]
    truth = BoxTruth.from_lists([table.boxes[path].tolist() for path in table.paths])
    assert 0.35 < (best_iou(np.array(scaled), truth) > 0.5).mean() < 0.85, "58 % of all 250"


def test_maps_may_be_refined_at_a_size_of_their_own(shufflenet):
    """The maps come at that size, and are those of the network, shrunk and refined beside the shrunk picture."""
    image = PIL.Image.fromarray(np.random.default_rng(1).integers(0, 255, (50, 80, 3), dtype=np.uint8))
    pixels = squashed(image, side=96)[None]
    plain = {"input.size": 96, "localize.mirror": False, "localize.refine": 0, "localize.refine_size": 32}
    plain["localize.zoom"] = 0
    wide = untrained_localizer(SMALL, weights=shufflenet, changes=plain, device="cpu")
    fine = untrained_localizer(SMALL, weights=shufflenet, changes={**plain, "localize.refine": 3}, device="cpu")
    assert wide.maps(pixels).maps.shape == (1, 1, 96, 96), "not refined, not shrunk"
    expected = refined(shrunk_to(wide.maps(pixels).maps.clamp(min=0), 32), shrunk_to(pixels.float(), 32), iterations=3)
    found = fine.maps(pixels).maps
    assert found.shape == (1, 1, 32, 32)
    assert (found - expected).abs().max() <= 1e-3 * expected.abs().max().clamp(min=1e-12)
    (one,) = fine.localize([image])
    assert one.map.shape == (32, 32)
    assert 0 <= one.boxes[0].box[0] < one.boxes[0].box[2] <= 80
    assert 0 <= one.boxes[0].box[1] < one.boxes[0].box[3] <= 50
