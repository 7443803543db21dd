from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision import models

from thas.core.checkpoints import CHECKSUM, read_header
from thas.core.errors import CheckpointError
from thas.image_has.activation import captured
from thas.image_has.network import build_network
from thas.image_has.settings import ImageSettings, NetworkSettings
from thas.image_has.weights import load_weights, save_weights, start_from

SMALL = ImageSettings.preset("image-demo")


def saved(path: Path, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    save_weights(path, build_network(SMALL.network, classes=len(classes), seed=1), classes=classes, settings=SMALL)
    return path


def test_a_saved_network_comes_back_with_its_classes_and_settings(tmp_path: Path):
    trained = load_weights(saved(tmp_path / "weights.safetensors"))
    fresh = build_network(SMALL.network, classes=2, seed=1).state_dict()
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in trained.network.state_dict().items())
    assert trained.classes == ("cat", "dog")
    assert (trained.settings.input, trained.settings.hide) == (SMALL.input, SMALL.hide)
    assert not trained.network.training


def test_a_file_that_holds_a_single_threshold_is_read_and_a_strange_setting_named(tmp_path: Path):
    path = saved(tmp_path / "weights.safetensors")
    facts = read_header(path)

    def rewritten(name: str, **changes: object) -> Path:
        content = {key: value for key, value in facts.items() if key != CHECKSUM}  # older files have none
        content |= {"localize": facts["localize"] | changes}
        save_file(load_file(path), tmp_path / name, metadata={"thas": json.dumps(content)})
        return tmp_path / name

    older = load_weights(rewritten("older.safetensors", threshold=0.3))
    assert older.settings.localize.threshold == (0.3,)
    with pytest.raises(CheckpointError, match=r"no setting 'localize\.unheard'"):
        load_weights(rewritten("newer.safetensors", unheard=1))


def test_ours_to_start_from_keeps_the_classifier_for_the_same_classes_only(tmp_path: Path):
    path = saved(tmp_path / "weights.safetensors")
    theirs = load_weights(path).network.state_dict()
    for classes, same in ((("cat", "dog"), True), (("dog", "cat"), False), (("a", "b", "c"), False)):
        started = start_from(path, SMALL.network, classes=classes, seed=9).state_dict()
        assert torch.equal(started["features.conv1.conv.weight"], theirs["features.conv1.conv.weight"])
        assert torch.equal(started["classifier.weight"], theirs["classifier.weight"]) is same


@pytest.mark.parametrize(
    ("name", "model", "batch_norm"),
    [
        ("resnet18", models.resnet18, True),
        ("vgg16", models.vgg16, False),
        ("vgg16", models.vgg16_bn, True),
        ("googlenet", lambda weights: models.googlenet(weights=weights, init_weights=False, aux_logits=False), True),
    ],
)
def test_torchvisions_weights_fit_and_compute_the_same_maps(tmp_path: Path, monkeypatch, name, model, batch_norm):
    with monkeypatch.context() as patch:  # vgg16's classifier, which is not taken, has 120 million weights
        patch.setattr(torch.nn.Linear, "reset_parameters", lambda self: None)
        patch.setattr(torch.nn.init, "normal_", lambda tensor, *_: tensor)
        theirs = model(weights=None).eval()
    told = {key: value if value.ndim != 2 else value[:2].clone() for key, value in theirs.state_dict().items()}
    torch.save(told, tmp_path / "theirs.pth")
    settings = NetworkSettings(name=name, batch_norm=batch_norm)  # type: ignore[arg-type]
    ours = start_from(tmp_path / "theirs.pth", settings, classes=("a", "b"), seed=0).eval()
    x = torch.randn(1, 3, 64, 64)
    ours_last, theirs_last = {
        "resnet18": ("layer3", "layer3"),
        "vgg16": ("conv5_3", "features.42" if batch_norm else "features.29"),
        "googlenet": ("inception4e", "inception4e"),
    }[name]
    with torch.no_grad():
        with captured(theirs.get_submodule(theirs_last)) as expected:
            theirs.features(x) if name == "vgg16" else theirs(x)
        with captured(ours.features.get_submodule(ours_last)) as found:
            ours(x)
    torch.testing.assert_close(found[0], expected[0])


def test_another_architecture_is_named(tmp_path: Path):
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "theirs.pth")
    with pytest.raises(CheckpointError, match="not a resnet50"):
        start_from(tmp_path / "theirs.pth", NetworkSettings(name="resnet50"), classes=("a",), seed=0)


@pytest.mark.parametrize(
    "tensors",
    [
        {f"features.{i}.weight": torch.zeros(2, 2, 3, 3) for i in range(16)},
        {"features.weight": torch.zeros(3), "features.strange": torch.zeros(3), "features.0.bias": torch.zeros(3)},
    ],
    ids=["more convolutions, as VGG-19 has", "no layers"],
)
def test_what_is_no_vgg16_is_said_to_be_none(tmp_path: Path, tensors: dict[str, torch.Tensor]):
    torch.save(tensors, tmp_path / "theirs.pth")
    with pytest.raises(CheckpointError, match="not a vgg16"):
        start_from(tmp_path / "theirs.pth", NetworkSettings(name="vgg16", batch_norm=False), classes=("a",), seed=0)


@pytest.mark.parametrize("content", [b"", b"garbage" * 99])
def test_damaged_files_are_named(tmp_path: Path, content: bytes):
    for name in ("w.safetensors", "w.pth"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            start_from(tmp_path / name, SMALL.network, classes=("a",), seed=0)
    with pytest.raises(CheckpointError, match=r"w\.safetensors"):
        load_weights(tmp_path / "w.safetensors")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no weights file"):
        load_weights(tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match="no weights file"):
        start_from(tmp_path / "w.pth", SMALL.network, classes=("a",), seed=0)
