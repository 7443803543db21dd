"""Point labels: read, laid on snippets, learned from, and what they change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from thas.core.errors import DataError
from thas.core.presets import resolve_settings
from thas.core.segments import Segments
from thas.datasets.opening import open_dataset
from thas.temporal_has.network import NetworkOutput
from thas.temporal_has.points import (
    BETWEEN,
    CLICKED,
    NOTHING,
    Clicks,
    PointLabels,
    point_losses,
    said_by_clicks,
    snippets_of,
)
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train

from .conftest import make_features, papers_settings, planted_videos

CLASSES = ["class_0", "class_1", "class_2"]


def points(*rows):
    video, label, time = zip(*rows, strict=True) if rows else ((), (), ())
    return Segments(video, label, time, time)


def test_a_point_is_of_the_snippet_whose_middle_is_nearest():
    centres = [np.array([0.5, 1.5, 2.5]), np.array([0.5])]
    own = points(("v", "b", 1.1), ("v", "a", 0.0), ("v", "a", 3.9), ("x", "a", 9.0))
    first, second = snippets_of(own, ["v", "w"], centres, ["a", "b"])
    assert first.tolist() == [[0, 0], [1, 1], [2, 0]]
    assert second.shape == (0, 2)


@pytest.mark.parametrize(
    ("row", "said"), [(("v", "c", 1.0), "outside the classes: c"), (("v", "a", 99.0), "lies outside its features")]
)
def test_points_that_fit_nowhere_are_named(row, said):
    with pytest.raises(DataError, match=said):
        snippets_of(points(row), ["v"], [np.array([0.5, 1.5])], ["a"])


ALL = torch.tensor([1.0, 1.0, 0.0])


def test_between_clicks_is_what_was_clicked_on_either_side_or_nothing():
    """Two actions may follow each other without a pause; two of one kind are apart."""
    action = torch.tensor([9.0, 9, 3, 1, 2, 9, 0, 9])
    known = said_by_clicks(torch.tensor([[1, 0], [5, 0], [7, 1]]), ALL, action)
    assert known.kind.tolist() == [BETWEEN, CLICKED, BETWEEN, NOTHING, BETWEEN, CLICKED, BETWEEN, CLICKED]
    assert known.wanted.nonzero().tolist() == [[1, 0], [5, 0], [7, 1]]
    open_to = [[c for c in range(3) if not row[c]] for row in known.said]
    assert open_to == [[0], [], [0], [], [0], [], [0, 1], []]


def test_of_a_label_that_nobody_clicked_nothing_is_known():
    known = said_by_clicks(torch.tensor([[1, 0]]), ALL, torch.zeros(3))
    assert known.said.tolist() == [[False, False, True], [True, False, True], [False, False, True]]


def output(sequence, attention=None):
    return NetworkOutput(torch.zeros(len(sequence), sequence.shape[-1]), sequence, sequence, attention)


def clicked(*rows, length, hidden=()):
    seen = torch.ones(length, dtype=torch.bool)
    seen[list(hidden)] = False
    return Clicks(torch.tensor(rows, dtype=torch.int64).reshape(-1, 2), seen)


def slopes(own, classes=2, attention=None):
    """Of one video's loss, by each snippet's and class's logit."""
    length = len(own.seen)
    sequence = torch.zeros(1, length + 2, classes, requires_grad=True)  # two of padding
    shown = output(sequence, None if attention is None else attention.expand(1, length + 2))
    (loss,) = point_losses(shown, torch.ones(1, classes), [own])
    return torch.autograd.grad(loss, sequence)[0][0]


def test_the_loss_draws_to_what_was_clicked_and_away_from_what_cannot_be():
    slope = slopes(clicked((0, 1), (5, 0), length=6), classes=3)
    assert slope[0, 1] < 0 < slope[0, 0], "towards the class that was clicked, away from the other"
    assert slope[5, 0] < 0 < slope[5, 1]
    assert not slope[1:5, :2].any(), "one of the two, or neither: who knows"
    assert not slope[:, 2].any(), "a label that was never clicked"
    assert not slope[6:].any(), "padding"


def test_two_of_one_kind_have_background_between_them():
    slope = slopes(clicked((0, 0), (4, 0), (6, 1), length=7))
    (least,) = [t for t in range(1, 4) if slope[t, 0]]
    assert (slope[least] > 0).all()
    assert (slope[1:4, 1] > 0).all()
    assert not slope[5].any()


def test_hidden_clicks_are_not_learned_but_still_bound_what_lies_between():
    slope = slopes(clicked((0, 0), (2, 1), (4, 0), length=5, hidden=(2, 3)))
    assert not slope[[2, 3]].any()
    assert not slope[1].any(), "between the first and the hidden one, not between two of one kind"


def test_attention_is_taken_off_before():
    """Where attention is low, a class that cannot be there is no reason to raise it."""
    attention = torch.tensor(0.1, requires_grad=True)
    sequence = attention * torch.tensor([[[-3.0, 2.0], [-1.0, 3.0]]])
    losses = point_losses(output(sequence, attention.expand(1, 2)), torch.ones(1, 2), [clicked((0, 1), length=2)])
    assert torch.autograd.grad(losses.sum(), attention)[0].abs() < 1e-6


def test_videos_without_clicks_and_members():
    one, two = output(torch.zeros(2, 3, 2)), output(torch.full((2, 3, 2), 2.0))
    own, labels = [clicked((1, 0), length=3), clicked(length=3)], torch.ones(2, 2)
    both = one._replace(members=(one, two))
    mean = (point_losses(one, labels, own) + point_losses(two, labels, own)) / 2
    assert torch.allclose(point_losses(both, labels, own), mean)
    assert mean[0] > 0 == mean[1]


def test_labels_of_points_are_labels_of_their_videos():
    known = PointLabels({"v": ("a",), "w": ()}, points(("v", "b", 1.0), ("w", "a", 2.0), ("x", "a", 1.0)))
    assert known == {"v": ("a", "b"), "w": ("a",)}
    assert list(known.points.video) == ["v", "w"]


def deceptive():
    """Videos whose label always shows at a second place, too: only clicks tell which of the two is meant."""
    features, labels, places = planted_videos(videos=18)
    draw = np.random.default_rng(1)
    clicks, other = [], {}
    for video, (first, _last) in places.items():
        data = features[video].data.copy()
        away = (first + 12 + int(draw.integers(0, 12))) % 35
        kind = int(labels[video][0][-1])
        data[away : away + 5, 3 + kind] += 2.0
        features[video] = make_features(video, data)
        middle = float(features[video].start_seconds[first + 2] + features[video].end_seconds[first + 2]) / 2
        clicks.append((video, labels[video][0], middle))
        other[video] = away
    return features, labels, places, other, points(*clicks)


@pytest.mark.parametrize("presets", [[], ["has2017"]])
def test_clicks_tell_what_labels_cannot(presets):
    features, labels, places, other, clicks = deceptive()
    values = {"train.epochs": 10, "train.learning_rate": 0.01, "train.device": "cpu", "hide.probability": 0.25}
    settings = resolve_settings(Settings, presets=presets)[0].updated(values)
    seen = {}
    for weight in (0.0, 1.0):
        known = PointLabels(labels, clicks)
        model = train(features, known, classes=CLASSES, settings=settings.updated({"train.points": weight}))
        right = 0
        for video, (first, last) in places.items():
            logits = model.sequence(features[video]).logits[:, int(labels[video][0][-1])]
            right += logits[first:last].mean() > logits[other[video] : other[video] + 5].mean() + 0.5
        seen[weight] = right
    assert seen[1.0] >= 14
    assert seen[1.0] > seen[0.0] + 3


def test_without_weight_points_change_nothing_and_with_it_they_are_part_of_the_run():
    features, labels, _, _, clicks = deceptive()
    settings = Settings().updated({"train.epochs": 1, "train.device": "cpu", "train.points": 0})
    plain = train(features, labels, classes=CLASSES, settings=settings)
    none = train(features, PointLabels(labels, clicks), classes=CLASSES, settings=settings)
    weighted = settings.updated({"train.points": 1.0})
    some = train(features, PointLabels(labels, clicks), classes=CLASSES, settings=weighted)
    first = [model.network.state_dict()["classifier.weight"] for model in (plain, none, some)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_clicks_are_heeded_but_in_the_paper_and_by_runs_that_knew_none():
    assert Settings().train.points == 1
    assert papers_settings().train.points == 0
    assert Settings.kept({}).train.points == 0


def test_a_data_set_reads_its_clicks(tmp_path):
    (tmp_path / "labels.csv").write_text("video,label\nv,Run\nw,Jump\n")
    opened = open_dataset(tmp_path)
    assert opened.points_path is None
    (tmp_path / "points.csv").write_text("video,label,time\nv,Run,0:02.5\n")
    assert list(open_dataset(tmp_path).points()) == [("v", "Run", 2.5, 2.5)]
    for text, said in (("v,Rnu,1\n", "not in the table"), ("x,Run,1\n", "no point of a video")):
        (tmp_path / "points.csv").write_text("video,label,time\n" + text)
        with pytest.raises(DataError, match=said):
            open_dataset(tmp_path).points()
    (tmp_path / "points.csv").write_text("video,label,start,end\nv,Run,1,2\n")
    with pytest.raises(DataError, match="holds no points"):
        open_dataset(tmp_path).points()
