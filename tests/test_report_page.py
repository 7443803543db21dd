"""The page in a real browser: what it shows, clicks, seeking, filtering, both colour schemes, a phone's width."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from thas import __version__
from thas.annotators.annotation_files import read_annotations
from thas.annotators.convert import write
from thas.cli import run as command
from thas.core.errors import UsageError
from thas.core.segments import Segments
from thas.datasets.labels import read_labels
from thas.report.content import RunContent
from thas.report.page import write_page
from thas.report.stills import BUDGET_BYTES

from .report_data import HEBREW, ODD, make_run, make_sequence, until
from .video_files import write_video


def names(page):
    return page.locator("article.video h3").all_text_contents()


def test_worst_first_with_everything_escaped(tmp_path, opened):
    page = opened(write_page(tmp_path / "page.html", [make_run()]))
    assert names(page) == ["bad", ODD, "good"], "three errors, one missed, all right"
    assert page.locator("h3").nth(1).inner_text() == ODD
    assert page.locator("article").first.locator(".tag").all_text_contents() == ["0 right", "2 wrong", "1 missed"]
    assert "1 of 3" in page.locator(".card", has_text="right at IoU").inner_text()
    assert HEBREW in page.locator("table").first.inner_text()


def test_search_filter_and_order(tmp_path, opened):
    page = opened(write_page(tmp_path / "page.html", [make_run()]))
    page.keyboard.press("/")
    page.keyboard.type("GOO")
    assert names(page) == ["good"]
    page.fill("#search", "")
    page.select_option("#class", label=HEBREW)
    assert names(page) == ["bad", ODD]
    page.select_option("#kind", label="missed actions")
    assert names(page) == [ODD]
    page.select_option("#class", label="all actions")
    page.select_option("#kind", label="too short")
    assert names(page) == ["bad"]
    page.select_option("#kind", label="all videos")
    page.select_option("#order", label="by name")
    assert names(page) == [ODD, "bad", "good"] or names(page) == ["bad", "good", ODD]
    page.fill("#search", "no such")
    assert page.locator("#videos").get_by_text("No video matches").is_visible()


def drawn_colours(page, index=0):
    """How many pixels of each colour a timeline has."""
    return page.evaluate(
        """(index) => {
            const canvas = document.querySelectorAll("article.video canvas")[index];
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const counts = {};
            for (let i = 0; i < data.length; i += 4) {
              if (data[i + 3] < 255) continue;
              const name = [data[i], data[i + 1], data[i + 2]].join(",");
              counts[name] = (counts[name] || 0) + 1;
            }
            return counts;
        }""",
        index,
    )


def rgb(page, variable):
    value = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{variable}').trim()")
    return ",".join(str(int(value[i : i + 2], 16)) for i in (1, 3, 5))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 380])
def test_both_schemes_at_both_widths(tmp_path, opened, width, scheme):
    page = opened(write_page(tmp_path / "page.html", [make_run(), make_run("second")]), width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    page.locator("article", has_text="good").scroll_into_view_if_needed()
    until(page, "document.querySelectorAll('canvas')[2].width > 300")
    counts = drawn_colours(page, 2)
    for variable in ("--truth", "--run-a", "--run-b"):
        assert counts.get(rgb(page, variable), 0) > 40, variable
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(int(n) for n in background.strip("rgb()").split(",")) < 150
    assert dark == (scheme == "dark")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != background


def test_a_table_wider_than_a_phone_says_so_and_keeps_its_names(tmp_path, opened):
    page = opened(
        write_page(tmp_path / "page.html", [make_run(), make_run("a second run of a longer name")]), width=390
    )
    table = page.locator("#scores .scroll")
    assert table.evaluate("e => [e.classList.contains('cut'), e.tabIndex]") == [True, 0]
    assert "scroll sideways" in table.evaluate("e => getComputedStyle(e, '::after').content")
    name = table.locator("tbody th").first
    before = name.bounding_box()
    table.evaluate("e => e.scrollLeft = 1000")
    assert table.evaluate("e => e.scrollLeft") > 40
    assert name.bounding_box() == before, "the names stay where they were"
    assert before["width"] > 90, "and are no column of letters"
    page.set_viewport_size({"width": 1280, "height": 900})
    until(page, "!document.querySelector('.scroll.cut')")
    assert table.evaluate("e => [e.tabIndex, getComputedStyle(e, '::after').content]") == [-1, "none"]


def test_cards_are_as_high_before_they_are_drawn_as_after(tmp_path, opened):
    run = make_run()
    page = opened(write_page(tmp_path / "page.html", [run]), height=200)
    last = page.locator("article.video canvas").last
    before = last.bounding_box()["height"]
    assert last.evaluate("e => e.width") == 300, "not drawn yet"
    last.scroll_into_view_if_needed()
    until(page, "[...document.querySelectorAll('article.video canvas')].at(-1).width > 300")
    assert last.bounding_box()["height"] == before


def test_a_click_seeks_and_what_plays_lights_up(tmp_path, opened):
    (tmp_path / "my videos #1").mkdir()
    video = write_video(tmp_path / "my videos #1" / "good & bad.mp4", 500, fps=25, options={"g": "25"})
    page = opened(write_page(tmp_path / "out" / "page.html", [make_run(files={"good": video})]))
    card = page.locator("article", has_text="good")
    card.get_by_role("button", name="Correct").click()
    card.scroll_into_view_if_needed()
    box = card.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + 60)  # 4 of 20 seconds
    until(page, "document.querySelector('video')?.currentTime > 3.9")
    assert page.evaluate("document.querySelector('video').currentTime") == pytest.approx(4, abs=0.1)
    page.wait_for_selector(".row.lit")
    assert card.locator(".row.lit").count() == 1
    assert card.locator(".add").inner_text() == "Add at 00:04.0", "what is added is added at this moment"
    page.evaluate("document.querySelector('video').currentTime = 10")
    until(page, "!document.querySelector('.row.lit')")
    assert card.locator(".add").inner_text() == "Add at 00:10.0"
    card.locator(".go").first.click()
    until(page, "Math.abs(document.querySelector('video').currentTime - 2) < 0.1")
    card.focus()
    page.keyboard.press("ArrowRight")
    until(page, "Math.abs(document.querySelector('video').currentTime - 3) < 0.1")
    page.keyboard.press("Space")
    until(page, "!document.querySelector('video').paused")


def test_a_video_that_the_browser_cannot_play_is_said_to_be_so(tmp_path, opened):
    video = write_video(tmp_path / "old.avi", 25, codec="mpeg4")
    page = opened(write_page(tmp_path / "page.html", [make_run(files={"good": video, "bad": tmp_path / "gone.mp4"})]))
    for name in ("good", "bad"):
        card = page.locator("article", has_text=name)
        card.get_by_role("button", name="Video").click()
        card.get_by_text("thas report --stills 4 puts pictures here").wait_for()


def test_marks_are_saved_as_annotations(tmp_path, opened, capsys):
    page = opened(write_page(tmp_path / "page.html", [make_run()]))
    bad = page.locator("article", has_text="bad")
    assert not page.locator("#save").is_visible()
    bad.get_by_role("button", name="Correct").click()
    bad.locator(".row").nth(1).get_by_role("button", name="✗").click()
    end = bad.get_by_label("end of detection 1")
    end.fill("1:90:3")
    end.press("Enter")
    assert end.evaluate("input => input.validationMessage") != "", "no time"
    end.fill("00:11.5")
    end.press("Enter")
    good = page.locator("article", has_text="good")
    good.get_by_role("button", name="Correct").click()
    good.locator("select").select_option(label=HEBREW)
    good.get_by_role("button", name="Add at").click()
    good.locator("select").select_option(label=HEBREW)
    good.get_by_role("button", name="Point at").click()
    assert page.locator("#save").inner_text() == "Save 4 marks"
    with page.expect_download() as download:
        page.click("#save")
    path = tmp_path / "marked.json"
    download.value.save_as(path)
    marked = read_annotations(path)
    assert list(marked.segments) == [("bad", "Run", 2.0, 11.5), ("good", HEBREW, 0.0, 4.0)]
    assert list(marked.ignored) == [("good", "Ambiguous", 2.0, 6.0)], "what nobody judged counts neither way"
    assert [row[0] for row in marked.points] == ["good"], "a click has no length"
    assert marked.durations == {"bad": 20.0, "good": 20.0}
    assert json.loads(path.read_text())["version"] == f"thas {__version__}"
    write(make_run().detections, tmp_path / "found.json", form="activitynet")
    scoring = ["eval", str(tmp_path / "found.json"), "--annotations", str(path), "--iou", "0.3", "--json"]
    capsys.readouterr()
    assert command(scoring) == 0
    assert json.loads(capsys.readouterr().out)["ap"]["Run"][0] > 0, "it scores detections"
    assert command(["convert", str(path), str(tmp_path / "labels.csv"), "--to", "labels"]) == 0
    assert read_labels(tmp_path / "labels.csv")[0] == {"bad": ("Run",), "good": (HEBREW,)}, "and gives labels to learn"


def test_keys_mark_and_help(tmp_path, opened):
    page = opened(write_page(tmp_path / "page.html", [make_run()]))
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.querySelector('h3').textContent") == "bad"
    page.keyboard.press("e")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    assert page.locator("#save").inner_text() == "Save 1 mark"
    page.keyboard.press("n")
    assert not page.locator("#save").is_visible(), "the same again takes it back"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")


def many(videos: int, snippets: int) -> RunContent:
    draw = np.random.default_rng(0)
    template = make_sequence("x", dict.fromkeys(("a", "b", "c", "d"), (2, 6)), seconds=snippets)
    sequences = {
        f"video_{i:04}": replace(
            template, video=f"video_{i:04}", logits=draw.normal(size=(snippets, 4)).astype(np.float32)
        )
        for i in range(videos)
    }
    names = list(sequences)
    found = Segments(
        np.repeat(names, 20),
        np.tile(list("abcd"), videos * 5),
        np.tile(np.arange(20.0), videos),
        np.tile(np.arange(20.0) + 0.5, videos),
        draw.uniform(size=videos * 20),
    )
    return RunContent("many", found, lambda: iter(sequences.values()), tuple(names))


def test_many_videos_open_at_once(tmp_path, opened):
    path = write_page(tmp_path / "page.html", [many(500, 2000)])
    assert path.stat().st_size < 20e6 - BUDGET_BYTES, "with stills, too"
    page = opened(path)
    assert page.locator(".count").inner_text() == "500 of 500"
    assert page.locator("article").count() < 60, "the others are made when they scroll into view"
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    until(page, "document.querySelectorAll('article').length > 40")
    assert page.get_by_text("500 videos").first.is_visible() or page.locator(".card").first.inner_text().startswith(
        "500"
    )


def test_a_run_without_truth_or_with_one_video(tmp_path, opened):
    run = make_run(truth=False)
    page = opened(write_page(tmp_path / "page.html", [replace(run, notes=("No true segments are known.",))]))
    assert page.get_by_text("No true segments are known.").is_visible()
    assert page.locator("#scores").count() == 0
    assert page.locator("article").count() == 3
    one = replace(run, videos=("good",), labels={}, detections=run.detections[run.detections.video == "good"])
    one = replace(one, sequences=lambda: iter([make_sequence("good", {"Run": (2, 6)})]))
    assert names(opened(write_page(tmp_path / "one.html", [one]))) == ["good"]


def test_what_cannot_be_compared_is_refused(tmp_path):
    other = replace(make_run("other"), videos=("elsewhere",))
    with pytest.raises(UsageError, match="no video in common"):
        write_page(tmp_path / "page.html", [make_run(), other])
    with pytest.raises(UsageError, match="one run or two"):
        write_page(tmp_path / "page.html", [])


def test_a_data_set_that_was_moved_is_named_with_what_helps(tmp_path, trained, capsys):
    shutil.copytree(trained / "mine", tmp_path / "elsewhere")
    run = shutil.copytree((trained / "runs/latest").resolve(), tmp_path / "run")
    settings = (run / "settings.toml").read_text()
    (run / "settings.toml").write_text(settings.replace(str(trained / "mine"), str(tmp_path / "gone")))
    page = tmp_path / "page.html"
    assert command(["report", str(run), "--out", str(page)]) == 0
    told = capsys.readouterr().err
    assert "data set is not at hand" in told
    assert "If it was moved: --dataset FOLDER" in told
    assert "If it was moved: --dataset FOLDER" in page.read_text()
    assert '"s":""' in page.read_text(), "no video is linked to"
    assert command(["report", str(run), "--out", str(page), "--dataset", str(tmp_path / "elsewhere")]) == 0
    assert "not at hand" not in capsys.readouterr().err
    assert '"s":"elsewhere/videos/v3.mp4"' in page.read_text()
    assert command(["report", str(run), "--dataset", str(tmp_path / "nowhere")]) != 0
    plot = ["plot", str(run), "--video", "v3", "--out", str(tmp_path / "v3.svg")]
    assert command(plot) == 0
    assert "If it was moved: --dataset FOLDER" in capsys.readouterr().err
    assert command([*plot, "--dataset", str(tmp_path / "elsewhere")]) == 0
    assert "not at hand" not in capsys.readouterr().err
