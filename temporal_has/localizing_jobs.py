"""Localizing the videos of a data set in parts, over processes or the machines of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from ..core.errors import Failure
from ..core.messages import Progress, silent
from ..core.segments import Segments
from ..core.spread import Spread
from ..features.cache import FeatureCache
from .activation import ClassActivationSequence, SequenceShelf
from .localizer import Localizer, localize_videos
from .settings import LocalizeSettings

# So many videos a job: loading the network costs as much as a few.
_VIDEOS = 32


@dataclass(frozen=True)
class Parts:
    """What localizes, by names and paths: each process loads it for itself.

    Attributes:
        runs: Their folders.
        settings: How segments are made of sequences.
        map_members: Which of several runs give sequences.
        checkpoint: The best epoch's network, or the last one's.
        device: cpu, cuda, cuda:1 or auto.
        features: The feature cache.
    """

    runs: tuple[Path, ...]
    settings: LocalizeSettings
    map_members: tuple[int, ...]
    checkpoint: Literal["best", "last"]
    device: str
    features: Path

    def localizer(self, device: str = "") -> Localizer:
        """The networks, loaded, on the device that is named here instead."""
        return Localizer.from_run(
            *self.runs,
            device=device or self.device,
            settings=self.settings,
            map_members=self.map_members,
            checkpoint=self.checkpoint,
        )


@dataclass(frozen=True)
class _Job:
    parts: Parts
    videos: tuple[str, ...]
    labels: Mapping[str, Sequence[str]] | None


_Found = tuple[Segments, list[ClassActivationSequence], list[Failure]]


def localize_parts(
    parts: Parts,
    videos: Sequence[str],
    spread: Spread,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    progress: Progress = silent,
) -> tuple[Segments, SequenceShelf, list[Failure]]:
    """As `localize_videos`, to the same bytes as in one process with one thread."""
    groups = [tuple(videos[i : i + _VIDEOS]) for i in range(0, len(videos), _VIDEOS)]
    jobs = [
        _Job(parts, group, None if labels is None else {one: labels[one] for one in group if one in labels})
        for group in groups
    ]
    devices = None if parts.device != "auto" else ()
    found: dict[int, tuple[Segments, range, list[Failure]]] = {}  # the range is of places on the shelf
    shelf = SequenceShelf(near=parts.runs[0])

    def seen(job: int) -> None:
        progress(1)

    with closing(spread.run(_localize, jobs, devices=devices, on_step=seen)) as results:
        for i, result in results:
            if isinstance(result, Failure):
                lost = [Failure(one, "localize", str(result), next=result.next) for one in groups[i]]
                found[i] = Segments.empty(scored=True), range(0), lost
            else:
                detections, sequences, failed = result
                begin = len(shelf)
                shelf.extend(sequences)
                found[i] = detections, range(begin, len(shelf)), failed
    ordered = [found[i] for i in range(len(groups))]
    shelf.arrange([place for _, places, _ in ordered for place in places])
    return (
        Segments.concat([Segments.empty(scored=True), *(detections for detections, _, _ in ordered)]),
        shelf,
        [one for _, _, failed in ordered for one in failed],
    )


def _localize(job: _Job, device: str, step: Callable[[], None]) -> _Found:
    localizer = _loaded(job.parts, device)
    detections, sequences, failed = localize_videos(
        localizer,
        FeatureCache(job.parts.features),
        job.videos,
        labels=job.labels,
        progress=lambda done=1, note="": step(),
    )
    return detections, list(sequences), failed


@lru_cache(maxsize=1)
def _loaded(parts: Parts, device: str) -> Localizer:
    return parts.localizer(device)
