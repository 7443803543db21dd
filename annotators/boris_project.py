"""BORIS: project files (`.boris`), read and written.

An event is a list of time, subject, behaviour, modifier and comment. Nothing says START or STOP: those of one subject,
behaviour and modifier take turns. Written is what BORIS's `Import observations` takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..core.segments import Segments
from ..core.tables import number
from .boris_clock import Clock, Mark, Whole, first_player, queued, settle
from .events import Found
from .plain_forms import Content, Files, json_text
from .texts import list_in, table_in, text_in


def is_project(content: object) -> bool:
    """Whether JSON is a project of BORIS."""
    return isinstance(content, dict) and {"observations", "behaviors_conf"} <= content.keys()


def read(found: Found, content: object) -> None:
    """Read all observations of videos; live ones are of no video and are left out with a note.

    Raises:
        DataError: A state has no end.
    """
    path, project = found.path, table_in(content, str(found.path))
    states: dict[str, bool] = {}
    for entry in table_in(project["behaviors_conf"], f"{path}, behaviors_conf").values():
        behavior = table_in(entry, f"{path}, behaviors_conf")
        states[text_in(behavior.get("code"), f"{path}, behaviors_conf")] = "state" in str(behavior.get("type")).lower()
    wanted = found.options.where.get("observation")
    live: list[str] = []
    for name, entry in table_in(project["observations"], f"{path}, observations").items():
        place = f"{path}, observation {name!r}"
        observation = table_in(entry, place)
        if wanted is not None and name not in wanted:
            continue
        clock = _clock(found, observation, place)
        if clock is None:
            live.append(name)
        else:
            _read_observation(found, name, observation, clock, states)
    if live:
        names = ", ".join(map(repr, live))
        found.notes.append(f"{path.name}: not read, since they are of no video (live, or of pictures): {names}")


def _clock(found: Found, observation: Mapping[str, object], place: str) -> Clock | None:
    """The clock of an observation; None if it has no video."""
    files = observation.get("file")
    if str(observation.get("type", "MEDIA")).upper() != "MEDIA" or not files:
        return None
    players = [
        [text_in(path, place) for path in list_in(paths, place)] for _, paths in sorted(table_in(files, place).items())
    ]
    players = [player for player in players if player]
    if not players:
        return None
    info = observation.get("media_info")
    media_info = table_in(info, place) if info is not None else {}
    lengths = media_info.get("length")
    known = table_in(lengths, place) if lengths is not None else {}
    offset = _number(observation.get("time offset", 0.0), place)
    media = first_player(found, players, place)
    own = [_number(known[path], place) if path in known else None for path in media]
    if observation.get("media_creation_date_as_offset"):
        times = table_in(media_info.get("media_creation_time"), place)
        starts = [_number(times.get(path, ""), place) + offset for path in media]
        ends = [start + (length or float("inf")) for start, length in zip(starts, own, strict=True)]
        return Clock(tuple(media), tuple(starts), tuple(ends))
    return queued(found, media, own, offset=offset, place=place)


def _number(value: object, place: str) -> float:
    return 0.0 if value is None else number(value, place=place, name="length, offset or time of creation")


def _read_observation(
    found: Found, name: str, observation: Mapping[str, object], clock: Clock, states: Mapping[str, bool]
) -> None:
    place = f"{found.path}, observation {name!r}"
    marks: list[Mark] = []
    whole: list[Whole] = []
    for i, entry in enumerate(list_in(observation.get("events", []), place)):
        where = f"{place}, event {i + 1}"
        event = list_in(entry, where)
        if len(event) < 3:
            raise found.fail(f"{event!r:.60} is no event", why="it has a time, a subject, a behaviour", place=where)
        behavior = text_in(event[2], where)
        if behavior not in states:
            raise found.fail(
                f"the behaviour {behavior!r} is not in the project's ethogram",
                why="so it is not known whether it is a state or an instant",
                next="add it to the ethogram, or export aggregated events",
                place=where,
            )
        fields = {
            "behavior": behavior,
            "modifiers": text_in(event[3], where) if len(event) > 3 else "",
            "subject": text_in(event[1], where),
            "category": "",
            "observation": name,
        }
        try:
            time = float(str(event[0]))
        except ValueError:
            time = float("nan")
        if not np.isfinite(time):
            what, why = f"{event[0]!r:.60} is no time", "observations of pictures have none"
            raise found.fail(what, why=why, place=where, next="--where observation=NAME chooses others")
        if states[behavior]:
            marks.append(Mark(time, None, fields, where))
        else:
            whole.append(Whole(time, None, fields, where))
    settle(found, clock, whole, marks, place=place)


def write(content: Content, path: Path) -> Files:
    """A project with an observation for each video, to open in BORIS or to import observations from.

    Events of one behaviour take turns in BORIS, so segments of one label that overlap get a subject of their own each.
    Videos whose length is not known end with their last action until BORIS opens them.
    """
    state_labels, point_labels = sorted(set(content.rows.label)), sorted(set(content.points.label))
    codes = {("state", label): label for label in state_labels}
    # A behaviour is a state or an instant, never both.
    codes |= {("point", label): label if label not in state_labels else f"{label} (point)" for label in point_labels}
    subjects: dict[str, None] = {}
    observations: dict[str, object] = {}
    for video, rows in content.videos.items():
        media = content.place_of(video)
        events: list[tuple[float, int, list[object]]] = []
        for label, start, end, lane in _lanes(rows):
            subject = "" if lane == 0 else f"overlapping {lane}"
            subjects |= {subject: None} if subject else {}
            code = codes["state", label]
            events.append((start, 1, [start, subject, code, "", ""]))
            events.append((end, 0 if end > start else 2, [end, subject, code, "", ""]))
        for _, label, at, _ in content.points_of(video):
            events.append((round(at, 3), 1, [round(at, 3), "", codes["point", label], "", ""]))
        last = max([0.001, *(time for time, _, _ in events)])
        length = {media: round(content.durations.get(video, last), 3)}
        observations[video] = {
            "file": {str(player): [media] if player == 1 else [] for player in range(1, 9)},
            "type": "MEDIA",
            "date": "2000-01-01T00:00:00",
            "description": "",
            "time offset": 0.0,
            "events": [event for _, _, event in sorted(events, key=lambda one: one[:2])],
            "observation time interval": [0, 0],
            "independent_variables": {},
            "visualize_spectrogram": False,
            "visualize_waveform": False,
            "media_creation_date_as_offset": False,
            "media_scan_sampling_duration": 0,
            "image_display_duration": 1,
            "close_behaviors_between_videos": False,
            "media_info": {
                "length": length,
                "fps": {media: content.fps},
                "hasVideo": {media: True},
                "hasAudio": {media: False},
                "offset": {"1": 0.0},
            },
        }
    project: dict[str, object] = {
        "time_format": "hh:mm:ss",
        "project_date": "2000-01-01T00:00:00",
        "project_name": "thas",
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {str(i): {"key": "", "name": name, "description": ""} for i, name in enumerate(subjects)},
        "behaviors_conf": {
            str(i): {
                "type": "State event" if kind == "state" else "Point event",
                "key": "",
                "code": code,
                "description": "",
                "color": "",
                "category": "",
                "modifiers": "",
                "excluded": "",
                "coding map": "",
            }
            for i, ((kind, _), code) in enumerate(codes.items())
        },
        "observations": observations,
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    return {path: json_text(project)}


def _lanes(rows: Segments) -> Sequence[tuple[str, float, float, int]]:
    """Label, start, end in whole milliseconds and a lane of each row: in one lane those of a label do not overlap."""
    free: dict[str, list[float]] = {}
    found: list[tuple[str, float, float, int]] = []
    for i in np.lexsort((rows.end_seconds, rows.start_seconds)):
        label = str(rows.label[i])
        start, end = round(float(rows.start_seconds[i]), 3), round(float(rows.end_seconds[i]), 3)
        ends = free.setdefault(label, [])
        lane = next((k for k, until in enumerate(ends) if until <= start), len(ends))
        ends[lane : lane + 1] = [end]
        found.append((label, start, end, lane))
    return found
