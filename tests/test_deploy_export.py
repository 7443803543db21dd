"""Exported networks compute what thas does, for any number of snippets, and say what they are."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from thas.cli import run as command
from thas.core.errors import DataError, UsageError
from thas.deploy import exporting, image_exporting, parts
from thas.deploy.exporting import export_run
from thas.features.cache import FeatureCache
from thas.image_has.demo import make_demo_images
from thas.image_has.localizer import Localizer as ImageLocalizer
from thas.temporal_has.heads import as_head
from thas.temporal_has.localizer import Localizer
from thas.temporal_has.model import Model
from thas.temporal_has.network import HasNetwork
from thas.temporal_has.settings import Settings

from .conftest import make_features

MEAN, DEVIATION = torch.linspace(-1, 1, 6), torch.linspace(0.5, 2, 6)


def model_of(network, **changes) -> Model:
    settings = Settings().updated({"input.normalise": "standard", "train.loss": "sigmoid", **changes})
    return Model(network.eval(), MEAN, DEVIATION, ("Run", "Jump", "Dive"), settings, {"backbone": "planted"}, 1.5)


def run_of(model: Model, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint.safetensors").write_bytes(model.to_bytes())
    return folder


@pytest.fixture(scope="module", autouse=True)
def _one_table_of_operators():
    """What torch makes anew for each ONNX file, and takes longer for than for all else; it is always the same."""
    with pytest.MonkeyPatch.context() as patch:
        with suppress(ImportError, AttributeError):  # another torch may have it elsewhere: then it takes longer
            from torch.onnx._internal.exporter import _registration

            made = staticmethod(cache(_registration.ONNXRegistry.from_torchlib))
            patch.setattr(_registration.ONNXRegistry, "from_torchlib", made)
        yield


def test_a_run_is_exported_with_its_backbone_and_works_without_thas(trained, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'thas[onnx]'")
    pytest.importorskip("onnxscript", reason="needs pip install 'thas[onnx]'")
    run, out = trained / "runs/latest", tmp_path / "out"
    assert command(["export", str(run), "--backbone", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = {"head.onnx", "head.pt2", "backbone.onnx", "backbone.pt2", "whole.onnx", "whole.pt2"}
    assert {Path(one["path"]).name for one in told["files"]} == names
    assert {path.name for path in out.iterdir()} == names | {"export.json"}
    about = json.loads((out / "export.json").read_text())
    assert set(about["files"]) == names
    assert about["classes"] == ["Jump", "Run, fast"]
    assert all(one["largest_difference"] < 1e-4 for one in about["files"].values())

    # As a stranger would use them: features of a real video, other lengths than any tried while exporting.
    features = FeatureCache(trained / "mine/features")["v3"]
    expected = Localizer.from_run(run).sequence(features)
    session = onnxruntime.InferenceSession(out / "head.onnx", providers=["CPUExecutionProvider"])
    meta = json.loads(session.get_modelmeta().custom_metadata_map["thas"])
    assert meta["classes"] == about["classes"]
    given = features.data[None]
    sequence, probabilities = session.run(["sequence", "probabilities"], {"features": given})
    assert np.allclose(sequence[0], expected.logits, atol=1e-5)
    assert np.allclose(probabilities[0], expected.probabilities, atol=1e-6)
    loaded = torch.export.load(out / "head.pt2").module()(torch.from_numpy(given))
    assert np.allclose(loaded[0][0].detach().numpy(), expected.logits, atol=1e-5)

    whole = onnxruntime.InferenceSession(out / "whole.onnx", providers=["CPUExecutionProvider"])
    (clips,) = whole.get_inputs()
    assert clips.type == "tensor(uint8)"
    frames = np.random.default_rng(0).integers(0, 256, (5, *clips.shape[1:]), dtype=np.uint8)
    alone = onnxruntime.InferenceSession(out / "backbone.onnx", providers=["CPUExecutionProvider"])
    (rows,) = alone.run(None, {"clips": frames})
    (from_rows, _), (from_clips, _) = session.run(None, {"features": rows[None]}), whole.run(None, {"clips": frames})
    assert np.allclose(from_rows, from_clips, atol=1e-4)

    # The same run again replaces its own files; another run's are left alone.
    assert command(["export", str(run), "--format", "torch", "--out", str(out)]) == 0
    assert command(["export", str(trained / "others/latest"), "--format", "torch", "--out", str(out)]) == 2
    assert "holds the export of another network" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "network",
    [
        lambda: HasNetwork(6, 3, channels=8),
        lambda: HasNetwork(6, 3, channels=8, pooling="mean", kernel_size=3),
    ],
    ids=["paper", "wide"],
)
def test_every_head_with_torch_export(tmp_path, network):
    model = model_of(network(), **{"network.head": "has2017"})
    _, (written,) = export_run(tmp_path, tmp_path / "out", formats=["torch"], localizer=_opened(model, tmp_path))
    assert written.largest_difference <= 1e-5
    program = torch.export.load(written.path).module()
    for count in (1, 3, 90):
        features = make_features("v", torch.randn(count, 6).numpy())
        sequence, _ = program(torch.from_numpy(features.data)[None])
        assert np.allclose(sequence[0].detach().numpy(), model.sequence(features).logits, atol=1e-5)


def _opened(model: Model, folder: Path) -> Localizer:
    run_of(model, folder)
    return Localizer(model)


def test_a_head_of_ones_own_is_exported_or_named(tmp_path):
    class Own(torch.nn.Module):
        def __init__(self, bound: bool) -> None:
            super().__init__()
            self.tell, self.bound = torch.nn.Linear(6, 3), bound

        def forward(self, x):
            if self.bound and float(x.sum()) > 0:  # what is computed follows from numbers
                return self.tell(x) * 2
            return self.tell(x)

    settings = Settings().network
    good, bad = (as_head(Own(bound), classes=3, settings=settings) for bound in (False, True))
    _, (written,) = export_run(
        tmp_path, tmp_path / "good", formats=["torch"], localizer=_opened(model_of(good), tmp_path)
    )
    assert written.largest_difference <= 1e-5
    with pytest.raises(UsageError, match="the head of this run cannot be exported"):
        export_run(tmp_path, tmp_path / "bad", formats=["torch"], localizer=_opened(model_of(bad), tmp_path))


def test_what_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    model = model_of(HasNetwork(6, 3, channels=8), **{"network.head": "has2017"})
    opened = _opened(model, tmp_path)
    real = exporting._own_head
    monkeypatch.setattr(exporting, "_own_head", lambda m: lambda x: tuple(one + 1e-2 for one in real(m)(x)))
    with pytest.raises(DataError, match="does not compute what the run does"):
        export_run(tmp_path, tmp_path / "out", formats=["torch"], localizer=opened)
    assert [path.name for path in (tmp_path / "out").glob("*")] == ["export.json"]


def test_what_was_interrupted_is_typed_again(tmp_path, monkeypatch):
    opened = _opened(model_of(HasNetwork(6, 3, channels=8), **{"network.head": "has2017"}), tmp_path)

    def cut(part, folder, formats, about):
        (folder / "head.onnx").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(parts, "_write", cut)
        with pytest.raises(KeyboardInterrupt):
            export_run(tmp_path, tmp_path / "out", formats=["torch"], localizer=opened)
    export_run(tmp_path, tmp_path / "out", formats=["torch"], localizer=opened)
    assert (tmp_path / "out/head.pt2").exists()


def test_what_cannot_be_exported_is_said(tmp_path, monkeypatch):
    dropping = model_of(HasNetwork(6, 3), **{"network.head": "has2017", "input.dropout": "always"})
    with pytest.raises(UsageError, match="drops at random"):
        export_run(tmp_path, tmp_path / "out", formats=["torch"], localizer=_opened(dropping, tmp_path))
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UsageError, match="ONNX needs onnxscript") as caught:
        export_run(tmp_path, tmp_path / "out", localizer=_opened(dropping, tmp_path))
    assert caught.value.next.startswith("pip install 'thas[onnx]'")


@pytest.fixture
def image_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_demo_images(tmp_path / "creatures", training=2, testing=1)
    train = ["image", "train", "--dataset", "creatures", "--preset", "image-demo", "--epochs", "1", "--device", "cpu"]
    assert command([*train, "--set", "network.width=0.25"]) == 0
    return Path("runs/image/latest")


def test_a_run_of_images_is_exported_and_localizes_as_thas_does(image_run, capsys):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'thas[onnx]'")
    pytest.importorskip("onnxscript", reason="needs pip install 'thas[onnx]'")
    capsys.readouterr()
    assert command(["export", str(image_run), "--out", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["files"]
    assert [Path(one["path"]).name for one in told] == ["classifier.onnx", "classifier.pt2"]
    assert all(one["largest_difference"] <= 1e-4 * max(1, one["largest_output"]) for one in told)
    about = json.loads(Path("out/export.json").read_text())
    localizer = ImageLocalizer.from_run(image_run, device="cpu")
    assert about["classes"] == list(localizer.classes)
    side = localizer.settings.input.size
    assert f"(N, 3, {side}, {side}) uint8" in about["inputs"]["pictures"]
    # As a stranger would use it, on photographs, more at once than any tried while exporting.
    files = sorted(Path("creatures/val").glob("*/*"))[:4]
    pictures = np.stack([np.asarray(PIL.Image.open(one).convert("RGB").resize((side, side), 2)) for one in files])
    pictures = pictures.transpose(0, 3, 1, 2).copy()
    session = onnxruntime.InferenceSession("out/classifier.onnx", providers=["CPUExecutionProvider"])
    probabilities, maps = session.run(["probabilities", "maps"], {"pictures": pictures})
    expected = localizer.maps(torch.from_numpy(pictures), torch.zeros(4, dtype=torch.int64))
    assert np.allclose(probabilities, expected.probabilities, atol=1e-5)
    enlarged = torch.nn.functional.interpolate(torch.from_numpy(maps), size=(side, side), mode="bilinear")
    assert torch.allclose(enlarged[:, 0], expected.maps[:, 1], atol=1e-3 * float(expected.maps.abs().max()))
    # Each kind of run says what it has not.
    assert command(["export", str(image_run), "--backbone"]) == 2
    assert "whose one network is exported whole" in " ".join(capsys.readouterr().err.split())


def test_pictures_that_are_dropped_from_at_random_are_not_exported(image_run):
    (trained,) = ImageLocalizer.from_run(image_run, device="cpu").members
    dropping = replace(trained, settings=trained.settings.updated({"input.dropout": "always"}))
    with pytest.raises(UsageError, match="drops at random"):
        image_exporting.ExportedClassifier(dropping)
