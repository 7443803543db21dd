"""I3D against DeepMind's program: its values, its names, its padding; and the files that its weights come in."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle

import numpy as np
import pytest
import torch

from thas.cli import run
from thas.core import plugins
from thas.core.errors import CheckpointError
from thas.core.weight_store import stored
from thas.features import i3d
from thas.features.backbones import get_backbone
from thas.features.cache import FeatureCache
from thas.features.checkpoints import read_checkpoint
from thas.features.extract import Extractor
from thas.features.i3d import I3D, InceptionBlock, Unit3D, i3d_state, same_padding
from thas.features.runner import Runner
from thas.features.weights import load_backbone

from .video_files import write_video

# Every unit of the network under DeepMind's name, with kernel, input and output channels (the paper's figure 3).
MIXED = (
    ("3b", 192, 64, 96, 128, 16, 32, 32), ("3c", 256, 128, 128, 192, 32, 96, 64),
    ("4b", 480, 192, 96, 208, 16, 48, 64), ("4c", 512, 160, 112, 224, 24, 64, 64),
    ("4d", 512, 128, 128, 256, 24, 64, 64), ("4e", 512, 112, 144, 288, 32, 64, 64),
    ("4f", 528, 256, 160, 320, 32, 128, 128), ("5b", 832, 256, 160, 320, 32, 128, 128),
    ("5c", 832, 384, 192, 384, 48, 128, 128),
)  # fmt: skip


def units(channels=3):
    yield ("Conv3d_1a_7x7",), 7, channels, 64
    yield ("Conv3d_2b_1x1",), 1, 64, 64
    yield ("Conv3d_2c_3x3",), 3, 64, 192
    for name, inputs, b0, b1a, b1b, b2a, b2b, b3b in MIXED:
        block = f"Mixed_{name}"
        yield (block, "Branch_0/Conv3d_0a_1x1"), 1, inputs, b0
        yield (block, "Branch_1/Conv3d_0a_1x1"), 1, inputs, b1a
        yield (block, "Branch_1/Conv3d_0b_3x3"), 3, b1a, b1b
        yield (block, "Branch_2/Conv3d_0a_1x1"), 1, inputs, b2a
        yield (block, "Branch_2/Conv3d_0b_3x3"), 3, b2a, b2b
        yield (block, "Branch_3/Conv3d_0b_1x1"), 1, inputs, b3b


def shapes():
    """The original's tree of arrays: the shape of each."""
    for path, kernel, inputs, outputs in units():
        yield ("params", *path, "Conv_0", "kernel"), (kernel, kernel, kernel, inputs, outputs)
        yield ("params", *path, "BatchNorm_0", "bias"), (outputs,)
        yield ("batch_stats", *path, "BatchNorm_0", "mean"), (outputs,)
        yield ("batch_stats", *path, "BatchNorm_0", "var"), (outputs,)
    yield ("params", "Logits/Conv3d_0c_1x1", "Conv_0", "kernel"), (1, 1, 1, 1024, 400)
    yield ("params", "Logits/Conv3d_0c_1x1", "Conv_0", "bias"), (400,)


@pytest.fixture(scope="module")
def drawn():
    """Full-size weights drawn from seed 7, as a flat tree in the original's names and shapes."""
    rng = np.random.default_rng(7)
    tree = {}
    for path, shape in sorted(shapes()):
        value = rng.standard_normal(shape, dtype=np.float32)
        if path[-1] == "kernel":
            value *= np.float32((2 / np.prod(shape[:-1])) ** 0.5)
        elif path[-1] == "var":
            value = np.float32(1) + np.float32(0.5) * np.abs(value)
        else:
            value *= np.float32(0.1)
        tree[".".join(path)] = torch.from_numpy(value)
    return tree


def clip(seed, frames, size):
    x = np.random.default_rng(seed).uniform(-1, 1, (1, frames, size, size, 3)).astype("f4")
    return torch.from_numpy(x).permute(0, 4, 1, 2, 3)


# What DeepMind's program, as ported to JAX by its first users, gave for weights and clips drawn as above. 19 frames of
# 230 pixels: SAME pads unevenly in other places there, and logits are a mean over places too.
GOLDEN = (
    (16, 224, (-0.06798020, -0.15114824, 0.24288111, 0.21951300), (0.0, 0.46961746, 0.56193036, 0.20258121)),
    (19, 230, (-0.11716054, -0.16265775, 0.26874143, 0.20776181), (0.00025315, 0.44601154, 0.53600860, 0.19977250)),
)


def test_values_are_the_originals(drawn):
    network = I3D(classes=400)
    network.load_state_dict(i3d_state(drawn), strict=False)
    network.eval()
    for frames, size, logits, features in GOLDEN:
        with torch.inference_mode():
            pooled = network._pooled(clip(8, frames, size))
            found = pooled.mean(dim=(2, 3, 4))
            # The original's logits before the mean over places; the stored ones are those of the first place.
            first = network.logits(pooled).mean(dim=2)[0, :, 0, 0]
        assert network.dimension == found.shape[1] == 1024
        torch.testing.assert_close(found[0, :4], torch.tensor(features), rtol=0, atol=1e-5)
        torch.testing.assert_close(first[:4], torch.tensor(logits), rtol=0, atol=1e-4)


REAL = stored("i3d")


@pytest.mark.skipif(REAL is None, reason="the published weights are not here: thas weights fetch i3d")
def test_published_weights_give_the_originals_values():
    network = I3D(classes=400)
    network.load_state_dict(i3d_state(read_checkpoint(REAL)[0]), strict=False)
    with torch.inference_mode():
        logits = network.eval().logits(network._pooled(clip(0, 16, 224))).mean(dim=(2, 3, 4))
        features = load_backbone("i3d").network(clip(0, 16, 224))
    assert logits.argmax() == 148
    expected = [1.10207605, 3.91514087, 2.00849342, 2.61935639, -1.76951003, 2.04850554]
    torch.testing.assert_close(logits[0, :6], torch.tensor(expected), rtol=0, atol=1e-4)
    expected = [0.15213159, 0.12681384, 0.13649545, 0.28207815, 0.11750460, 0.22160472]
    torch.testing.assert_close(features[0, :6], torch.tensor(expected), rtol=0, atol=1e-5)


@pytest.fixture
def small(monkeypatch):
    """I3D at a 64th of its width wherever it is built: the names and the way of a file are what is tested."""

    class Small(I3D):
        def __init__(self, **settings):
            super().__init__(**({"width": 2} | settings))

    monkeypatch.setattr(i3d, "I3D", Small)
    torch.manual_seed(0)
    network = Small(classes=5)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def published(state):
    """The weights as the usual PyTorch file has them: with the classifier, without the counters of batches."""
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def flax(state):
    """The weights as the published pickle has them: nested, kernels last, statistics with axes of one, no scales."""
    names = {"bn.bias": "BatchNorm_0.bias", "bn.running_mean": "BatchNorm_0.mean", "bn.running_var": "BatchNorm_0.var"}
    names |= {"conv3d.weight": "Conv_0.kernel", "conv3d.bias": "Conv_0.bias"}
    branches = {"b0": "Branch_0/Conv3d_0a_1x1", "b1a": "Branch_1/Conv3d_0a_1x1", "b1b": "Branch_1/Conv3d_0b_3x3"}
    branches |= {"b2a": "Branch_2/Conv3d_0a_1x1", "b2b": "Branch_2/Conv3d_0b_3x3", "b3b": "Branch_3/Conv3d_0b_1x1"}
    tree = {"params": {}, "batch_stats": {}}
    for key, value in published(state).items():
        *place, kind, part = key.split(".")
        if f"{kind}.{part}" not in names:
            continue
        place = ["Logits/Conv3d_0c_1x1"] if place == ["logits"] else [branches.get(name, name) for name in place]
        unit, leaf = names[f"{kind}.{part}"].split(".")
        array = value.numpy()
        array = array.transpose(2, 3, 4, 1, 0) if leaf == "kernel" else array
        array = array.reshape(1, 1, 1, 1, -1) if leaf in ("mean", "var") else array
        at = tree["params" if leaf in ("kernel", "bias") else "batch_stats"]
        for name in (*place, unit):
            at = at.setdefault(name, {})
        at[leaf] = array
    return tree


def write(path, network, kind):
    if kind == "flax":
        path.write_bytes(pickle.dumps(flax(network.state_dict()), protocol=4))
    else:
        torch.save(published(network.state_dict()), path)


@pytest.mark.parametrize("kind", ["flax", "pytorch"])
def test_both_kinds_of_file_give_the_same_features(tmp_path, small, kind):
    write(tmp_path / "weights", small, kind)
    loaded = load_backbone("i3d", weights=tmp_path / "weights")
    clips = torch.randn(2, 3, 16, 64, 64)
    torch.testing.assert_close(loaded.network(clips), small(clips))
    assert not any(key.startswith("logits") for key in loaded.network.state_dict())
    assert loaded.recipe["weights_sha256"] == hashlib.sha256((tmp_path / "weights").read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["flax", "pytorch"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_files_cut_short_are_told(tmp_path, small, kind, share):
    path = tmp_path / "weights"
    write(path, small, kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=f"{path} holds no weights"):
        load_backbone("i3d", weights=path)


def test_files_of_other_networks_are_told(tmp_path, small):
    torch.save(published(I3D(channels=2, width=2).state_dict()), tmp_path / "flow.pt")
    with pytest.raises(CheckpointError, match="do not fit") as caught:
        load_backbone("i3d", weights=tmp_path / "flow.pt")
    assert "Conv3d_1a_7x7.conv3d.weight is (2, 2, 7, 7, 7), not (2, 3, 7, 7, 7)" in caught.value.why
    write(tmp_path / "rgb.pt", small, "pytorch")
    with pytest.raises(CheckpointError, match="not a C3D checkpoint") as caught:
        load_backbone("c3d", weights=tmp_path / "rgb.pt")
    assert caught.value.next == "it looks like I3D: --backbone i3d"


@pytest.mark.parametrize("value", [["a"], np.array([None]), {"x": "text"}, np.array(["text"])])
def test_a_pickle_of_anything_but_arrays_of_numbers_is_refused(tmp_path, value):
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps({"params": value}, protocol=4))
    with pytest.raises(CheckpointError) as caught:
        load_backbone("i3d", weights=tmp_path / "w.ckpt")
    assert "no array of numbers" in caught.value.why


class _Trap:
    def __reduce__(self):
        return exec, ("open('trapped', 'w').close()",)


def test_a_pickle_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps({"params": {"a": np.ones(2), "b": _Trap()}}, protocol=4))
    with pytest.raises(CheckpointError) as caught:
        load_backbone("i3d", weights=tmp_path / "w.ckpt")
    assert "builtins.exec" in caught.value.why
    assert not (tmp_path / "trapped").exists()


def test_the_recipe_comes_with_the_name(tmp_path, small):
    one = get_backbone("i3d")
    assert (one.fps, one.clip_frames, one.frame_step, one.stride_seconds) == (25.0, 16, 1, 0.64)
    assert one.preprocessing.window(240, 320) == (256, 341, 16, 58)
    write(tmp_path / "w.pt", small, "pytorch")
    seen = []
    loaded = load_backbone("i3d", weights=tmp_path / "w.pt")
    loaded.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    frames = np.zeros((1, 16, 224, 224, 3), np.uint8)
    frames[..., 0] = 255
    with Runner(loaded, device="cpu", batch=1) as runner:
        assert runner(frames).shape == (1, loaded.network.dimension)
    assert [seen[0][0, c].unique().tolist() for c in range(3)] == [[1.0], [-1.0], [-1.0]]


def test_from_a_video_to_features_with_nothing_typed(tmp_path, small, monkeypatch):
    monkeypatch.setenv("THAS_WEIGHTS", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    write(tmp_path / "w.ckpt", small, "flax")
    digest = hashlib.sha256((tmp_path / "w.ckpt").read_bytes()).hexdigest()
    kept = (tmp_path / "w.ckpt").rename(tmp_path / "kept" / f"i3d-{digest[:16]}.ckpt")
    network = dataclasses.replace(get_backbone("i3d"), dimension=small.dimension)
    monkeypatch.setitem(plugins._registered["backbones"], "i3d", network)
    video = write_video(tmp_path / "a.mp4", 60, fps=30)
    assert run(["extract-features", str(video), "--weights", "i3d", "--out", str(tmp_path / "f")]) == 0
    cache = FeatureCache(tmp_path / "f")
    assert cache["a"].data.shape == (3, small.dimension)
    # Two seconds at 25 frames a second, 16 frames every 16: three clips, each beginning with the frame shown then.
    np.testing.assert_allclose(cache["a"].start_seconds, [0, 19 / 30, 38 / 30], atol=1e-6)
    recipe = cache.recipe
    assert (recipe["fps"], recipe["clip_frames"], recipe["stride_seconds"], recipe["snippets"]) == (25, 16, 0.64, None)
    # The recipe is enough to make the same of another video, also where the file lies elsewhere by now.
    kept.rename(tmp_path / "kept" / f"other-{digest[:16]}.ckpt")
    again = Extractor(recipe).features(video)
    np.testing.assert_array_equal(again.data, cache["a"].data)


@pytest.mark.parametrize("size", range(1, 20))
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (3, 1), (2, 2), (1, 1)])
def test_same_padding_gives_every_stride_one_output(size, kernel, stride):
    before, after = same_padding(size, kernel, stride)
    assert 0 <= after - before <= 1
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((3, 3, 3), (1, 1, 1)), ((2, 2, 2), (2, 2, 2))],
)
def test_pooling_axis_by_axis_is_pooling(kernel, stride, layout):
    """Bit-equal to torch's, which is used where something is learned; the input stays as it was."""
    generator = torch.Generator().manual_seed(0)
    for shape in ((2, 3, 8, 28, 28), (1, 2, 5, 7, 9), (1, 2, 1, 2, 3), (1, 1, 2, 1, 1)):
        x = torch.rand(shape, generator=generator).relu_().contiguous(memory_format=layout)
        before = x.clone()
        with torch.no_grad():
            found = i3d._max_pool(x, kernel, stride)
        assert torch.equal(found, i3d._max_pool(x, kernel, stride)), shape
        assert torch.equal(x, before)
        assert found.is_contiguous(memory_format=layout)


def test_features_are_the_same_while_learning():
    """Without gradients the network takes quicker ways to the same values; with them it can be trained."""
    network = I3D(width=4).eval()
    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            layer.running_mean.normal_(0, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
    clips = torch.rand(2, 3, 19, 46, 38, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        quick = network(clips)
    slow = network(clips)
    torch.testing.assert_close(quick, slow.detach(), atol=1e-6, rtol=1e-5)
    with torch.inference_mode():
        rough = I3D(width=4).eval()
        rough.load_state_dict(network.state_dict())
        torch.testing.assert_close(rough.bfloat16()(clips.bfloat16()).float(), quick, atol=0.03, rtol=0.1)
    slow.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
    for unit in network.modules():
        if isinstance(unit, i3d.Unit3D):
            unit.fold()
    with torch.inference_mode():
        torch.testing.assert_close(network(clips), quick, atol=1e-6, rtol=1e-5)
    assert not any(".bn." in name for name in network.state_dict())


def test_too_short_a_clip_is_refused():
    with pytest.raises(ValueError, match="9 frames or more, but was given 8"):
        I3D(width=2).eval()(torch.zeros(1, 3, 8, 64, 64))
    assert I3D(width=2).eval()(torch.zeros(1, 3, 9, 64, 64)).shape == (1, 32)


def test_it_is_exported_without_what_is_quick_here_alone():
    torch.manual_seed(0)
    network = torch.nn.Sequential(Unit3D(3, 2, 7, 2), InceptionBlock(2, (2, 2, 2, 2, 2, 2))).eval()
    clips = torch.randn(2, 3, 8, 16, 16)
    with torch.no_grad():
        program = torch.export.export(network, (clips,), dynamic_shapes=({0: torch.export.Dim("count", min=1)},))
        for some in (clips, clips[:1]):
            assert torch.allclose(program.module()(some), network(some), atol=1e-5)
    assert "mkldnn" not in str(program.graph)


def test_it_is_compiled_without_what_is_quick_here_alone():
    """torch.compile follows no call of oneDNN by name; before, `--compile` ended in its error on a processor."""
    torch.manual_seed(0)
    block, x = InceptionBlock(2, (2, 2, 2, 2, 2, 2)).eval(), torch.randn(1, 2, 4, 8, 8)
    with torch.inference_mode():
        expected = block(x)
        compiled = torch.compile(block, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), expected)
