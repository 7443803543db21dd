"""A data set of planted videos on disk, for the tests of sweeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thas.features.cache import write_features
from thas.sweep import picture

from .conftest import planted_videos

SMALL = {
    "network.channels": ["8"],
    "train.epochs": ["4"],
    "train.learning_rate": ["0.01"],
    "train.checkpoint_epochs": ["1"],
}


def undrawn(patch: pytest.MonkeyPatch) -> None:
    """Leave out the pictures of sweeps, which take as long as small trainings; where they are tested they are drawn."""
    patch.setattr(picture, "draw_sweep", lambda scores, path: path)


def planted_dataset(folder: Path, *, videos: int = 18) -> Path:
    """Two thirds to learn from, one third to test on, with features, labels and true segments."""
    features, labels, places = planted_videos(videos=videos)
    rows, database = ["video,label,subset"], {}
    for i, (video, one) in enumerate(features.items()):
        subset = "training" if i < videos * 2 // 3 else "test"
        write_features(folder / "features", one, recipe={"layer": "planted"})
        rows.append(f"{video},{labels[video][0]},{subset}")
        first, end = places[video]
        segment = [float(one.start_seconds[first]), float(one.end_seconds[end - 1])]
        truth = [{"segment": segment, "label": labels[video][0]}]
        database[video] = {"subset": subset, "duration": one.duration_seconds, "annotations": truth}
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (folder / "annotations.json").write_text(json.dumps({"database": database}))
    return folder
