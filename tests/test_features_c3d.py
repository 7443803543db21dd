from __future__ import annotations

import pytest
import torch

from thas.features.c3d import C3D


def _macs(network: C3D, frames: int, size: int) -> int:
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, torch.nn.Conv3d)]
    linear = sum(m.weight.numel() for m in (network.fc6, network.fc7, network.fc8) if m is not None)
    network(torch.zeros(1, 3, frames, size, size))
    for hook in hooks:
        hook.remove()
    return total + linear


def test_the_default_is_the_papers_network():
    with torch.device("meta"):
        network = C3D()
        convolutions = [(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512)]
        by_hand = sum(27 * i * o + o for i, o in convolutions)
        by_hand += sum(i * o + o for i, o in [(512 * 1 * 4 * 4, 4096), (4096, 4096), (4096, 487)])
        assert sum(p.numel() for p in network.parameters()) == by_hand == 79_991_015
        assert round(_macs(network, 16, 112) / 1e9, 2) == 38.55
        assert network.fc6.in_features == 512 * 1 * 4 * 4
        names = [name for name, _ in network.named_children()]
    assert names == ["features", "fc6", "fc7", "fc8", "dropout"]


def _pool5_windows(pool5: str) -> list[list[int]]:
    """Which of the 7 rows each of the 4 output rows of pool5 sees, found by lighting one row at a time."""
    pool = C3D(width=1, fc_width=2, classes=0, pool5=pool5).features.pool5
    seen = [[] for _ in range(4)]
    for row in range(7):
        x = torch.full((1, 1, 2, 7, 7), -1.0)
        x[:, :, :, row] = 1.0
        for out in torch.nonzero(pool(x)[0, 0, 0, :, 0] > 0).flatten().tolist():
            seen[out].append(row)
    return seen


def test_pool5_windows_are_caffes_by_default():
    assert _pool5_windows("caffe") == [[0, 1], [2, 3], [4, 5], [6]]


def test_pool5_windows_of_the_ports_are_one_row_off():
    assert _pool5_windows("port") == [[0], [1, 2], [3, 4], [5, 6]]


def test_the_two_pool5_differ_only_there():
    generator = torch.Generator().manual_seed(0)
    caffe = C3D(width=2, fc_width=4, classes=0).eval()
    port = C3D(width=2, fc_width=4, classes=0, pool5="port").eval()
    port.load_state_dict(caffe.state_dict())
    clips = torch.rand(1, 3, 16, 112, 112, generator=generator)
    before = [torch.nn.Sequential(*list(n.features)[:-2])(clips) for n in (caffe, port)]
    assert torch.equal(*before)
    assert not torch.equal(caffe.features(clips), port.features(clips))


def test_pooling_keeps_time_first_then_halves_it():
    network = C3D(width=1, fc_width=2, classes=0)
    sizes = []
    x = torch.zeros(1, 3, 16, 112, 112)
    for name, module in network.features.named_children():
        x = module(x)
        if name.startswith("pool"):
            sizes.append(tuple(x.shape[2:]))
    assert sizes == [(16, 56, 56), (8, 28, 28), (4, 14, 14), (2, 7, 7), (1, 4, 4)]


def test_pooling_before_the_relu_is_the_papers_order_bit_for_bit():
    network = C3D(width=4, input_size=30, depth=4, fc_width=8, classes=0).eval()
    clips = torch.randn(2, 3, 16, 30, 30)
    x = clips
    for name in ("conv1a", "pool1", "conv2a", "pool2", "conv3a", "conv3b", "pool3", "conv4a", "conv4b", "pool4"):
        x = getattr(network.features, name)(x)
        x = torch.relu(x) if name.startswith("conv") else x
    assert torch.equal(network.features(clips), x)


def test_features_are_taken_after_relu_and_before_the_next_layer():
    network = C3D(width=2, input_size=32, depth=3, fc_width=6, classes=4).eval()
    clips = torch.randn(2, 3, 16, 32, 32)
    flat = network.features(clips).flatten(1)
    fc6 = torch.relu(network.fc6(flat))
    fc7 = torch.relu(network.fc7(fc6))
    assert torch.equal(network.extract(clips, "fc6"), fc6)
    assert torch.equal(network.extract(clips), fc7)
    assert torch.equal(network(clips), network.fc8(fc7))
    assert (fc7 >= 0).all()


def test_channels_last_gives_the_same_features():
    network = C3D(width=4, input_size=48, depth=4, fc_width=16, classes=0).eval()
    clips = torch.randn(2, 3, 16, 48, 48)
    plain = network.extract(clips)
    last = network.to(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(last.extract(clips.to(memory_format=torch.channels_last_3d)), plain)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("pool5", ["caffe", "port"])
def test_the_architecture_rebuilds_the_network(depth, pool5):
    network = C3D(width=2, input_size=33, depth=depth, fc_width=5, classes=3, pool5=pool5)
    again = C3D(**network.architecture)
    again.load_state_dict(network.state_dict())
    assert again(torch.zeros(1, 3, 16, 33, 33)).shape == (1, 3)
    assert again.dimension == 5


def test_the_same_generator_draws_the_same_weights():
    small = {"width": 2, "input_size": 16, "depth": 2, "fc_width": 4, "classes": 0}
    first, second = (C3D(**small, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"width": 0}, "width"),
        ({"depth": 6}, "depth"),
        ({"classes": -1}, "classes"),
        ({"pool5": "other"}, "pool5"),
        ({"width": 1, "input_size": 8, "fc_width": 2, "depth": 4, "pool5": "port"}, "too small"),
    ],
)
def test_settings_out_of_range_are_named(settings, named):
    if named == "too small":
        settings = settings | {"input_size": 7}
    with pytest.raises(ValueError, match=named):
        C3D(**settings)


def test_clips_of_another_size_are_refused():
    network = C3D(width=1, input_size=16, depth=2, fc_width=2, classes=0)
    with pytest.raises(ValueError, match=r"\(B, 3, 16, 16, 16\), but are \(1, 3, 8, 16, 16\)"):
        network.extract(torch.zeros(1, 3, 8, 16, 16))
    with pytest.raises(ValueError, match="layer must be one of"):
        network.extract(torch.zeros(1, 3, 16, 16, 16), "fc8")
