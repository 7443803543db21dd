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


def test_cvat():
    with pytest.raises(DataError, match="frame rate"):
        reading("cvat/volleyball_phases_job.xml")
    found = reading("cvat/volleyball_phases_job.xml", fps=1, video="game")
    assert rows(found.segments)[:5] == [
        ("approach", 20, 40),
        ("jump", 41, 65),
        ("swing", 66, 82),
        ("land", 83, 130),
        ("approach", 156, 176),
    ]
    assert len(found.segments) == 20
    assert max(rows(found.segments, label="land")) == ("land", 632, 684)
    found = reading("cvat/jaad_video_0004_attributes.xml", fps=1)
    assert rows(found.segments) == [("ped", 0, 176), ("pedestrian", 0, 119)]
    found = reading("cvat/jaad_video_0004_attributes.xml", fps=1, label=("look",))
    assert rows(found.segments) == [("not-looking", 0, 32), ("looking", 32, 115), ("not-looking", 115, 119)]
    for name, value in (("action", "walking"), ("cross", "not-crossing")):
        assert rows(reading("cvat/jaad_video_0004_attributes.xml", fps=1, label=(name,)).segments) == [(value, 0, 119)]
    found = reading("cvat/jaad_video_0013_no_tracks.xml")
    assert (len(found.segments), found.videos) == (0, ("video_0013",))


def test_via():
    found = reading("via/echo_065_3.json")
    assert found.videos == ("01NVb-003-065-3 echo",)
    assert rows(found.segments, digits=5)[:2] == [("4CV", 259.04942, 263.09108), ("4CV", 282.64922, 288.28811)]
    assert len(found.segments) == 5
    found = reading("via/echo_072_2_textlabel.json")
    assert rows(found.segments, digits=5) == [
        ("4CV_XX", 354.04942, 359.17442), ("4CV_XX", 466.50775, 468.82025), ("4CV_XX", 470.216, 472.27858)
    ]  # fmt: skip
    assert reading("via/echo_template_empty.json").videos == ()


def test_label_studio():
    found = reading("labelstudio/timelinelabels_task.json")
    assert list(found.segments) == [
        ("opossum_snow_short", "Car", 0.0, 0.4),
        ("opossum_snow_short", "croquet_ball", 0.16, 0.6),
    ]
    with pytest.raises(DataError, match="labelling configuration") as error:
        reading("labelstudio/labelling_config_choices_boxes.xml")
    assert "14 names" in error.value.why
    assert "no TimelineLabels" in error.value.why
    with pytest.raises(DataError, match="labelling configuration") as error:
        reading("labelstudio/labelling_config_videorectangle.xml")
    assert "Car, Airplane, Possum" in error.value.why


def test_anvil():
    with pytest.raises(DataError, match="Confidence, Metaphor"):
        reading("anvil/small_1.anvil")
    assert rows(reading("anvil/small_1.anvil", label=("Metaphor",)).segments) == [
        ("abstract idea is concrete object", 1.64, 3.64), ("change is motion", 11.52, 13.12),
        ("certain is firm", 2.8, 4.92), ("change is motion", 4.6, 6.28),
    ]  # fmt: skip
    found = reading("anvil/interview_A.anvil", label=("Metaphor",), where={"track": ("Metaphor.Type1",)})
    assert rows(found.segments)[:2] == [("certain is firm", 46.8, 49.72), ("process is a cycle", 49.84, 52.72)]
    found = reading("anvil/interview_A.anvil", label=("track",))
    assert len(found.segments) == 165
    assert ("Ideational Unit", 929.84003, 946.12) in rows(found.segments, digits=5)
    assert any("75 annotations" in note for note in reading("anvil/interview_A.anvil", label=("Metaphor",)).notes)


def test_bento_and_deepethogram():
    found = reading("bento/mouse06_first.annot")
    assert rows(found.segments, digits=4)[:3] == [
        ("attack", 3.0333, 5.2667),
        ("attack", 5.3, 6.7),
        ("attack", 9.4, 14.4667),
    ]
    assert rows(found.segments, label="sniff", digits=4)[:2] == [("sniff", 2.6667, 3.0), ("sniff", 8.9667, 9.4)]
    assert len(found.segments) == 23
    found = reading("deepethogram/Together_1_first430.csv", fps=1)
    attack = [
        (0, 3),
        (5, 70),
        (72, 96),
        (98, 109),
        (117, 142),
        (155, 167),
        (180, 205),
        (220, 247),
        (270, 375),
        (393, 429),
    ]
    assert [row[1:] for row in rows(found.segments, label="Attack")] == [(first, last + 1) for first, last in attack]
    assert rows(found.segments, label="Sniffing") == [("Sniffing", 0, 430)]


def test_spotting():
    found = reading("spotting/Labels-v2_first25.json")
    assert [row[:2] for row in rows(found.points)][:5] == [
        ("Kick-off", 1.254), ("Ball out of play", 23.674), ("Corner", 38.0),
        ("Shots off target", 50.986), ("Clearance", 76.258),
    ]  # fmt: skip
    found = reading("spotting/fs_comp_val.json")
    assert (len(found.videos), len(found.points)) == (59, 584)
    first = rows(found.points, video="men_olympic_short_program_2010_02_00021650_00025875")
    assert [row[:2] for row in first][:3] == [("jump_takeoff", 11.88), ("jump_landing", 12.52), ("jump_takeoff", 32.36)]


def test_data_sets():
    found = reading("datasets/EPIC_100_validation_first200.csv")
    assert rows(found.segments)[:3] == [
        ("take plate", 0.0, 1.89),
        ("put down plate", 1.56, 2.45),
        ("take paper", 49.15, 50.95),
    ]
    assert (len(rows(found.segments, video="P01_11")), len(found.segments)) == (148, 200)
    found = reading("datasets/Charades_v1_first100.csv")
    assert (len(found.segments), len(found.videos)) == (962, 100)
    assert rows(found.segments, video="YSKX3")[-1] == ("c075", 5.4, 14.1)
    assert any("288 ends" in note for note in found.notes)
    found = reading("datasets/multithumos_20videos.json")
    assert len(found.segments) == 1130
    assert rows(found.segments)[:4] == [("24", 0.03, 1.1), ("25", 9.33, 11.33), ("25", 18.67, 19.27), ("65", 3.0, 4.7)]
    found = reading("datasets/50salads_01-1-activityAnnotation.txt")
    assert found.videos == ("01-1",)
    assert rows(found.segments)[:2] == [
        ("cut_and_mix_ingredients", 53.704, 268.769),
        ("prepare_dressing", 272.436, 379.118),
    ]
    assert len(found.segments) == 37
    found = reading("datasets/breakfast_P16_cam01_P16_cereals.txt", form="breakfast")
    assert rows(found.segments) == [
        ("SIL", 0, 0.6),
        ("pour_cereals", 0.6, 17.933),
        ("pour_milk", 17.933, 31.6),
        ("SIL", 31.6, 36.267),
    ]
    found = reading("datasets/JIGSAWS_Suturing_S05_T01.txt")
    assert rows(found.segments)[0] == ("G1", 0.3, 3.967)
    assert len(found.segments) == 18
    found = reading("datasets/activitynet_like_gt.json")
    assert rows(found.segments)[:2] == [("Wakeboarding", 11.554, 57.068), ("Wakeboarding", 68.622, 126.04)]
    assert found.videos == ("v_bYUmtLBL7W4", "v_hDPLy21Yyuk")


def test_tables_of_laboratories():
    columns = {"video": ("id",), "label": ("type",), "start": ("from",), "end": ("to",)}
    found = reading("lab_tables/fst_labels_semicolon_quoted.csv", columns=columns)
    assert (len(found.segments), len(found.videos)) == (889, 10)
    assert any("rater1" in note for note in found.notes)
    found = reading(
        "lab_tables/fst_labels_semicolon_quoted.csv",
        columns=columns,
        where={"Experimenter": ("rater1",)},
        leave_out=("Start_End",),
    )
    assert rows(found.segments)[:3] == [
        ("Floating", 10.809, 11.809),
        ("Floating", 160.961, 161.898),
        ("Floating", 167.544, 173.961),
    ]
    found = reading(
        "lab_tables/phase_frames.csv",
        columns={"video": ("video_id",), "ranges": ("approach", "action", "leave")},
        fps=12,
    )
    assert rows(found.segments, video="19") == [("approach", 0, 1.417), ("action", 1.417, 2.5), ("leave", 2.5, 3.833)]
    assert len(found.segments) == 171
