from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from thas.image_has.transforms import HidePatches


def always(**settings) -> HidePatches:
    return HidePatches(**({"size": 4, "probability": 1.0, "fill": 0.0} | settings))


def test_it_sits_in_a_pipeline_and_hides_the_mean_colour():
    mean = [0.5, 0.4, 0.3]
    pipeline = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, [0.2] * 3), always()]
    )
    out = pipeline(PIL.Image.new("RGB", (16, 12), (255, 0, 0)))
    assert isinstance(out, tv_tensors.Image)
    assert out.shape == (3, 12, 16)
    assert not out.any()


def test_boxes_masks_and_labels_pass_through():
    boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(8, 8))
    sample = {"image": tv_tensors.Image(torch.ones(3, 8, 8)), "boxes": boxes, "label": 3}
    sample["mask"] = tv_tensors.Mask(torch.ones(8, 8, dtype=torch.uint8))
    out = always()(sample)
    assert not out["image"].any()
    assert torch.equal(out["boxes"], boxes)
    assert bool(out["mask"].all())
    assert out["label"] == 3


def test_of_a_batch_each_image_is_hidden_by_itself():
    generator = torch.Generator().manual_seed(0)
    out = HidePatches(size=4, generator=generator)(torch.ones(2, 3, 32, 32))
    assert not torch.equal(out[0], out[1])


def test_all_frames_of_a_video_are_hidden_alike():
    out = HidePatches(size=4, fill=[7.0, 8.0, 9.0])(tv_tensors.Video(torch.ones(5, 3, 32, 32)))
    assert isinstance(out, tv_tensors.Video)
    assert all(torch.equal(frame, out[0]) for frame in out)
    assert sorted(out.unique().tolist()) == [1, 7, 8, 9]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "1"])
def test_pil_images_of_every_mode(mode: str):
    out = always(fill=9.0)(PIL.Image.new(mode, (5, 6)))
    assert out.size == (5, 6)
    assert {
        value
        for pixel in out.convert("RGB" if mode in ("P", "1") else mode).get_flattened_data()
        for value in (pixel if isinstance(pixel, tuple) else (pixel,))
    } == {9}


def test_without_a_generator_it_follows_torchs_seed():
    transform = HidePatches(size=4)
    torch.manual_seed(1)
    first = transform(torch.ones(3, 32, 32))
    torch.manual_seed(1)
    assert torch.equal(first, transform(torch.ones(3, 32, 32)))
    assert not torch.equal(first, transform(torch.ones(3, 32, 32)))


def test_its_settings_are_checked_when_it_is_made_and_shown():
    with pytest.raises(ValueError, match="probability"):
        HidePatches(probability=2)
    with pytest.raises(ValueError, match="size"):
        HidePatches(size=-4)
    assert "size=(8,)" in repr(HidePatches(size=8))


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "La", "CMYK", "HSV", "LAB", "I", "F", "I;16"]
)
def test_images_of_any_mode_can_be_hidden(mode: str):
    image = PIL.Image.new(mode, (6, 4))
    hidden = HidePatches(2, probability=1.0, fill=7)(image)
    assert hidden.size == image.size
    assert np.asarray(hidden).reshape(-1)[0] == 7
