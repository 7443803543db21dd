"""Readers of the files of annotation tools and of data sets' own annotations: `fuzzed_readers`."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .fuzzed_readers import Reader, _text


def _annotations(form: str) -> Callable[[Path], object]:
    """Read a file as `thas convert` does, by its content, and then by the form that a person names."""

    def read(path: Path) -> object:
        from thas.annotators.events import ReadingOptions
        from thas.annotators.forms import read_file
        from thas.core.errors import ThasError
        from thas.eval import read_annotations

        options = ReadingOptions(fps=25.0)
        found: list[object] = []
        with suppress(ThasError):
            found += _numbers(read_annotations(path, options=options))
        return found + _numbers(read_file(path, options, form=form))

    return read


def _numbers(found: object) -> list[object]:
    from thas.eval import Annotations

    assert isinstance(found, Annotations)
    tables = found.segments, found.points, found.ignored
    return [*(one.start_seconds for one in tables), *(one.end_seconds for one in tables), *found.durations.values()]


def _spreadsheet(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for line in BORIS.splitlines():
        book.active.append(line.split(","))
    book.save(path)


def _read_points(path: Path) -> object:
    from thas.datasets.opening import open_dataset

    (path.parent / "labels.csv").write_text("video,label,subset\na,run,training\nb,sit,training\nc,run,test\n")
    found = open_dataset(path.parent).points()
    return [found.start_seconds, found.end_seconds]


BORIS = (
    "Observation id,Source,Time offset (s),Media duration (s),Subject,Behavior,Behavioral category,Modifier #1,"
    "Behavior type,Time,Media file name\n"
    "m,player #1:a.mp4;b.mp4,0.5,10.0;9.0,cat,run,x,fast,START,1.5,a.mp4\n"
    "m,player #1:a.mp4;b.mp4,0.5,10.0;9.0,cat,run,x,fast,STOP,3.0,a.mp4\n"
    "m,player #1:a.mp4;b.mp4,0.5,10.0;9.0,cat,sit,,,POINT,12.0,b.mp4\n"
)
AGGREGATED = (
    "Observation id;Source;Time offset (s);Media duration (s);Subject;Behavior;Behavior type;Start (s);Stop (s);"
    "Media file name\nm;player #1:a.mp4;0;10.0;cat;run;STATE;1.5;2.5;a.mp4\n"
    "m;player #1:a.mp4;0;10.0;;sit;POINT;4;4;a.mp4\n"
)
PROJECT = {
    "behaviors_conf": {"0": {"code": "run", "type": "State event"}, "1": {"code": "sit", "type": "Point event"}},
    "observations": {
        "m": {
            "type": "MEDIA",
            "file": {"1": ["a.mp4", "b.mp4"], "2": []},
            "time offset": 0.5,
            "media_info": {"length": {"a.mp4": 10.0, "b.mp4": 9.0}},
            "events": [[1.5, "", "run", "", ""], [3.0, "", "run", "", ""], [12.0, "", "sit", "", ""]],
        },
        "n": {
            "type": "MEDIA",
            "file": {"1": ["c.mp4"]},
            "media_creation_date_as_offset": True,
            "media_info": {"length": {"c.mp4": 10.0}, "media_creation_time": {"c.mp4": 3.5}},
            "events": [[4.5, "", "sit", "", ""]],
        },
    },
}
ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///a.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="500"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t0" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="t1"/>
<TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="2000"/></TIME_ORDER>
<TIER TIER_ID="hands" LINGUISTIC_TYPE_REF="plain">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="t0" TIME_SLOT_REF2="t1">
<ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2">
<ANNOTATION_VALUE>nod</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="parts" LINGUISTIC_TYPE_REF="parts" PARENT_REF="hands"><ANNOTATION>
<REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1"><ANNOTATION_VALUE>up</ANNOTATION_VALUE></REF_ANNOTATION>
</ANNOTATION><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a3">
<ANNOTATION_VALUE>down</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="plain"/>
<LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Subdivision" LINGUISTIC_TYPE_ID="parts"/></ANNOTATION_DOCUMENT>
"""
_REGION = {"type": "timelinelabels", "value": {"ranges": [{"start": 1, "end": 25}], "timelinelabels": ["run"]}}
_BOX = {"type": "videorectangle", "value": {"framesCount": 100, "duration": 4.0, "labels": ["x"]}}
_SOUND = {"type": "labels", "value": {"start": 1.5, "end": 2.5, "labels": ["bark"]}}
TASKS = [
    {
        "id": 7,
        "data": {"video": "/data/upload/3/0a1b2c3d-a.mp4"},
        "annotations": [{"id": 5, "completed_by": {"id": 1, "email": "x"}, "result": [_REGION, _BOX, _SOUND]}],
    },
    {"id": 8, "data": {"video": "b.mp4"}, "annotations": [], "predictions": [{"result": [_REGION]}]},
]
SHORT = [{"id": 7, "annotator": 1, "video": "a.mp4", "tricks": [_REGION["value"]]}]
HOOK = {
    "task": {"id": 7, "data": {"video": "a.mp4", "fps": 30}},
    "annotation": {"id": 5, "result": [_REGION]},
    "project": {"label_config": '<View><Video name="v" value="$video" frameRate="$fps"/></View>'},
}
TASKS_CSV = (
    "id,annotator,annotation_id,video,tricks\n"
    '7,1,5,a.mp4,"[{""ranges"":[{""start"":1,""end"":25}],""timelinelabels"":[""run""]}]"\n'
)
CVAT = """<annotations><version>1.1</version><meta><task><id>1</id><size>100</size>
<frame_filter>step=1</frame_filter><source>a.mp4</source></task></meta>
<track id="0" label="run"><box frame="10" outside="0"><attribute name="fast">yes</attribute></box>
<box frame="20" outside="1"/></track><image id="3" name="f"><tag label="sit"/></image></annotations>
"""
VIA = {
    "file": {"1": {"fid": "1", "fname": "a.mp4"}},
    "view": {"3": {"fid_list": ["1"]}},
    "attribute": {"1": {"aname": "act", "options": {"0": "run", "1": "sit"}}},
    "metadata": {
        "m0": {"vid": "3", "z": [1.5, 2.5], "xy": [], "av": {"1": "0,1"}},
        "m1": {"vid": "3", "z": [4], "xy": [2, 0, 0, 9, 9], "av": {"1": "0"}},
    },
}
VIA_CSV = (
    '# ATTRIBUTE = {"1": {"aname": "act", "options": {"0": "run"}}}\n'
    "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n"
    '"1_a","[""a.mp4""]",0,"[1.25,2.5]","[]","{""1"":""0""}"\n'
)
ANVIL = """<?xml version="1.0"?><annotation><head><video src="a.mov" master="true"/></head><body>
<track name="w" type="primary"><el index="0" start="1.0" end="2.0"><attribute name="t">run</attribute></el>
<el index="1" time="3.0"/></track><track name="s" type="span" ref="w"><el index="0" start="0" end="1"/></track>
<track name="o" type="singleton" ref="w"><el index="0" ref="1"/></track></body></annotation>
"""
BENTO = (
    "Bento annotation file\nMovie file(s): a.seq b.seq\n\nAnnotation framerate: 10.0\n\nList of channels:\nCh1\n\n"
    "Ch1----------\n>bite\nStart\t Stop\t Duration\n1.0\t2.0\t1.1\n"
)
EPIC = (
    "participant_id,video_id,start_timestamp,stop_timestamp,narration,verb,noun\n"
    "P01,P01_01,00:00:01.50,00:01:02.25,open door,open,door\n"
)
CHARADES = "id,subject,scene,actions,length\nABC12,S1,Kitchen,c092 11.90 21.20;c147 0.00 12.60,20.5\n"
THUMOS = {"v1": {"duration": 9.5, "subset": "training", "actions": [[7, 1.5, 2.5], [8, 3.0, 4.0]]}}
SALADS = "1000000 2500000 cut_tomato_prep\n2500000 4000000 cut_tomato\n"
SOCCER = {
    "UrlLocal": "league/game/",
    "annotations": [
        {"gameTime": "1 - 08:32", "label": "Goal", "position": "512000", "team": "home", "visibility": "visible"},
        {"gameTime": "2 - 00:32", "label": "Foul", "position": ""},
    ],
}
SPOT = [{"video": "a", "fps": 25.0, "num_frames": 100, "events": [{"frame": 25, "label": "jump", "comment": ""}]}]


def _reader(file: str, make: Callable[[Path], object], form: str, kind: str = "text") -> Reader:
    return Reader(file, make, _annotations(form), kind)


def _json(value: object) -> Callable[[Path], object]:
    return _text(json.dumps(value))


ANNOTATORS: dict[str, Reader] = {
    "boris_csv": _reader("a.csv", _text(BORIS), "boris"),
    "boris_tsv": _reader("a.tsv", _text(BORIS.replace(",", "\t")), "boris"),
    "boris_aggregated": _reader("a.csv", _text(AGGREGATED), "boris"),
    "boris_xlsx": _reader("a.xlsx", _spreadsheet, "boris", "zip"),
    "boris_project": _reader("a.boris", _json(PROJECT), "boris-project", "json"),
    "elan": _reader("a.eaf", _text(ELAN), "elan"),
    "label_studio": _reader("a.json", _json(TASKS), "label-studio", "json"),
    "label_studio_short": _reader("a.json", _json(SHORT), "label-studio", "json"),
    "label_studio_hook": _reader("a.json", _json(HOOK), "label-studio", "json"),
    "label_studio_csv": _reader("a.csv", _text(TASKS_CSV), "label-studio"),
    "cvat": _reader("a.xml", _text(CVAT), "cvat"),
    "via": _reader("a.json", _json(VIA), "via", "json"),
    "via_csv": _reader("a.csv", _text(VIA_CSV), "via"),
    "anvil": _reader("a.anvil", _text(ANVIL), "anvil"),
    "bento": _reader("a.annot", _text(BENTO), "bento"),
    "deepethogram": _reader("a_labels.csv", _text(",background,bite\n0,1,0\n1,0,1\n2,0,1\n"), "deepethogram"),
    "epic_kitchens": _reader("a.csv", _text(EPIC), "epic-kitchens"),
    "charades": _reader("a.csv", _text(CHARADES), "charades"),
    "multithumos": _reader("a.json", _json(THUMOS), "multithumos", "json"),
    "50salads": _reader("01-1-activityAnnotation.txt", _text(SALADS), "50salads"),
    "breakfast": _reader("a.txt", _text("SIL\n" * 5 + "pour_milk\n" * 7), "breakfast"),
    "jigsaws": _reader("a.txt", _text("1 30 G1\n31 65 G11\n"), "jigsaws"),
    "soccernet": _reader("Labels-v2.json", _json(SOCCER), "soccernet", "json"),
    "points": Reader("points.csv", _text("video,label,time_seconds\na,run,1.5\nb,sit,2.0\n"), _read_points, "text"),
    "spot": _reader("a.json", _json(SPOT), "spot", "json"),
}
"""By tool or data set, and by the form of its file where it has several."""
