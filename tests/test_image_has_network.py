from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision import models

from thas.image_has import architectures
from thas.image_has.network import CamNetwork, Hiding, OwnNetwork, build_network, pool
from thas.image_has.settings import ImageSettings, NetworkSettings


def shapes_of(network: CamNetwork, pixels: int) -> dict[str, tuple[int, ...]]:
    x, found = torch.zeros(1, 3, pixels, pixels), {}
    assert isinstance(network.features, nn.Sequential)
    with torch.no_grad():
        for name, layer in network.eval().features.named_children():
            x = layer(x)
            found[name] = tuple(x.shape[1:])
    return found


def test_alexnet_gap_layer_for_layer():
    shapes = shapes_of(build_network(NetworkSettings(name="alexnet"), classes=1000), 224)
    assert shapes == {
        "conv1": (96, 55, 55),
        "pool1": (96, 27, 27),
        "conv2": (256, 27, 27),
        "pool2": (256, 13, 13),
        "conv3": (384, 13, 13),
        "conv4": (384, 13, 13),
        "conv5": (384, 13, 13),
        "pool5": (384, 11, 11),
        "conv6": (512, 11, 11),
        "conv7": (512, 11, 11),
    }


def test_googlenet_gap_is_cut_after_inception_4e_with_one_convolution_more():
    shapes = shapes_of(build_network(NetworkSettings(name="googlenet"), classes=1000), 224)
    assert shapes["inception3b"] == (480, 28, 28)
    assert shapes["inception4e"] == (832, 14, 14)
    assert list(shapes.items())[-1] == ("conv_gap", (1024, 14, 14))


@pytest.mark.parametrize(
    ("name", "maps"), [("vgg16", (1024, 4, 4)), ("resnet50", (2048, 4, 4)), ("resnet18", (512, 4, 4))]
)
def test_the_other_networks_keep_a_sixteenth_of_the_side(name: str, maps: tuple[int, ...]):
    network = build_network(NetworkSettings(name=name), classes=3).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        output = network(torch.zeros(1, 3, 64, 64))
    assert output.maps.shape[1:] == maps
    assert output.logits.shape == (1, 3)


@pytest.mark.parametrize(("cell_pixels", "side"), [(8, 12), (16, 6), (32, 3)])
def test_a_narrow_resnet_keeps_the_map_as_large_as_asked(cell_pixels: int, side: int):
    settings = ImageSettings().updated(
        {"network.name": "resnet18", "network.width": 0.25, "network.cell_pixels": cell_pixels}
    )
    assert shapes_of(build_network(settings.network, classes=10), 96)["layer4"] == (128, side, side)


@pytest.mark.parametrize(("depth", "theirs"), [(18, models.resnet18), (50, models.resnet50)])
def test_with_cells_of_32_pixels_a_resnet_is_torchvisions(depth: int, theirs: Callable[..., torch.nn.Module]):
    model = theirs(weights=None).eval()
    features, _ = architectures.resnet(depth, cell_pixels=32)
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("fc.")}
    features.eval().load_state_dict(state)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        logits = model.get_submodule("fc")(pool(features(x), pooling="average"))
        assert torch.allclose(logits, model(x), atol=1e-5)


def test_half_the_width_and_stride_keep_about_the_papers_map_size_at_112_pixels():
    settings = ImageSettings.preset("images-128").updated({"network.width": 0.5}).network
    assert shapes_of(build_network(settings, classes=10), 112)["conv7"] == (256, 10, 10)


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_state_alone():
    settings = NetworkSettings(name="small")
    state = torch.get_rng_state()
    first = build_network(settings, classes=3, seed=5).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    second = build_network(settings, classes=3, seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_max_pooling_takes_the_best_place_only():
    maps = torch.tensor([[[[0.0, 8.0]]]])
    assert pool(maps, pooling="max").item() == 8
    assert pool(maps, pooling="average").item() == 4


def test_hiding_at_conv1_hides_its_maps_cell_by_cell_and_lets_gradients_through():
    network = build_network(NetworkSettings(name="small"), classes=3, seed=0)
    x = torch.randn(2, 3, 16, 16)
    seen: list[torch.Tensor] = []
    handle = network.features.get_submodule("pool1").register_forward_pre_hook(
        lambda _m, inputs: seen.append(inputs[0])
    )
    everything = Hiding(size=4, probability=1.0, fill="mean", generator=torch.Generator())
    network(x, everything).logits.sum().backward()
    handle.remove()
    assert torch.equal(seen[0], seen[0][:1, :, :1, :1].expand_as(seen[0])), "all of each map is its mean"
    assert network.features.get_submodule("conv1.conv").weight.grad is not None
    nothing = Hiding(size=4, probability=0.0, fill="mean", generator=torch.Generator())
    network.eval()
    assert torch.equal(network(x, nothing).logits, network(x).logits)


def test_localization_gives_the_map_of_each_images_own_class():
    network = build_network(NetworkSettings(name="small"), classes=4, seed=0).eval()
    x = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        logits, maps = network.localization(x, torch.tensor([2, 0, 1]))
        likeliest = network.localization(x)[1]
    rest = network.classifier.bias[torch.tensor([2, 0, 1])]
    torch.testing.assert_close(maps.mean((1, 2)) + rest, logits[torch.arange(3), torch.tensor([2, 0, 1])])
    torch.testing.assert_close(likeliest.mean((1, 2)) + network.classifier.bias[logits.argmax(1)], logits.amax(1))


def test_a_model_of_ones_own_by_three_attributes():
    model = models.resnet18(weights=None).eval()
    x = torch.randn(2, 3, 64, 64)
    own = OwnNetwork(model, features="layer4", classifier="fc", pooling="average")
    with torch.no_grad():
        logits, maps = own.localization(x, torch.tensor([7, 9]))
        torch.testing.assert_close(logits, model(x))
    torch.testing.assert_close(maps.mean((1, 2)) + model.fc.bias[[7, 9]], logits[torch.arange(2), torch.tensor([7, 9])])
    assert not model.layer4._forward_hooks


def test_a_1x1_convolution_may_classify():
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 4, 1), nn.Flatten())
    assert OwnNetwork(model, features="0", classifier="2").weight.shape == (4, 6)


@pytest.mark.parametrize(
    ("features", "classifier", "named"), [("layer9", "fc", "no layer 'layer9'"), ("layer4", "bn1", "not \\(C, M\\)")]
)
def test_attributes_that_do_not_fit_are_named(features: str, classifier: str, named: str):
    with pytest.raises(ValueError, match=named):
        OwnNetwork(models.resnet18(weights=None), features=features, classifier=classifier)


def test_an_unknown_pooling_is_named():
    with pytest.raises(ValueError, match="'mean'"):
        OwnNetwork(models.resnet18(), features="layer4", classifier="fc", pooling="mean")  # type: ignore[arg-type]


def test_maps_that_the_logits_do_not_follow_from_are_refused():
    model, x = models.resnet18(weights=None).eval(), torch.randn(2, 3, 64, 64)
    with pytest.raises(ValueError, match="not those of max pooling of 'layer4'"):
        OwnNetwork(model, features="layer4", classifier="fc", pooling="max")(x)
    halves = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    with pytest.raises(ValueError, match="after its last activation"):
        OwnNetwork(halves.eval(), features="0", classifier="4", pooling="average")(x)
    assert OwnNetwork(halves.eval(), features="1", classifier="4", pooling="max")(x).maps.shape == (2, 6, 62, 62)
