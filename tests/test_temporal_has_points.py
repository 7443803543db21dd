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
from thas.temporal_has.points import PointLabels, background, point_losses, snippets_of
from thas.temporal_has.settings import Settings
from thas.temporal_has.train import train

from .conftest import make_features, planted_videos

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


def test_between_two_clicks_lies_background():
    action = torch.tensor([0.0, 3, -1, 2, 0, -9, -9, 5, 5, -9])[:, None]
    assert background(action, torch.tensor([0, 3, 8])).tolist() == [2, 5, 6]
    assert background(action, torch.tensor([3, 4])).tolist() == []
    assert background(action, torch.tensor([4])).tolist() == []


def output(sequence, attention=None):
    return NetworkOutput(torch.zeros(len(sequence), sequence.shape[-1]), sequence, sequence, attention)


def test_the_loss_is_of_clicked_snippets_and_of_background_alone():
    sequence = torch.zeros(2, 6, 2, requires_grad=True)
    losses = point_losses(output(sequence), [torch.tensor([[0, 1], [5, 0]]), torch.zeros(0, 2, dtype=torch.int64)])
    assert losses.shape == (2,)
    assert losses[1] == 0
    (slope,) = torch.autograd.grad(losses.sum(), sequence)
    assert slope[0, 0, 1] < 0 < slope[0, 0, 0], "towards the class that was clicked, away from the other"
    assert slope[0, 5, 0] < 0 < slope[0, 5, 1]
    (nothing,) = (slope[0, 1:5].abs().sum(dim=1) > 0).nonzero()[:, 0].tolist()
    assert (slope[0, 1 + nothing] > 0).all(), "one snippet between, away from both"
    assert not slope[1].any()


def test_attention_learns_where_there_is_anything():
    attention = torch.full((1, 3), 0.5, requires_grad=True)
    losses = point_losses(output(torch.zeros(1, 3, 2), attention), [torch.tensor([[0, 0], [2, 1]])])
    (slope,) = torch.autograd.grad(losses.sum(), attention)
    assert (slope[0] < 0).tolist() == [True, False, True]


def test_members_lose_each_by_their_own_answer():
    one, two = output(torch.zeros(1, 3, 2)), output(torch.full((1, 3, 2), 2.0))
    own = [torch.tensor([[1, 0]])]
    both = one._replace(members=(one, two))
    assert torch.allclose(point_losses(both, own), (point_losses(one, own) + point_losses(two, own)) / 2)


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
    settings = Settings().updated({"train.epochs": 1, "train.device": "cpu"})
    plain = train(features, labels, classes=CLASSES, settings=settings)
    none = train(features, PointLabels(labels, clicks), classes=CLASSES, settings=settings)
    weighted = settings.updated({"train.points": 1.0})
    some = train(features, PointLabels(labels, clicks), classes=CLASSES, settings=weighted)
    first = [model.network.state_dict()["classifier.weight"] for model in (plain, none, some)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


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
