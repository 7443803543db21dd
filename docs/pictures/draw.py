"""The pictures of the documents, from drawn data: python docs/pictures/draw.py writes them beside this file."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

INK, TRUE, FOUND, GREY, PAPER = "#24424a", "#2a9d8f", "#e07a3f", "#b9c4c7", "#ffffff"
# Constant names and ids: drawing again gives the same bytes.
matplotlib.rcParams.update({"svg.hashsalt": "thas", "font.size": 11, "svg.fonttype": "path", "text.color": INK})


def figure(height: float) -> tuple[Figure, Axes]:
    """A white picture of this height in inches."""
    made, axes = plt.subplots(figsize=(8, height), facecolor=PAPER)
    axes.axis("off")
    return made, axes


def bar(axes: Axes, start: float, end: float, y: float, colour: str, text: str = "", height: float = 0.6) -> None:
    """A bar from start to end."""
    axes.add_patch(Rectangle((start, y), end - start, height, facecolor=colour, edgecolor=PAPER))
    axes.text((start + end) / 2, y + height / 2, text, ha="center", va="center", color="white", fontsize=10)


def name(axes: Axes, x: float, y: float, text: str) -> None:
    """What a row is, at its left."""
    axes.text(x, y, text, ha="right", va="center")


def sequence() -> Figure:
    """Truth, activation with its level, detections."""
    made, axes = figure(2.9)
    seconds = np.linspace(0, 20, 400)
    curve = np.exp(-(((seconds - 4.5) / 1.5) ** 2)) + 0.8 * np.exp(-(((seconds - 13) / 2) ** 4))
    curve += 0.05 * np.sin(3 * seconds) + 0.08
    axes.plot(seconds, 1 + 1.6 * curve, color=INK, linewidth=2)
    axes.hlines(1 + 1.6 * 0.5, 0, 20, colors=FOUND, linestyles="dashed")
    for start, end in ((3, 6), (11, 15.4)):
        bar(axes, start, end, 3.3, TRUE, "run")
    above = np.flatnonzero(np.diff((curve > 0.5).astype(int)))
    for start, end, score in zip(seconds[above[::2]], seconds[above[1::2]], ("0.9", "0.7"), strict=True):
        bar(axes, start, end, 0, FOUND, score)
    for y, text in ((3.6, "truth"), (1.9, "activation"), (0.3, "found")):
        name(axes, -0.3, y, text)
    axes.set_xlim(-3.2, 20.3)
    axes.set_ylim(-0.2, 4.1)
    return made


def snippets() -> Figure:
    """Frames, clips, vectors."""
    made, axes = figure(2.4)
    for i in range(14):
        bar(axes, i, i + 0.92, 3, GREY, str(i))
    for i in range(4):
        bar(axes, 3 * i, 3 * i + 3.92, 2.1 if i % 2 else 1.4, TRUE, f"clip {i}", height=0.55)
        bar(axes, 3 * i + 0.9, 3 * i + 3.1, -0.1, INK, f"snippet {i}", height=0.5)
    axes.annotate("", (3, 0.95), (0, 0.95), arrowprops={"arrowstyle": "<->", "color": FOUND})
    axes.text(1.5, 0.72, "stride", ha="center", va="center", color=FOUND, fontsize=9)
    for y, text in ((3.3, "frames"), (2.0, "clips"), (0.15, "vectors")):
        name(axes, -0.3, y, text)
    axes.set_xlim(-2.4, 14)
    axes.set_ylim(-0.2, 3.7)
    return made


def hiding() -> Figure:
    """What is shown of one video in four rounds of training, and at test time."""
    made, axes = figure(2.4)
    draw = np.random.default_rng(3)
    for row in range(5):
        for segment in range(10):
            hidden = row > 0 and draw.random() < 0.4
            for x in range(segment * 4, segment * 4 + 4):
                bar(axes, x, x + 0.95, row, GREY if hidden else FOUND if 17 <= x <= 24 else TRUE, height=0.75)
        name(axes, -0.5, row + 0.37, "test" if row == 0 else f"epoch {5 - row}")
    axes.set_xlim(-6, 40)
    axes.set_ylim(-0.1, 5)
    return made


def iou() -> Figure:
    """Two intervals, what they share and what either covers."""
    made, axes = figure(1.9)
    bar(axes, 2, 10, 2, TRUE, "true: 2 to 10 s")
    bar(axes, 5, 12, 1.3, FOUND, "found: 5 to 12 s")
    for start, end, y, text in ((5, 10, 0.85, "both: 5 s"), (2, 12, 0.2, "either: 10 s")):
        axes.annotate("", (end, y), (start, y), arrowprops={"arrowstyle": "|-|", "color": INK})
        axes.text((start + end) / 2, y + 0.12, text, ha="center", fontsize=9)
    axes.text(13, 1.5, "IoU = 5 / 10 = 0.5", va="center")
    axes.set_xlim(0, 18)
    axes.set_ylim(0, 2.8)
    return made


def way() -> Figure:
    """The way of the data and the room of each step."""
    made, axes = figure(1.5)
    stations = {
        "video": "datasets/",
        "frames": "features/",
        "features": "features/",
        "sequence": "temporal_has/",
        "segments": "temporal_has/",
        "scores": "eval/",
    }
    for i, (station, room) in enumerate(stations.items()):
        axes.add_patch(Rectangle((i * 3, 0.8), 2.2, 0.9, facecolor=TRUE, edgecolor="none"))
        axes.text(i * 3 + 1.1, 1.25, station, ha="center", va="center", color="white")
        axes.text(i * 3 + 1.1, 0.4, room, ha="center", va="center", fontsize=9)
        if i:
            ends = (i * 3 - 0.75, 1.25), (i * 3 - 0.05, 1.25)
            axes.add_patch(FancyArrowPatch(*ends, arrowstyle="->", mutation_scale=12, color=INK))
    axes.set_xlim(-0.2, 17.4)
    axes.set_ylim(0, 2)
    return made


PICTURES = {"sequence": sequence, "snippets": snippets, "hiding": hiding, "iou": iou, "way": way}


def main(folder: Path = Path(__file__).parent) -> None:
    """Write all pictures."""
    for called, draw in PICTURES.items():
        made = draw()
        made.savefig(folder / f"{called}.svg", bbox_inches="tight", metadata={"Date": None})
        plt.close(made)


if __name__ == "__main__":
    main()
