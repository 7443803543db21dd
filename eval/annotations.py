"""Ground truth: the segments of a data set with its classes, durations and subsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..core.errors import DataError, UsageError, listing, plural, suggestion
from ..core.segments import Segments


@dataclass(frozen=True, eq=False)
class Annotations:
    """The ground truth of a data set, or of one of its subsets.

    Attributes:
        segments: The annotated actions, without scores, in the order of their file.
        classes: (C,) every label there can be, whether it occurs or not.
        durations: Seconds of each video, as far as known.
        subsets: The subset of each video, as far as known.
        ignored: Segments that the annotators left open (THUMOS14's Ambiguous): neither right nor wrong.
        notes: What was left out or looked odd while reading, one sentence each.
        points: Instants, where annotators marked one and no length: an action's click. Rows end where they start.

    Raises:
        DataError: A segment's label is not one of the classes, or the segments have scores.
    """

    segments: Segments
    classes: tuple[str, ...]
    durations: Mapping[str, float] = field(default_factory=dict[str, float])
    subsets: Mapping[str, str] = field(default_factory=dict[str, str])
    ignored: Segments = field(default_factory=Segments.empty)
    notes: tuple[str, ...] = ()
    points: Segments = field(default_factory=Segments.empty)

    def __post_init__(self) -> None:
        if self.segments.score is not None:
            raise DataError(
                "ground truth must not have scores",
                why="these look like detections",
                next="give the annotations and the detections in their own places",
            )
        unknown = sorted({*self.segments.label, *self.points.label} - set(self.classes))
        if unknown:
            raise DataError(
                f"the ground truth has labels that are not among its classes: {listing(unknown)}",
                why=suggestion(unknown[0], self.classes),
                next="correct the label, or the list of classes",
                subject=unknown[0],
            )

    @cached_property
    def videos(self) -> tuple[str, ...]:
        """All videos that are known, with or without segments, sorted."""
        known = {*self.durations, *self.subsets, *self.segments.video, *self.ignored.video, *self.points.video}
        return tuple(sorted(known))

    def video_labels(self) -> dict[str, tuple[str, ...]]:
        """The labels that occur in each known video, as segments or points, sorted; () where none does."""
        found: dict[str, set[str]] = {video: set() for video in self.videos}
        for table in (self.segments, self.points):
            for video, label in zip(table.video, table.label, strict=True):
                found[video].add(label)
        return {video: tuple(sorted(labels)) for video, labels in found.items()}

    def subset(self, name: str) -> Annotations:
        """Only the videos of one subset; the classes stay.

        Raises:
            UsageError: No video belongs to it.
        """
        videos = {video for video, subset in self.subsets.items() if subset == name}
        if not videos:
            known = sorted(set(self.subsets.values()))
            raise UsageError(
                f"the annotations have no subset {name!r}",
                why=suggestion(name, known) if known else "they name no subsets at all",
                next=f"give --subset {known[0]}" if known else "leave --subset out",
                subject=name,
            )
        return self.only(videos)

    def only(self, videos: set[str] | frozenset[str]) -> Annotations:
        """Only these videos; the classes stay."""

        def within(table: Segments) -> Segments:
            return table[np.fromiter((video in videos for video in table.video), bool, len(table))]

        return Annotations(
            within(self.segments),
            self.classes,
            {video: seconds for video, seconds in self.durations.items() if video in videos},
            {video: subset for video, subset in self.subsets.items() if video in videos},
            within(self.ignored),
            self.notes,
            within(self.points),
        )

    def __repr__(self) -> str:
        segments, videos = plural(len(self.segments), "segment"), plural(len(self.videos), "video")
        return f"<Annotations: {segments}, {videos}, {plural(len(self.classes), 'class', 'classes')}>"


def joined(parts: Sequence[Annotations], name: str, notes: Sequence[str] = ()) -> Annotations:
    """Annotations of several files as one; messages call them together by `name`.

    Raises:
        DataError: A video is in two subsets, or lasts two different times.
    """
    durations: dict[str, float] = {}
    subsets: dict[str, str] = {}
    for part in parts:
        for video, seconds in part.durations.items():
            if abs(durations.setdefault(video, seconds) - seconds) > 0.5:
                raise DataError(
                    f"{name}: the video {video} lasts {durations[video]:g} s in one file and {seconds:g} s in another",
                    why="two videos may have one name",
                    next="rename one of them in its file",
                    subject=video,
                )
        for video, subset in part.subsets.items():
            if subsets.setdefault(video, subset) != subset:
                raise DataError(
                    f"{name}: the video {video} is in two subsets, {subsets[video]!r} and {subset!r}",
                    next="keep it in one",
                    subject=video,
                )
    return Annotations(
        Segments.concat([part.segments for part in parts]),
        tuple(sorted({label for part in parts for label in part.classes})),
        durations,
        subsets,
        Segments.concat([part.ignored for part in parts]),
        tuple(dict.fromkeys([*(note for part in parts for note in part.notes), *notes])),
        Segments.concat([part.points for part in parts]),
    )
