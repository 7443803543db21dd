"""ELAN: slots without times, tiers that refer to others, media; and what is written comes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thas.annotators.convert import write
from thas.annotators.events import ReadingOptions, video_name
from thas.annotators.forms import form_of
from thas.core.errors import DataError, UsageError
from thas.core.segments import Segments
from thas.eval import Annotations, read_annotations

MEDIA = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/my%20films/talk%201.mp4" MIME_TYPE="video/mp4"/>'


def document(tiers, *, slots="", media=MEDIA, units="milliseconds", encoding="UTF-8", root="ANNOTATION_DOCUMENT"):
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<{root} VERSION="3.0">'
        f'<HEADER MEDIA_FILE="" TIME_UNITS="{units}">{media}</HEADER>'
        f"<TIME_ORDER>{slots}</TIME_ORDER>{tiers}"
        '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="plain"/>'
        '<LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Subdivision" LINGUISTIC_TYPE_ID="parts"/>'
        f'<LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" LINGUISTIC_TYPE_ID="with"/></{root}>'
    )


def slots(*times):
    return "".join(
        f'<TIME_SLOT TIME_SLOT_ID="t{i}"' + ("/>" if time is None else f' TIME_VALUE="{time}"/>')
        for i, time in enumerate(times)
    )


def tier(name, *annotations, kind="plain"):
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="{kind}" PARTICIPANT="ann">{"".join(annotations)}</TIER>'


def own(id_, first, last, value):
    slots = f'ANNOTATION_ID="{id_}" TIME_SLOT_REF1="t{first}" TIME_SLOT_REF2="t{last}"'
    inside = f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>"
    return f"<ANNOTATION><ALIGNABLE_ANNOTATION {slots}>{inside}</ALIGNABLE_ANNOTATION></ANNOTATION>"


def ref(id_, to, value, previous=""):
    last = f' PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    head = f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{id_}" ANNOTATION_REF="{to}"{last}>'
    return f"{head}<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"


def reading(path, text, *, encoding="utf-8", **options):
    path.write_bytes(text.encode(encoding))
    return read_annotations(path, options=ReadingOptions(**options))


def test_times_are_milliseconds_and_the_medium_names_the_video(tmp_path):
    text = document(
        tier("hands", own("a1", 0, 1, "wave &amp; &lt;nod&gt;"), own("a2", 1, 2, "מנופף 👋")),
        slots=slots(250, 1500, 2125),
    )
    found = reading(tmp_path / "x.eaf", text)
    assert list(found.segments) == [("talk 1", "wave & <nod>", 0.25, 1.5), ("talk 1", "מנופף 👋", 1.5, 2.125)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1"])
def test_encodings_that_are_declared(tmp_path, encoding):
    declared = {"utf-16": "UTF-16", "utf-8-sig": "UTF-8", "iso-8859-1": "ISO-8859-1"}[encoding]
    text = document(tier("hands", own("a1", 0, 1, "läuft")), slots=slots(0, 1000), encoding=declared)
    assert list(reading(tmp_path / "x.eaf", text, encoding=encoding).segments) == [("talk 1", "läuft", 0, 1)]


def test_slots_without_a_time_lie_evenly_between_those_of_their_tier(tmp_path):
    words = tier("words", own("a1", 0, 1, "a"), own("a2", 1, 2, "b"), own("a3", 2, 4, "c"))
    other = tier("other", own("b1", 3, 4, "x"))
    found = reading(
        tmp_path / "x.eaf",
        document(words + other, slots=slots(1000, None, None, 2300, 2500)),
        where={"tier": ("words",)},
    )
    assert list(found.segments) == [("talk 1", "a", 1.0, 1.5), ("talk 1", "b", 1.5, 2.0), ("talk 1", "c", 2.0, 2.5)]


def test_what_refers_to_another_has_its_time_or_a_share_of_it(tmp_path):
    tiers = (
        tier("meaning", ref("c1", "b2", "deep"), kind="with")  # before what it refers to
        + tier("parts", ref("b2", "a1", "second", previous="b1"), ref("b1", "a1", "first"), kind="parts")
        + tier("whole", own("a1", 0, 1, "all"))
    )
    found = reading(tmp_path / "x.eaf", document(tiers, slots=slots(1000, 3000)))
    assert sorted(row[1:] for row in found.segments) == [
        ("all", 1, 3),
        ("deep", 2, 3),
        ("first", 1, 2),
        ("second", 2, 3),
    ]
    assert any("3 tiers are read together: meaning, parts, whole" in note for note in found.notes)


def test_tiers_are_chosen_and_may_be_the_label(tmp_path):
    text = document(tier("L", own("a1", 0, 1, "")) + tier("R", own("a2", 1, 2, "wave")), slots=slots(0, 1000, 2000))
    found = reading(tmp_path / "x.eaf", text)
    assert found.classes == ("wave",)
    assert any("1 annotation without value left out" in note for note in found.notes)
    assert reading(tmp_path / "x.eaf", text, label=("tier",)).classes == ("L", "R")
    assert reading(tmp_path / "x.eaf", text, label=("tier", "value"), where={"tier": ("R", "L")}).classes == (
        "L",
        "R wave",
    )
    with pytest.raises(UsageError, match="nothing in it fits") as error:
        reading(tmp_path / "x.eaf", text, where={"tier": ("hands",)})
    assert "'L', 'R'" in error.value.why
    with pytest.raises(UsageError, match="have no 'teir'") as error:
        reading(tmp_path / "x.eaf", text, label=("teir",))
    assert "did you mean 'tier'" in error.value.why


def test_the_part_of_a_video_that_is_skipped_counts(tmp_path):
    media = MEDIA.replace("/>", ' TIME_ORIGIN="2500"/>') + MEDIA.replace("talk%201", "side")
    found = reading(tmp_path / "x.eaf", document(tier("t", own("a1", 0, 1, "a")), slots=slots(0, 1000), media=media))
    assert list(found.segments) == [("talk 1", "a", 2.5, 3.5)]
    assert any("first video" in note for note in found.notes)


def test_a_file_without_a_medium_asks_for_the_name(tmp_path):
    text = document(tier("t", own("a1", 0, 1, "a")), slots=slots(0, 1000), media="")
    with pytest.raises(DataError, match="which video") as error:
        reading(tmp_path / "x.eaf", text)
    assert "--video" in error.value.next
    assert list(reading(tmp_path / "x.eaf", text, video="{file}-1").segments) == [("x-1", "a", 0, 1)]


def test_frames_of_television(tmp_path):
    text = document(tier("t", own("a1", 0, 1, "a")), slots=slots(0, 50), units="PAL-frames")
    assert list(reading(tmp_path / "x.eaf", text).segments) == [("talk 1", "a", 0, 2)]


GOOD = document(tier("t", own("a1", 0, 1, "a")), slots=slots(0, 1000))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD[:-30], "is not whole XML"),
        (GOOD.replace("milliseconds", "weeks"), "unit of time 'weeks'"),
        (GOOD.replace('"1000"', '"soon"'), "'soon' is no time"),
        (GOOD.replace('"1000"', '"-1"'), "ends before it starts"),
        (document(tier("t", own("a1", 0, 7, "a")), slots=slots(0, 1000)), "a slot that the file does not hold"),
        (document(tier("t", own("a1", 0, 1, "a")), slots=slots(0, None)), "the slot t1 of tier 't' has no time"),
        (document(tier("t", ref("a1", "nowhere", "a"), kind="with")), "has no time"),
        (GOOD.replace("?>", '?><!DOCTYPE x [<!ENTITY a "aa">]>', 1), "declares entities"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as error:
        reading(tmp_path / "x.eaf", text)
    assert error.value.subject == str(tmp_path / "x.eaf")


def test_a_folder_of_files_is_read_together(tmp_path):
    for name in ("one", "two"):
        text = document(tier("t", own("a1", 0, 1, name)), slots=slots(0, 1000), media=MEDIA.replace("talk%201", name))
        (tmp_path / f"{name}.eaf").write_text(text)
    (tmp_path / "one.pfsx").write_text("<preferences/>")
    (tmp_path / "notes.txt").write_text("mine")
    found = read_annotations(tmp_path)
    assert list(found.segments) == [("one", "one", 0, 1), ("two", "two", 0, 1)]
    assert any("notes.txt" in note for note in found.notes)


@pytest.mark.parametrize(
    ("media", "name"),
    [
        ("/home/a/b.mp4", "b"), ("C:\\x\\y.z.MOV", "y.z"), ("https://h/x/a%20b.webm?token=1#t=3", "a b"),
        ("clip", "clip"), ("s.01", "s.01"), ("a.wav", "a"), ("file:///x/100%25.mp4", "100%"),
    ],
)  # fmt: skip
def test_names_of_videos(media, name):
    assert video_name(media) == name


times = st.integers(0, 60_000).map(lambda n: n / 1000)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn")), min_size=1, max_size=6)
rows = st.lists(st.tuples(texts, times, times.filter(bool)), min_size=1, max_size=8)


@settings(max_examples=40)
@given(rows, rows)
def test_a_file_written_is_read_back(tmp_path_factory, drawn, clicks):
    segments = Segments(*zip(*[("v %1", c, s, s + d) for c, s, d in drawn], strict=True))
    points = Segments(*zip(*[("v %1", c, s, s) for c, s, _ in clicks], strict=True))
    truth = Annotations(segments, tuple(sorted({*segments.label, *points.label})), points=points)
    (file,) = write(truth, tmp_path_factory.mktemp("elan") / "x", form="elan")
    assert form_of(file) == "elan"
    back = read_annotations(file)
    for mine, theirs in ((truth.segments, back.segments), (truth.points, back.points)):
        assert sorted((v, c, round(s, 3), round(e, 3)) for v, c, s, e in mine) == sorted(theirs)


def test_tiers_written_do_not_overlap_and_have_names_of_their_own(tmp_path):
    pympi = pytest.importorskip("pympi", reason="needs the package pympi-ling")
    rows = Segments(["v"] * 3, ["a", "a", "a (point)"], [0, 1, 0], [2, 3, 9])
    truth = Annotations(rows, ("a", "a (point)"), points=Segments(["v"], ["a"], [1], [1]))
    (file,) = write(truth, tmp_path / "x.eaf", form="elan")
    held = pympi.Elan.Eaf(str(file))
    assert sorted(held.get_tier_names()) == ["a", "a #2", "a (point)", "a (point) #2"]
    assert held.get_annotation_data_for_tier("a #2") == [(1000, 3000, "a")]
