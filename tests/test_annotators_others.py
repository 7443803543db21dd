"""VIA, Anvil, BENTO, DeepEthogram: files drawn by hand."""

from __future__ import annotations

import json

import pytest

from thas.annotators import forms
from thas.annotators.events import ReadingOptions
from thas.core.errors import DataError
from thas.eval import read_annotations


def reading(path, text, *, encoding="utf-8", **options):
    path.write_bytes((text if isinstance(text, str) else json.dumps(text)).encode(encoding))
    return read_annotations(path, options=ReadingOptions(**options))


def via(*rows, attributes=None):
    attributes = attributes or {"1": {"aname": "act", "options": {"0": "run", "1": "jump"}}}
    files = {"1": {"fid": "1", "fname": "b.mp4"}, "7": {"fid": "7", "fname": "my film.mp4"}}
    metadata = {f"m{i}": {"vid": "3", "z": z, "xy": xy, "av": av} for i, (z, xy, av) in enumerate(rows)}
    return {"file": files, "view": {"3": {"fid_list": ["7"]}}, "attribute": attributes, "metadata": metadata}


def test_via_segments_belong_to_views_and_options_have_texts(tmp_path):
    rows = [
        ([1.5, 2.5], [], {"1": "0"}),
        ([3], [], {"1": "1"}),
        ([4], [2, 0, 0, 9, 9], {"1": "0"}),
        ([5, 6], [], {"1": "free"}),
    ]
    found = reading(tmp_path / "p.json", via(*rows))
    assert list(found.segments) == [("my film", "run", 1.5, 2.5), ("my film", "free", 5, 6)]
    assert list(found.points) == [("my film", "jump", 3, 3)]
    assert found.videos == ("b", "my film")
    assert any("1 region" in note for note in found.notes)


def test_via_what_has_no_time_or_is_of_a_second_file_is_said(tmp_path):
    content = via(([1, 2], [], {"1": "0"}), ([], [], {"1": "a word of the file"}))
    content["view"]["3"]["fid_list"] = ["7", "1"]
    found = reading(tmp_path / "p.json", content)
    assert list(found.segments) == [("my film", "run", 1, 2)]
    assert any("1 attribute of a whole file is not read" in note for note in found.notes)
    assert any("of views of several files" in note and "b.mp4" in note for note in found.notes)
    old = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    with pytest.raises(DataError, match="knows no time"):
        reading(tmp_path / "old.csv", old)


def test_via_check_boxes_are_an_action_each(tmp_path):
    assert reading(tmp_path / "p.json", via(([1, 2], [], {"1": "0,1"}))).classes == ("jump", "run")


def test_via_attributes_are_joined_or_chosen(tmp_path):
    attributes = {"1": {"aname": "act", "options": {}}, "2": {"aname": "side", "options": {"l": "left"}}}
    content = via(([1, 2], [], {"1": "wave", "2": "l"}), attributes=attributes)
    found = reading(tmp_path / "p.json", content)
    assert found.classes == ("wave left",)
    assert any("act, side" in note for note in found.notes)
    assert reading(tmp_path / "p.json", content, label=("side",)).classes == ("left",)


def test_via_exports_a_table(tmp_path):
    heading = "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n"
    row = '"1_a","[""day 1.mp4""]",0,"[1.25,2.5]","[]","{""1"":""say \\""hi\\""""}"\n'
    found = reading(tmp_path / "p.csv", heading + row)
    assert list(found.segments) == [("day 1", 'say "hi"', 1.25, 2.5)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"_via_settings": {}, "_via_img_metadata": {}}, "knows no time"),
        (via(([2, 1], [], {"1": "0"})), "ends before it starts"),
        (via(([1, 2, 3], [], {"1": "0"})), "a segment has 3 times"),
        (via(([1, 2], [], {"1": "0"})) | {"view": {}}, "a file that the project does not hold"),
    ],
)
def test_via_what_is_wrong_is_named(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        reading(tmp_path / "p.json", content)


def anvil(tracks, *, video='<video src="..\\films\\a.mov" master="true"/>'):
    return f'<?xml version="1.0" encoding="UTF-16"?><annotation><head>{video}</head><body>{tracks}</body></annotation>'


def element(inner="", **times):
    return "<el " + " ".join(f'{key}="{value}"' for key, value in times.items()) + f">{inner}</el>"


def attribute(name, value):
    return f'<attribute name="{name}">{value}</attribute>'


def test_anvil_tracks_that_name_elements_of_others(tmp_path):
    words = element(attribute("token", "a"), index=0, start=1, end=2) + element(
        attribute("token", "b"), index=1, start=3, end=4
    )
    ask = element(attribute("kind", "ask"), index=0, start=0, end=1)
    tracks = f'<track name="words" type="primary">{words}</track>'
    tracks += f'<track name="phrase" type="span" ref="words">{ask}</track>'
    tracks += (
        f'<track name="tone" type="singleton" ref="words">{element(attribute("kind", "high"), index=0, ref=1)}</track>'
    )
    tracks += f'<track name="beat" type="primary point">{element(attribute("kind", "tap"), index=0, time=2.5)}</track>'
    found = reading(tmp_path / "a.anvil", anvil(tracks), encoding="utf-16")
    assert list(found.segments) == [("a", "a", 1, 2), ("a", "b", 3, 4), ("a", "ask", 1, 4), ("a", "high", 3, 4)]
    assert list(found.points) == [("a", "tap", 2.5, 2.5)]


def test_anvil_asks_which_attribute_is_the_label(tmp_path):
    both = element(attribute("sure", 1) + attribute("sign", "no"), index=0, start=1, end=2)
    text = anvil(f'<track name="hands" type="primary">{both}</track>')
    with pytest.raises(DataError, match="which attribute is the label is not said: sure, sign") as error:
        reading(tmp_path / "a.anvil", text, encoding="utf-16")
    assert "--label" in error.value.next
    assert reading(tmp_path / "a.anvil", text, encoding="utf-16", label=("sign",)).classes == ("no",)
    assert reading(tmp_path / "a.anvil", text, encoding="utf-16", label=("track",)).classes == ("hands",)


def test_anvil_what_is_wrong_is_named(tmp_path):
    text = anvil(f'<track name="p" type="span" ref="w">{element(index=0, start=0, end=1)}</track>')
    with pytest.raises(DataError, match="its times are not known"):
        reading(tmp_path / "a.anvil", text, encoding="utf-16")


BENTO = """Bento annotation file
Movie file(s): D:\\x\\m1_Front.seq D:\\x\\m1_Top.seq

Annotation framerate: 10.000000

List of channels:
Ch1

Ch1----------
>bite
Start\t Stop\t Duration
1.0\t2.0\t1.1
>rest
Start\t Stop\t Duration
3.0\t3.0\t0.1
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_bento_includes_the_last_frame(tmp_path, ends):
    found = reading(tmp_path / "m.annot", BENTO.replace("\n", ends))
    assert list(found.segments) == [("m1_Front", "bite", 1, 2.1), ("m1_Front", "rest", 3, 3.1)]
    assert any("m1_Top" in note for note in found.notes)
    with pytest.raises(DataError, match="no stop"):
        reading(tmp_path / "m.annot", BENTO.replace("1.0\t2.0\t1.1", "1.0"))


def test_deepethogram_has_a_row_a_frame(tmp_path):
    text = ",background,bite,rest\n0,1,0,0\n1,0,1,0\n2,0,1,1\n3,1,0,1\n"
    found = reading(tmp_path / "mouse_labels.csv", text, fps=2)
    assert list(found.segments) == [("mouse", "bite", 0.5, 1.5), ("mouse", "rest", 1, 2)]
    assert found.durations == {"mouse": 2}
    for wrong, said in ((text, "frame rate"), (text.replace("2,0,1,1\n", ""), "and not 2"), (text[:-4], "cells where")):
        with pytest.raises(DataError, match=said):
            reading(tmp_path / "mouse_labels.csv", wrong, **({} if wrong is text else {"fps": 2}))


@pytest.mark.parametrize(
    ("text", "form", "why", "next"),
    [
        ("<annotation><body/></annotation>", "elan", "looks like Anvil", "leave --from out"),
        ("<annotation/>", "cvat", "nothing in it tells", "export as CVAT for video 1.1"),
        ('{"a": {"actions": []}}', "soccernet", "looks like MultiTHUMOS", "leave --from out"),
        ('{"a": 1}', "label-studio", "nothing in it tells", "export the annotations anew"),
    ],
)
def test_a_file_of_another_form_than_was_said(tmp_path, text, form, why, next):
    (tmp_path / "file").write_text(text)
    with pytest.raises(DataError, match="it is not of the form") as caught:
        forms.read(tmp_path / "file", form=form)
    assert why in caught.value.why
    assert next in caught.value.next
