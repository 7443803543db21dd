"""The second look at small things: their boxes shrink to them, and large things stay as they were."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from thas.core.errors import UsageError
from thas.image_has import ImageSettings, Localizer, OwnNetwork
from thas.image_has.box_workers import boxes_of
from thas.image_has.settings import LocalizeSettings
from thas.image_has.untrained import _seen_by, library_settings
from thas.image_has.weights import TrainedNetwork
from thas.image_has.zoom import zoom_sides

SIDE = 160
PLAIN = {"input.size": SIDE, "input.resize": SIDE, "input.mean": (0, 0, 0), "input.std": (1, 1, 1)}


class Brightness(nn.Module):
    """Cells of 16 pixels, as coarse as those of the networks: how bright they are, and how dark."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.AvgPool2d(16)
        self.fc = nn.Linear(3, 2, bias=False)
        self.fc.weight.data = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]])

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.cells(x).mean((2, 3)))


def localizer(**changes: object) -> Localizer:
    settings = ImageSettings().updated({**PLAIN, **{key.replace("__", "."): value for key, value in changes.items()}})
    network = OwnNetwork(Brightness(), features="cells", classifier="fc", pooling="average")
    return Localizer.of(TrainedNetwork(network.eval(), ("bright", "dark"), settings), device="cpu")


def picture(side: int, *boxes: tuple[int, int, int, int]) -> Tensor:
    """(B, 3, side, side) uint8, one bright box an image, given in pixels of 160."""
    pixels = torch.full((len(boxes), 3, side, side), 20, dtype=torch.uint8)
    for one, box in zip(pixels, boxes, strict=True):
        x0, y0, x1, y1 = (round(edge * side / SIDE) for edge in box)
        one[:, y0:y1, x0:x1] = 250
    return pixels


def overlap(found: np.ndarray, true: tuple[int, int, int, int]) -> float:
    w, h = (min(found[i + 2], true[i + 2]) - max(found[i], true[i]) for i in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (found, true)]
    return max(w, 0) * max(h, 0) / (sum(areas) - max(w, 0) * max(h, 0))


SMALL, CORNER, LARGE = (50, 90, 66, 104), (0, 0, 14, 12), (30, 20, 150, 130)


@pytest.mark.parametrize("rule", [{"localize__scale": "otsu"}, {"localize__threshold": 0.5}])
def test_small_things_are_boxed_closer_and_large_ones_as_before(rule):
    true = (SMALL, CORNER, LARGE)
    rules = {**rule, "localize__mirror": True}
    plain, closer = localizer(**rules), localizer(localize__zoom=0.55, **rules)
    sizes = [(SIDE, SIDE)] * 3
    before, after = (
        [np.array(one.boxes[0].box) for one in each.boxed(picture(each.side, *true), sizes)] for each in (plain, closer)
    )
    for i in (0, 1):
        assert overlap(after[i], true[i]) > overlap(before[i], true[i]) + 0.1
    np.testing.assert_allclose(after[2], before[2], atol=3)
    refined = localizer(localize__zoom=0.55, localize__refine=4, **rules)
    for one, box in zip(refined.boxed(picture(refined.side, *true), sizes), true, strict=True):
        assert overlap(np.array(one.boxes[0].box), box) > 0.75, "the picture's edges sharpen a window's map as well"


def test_a_map_is_zero_beside_its_window_and_the_same_for_the_same_class():
    one = localizer(localize__zoom=0.5, localize__refine=4)
    seen = one.maps(picture(one.side, SMALL, LARGE), torch.tensor([0, 0]))
    assert seen.windows[1].tolist() == [[0, 0, one.side, one.side]] * 2
    x0, y0, x1, y1 = seen.windows[0, 0].tolist()
    assert x1 - x0 == y1 - y0 == one.side // 2
    assert x0 / one.side < SMALL[0] / SIDE < SMALL[2] / SIDE < x1 / one.side
    outside = seen.maps[0, 0].clone()
    outside[y0:y1, x0:x1] = 0
    assert not outside.any()
    assert torch.equal(seen.maps[:, 0], seen.maps[:, 1])
    assert torch.equal(seen.windows[:, 0], seen.windows[:, 1])


def test_nothing_changes_where_nothing_counts_as_small():
    never = localizer(localize__zoom=0.55, localize__zoom_below=0)
    pixels = picture(never.side, SMALL, LARGE)
    assert (never.maps(pixels).windows == torch.tensor([0, 0, never.side, never.side])).all()
    dark = picture(never.side, (0, 0, 0, 0))  # "dark" has no place above zero: there is nothing to look at
    one = localizer(localize__zoom=0.55)
    assert one.maps(dark, torch.tensor([1])).windows[0, 1].tolist() == [0, 0, one.side, one.side]


def test_levels_are_those_of_the_window():
    whole = np.zeros((2, 10, 10))
    whole[:, 4:8, 4:8] = 1
    whole[:, 5:7, 5:7] = 3
    rules = LocalizeSettings(scale="otsu", threshold=(1.0,))
    windows = np.array([[0, 0, 10, 10], [4, 4, 8, 8]])
    assert boxes_of(whole, rules, windows).tolist() == [boxes_of(whole[0], rules).tolist(), [5, 5, 7, 7]]
    assert boxes_of(whole, rules).tolist() == boxes_of(whole, rules, windows[[0, 0]]).tolist()


def test_settings():
    assert zoom_sides(64) == (64, 128)
    assert library_settings("torchvision:resnet18").localize.zoom == 0.55, "sizes are free"
    with pytest.raises(UsageError, match="exclude each other"):
        localizer(localize__zoom=0.5, localize__ten_crop=True, input__resize=200)


@pytest.mark.parametrize(("sides", "zoom"), [((280, 128, 512), 0.55), ((280,), 0.0)])
def test_a_network_that_takes_one_size_is_shown_no_window(sides, zoom):
    def network(x: Tensor) -> None:
        assert x.shape[-1] in sides

    network.facts = SimpleNamespace(side=280)
    assert _seen_by(network, library_settings("torchvision:resnet18")).localize.zoom == zoom
