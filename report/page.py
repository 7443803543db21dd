"""The page: one file with everything in it, which opens from a disk without network or server."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from .._version import __version__
from ..core.errors import UsageError
from ..core.files import write_atomically
from ..core.messages import Stage, unseen
from ..eval.diagnosis import KINDS, TRUTH_KINDS
from .content import RunContent
from .html import Markup, element, embedded_json, text
from .sections import Scoring, error_section, found_table, overview, score_section, scored
from .stills import make_stills
from .video_data import Judged, judged, videos_object

#: Read and joined in this order.
SCRIPTS = ("data.js", "timeline.js", "marks.js", "card.js", "list.js", "common.js", "main.js")

# Nothing may be fetched but the videos and pictures that lie beside the page.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src 'self' file: data:; media-src 'self' file: blob:"
)


def write_page(
    path: Path,
    runs: Sequence[RunContent],
    *,
    title: str = "",
    draws: int = 500,
    stills: int = 0,
    stage: Stage = unseen,
) -> Path:
    """Write a run's page, or that of two runs on one axis.

    Args:
        path: An HTML file; links to videos are relative to its folder.
        runs: One or two; they must share a video.
        title: Of the page; what the runs are of if empty.
        draws: Of the interval over videos.
        stills: Pictures of each video's surest detections by the first run, shown where the video cannot be played.
        stage: Begins the decoding of these.

    Returns:
        The file.

    Raises:
        UsageError: More than two runs, or two without a common video.
        DataError: The file cannot be written.
    """
    path = Path(path)
    if not 1 <= len(runs) <= 2:
        raise UsageError(f"a page shows one run or two, not {len(runs)}", next="thas report RUN RUN_B")
    if len(runs) == 2:
        runs = _comparable(*runs)
    title = title or f"{runs[0].facts.get('data set', runs[0].name)} {runs[0].facts.get('subset', '')}".strip()
    write_atomically(path, page_html(runs, title=title, beside=path.parent, draws=draws, stills=stills, stage=stage))
    return path


def _comparable(a: RunContent, b: RunContent) -> tuple[RunContent, RunContent]:
    """Both judged by the same truth, on the same videos' terms."""
    if not set(a.videos) & set(b.videos):
        raise UsageError(
            f"{a.name} and {b.name} have no video in common", next="thas report with two runs of one data set"
        )
    if a.name == b.name:
        a, b = replace(a, name=f"{a.name} (A)"), replace(b, name=f"{b.name} (B)")
    return a, replace(b, truth=a.truth, iou=a.iou, protocol=a.protocol)


def page_html(
    runs: Sequence[RunContent],
    *,
    title: str,
    beside: Path,
    draws: int = 500,
    stills: int = 0,
    stage: Stage = unseen,
) -> str:
    """The page's text."""
    chosen = [judged(run) for run in runs]
    pictures: Mapping[str, list[tuple[int, str]]] = {}
    if stills:
        first = chosen[0]
        at_hand = len(set(first.sure.video.tolist()) & first.run.files.keys())
        with stage("taking stills", at_hand, "videos") as advance:
            made = make_stills(first.sure, first.run.files, stills, progress=advance)
        pictures = made.pictures
        chosen[0] = replace(first, run=replace(first.run, notes=(*first.run.notes, *made.notes)))
    scorings = [scored(run, draws=draws) for run in runs]
    timelines = videos_object(chosen, beside=beside)
    for video in timelines["videos"]:
        if video["n"] in pictures:
            video["i"] = pictures[video["n"]]
    data = {
        **timelines,
        "title": title,
        "runs": [run.name for run in runs],
        "iou": runs[0].verdict_iou,
        "truth": runs[0].truth is not None,
        "kinds": list(KINDS.items()),
        "met": list(TRUTH_KINDS),
        "version": __version__,
    }
    seconds = {video["n"]: video["d"] / 100 for video in timelines["videos"]}
    return document(title, _body(title, chosen, scorings, seconds), data=data, scripts=SCRIPTS)


def document(title: str, body: Markup, *, data: Mapping[str, object], scripts: Sequence[str]) -> str:
    """A whole page: style, body, data and scripts in one text."""
    script = "\n".join(_asset(name) for name in scripts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{text(title)} - thas</title>\n<style>\n{_asset('page.css')}</style>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="data">{embedded_json(data)}</script>\n'
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _asset(name: str) -> str:
    return (files(__name__.rpartition(".")[0]) / "assets" / name).read_text(encoding="utf-8")


def _body(title: str, runs: Sequence[Judged], scorings: Sequence[Scoring | None], seconds: dict[str, float]) -> Markup:
    several = len(runs) > 1
    facts = dict(runs[0].run.facts) if not several else {}
    sections: list[object] = [page_header(title, [one.run.name for one in runs], facts)]
    for one, scoring in zip(runs, scorings, strict=True):
        facts = " · ".join(f"{name}: {value}" for name, value in one.run.facts.items())
        heading = [element("h2", one.run.name), element("p", facts, class_="note facts-line")] if several else []
        notes = [element("p", note, class_="note warn") for note in one.run.notes]
        found = found_table(one, scoring, seconds)
        sections.append(
            element(
                "section",
                *heading,
                overview(one, scoring, seconds),
                *notes,
                Markup(f"<details{'' if several else ' open'}><summary>What was found</summary>{found}</details>"),
            )
        )
    sections.append(score_section(runs, scorings))
    for one, scoring in zip(runs, scorings, strict=True):
        if scoring is not None:
            sections.append(error_section(one.run.name, scoring.explanation, several=several))
    sections.append(element("section", element("h2", "Videos"), element("div", id="videos"), id="video-section"))
    sections.append(element("noscript", element("p", "The timelines need JavaScript; the tables above do not.")))
    return element("main", *sections)


def page_header(title: str, names: Sequence[str], facts: dict[str, str]) -> Markup:
    """Title, what the page is of and when it was made, and its buttons."""
    made = time.strftime("%Y-%m-%d %H:%M")
    of = " and ".join(names)
    # A folder is often called "run" itself.
    of = of if re.search(r"\bruns?\b", of) else f"run{'s' if len(names) > 1 else ''} {of}"
    line = f"{of} · made {made} by thas {__version__}"
    words = [line, *(f"{name}: {value}" for name, value in facts.items())]
    buttons = element(
        "div",
        element("button", "Dark", type="button", id="theme", title="light or dark"),
        element("button", "Save marks", type="button", id="save", hidden="", title="download what you marked"),
        element("button", "Keys", type="button", id="keys", title="keyboard: ?"),
        class_="buttons",
    )
    return element("header", element("div", element("h1", title, dir="auto"), element("p", " · ".join(words))), buttons)
