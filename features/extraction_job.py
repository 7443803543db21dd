"""What every engine needs to know to extract videos, all but the videos themselves; and what they will take."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._version import __version__
from ..core import processes
from ..core.errors import plural
from .clips import ClipPlan, plan_clips
from .containers import TOLERATED_SECONDS
from .extraction_settings import ExtractionSettings, Machines, clipping_of
from .frame_table import KEEP, FrameTable, UnreadableVideo
from .video import scan_video

if TYPE_CHECKING:
    from .runner import Runner
    from .weights import LoadedBackbone


def refuse_damaged(name: str, table: FrameTable) -> None:
    """Raise an UnreadableVideo for a file that is damaged or ends early."""
    why, first, advice = table.damage, table.first_lost, KEEP
    if table.missing_seconds > TOLERATED_SECONDS:
        claimed = table.duration_seconds + table.missing_seconds
        ends = f"truncated: the container says {claimed:.1f} s, its frames end at {table.duration_seconds:.1f} s"
        why = f"{ends}; {why}" if why else ends
        advice = "if it plays no further, its end is lost or its header wrong: take what is there with --keep-partial"
    if why:
        raise UnreadableVideo(name, stage="scan", why=why, frames=first, next=advice)


@dataclass(frozen=True, eq=False)
class Job:
    """How videos are extracted and into which cache, by which network and what computes; the same on every machine."""

    out: Path
    settings: ExtractionSettings
    loaded: LoadedBackbone
    machines: Machines

    @property
    def recipe(self) -> dict[str, object]:
        """What a cache writes down about how its features were made on this machine."""
        return recipe_of(self.settings, self.loaded)

    def plan(self, name: str, table: FrameTable) -> ClipPlan:
        """The clips of a video, by its file's name and frame table."""
        settings = self.settings
        if not settings.keep_partial:
            refuse_damaged(name, table)
        how = asdict(clipping_of(settings, self.loaded.backbone))
        return plan_clips(table.start_seconds, table.end_seconds, sampler=settings.sampler, **how)

    def runner(self) -> Runner:
        """The network on its device."""
        from .runner import Runner

        settings = self.settings
        return Runner(
            self.loaded,
            device=self.machines.device,
            precision=settings.precision,
            compile=self.machines.compile,
            batch=settings.batch,
        )

    def decoders(self, cores: int | None = None) -> int:
        """How many decoding processes go with so many cores; None for this machine's."""
        return self.machines.workers or min(cores or processes.cores(), 16)


def recipe_of(settings: ExtractionSettings, loaded: LoadedBackbone) -> dict[str, object]:
    """What a cache writes down about how its features were made."""
    from importlib.metadata import version

    clipping = clipping_of(settings, loaded.backbone)
    seconds = {} if clipping.stride_seconds is None else {"stride_seconds": clipping.stride_seconds}
    return {
        **loaded.recipe,
        "clip_frames": clipping.length_frames,
        "frame_step": clipping.frame_step,
        "snippets": clipping.snippets,
        "stride_frames": clipping.stride_frames,
        **seconds,  # absent from older caches, which have one of the other two
        "fps": clipping.fps,
        "sampler": settings.sampler,
        "precision": settings.precision,
        "decoder": settings.decoder,
        "stored": settings.stored,
        "thas_version": __version__,
        "torch_version": version("torch"),
    }


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
        '2 videos, about 4000 snippets: about 35 min on cpu, 66.0 MB of disk (1.0 GB free)'
        """
        from rich.filesize import decimal

        what = f"{plural(self.videos, 'video')}, about {plural(self.snippets, 'snippet')}"
        network = f" with {self.network}" if self.network else ""
        disk = f"{decimal(self.bytes)} of disk ({decimal(self.free_bytes)} free)"
        return f"{what}{network}: about {duration(self.seconds)} on {self.device}, {disk}"


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
