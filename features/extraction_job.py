"""What every engine needs to know to extract videos: all but the videos themselves."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .._version import __version__
from .clips import ClipPlan, plan_clips
from .containers import TOLERATED_SECONDS
from .extraction_settings import ExtractionSettings, Machines, clipping_of
from .frame_table import KEEP, FrameTable, UnreadableVideo

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
    """How videos are extracted and where to; the same on every machine.

    Attributes:
        out: The cache.
        settings: How features are made.
        loaded: The network and its weights.
        machines: What computes.
    """

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
        return self.machines.workers or min(cores or os.cpu_count() or 1, 16)


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
