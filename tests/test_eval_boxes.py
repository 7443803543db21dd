"""Boxes in images: cases drawn by hand, the sweep against one labelling a threshold, PxAP, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from tests.conftest import shared_data
from thas.core.errors import DataError
from thas.eval import BoxTruth, PixelCounts, localization_scores, swept_scores
from thas.eval.boxes import best_iou, blind_boxes, box_iou, localization_hits, paired_interval
from thas.eval.components import components
from thas.eval.swept_maps import swept_iou

THRESHOLDS = np.arange(10) / 10


def test_iou_of_boxes():
    #  a 4x2 box and one shifted by half its width
    assert box_iou(np.array([0, 0, 4, 2]), np.array([2, 0, 6, 2])) == pytest.approx(1 / 3)
    assert box_iou(np.array([0, 0, 4, 2]), np.array([4, 0, 6, 2])) == 0
    assert box_iou(np.array([1, 1, 1, 1]), np.array([1, 1, 1, 1])) == 0


def test_any_box_of_an_image_may_be_hit():
    truth = BoxTruth.from_lists([[[0, 0, 2, 2], [5, 5, 9, 9]], [[0, 0, 1, 1]]])
    assert best_iou(np.array([[5, 5, 9, 9], [0, 0, 2, 1]]), truth).tolist() == [1.0, 0.5]
    swept = best_iou(np.array([[[5, 5, 9, 9], [0, 0, 2, 2]], [[0, 0, 1, 1], [8, 8, 9, 9]]]), truth)
    assert swept.tolist() == [[1.0, 1.0], [1.0, 0.0]]


def test_scores_at_a_fixed_threshold():
    truth = BoxTruth.from_lists([[[0, 0, 10, 10]]] * 4)
    hit, miss, edge = [0, 0, 10, 9], [0, 0, 3, 3], [0, 0, 10, 5]
    scores = localization_scores(
        np.array([hit, hit, miss, hit]),
        np.array([hit, hit, hit, edge]),
        predicted=["cat", "dog", "cat", "cat"],
        true=["cat"] * 4,
        truth=truth,
        sizes=np.full((4, 2), 10),
    )
    assert (scores.top1_loc, scores.gt_known_loc, scores.top1_clas) == (0.5, 0.75, 0.75)  # IoU 0.5 is no hit
    assert scores.whole_image == 1.0


def test_blind_boxes():
    truth = BoxTruth.from_lists([[[25, 40, 75, 60]]] * 3 + [[[0, 0, 100, 100]]])
    whole, centred, (tall, wide) = blind_boxes(truth, np.full((4, 2), 100))
    assert (whole, centred) == (0.25, 0.75)
    centred_box = np.array([50 - 50 * wide, 50 - 50 * tall, 50 + 50 * wide, 50 + 50 * tall])
    assert box_iou(centred_box, truth.box[0]) > 0.5 - 1e-9


def test_blind_boxes_of_real_images_as_measured_before():
    import csv

    folder = shared_data("imagenette-128")
    boxes: dict[str, list[list[float]]] = {}
    with (folder / "boxes.csv").open() as file:
        for row in csv.DictReader(file):
            boxes.setdefault(row["image"], []).append([float(row[name]) for name in ("x0", "y0", "x1", "y1")])
    sizes = np.full((len(boxes), 2), 128)
    whole, centred, _ = blind_boxes(BoxTruth.from_lists([own[:1] for own in boxes.values()]), sizes)
    assert (whole, centred) == (0.364, 0.504)  # measured with the first box of each image alone
    whole_of_any, centred_of_any, _ = blind_boxes(BoxTruth.from_lists(list(boxes.values())), sizes)
    assert whole_of_any > whole
    assert centred_of_any > centred


#  two parts: the higher one small, the lower one large
TWO_PARTS = np.zeros((1, 8, 8))
TWO_PARTS[0, 0:2, 0:2] = 1.0
TWO_PARTS[0, 4:8, 3:8] = 0.45


def test_the_largest_part_counts_and_any_part_under_v2():
    truth = BoxTruth.from_lists([[[0, 0, 2, 2]]])
    largest, any_part = swept_iou(TWO_PARTS, truth, sizes=np.array([[8, 8]]), thresholds=np.array([0.2, 0.6]))
    assert largest.tolist() == [[0.0, 1.0]]
    assert any_part.tolist() == [[1.0, 1.0]]


def test_swept_scores_take_the_best_threshold():
    truth = BoxTruth.from_lists([[[0, 0, 20, 20]]])
    scores = swept_scores(TWO_PARTS, truth, sizes=np.array([[80, 80]]))
    assert scores.max_box_acc == 1.0
    assert 0.45 <= scores.best_threshold < 1
    assert scores.v2 == (1.0, 1.0, 1.0)
    assert scores.max_box_acc_v2 == 1.0
    assert scores.curve[0] == 0.0


def test_a_flat_map_is_the_whole_image():
    truth = BoxTruth.from_lists([[[0, 0, 6, 4]]])
    for value in (0.0, 3.0):
        largest, _ = swept_iou(np.full((1, 2, 3), value), truth, sizes=np.array([[4, 6]]), thresholds=THRESHOLDS)
        assert (largest == 1).all()


def test_parts_that_touch_at_a_corner_are_one():
    found = components(np.array([[[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]]), np.array([0.5]))
    assert found.box.tolist() == [[0, 0, 2, 2]]
    assert found.area.tolist() == [2]


shapes = st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7))
# Few values, so that parts of equal size, holes and flat maps occur.
maps = shapes.flatmap(lambda shape: arrays.arrays(np.float64, shape, elements=st.integers(-2, 3).map(float)))


@settings(max_examples=120)
@given(maps, st.sampled_from(["range", "max"]))
def test_the_same_as_one_labelling_a_threshold(drawn, scale):
    found = components(drawn, THRESHOLDS, scale=scale)
    for i, one in enumerate(drawn):
        low, high = one.min() if scale == "range" else 0.0, one.max()
        for k, threshold in enumerate(THRESHOLDS):
            silent = high <= low or one.min() == high
            above = np.ones(one.shape, bool) if silent else one > low + threshold * (high - low)
            parts, count = ndimage.label(above, np.ones((3, 3)))
            expected = sorted(
                (columns.start, rows.start, columns.stop, rows.stop, int((parts == p + 1).sum()))
                for p, (rows, columns) in enumerate(ndimage.find_objects(parts))
            )
            own = (found.map == i) & (found.threshold == k)
            boxes = zip(found.box[own].tolist(), found.area[own].tolist(), strict=True)
            assert sorted((*box, area) for box, area in boxes) == expected
            main = np.flatnonzero(own & found.first)
            assert len(main) == 1
            sizes = np.bincount(parts.ravel())[1:]
            rows, columns = ndimage.find_objects(parts)[int(sizes.argmax())]
            assert found.box[main[0]].tolist() == [columns.start, rows.start, columns.stop, rows.stop]
            assert count == own.sum()


def test_no_maps_have_no_parts():
    none = components(np.zeros((0, 4, 5)), np.array([0.2, 0.5]))
    assert [len(column) for column in (none.map, none.threshold, none.box, none.area, none.first)] == [0] * 5


def test_pixel_precision():
    counts = PixelCounts(steps=10)
    #  by falling score: object, background, object, (not counted)
    counts.add(np.array([[0.95, 0.85, 0.75, 0.99]]), np.array([[1, 0, 1, 255]]))
    assert counts.average_precision() == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@pytest.mark.parametrize(("scores", "value"), [([1, 0], 1.0), ([1, 1], 0.5), ([0, 1], 0.5), ([0, 0], 0.5)])
def test_the_surest_and_the_least_sure_pixel_count(scores, value):
    counts = PixelCounts(steps=10)
    counts.add(np.array([scores]), np.array([[1, 0]]))
    assert counts.average_precision() == value


def test_pixels_gathered_in_batches_are_the_same():
    generator = np.random.default_rng(0)
    maps, masks = generator.random((4, 9, 9)), generator.integers(0, 2, (4, 9, 9))
    whole, parts = PixelCounts(), PixelCounts()
    whole.add(maps, masks)
    for one, mask in zip(maps, masks, strict=True):
        parts.add(one, mask)
    assert whole.average_precision() == parts.average_precision()
    assert whole.average_precision() == pytest.approx(masks.mean(), abs=0.1)


def test_intervals():
    generator = np.random.default_rng(1)
    hits = generator.random(400) < 0.6
    low, high = paired_interval(hits)
    assert low < hits.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.24 / 400), rel=0.15)
    worse = hits & (generator.random(400) < 0.8)
    low, high = paired_interval(hits, worse)
    assert 0 < low < hits.mean() - worse.mean() < high


BAD = [
    (lambda: BoxTruth.from_lists([[[5, 0, 1, 1]]]), "box 0 is not a box"),
    (lambda: BoxTruth.from_lists([[[0, 0, 1, float("nan")]]]), "box 0 is not a box"),
    (lambda: BoxTruth.from_lists([[[0, 0, 1, 1]], []]), "image 1 has no box"),
    (lambda: BoxTruth([2], [[0, 0, 1, 1]], images=2), "image 2 of 2"),
    (lambda: BoxTruth([0, 1], [[0, 0, 1, 1]], images=2), "1 box names 2 images"),
    (
        lambda: best_iou(np.zeros((3, 4)), BoxTruth.from_lists([[[0, 0, 1, 1]]])),
        "boxes are of 3 images, the truth",
    ),
    (
        lambda: swept_scores(
            np.full((1, 2, 2), np.nan), BoxTruth.from_lists([[[0, 0, 1, 1]]]), sizes=np.array([[2, 2]])
        ),
        "map 0 holds NaN",
    ),
    (lambda: swept_scores(np.zeros((2, 2)), BoxTruth.from_lists([[[0, 0, 1, 1]]]), sizes=np.array([[2, 2]])), "shape"),
    (lambda: PixelCounts().add(np.array([[2.0]]), np.array([[1]])), "0 to 1"),
    (lambda: PixelCounts().add(np.array([[0.5]]), np.array([[7]])), "holds 7"),
    (lambda: PixelCounts().add(np.array([[0.5]]), np.array([1])), "do not fit"),
    (lambda: PixelCounts().average_precision(), "no mask"),
]


@pytest.mark.parametrize(("job", "message"), BAD)
def test_bad_input_is_named(job, message):
    with pytest.raises(DataError, match=message):
        job()


def test_networks_that_agree_make_the_interval_no_narrower_and_opposite_ones_leave_nothing():
    hits = np.random.default_rng(0).random(200) < 0.3
    assert paired_interval(np.stack([hits, hits, hits])) == pytest.approx(paired_interval(hits))
    assert paired_interval(np.stack([hits, ~hits])) == (0.5, 0.5)
    low, high = paired_interval(np.random.default_rng(1).random((2, 200)) < 0.3)
    assert high - low < 0.9 * np.subtract(*paired_interval(hits)[::-1])


def test_a_box_at_just_the_iou_is_no_hit():
    truth = BoxTruth.from_lists([[[0, 0, 1, 1]], [[0, 0, 1, 1]]])
    boxes = np.array([[0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 1.99, 1.0]])  # IoU 1/2, and a little more
    hits = localization_hits(boxes, boxes, predicted=[3, 3], true=[3, 3], truth=truth, iou=0.5)
    assert hits.top1.tolist() == hits.known.tolist() == [False, True]
    other = localization_hits(boxes, boxes, predicted=[3, 4], true=[3, 3], truth=truth, iou=0.4)
    assert other.top1.tolist() == [True, False]
    assert other.known.tolist() == [True, True]
