"""A small C3D trained on a folder's own labels."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from safetensors import safe_open

from thas.cli import run as thas
from thas.core import training_state
from thas.core.checkpoints import packed, read_header
from thas.core.errors import DataError, UsageError
from thas.core.files import cannot_write
from thas.core.narrowing import as_table
from thas.features import training_clips
from thas.features.backbone_settings import BackboneRunSettings, BackboneSettings
from thas.features.backbone_task import BackboneTask, _augmented, _likeliest
from thas.features.extract import ExtractionSettings, extract_dataset
from thas.features.preprocessing import square
from thas.features.train_backbone import train_backbone
from thas.features.training_clips import TrainingClips
from thas.features.weights import load_backbone

from .video_files import SIZE, number_of, write_video

TINY = BackboneSettings(
    width=4,
    input_size=16,
    depth=3,
    clip_frames=8,
    fc_width=16,
    epochs=12,
    clips_per_video=4,
    candidates=6,
    warm_up=0.5,
    batch=8,
    learning_rate=3e-3,
    motion=False,  # the tests' videos are of still colours
)


def write_colours(path: Path, *pieces: tuple[tuple[int, int, int], int], seed: int = 0) -> Path:
    """Pieces of one colour and so many frames each, with noise."""
    draw = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"bf": "0"})
        stream.height = stream.width = 32
        stream.pix_fmt = "yuv420p"
        for colour in (colour for colour, frames in pieces for _ in range(frames)):
            picture = np.clip(np.array(colour) + draw.normal(0, 10, (32, 32, 3)), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


RED, BLUE, GREY = (200, 60, 60), (60, 60, 200), (120, 120, 120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight videos, red or blue, and a ninth that is both by its labels."""
    folder = tmp_path_factory.mktemp("colours")
    (folder / "videos").mkdir()
    rows = ["video,label,subset"]
    for i in range(8):
        red = i % 2 == 0
        write_colours(folder / "videos" / f"v{i}.mp4", (RED if red else BLUE, 20 + i), seed=i)
        rows.append(f"v{i},{'red' if red else 'blue'},training")
    write_colours(folder / "videos" / "both.mp4", ((130, 60, 130), 5))  # shorter than a clip
    rows += ["both,red,training", "both,blue,training"]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def _inputs(folder: Path):
    files = {path.stem: path for path in sorted((folder / "videos").iterdir())}
    labels = {name: ("red", "blue") if name == "both" else (("red", "blue")[int(name[1]) % 2],) for name in files}
    return files, labels


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    files, labels = _inputs(folder)
    out = tmp_path_factory.mktemp("out") / "deep" / "b.safetensors"
    notes = []
    result = train_backbone(
        files,
        labels,
        ("blue", "red"),
        out,
        settings=TINY,
        workers=1,
        progress=lambda epochs, words: notes.append((epochs, words)),
    )
    assert sum(words.startswith("reading video") for _, words in notes) == 9
    assert sum(epochs for epochs, _ in notes) == len(result.loss) == TINY.epochs
    return result


def test_it_learns_the_labels(trained):
    assert trained.accuracy[-1] > 0.95
    assert trained.loss[-1] < trained.loss[0]
    assert trained.clips == TINY.epochs * 9 * TINY.clips_per_video
    assert (trained.videos, trained.streamed, trained.failed) == (9, 0, ())
    json.dumps(trained.to_json())


def test_the_file_says_how_it_was_made_and_serves_extraction(trained, folder, tmp_path):
    with safe_open(str(trained.path), framework="pt") as opened:
        about = json.loads(opened.metadata()["thas"])
    assert about["backbone"] == "c3d"
    assert about["classes"] == ["blue", "red"]
    assert about["architecture"]["input_size"] == 16
    assert about["training"]["seed"] == 0
    assert about["training"]["videos"] == 9
    loaded = load_backbone(weights=trained.path)
    assert (loaded.backbone.dimension, loaded.backbone.clip_frames) == (16, 8)
    assert loaded.backbone.preprocessing == replace(
        square(16), mean=tuple(about["preprocessing"]["mean"]), std=tuple(about["preprocessing"]["std"])
    )
    files, _ = _inputs(folder)
    some = {name: files[name] for name in ("v0", "v1", "both")}
    result = extract_dataset(some, tmp_path / "f", settings=ExtractionSettings(stride_frames=4), weights=trained.path)
    assert set(result.done) == set(some)


def _moving(path: Path, *, downwards: bool, ground: int) -> Path:
    """A bright square that moves over a ground of its own; 24 frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"bf": "0", "crf": "1"})
        stream.height = stream.width = 32
        stream.pix_fmt = "yuv420p"
        for t in range(24):
            picture = np.full((32, 32, 3), ground, np.uint8)
            place = 4 * (t % 6)
            row, column = (place, 12) if downwards else (12, place)
            picture[row : row + 8, column : column + 8] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _told_elsewhere(tmp_path: Path, settings: BackboneSettings) -> float:
    """Learned where the ground tells the label as well as the movement does; told where the grounds are exchanged."""
    files, labels = {}, {}
    for i in range(6):
        name, downwards = f"v{i}", i % 2 == 0
        files[name] = _moving(tmp_path / f"{name}.mp4", downwards=downwards, ground=60 + i if downwards else 150 + i)
        labels[name] = ("down",) if downwards else ("right",)
    out = tmp_path / "moving.safetensors"
    train_backbone(files, labels, ("down", "right"), out, settings=settings, workers=1)
    elsewhere = {
        n: _moving(tmp_path / f"{n}.mp4", downwards=n == "down", ground=g) for n, g in (("down", 150), ("right", 60))
    }
    network = settings.network(2, torch.Generator())
    with safe_open(str(out), framework="pt") as opened:
        about = json.loads(opened.metadata()["thas"])
        network.load_state_dict({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
    mean, deviation = (torch.tensor(about["preprocessing"][key]).view(3, 1, 1, 1) for key in ("mean", "std"))
    network.eval()
    right = 0
    for row, (_, path) in enumerate(elsewhere.items()):
        with av.open(str(path)) as opened:
            frames = [frame.reformat(16, 16, "rgb24").to_ndarray() for frame in opened.decode(video=0)]
        for start in range(0, 16, 4):
            clip = torch.from_numpy(np.stack(frames[start : start + 8])).permute(3, 0, 1, 2).float()
            right += int(network(((clip - mean) / deviation)[None]).argmax()) == row
    return right / 8


def test_by_motion_places_are_not_learned_by_heart(tmp_path):
    """The ground is the easier of the two to learn, and no part of the action."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert _told_elsewhere(tmp_path / "a", replace(TINY, motion=True, epochs=8)) >= 0.75
    assert _told_elsewhere(tmp_path / "b", replace(TINY, motion=False, epochs=8)) <= 0.5


def test_what_does_not_move_is_not_seen(trained):
    clips = torch.randn(2, 3, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    still = torch.randn(2, 3, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    network = replace(TINY, motion=True).network(2, torch.Generator().manual_seed(2)).eval()
    torch.testing.assert_close(network(clips + still), network(clips), atol=1e-4, rtol=1e-4)
    raw = replace(TINY, motion=False).network(2, torch.Generator().manual_seed(2)).eval()
    assert (raw(clips + still) - raw(clips)).abs().max() > 0.01
    assert as_table(read_header(trained.path)["architecture"])["motion"] is False


def test_files_and_runs_of_before_saw_the_pictures(trained, tmp_path):
    """Neither says anything of motion."""
    with safe_open(str(trained.path), framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    about = read_header(trained.path)
    del as_table(about["architecture"])["motion"], about["crc32"]
    (tmp_path / "old.safetensors").write_bytes(packed(tensors, about))
    old, new = (load_backbone(weights=path).network for path in (tmp_path / "old.safetensors", trained.path))
    clips = torch.randn(2, 3, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(old(clips), new(clips))
    settings = BackboneRunSettings.kept({"backbone.seed": 3}, origin="an old run")
    assert (settings.backbone.seed, settings.backbone.motion) == (3, False)


def test_actions_that_only_look_different_are_sent_to_the_pictures(folder, tmp_path, caplog):
    files, labels = _inputs(folder)
    classes, out = ("blue", "red"), tmp_path / "b.safetensors"
    train_backbone(files, labels, classes, out, settings=replace(TINY, motion=True, epochs=6), workers=1)
    assert "--no-motion" in caplog.text
    assert load_backbone(weights=out).backbone.dimension == TINY.fc_width
    caplog.clear()
    train_backbone(files, labels, classes, out, settings=replace(TINY, epochs=6), workers=1)
    assert "--no-motion" not in caplog.text


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(trained, folder, tmp_path):
    files, labels = _inputs(folder)
    torch.manual_seed(99)  # global state plays no part

    def again(seed: int, workers: int = 1) -> bytes:
        out = tmp_path / "again.safetensors"
        settings = replace(TINY, epochs=2, dropout=0.1, seed=seed)
        train_backbone(files, labels, ("blue", "red"), out, settings=settings, workers=workers)
        return out.read_bytes()

    before = torch.random.get_rng_state()
    first = again(3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert again(3, workers=2) == first
    assert again(4) != first


def test_frames_that_do_not_fit_into_memory_are_decoded_again_and_give_the_same_clips(tmp_path, monkeypatch):
    files = {f"v{i}": write_video(tmp_path / f"v{i}.mp4", 30 + i) for i in range(4)}

    def passes(memory: int, workers: int = 1, count: int = 1):
        clips = TrainingClips(files, square(96), 4, frame_step=2, memory_bytes=memory, workers=workers)
        clips.read()
        draw = np.random.default_rng(1)
        return clips, [batch for _ in range(count) for batch in clips.one_pass(3, 3, draw)]

    kept, whole = passes(1 << 30, count=2)
    some, part = passes(70 * 96 * 96 * 3, count=2)
    none, streamed = passes(0, workers=2)
    assert (len(kept.streamed), len(none.streamed)) == (0, 4)
    assert 0 < len(some.streamed) < 4
    for other, passed in ((part, whole), (streamed, whole[:2])):
        assert [names for names, _ in other] == [names for names, _ in passed]
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(passed, other, strict=True))
    assert [found.shape[:3] for _, found in whole] == [(3, 3, 4), (1, 3, 4)] * 2
    monkeypatch.setattr(training_clips, "_SHARD_BYTES", 1)  # a batch of videos at a time
    _, sharded = passes(0)
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(whole[:2], sharded, strict=True))


def test_clips_are_runs_of_consecutive_frames_at_random_places(tmp_path):
    # Numbered frames, not resized in width below what their blocks need.
    file = write_video(tmp_path / "v.mp4", 40)
    preparation = replace(square(96), resize_width=SIZE[1], crop_width=SIZE[1])
    clips = TrainingClips({"v": file}, preparation, 4, frame_step=3, workers=1)
    clips.read()
    ((_, found),) = clips.one_pass(50, 4, np.random.default_rng(0))
    numbers = np.array([[number_of(frame) for frame in clip] for clip in found[0]])
    assert (np.diff(numbers, axis=1) == 3).all()
    assert numbers.min() == 0
    assert numbers.max() == 39
    assert len(np.unique(numbers[:, 0])) > 15


def test_shifting_and_mirroring_move_whole_clips_and_leave_their_input():
    clips = np.arange(2 * 3 * 5 * 5 * 3, dtype=np.uint8).reshape(2, 3, 5, 5, 3)
    before = clips.copy()
    mirrored = _augmented(clips, replace(TINY, flip=True), np.random.default_rng(0))
    for was, now in zip(clips, mirrored, strict=True):
        assert np.array_equal(was, now) or np.array_equal(was[:, :, ::-1], now)
    settings = replace(TINY, input_size=16, shift_pixels=2)
    large = np.random.default_rng(0).integers(0, 255, (8, 2, 16, 16, 3), dtype=np.uint8)
    shifted = _augmented(large, settings, np.random.default_rng(1))
    for was, now in zip(large, shifted, strict=True):
        moves = [(y, x) for y in range(5) for x in range(5)]
        assert any(np.array_equal(now[:, 2:14, 2:14], was[:, y : y + 12, x : x + 12]) for y, x in moves)
    assert np.array_equal(clips, before)


def test_of_a_videos_clips_those_are_chosen_that_its_labels_fit_best():
    # Two videos of three clips; a clip's only number makes it the second class. The second video has both classes.
    clips = torch.tensor([-9.0, 9.0, 2.0, 0.0, 5.0, -5.0])[:, None]
    network = torch.nn.Linear(1, 3)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[-1.0], [1.0], [0.0]]))
        network.bias.copy_(torch.tensor([0.0, 0.0, 0.5]))
    target = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    chosen = _likeliest(network, clips, target, 2)
    assert chosen.tolist() == [1, 2, 4, 5]
    assert network.training


def test_learning_from_the_likeliest_clips_leaves_the_rest_undecided(tmp_path):
    # Grey videos in which a quarter is red or blue: a clip of grey says nothing about its video.
    files, labels = {}, {}
    for i in range(8):
        files[f"v{i}"] = write_colours(tmp_path / f"v{i}.mp4", (GREY, 48), ((RED, BLUE)[i % 2], 16), seed=i)
        labels[f"v{i}"] = (("red", "blue")[i % 2],)

    def loss(candidates: int) -> float:
        settings = replace(TINY, epochs=24, clips_per_video=2, candidates=candidates, warm_up=0.4)
        out = tmp_path / f"{candidates}.safetensors"
        return train_backbone(files, labels, ("blue", "red"), out, settings=settings, workers=1).loss[-1]

    assert loss(8) < 0.2 < 0.3 < loss(2)


def test_a_broken_video_among_good_ones_is_named_and_the_rest_is_learned(folder, tmp_path):
    files, labels = _inputs(folder)
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    whole = files["v0"].read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    files |= {"broken": tmp_path / "broken.mp4", "cut": tmp_path / "cut.mp4", "absent": tmp_path / "absent.mp4"}
    labels |= dict.fromkeys(("broken", "cut", "absent"), ("red",))
    out = tmp_path / "b.safetensors"
    result = train_backbone(files, labels, ("blue", "red"), out, settings=replace(TINY, epochs=1), workers=2)
    assert sorted(failure.subject for failure in result.failed) == ["absent", "broken", "cut"]
    assert all(failure.why for failure in result.failed)
    assert result.videos == 9
    with pytest.raises(DataError, match="of 2 training videos none can be read"):
        train_backbone(
            {name: files[name] for name in ("broken", "absent")},
            labels,
            ("blue", "red"),
            tmp_path / "none.safetensors",
            settings=TINY,
            workers=1,
        )
    assert not (tmp_path / "none.safetensors").exists()


def test_bad_input_is_refused_before_any_work(folder, tmp_path):
    files, labels = _inputs(folder)
    out = tmp_path / "b.safetensors"

    good = {"videos": files, "labels": labels, "classes": ("blue", "red"), "out": out, "settings": TINY}

    def refuse(words: str, kind=DataError, **changes):
        with pytest.raises(kind, match=words) as caught:
            train_backbone(**{**good, **changes}, progress=lambda *_: pytest.fail("it worked"))
        assert caught.value.next

    refuse("two classes or more", classes=("red",))
    refuse("two classes or more", classes=())
    refuse("1 training video has no label: v3", labels=labels | {"v3": ()})
    refuse("label 'green', which is no class", labels=labels | {"v3": ("green",)})
    refuse("no training videos", videos={})
    refuse("could not be written", out=tmp_path)
    (tmp_path / "file").write_text("")
    refuse("could not be written", out=tmp_path / "file" / "b.safetensors")
    refuse("cannot be built", UsageError, settings=replace(TINY, depth=9))
    for name, value in {
        "epochs": 0,
        "learning_rate": 0.0,
        "dropout": 1.0,
        "shift_pixels": 16,
        "batch": -1,
        "candidates": 3,
    }.items():
        with pytest.raises(UsageError):
            replace(TINY, **{name: value})
    if os.geteuid():
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        refuse("could not be written", out=locked / "b.safetensors")


_SMALL = {"width": 4, "input-size": 16, "depth": 2, "clip-frames": 8, "fc-width": 8, "epochs": 1, "clips-per-video": 2}
_OPTIONS = [word for name, value in _SMALL.items() for word in (f"--{name}", str(value))]


def test_the_command_writes_the_file_and_says_what_is_next(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = SimpleNamespace(events=[])
    monkeypatch.setitem(sys.modules, "own_told", told)
    told.track = told.events.append
    out = tmp_path / "b.safetensors"
    tracked = ["--tracker", "own_told:track"]
    code = thas(["train-backbone", "--dataset", str(folder), "--out", str(out), *_OPTIONS, *tracked, "--json"])
    captured = capsys.readouterr()
    assert code == 0
    started, epoch = told.events
    assert (started.epochs, started.epochs_done, started.items) == (1, 0, 18), "two clips of each video"
    assert (started.run / "settings.toml").exists()
    assert epoch.number == 1
    assert epoch.loss == json.loads(captured.out)["loss"][0]
    assert thas(["train-backbone", "--dataset", str(folder), *_OPTIONS, "--tracker", "own_told:nothing"]) == 2
    assert json.loads(captured.out)["videos"] == 9
    assert "extract-features" not in captured.out
    assert load_backbone(weights=out).backbone.dimension == 8


def test_the_command_counts_what_failed_and_exits_with_3(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "set"
    (copy / "videos").mkdir(parents=True)
    for path in (folder / "videos").iterdir():
        (copy / "videos" / path.name).symlink_to(path)
    (copy / "videos" / "v0.mp4").unlink()
    (copy / "videos" / "v0.mp4").write_bytes(b"broken")
    (copy / "videos" / "v1.mp4").unlink()
    (copy / "labels.csv").write_bytes((folder / "labels.csv").read_bytes())
    code = thas(["train-backbone", "--dataset", str(copy), *_OPTIONS])
    words = " ".join(capsys.readouterr().err.split())
    assert code == 3
    assert "2 videos could not be read: v0, v1" in words
    assert (copy / "backbone.safetensors").exists()
    assert thas(["train-backbone", "--dataset", str(tmp_path / "nowhere"), *_OPTIONS]) == 2


def test_interrupted_by_a_signal_or_a_full_disk_it_goes_on_to_the_same_bytes(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = [*_OPTIONS, "--dropout", "0.2", "--workers", "1"]
    options[options.index("--epochs") + 1] = "4"
    command = ["train-backbone", "--dataset", str(folder), *options]
    assert thas([*command, "--out", "whole.safetensors", "--runs", "others"]) == 0

    written = training_state.write_atomically

    def full(path: Path, content: bytes) -> None:
        if read_header(path)["epoch"] == 2 if path.exists() else False:
            raise cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))
        written(path, content)

    monkeypatch.setattr(training_state, "write_atomically", full)
    assert thas([*command, "--out", "cut.safetensors"]) == 1
    advice = capsys.readouterr().err.rsplit("then thas ", 1)[1].split()
    assert not Path("cut.safetensors").exists()
    monkeypatch.setattr(training_state, "write_atomically", written)

    epochs = []

    def terminated(task, number):
        epochs.append(number)
        if number == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return epoch(task, number)

    epoch = BackboneTask.epoch
    monkeypatch.setattr(BackboneTask, "epoch", terminated)
    assert thas([*advice, "--workers", "1"]) == 143
    assert epochs == [2, 3]
    assert "--resume" in capsys.readouterr().err
    monkeypatch.setattr(BackboneTask, "epoch", epoch)
    assert thas(["train-backbone", "--dataset", str(folder), "--resume", "--device", "cpu"]) == 0
    assert Path("cut.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    assert thas(["train-backbone", "--dataset", str(folder), "--resume", "--epochs", "9"]) == 2
    assert "another backbone.epochs" in capsys.readouterr().err


def test_a_backbone_learns_in_mixed_precision(folder, tmp_path):
    files, labels = _inputs(folder)
    settings = replace(TINY, epochs=2, precision="bf16")
    result = train_backbone(files, labels, ("blue", "red"), tmp_path / "b.safetensors", settings=settings, workers=1)
    assert np.isfinite(result.loss).all()
    assert load_backbone(weights=tmp_path / "b.safetensors").backbone.dimension == TINY.fc_width
