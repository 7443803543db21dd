"""Flow on drawn motion, its place in the crop, and I3D's flow stream and both streams from a video."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from thas.cli import run
from thas.core import plugins
from thas.core.errors import CheckpointError, UsageError
from thas.features import i3d
from thas.features.backbones import get_backbone
from thas.features.cache import FeatureCache
from thas.features.extract import Extractor
from thas.features.flow import FlowPreprocessing
from thas.features.i3d import I3D
from thas.features.preprocessing import Preprocessing
from thas.features.weights import load_backbone

from .video_files import write_video

cv2 = pytest.importorskip("cv2", reason="pip install 'thas[flow]'")
if not hasattr(cv2, "optflow"):
    pytest.skip("this OpenCV has no contributed modules: pip install 'thas[flow]'", allow_module_level=True)

HOW = FlowPreprocessing(40, None, 32, 32)


def drawn(steps, size=(40, 56), side=18, at=(12, 19)):
    """A textured square that moves over a textured ground by `steps` (down, right) pixels; frames (H, W, 3)."""
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(60, 200, (size[0] // 4, size[1] // 4)), np.ones((4, 4))).astype(np.uint8)
    square = np.kron(rng.integers(0, 256, (side // 3, side // 3)), np.ones((3, 3))).astype(np.uint8)
    frames = []
    down, right = at
    for step in ((0, 0), *steps):
        down, right = down + step[0], right + step[1]
        frame = smooth.copy()
        frame[down : down + side, right : right + side] = square
        frames.append(np.repeat(frame[:, :, None], 3, axis=2))
    return frames


def flows(frames, how=HOW, fps=25.0, seconds=None):
    """Displacements in pixels (N, crop, crop, 2), as a network is given them."""
    seconds = np.arange(len(frames)) / fps if seconds is None else seconds
    prepared = np.stack(list(how.frames(iter(frames), seconds)))
    return (prepared[..., -2:].astype(float) - how.mean[-1]) / how.std[-1] * how.bound_pixels


# Of the square at its first place, away from its borders, in rows and in columns.
INSIDE = slice(12, 22)
STEPS = [((0, 3), (3, 0)), ((2, 0), (0, 2)), ((0, -3), (-3, 0)), ((-2, 0), (0, -2))]


@pytest.mark.parametrize(("step", "expected"), STEPS)
def test_right_is_positive_x_and_down_is_positive_y(step, expected):
    # The square's inside, in the crop of 32 from 40x56: rows from 4, columns from 12.
    found = flows(drawn([step]))[0, INSIDE, INSIDE].mean(axis=(0, 1))
    np.testing.assert_allclose(found, expected, atol=0.4)


def test_the_ground_stands_still_and_nothing_is_exactly_nothing():
    found = flows(drawn([(0, 3)]))[0]
    assert np.abs(found[:3]).mean() < 0.3
    assert np.all(flows(drawn([(0, 0)])) == 0)


def test_displacements_are_those_of_the_resized_frame():
    twice = replace(HOW, resize_height=80, crop_height=64, crop_width=64)
    found = flows(drawn([(0, 3)]), twice)[0, 24:44, 24:44].mean(axis=(0, 1))
    np.testing.assert_allclose(found, (6, 0), atol=0.8)


def test_the_crop_is_that_of_the_frames():
    both = FlowPreprocessing(40, None, 32, 32, with_rgb=True, mean=(0, 0, 0, 128, 128), std=(1, 1, 1, 127, 127))
    frames = drawn([(0, 3)])
    prepared = next(iter(both.frames(iter(frames), np.arange(2) / 25)))
    np.testing.assert_array_equal(prepared[..., :3], Preprocessing(40, None, 32, 32).frame(frames[0]))
    np.testing.assert_array_equal(prepared[..., 3:], next(iter(HOW.frames(iter(frames), np.arange(2) / 25))))
    left = replace(HOW, crop_left=0)
    np.testing.assert_array_equal(flows(frames)[:, :, :20], flows(frames, left)[:, :, 12:32])


def test_a_frames_flow_is_that_to_the_next_one_and_the_last_repeats():
    x = flows(drawn([(0, 2), (0, -2)]))[:, INSIDE, INSIDE, 0].mean(axis=(1, 2))
    np.testing.assert_allclose(x, [2, -2, -2], atol=0.4)


def test_no_flow_is_computed_over_a_gap():
    frames = drawn([(0, 2), (0, -8), (0, -2)])
    x = flows(frames, seconds=np.array([0.0, 0.04, 1.0, 1.04]))[:, INSIDE, INSIDE, 0].mean(axis=(1, 2))
    np.testing.assert_allclose(x[:2], [2, 2], atol=0.4)


def test_displacements_are_cut_off():
    small = replace(HOW, bound_pixels=1.5)
    found = flows(drawn([(0, 3)]), small)[0, INSIDE, INSIDE, 0]
    assert found.max() == 1.5
    assert np.median(found) == 1.5


def test_one_frame_alone_has_no_flow():
    assert np.all(flows(drawn([])) == 0)


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UsageError) as caught:
        load_backbone("i3d_flow", random_weights=True)
    assert "pip install 'thas[flow]'" in caught.value.next


@pytest.fixture
def small(monkeypatch):
    """Both backbones on small pictures, with a 32nd of I3D's width."""

    class Small(I3D):
        def __init__(self, **settings):
            super().__init__(**(settings | {"width": 2}))

    monkeypatch.setattr(i3d, "I3D", Small)
    for name, dimension in (("i3d_flow", 32), ("i3d_two_stream", 64)):
        one = get_backbone(name)
        how = replace(one.preprocessing, resize_height=20, crop_height=18, crop_width=18)
        monkeypatch.setitem(
            plugins._registered["backbones"], name, replace(one, dimension=dimension, preprocessing=how)
        )
    torch.manual_seed(3)
    return Small(classes=2).eval(), Small(channels=2, classes=2).eval()


def test_from_a_video_to_both_streams(tmp_path, small):
    rgb, flow = tmp_path / "rgb_imagenet.pt", tmp_path / "flow_imagenet.pt"
    for network, path in zip(small, (rgb, flow), strict=True):
        torch.save({k: v for k, v in network.state_dict().items() if "num_batches" not in k}, path)
    video = write_video(tmp_path / "a.mp4", 20, size=(48, 64))
    for name, weights in (("i3d_flow", str(flow)), ("i3d_two_stream", f"{rgb},{flow}")):
        out = str(tmp_path / name)
        assert run(["extract-features", str(video), "--backbone", name, "--weights", weights, "--out", out]) == 0
    one, both = (FeatureCache(tmp_path / name) for name in ("i3d_flow", "i3d_two_stream"))
    assert one["a"].data.shape == (1, 32)
    assert both["a"].data.shape == (1, 64)
    np.testing.assert_allclose(both["a"].data[:, 32:], one["a"].data, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(both["a"].start_seconds, one["a"].start_seconds)
    assert np.abs(one["a"].data).max() > 0
    recipe = both.recipe
    assert (recipe["flow"], recipe["bound_pixels"], recipe["fps"]) == ("tv-l1 of opencv", 20, 25)
    np.testing.assert_array_equal(Extractor(recipe).features(video).data, both["a"].data)


def test_two_streams_need_two_files(tmp_path, small):
    torch.save(small[0].state_dict(), tmp_path / "rgb.pt")
    for weights in (None, tmp_path / "rgb.pt"):
        with pytest.raises(CheckpointError, match="needs 2 files of weights") as caught:
            load_backbone("i3d_two_stream", weights=weights)
        assert caught.value.next == "--weights i3d,flow_imagenet.pt"
    with pytest.raises(CheckpointError, match="do not fit"):
        load_backbone("i3d_two_stream", weights=f"{tmp_path / 'rgb.pt'},{tmp_path / 'rgb.pt'}")
    with pytest.raises(CheckpointError, match="needs weights"):
        load_backbone("i3d_flow")
