from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from thas.cli import run
from thas.core.errors import CheckpointError, UsageError
from thas.core.weight_store import sha256
from thas.features import networks
from thas.features.backbones import Backbone, backbone_names, get_backbone, register
from thas.features.c3d import C3D
from thas.features.cache import FeatureCache
from thas.features.checkpoints import FAMILIES, c3d_family, read_checkpoint
from thas.features.preprocessing import square
from thas.features.runner import Runner
from thas.features.weights import load_backbone
from thas.image_has.weights import read_tensors

from .video_files import write_video

TINY = {"width": 1, "fc_width": 3}


@pytest.fixture
def tiny(monkeypatch):
    """C3D at the paper's geometry with a 64th of its width, so that checkpoints are small."""
    from thas.features import c3d

    full = c3d.C3D

    class Tiny(full):
        def __init__(self, **settings):
            super().__init__(**(TINY | settings))

    monkeypatch.setattr(c3d, "C3D", Tiny)
    return Tiny(generator=torch.Generator().manual_seed(3))


def _renamed(network, family, *, without=()):
    ours = [
        *(f"features.conv{name}" for name in ("1a", "2a", "3a", "3b", "4a", "4b", "5a", "5b")),
        *("fc6", "fc7", "fc8"),
    ]
    names = dict(zip(ours, family.layers, strict=True))
    state = network.state_dict()
    return {
        f"{names[k.rpartition('.')[0]]}.{k.rpartition('.')[2]}": v for k, v in state.items() if k[:3] not in without
    }


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_gives_the_same_features(tmp_path, tiny, family):
    path = tmp_path / "weights.pth"
    state = _renamed(tiny, family, without=("fc8",) if family.name == "mmaction2" else ())
    assert c3d_family(state) == family.name
    torch.save({"state_dict": state} if family.name == "mmaction2" else state, path)
    loaded = load_backbone(weights=path)
    assert loaded.backbone.preprocessing == family.preprocessing
    clips = torch.randn(1, 3, 16, 112, 112)
    expected = C3D(**TINY, classes=0, pool5=family.pool5)
    expected.load_state_dict({k: v for k, v in tiny.state_dict().items() if "fc8" not in k})
    torch.testing.assert_close(loaded.network(clips), expected.eval().extract(clips))
    assert json.loads(loaded.recipe["architecture"])["pool5"] == family.pool5


def test_pool5_can_be_insisted_on(tmp_path, tiny):
    torch.save(_renamed(tiny, FAMILIES[0]), tmp_path / "c3d.pickle")
    loaded = load_backbone(weights=tmp_path / "c3d.pickle", pool5="caffe")
    assert json.loads(loaded.recipe["architecture"])["pool5"] == "caffe"


def test_missing_unexpected_and_misshapen_keys_are_named(tmp_path, tiny):
    state = _renamed(tiny, FAMILIES[0])
    del state["conv3b.bias"]
    state["conv9.weight"] = torch.zeros(1)
    state["fc7.bias"] = torch.zeros(99)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="do not fit") as caught:
        load_backbone(weights=tmp_path / "w.pth")
    assert "missing: features.conv3b.bias" in caught.value.why
    assert "unexpected: conv9.weight" in caught.value.why
    assert "fc7.bias is (99,), not (3,)" in caught.value.why


def test_keys_of_no_family(tmp_path):
    torch.save({"layer.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="not a C3D checkpoint of a known kind") as caught:
        load_backbone(weights=tmp_path / "w.pth")
    assert "layer.weight" in caught.value.why


class _Trap:
    def __reduce__(self):
        return Path.touch, (Path("trapped"),)


def test_a_checkpoint_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": _Trap()}, tmp_path / "evil.pth")
    (tmp_path / "evil.pickle").write_bytes(pickle.dumps(_Trap()))
    for name in ("evil.pth", "evil.pickle"):
        with pytest.raises(CheckpointError, match="holds no weights"):
            load_backbone(weights=tmp_path / name)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("read", [read_checkpoint, read_tensors])
@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"", "bring it again"),
        (b"noise" * 100, "weights alone"),
        (b"\x80\x02}q\x00.", ""),
        (pickle.dumps({"a.weight": np.zeros(999)}, protocol=4)[:-99], ""),
        (pickle.dumps([1, 2], protocol=4), "weights alone"),
    ],
)
def test_files_that_are_no_weights_in_either_half(tmp_path, read, content, advice):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="holds no weights") as caught:
        read(path)
    assert advice in caught.value.next
    assert caught.value.why
    assert caught.value.__cause__ is not None or "no table" in caught.value.why or read is read_checkpoint  # --debug


def _own(tmp_path, **change):
    network = C3D(width=2, input_size=24, depth=3, fc_width=5, classes=2, generator=torch.Generator().manual_seed(0))
    how = square(24, colour="bgr", value_range=1.0)
    about = {"backbone": "c3d", "architecture": network.architecture, "preprocessing": how.to_dict(), "frame_step": 2}
    path = tmp_path / "own.safetensors"
    save_file(network.state_dict(), str(path), metadata={"thas": json.dumps(about | change)})
    return path, network, how


def test_a_file_of_ours_brings_its_network_along(tmp_path):
    path, network, how = _own(tmp_path)
    loaded = load_backbone(weights=path, layer="fc6")
    assert loaded.backbone.preprocessing == how
    assert (loaded.backbone.dimension, loaded.backbone.clip_frames, loaded.backbone.frame_step) == (5, 16, 2)
    clips = torch.randn(2, 3, 16, 24, 24)
    torch.testing.assert_close(loaded.network(clips), network.eval().extract(clips, "fc6"))
    assert loaded.recipe["resize_height"] == 24


@pytest.mark.parametrize("change", [{"architecture": {"wide": 3}}, {"preprocessing": {}}, {"backbone": "resnet"}])
def test_a_file_of_ours_that_contradicts_itself(tmp_path, change):
    with pytest.raises(CheckpointError, match="does not describe its network"):
        load_backbone(weights=_own(tmp_path, **change)[0])


def test_the_hash_is_held_against_the_file(tmp_path):
    import hashlib

    path, *_ = _own(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_backbone(weights=path, weights_sha256=digest).recipe["weights_sha256"] == digest
    with pytest.raises(CheckpointError, match="not the file that was meant"):
        load_backbone(weights=path, weights_sha256="0" * 64)


def test_absent_weights(tmp_path):
    with pytest.raises(CheckpointError, match="needs weights"):
        load_backbone("c3d")
    with pytest.raises(CheckpointError, match="no weights file"):
        load_backbone("c3d", weights=tmp_path / "absent.pth")
    with pytest.raises(CheckpointError, match="has no layer 'fc8'"):
        load_backbone("c3d", layer="fc8", random_weights=True)


@pytest.mark.parametrize("name", ["i3d", "r3d_18", "x3d_m"])
def test_published_weights_are_not_downloaded_unasked(tmp_path, monkeypatch, name):
    monkeypatch.setenv("THAS_WEIGHTS", str(tmp_path))
    with pytest.raises(CheckpointError, match="are not on this machine") as caught:
        load_backbone(name)
    assert caught.value.next == f"thas weights fetch {name}"
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match="could not be fetched") as caught:
        load_backbone(name, weights="https://localhost:9/net.pth")
    assert "localhost:9/net.pth" in caught.value.why


def test_fetched_weights_are_found_by_the_backbones_name(tmp_path, monkeypatch):
    monkeypatch.setenv("THAS_WEIGHTS", str(tmp_path))
    torch.save(networks.pytorchvideo_network("x3d_m").state_dict(), tmp_path / "written")
    kept = (tmp_path / "written").rename(tmp_path / f"x3d_m-{sha256(tmp_path / 'written')[:16]}.pyth")
    for weights in (None, "x3d_m"):
        loaded = load_backbone("x3d_m", weights=weights)
        assert loaded.recipe["weights_source"] == str(kept)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, tiny, value):
    state = _renamed(tiny, FAMILIES[0])
    state["conv2.weight"][1, 0, 2, 1, 1] = value
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="are broken") as caught:
        load_backbone(weights=tmp_path / "w.pth")
    assert "features.conv2a.weight" in caught.value.why


def test_random_weights_are_always_the_same():
    one, two = (load_backbone("x3d_m", random_weights=True).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_mean_cube_is_cut_to_the_window_and_subtracted(tmp_path, tiny):
    torch.save(_renamed(tiny, FAMILIES[3]), tmp_path / "caffe.pth")
    cube = np.random.default_rng(0).uniform(80, 120, (3, 16, 128, 171)).astype(np.float32)
    np.save(tmp_path / "cube.npy", cube)
    loaded = load_backbone(weights=tmp_path / "caffe.pth", mean_cube=tmp_path / "cube.npy")
    assert loaded.recipe["mean_cube"]
    frames = np.random.default_rng(1).integers(0, 256, (2, 16, 112, 112, 3), np.uint8)
    with Runner(loaded, device="cpu", batch=2) as runner:
        found = runner(frames)
    clips = frames.transpose(0, 4, 1, 2, 3) - cube[None, :, :, 8:120, 29:141]
    expected = C3D(**TINY, classes=0)
    expected.load_state_dict({k: v for k, v in tiny.state_dict().items() if "fc8" not in k})
    with torch.inference_mode():
        np.testing.assert_allclose(found, expected.eval().extract(torch.from_numpy(clips)), rtol=1e-3, atol=1e-3)
    np.save(tmp_path / "cube.npy", cube[:, :8])
    with pytest.raises(CheckpointError, match="no mean cube"):
        load_backbone(weights=tmp_path / "caffe.pth", mean_cube=tmp_path / "cube.npy")


def test_the_registry(monkeypatch):
    assert backbone_names()[:5] == ["c3d", "i3d", "i3d_flow", "i3d_two_stream", "r3d_18"]
    with pytest.raises(UsageError, match="no backbone 'r3d_81'") as caught:
        get_backbone("r3d_81")
    assert "r3d_18" in caught.value.why
    with pytest.raises(UsageError, match="nowhere:nothing does not come with thas"):
        get_backbone("nowhere:nothing")
    monkeypatch.setenv("THAS_PLUGINS", "nowhere:nothing json:dumps")
    with pytest.raises(UsageError, match="cannot be loaded"):
        get_backbone("nowhere:nothing")
    with pytest.raises(UsageError, match="is no Backbone"):
        get_backbone("json:dumps")


@pytest.mark.parametrize("name", ["r3d_18", "s3d", "x3d_m"])
def test_networks_give_vectors_of_their_dimension(name):
    backbone = get_backbone(name)
    how = backbone.preprocessing
    with Runner(load_backbone(name, random_weights=True), device="cpu", batch=1) as runner:
        shape = (1, backbone.clip_frames, how.crop_height, how.crop_width, 3)
        assert runner(np.zeros(shape, np.uint8)).shape == (1, backbone.dimension)


@pytest.mark.parametrize("name", ["mc3_18", "x3d_m", "slowfast_r50"])
def test_published_checkpoints_load_without_their_classifier(tmp_path, name):
    network = networks.torchvision_network(name) if name == "mc3_18" else networks.pytorchvideo_network(name)
    state = {key.removeprefix("network."): value for key, value in network.state_dict().items()}
    head = "fc" if name == "mc3_18" else f"blocks.{max(int(k.split('.')[1]) for k in state)}.proj"
    if name == "slowfast_r50":
        head = "blocks.6.proj"
    state |= {f"{head}.weight": torch.zeros(400, 8), f"{head}.bias": torch.zeros(400)}
    torch.save(state if name == "mc3_18" else {"model_state": state}, tmp_path / "w.pyth")
    loaded = load_backbone(name, weights=tmp_path / "w.pyth")
    assert all(
        torch.equal(a, b)
        for a, b in zip(loaded.network.state_dict().values(), network.state_dict().values(), strict=True)
    )


class _Mean(torch.nn.Module):
    def forward(self, clips):
        return clips.mean(dim=(2, 3, 4))


class _Hungry(torch.nn.Module):
    """Has room for two clips, as a small GPU has."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, clips):
        if len(clips) > self.most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return clips.mean(dim=(2, 3, 4))


@pytest.mark.parametrize(
    ("most", "why", "advice"), [(2, "2 of them do", "--batch 2"), (0, "not even one", "--device cpu")]
)
def test_too_little_memory_is_told_with_the_batch_that_fits(tmp_path, monkeypatch, capsys, most, why, advice):
    hungry = Backbone(
        "hungry", dimension=3, clip_frames=2, frame_step=1, preprocessing=square(8), licence="mine", origin="mine",
        build=lambda layer: _Hungry(most),
    )  # fmt: skip
    register(hungry)
    video = write_video(tmp_path / "a.mp4", 40)
    command = ["extract-features", str(video), "--backbone", "hungry", "--random-weights", "--out", str(tmp_path / "f")]
    command += ["--stride-frames", "2", "--workers", "1"]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # one lane
    assert run([*command, "--batch", "8"]) == 1
    told = capsys.readouterr().err
    assert "a batch of 8 clips does not fit" in told
    assert why in told
    assert advice in told
    assert "Traceback" not in told
    if most:
        assert run([*command, "--batch", "2"]) == 0
        assert len(FeatureCache(tmp_path / "f")["a"].data) == 20


def test_a_backbone_of_the_users_own():
    mine = Backbone(
        "mine", dimension=3, clip_frames=2, frame_step=1, preprocessing=square(4), licence="mine", origin="mine",
        build=lambda layer: _Mean(),
    )  # fmt: skip
    register(mine)
    with Runner(load_backbone("mine", random_weights=True), device="cpu", batch=2) as runner:
        assert runner(np.full((2, 2, 4, 4, 3), 7, np.uint8)).tolist() == [[7.0] * 3] * 2


def test_what_a_network_of_the_users_own_calls_its_architecture_is_its_own_affair():
    class Named(_Mean):
        architecture = torch.float32  # neither a table nor JSON

    mine = Backbone(
        "named", dimension=3, clip_frames=2, frame_step=1, preprocessing=square(4), licence="mine", origin="mine",
        build=lambda layer: Named(),
    )  # fmt: skip
    register(mine)
    loaded = load_backbone("named", random_weights=True)
    assert loaded.recipe["architecture"] == "{}"
    with Runner(loaded, device="cpu") as runner:
        assert runner(np.full((1, 2, 4, 4, 3), 7, np.uint8)).tolist() == [[7.0] * 3]


def test_reading_safetensors_without_a_description(tmp_path):
    save_file({"a": torch.ones(2)}, str(tmp_path / "plain.safetensors"))
    state, own = read_checkpoint(tmp_path / "plain.safetensors")
    assert own is None
    assert state["a"].tolist() == [1, 1]
