"""The demo's data set: what the scripts promise, and that the files keep it."""

from __future__ import annotations

import csv
import hashlib

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.annotators.annotation_files import read_annotations
from thas.core.errors import DataError
from thas.datasets.opening import open_dataset
from thas.demo.frames import APPROACH, CLASSES, RETREAT, SIZE, STRANGE, TELLING, Event, render
from thas.demo.videos import FPS, generate, write_script
from thas.features.video import scan_video


@settings(max_examples=150)
@given(st.sampled_from(["validation", "test"]), st.integers(0, 5000), st.integers(0, 50))
def test_every_script_keeps_the_rules(subset, number, seed):
    script = write_script(subset, number, seed=seed)
    assert script == write_script(subset, number, seed=seed)
    assert 20 <= script.duration_seconds <= 60
    assert 1 <= len(script.instances) <= 3
    assert 1 <= len(script.labels) <= 2
    assert CLASSES[number % len(CLASSES)] in script.labels
    now = 0.0
    for one in script.instances:
        # A second of background before each, and the telling phase within one of hiding's twenty segments.
        assert one.start_seconds - now >= 0.9
        assert 0 < one.retreat_seconds - one.telling_seconds <= script.duration_seconds / 20
        assert one.telling_seconds - one.start_seconds > 2.9
        assert one.end_seconds - one.retreat_seconds > 2.8
        now = one.end_seconds
    assert now <= script.duration_seconds - 0.9


def test_a_look_belongs_to_one_class_and_one_phase():
    looks = [*TELLING.values(), *APPROACH.values(), *RETREAT.values(), *STRANGE]
    assert len(set(looks)) == len(looks) == 3 * len(CLASSES) + len(STRANGE)
    assert set(CLASSES) == set(TELLING)
    assert not {look.colour for look in STRANGE} & {look.colour for look in TELLING.values()}


def test_bystanders_show_the_weak_phases_of_other_classes_and_never_the_telling_one():
    telling = {look: label for label, look in TELLING.items()}
    weak = {look: label for table in (APPROACH, RETREAT) for label, look in table.items()}
    bystanders = 0
    for number in range(80):
        script = write_script("test", number)
        for event in script.events:
            if event.look in telling:
                assert telling[event.look] in script.labels
            elif weak.get(event.look, script.labels[0]) not in script.labels:
                bystanders += 1
                assert not event.close
    assert bystanders > 40


def test_a_picture_shows_the_event_while_it_lasts():
    event = Event(TELLING["SquareClimb"], 1.0, 2.0, close=True)
    with_it = list(render((event,), 3 * FPS, FPS, np.random.default_rng(5)))
    # The same seed draws the same camera first, so that only the event differs.
    without = list(render((), 3 * FPS, FPS, np.random.default_rng(5)))
    changed = [np.abs(a.astype(int) - b).max() > 60 for a, b in zip(with_it, without, strict=True)]
    assert with_it[0].shape == (SIZE, SIZE, 3)
    assert changed == [False] * FPS + [True] * FPS + [False] * FPS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "demo"
    calls = []
    scripts = generate(folder, train_videos=2, test_videos=1, workers=1, progress=calls.append)
    assert len(calls) == 3
    return folder, scripts


def _digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def _tables(folder):
    return {path.name: path.read_text() for path in folder.rglob("*") if path.suffix in {".csv", ".txt", ".json"}}


def _frames(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(np.int16)


def _alike(one, other) -> bool:
    """The encoder is not always the same to the bit: equal but for a shade here and there."""
    return one.shape == other.shape and np.abs(one - other).mean() < 0.5


def test_the_files_are_a_data_set_like_thumos14(made):
    folder, scripts = made
    dataset = open_dataset("demo", data_root=folder.parent)
    assert dataset.train_subset == "validation"
    assert dataset.videos_of("validation") == ("video_validation_0000001", "video_validation_0000002")
    assert dataset.videos_of("test") == ("video_test_0000001",)
    assert {script.video: script.labels for script in scripts} == dict(dataset.labels)
    assert (folder / "annotations" / "BarSpin_val.txt").exists()
    truth = read_annotations(folder / "annotations")
    expected = {
        (script.video, one.label, round(one.start_seconds, 2), round(one.end_seconds, 2))
        for script in scripts
        for one in script.instances
    }
    assert {tuple(row) for row in truth.segments} == expected
    for script in scripts:
        table = scan_video(dataset.video_path(script.video))
        assert (len(table), table.codec, table.width, table.height) == (script.frames, "h264", SIZE, SIZE)
        assert table.fps == pytest.approx(FPS)
        assert table.start_seconds[0] == 0
        assert truth.durations[script.video] == pytest.approx(table.duration_seconds, abs=0.01)


def test_a_second_call_finishes_what_is_missing_as_it_was(made):
    folder, _ = made
    before = _tables(folder)
    gone = folder / "videos" / "video_validation_0000002.mp4"
    shown = _frames(gone)
    gone.unlink()
    (folder / "labels.csv").unlink()
    other = folder / "videos" / "video_test_0000001.mp4"
    untouched = other.stat().st_mtime_ns
    generate(folder, train_videos=2, test_videos=1, workers=1)
    assert _tables(folder) == before
    assert _alike(_frames(gone), shown)
    assert not _alike(shown[:200], _frames(other)[:200])
    assert other.stat().st_mtime_ns == untouched


def test_more_videos_leave_the_others_as_they_are(made, tmp_path):
    folder, _ = made
    copy = tmp_path / "demo"
    generate(copy, train_videos=0, test_videos=2, workers=1)
    name = "videos/video_test_0000001.mp4"
    assert _alike(_frames(copy / name), _frames(folder / name))
    with open(copy / "labels.csv") as file:
        assert {row["video"] for row in csv.DictReader(file)} == {"video_test_0000001", "video_test_0000002"}


def test_a_folder_of_another_seed_or_another_data_set_is_left_alone(made, tmp_path):
    folder, _ = made
    before = _digests(folder)
    with pytest.raises(DataError, match="holds other demo videos"):
        generate(folder, train_videos=2, test_videos=1, seed=1)
    assert _digests(folder) == before
    (tmp_path / "videos").mkdir()
    with pytest.raises(DataError, match="in use by another data set"):
        generate(tmp_path, train_videos=1, test_videos=0)
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"):
        generate(tmp_path / "file" / "demo", train_videos=1, test_videos=0)
