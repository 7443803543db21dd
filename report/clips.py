"""Found moments as video files: cut to the frame, turned as they are meant to be seen, with their sound."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..core.errors import UsageError
from ..core.files import put_in_place, writing
from ..core.messages import Progress, silent
from ..core.segments import Segments
from ..core.temporary_names import remove_unfinished, unfinished_path
from ..features.decode import decode_frames
from ..features.video import FrameTable, opened, scan_video

_CLOCK = Fraction(1, 90000)  # the unit of time of clips: fine enough for any frame rate


@dataclass(frozen=True)
class Clip:
    """One moment to cut.

    Attributes:
        label: The action.
        start_seconds: From the video's first frame, padding included.
        end_seconds: Of the last moment shown.
        name: The file's, without folder.
    """

    label: str
    start_seconds: float
    end_seconds: float
    name: str


def plan_clips(
    video: str, moments: Segments, *, duration_seconds: float, pad_seconds: float = 0.0
) -> tuple[list[Clip], list[str]]:
    """The clips of one video in the order of time, under names that sort like that, and what had to be said.

    Args:
        video: Its name.
        moments: In it.
        duration_seconds: Its length; clips end there.
        pad_seconds: Shown before and after each moment.

    Returns:
        Clips, and a sentence about each moment that lies beyond the end, wholly or in part.

    >>> plan_clips("match", Segments(["match"], ["Long jump"], [61], [75]), duration_seconds=70)[0][0].name
    'match_001_01m01.0s_Long_jump.mp4'
    """
    clips, remarks = [], []
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
    written = []
    sound = _has_sound(path)
    open_: dict[int, _Film] = {}
    spans = [_frames_of(table, clip) for clip in clips]
    wanted = np.unique(np.concatenate([np.arange(first, last) for first, last in spans] or [np.zeros(0, int)]))
    try:
        for number, rgb in zip(wanted.tolist(), decode_frames(path, table, wanted), strict=True):
            for i, (first, last) in enumerate(spans):
                if not first <= number < last:
                    continue
                begin = float(table.start_seconds[first])
                if i not in open_:
                    open_[i] = _Film(folder / clips[i].name, rgb.shape[:2], fps=table.fps, quality=quality, sound=sound)
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

    Args:
        sources: Videos and the clips of each.
        target: The file.
        quality: As for `cut_clips`.
        progress: Called after each clip.

    Raises:
        UsageError: There is no clip.
    """
    film: _Film | None = None
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
                    film = film or _Film(target, rgb.shape[:2], fps=table.fps, quality=quality, sound=sound)
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


class _Film:
    """A file being written under a temporary name; H.264, which every browser plays, and AAC."""

    def __init__(self, path: Path, size: tuple[int, int], *, fps: float, quality: int, sound: bool) -> None:
        import av

        self.path, self._size = path, (size[0] + size[0] % 2, size[1] + size[1] % 2)
        self._part = unfinished_path(path)
        with writing(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished(path.parent, own=False)
            self._container = av.open(str(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        rate = Fraction(max(fps, 1.0)).limit_denominator(1001)
        options = {"crf": str(quality), "preset": "veryfast"}
        self._video = self._container.add_stream("libx264", rate=rate, options=options)
        self._video.height, self._video.width = self._size
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.time_base = _CLOCK
        # x264 cuts pictures into as many parts as it has threads: other bytes on each machine, and larger ones.
        self._video.codec_context.thread_count = 1
        self._audio = self._container.add_stream("aac", rate=48000, layout="stereo") if sound else None
        self._heard = 0

    def show(self, rgb: np.ndarray, seconds: float) -> None:
        import av

        frame = av.VideoFrame.from_ndarray(_fitted(rgb, self._size), format="rgb24")
        frame.pts, frame.time_base = round(seconds / _CLOCK), _CLOCK
        with writing(self.path):
            self._container.mux(self._video.encode(frame))

    def sound(self, path: Path, table: FrameTable, start: float, end: float, *, at: float = 0.0) -> None:
        """Add the sound between two times of a video, if it has any; gaps are filled with silence."""
        if self._audio is None:
            return
        for samples, seconds in _samples(path, table, start, end):
            self._write(samples, at + seconds - start)

    def _write(self, samples: np.ndarray, seconds: float) -> None:
        import av

        audio = self._audio
        assert audio is not None
        missing = round(seconds * 48000) - self._heard
        if missing > 0:
            samples = np.concatenate([np.zeros((2, missing), np.float32), samples], axis=1)
        for first in range(0, samples.shape[1], 1024):
            part = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, first : first + 1024]), format="fltp", layout="stereo"
            )
            part.sample_rate, part.pts, part.time_base = 48000, self._heard, Fraction(1, 48000)
            self._heard += part.samples
            with writing(self.path):
                self._container.mux(audio.encode(part))

    def close(self) -> Path:
        """Finish the file and give it its name."""
        with writing(self.path):
            self._container.mux(self._video.encode(None))
            if self._audio is not None:
                self._container.mux(self._audio.encode(None))
            self._container.close()
            put_in_place(self._part, self.path)
        return self.path

    def discard(self) -> None:
        with suppress(Exception):  # such as a disk that is full: what is left goes anyway
            self._container.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


def _fitted(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame in a film's size: unchanged, with an even number of pixels, or fitted into it between black bars."""
    if rgb.shape[:2] == size:
        return rgb
    tall, wide = size
    scale = min(tall / rgb.shape[0], wide / rgb.shape[1])
    if not (rgb.shape[0] <= tall <= rgb.shape[0] + 1 and rgb.shape[1] <= wide <= rgb.shape[1] + 1):
        import PIL.Image

        inner = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        rgb = np.asarray(PIL.Image.fromarray(rgb).resize(inner, PIL.Image.Resampling.BILINEAR))
    frame = np.zeros((tall, wide, 3), np.uint8)
    top, left = (tall - rgb.shape[0]) // 2, (wide - rgb.shape[1]) // 2
    frame[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return frame


def _has_sound(path: Path) -> bool:
    if path.is_dir():  # pictures make no sound
        return False
    with opened(path) as (container, _):
        return bool(container.streams.audio)


def _samples(path: Path, table: FrameTable, start: float, end: float) -> Iterator[tuple[np.ndarray, float]]:
    """Stereo sound at 48 kHz between two times, in pieces (2, n), each with its time; nothing if there is none."""
    import av
    from av.error import FFmpegError

    with opened(path) as (container, _):
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        if stream.time_base is None:  # no unit, no times
            return
        origin = table.origin_seconds
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=48000)
        try:
            container.seek(max(0, int((start + origin - 0.5) / stream.time_base)), stream=stream)
            for frame in container.decode(stream):
                if frame.pts is None or frame.time_base is None:
                    continue
                seconds = float(frame.pts * frame.time_base) - origin
                if seconds >= end:
                    return
                samples = np.concatenate(
                    [part.to_ndarray() for part in resampler.resample(frame)] or [np.zeros((2, 0))], 1
                )
                first, last = (round((edge - seconds) * 48000) for edge in (start, end))
                piece = samples[:, max(0, first) : max(0, last)].astype(np.float32)
                if piece.shape[1]:
                    yield piece, max(seconds, start)
        except FFmpegError:
            return  # a damaged sound track costs the sound, not the clip
