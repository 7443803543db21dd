"""Moments cut out of their videos: a file each, or one film of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DataError, UsageError, VideoError, listing
from ..core.messages import Progress, logger, silent
from ..core.segments import Segments
from ..features.video import scan_video
from .clips import Clip, cut_clips, join_clips, plan_clips


@dataclass(frozen=True)
class Cutting:
    """What was cut.

    Attributes:
        written: The files.
        failed: Videos that gave nothing, and why.
        replaced: Of the files written, those of whose name there was one before.
        left: Other clips that lie in the folder, from before.
    """

    written: tuple[Path, ...]
    failed: Mapping[str, str]
    replaced: tuple[Path, ...] = ()
    left: tuple[Path, ...] = ()


def cut_moments(
    moments: Mapping[str, Segments],
    files: Mapping[str, Path],
    out: Path,
    *,
    film: bool = False,
    pad_seconds: float = 0.0,
    quality: int = 20,
    progress: Progress = silent,
) -> Cutting:
    """Cut moments out of their videos, to the frame.

    Args:
        moments: By video.
        files: Of the videos.
        out: The folder; of a film the file.
        film: One film of all moments instead of a file each.
        pad_seconds: Shown before and after each.
        quality: x264's constant rate factor, 0 to 51; lower is better and larger.
        progress: Called after each moment.

    Raises:
        UsageError: The padding, the quality or the film's name makes no sense.
        DataError: Not one of the videos is at hand.
    """
    if pad_seconds < 0 or not 0 <= quality <= 51:
        raise UsageError("--pad is 0 or more, --quality from 0 to 51", next="thas clips --help")
    if film and out.suffix.lower() != ".mp4":
        raise UsageError("a film is one file", next="thas clips --film --out film.mp4")
    failed = dict.fromkeys((name for name in moments if name not in files), "its file is not at hand")
    if moments and len(failed) == len(moments):
        raise DataError(
            "none of the videos is at hand",
            why=f"no file of {listing(failed)} is known",
            next="--videos FOLDER names the folder that they lie in",
        )
    before = {path for path in ([out] if film else out.glob("*.mp4")) if path.exists()}
    plans: list[tuple[Path, list[Clip]]] = []
    written: list[Path] = []
    for name in sorted(moments.keys() - failed.keys()):
        path = files[name]
        try:
            table = scan_video(path)
            plan, remarks = plan_clips(
                name, moments[name], duration_seconds=table.duration_seconds, pad_seconds=pad_seconds
            )
            for remark in remarks:
                logger.warning(remark)
            if film:
                plans.append((path, plan))
            else:
                written += cut_clips(path, plan, out, table=table, quality=quality, progress=progress)
        except VideoError as error:
            failed[name] = error.why or error.what
    if film:
        written = [join_clips(plans, out, quality=quality, progress=progress)]
    replaced = tuple(path for path in written if path in before)
    return Cutting(tuple(written), failed, replaced, tuple(sorted(before - set(written))))
