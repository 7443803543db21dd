"""What a job will take, before it begins."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import plural
from .extraction_settings import clipping_of
from .video import UnreadableVideo, scan_video

if TYPE_CHECKING:
    from .extraction_job import Job
    from .runner import Runner

_SAMPLE = 12


@dataclass(frozen=True)
class Estimate:
    """What a job will take.

    Attributes:
        videos: How many are to be extracted.
        snippets: About how many clips they give.
        seconds: About how long the network takes for them.
        bytes: About how much disk.
        free_bytes: Free on that disk.
        device: Where the network runs.
        network: Its name and licence, if they are to be told.
    """

    videos: int
    snippets: int
    seconds: float
    bytes: int
    free_bytes: int
    device: str
    network: str = ""

    def sentence(self) -> str:
        """One line for the user.

        >>> Estimate(2, 4000, 2100, 66_000_000, 10**9, "cpu").sentence()
        '2 videos, about 4000 snippets: about 35 min on cpu, 66 MB of disk (1.0 GB free)'
        """
        return (
            f"{plural(self.videos, 'video')}, about {plural(self.snippets, 'snippet')}"
            + (f" with {self.network}" if self.network else "")
            + ": "
            f"about {duration(self.seconds)} on {self.device}, "
            f"{size(self.bytes)} of disk ({size(self.free_bytes)} free)"
        )


def estimate_job(job: Job, videos: Mapping[str, Path], runner: Runner) -> Estimate:
    """What videos will take here, by some of their frame tables and one clip through the network."""
    backbone = job.loaded.backbone
    how = backbone.preprocessing
    paths = list(videos.values())
    counts: list[int] = []
    for path in paths[:: max(1, len(paths) // _SAMPLE)][:_SAMPLE]:
        try:
            counts.append(len(job.plan(path.name, scan_video(path))))
        except UnreadableVideo:
            continue
    frames = clipping_of(job.settings, backbone).length_frames
    clips = np.zeros((runner.batch, frames, how.crop_height, how.crop_width, how.channels), np.uint8)
    seconds = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        runner(clips)
        seconds = min(seconds, time.perf_counter() - begin)
        if seconds > 0.2:
            break  # the first run is slower by what would not show here
    seconds /= runner.batch * (runner.lanes if runner.device.type == "cpu" else 1)
    snippets = round(len(paths) * float(np.mean(counts))) if counts else 0
    size = snippets * backbone.dimension * (2 if job.settings.stored == "float16" else 4)
    free = shutil.disk_usage(job.out).free
    network = f"{backbone.name} ({backbone.licence})"
    return Estimate(len(paths), snippets, snippets * seconds, size, free, str(runner.device), network)


def duration(seconds: float) -> str:
    """A length of time to two digits or so.

    >>> duration(4), duration(150), duration(7000), duration(400_000)
    ('4 s', '2.5 min', '1.9 h', '4.6 days')
    """
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            value = seconds / length
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{seconds:.0f} s"


def size(count: int) -> str:
    """An amount of disk to two digits or so.

    >>> size(300), size(2_500_000), size(66_000_000_000)
    ('300 B', '2.5 MB', '66 GB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
