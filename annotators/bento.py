"""BENTO's annotation files (`.annot`): bouts of behaviours in channels.

Times are seconds, the stop is the last frame that is included: a bout ends one frame later, as its Duration says.
Source: the reader of BENTO itself, and the column Duration.
"""

from __future__ import annotations

import re

from ..core.errors import listing
from ..eval.parsing import interval
from .events import Found, video_name

_FIRST = "bento annotation file"


def is_bento(head: str) -> bool:
    """Whether a text begins as BENTO's files do."""
    return head[: len(_FIRST)].lower() == _FIRST


def read(found: Found, text: str) -> None:
    """Read the bouts of all channels; fields are `label` and `channel`.

    Raises:
        DataError: It is cut short.
    """
    path, lines = found.path, text.splitlines()
    head = dict(line.split(":", 1) for line in lines if ":" in line and not line[:1].isdigit())
    rate = head.get("Annotation framerate", "").strip()
    fps = found.checked_rate(rate, place=str(path)) if rate else found.rate()
    movies = re.split(r"(?<=\.\w{3})\s+(?=\S)", head.get("Movie file(s)", "").strip())
    if movies[0]:
        video = found.video(movies[0])
        if len(movies) > 1 and found.options.video is None:
            others = listing([video_name(one) for one in movies[1:]])
            found.notes.append(
                f"{path.name}: bouts are of the first movie, {video}, not of {others}; --video gives another name"
            )
    else:
        video = found.unnamed_video()
    channel = label = ""
    for i, line in enumerate(lines, 1):
        place, text = f"{path}, line {i}", line.strip()
        if re.fullmatch(r".+-{5,}", text):
            channel = text.rstrip("-")
        elif text.startswith(">"):
            label = text[1:].strip()
        elif channel and label and text[:1].isdigit():
            cells = text.split()
            if len(cells) < 2:
                raise found.fail("a bout has no stop", why="the file is cut short", place=place)
            start, stop = interval(*cells[:2], place=place)
            end = round(stop + 1 / fps, 6)
            found.add(video, start, end, {"label": label, "channel": channel}, place=place)
