"""Data sets' own tables and JSON: EPIC-Kitchens, Charades, MultiTHUMOS; SoccerNet and `spot`, of instants.

SoccerNet's positions are texts of milliseconds from the start of a half, and each half is a video of its own. `spot` is
the form of data sets of figure skating and tennis.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from ..core.errors import plural
from ..core.narrowing import is_row, is_table
from ..core.tables import number, seconds, table_rows, whole
from ..eval.parsing import interval
from .events import Found
from .texts import list_in, table_in, text_in

_EPIC = ("participant_id", "video_id", "start_timestamp", "stop_timestamp", "narration", "verb", "noun")
_CHARADES = ("id", "subject", "scene", "actions", "length")


def is_epic(names: list[str]) -> bool:
    """Whether columns are those of EPIC-Kitchens' tables."""
    return {"video_id", "start_timestamp", "stop_timestamp"} <= set(names)


def is_charades(names: list[str]) -> bool:
    """Whether columns are those of Charades' tables."""
    return {"id", "actions", "length"} <= set(names)


def is_multithumos(content: object) -> bool:
    """Whether JSON is videos with `actions`, rows of class, start and end."""
    return is_table(content) and bool(content) and all(is_table(one) and "actions" in one for one in content.values())


def read_epic(found: Found, path: Path) -> None:
    """Read EPIC-Kitchens by its time stamps, not frames; fields are `narration`, `verb`, `noun` and `participant`.

    Raises:
        DataError: It lacks a column, as the tables of test videos do.
    """
    for line, row in table_rows(path, _EPIC, needed=_EPIC[1:]):
        place = f"{path}, line {line}"
        start, end = (seconds(row[f"{name}_timestamp"], place=place, name=name) for name in ("start", "stop"))
        fields = {name: row[name] for name in ("narration", "verb", "noun")} | {
            "participant": row.get("participant_id", "")
        }
        found.add(found.video(row["video_id"], place=place), start, end, fields, place=place)
    if not found.options.label:
        found.notes.append(
            f"{path.name}: labels are the narrations; --label verb, or --label verb noun, takes the classes"
        )


def read_charades(found: Found, path: Path) -> None:
    """Read Charades; fields are `label` (c000 to c156), `subject` and `scene`. Ends past the video are cut to it.

    Raises:
        DataError: A row's actions are no list of class, start and end.
    """
    cut = 0
    for line, row in table_rows(path, _CHARADES, needed=("id", "actions", "length")):
        place = f"{path}, line {line}"
        video = found.video(row["id"], place=place)
        length = number(row["length"], place=place, name="length")
        found.durations[video] = length
        for action in filter(None, map(str.strip, row["actions"].split(";"))):
            cells = action.split()
            if len(cells) != 3:
                raise found.fail(f"{action!r:.60} is no action", why="it must be CLASS START END", place=place)
            start, end = (number(cells[i], place=place, name=name) for i, name in ((1, "start"), (2, "end")))
            cut += end > length
            fields = {"label": cells[0], "subject": row.get("subject", ""), "scene": row.get("scene", "")}
            found.add(video, start, max(min(end, length), start), fields, place=place)
    if cut:
        found.notes.append(f"{path.name}: {plural(cut, 'end')} past the video's length cut to it")


def read_multithumos(found: Found, content: object) -> None:
    """Read MultiTHUMOS; labels are its class numbers, since the file holds no names."""
    for name, entry in table_in(content, str(found.path)).items():
        place = f"{found.path}, video {name}"
        row = table_in(entry, place)
        video = found.video(name, place=place)
        if row.get("duration") is not None:
            found.durations[video] = number(row["duration"], place=place, name="duration")
        if row.get("subset"):
            found.subsets[video] = re.sub("ing$", "", str(row["subset"])).replace("train", "training")
        for i, item in enumerate(list_in(row["actions"], place), 1):
            where = f"{place}, action {i}"
            action = list_in(item, where)
            if len(action) != 3:
                raise found.fail(f"{action!r:.60} is no action", why="it must be CLASS, START, END", place=where)
            found.add(video, *interval(*action[1:], place=where), {"label": str(action[0])}, place=where)
    if not found.options.label:
        found.notes.append(f"{found.path.name}: labels are numbers of classes; the file holds no names")


_GAME_TIME = re.compile(r"(\d) - (\d+):(\d{2})")


def is_soccernet(content: object) -> bool:
    """Whether JSON is the labels of one game of SoccerNet."""
    rows = content.get("annotations") if is_table(content) else None
    return is_row(rows) and all(is_table(row) and "gameTime" in row for row in rows) and bool(rows)


def is_spot(content: object) -> bool:
    """Whether JSON is a list of videos with events at frames."""
    first = next(iter(content), None) if is_row(content) else None
    return is_table(first) and {"video", "events"} <= first.keys()


def _numbered(value: object, what: str, place: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The tables of a list, each with its place."""
    for i, entry in enumerate(list_in(value, place), 1):
        where = f"{place}, {what} {i}"
        yield where, table_in(entry, where)


def read_soccernet(found: Found, content: object) -> None:
    """Read the labels of one game; fields are `label`, `team`, `visibility` and `half`.

    Raises:
        DataError: A position is none.
    """
    path, game = found.path, table_in(content, str(found.path))
    named = PurePosixPath(str(game.get("UrlLocal", "")).replace("\\", "/")).name
    if found.options.video is not None:
        named = found.options.video.replace("{file}", path.stem)
    if not named:
        raise found.fail(
            "it does not name the game", next="give --video NAME; videos are then called 'NAME - 1' and 'NAME - 2'"
        )
    short = 0
    for place, row in _numbered(game["annotations"], "annotation", str(path)):
        clock = _GAME_TIME.fullmatch(text_in(row.get("gameTime"), place).strip())
        if clock is None:
            what = f"{row.get('gameTime')!r} is no time of a game"
            raise found.fail(what, why="it must be as '1 - 08:32'", place=place)
        position = row.get("position")
        if position is None or position == "":
            minutes = whole(clock[2], place=place, name="minute")
            time, short = minutes * 60.0 + int(clock[3]), short + 1
        else:
            time = whole(text_in(position, place), place=place, name="position in milliseconds") / 1000
        fields = {name: str(row.get(name, "")) for name in ("label", "team", "visibility")} | {"half": clock[1]}
        video = f"{named} - {clock[1]}"
        found.videos.setdefault(video, "")
        found.add(video, time, None, fields, place=place)
    found.notes.append(f"{path.name}: times count from the start of each half; videos are called {named!r} - 1 and - 2")
    if short:
        found.notes.append(f"{path.name}: {short} labels have whole seconds alone")


def read_spot(found: Found, content: object) -> None:
    """Read events at frames that count from 0; fields are `label` and `comment`. The file gives each video's rate.

    Raises:
        DataError: A video has no frame rate.
    """
    for place, row in _numbered(content, "video", str(found.path)):
        video = found.video(text_in(row.get("video"), place), place=place)
        given = row.get("fps")
        own = found.options.fps is None and isinstance(given, int | float) and given > 0
        fps = found.checked_rate(given, place=place) if own else found.rate()
        if row.get("num_frames"):
            found.durations[video] = whole(row["num_frames"], place=place, name="number of frames") / fps
        for where, event in _numbered(row.get("events", []), "event", place):
            frame = whole(event.get("frame"), place=where, name="frame")
            fields = {"label": text_in(event.get("label"), where), "comment": str(event.get("comment", ""))}
            found.add(video, frame / fps, None, fields, place=where)
