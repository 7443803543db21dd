"""Faults in files of annotation tools are told with the place where they are."""

from __future__ import annotations

import pytest

from thas.core.errors import ThasError
from thas.eval import read_annotations

from .fuzzed_annotators import ANNOTATORS
from .fuzzed_others import OTHERS

ALL = {**OTHERS, **ANNOTATORS}
DIGITS = "9" * 5000  # more than Python reads as a number
ENTITY = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>'
HOOK = b'{"task": {"id": 7, "data": {"video": "a.mp4"}}, "annotation": {"id": 5, "result": [{"type": "timelinelabels", '
HOOK += b'"value": {"ranges": [{"start": 1, "end": 9}], "timelinelabels": ["a"]}}]}, "project": {"label_config": "%s"}}'
PLACED: list[tuple[str, bytes, str]] = [
    ("cvat", b"<annotations><version/><track label='a'><box frame='" + DIGITS.encode() + b"'/></track></annotations>",
     "frame is not a whole number"),
    ("cvat", b"<annotations><version/><meta><task><size>" + DIGITS.encode() + b"</size><source>a.mp4</source></task>"
     b"</meta></annotations>", "size is not a whole number"),
    ("50salads", f"1 2 cut\n1 {DIGITS} cut\n".encode(), "line 2: the end is not"),
    ("jigsaws", b"1 1" + b"0" * 400 + b" G1\n", "line 1: the end is not"),
    ("deepethogram", b",background,bite\n0,1,0\n1,1," + b"0" * (1 << 25), "line 3 is no row"),
    ("via_csv", b'# CSV_HEADER = file_list,temporal_coordinates,metadata\n"["",' + b"0" * (1 << 25) + b'"', "line 1"),
    ("label_studio_csv", b"id,annotator,annotation_id,video,tricks\n7,1,5,a,timelinelabels" + b"0" * (1 << 25), "line"),
    ("soccernet", b'{"UrlLocal": "a", "annotations": [{"gameTime": "1 - ' + DIGITS.encode() + b':00"}]}',
     "annotation 1: the minute is not"),
    ("soccernet", b'{"UrlLocal": "a", "annotations": [{"gameTime": "1 - 0:00", "position": "'
     + DIGITS.encode() + b'"}]}',
     "annotation 1: the position in milliseconds is not"),
    ("spot", b'[{"video": "a", "fps": 25, "events": [{"label": "a", "frame": 1}, {"label": "a", "frame": 1'
     + b"0" * 400 + b"}]}]", "event 2: the frame is not"),
    ("spot", b'[{"video": "a", "num_frames": 1' + b"0" * 400 + b', "events": []}]', "video 1: the number of frames"),
    ("spot_alone", b'[{"video": "a", "fps": Infinity, "events": [{"label": "a", "frame": 1}]}]',
     "video 1: the frame rate"),
    ("spot_alone", b'[{"video": "a", "fps": 1e-300, "events": [{"label": "a", "frame": 1}]}]',
     "video 1: there is no rate"),
    ("label_studio_alone", HOOK % ENTITY.replace(b'"', b"'"), "its configuration declares entities"),
    ("label_studio_alone", HOOK % b"<View><Video frameRate='0'/></View>", "there is no rate of 0"),
    ("label_studio_alone", HOOK % b"<View><Video frameRate='nan'/></View>", "the frame rate is not a finite number"),
    ("bento", b"Bento annotation file\nMovie file(s): a.seq\nAnnotation framerate: 0\nCh1----------\n>bite\n"
     b"1.0 2.0\n",
     "there is no rate of 0"),
    ("elan", b"<ANNOTATION_DOCUMENT><HEADER><MEDIA_DESCRIPTOR MEDIA_URL='a.mp4' MIME_TYPE='video/mp4'/></HEADER>"
     b"<TIME_ORDER><TIME_SLOT TIME_SLOT_ID='t' TIME_VALUE='1e308'/>"
     b"<TIME_SLOT TIME_SLOT_ID='u' TIME_VALUE='inf'/></TIME_ORDER>"
     b"<TIER TIER_ID='x'><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID='a1' TIME_SLOT_REF1='t' TIME_SLOT_REF2='u'>"
     b"<ANNOTATION_VALUE>y</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>",
     "tier x, a1: .*has no time"),
    ("elan", ENTITY + b"<ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>", "declares entities"),
    ("xml", ENTITY + b"<annotation>&b;</annotation>", "declares entities"),
    ("anvil", b"<annotation><head><video src='a.mov'/></head><body><track name='w' type='primary'><el start='1' "
     b"end='2'/></track><track name='o' type='singleton' ref='w'><el index='0' ref='-1'/></track></body></annotation>",
     "track o, element 0: its times are not known"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "place"), PLACED, ids=[f"{name}, {place}" for name, _, place in PLACED])
def test_a_fault_in_an_annotation_file_is_told_with_its_place(tmp_path, name, content, place):
    """The line, row, event or field, not the file alone; `_alone` is read without a rate that a person typed."""
    reader = ALL[name.removesuffix("_alone")]
    path = tmp_path / reader.file
    path.write_bytes(content)
    with pytest.raises(ThasError, match=place) as caught:
        read_annotations(path) if name.endswith("_alone") else reader.read(path)
    assert str(path) in caught.value.what
