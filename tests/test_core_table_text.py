"""Tables as Markdown, LaTeX and HTML, and what notebooks show."""

from __future__ import annotations

import numpy as np
import pytest

from thas.core.segments import Segments
from thas.core.table_text import of_rich, table_html, table_text, timeline_svg
from thas.datasets.opening import open_dataset
from thas.eval import Annotations, evaluate
from thas.eval.assessment import Beside, assess
from thas.eval.report import score_table

ODD = "<i>50%_a|b & \\c"
TRUTH = Annotations(Segments(["v", "v"], [ODD, "Run"], [0, 10], [4, 14]), (ODD, "Run", "none"), {"v": 20.0})
FOUND = Segments(["v", "v"], [ODD, "Run"], [0, 5], [4, 9], [0.9, 0.8])


def test_markdown_and_latex_of_odd_names():
    markdown = table_text(["class", "AP"], [[ODD, "1"]], form="markdown").splitlines()
    assert markdown == ["| class | AP |", "|:---|---:|", r"| \<i\>50%\_a\|b & \\c | 1 |"]
    latex = table_text(["class", "AP"], [[ODD, "1 ± 2"]], form="latex")
    assert r"<i>50\%\_a|b \& \textbackslash{}c & 1 $\pm$ 2 \\" in latex
    assert latex.startswith("\\begin{tabular}{lr}\n\\toprule\n")


def test_scores_as_tables():
    scores = evaluate(FOUND, TRUTH, iou=[0.3, 0.5])
    frame = scores.to_pandas()
    assert frame.index.tolist() == [ODD, "Run", "none", "mAP"]
    assert frame.columns.tolist() == [0.3, 0.5, "mean"]
    assert frame.loc[ODD].tolist() == [1, 1, 1]
    assert np.isnan(frame.loc["none"]).all()
    assert frame.loc["mAP", "mean"] == scores.average == 0.5
    assert scores.to_markdown().splitlines()[-1] == "| mAP | 50.0 | 50.0 | 50.0 |"
    assert r"none & - & - & - \\" in scores.to_latex()
    assert "&lt;i&gt;" in scores._repr_html_()
    assert "<i>" not in scores._repr_html_()


def test_a_table_of_the_terminal_keeps_its_cells():
    heading, rows = of_rich(score_table([assess(FOUND, TRUTH, iou=[0.3, 0.5], beside=Beside(baselines=True))]))
    assert heading == ["mAP (%) at IoU", "0.3", "0.5", "mean"]
    assert rows[0] == ["activitynet", "50.0", "50.0", "50.0"]
    assert rows[1][0].startswith("blind: ")


@pytest.mark.parametrize("segments", [FOUND, TRUTH.segments, Segments.empty(), Segments.empty(scored=True)])
def test_segments_in_a_notebook(segments):
    shown = segments._repr_html_()
    assert "<i>" not in shown
    assert shown.count("<rect") == len(segments)
    assert ("score" in shown) == (segments.score is not None)


def test_many_segments_are_cut_short():
    many = Segments([f"v{i}" for i in range(99)], ["Run"] * 99, np.zeros(99), np.ones(99))
    assert "89 more rows" in many._repr_html_()
    assert many._repr_html_().count("<tr>") == 1 + 10
    ten = many[np.arange(10)]._repr_html_()
    assert ten.count("<tr>") == 1 + 10
    assert "more rows" not in ten
    assert timeline_svg(many).count("<rect") == 5


def test_a_data_set_in_a_notebook(tmp_path):
    (tmp_path / "labels.csv").write_text("video,label,subset\na,<Run>,training\nb,<Run>,test\nb,Dive,test\n")
    shown = open_dataset(tmp_path)._repr_html_()
    assert "<tr><td>&lt;Run&gt;</td><td>1</td><td>1</td></tr>" in shown
    assert table_html([], []) in "<table><thead><tr></tr></thead><tbody></tbody></table>"
