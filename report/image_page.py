"""The page of an image run, or of two side by side: heat maps and boxes, the worst and the best images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError
from ..core.files import write_atomically
from ..core.messages import Stage, unseen
from ..core.table_text import percent
from ..eval.boxes import BoxTruth, best_iou, paired_interval
from .html import Markup, card, element, jpeg_address, readable, table
from .page import document, page_header

if TYPE_CHECKING:
    import PIL.Image

    from ..image_has.scores import ImageScores
    from ..image_has.settings import HideSettings

SIDES = (200, 280)
"""The long side of a picture lies between these, in pixels."""
_percent = partial(percent, sign=" %")


@dataclass(frozen=True, eq=False)
class ImageRun:
    """What a page shows of one run; all runs of a page are of the same images.

    Attributes:
        name: On the page.
        of: A line about the data and the network.
        names: (N,) the images' paths.
        labels: (N,) the true classes, as people read them.
        told: (N,) the likeliest classes.
        right: (N,) bool, whether that is the true one.
        iou: (N,) of the true class's box with an annotated one; NaN where an image has none.
        scores: Of the run.
        picture: Draws an image with its map and boxes; None where it cannot be read.
        hidden: What was hidden from it in training, for a person.
    """

    name: str
    of: str
    names: Sequence[str]
    labels: Sequence[str]
    told: Sequence[str]
    right: np.ndarray
    iou: np.ndarray
    scores: ImageScores
    picture: Callable[[int], PIL.Image.Image | None]
    hidden: str = ""


def read_image_run(
    folder: Path,
    *,
    dataset: str | None = None,
    data_root: Path = Path("data"),
    device: str = "auto",
    stage: Stage = unseen,
) -> ImageRun:
    """Look at a run's test images, or at those of another data set, through its network.

    Raises:
        ThasError: The run or its images cannot be read.
    """
    from ..image_has.evaluate import ScoredImages, evaluate
    from ..image_has.localizer import Localizer
    from ..image_has.pictures import picture_of

    done = evaluate([folder], images=ScoredImages(dataset=dataset, data_root=data_root), device=device, stage=stage)
    localizer = Localizer.from_run(folder, device=device)
    found = done.predictions
    images = found.table

    def title(label: int) -> str:
        name = images.classes[label] if 0 <= label < len(images.classes) else "nothing"
        return images.titles.get(name, name)

    boxed = [i for i, name in enumerate(images.paths) if name in images.boxes]
    iou = np.full(len(images), np.nan)
    if boxed:
        truth = BoxTruth.from_lists([images.boxes[images.paths[i]].tolist() for i in boxed])
        iou[boxed] = best_iou(found.known_boxes[boxed], truth)
    return ImageRun(
        name=folder.name,
        of=done.of,
        names=images.paths,
        labels=[title(int(label)) for label in images.labels],
        told=[title(int(label)) for label in found.predicted],
        right=found.predicted == images.labels,
        iou=iou,
        scores=done.scores,
        picture=lambda i: picture_of(found, localizer, i, title=False, sides=SIDES),
        hidden=_hidden(localizer.settings.hide),
    )


def _hidden(hide: HideSettings) -> str:
    sizes = [str(size) for size in hide.size if size]
    if not sizes or not hide.probability:
        return "nothing"
    return f"{100 * hide.probability:g} % of cells of {', '.join(sizes)} pixels"


def write_image_page(path: Path, runs: Sequence[ImageRun], *, title: str = "", most: int = 24) -> Path:
    """Write the page of one image run or two.

    Of two runs of the same images the first one says which are worst; `most` of these are shown, and of the best.

    Raises:
        UsageError: The runs are of different images, or not one or two.
        DataError: The file cannot be written.
    """
    if not 1 <= len(runs) <= 2:
        raise UsageError(f"a page shows one run or two, not {len(runs)}", next="thas report RUN RUN_B")
    if any(list(run.names) != list(runs[0].names) for run in runs):
        raise UsageError(
            "the runs were looked at on different images", next="thas report with two runs of one data set"
        )
    title = title or runs[0].of.split(";")[0]
    sections = [page_header(title, [run.name for run in runs], {})]
    for run in runs:
        facts = element("p", f"hidden in training: {run.hidden}", class_="note facts-line") if run.hidden else ""
        sections.append(element("section", element("h2", run.name), facts, _cards(run)))
    if len(runs) == 2:
        sections.append(element("section", _comparison(*runs)))
    sections.append(element("section", element("h2", "Classes"), _classes(runs)))
    worst, best = _chosen(runs[0], most)
    options = [element("option", "all classes", value="")]
    options += [element("option", name, value=readable(name)) for name in sorted(set(runs[0].labels))]
    note = "red: found; green: annotated; the warmer, the more it speaks for the true class"
    sections.append(
        element(
            "section",
            element("h2", "Images"),
            element("div", element("select", *options, id="class", aria_label="class"), class_="filters"),
            element("p", note, class_="note"),
            *(
                element("div", element("h3", heading), element("div", *_figures(runs, rows), class_="sheet"))
                for heading, rows in (("The worst", worst), ("The best", best))
                if rows
            ),
        )
    )
    html = document(title, element("main", *sections), data={}, scripts=("common.js", "images.js"))
    write_atomically(Path(path), html)
    return Path(path)


def _cards(run: ImageRun) -> Markup:
    scores = run.scores
    centred = scores.baselines.get("centred_box")
    span = ""
    if scores.known_hits is not None:
        low, high = paired_interval(scores.known_hits)
        span = f"{100 * low:.1f} to {100 * high:.1f} over other images; the best centred box {_percent(centred)}"
    cards = [
        (str(len(run.names)), "images", f"{scores.images} scored"),
        (_percent(scores.gt_known_loc), f"GT-known Loc at IoU {scores.iou:g}", span),
        (_percent(scores.top1_loc), "Top-1 Loc", "class and box right"),
        (_percent(scores.top1_clas), "Top-1 Clas", "class right"),
    ]
    tone = "" if scores.gt_known_loc is None or centred is None else "good" if scores.gt_known_loc > centred else "bad"
    return element("div", *(card(*one, tone if i == 1 else "") for i, one in enumerate(cards)), class_="cards")


def _comparison(a: ImageRun, b: ImageRun) -> Markup:
    """Whether one run boxes better than the other, on the same images."""
    if a.scores.known_hits is None or b.scores.known_hits is None:
        return Markup("")
    low, high = (100 * value for value in paired_interval(b.scores.known_hits, a.scores.known_hits))
    change = 100 * float(b.scores.known_hits.mean() - a.scores.known_hits.mean())
    real = "a real difference" if low > 0 or high < 0 else "no difference is shown"
    line = f"{b.name} less {a.name}: {change:+.1f} points of GT-known Loc ({low:+.1f} to {high:+.1f}): {real}."
    return element("p", line, class_="verdict")


def _classes(runs: Sequence[ImageRun]) -> Markup:
    labels = np.array(runs[0].labels, dtype=object)
    several = len(runs) > 1
    heading = ["class", "images"]
    for run in runs:
        of = f", {run.name}" if several else ""
        heading += [f"box right{of}", f"class right{of}"]
    rows = []
    for name in sorted(set(labels)):
        mine = labels == name
        row = [name, str(int(mine.sum()))]
        for run in runs:
            iou = run.iou[mine & np.isfinite(run.iou)]
            row += [
                _percent(float((iou > run.scores.iou).mean()) if len(iou) else None),
                _percent(float(run.right[mine].mean())),
            ]
        rows.append(row)
    return table(heading, rows)


def _chosen(run: ImageRun, most: int) -> tuple[list[int], list[int]]:
    """The images whose box fits worst, and best; without annotated boxes those whose class is wrong, and right."""
    known = np.flatnonzero(np.isfinite(run.iou))
    if len(known):
        order = known[np.argsort(run.iou[known], kind="stable")].tolist()
        half = min(most, (len(order) + 1) // 2)
        return order[:half], order[::-1][: min(most, len(order) - half)]
    return np.flatnonzero(~run.right)[:most].tolist(), np.flatnonzero(run.right)[:most].tolist()


def _figures(runs: Sequence[ImageRun], rows: Sequence[int]) -> list[Markup]:
    first = runs[0]
    figures = []
    for i in rows:
        pictures = [_figure(run, i, several=len(runs) > 1) for run in runs]
        words = [
            element("b", first.labels[i], dir="auto"),
            " ",
            element("span", Path(first.names[i]).name, class_="dim"),
        ]
        figures.append(
            element("div", *pictures, element("p", *words), class_="image", data_class=readable(first.labels[i]))
        )
    return figures


def _figure(run: ImageRun, i: int, *, several: bool) -> Markup:
    picture = run.picture(i)
    iou = "" if np.isnan(run.iou[i]) else f"IoU {run.iou[i]:.2f}"
    tone = "good" if run.right[i] else "bad"
    said = [element("span", iou, class_="tag"), element("span", run.told[i], class_=f"tag {tone}", dir="auto")]
    caption = element("figcaption", *([run.name, " "] if several else []), *said)
    if picture is None:
        return element("figure", element("p", "cannot be read", class_="note warn"), caption)
    words = f"{run.labels[i]} with its heat map, taken for {run.told[i]}"
    image = element("img", src=jpeg_address(picture, quality=80), alt=words, loading="lazy").removesuffix("</img>")
    return element("figure", Markup(image), caption)
