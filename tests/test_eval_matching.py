"""Which pairs are looked at: never fewer than those that overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.eval.matching import candidate_pairs, paired_iou

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 6)), max_size=12)


@settings(max_examples=60)
@given(
    found=ROWS,
    true=ROWS,
    minimum=st.sampled_from([0.0, 5e-324, 0.25, 0.5, 1.0]),
    shift=st.sampled_from([0.0, -7.5, 1e9, 1e15]),
    apart=st.sampled_from([1, 10**12]),
    union=st.sampled_from(["lengths", "span", "snippets"]),
)
def test_the_pairs_are_those_of_looking_at_all(found, true, minimum, shift, apart, union):
    def columns(rows):
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        return table[:, 0].astype(np.int64) * apart, table[:, [1, 1]] / 2 + shift + table[:, [2]] / 2 * [0, 1]

    (group, seconds), (truth_group, truth_seconds) = columns(found), columns(true)
    pairs = candidate_pairs(
        group, seconds, truth_group=truth_group, truth_seconds=truth_seconds, minimum_iou=minimum, union=union
    )
    expected = []
    for i in range(len(found)):
        for j in range(len(true)):
            other = {"other_start": truth_seconds[j : j + 1, 0], "other_end": truth_seconds[j : j + 1, 1]}
            iou = paired_iou(seconds[i : i + 1, 0], seconds[i : i + 1, 1], **other, union=union)[0]
            if group[i] == truth_group[j] and iou >= minimum:
                expected.append((i, j, iou))
    assert list(zip(pairs.detection, pairs.truth, pairs.iou, strict=True)) == expected


def test_many_detections_far_from_a_few_truths_cost_no_pair_each(monkeypatch):
    looked = []
    monkeypatch.setattr(
        "thas.eval.matching.paired_iou", lambda *args, **rest: looked.append(len(args[0])) or paired_iou(*args, **rest)
    )
    start = np.arange(1000.0)
    pairs = candidate_pairs(
        np.zeros(1000, np.int64),
        np.stack([start, start + 1], axis=1),
        truth_group=np.zeros(100, np.int64),
        truth_seconds=np.stack([start[::10] + 0.5, start[::10] + 1.5], axis=1),
        minimum_iou=0.1,
    )
    assert pairs.iou.tolist() == pytest.approx([1 / 3] * 200)
    assert looked == [200]
