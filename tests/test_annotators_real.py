"""Real exports of each tool, which do not come with the project: their readings as their makers' guides have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from thas.annotators.events import ReadingOptions
from thas.core.errors import DataError
from thas.eval import read_annotations

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases" / "annotators"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="needs real exports, which do not come with the project")


def reading(name, **options):
    return read_annotations(CASES / name, options=ReadingOptions(**options))


def rows(table, *, video=None, label=None, digits=3):
    """(label, start, end) of rows, rounded."""
    return [
        (c, round(s, digits), round(e, digits))
        for v, c, s, e in table
        if (video is None or v == video) and (label is None or c == label)
    ]


QUEUE = [(47.805, 73.53), (75.38, 81.18), (86.205, 96.73), (101.005, 114.255), (106.255, 112.105)]


def test_boris_aggregated_two_queued_videos():
    with pytest.raises(DataError, match="lengths are not known"):
        reading("boris/v7_aggregated_two_videos.tsv")
    found = reading("boris/v7_aggregated_two_videos.tsv", seconds={"video_test_25fps_180s": 179.96})
    assert (len(found.segments), len(found.points)) == (10, 8)
    first = rows(found.segments, video="video_test_25fps_180s")
    assert first == [("s", 1.8, 8.125), ("s", 10.25, 23.35), ("s", 26.775, 31.475)]
    assert [row[1:] for row in rows(found.segments, video="video_test_25fps_360s")][:5] == QUEUE
    assert [row[1] for row in rows(found.points, video="video_test_25fps_180s")] == [32.825, 34.15, 34.925]


SUBJECTS = [("s", 3.3, 7.75), ("s", 9.9, 16.2), ("s", 18.35, 24.475), ("s", 38.425, 46.1)]


def test_boris_tabular():
    assert rows(reading("boris/v7_tabular_subjects.tsv").segments) == SUBJECTS
    found = reading("boris/v7_tabular_subjects.tsv", where={"subject": ("subject2",)})
    assert rows(found.segments) == SUBJECTS[3:]
    found = reading("boris/v7_tabular_two_players_excel_saved.csv")
    assert found.videos == ("Video10",)
    assert rows(found.segments)[:3] == [
        ("attack", 1.876, 2.701),
        ("attack", 11.576, 13.375),
        ("sniffing", 245.655, 248.481),
    ]
    assert len(found.segments) == 5
    found = reading("boris/v8_tabular_first25pairs.csv")
    assert len(found.segments) == 25
    assert found.durations == {"Video11": 315.7}
    assert rows(found.segments)[:3] == [
        ("behavior1", 5.355, 9.626),
        ("behavior2", 11.178, 11.728),
        ("behavior1", 12.429, 15.382),
    ]


def test_boris_project():
    found = reading("boris/project_v7.boris", where={"observation": ("observation #2",)})
    assert (len(found.segments), len(found.points)) == (10, 8)
    assert [row[1:] for row in rows(found.segments, video="video_test_25fps_360s")][:5] == QUEUE
    assert rows(reading("boris/project_v7.boris", where={"observation": ("observation #1",)}).segments) == SUBJECTS
    found = reading("boris/project_v7.boris")
    assert rows(found.segments, video="video1") == [("s", 10, 170)]
    assert any("live not paired" in note for note in found.notes)


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("K-Spch", [("so from here.", 0.28, 1.25), ("yeah", 4.04, 4.4)]),
        ("W-RGU", [("R Gesture Unit 1", 0, 33.84)]),
        ("W-RGph", [("preparation", 0, 0.44), ("preparation", 0.44, 1.6), ("stroke", 1.6, 2.24)]),
        ("K-RGph", [("preparation", 23.12, 23.52), ("stroke", 23.52, 23.8), ("retraction", 23.8, 24.04)]),
    ],
)
def test_elan_tiers(tier, expected):
    found = reading("elan/gesture_speech_v23.eaf", where={"tier": (tier,)})
    assert rows(found.segments)[: len(expected)] == expected
    assert found.videos == ("elan-example1",)


def test_elan_slots_without_times_and_references():
    words = rows(reading("elan/gesture_speech_v23.eaf", where={"tier": ("W-Words",)}).segments)
    assert ("you", 11.47, 11.705) in words
    assert ("follow", 11.705, 11.94) in words
    meanings = rows(reading("elan/gesture_speech_v23.eaf", where={"tier": ("W-POS",)}).segments)
    assert {row[1:] for row in meanings} <= {row[1:] for row in words}
    assert len(reading("elan/gesture_speech_v23.eaf").segments) == 183 + 132 - 1  # one has no text


def test_elan_others():
    found = reading("elan/nested_tiers_v30.eaf", label=("tier", "value"))
    assert len(found.segments) == 18
    held = rows(found.segments)
    assert held[:3] == [("default ESSAI", 0.53, 2.54), ("default ESSAI2", 3.27, 4.38), ("default ESSAI3", 5.91, 7.43)]
    assert {("main MAIN", 0.28, 1.34), ("main MAIN2", 2.31, 3.42), ("inc inc", 0.89, 1.64)} <= {
        (label if "inc" not in label else "inc inc", start, end) for label, start, end in held
    }
    found = reading("elan/one_phrase_v28.eaf")
    assert [row[1:] for row in rows(found.segments)] == [(0.66, 2.57), (3.95, 6.04)]
    assert found.videos == ("1_1_4",)
