"""Every protocol against a plain program after its source, on detections full of ties and borderline overlaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import shared_data
from thas.annotators.annotation_files import read_annotations
from thas.core.segments import Segments
from thas.eval import PROTOCOLS, Annotations, evaluate
from thas.eval.average_precision import average_precision
from thas.eval.detections import read_detections
from thas.eval.preparation import prepare
from thas.eval.ranking import rank
from thas.eval.thumos14 import VIDEO_LISTS, thumos14_videos


def span_iou(a, b):
    inside = min(a[1], b[1]) - max(a[0], b[0])
    return inside / (max(a[1], b[1]) - min(a[0], b[0])) if inside > 0 else 0.0


def plain_thumos(rows, truth, ambiguous, threshold, *, eleven):
    """One class. Videos by name; each ground truth in turn takes the free detection it overlaps most."""
    hits, misses, mixed = [], [], []
    for video in sorted({row[0] for row in rows}):
        own = sorted((row for row in rows if row[0] == video), key=lambda row: -row[3])  # stable
        free = [True] * len(own)
        for action in (row for row in truth if row[0] == video):
            overlaps = [span_iou(action[1:3], row[1:3]) if free[i] else -1 for i, row in enumerate(own)]
            best = int(np.argmax(overlaps))
            if overlaps[best] > threshold:
                free[best] = False
        for i, row in enumerate(own):
            touched = any(span_iou(other[1:3], row[1:3]) > 0 for other in ambiguous if other[0] == video)
            if not free[i]:
                hits.append((row[3], True))
                mixed.append((row[3], True))
            elif not touched:
                misses.append((row[3], False))
                mixed.append((row[3], False))
    ranked = sorted(hits + misses if eleven else mixed, key=lambda pair: -pair[0])
    flags = np.array([flag for _, flag in ranked], dtype=bool)
    if not flags.any():
        return 0.0
    precision, recall = flags.cumsum() / np.arange(1, len(flags) + 1), flags.cumsum() / len(truth)
    if not eleven:
        return precision[flags].sum() / len(truth)
    points = [0.0, 0.1, 0.2, 3 * 0.1, 0.4, 0.5, 1 - 0.4, 1 - 3 * 0.1, 0.8, 0.9, 1.0]
    return sum(max(precision[recall >= point], default=0.0) for point in points) / 11


def plain_wtalc(rows, truth, ambiguous, threshold):
    """One class, on sets of snippets; a detection takes the first listed action that passes."""

    def snippets(row):
        return set(range(round(row[1] * 25 / 16), round(row[2] * 25 / 16)))

    def iou(a, b):
        union = snippets(a) | snippets(b)
        return len(snippets(a) & snippets(b)) / len(union) if union else 0.0

    kept = [row for row in rows if not any(o[0] == row[0] and iou(o, row) > 0 for o in ambiguous)]
    left, flags = list(truth), []
    for row in sorted(kept, key=lambda row: (-row[3], row[0], row[1], row[2])):
        taken = next((action for action in left if action[0] == row[0] and iou(action, row) >= threshold), None)
        if taken is not None:
            left.remove(taken)
        flags.append(taken is not None)
    found = np.array(flags, dtype=bool)
    return (found.cumsum() / np.arange(1, len(found) + 1))[found].sum() / len(truth) if found.any() else 0.0


names = st.sampled_from(["u", "v"])
times = st.tuples(st.integers(0, 12), st.integers(0, 6)).map(lambda t: (float(t[0]), float(t[0] + t[1])))
found_rows = st.lists(st.tuples(names, times, st.integers(1, 4)).map(lambda r: (r[0], *r[1], r[2] / 4)), max_size=20)
true_rows = st.lists(st.tuples(names, times).map(lambda r: (r[0], *r[1])), min_size=1, max_size=8)
doubtful = st.lists(st.tuples(names, times).map(lambda r: (r[0], *r[1])), max_size=2)


def tables(rows, truth, ambiguous):
    def columns(values, label):
        videos, starts, ends = list(zip(*[row[:3] for row in values], strict=True)) or [(), (), ()]
        return videos, [label] * len(values), starts, ends

    detections = Segments(*columns(rows, "a"), [row[3] for row in rows])
    return detections, Annotations(
        Segments(*columns(truth, "a")), ("a",), ignored=Segments(*columns(ambiguous, "Ambiguous"))
    )


@settings(max_examples=150)
@given(found_rows, true_rows, doubtful, st.sampled_from([0.1, 0.25, 0.5]))
@pytest.mark.parametrize("eleven", [False, True])
def test_thumos14_as_its_program(eleven, rows, truth, ambiguous, threshold):
    name = "thumos14-11point" if eleven else "thumos14"
    detections, annotations = tables(rows, truth, ambiguous)
    ours = evaluate(detections, annotations, iou=[threshold], protocol=name).ap[0, 0]
    assert ours == pytest.approx(plain_thumos(rows, truth, ambiguous, threshold, eleven=eleven), abs=1e-12)


@settings(max_examples=150)
@given(found_rows, true_rows, doubtful, st.sampled_from([0.1, 0.25, 0.5]))
def test_wtalc_as_its_program(rows, truth, ambiguous, threshold):
    detections, annotations = tables(rows, truth, ambiguous)
    protocol = PROTOCOLS["wtalc"]
    prepared = prepare(detections, annotations, protocol=protocol)
    ours = average_precision(rank(prepared, thresholds=[threshold], protocol=protocol))[0, 0]
    assert ours == pytest.approx(plain_wtalc(rows, truth, ambiguous, threshold), abs=1e-12)


def test_the_third_recall_point_is_matlabs():
    # Recall 3/10 is 0.3, below MATLAB's 3 * 0.1: the point at 0.3 is not reached.
    truth = [("u", 10.0 * i, 10.0 * i + 5) for i in range(10)]
    detections, annotations = tables([(*row, 1.0) for row in truth[:3]], truth, [])
    scores = evaluate(detections, annotations, iou=[0.5], protocol="thumos14-11point")
    assert scores.ap[0, 0] == pytest.approx(3 / 11)


def test_the_protocols_differ_on_real_detections():
    golden = shared_data("golden")
    truth = read_annotations(shared_data("thumos14") / "annotations").subset("test")
    detections = read_detections(golden / "scnn_iou0.5.json")
    values = [evaluate(detections, truth, iou=[0.1], protocol=name).map[0] for name in PROTOCOLS]
    assert max(values) - min(values) > 0.1


def test_thumos14s_lists_of_videos():
    truth = read_annotations(shared_data("thumos14") / "annotations")
    lists = {name: set(thumos14_videos(name, truth)) for name in VIDEO_LISTS}
    for name, videos in lists.items():
        assert len(videos) == int(name.removeprefix("thumos14-"))
    assert lists["thumos14-213"] - lists["thumos14-212"] == {"video_test_0001292"}
    assert lists["thumos14-213"] - lists["thumos14-211"] == {"video_test_0000270", "video_test_0001496"}
    assert lists["thumos14-210"] == lists["thumos14-211"] & lists["thumos14-212"]
