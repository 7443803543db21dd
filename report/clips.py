"""Found moments as video files: cut to the frame, turned as they are meant to be seen, with sound; or one film."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import DataError, UsageError, VideoError, listing
from ..core.messages import Progress, logger, silent
from ..core.segments import Segments
from ..features.decode import decode_frames
from ..features.video import FrameTable, opened, scan_video
from .film import Film


@dataclass(frozen=True)
class Clip:
    """One moment to cut into a file of this name: its times count from the video's first frame, padding included."""

    label: str
    start_seconds: float
    end_seconds: float
    name: str


def plan_clips(
    video: str, moments: Segments, *, duration_seconds: float, pad_seconds: float = 0.0
) -> tuple[list[Clip], list[str]]:
    """The clips of one video in the order of time, under names that sort like that, and what had to be said.

    Returns:
        Clips, and a sentence about each moment that lies beyond the end, wholly or in part.

    >>> plan_clips("match", Segments(["match"], ["Long jump"], [61], [75]), duration_seconds=70)[0][0].name
    'match_001_01m01.0s_Long_jump.mp4'
    """
    clips, remarks = list[Clip](), list[str]()
    order = np.lexsort((moments.end_seconds, moments.start_seconds))
    digits = max(3, len(str(len(moments))))
    for number, (_, label, start, end, *_) in enumerate(moments[order], 1):
        if start >= duration_seconds:
            remarks.append(
                f"{video}: {label} at {start:.3f} s is beyond the end, {duration_seconds:.3f} s; it is left out"
            )
            continue
        if end > duration_seconds + 1e-3:
            remarks.append(f"{video}: {label} from {start:.3f} s ends with the video at {duration_seconds:.3f} s")
        name = f"{_plain(video)}_{number:0{digits}}_{int(start // 60):02}m{start % 60:04.1f}s_{_plain(label)}.mp4"
        first, last = max(0.0, start - pad_seconds), min(duration_seconds, end + pad_seconds)
        clips.append(Clip(label, first, last, name))
    return clips, remarks


def _plain(name: str) -> str:
    """A name as part of a file's: letters and digits of any script, points and dashes."""
    return re.sub(r"[^\w.-]+", "_", name.encode("utf-8", "replace").decode()).strip("._")[:60] or "_"


def cut_clips(
    path: Path,
    clips: Sequence[Clip],
    folder: Path,
    *,
    table: FrameTable | None = None,
    quality: int = 20,
    progress: Progress = silent,
) -> list[Path]:
    """Cut all clips of a video in one pass over it; each file is whole or not there.

    A clip shows the frames that are on the screen from its start to its end, each as long as the video does.

    Args:
        path: The video.
        clips: From `plan_clips`.
        folder: Made if absent.
        table: The video's frames, if known.
        quality: x264's constant rate factor, 0 to 51, lower is better.
        progress: Called after each clip.

    Raises:
        VideoError: The video breaks before the last clip; the clips before are kept.
        DataError: The disk is full, or the folder not writable; finished clips are kept.
    """
    table = table or scan_video(path)
    written = list[Path]()
    sound = _has_sound(path)
    open_: dict[int, Film] = {}
    spans = [_frames_of(table, clip) for clip in clips]
    wanted = np.unique(np.concatenate([np.arange(first, last) for first, last in spans] or [np.zeros(0, int)]))
    try:
        for number, rgb in zip(wanted.tolist(), decode_frames(path, table, wanted), strict=True):
            for i, (first, last) in enumerate(spans):
                if not first <= number < last:
                    continue
                begin = float(table.start_seconds[first])
                if i not in open_:
                    open_[i] = Film(folder / clips[i].name, rgb.shape[:2], fps=table.fps, quality=quality, sound=sound)
                open_[i].show(rgb, float(table.start_seconds[number]) - begin)
                if number == last - 1:
                    open_[i].sound(path, table, begin, float(table.end_seconds[number]))
                    written.append(open_[i].close())
                    del open_[i]
                    progress(1)
    finally:
        for film in open_.values():
            film.discard()
    return written


def _frames_of(table: FrameTable, clip: Clip) -> tuple[int, int]:
    """The numbers of the first frame of a clip and of the one after the last; one frame at least."""
    first = int(np.searchsorted(table.end_seconds, clip.start_seconds + 1e-6, side="right"))
    last = int(np.searchsorted(table.start_seconds, clip.end_seconds - 1e-6, side="left"))
    first = min(first, len(table) - 1)
    return first, max(first + 1, last)


def join_clips(
    sources: Sequence[tuple[Path, Sequence[Clip]]],
    target: Path,
    *,
    quality: int = 20,
    progress: Progress = silent,
) -> Path:
    """One film of all clips, one after the other, in the size of the first; others are fitted into it.

    Raises:
        UsageError: There is no clip.
    """
    film: Film | None = None
    sound = any(_has_sound(path) for path, clips in sources if clips)
    at = 0.0
    try:
        for path, clips in sources:
            table = scan_video(path) if clips else None
            for clip in clips:
                assert table is not None
                first, last = _frames_of(table, clip)
                begin, end = float(table.start_seconds[first]), float(table.end_seconds[last - 1])
                for number, rgb in enumerate(decode_frames(path, table, np.arange(first, last)), first):
                    film = film or Film(target, rgb.shape[:2], fps=table.fps, quality=quality, sound=sound)
                    film.show(rgb, at + float(table.start_seconds[number]) - begin)
                assert film is not None
                film.sound(path, table, begin, end, at=at)
                at += end - begin
                progress(1)
        if film is None:
            raise UsageError("there is nothing to show", why="no moment has a video", next="thas localize finds some")
        closed, film = film.close(), None
        return closed
    finally:
        if film is not None:
            film.discard()


def _has_sound(path: Path) -> bool:
    if path.is_dir():  # pictures make no sound
        return False
    with opened(path) as (container, _):
        return bool(container.streams.audio)


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

    `out` is a folder, or the file of one `film` of all moments. `quality` is x264's constant rate factor, 0 to 51;
    lower is better and larger.

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
