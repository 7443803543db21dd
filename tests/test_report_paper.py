"""The page without a mouse, and on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from thas.report import page as pages
from thas.report.page import write_page

from .report_data import make_run, make_sequence, until


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["A"], "run A · made"),
        (["run"], "run · made"),
        (["my run"], "my run · made"),
        (["A", "B"], "runs A and B · made"),
        (["run_1"], "run run_1 · made"),
    ],
)
def test_the_header_names_its_runs_once(names, words):
    assert f"<p>{words}" in pages.page_header("title", names, {})


def ring(page):
    return page.evaluate("getComputedStyle(document.activeElement).outlineStyle + document.activeElement.tagName")


def test_a_timeline_and_its_rows_need_no_mouse(tmp_path, opened):
    page = opened(write_page(tmp_path / "page.html", [make_run()]))
    page.focus("#candidates")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # Correct, then the timeline
    assert ring(page) == "solidCANVAS"
    line = page.locator("canvas").first
    assert line.get_attribute("role") == "slider"
    now = lambda: line.get_attribute("aria-valuetext")  # noqa: E731
    page.keyboard.press("ArrowRight")
    assert now() == "00:01.0"
    page.keyboard.press("Enter")
    assert now() == "00:02.0 Run", "the next detection"
    page.keyboard.press("Enter")
    assert now().startswith("00:15.0")
    page.keyboard.press("Enter")
    assert now() == "00:02.0 Run", "and from the last one to the first"
    page.keyboard.press("ArrowLeft")
    assert now() == "00:01.0"
    page.keyboard.press("e")
    page.keyboard.press("Tab")
    assert ring(page) == "solidDIV"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert now().startswith("00:15.0")
    assert page.evaluate("document.activeElement.dataset.index") == "1", "the row keeps the focus"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert now() == "00:02.0 Run"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className") == "go", "a button stays a button"


def several(count):
    run = make_run(truth=False)
    names = [f"v{i:03}" for i in range(count)]
    nothing = run.detections[run.detections.video == "none"]
    return replace(
        run,
        videos=tuple(names),
        labels={},
        detections=nothing,
        sequences=lambda: (make_sequence(name, {"Run": (2, 6)}) for name in names),
    )


def test_paper_is_light_has_all_cards_and_no_controls(tmp_path, opened):
    page = opened(write_page(tmp_path / "page.html", [several(60)]), scheme="dark")
    page.locator("details").first.evaluate("one => one.open = false")
    assert page.locator("article").count() < 60
    dark = page.evaluate("getComputedStyle(document.body).color")
    page.emulate_media(media="print", color_scheme="dark")
    until(page, "document.querySelectorAll('article').length === 60")
    for control in ("button", "input", "select", ".legend + button"):
        assert page.locator(f"{control}:visible").count() == 0, control
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") != dark
    assert page.evaluate("[...document.querySelectorAll('canvas')].every((one) => one.width > 300)"), "all are drawn"
    assert page.locator("table").first.is_visible(), "nothing stays folded"
    page.emulate_media(media="screen", color_scheme="dark")
    until(page, "document.documentElement.dataset.theme === 'dark'")
    assert page.evaluate("getComputedStyle(document.body).color") == dark
    assert not page.locator("table").first.is_visible()


def test_thousands_are_not_printed_and_that_is_said(tmp_path, opened):
    path = write_page(tmp_path / "page.html", [several(60)])
    path.write_text(path.read_text().replace("const PAPER = 500;", "const PAPER = 48;"))
    page = opened(path)
    page.emulate_media(media="print")
    page.get_by_text("12 more videos are not printed").wait_for()
    assert page.locator("article").count() == 48
