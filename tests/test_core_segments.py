from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.errors import DataError
from thas.core.segments import Segments

times = st.floats(0, 1e5)
rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y, z", '"q"']), times, times, st.floats(-1e3, 1e3))
)


def table(drawn) -> Segments:
    return Segments(
        [r[0] for r in drawn],
        [r[1] for r in drawn],
        [min(r[2], r[3]) for r in drawn],
        [max(r[2], r[3]) for r in drawn],
        [r[4] for r in drawn],
    )


def test_columns_and_rows():
    segments = Segments(["v", "w"], ["a", "b"], [0, 1.5], [2, 3], [0.9, 0.1])
    assert list(segments) == [("v", "a", 0.0, 2.0, 0.9), ("w", "b", 1.5, 3.0, 0.1)]
    assert segments.duration_seconds.tolist() == [2.0, 1.5]
    assert list(segments[segments.label == "b"]) == [("w", "b", 1.5, 3.0, 0.1)]
    assert list(segments[-1]) == [("w", "b", 1.5, 3.0, 0.1)]
    assert repr(segments) == "<Segments: 2 detections, 2 videos, 2 labels>"


def test_tables_are_equal_if_all_their_columns_are():
    plain, scored = Segments(["v"], ["a"], [0], [2]), Segments(["v"], ["a"], [0], [2], [0.9])
    assert plain == Segments(["v"], ["a"], [0], [2])
    assert scored == Segments(["v"], ["a"], [0], [2], [0.9])
    assert plain != scored
    assert scored != plain
    assert scored != Segments(["v"], ["a"], [0], [2], [0.8])
    assert plain != Segments(["v"], ["b"], [0], [2])


def test_numbers_are_replaced_and_checked_again():
    table = Segments(["v", "w"], ["a", "b"], [0, 1], [2, 3])
    scored = table.replaced(score=np.array([0.5, 0.25]), end_seconds=np.array([4, 5]))
    assert list(scored) == [("v", "a", 0, 4, 0.5), ("w", "b", 1, 5, 0.25)]
    assert list(table) == [("v", "a", 0, 2), ("w", "b", 1, 3)]
    with pytest.raises(DataError, match="ends at 0 s"):
        table.replaced(end_seconds=np.zeros(2))
    with pytest.raises(DataError, match="differ in length"):
        table.replaced(score=np.zeros(3))


def test_it_cannot_be_written_to():
    start = np.array([0.0])
    segments = Segments(["v"], ["a"], start, [1.0])
    with pytest.raises(ValueError, match="read-only"):
        segments.start_seconds[0] = 5
    start[0] = 9
    assert segments.start_seconds[0] == 0, "the table must not share memory with what it was made of"


@pytest.mark.parametrize(
    ("start", "end", "score", "reason"),
    [
        ([0, np.nan], [1, 2], None, "start_seconds is nan"),
        ([0, 1], [1, np.inf], None, "end_seconds is inf"),
        ([0, 1], [1, 2], [0.5, np.nan], "score is nan"),
        ([0, 3], [1, 2], None, "ends at 2 s, before its start"),
        ([0], [1, 2], None, "start_seconds has 1"),
    ],
)
def test_bad_columns_are_named(start, end, score, reason):
    with pytest.raises(DataError) as caught:
        Segments(["v", "w"], ["a", "b"], start, end, score)
    assert reason in str(caught.value)
    assert caught.value.next


def test_truth_and_detections_do_not_mix():
    with pytest.raises(DataError, match="joined"):
        Segments.concat([Segments.empty(), Segments.empty(scored=True)])
    assert len(Segments.concat([])) == 0


def test_a_bad_activitynet_row_is_named():
    with pytest.raises(DataError, match="row 1 of video v"):
        Segments.from_activitynet({"v": [{"label": "a", "segment": [0, 1]}, {"label": "a"}]}, scored=False)
    with pytest.raises(DataError, match="row 0 of video v"):
        Segments.from_activitynet({"v": [{"label": "a", "segment": [0, 1]}]}, scored=True)


def test_a_missing_column_is_named():
    frame = Segments(["v"], ["a"], [0], [1]).to_pandas().drop(columns="label")
    with pytest.raises(DataError, match="'label'"):
        Segments.from_pandas(frame)


@given(rows)
def test_there_and_back(drawn):
    segments = table(drawn)
    assert Segments.from_pandas(segments.to_pandas()) == segments
    back = Segments.from_activitynet(segments.to_activitynet(), scored=True)
    assert sorted(back) == sorted(segments)


@given(rows, st.randoms())
def test_sorting_does_not_depend_on_the_order_of_rows(drawn, random):
    shuffled = list(drawn)
    random.shuffle(shuffled)
    assert table(drawn).sorted_by_score() == table(shuffled).sorted_by_score()


@given(rows)
def test_cutting_by_video_loses_nothing(drawn):
    segments = table(drawn)
    assert sorted(Segments.concat(segments.by_video().values())) == sorted(segments)


@pytest.mark.parametrize("column", ["video", "label"])
def test_a_nul_in_a_text_is_named_with_its_row(column):
    """numpy drops one at the end of what it compares with: such a label equalled nothing, and no row was of it."""
    texts = {"video": ["a", "b"], "label": ["Run", "Run"], column: ["Run", "Run\0"]}
    with pytest.raises(DataError, match=f"its {column} holds a NUL") as caught:
        Segments(**texts, start_seconds=[0, 1], end_seconds=[1, 2])
    assert "segment 1" in str(caught.value)
