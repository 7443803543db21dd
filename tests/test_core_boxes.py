from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thas.core.boxes import Boxes
from thas.core.errors import DataError

TWO = Boxes(["a", "b"], ["cat", "dog"], [0, 1], [0, 2], [4, 3], [2, 5], [0.25, 0.75])
corner = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
side = st.floats(0.01, 1e6)
labels = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
rows = st.lists(st.tuples(st.sampled_from("abc"), labels, corner, corner, side, side, st.floats(0, 1)))


def test_a_table_by_hand():
    assert [*TWO] == [("a", "cat", 0, 0, 4, 2, 0.25), ("b", "dog", 1, 2, 3, 5, 0.75)]
    assert TWO.area.tolist() == [8, 6]
    assert TWO.sorted_by_score().image.tolist() == ["b", "a"]
    assert TWO.by_image()["b"] == TWO[1:]
    assert Boxes.concat([TWO[:1], TWO[1:]]) == TWO != TWO[::-1]
    assert len(Boxes.empty()) == len(Boxes.concat([])) == 0
    with pytest.raises(ValueError, match="read-only"):
        TWO.x0[0] = 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"x1": [4, 1]}, "corners 1 2 1 5 hold nothing"),
        ({"y1": [2, 1]}, "corners 1 2 3 1 hold nothing"),
        ({"y0": [np.nan, 2]}, "its y0 is nan"),
        ({"y0": [np.inf, np.nan]}, "its y0 is inf"),
        ({"score": [0.5, np.inf]}, "its score is inf"),
        ({"label": ["cat"]}, "label has 1"),
    ],
)
def test_what_is_no_box_is_named(changes, why):
    columns = {name: getattr(TWO, name) for name in ("image", "label", "x0", "y0", "x1", "y1", "score")}
    with pytest.raises(DataError) as caught:
        Boxes(**{**columns, **changes})
    assert why in caught.value.why
    assert caught.value.next


def test_tables_with_and_without_scores_are_not_joined():
    bare = Boxes(["a"], ["cat"], [0], [0], [1], [1])
    assert bare != TWO[:1]
    with pytest.raises(DataError, match="cannot be joined"):
        Boxes.concat([TWO, bare])


@given(rows)
def test_to_pandas_and_back(rows):
    boxes = Boxes(
        [r[0] for r in rows],
        [r[1] for r in rows],
        [r[2] for r in rows],
        [r[3] for r in rows],
        [r[2] + r[4] for r in rows],
        [r[3] + r[5] for r in rows],
        [r[6] for r in rows],
    )
    assert Boxes.from_pandas(boxes.to_pandas()) == boxes
    assert Boxes.concat(boxes.by_image().values()).area.sum() == pytest.approx(boxes.area.sum())
    frame = boxes.to_pandas().drop(columns="x1")
    with pytest.raises(DataError, match="lacks the column 'x1'"):
        Boxes.from_pandas(frame)


def test_a_notebook_shows_boxes_as_a_table_and_where_they_lie():
    shown = Boxes(
        ["<a>.jpg", "b.jpg"], ["cat & dog", "x"], [0, 10], [0, 10], [50, 20], [100, 20], [0.9, 0.5]
    )._repr_html_()
    assert shown.count("<tr>") == 3
    assert "&lt;a&gt;.jpg" in shown
    assert "<a>" not in shown
    assert 'width="70.0" height="140.0"' in shown, "half as wide as high, to scale"
    assert "cat &amp; dog, score 0.9" in shown
    assert "<svg" not in Boxes.empty()._repr_html_()


@pytest.mark.parametrize("column", ["image", "label"])
def test_a_nul_in_a_text_is_named_with_its_row(column):
    texts = {"image": ["a", "b"], "label": ["red", "red"], column: ["red", "\0red"]}
    with pytest.raises(DataError, match=f"its {column} holds a NUL") as caught:
        Boxes(**texts, x0=[0, 1], y0=[0, 0], x1=[2, 3], y1=[1, 1])
    assert "box 1" in str(caught.value)
