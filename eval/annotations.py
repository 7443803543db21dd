"""Ground truth: the segments of a data set with its classes, durations and subsets."""

from __future__ import annotations

from collections.abc import Mapping
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

    Raises:
        DataError: A segment's label is not one of the classes, or the segments have scores.
    """

    segments: Segments
    classes: tuple[str, ...]
    durations: Mapping[str, float] = field(default_factory=dict)
    subsets: Mapping[str, str] = field(default_factory=dict)
    ignored: Segments = field(default_factory=Segments.empty)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.segments.score is not None:
            raise DataError(
                "ground truth must not have scores",
                why="these look like detections",
                next="give the annotations and the detections in their own places",
            )
        unknown = sorted(set(self.segments.label) - set(self.classes))
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
        known = {*self.durations, *self.subsets, *self.segments.video, *self.ignored.video}
        return tuple(sorted(known))

    def video_labels(self) -> dict[str, tuple[str, ...]]:
        """The labels that occur in each known video, sorted; an empty tuple where none does."""
        found: dict[str, set[str]] = {video: set() for video in self.videos}
        for video, label in zip(self.segments.video, self.segments.label, strict=True):
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
        )

    def __repr__(self) -> str:
        segments, videos = plural(len(self.segments), "segment"), plural(len(self.videos), "video")
        return f"<Annotations: {segments}, {videos}, {plural(len(self.classes), 'class', 'classes')}>"
