"""What every reader of annotators' files gives: events with all that the file says of them, and how a label is made."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from ..core.errors import DataError, UsageError, listing, plural, suggestion
from ..core.file_names import name_fault
from ..core.tables import number
from ..eval.activitynet_files import AnnotationTable
from ..eval.annotations import Annotations
from ..features.video_files import VIDEO_SUFFIXES

_SOUND = frozenset({".wav", ".mp3", ".m4a", ".flac", ".aac", ".opus", ".aif", ".aiff", ".seq"})
_FILE_WORD = "{file}"


@dataclass(frozen=True)
class ReadingOptions:
    """What a person says of a file because the file does not.

    Attributes:
        form: Which form it has; told from the file if None.
        fps: Frames a second, of files that count frames.
        video: The video's name, of files that do not say it; `{file}` stands for the file's own name without suffix.
        label: The fields that make the label, in this order; the form's own if empty.
        where: Only events of which a field has one of these values.
        leave_out: Labels that are none, such as a background.
        seconds: Lengths of videos by name, of files that put several on one clock.
        offset: Seconds to add to every time.
        columns: For tables of a laboratory's own: what its columns are called, by `video`, `label`, `start`, `end`,
            `time`, or `ranges` (columns of labels that hold first and last frame).
        skip_unpaired: States whose start or end is missing are left out with a note, instead of refused.
    """

    form: str | None = None
    fps: float | None = None
    video: str | None = None
    label: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    leave_out: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    offset: float = 0.0
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    skip_unpaired: bool = False

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < 1e5:
            raise UsageError(f"a frame rate must be above 0, not {self.fps:g}", next="give --fps N")


NOTHING_SAID = ReadingOptions()


@dataclass(frozen=True)
class Event:
    """One action as a file has it: an interval in seconds of its video, or an instant where `end` is None."""

    video: str
    start: float
    end: float | None
    fields: Mapping[str, str]
    place: str


@dataclass
class Found:
    """All that one file holds.

    Attributes:
        path: The file.
        options: What was said of it.
        label: The fields that make a label unless others are asked for.
        again: What to do about a file that is damaged.
        events: In the file's order.
        durations: Seconds of videos, as far as the file says.
        subsets: Of videos, as far as the file says.
        videos: Names of videos, those without events included, each with where the file says it lies.
        notes: What was left out or taken for granted, one sentence each.
    """

    path: Path
    options: ReadingOptions
    label: tuple[str, ...] = ("label",)
    again: str = "export the annotations anew"
    events: list[Event] = field(default_factory=list[Event])
    durations: dict[str, float] = field(default_factory=dict[str, float])
    subsets: dict[str, str] = field(default_factory=dict[str, str])
    videos: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])

    def fail(self, what: str, *, why: str = "", next: str = "", place: str = "") -> DataError:
        """An error about this file; it is damaged unless `next` says another way out."""
        return DataError(f"{place or self.path}: {what}", why=why, next=next or self.again, subject=str(self.path))

    def video(self, media: str, *, place: str = "") -> str:
        """The name of the video that a path or address in the file means; the one typed, if one was.

        Raises:
            DataError: It is none, or two videos of different places have one name.
        """
        if self.options.video is not None:
            return self.unnamed_video()
        name = self._noted(video_name(media), media, place)
        known = self.videos[name]
        if _folder(known) != _folder(media) and "" not in (_folder(known), _folder(media)):
            raise self.fail(
                f"two videos are called {name}: {known} and {media}",
                why="a video is known by its file's name, and these lie in different folders",
                next="correct the one that is wrong; if both mean one video, rename one path in the file",
                place=place,
            )
        return name

    def _noted(self, name: str, media: str = "", place: str = "") -> str:
        """The name of a video that the file or its own name says."""
        if fault := name_fault(name):
            what = f"{media or name!r:.80} is not the name of a video"
            raise self.fail(what, why=fault, next="give --video NAME", place=place)
        self.videos.setdefault(name, media)
        return name

    def unnamed_video(self) -> str:
        """The name typed for a video, where the file does not say one.

        Raises:
            DataError: None was typed.
        """
        typed = self.options.video
        if typed is None:
            raise self.fail(
                "it does not say which video it is about",
                next=f"give --video NAME; --video '{_FILE_WORD}' if the video is called {self.path.stem}",
            )
        name = typed.replace(_FILE_WORD, self.path.stem)
        if fault := name_fault(name):
            raise UsageError(f"{name!r:.80} is not the name of a video", why=fault, next="give --video NAME")
        self.videos.setdefault(name, "")
        return name

    def video_of_the_file_name(self, name: str) -> str:
        """The video that the file is named after, as its form has it; said in a note."""
        if self.options.video is not None:
            return self.unnamed_video()
        self.notes.append(f"{self.path.name} is about the video {name}, by the file's name; --video gives another")
        return self._noted(name)

    def rate(self, why: str = "its times are frames, and it does not say how many there are in a second") -> float:
        """The frame rate typed.

        Raises:
            DataError: None was typed.
        """
        if self.options.fps is None:
            raise self.fail("the frame rate is not known", why=why, next="give --fps N, the rate of the video")
        return self.options.fps

    def checked_rate(self, fps: object, *, place: str) -> float:
        """A rate that the file gives, if there can be one.

        Raises:
            DataError: It is no number, or none of a camera.
        """
        value = number(fps, place=place, name="frame rate")
        if not 1e-3 <= value <= 1e6:
            raise self.fail(f"there is no rate of {value:g} frames a second", next="give --fps N", place=place)
        return value

    def known_rate(self, fps: float, source: str) -> float:
        """The rate typed, else one that is known from elsewhere and said in a note."""
        if self.options.fps is not None:
            return self.options.fps
        self.notes.append(f"{fps:g} frames a second, as {source}; --fps gives another")
        return fps

    def add(self, video: str, start: float, end: float | None, fields: Mapping[str, str], *, place: str) -> None:
        """One more event; its times are checked.

        Raises:
            DataError: It ends before it starts.
        """
        if not math.isfinite(start) or not math.isfinite(start if end is None else end):
            raise self.fail(f"{_shown(fields)} has no time", why=f"it is from {start} s to {end} s", place=place)
        if end is not None and end < start:
            raise self.fail(f"{_shown(fields)} ends before it starts", why=f"at {start:g} s and {end:g} s", place=place)
        self.videos.setdefault(video, "")
        self.events.append(Event(video, start, end, fields, place))


def video_name(media: str) -> str:
    r"""A video's name: what its file is called, without folder and suffix; addresses are decoded.

    >>> video_name("C:\\films\\day 1\\Match.1.MP4"), video_name("file:///D:/a%20b.mpg"), video_name("clip.v2")
    ('Match.1', 'a b', 'clip.v2')
    """
    text = media.strip()
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        text = unquote(text.split("?", 1)[0].split("#", 1)[0])
    name = PurePosixPath(text.replace("\\", "/")).name
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in VIDEO_SUFFIXES | _SOUND else name


def _folder(media: str) -> str:
    return str(PurePosixPath(media.replace("\\", "/")).parent) if re.search(r"[\\/]", media) else ""


def _shown(fields: Mapping[str, str]) -> str:
    return listing([f"{name} {value!r}" for name, value in fields.items() if value], 3) or "an event"


def annotations_of(
    found: Found, *, classes: Sequence[str] | None = None, ignore_label: str = "Ambiguous"
) -> Annotations:
    """Events as ground truth: those chosen, each with its label; instants go to `points`.

    Raises:
        UsageError: A field that was asked for does not occur.
        DataError: A label is not one of the classes.
    """
    options = found.options
    label = options.label or found.label
    known = {name for event in found.events for name in event.fields} | set(found.label)
    for name in (*label, *options.where):
        if name not in known and found.events:
            raise UsageError(
                f"{found.path}: its annotations have no {name!r}",
                why=suggestion(name, sorted(known)),
                next="name one of these in --label or --where",
                subject=str(found.path),
            )
    chosen = [one for one in found.events if all(one.fields.get(key, "") in ok for key, ok in options.where.items())]
    if found.events and not chosen:
        held = {name: sorted({one.fields.get(name, "") for one in found.events}) for name in options.where}
        raise UsageError(
            f"{found.path}: nothing in it fits --where",
            why="; ".join(f"{name} is {listing(map(repr, values))}" for name, values in held.items()),
            next="choose among these",
            subject=str(found.path),
        )
    table = AnnotationTable(found.path, classes, ignore_label)
    table.durations, table.subsets = dict(found.durations), dict(found.subsets)
    bare = 0
    for event in chosen:
        name = " ".join(" ".join(filter(None, (event.fields.get(one, "") for one in label))).split())
        if name in options.leave_out:
            continue
        if not name:
            bare += 1
            continue
        start, end = event.start + options.offset, (event.start if event.end is None else event.end) + options.offset
        table.add(event.video, name, start, end, place=event.place, instant=event.end is None)
    notes = list(found.notes)
    if bare:
        what = f"without {' and '.join(label)} left out"
        notes.append(f"{found.path.name}: {plural(bare, f'annotation {what}', f'annotations {what}')}")
    if table.points:
        instants = plural(len(table.points), "instant")
        notes.append(f"{found.path.name}: {instants} without a length, kept as points, not as segments")
    held = {row[0] for row in (*table.rows, *table.points, *table.ignored)} | found.durations.keys()
    for video in found.videos.keys() - held:  # named nowhere else, they would be forgotten
        table.subsets.setdefault(video, "all")
    return table.annotations(tuple(dict.fromkeys(notes)), may_be_empty=True)
