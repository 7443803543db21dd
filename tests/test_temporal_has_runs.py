from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from thas.core.checkpoints import CHECKPOINT
from thas.core.errors import CheckpointError, DataError, UsageError
from thas.core.run_settings import RunData, read_settings, write_settings
from thas.core.runs import find_run, new_folder, point_latest
from thas.core.segments import Segments
from thas.temporal_has import session
from thas.temporal_has.activation import ClassActivationSequence
from thas.temporal_has.results import (
    clock,
    read_detections,
    read_sequences,
    write_detections,
    write_sequences,
)
from thas.temporal_has.settings import Settings
from thas.temporal_has.timeline import draw_profile, draw_timeline, mean_profile

DATA = RunData('a "quoted" name \U0001f3bf', "data", "training", "test", "features")


def sequence(video: str = "v", values=(0.0, 2.0, 4.0, 0.0)) -> ClassActivationSequence:
    logits = np.stack([np.asarray(values, np.float32), np.zeros(len(values), np.float32)], axis=1)
    start = np.arange(len(values), dtype=float)
    return ClassActivationSequence(
        video, logits, logits.max(axis=0), np.array([0.9, 0.1]), start, start + 1, float(len(values)), ("Run", 'a, "b"')
    )


def test_a_new_folder_is_empty_and_the_newest(tmp_path):
    first, second = new_folder(tmp_path / "mine"), new_folder(tmp_path / "mine")
    assert first != second
    for run in (first, second):
        write_settings(run, Settings(), DATA, {})
        (run / CHECKPOINT).touch()
    point_latest(tmp_path, second)
    assert find_run(None, root=tmp_path) == second.resolve()
    assert find_run(first, root=tmp_path) == first.resolve()
    assert find_run(None, root=tmp_path, dataset="mine") == second.resolve()
    (tmp_path / "latest").unlink()
    assert find_run(None, root=tmp_path).parent == first.parent.resolve()


def test_settings_come_back(tmp_path):
    settings = Settings().updated({"hide.probability": 0.25, "localize.threshold": "0.2,0.4"})
    write_settings(tmp_path, settings, DATA, {"hide.probability": "option"})
    assert read_settings(tmp_path, Settings) == (settings, replace(DATA, run_folder=str(tmp_path)))
    assert json.loads((tmp_path / "environment.json").read_text())["packages"]["torch"]


def test_what_an_older_runs_file_does_not_say_is_as_it_was_then(tmp_path):
    write_settings(tmp_path, Settings().updated({"localize.squash": True, "localize.nms": "none"}), DATA)
    file = tmp_path / "settings.toml"
    younger = ("squash", "probability_power", "kernel_most", "top", "detections", "points")
    lines = [line for line in file.read_text().splitlines() if not line.startswith(younger)]
    file.write_text("\n".join(lines) + "\n")
    found = read_settings(tmp_path, Settings)[0]
    assert (found.localize.squash, found.localize.probability_power, found.network.kernel_most) == (False, 1.0, 0)
    assert (found.localize.nms, found.localize.detections, found.network.top) == ("none", 0, 0.25)
    assert {key.split(".")[1] for key in Settings.earlier} == set(younger)


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(UsageError, match="is not a run"):
        find_run(tmp_path)
    with pytest.raises(UsageError, match="there is no run"):
        find_run(None, root=tmp_path)
    (tmp_path / "settings.toml").write_text("[hide]\nprobability = 0.5\n")
    with pytest.raises(CheckpointError, match="does not say what data"):
        read_settings(tmp_path, Settings)
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(DataError, match="could not be written"):
        new_folder(tmp_path / "runs" / "mine")


def test_sequences_and_detections_come_back(tmp_path):
    written = [sequence("v"), sequence("w, with a comma", (1.0,))]
    write_sequences(tmp_path / "sequences.h5", written)
    read = read_sequences(tmp_path / "sequences.h5")
    assert list(read) == ["v", "w, with a comma"]
    for one in written:
        other = read[one.video]
        assert np.array_equal(one.logits, other.logits)
        assert one.classes == other.classes
        assert np.array_equal(one.edges_seconds, other.edges_seconds)
    detections = Segments(["v", "v"], ["Run", 'a, "b"'], [0, 1], [2, 3], [0.1, 0.9])
    write_detections(tmp_path / "detections.json", detections, {"videos": ["v"]})
    assert read_detections(tmp_path / "detections.json") == (detections.sorted_by_score(), {"videos": ["v"]})
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    for path in ("sequences.h5", "detections.json"):
        (tmp_path / path).write_text("{")
    with pytest.raises(DataError, match="cannot read sequences"):
        read_sequences(tmp_path / "sequences.h5")
    with pytest.raises(DataError, match="holds no detections"):
        read_detections(tmp_path / "detections.json")


def test_a_sequence_that_does_not_fit_itself_is_refused():
    with pytest.raises(ValueError, match="probabilities of v must have 2 entries"):
        replace(sequence(), probabilities=np.zeros(3))


def test_clock():
    assert [clock(s) for s in (0, 59.96, 61.25, 3725.04)] == ["00:00.0", "01:00.0", "01:01.2", "1:02:05.0"]


def test_the_mean_profile_by_hand():
    # Two snippets of a second each are the action: 1..3 s; the sequence over its maximum is 0, 0.5, 1, 0.
    truth = Segments(["v"], ["Run"], [1.0], [3.0])
    profile = mean_profile({"v": sequence()}, truth, moments=5, reach=0.5)  # at 0, 1, 2, 3, 4 s
    assert profile.tolist() == pytest.approx([0.0, 0.25, 0.75, 0.5, 0.0])
    assert np.isnan(mean_profile({}, truth)).all()


def test_pictures_are_drawn(tmp_path):
    truth = Segments(["v"], ["Run"], [1.0], [3.0])
    found = Segments(["v", "v"], ["Run", "Run"], [1.0, 0.0], [3.0, 1.0], [0.9, 0.1])
    draw_timeline(
        tmp_path / "deep" / "v.png", {"a": sequence(), "b": sequence()}, {"a": found, "b": found}, truth=truth
    )
    draw_timeline(tmp_path / "w.png", {"": sequence(values=(-1.0, -2.0))}, {"": Segments.empty(scored=True)})
    draw_profile(tmp_path / "p.png", {"a": {"v": sequence()}}, truth)
    for path in ("deep/v.png", "w.png", "p.png"):
        assert (tmp_path / path).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(("epochs", "factor", "warned"), [(20, 0.9, True), (20, 0.99, False), (50, 0.9, False)])
def test_a_loss_that_still_falls_is_a_warning_where_epochs_are_fewer_than_usual(
    tmp_path, caplog, epochs, factor, warned
):
    """After the usual number it says nothing: on some data more epochs localize worse."""
    lines = [
        json.dumps({"number": i + 1, "loss": 0.5 + factor**i, "accuracy": 1.0, "seconds": 1.0}) for i in range(epochs)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    with caplog.at_level("WARNING"):
        session._warn_of_haste(tmp_path, epochs)
    assert ("still fell" in caplog.text) == warned
    assert ("50 are usual" in caplog.text) == warned
