"""Subtitles and chapters: what happens when, over the video in any player."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from ..core.file_names import file_name
from ..core.segments import Segments

Kind = Literal["webvtt", "srt"]

_SUFFIX = {"webvtt": ".vtt", "srt": ".srt"}


def timestamp(seconds: float, *, comma: bool = False) -> str:
    """WebVTT's form of a time; SubRip's, which has a comma.

    >>> timestamp(3725.5), timestamp(3725.5, comma=True)
    ('01:02:05.500', '01:02:05,500')
    """
    milliseconds = round(max(seconds, 0.0) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    mark = "," if comma else "."
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def cues(rows: Segments, *, apart: bool = True) -> list[tuple[float, float, list[str]]]:
    """Start, end and lines of each cue, in the order of time; a cue lasts a millisecond at least, or none shows it.

    Args:
        rows: Of one video, with scores or without.
        apart: No two cues overlap: where several actions happen at once, one cue says all of them. Else a row a cue.

    >>> both = Segments(["v", "v"], ["Run", "Wave"], [0.0, 2.0], [4.0, 3.0])
    >>> [(start, end, lines) for start, end, lines in cues(both)]
    [(0.0, 2.0, ['Run']), (2.0, 3.0, ['Run', 'Wave']), (3.0, 4.0, ['Run'])]
    """
    start = np.round(np.maximum(rows.start_seconds, 0.0), 3)
    end = np.maximum(np.round(rows.end_seconds, 3), start + 0.001)
    scores = rows.score if rows.score is not None else [None] * len(rows)
    lines = [name if score is None else f"{name} ({score:.3g})" for name, score in zip(rows.label, scores, strict=True)]
    order = np.lexsort((end, start)).tolist()
    if not apart:
        return [(float(start[i]), float(end[i]), [lines[i]]) for i in order]
    edges = np.unique(np.round(np.concatenate([start, end]), 3))
    result: list[tuple[float, float, list[str]]] = []
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        now = [lines[i] for i in order if start[i] <= first + 5e-4 and end[i] >= last - 5e-4]
        if now:
            result.append((first, last, list(dict.fromkeys(now))))
    return result


def subtitle_files(folder: Path, videos: Mapping[str, Segments], *, kind: Kind, apart: bool = True) -> dict[Path, str]:
    """A file a video, named after it, with its text."""
    files: dict[Path, str] = {}
    for video, rows in videos.items():
        found = cues(rows, apart=apart)
        text = _webvtt(video, found) if kind == "webvtt" else _srt(found)
        files[folder / file_name(video, _SUFFIX[kind])] = text
    return files


def _webvtt(video: str, found: list[tuple[float, float, list[str]]]) -> str:
    def plain(line: str) -> str:
        return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")

    blocks = [f"WEBVTT - {video}\n"]
    for start, end, lines in found:
        blocks.append(f"{timestamp(start)} --> {timestamp(end)}\n" + "\n".join(map(plain, lines)) + "\n")
    return "\n".join(blocks)


def _srt(found: list[tuple[float, float, list[str]]]) -> str:
    # Players take tags for formatting and know no way to write < as itself; an empty line would end the cue.
    def plain(line: str) -> str:
        return " ".join(line.replace("<", "(").replace(">", ")").split())

    return "\n".join(
        f"{number}\n{timestamp(start, comma=True)} --> {timestamp(end, comma=True)}\n"
        + "\n".join(map(plain, lines))
        + "\n"
        for number, (start, end, lines) in enumerate(found, 1)
    )
