"""Pictures of the surest detections: the right frames, within the budget, shown where a video does not play."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image
import pytest

from thas.core.errors import UsageError
from thas.core.segments import Segments
from thas.report.page import write_page
from thas.report.stills import make_stills

from .report_data import make_run
from .video_files import number_of, write_video


def number(address):
    content = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    return number_of(np.asarray(PIL.Image.open(io.BytesIO(content))))


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """Five seconds in a codec that browsers refuse."""
    return write_video(tmp_path_factory.mktemp("old") / "old.avi", 125, codec="mpeg4")


FOUND = Segments(["a"] * 3 + ["b"], ["Run"] * 4, [0, 2, 4, 1], [1, 3, 9, 2], [0.2, 0.9, 0.5, 0.7])


def test_the_frames_at_the_middles_the_surest_first(old):
    made = make_stills(FOUND, {"a": old}, 2)
    assert list(made.pictures) == ["a"], "b has no file"
    assert [(row, number(picture)) for row, picture in made.pictures["a"]] == [(1, 62), (2, 124)], (
        "the middle of 2 to 3 s at 25 frames a second; what lies behind the end is the last frame"
    )
    assert made.notes == ()
    assert make_stills(FOUND, {"a": old}, 0).pictures == {}
    with pytest.raises(UsageError, match="--stills"):
        make_stills(FOUND, {"a": old}, -1)


def test_the_budget_serves_every_video_before_one_twice(old):
    whole = make_stills(FOUND, {"a": old, "b": old}, 3).pictures
    two = len(whole["a"][0][1]) + len(whole["b"][0][1])
    made = make_stills(FOUND, {"a": old, "b": old}, 3, budget_bytes=two)
    assert made.pictures == {"a": whole["a"][:1], "b": whole["b"][:1]}
    assert made.left_out == 2
    assert "2 stills were left out" in made.notes[0]


def test_what_cannot_be_decoded_is_said(old, tmp_path):
    (tmp_path / "broken.avi").write_bytes(b"no video")
    made = make_stills(FOUND, {"a": tmp_path / "broken.avi", "b": old}, 1)
    assert list(made.pictures) == ["b"]
    assert "a: " in made.notes[0]


def test_stills_stand_where_a_video_does_not_play(old, opened, tmp_path):
    run = make_run(files={"good": old})
    plain, path = write_page(tmp_path / "plain.html", [run]), write_page(tmp_path / "page.html", [run], stills=2)
    assert "data:image/jpeg" not in plain.read_text(), "off unless asked for"
    page = opened(path)
    card = page.locator("article", has_text="good")
    card.get_by_role("button", name="Video").click()
    card.get_by_text("This browser cannot play").wait_for()
    assert "--stills" not in card.inner_text(), "they are there already"
    still = card.locator(".stills button")
    assert still.all_inner_texts() == ["Run 00:04.0"]
    assert still.locator("img").evaluate("one => one.decode().then(() => one.naturalWidth)") == 160
    still.click()
    assert card.locator("canvas").get_attribute("aria-valuetext") == "00:02.0 Run"
    page.fill("#search", "goo")
    assert still.count() == 1, "a search does not take it away"
