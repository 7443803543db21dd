from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from thas.core.errors import CheckpointError, FeatureError, PartialFailure, UsageError
from thas.features.c3d import C3D
from thas.features.cache import FeatureCache
from thas.features.decode import decode_frames
from thas.features.extract import ExtractionSettings, Machines, extract_dataset, settings_of_recipe
from thas.features.extraction_job import recipe_of
from thas.features.preprocessing import square
from thas.features.video import scan_video
from thas.features.weights import load_backbone

from .video_files import write_video

HOW = square(16, mean=(100, 110, 120), std=(50, 50, 50))
SMALL = {"width": 2, "input_size": 16, "clip_frames": 8, "depth": 2, "fc_width": 6, "classes": 3}
DENSE = ExtractionSettings(stride_frames=4)
ONE, TWO = Machines(workers=1), Machines(workers=2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small backbone's file, as `thas train-backbone` writes it."""
    network = C3D(**SMALL, generator=torch.Generator().manual_seed(1))
    about = {"backbone": "c3d", "architecture": network.architecture, "preprocessing": HOW.to_dict(), "classes": ["a"]}
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(network.state_dict(), str(path), metadata={"thas": json.dumps(about)})
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    lengths = {"long": 70, "short": 20, "tiny": 3, "middle": 41}
    return {name: write_video(folder / f"{name}.mp4", count, fps=10) for name, count in lengths.items()}


def _by_hand(weights, path, starts, layer="fc7"):
    from safetensors.torch import load_file

    network = C3D(**SMALL).eval()
    network.load_state_dict(load_file(str(weights)))
    table = scan_video(path)
    frames = [HOW.frame(f) for f in decode_frames(path, table, range(len(table)), decoder="pyav")]
    rows = []
    for start in starts:
        clip = np.stack([frames[min(start + i, len(frames) - 1)] for i in range(8)]).astype(np.float32)
        clip = (clip - np.array(HOW.mean, np.float32)) / np.array(HOW.std, np.float32)
        with torch.inference_mode():
            rows.append(network.extract(torch.from_numpy(clip.transpose(3, 0, 1, 2)[None]), layer)[0].numpy())
    return np.stack(rows)


def test_features_are_the_networks_at_the_right_frames(tmp_path, weights, videos):
    shares = []
    result = extract_dataset(
        videos, tmp_path / "c", settings=DENSE, weights=weights, machines=TWO, progress=shares.append
    )
    assert result.done == tuple(videos)
    assert result.failed == ()
    assert sum(shares) == pytest.approx(len(videos))
    cache = FeatureCache(tmp_path / "c")
    for name, starts in {
        "long": range(0, 63, 4),
        "short": range(0, 13, 4),
        "tiny": [0],
        "middle": range(0, 34, 4),
    }.items():
        features = cache[name]
        np.testing.assert_allclose(features.data, _by_hand(weights, videos[name], starts), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(features.start_seconds, np.array(starts) / 10, atol=1e-6)
        if name != "tiny":
            np.testing.assert_allclose(features.end_seconds, np.array(starts) / 10 + 0.8, atol=1e-6)
    assert cache["tiny"].end_seconds.tolist() == pytest.approx([0.3])
    assert cache["tiny"].duration_seconds == pytest.approx(0.3)
    assert cache.source_of("tiny")["repeated_frames"] == 5
    assert result.clips == 16 + 4 + 1 + 9


def test_a_number_of_snippets_spreads_over_the_video(tmp_path, weights, videos):
    settings = ExtractionSettings(snippets=5, layer="fc6")
    extract_dataset(videos, tmp_path, settings=settings, weights=weights, machines=ONE)
    cache = FeatureCache(tmp_path)
    assert [len(cache[name]) for name in ("long", "short", "tiny", "middle")] == [5, 5, 1, 5]
    starts = [0, 16, 31, 47, 62]
    np.testing.assert_allclose(cache["long"].start_seconds, np.array(starts) / 10, atol=1e-6)
    np.testing.assert_allclose(
        cache["long"].data, _by_hand(weights, videos["long"], starts, "fc6"), rtol=1e-4, atol=1e-5
    )


def test_the_recipe_says_it_all(tmp_path, weights, videos):
    import hashlib

    extract_dataset({"a": videos["short"]}, tmp_path, settings=DENSE, weights=weights)
    recipe = FeatureCache(tmp_path).recipe
    assert recipe["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert json.loads(recipe["architecture"])["width"] == 2
    expected = {
        "backbone": "c3d",
        "layer": "fc7",
        "clip_frames": 8,
        "stride_frames": 4,
        "snippets": None,
        "fps": None,
        "colour": "rgb",
        "mean": [100.0, 110.0, 120.0],
        "resize_height": 16,
        "kernel": "bilinear-2tap-int11",
        "precision": "fp32",
        "decoder": "auto",
    }
    assert {key: recipe[key] for key in expected} == expected
    source = FeatureCache(tmp_path).source_of("a")
    assert source["frames"] == 20
    assert source["decoder"] == "decord"
    assert source["partial"] is False


def test_batches_across_videos_change_nothing(tmp_path, weights, videos):
    for batch in (1, 7, 64):
        settings = ExtractionSettings(stride_frames=4, batch=batch)
        machines = TWO if batch == 7 else ONE
        extract_dataset(videos, tmp_path / str(batch), settings=settings, weights=weights, machines=machines)
    one, *others = (FeatureCache(tmp_path / str(batch)) for batch in (1, 7, 64))
    for other in others:
        for name in videos:
            np.testing.assert_allclose(other[name].data, one[name].data, rtol=1e-4, atol=1e-5)


def test_the_company_of_a_clip_does_not_change_a_bit(tmp_path, weights, videos):
    settings = ExtractionSettings(stride_frames=3)
    extract_dataset(videos, tmp_path / "together", settings=settings, weights=weights, machines=TWO)
    for name in reversed(videos):
        extract_dataset({name: videos[name]}, tmp_path / "alone", settings=settings, weights=weights, machines=ONE)
    together, alone = FeatureCache(tmp_path / "together"), FeatureCache(tmp_path / "alone")
    for name in videos:
        assert np.array_equal(together[name].data, alone[name].data)


def test_a_second_call_continues(tmp_path, weights, videos):
    first = extract_dataset({"long": videos["long"]}, tmp_path, settings=DENSE, weights=weights)
    stamp = (tmp_path / "long.h5").stat().st_mtime_ns
    second = extract_dataset(videos, tmp_path, settings=DENSE, weights=weights)
    assert (first.done, second.done, second.skipped) == (("long",), ("short", "tiny", "middle"), ("long",))
    assert (tmp_path / "long.h5").stat().st_mtime_ns == stamp
    third = extract_dataset(videos, tmp_path, settings=DENSE, weights=weights)
    assert (third.done, third.skipped) == ((), tuple(videos))


def test_another_recipe_is_an_error_that_shows_the_lines(tmp_path, weights, videos):
    extract_dataset({"long": videos["long"]}, tmp_path, settings=DENSE, weights=weights)
    other = ExtractionSettings(stride_frames=8, layer="fc6")
    with pytest.raises(FeatureError, match="another recipe") as caught:
        extract_dataset(videos, tmp_path, settings=other, weights=weights)
    assert "layer: 'fc6' and 'fc7'; stride_frames: 8 and 4" in caught.value.why
    with pytest.raises(FeatureError, match="another recipe"):
        extract_dataset({"short": videos["short"]}, tmp_path, settings=other, weights=weights)


def test_failures_are_listed_and_tried_again(tmp_path, weights, videos):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(9999))
    mixed = {"good": videos["short"], "empty": tmp_path / "empty.mp4", "noise": tmp_path / "noise.mp4"}
    out = tmp_path / "cache"
    result = extract_dataset(mixed, out, settings=DENSE, weights=weights)
    assert result.done == ("good",)
    assert [failure.subject for failure in result.failed] == ["empty", "noise"]
    with open(out / "failed.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    advice = "copy or download it again, or take it out"
    expected = {"video": "empty", "stage": "open", "reason": "the file is empty", "frames_decoded": "0", "next": advice}
    assert rows[0] == expected
    assert list(FeatureCache(out)) == ["good"]
    mixed |= {"empty": videos["tiny"], "noise": videos["middle"]}
    again = extract_dataset(mixed, out, settings=DENSE, weights=weights)
    assert (again.done, again.failed) == (("empty", "noise"), ())
    assert not (out / "failed.csv").exists()


def test_odd_names(tmp_path, weights, videos):
    odd = {}
    for name in ("a b", "..", "line\nbreak", "-x", "ü%41"):
        odd[name] = tmp_path / f"{name}.mp4"
        odd[name].write_bytes(videos["tiny"].read_bytes())
    result = extract_dataset(odd, tmp_path / "cache", settings=DENSE, weights=weights)
    assert set(result.done) == set(odd)
    assert set(FeatureCache(tmp_path / "cache")) == set(odd)
    assert len(list(tmp_path.iterdir())) == len(odd) + 1


@pytest.fixture
def truncated(tmp_path):
    path = write_video(tmp_path / "cut.mkv", 100, fps=10, options={"preset": "ultrafast", "crf": "18"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def test_a_truncated_video_fails_unless_its_part_is_wanted(tmp_path, weights, truncated):
    result = extract_dataset({"cut": truncated}, tmp_path / "a", settings=DENSE, weights=weights)
    assert result.failed[0].what == "scan"
    assert "truncated: the container says 10.0 s" in result.failed[0].why
    keep = ExtractionSettings(stride_frames=4, keep_partial=True)
    result = extract_dataset({"cut": truncated}, tmp_path / "b", settings=keep, weights=weights)
    assert result.partial == ("cut",)
    cache = FeatureCache(tmp_path / "b")
    assert 5 < len(cache["cut"]) < 20
    source = cache.source_of("cut")
    assert source["partial"] is True
    assert source["lost_seconds"] == pytest.approx(10.0 - cache["cut"].end_seconds[-1], abs=0.1)


def test_no_weights_no_features(tmp_path, videos):
    with pytest.raises(CheckpointError, match="needs weights") as caught:
        extract_dataset(videos, tmp_path)
    assert "--weights i3d" in caught.value.next


@pytest.mark.parametrize("name", ["snippets", "stride_frames", "batch", "fps"])
def test_settings_out_of_range(name):
    with pytest.raises(UsageError, match=name):
        ExtractionSettings(**{name: 0})


@pytest.mark.parametrize(
    "settings",
    [
        ExtractionSettings(stride_frames=3, sampler="pytorchvideo"),
        ExtractionSettings(snippets=5, layer="fc6", fps=12.5, frame_step=2, length_frames=12),
        ExtractionSettings(stride_seconds=0.5, decoder="pyav", stored="float16", precision="bf16"),
    ],
)
def test_a_recipe_gives_back_the_settings_that_it_was_made_with(weights, settings):
    loaded = load_backbone(weights=weights, layer=settings.layer)
    recipe = recipe_of(settings, loaded)
    again = settings_of_recipe(recipe)
    assert recipe_of(again, loaded) == recipe
    assert again.sampler == settings.sampler


def test_half_precision_files(tmp_path, weights, videos):
    settings = ExtractionSettings(stride_frames=4, stored="float16", compress=True)
    extract_dataset({"long": videos["long"]}, tmp_path, settings=settings, weights=weights)
    data = FeatureCache(tmp_path)["long"].data
    np.testing.assert_allclose(data, _by_hand(weights, videos["long"], range(0, 63, 4)), rtol=2e-3, atol=1e-3)


def test_the_command_line(tmp_path, weights, videos, capsys):
    from thas.cli.features import BackboneWeights, ClipSettings, extract_features
    from thas.cli.options import Printed

    folder = str(tmp_path / "c")
    network, clips = BackboneWeights(weights=str(weights)), ClipSettings(stride_frames=4)
    arguments = {"out": tmp_path / "c", "network": network, "clips": clips}
    extract_features([videos["long"], videos["tiny"]], **arguments)
    assert capsys.readouterr().out == f"2 videos extracted: {folder}\n"
    (tmp_path / "bad.mp4").touch()
    with pytest.raises(PartialFailure, match="1 video failed: bad") as caught:
        extract_features([videos["long"], tmp_path / "bad.mp4"], printed=Printed(json=True), **arguments)
    assert caught.value.exit_code == 3
    printed = json.loads(capsys.readouterr().out)
    assert printed["skipped"] == ["long"]
    assert printed["failed"][0]["video"] == "bad"
    with pytest.raises(UsageError, match="two files are called long"):
        extract_features([videos["long"], tmp_path / "long.mkv"], **arguments)
    with pytest.raises(UsageError, match="name videos or a data set"):
        extract_features()
