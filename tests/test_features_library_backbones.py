"""Networks of transformers and timm, tiny ones with drawn weights: saved, read back, and through extract-features."""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from thas.cli import run
from thas.core.errors import CheckpointError, FeatureError, UsageError
from thas.core.weight_catalogue import CATALOGUE, Published
from thas.core.weight_store import sha256
from thas.features.backbones import backbone_for
from thas.features.cache import FeatureCache
from thas.features.extract import Extractor
from thas.features.library_backbone import licence_of, probe, revision_of
from thas.features.runner import Runner
from thas.features.transformers_pictures import preprocessings
from thas.features.weights import load_backbone

from .video_files import write_video


class Later:
    """A package that takes seconds to import, imported by the first test that runs."""

    def __init__(self, name: str) -> None:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"pip install {name}", allow_module_level=True)
        self._name = name

    def __getattr__(self, part: str):
        if part.startswith("_") and part != "__version__":  # what pytest asks of all that a module has
            raise AttributeError(part)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(self._name), part)


transformers, timm = Later("transformers"), Later("timm")

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
VISION = {"image_size": 32, "patch_size": 16, **SMALL}
CARD = "---\nlicense: cc-by-nc-4.0\ntags: [video]\n---\n# A model\n"


def vjepa2():
    predictor = {"pred_hidden_size": 12, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
    return transformers.VJEPA2Config(
        patch_size=16, crop_size=32, frames_per_clip=8, hidden_size=16, num_attention_heads=2, num_hidden_layers=1,
        mlp_ratio=2, pred_num_mask_tokens=2, **predictor,
    )  # fmt: skip


FAMILIES = {
    "vjepa2": vjepa2,
    "videomae": lambda: transformers.VideoMAEConfig(num_frames=8, **VISION),
    "timesformer": lambda: transformers.TimesformerConfig(num_frames=4, **VISION),
    "vivit": lambda: transformers.VivitConfig(num_frames=8, tubelet_size=[2, 16, 16], image_size=32, **SMALL),
    "dinov2": lambda: transformers.Dinov2Config(
        image_size=28, patch_size=14, hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    ),
    "clip": lambda: transformers.CLIPConfig(vision_config=VISION, text_config={"vocab_size": 9, **SMALL}),
}
PROCESSORS = {
    "vjepa2": lambda: transformers.VJEPA2VideoProcessor(size={"shortest_edge": 36}, crop_size=32),
    "videomae": lambda: transformers.VideoMAEImageProcessor(
        size={"shortest_edge": 32},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.1, 0.2, 0.3],
        image_std=[0.5, 0.6, 0.7],
    ),
    "vivit": lambda: transformers.VivitImageProcessor(
        size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}
    ),
}


def save(folder, family, *, processor=True):
    torch.manual_seed(1)
    model = transformers.AutoModel.from_config(FAMILIES[family]()).eval()
    model.save_pretrained(folder)
    if processor and family in PROCESSORS:
        PROCESSORS[family]().save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    return model


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("videos") / "a.mp4", 75, size=(48, 64))


def by_hand(model, family, frames):
    """What the family documents, from frames (T, 32, 32, 3) of bytes."""
    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float()

    def normal(mean, std):
        shape = (1, 3, 1, 1)
        return (x / 255 - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)

    with torch.inference_mode():
        if family == "vjepa2":
            x = normal((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
            return model.encoder(x[None]).last_hidden_state.mean(dim=1)
        if family == "videomae":
            return model(normal((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))[None]).last_hidden_state.mean(dim=1)
        # ViViT: from -1 to 1, and then the mean of 0.5 and the deviation of 0.5 besides.
        return model(((x / 127.5 - 1) - 0.5)[None] / 0.5).pooler_output


@pytest.mark.parametrize("family", PROCESSORS)
def test_vectors_are_those_that_the_family_documents(tmp_path, family):
    model = save(tmp_path / family, family)
    loaded = load_backbone(f"hf:{tmp_path / family}")
    assert loaded.backbone.clip_frames == 8
    how = loaded.backbone.preprocessing
    assert (how.resize_height, how.crop_height) == ({"vjepa2": 36, "videomae": 32, "vivit": 40}[family], 32)
    frames = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    expected = by_hand(model, family, frames)
    with Runner(loaded, device="cpu", batch=1) as runner:
        np.testing.assert_allclose(runner(frames[None]), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_from_a_video_to_features(tmp_path, video, family, capsys):
    save(tmp_path / "model", family, processor=False)
    name = f"hf:{tmp_path / 'model'}"
    assert run(["extract-features", str(video), "--backbone", name, "--out", str(tmp_path / "f")]) == 0
    said = capsys.readouterr().err
    assert "licence cc-by-nc-4.0: not for commercial use" in said
    cache = FeatureCache(tmp_path / "f")
    assert cache["a"].data.shape[1] == cache.recipe["dimension"] == 16
    assert np.isfinite(cache["a"].data).all()
    recipe = cache.recipe
    assert recipe["crop_height"] == (28 if family == "dinov2" else 32)
    assert len(recipe["weights_sha256"]) == 64
    assert recipe["transformers_version"] == transformers.__version__
    assert recipe["pooling"]
    again = Extractor(recipe).features(video)
    np.testing.assert_array_equal(again.data, cache["a"].data)


SIDE = {"height": 64, "width": 64}
OTHERS = {  # each resizes, crops, orders or scales in a way of its own
    "ConvNext": {"size": {"shortest_edge": 64}, "crop_pct": 0.875},
    "ConvNext, large": {"size": {"shortest_edge": 384}},
    "PoolFormer": {"size": {"shortest_edge": 64}, "crop_size": SIDE, "crop_pct": 0.9},
    "Levit": {"size": {"shortest_edge": 64}, "crop_size": SIDE},
    "MobileViT": {"size": {"shortest_edge": 72}, "crop_size": SIDE},
    "MobileNetV2": {"size": {"shortest_edge": 72}, "crop_size": SIDE},
    "Siglip": {"size": SIDE},
    "Bit": {"size": {"shortest_edge": 72}, "crop_size": SIDE},
    "EfficientNet": {"size": SIDE},
    "Beit": {"size": SIDE, "do_center_crop": False},
    "CLIP": {"size": {"shortest_edge": 64}, "crop_size": SIDE},
}


@pytest.mark.parametrize("family", OTHERS)
def test_pictures_are_prepared_as_the_librarys_processor_does(tmp_path, family):
    """Window, proportions, order of colours, mean and std: by a picture in which each place and channel differs."""
    processor = getattr(transformers, f"{family.partition(',')[0]}ImageProcessor")(**OTHERS[family])
    processor.save_pretrained(tmp_path)
    (how, *_) = preprocessings("one", tmp_path, SimpleNamespace(model_type="x", image_size=64))
    across, down = np.meshgrid(np.linspace(0, 255, 400), np.linspace(0, 200, 300))
    picture = np.stack([across, down, 255 - across / 2], axis=2).astype(np.uint8)
    expected = np.asarray(processor(picture, return_tensors="np")["pixel_values"])[0].transpose(1, 2, 0)
    found = (how.frame(picture) / 255 * how.value_range - np.array(how.mean)) / np.array(how.std)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 0.025 * np.ptp(expected), "its kernel is another"


def test_families_that_are_peculiar(tmp_path):
    """timm's networks in the library's clothes say it in config.json; patches in their own proportions are refused."""
    inside = {"input_size": [3, 96, 96], "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4], "crop_pct": 0.9}
    config = transformers.TimmWrapperConfig(
        architecture="test_resnet", model_args={}, num_classes=0, pretrained_cfg={**inside, "num_classes": 10}
    )
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "timm")
    how = load_backbone(f"hf:{tmp_path / 'timm'}").backbone.preprocessing
    assert (how.resize_height, how.crop_height, how.mean, how.std) == (106, 96, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.Siglip2Config(
        vision_config={**sizes, "num_patches": 4}, text_config={**sizes, "vocab_size": 9}
    )
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "naflex")
    with pytest.raises(CheckpointError, match="cannot be given pictures") as caught:
        load_backbone(f"hf:{tmp_path / 'naflex'}")
    assert "NaFlex" in caught.value.why
    # Without a processor's file at the size of its configuration, of which nothing is cut away.
    config = transformers.YolosConfig(image_size=[32, 32], patch_size=16, num_detection_tokens=2, **SMALL)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "yolos")
    how = load_backbone(f"hf:{tmp_path / 'yolos'}").backbone.preprocessing
    assert (how.resize_height, how.crop_height) == (32, 32)


def test_a_masked_autoencoder_is_shown_the_whole_picture(tmp_path):
    config = transformers.ViTMAEConfig(decoder_hidden_size=8, decoder_num_hidden_layers=1, **VISION)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    network = load_backbone(f"hf:{tmp_path}").network
    clip = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first = network(clip)
        torch.testing.assert_close(network(clip), first, rtol=1e-3, atol=1e-4)
        for down in (0, 16):
            for right in (0, 16):
                other = clip.clone()
                other[..., down : down + 16, right : right + 16] += 1
                assert (network(other) - first).abs().max() > 1e-3, "no patch is left out"


def test_what_gives_another_vector_each_time_is_refused(tmp_path):
    class Chancy(nn.Module):
        def __init__(self, share: float):
            super().__init__()
            self.share = share

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return clips.mean(dim=(2, 3, 4)) + 1 + self.share * torch.rand(len(clips), 3)

    save(tmp_path, "dinov2")
    backbone = load_backbone(f"hf:{tmp_path}").backbone
    assert probe(Chancy(0), backbone) == 3, "a draw that nothing follows from is none"
    with pytest.raises(ValueError, match="another vector each time"):
        probe(Chancy(1), backbone)


def test_an_untrained_pooler_is_not_used(tmp_path):
    """A checkpoint of a classifier has no pooler, and the library draws one: a different vector at every start."""
    config = transformers.VivitConfig(num_frames=4, tubelet_size=[2, 16, 16], image_size=32, **SMALL)
    torch.manual_seed(0)
    model = transformers.VivitForVideoClassification(config).eval()
    model.save_pretrained(tmp_path)
    loaded = load_backbone(f"hf:{tmp_path}")
    assert loaded.recipe["pooling"] == "class token"
    clips = torch.randn(2, 3, 4, 32, 32)
    with torch.inference_mode():
        expected = model.vivit(clips.transpose(1, 2)).last_hidden_state[:, 0]
        torch.testing.assert_close(loaded.network(clips), expected)


def test_weights_in_a_folder_of_another_name(tmp_path):
    save(tmp_path / "model", "videomae")
    one = load_backbone("hf:ORG/NAME", weights=tmp_path / "model")
    assert one.recipe["backbone"] == "hf:ORG/NAME"
    assert one.recipe["weights_source"] == str(tmp_path / "model")
    with pytest.raises(CheckpointError, match="not the file that was meant"):
        load_backbone("hf:ORG/NAME", weights=tmp_path / "model", weights_sha256="0" * 64)


def test_the_librarys_cache_and_its_revision(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = tmp_path / "models--ORG--NAME" / "snapshots" / commit
    save(place, "videomae")
    (place.parents[1] / "refs").mkdir()
    (place.parents[1] / "refs" / "main").write_text(commit)
    monkeypatch.setattr("thas.features.library_backbone.cached_folder", lambda repository: None)
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache("ORG/NAME", "config.json", cache_dir=tmp_path)
    assert found == str(place / "config.json")
    monkeypatch.setattr("thas.features.transformers_backbone.cached_folder", lambda repository: place)
    assert load_backbone("hf:ORG/NAME").recipe["revision"] == commit
    assert revision_of(tmp_path) is None


def test_what_is_wrong_with_a_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="hf:nobody/nothing is not on this machine") as caught:
        load_backbone("hf:nobody/nothing")
    assert "thas weights fetch hf:nobody/nothing" in caught.value.next
    assert "config.json, preprocessor_config.json, model.safetensors" in caught.value.next
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="is no model of transformers"):
        load_backbone(f"hf:{tmp_path / 'empty'}")
    save(tmp_path / "m", "videomae")
    weights = tmp_path / "m" / "model.safetensors"
    content = weights.read_bytes()

    def fails(message, why=""):
        with pytest.raises(CheckpointError, match=message) as caught:
            load_backbone(f"hf:{tmp_path / 'm'}")
        assert why in caught.value.why

    weights.write_bytes(content[:-100])
    fails("cannot be loaded")
    weights.unlink()
    fails("holds no weights")
    state = transformers.AutoModel.from_config(FAMILIES["videomae"]()).state_dict()
    key = next(key for key in state if key.endswith(("attention.output.dense.weight", "o_proj.weight")))
    _write(weights, {k: v for k, v in state.items() if k != key})
    fails("do not fit", key.rsplit(".", 2)[0][-8:])
    _write(weights, state | {key: torch.full_like(state[key], float("nan"))})
    fails("are broken", "NaN")
    (tmp_path / "m" / "config.json").write_text('{"model_type": "nonsense"}')
    fails("cannot be loaded", "nonsense")
    (tmp_path / "m" / "config.json").write_text(json.dumps({"auto_map": {"AutoConfig": "x.Y", "AutoModel": "x.Z"}}))
    fails("cannot be loaded")


def _write(path, state):
    from safetensors.torch import save_file

    save_file({key: value.clone() for key, value in state.items()}, str(path), metadata={"format": "pt"})


def test_a_model_of_texts_is_refused(tmp_path):
    transformers.AutoModel.from_config(transformers.BertConfig(vocab_size=9, **SMALL)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="does not say how its pictures are prepared"):
        load_backbone(f"hf:{tmp_path}")
    PROCESSORS["videomae"]().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be given clips") as caught:
        load_backbone(f"hf:{tmp_path}")
    assert "takes neither pixel_values_videos nor pixel_values" in caught.value.why


def test_more_frames_than_the_video_has_and_another_number_than_the_model_takes(tmp_path, video, capsys):
    save(tmp_path / "m", "videomae")
    short = write_video(tmp_path / "short.mp4", 5, size=(48, 64))
    arguments = ["extract-features", "--backbone", f"hf:{tmp_path / 'm'}", "--out", str(tmp_path / "f")]
    assert run([*arguments, str(short), str(video)]) == 0
    assert (
        "1 video is shorter than a clip of 8 frames, and the last frame was repeated: short" in capsys.readouterr().err
    )
    arguments[-1] = str(tmp_path / "g")
    assert run([*arguments, str(video), "--length-frames", "6"]) == 1
    assert "cannot be given clips of 6 frames" in capsys.readouterr().err


def test_timm_from_a_file_a_folder_and_a_name(tmp_path, video, monkeypatch):
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=7).eval()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    settings = model.pretrained_cfg
    loaded = load_backbone("timm:test_vit", weights=tmp_path / "w.pth")
    how = loaded.backbone.preprocessing
    size = settings["input_size"][-1]
    assert (how.crop_height, how.mean, how.std) == (size, tuple(settings["mean"]), tuple(settings["std"]))
    assert how.resize_height == int(size / settings["crop_pct"])
    clips = torch.randn(2, 3, 4, size, size)
    with torch.inference_mode():
        each = [model.forward_head(model.forward_features(clips[:, :, i]), pre_logits=True) for i in range(4)]
        torch.testing.assert_close(loaded.network(clips), torch.stack(each).mean(dim=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        timm.models.save_for_hf(model, tmp_path / "folder", safe_serialization=True)
    same = load_backbone(f"timm:{tmp_path / 'folder'}")
    torch.testing.assert_close(same.network(clips), loaded.network(clips))
    arguments = ["--backbone", "timm:test_vit", "--weights", str(tmp_path / "w.pth"), "--out", str(tmp_path / "f")]
    assert run(["extract-features", str(video), *arguments]) == 0
    cache = FeatureCache(tmp_path / "f")
    assert cache["a"].data.shape == (4, model.num_features)
    np.testing.assert_array_equal(Extractor(cache.recipe).features(video).data, cache["a"].data)


def test_of_timms_weights_the_whole_head_is_left_out_and_nothing_else(tmp_path):
    """LeViT's two heads normalize before they classify; of a network with a head that stays, its weights stay."""
    model = timm.create_model("levit_128s", num_classes=3)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    loaded = load_backbone("timm:levit_128s", weights=tmp_path / "w.pth")
    assert loaded.backbone.dimension == model.num_features
    torch.save(model.state_dict() | {"stages.9.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError) as error:
        load_backbone("timm:levit_128s", weights=tmp_path / "other.pth")
    assert error.value.why == "unexpected: stages.9.weight"


def test_timm_takes_weights_of_the_catalogue_in_order(tmp_path, monkeypatch):
    model = timm.create_model("test_efficientnet", num_classes=5)
    renamed = {f"x{i}": value for i, value in enumerate(model.state_dict().values())}
    torch.save(renamed, tmp_path / "written")
    kept = (tmp_path / "written").rename(tmp_path / f"mine-{sha256(tmp_path / 'written')[:16]}.pth")
    monkeypatch.setenv("THAS_WEIGHTS", str(tmp_path))
    monkeypatch.setitem(
        CATALOGUE, "mine", Published("mine", "images", "", "MIT", "x/y.pth", mean=(0.5,) * 3, std=(0.4,) * 3)
    )
    loaded = load_backbone("timm:test_efficientnet", weights="mine")
    assert (loaded.backbone.preprocessing.mean, loaded.backbone.licence) == ((0.5,) * 3, "MIT")
    for key, value in loaded.network.network.state_dict().items():
        assert torch.equal(value, model.state_dict()[key])
    other = tmp_path / "other.pth"
    shutil.copy(kept, other)
    with pytest.raises(CheckpointError, match="do not fit"):
        load_backbone("timm:test_efficientnet", weights=other)


def test_weights_of_pictures_bring_their_network_along_or_are_refused():
    assert {backbone_for(None, name) for name in CATALOGUE if name.startswith("efficientnet")} == {
        f"timm:tf_efficientnet_lite{i}" for i in range(3)
    }
    with pytest.raises(UsageError, match="resnet50 is a network of pictures"):
        backbone_for(None, "resnet50")
    assert backbone_for("timm:resnet50", "resnet50") == "timm:resnet50"


def test_what_is_wrong_with_timm_is_named(monkeypatch):
    with pytest.raises(UsageError, match="timm cannot build timm:vit_smal_patch14_dinov2") as caught:
        load_backbone("timm:vit_smal_patch14_dinov2")
    assert "did you mean 'vit_small_patch14_dinov2'?" in caught.value.why
    monkeypatch.setattr("thas.features.timm_backbone.cached_folder", lambda repository: None)
    with pytest.raises(CheckpointError, match="is not on this machine") as caught:
        load_backbone("timm:test_vit")
    assert "timm/test_vit" in caught.value.why


@pytest.mark.parametrize("library", ["transformers", "timm"])
def test_a_library_that_is_not_installed_is_named(monkeypatch, library):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(UsageError, match="needs") as caught:
        load_backbone({"transformers": "hf:a/b", "timm": "timm:resnet18"}[library])
    assert caught.value.next == f"pip install {library}"


def test_licences(tmp_path):
    assert licence_of(tmp_path) == "not stated"
    for text, licence in ((CARD, "cc-by-nc-4.0"), ("---\nlicense: other\nlicense_name: dinov3\n---\n", "dinov3")):
        (tmp_path / "README.md").write_text(text)
        assert licence_of(tmp_path) == licence


def test_a_network_that_fails_is_told_as_a_users_error(tmp_path):
    save(tmp_path, "videomae")
    with Runner(load_backbone(f"hf:{tmp_path}"), device="cpu", batch=1) as runner, pytest.raises(FeatureError):
        runner(np.zeros((1, 8, 48, 48, 3), np.uint8))
