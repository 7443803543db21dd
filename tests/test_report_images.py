"""The page of image runs: worst first, two side by side, one class alone, names that are no markup."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from thas.core.errors import UsageError
from thas.image_has.scores import ImageScores
from thas.image_has.settings import HideSettings
from thas.report.image_page import ImageRun, write_image_page
from thas.report.image_page import _hidden as hidden

from .report_data import HEBREW, until

ODD = "<b>cat"


def image_run(name: str, iou=(0.9, 0.1, 0.6, 0.3), right=(True, True, False, False)) -> ImageRun:
    iou, right = np.array(iou, dtype=float), np.array(right)
    known = iou[np.isfinite(iou)] > 0.5
    scores = ImageScores(
        len(known),
        0,
        0.5,
        right,
        known & right[: len(known)],
        known,
        {},
        {"centred_box": 0.25, "whole_image": 0.2},
        known,
    )
    labels = [ODD, HEBREW, ODD, HEBREW]
    return ImageRun(
        name, "creatures val; a network", ["a.png", "b.png", "c.png", "d.png"], labels, labels, right, iou, scores,
        lambda i: None if i == 3 else PIL.Image.new("RGB", (60, 40), (40 * i, 90, 200)),
    )  # fmt: skip


def captions(page):
    return [text.split()[-1] for text in page.locator(".image p:last-child").all_text_contents()]


def test_worst_and_best_side_by_side(tmp_path, opened):
    other = image_run("off", iou=(0.1, 0.1, 0.1, 0.1))
    on = replace(image_run("on"), hidden=hidden(HideSettings(probability=0.25, size=(0, 16, 44))))
    page = opened(
        write_image_page(tmp_path / "page.html", [on, replace(other, hidden=hidden(HideSettings(size=(0,))))])
    )
    lines = page.locator(".facts-line").all_inner_texts()
    assert lines == ["hidden in training: 25 % of cells of 16, 44 pixels", "hidden in training: nothing"]
    assert captions(page) == ["b.png", "d.png", "a.png", "c.png"], "the two worst, then the two best"
    assert page.locator(".image").first.locator("img").count() == 2
    assert page.locator(".image").nth(1).get_by_text("cannot be read").count() == 2
    until(page, "[...document.images].every((image) => image.complete && image.naturalWidth === 60)")
    assert "off less on: -50.0 points" in page.locator(".verdict").inner_text()
    page.select_option("#class", label=ODD)
    assert page.locator(".image:visible").count() == 2
    assert page.locator(".image:visible b").first.inner_text() == ODD


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(tmp_path, opened, scheme):
    page = opened(write_image_page(tmp_path / "page.html", [image_run("on")]), width=380, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") != scheme


def test_without_boxes_and_of_other_images(tmp_path):
    bare = image_run("on", iou=(np.nan,) * 4)
    bare = replace(bare, scores=ImageScores(4, 4, 0.5, bare.right, None, None, {}, {}, None))
    text = write_image_page(tmp_path / "page.html", [bare]).read_text()
    assert text.index("The worst") < text.index("c.png") < text.index("The best") < text.index("a.png")
    with pytest.raises(UsageError, match="different images"):
        write_image_page(tmp_path / "x.html", [bare, replace(bare, names=["z"] * 4)])
