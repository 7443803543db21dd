"""Tables as Markdown, LaTeX and HTML, for papers, issues and notebooks; every cell is taken as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table

Form = Literal["markdown", "latex"]
SegmentRow = tuple[str, str, float, float, *tuple[float, ...]]
"""A row of `Segments`: video, label, start and end in seconds and, of detections, the score."""
BoxRow = tuple[str, str, float, float, float, float, *tuple[float, ...]]
"""A row of `Boxes`: image, label, x0, y0, x1, y1 and, of detections, the score."""

_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
    **{character: "\\" + character for character in "&%$#_{}"},
}  # fmt: skip


def table_text(heading: Sequence[str], rows: Iterable[Sequence[str]], *, form: Form) -> str:
    r"""A table whose first column is text and whose others are numbers; LaTeX's lines are those of booktabs.

    >>> print(table_text(["IoU", "0.5"], [["a|b", "1.0"]], form="markdown"), end="")
    | IoU | 0.5 |
    |:---|---:|
    | a\|b | 1.0 |
    """
    return (_markdown if form == "markdown" else _latex)(list(heading), [list(row) for row in rows])


def _markdown(heading: list[str], rows: list[list[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        plain = (re.sub(r"([\\|<>*_`])", r"\\\1", " ".join(cell.split())) for cell in cells)
        return "| " + " | ".join(plain) + " |\n"

    return line(heading) + "|:---" + "|---:" * (len(heading) - 1) + "|\n" + "".join(map(line, rows))


def _latex(heading: list[str], rows: list[list[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        plain = ("".join(_LATEX.get(letter, letter) for letter in " ".join(cell.split())) for cell in cells)
        return " & ".join(plain) + r" \\" + "\n"

    head = r"\begin{tabular}{l" + "r" * (len(heading) - 1) + "}\n\\toprule\n" + line(heading) + "\\midrule\n"
    return head + "".join(map(line, rows)) + "\\bottomrule\n\\end{tabular}\n"


def percent(value: float | None, digits: int = 1, *, sign: str = "") -> str:
    """A fraction in per cent, with a sign behind it if given; a dash where there is none.

    >>> percent(0.125), percent(0.5, 0, sign=" %"), percent(None, sign=" %")
    ('12.5', '50 %', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}{sign}"


def rich_table(texts: Sequence[str], numbers: Sequence[str], *, title: str = "") -> Table:
    """A table for the terminal with columns of texts, then of numbers, and no rows yet."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def of_rich(table: Table) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table for the terminal, as plain text."""
    from rich.text import Text

    columns = [[Text.from_markup(str(cell)).plain.strip() for cell in column._cells] for column in table.columns]
    heading = [Text.from_markup(str(column.header)).plain for column in table.columns]
    return heading, [list(row) for row in zip(*columns, strict=True)]


def table_html(heading: Sequence[str], rows: Iterable[Sequence[str]], *, note: str = "") -> str:
    """A table for a notebook.

    >>> table_html(["label"], [["<b>"]])
    '<table><thead><tr><th>label</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """

    def line(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(_readable(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    table = f"<table><thead>{line(heading, 'th')}</thead><tbody>{body}</tbody></table>"
    return table + (f"<p>{escape(_readable(note))}</p>" if note else "")


def timeline_svg(rows: Iterable[SegmentRow], *, most_videos: int = 5) -> str:
    """Segments of the first few videos as bars over time, a row a video and label, for a notebook.

    Args:
        rows: Video, label, start and end in seconds and, of detections, score, as a `Segments` iterates.
        most_videos: That are drawn.
    """
    colours = ("#2468b2", "#c65a00", "#1b7a4b", "#7a4fa0", "#8a6d00", "#a02c4b")
    videos: dict[str, dict[str, list[tuple[float, ...]]]] = {}
    for video, label, *rest in rows:
        videos.setdefault(video, {}).setdefault(label, []).append(tuple(rest))
    labels = sorted({label for own in videos.values() for label in own})
    parts: list[str] = []
    y = 0
    for video, own in list(videos.items())[:most_videos]:
        end = max(1e-9, *(row[1] for mine in own.values() for row in mine))
        parts.append(f'<text x="0" y="{y + 12}" font-weight="bold">{escape(_readable(video))}</text>')
        y += 18
        for label, mine in sorted(own.items()):
            parts.append(f'<text x="0" y="{y + 11}">{escape(_readable(label[:24]))}</text>')
            for start, stop, *score in mine:
                left, wide = 170 + 460 * start / end, max(460 * (stop - start) / end, 1)
                said = f"{start:.2f} to {stop:.2f} s" + (f", score {score[0]:.3g}" if score else "")
                colour = colours[labels.index(label) % len(colours)]
                place = f'x="{left:.1f}" y="{y + 2}" width="{wide:.1f}" height="11"'
                parts.append(f'<rect {place} fill="{colour}" fill-opacity="0.7"><title>{said}</title></rect>')
            y += 16
        parts.append(
            f'<text x="170" y="{y + 10}">0 s</text><text x="630" y="{y + 10}" text-anchor="end">{end:.1f} s</text>'
        )
        y += 20
    style = 'font-size="11" font-family="sans-serif" fill="currentColor"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{y}" {style}>{"".join(parts)}</svg>' if y else ""
    )


def boxes_svg(rows: Iterable[BoxRow], *, most_images: int = 4) -> str:
    """Boxes of the first few images, drawn to scale on a sheet as far as they reach, for a notebook.

    Args:
        rows: Image, label, x0, y0, x1, y1 and, of detections, score, as `Boxes` iterates.
        most_images: That are drawn.
    """
    images: dict[str, list[BoxRow]] = {}
    for row in rows:
        images.setdefault(row[0], []).append(row)
    parts: list[str] = []
    for i, (image, own) in enumerate(list(images.items())[:most_images]):
        scale = 140 / max(1e-9, *(max(row[4], row[5]) for row in own))
        left = 160 * i
        parts.append(f'<text x="{left}" y="12">{escape(_readable(image[-22:]))}</text>')
        parts.append(
            f'<rect x="{left}" y="18" width="142" height="142" fill="none" stroke="currentColor" opacity="0.3"/>'
        )
        for _, label, x0, y0, x1, y1, *score in own:
            said = escape(_readable(label)) + (f", score {score[0]:.3g}" if score else "")
            place = f'x="{left + x0 * scale:.1f}" y="{18 + y0 * scale:.1f}"'
            size = f'width="{(x1 - x0) * scale:.1f}" height="{(y1 - y0) * scale:.1f}"'
            box = f'<rect {place} {size} fill="#2468b2" fill-opacity="0.15" stroke="#2468b2">'
            parts.append(f"{box}<title>{said}</title></rect>")
    style = 'font-size="11" font-family="sans-serif" fill="currentColor"'
    width = 160 * min(len(images), most_images)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="164" {style}>{"".join(parts)}</svg>'
        if parts
        else ""
    )


def _readable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
