"""Runs drawn by hand for the tests of pages, tables and clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from thas.core.segments import Segments
from thas.eval.annotations import Annotations
from thas.report.content import RunContent
from thas.temporal_has.activation import ClassActivationSequence

ODD = "<script>alert(1)</script>"
HEBREW = 'שלום "quoted" 🏊'


def until(page, condition: str) -> None:
    """Wait for a condition; playwright's own way of waiting is refused by the page's policy."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"it never came true: {condition}")


def make_sequence(
    video: str, places: Mapping[str, tuple[float, float]], *, seconds: int = 20
) -> ClassActivationSequence:
    """Activation 3 where a class is said to be, 0 elsewhere; a snippet a second."""
    classes = tuple(places)
    starts = np.arange(float(seconds))
    logits = np.zeros((seconds, len(classes)), dtype=np.float32)
    for c, (start, end) in enumerate(places.values()):
        logits[(starts >= start) & (starts < end), c] = 3.0
    top = logits.max(axis=0)
    return ClassActivationSequence(
        video, logits, top, top / max(top.sum(), 1e-9), starts, starts + 1, float(seconds), classes
    )


def make_run(name: str = "first", *, files: Mapping[str, Path] | None = None, truth: bool = True) -> RunContent:
    """Three videos: one all right, one too short and one false, and one with an odd name that was missed.

    good    Run true 2 to 6, found 2 to 6 (0.9)
    bad     Run true 2 to 12, found 2 to 5 (0.8); Dive found 15 to 18 (0.4)
    <odd>   Dive true 4 to 8, nothing found
    """
    nothing = (0.0, 0.0)
    sequences = {
        "good": make_sequence("good", {"Run": (2, 6), HEBREW: nothing}),
        "bad": make_sequence("bad", {"Run": (2, 5), HEBREW: (15, 18)}),
        ODD: make_sequence(ODD, {"Run": nothing, HEBREW: (1, 2)}),
    }
    found = Segments(
        ["good", "bad", "bad", "good"],
        ["Run", "Run", HEBREW, "Run"],
        [2, 2, 15, 3],
        [6, 5, 18, 5],
        [0.9, 0.8, 0.4, 0.7],
    )
    true = Annotations(
        Segments(["good", "bad", ODD], ["Run", "Run", HEBREW], [2, 2, 4], [6, 12, 8]),
        ("Run", HEBREW),
        dict.fromkeys(sequences, 20.0),
        dict.fromkeys(sequences, "test"),
    )
    return RunContent(
        name=name,
        detections=found,
        sequences=lambda: iter(sequences.values()),
        videos=tuple(sequences),
        threshold=(0.5,),
        labels={"good": ("Run",), "bad": ("Run",), ODD: (HEBREW,)},
        files=files or {},
        truth=true if truth else None,
    )
