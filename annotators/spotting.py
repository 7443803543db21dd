"""Data sets of action spotting, whose actions are instants: SoccerNet, and the form of `spot` (figure skating, tennis).

SoccerNet's positions are texts of milliseconds from the start of a half, and each half is a video of its own.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import cast

from ..core.tables import whole
from .events import Found, ReadingOptions
from .texts import json_of, list_in, table_in, text_in

LABEL = ("label",)
_GAME_TIME = re.compile(r"(\d) - (\d+):(\d{2})")


def is_soccernet(content: object) -> bool:
    """Whether JSON is the labels of one game of SoccerNet."""
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):  # pyright: ignore[reportUnknownMemberType]
        return False
    rows = cast("list[object]", content["annotations"])
    return all(isinstance(row, dict) and "gameTime" in row for row in rows) and bool(rows)


def is_spot(content: object) -> bool:
    """Whether JSON is a list of videos with events at frames."""
    if not isinstance(content, list) or not content:
        return False
    first = cast("list[object]", content)[0]
    return isinstance(first, dict) and {"video", "events"} <= first.keys()


def read_soccernet(path: Path, options: ReadingOptions) -> Found:
    """Read the labels of one game; fields are `label`, `team`, `visibility` and `half`.

    Raises:
        DataError: It is no such file, or a position is none.
    """
    found = Found(path, options, LABEL)
    content = json_of(path)
    if not is_soccernet(content):
        raise found.fail("it holds no labels of SoccerNet", next="give a Labels-v2.json")
    game = table_in(content, str(path))
    named = PurePosixPath(str(game.get("UrlLocal", "")).replace("\\", "/")).name
    if options.video is not None:
        named = options.video.replace("{file}", path.stem)
    if not named:
        raise found.fail(
            "it does not name the game", next="give --video NAME; videos are then called 'NAME - 1' and 'NAME - 2'"
        )
    short = 0
    for i, entry in enumerate(list_in(game["annotations"], str(path)), 1):
        place = f"{path}, annotation {i}"
        row = table_in(entry, place)
        clock = _GAME_TIME.fullmatch(text_in(row.get("gameTime"), place).strip())
        if clock is None:
            raise found.fail(
                f"{row.get('gameTime')!r} is no time of a game",
                why="it must be as '1 - 08:32'",
                place=place,
                next="correct it",
            )
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
    return found


def read_spot(path: Path, options: ReadingOptions) -> Found:
    """Read events at frames that count from 0; fields are `label` and `comment`. The file gives each video's rate.

    Raises:
        DataError: It is no such file, or a video has no frame rate.
    """
    found = Found(path, options, LABEL)
    content = json_of(path)
    if not is_spot(content):
        raise found.fail(
            "it holds no videos with events", next="give a train.json, val.json or test.json of such a data set"
        )
    for i, entry in enumerate(list_in(content, str(path)), 1):
        place = f"{path}, video {i}"
        row = table_in(entry, place)
        video = found.video(text_in(row.get("video"), place), place=place)
        given = row.get("fps")
        own = options.fps is None and isinstance(given, int | float) and given > 0
        fps = found.checked_rate(given, place=place) if own else found.rate()
        if row.get("num_frames"):
            found.durations[video] = whole(row["num_frames"], place=place, name="number of frames") / fps
        for k, item in enumerate(list_in(row.get("events", []), place), 1):
            where = f"{place}, event {k}"
            event = table_in(item, where)
            frame = whole(event.get("frame"), place=where, name="frame")
            fields = {"label": text_in(event.get("label"), where), "comment": str(event.get("comment", ""))}
            found.add(video, frame / fps, None, fields, place=where)
    return found
