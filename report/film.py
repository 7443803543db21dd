"""A film being written: H.264, which every browser plays, and AAC, under a temporary name until it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..core.files import put_in_place, writing
from ..core.temporary_names import remove_unfinished, unfinished_path
from ..features.video import FrameTable, opened

_CLOCK = Fraction(1, 90000)  # the unit of time of films: fine enough for any frame rate


class Film:
    """A file being written, of pictures of a height and a width; odd ones grow by a pixel."""

    def __init__(self, path: Path, size: tuple[int, int], *, fps: float, quality: int, sound: bool) -> None:
        import av

        self.path, self._size = path, (size[0] + size[0] % 2, size[1] + size[1] % 2)
        self._part = unfinished_path(path)
        with writing(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished(path.parent, own=False)
            self._container = av.open(str(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        rate = Fraction(max(fps, 1.0)).limit_denominator(1001)
        # x264's rate control by macroblock trees depends on what lies in memory: up to a quarter of the films of the
        # same pictures came out otherwise. Without it they are larger by up to a half, and better by half a decibel.
        options = {"crf": str(quality), "preset": "veryfast", "x264-params": "mbtree=0"}
        self._video = self._container.add_stream("libx264", rate=rate, options=options)
        self._video.height, self._video.width = self._size
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.time_base = _CLOCK
        # x264 cuts pictures into as many parts as it has threads: other bytes on each machine, and larger ones.
        self._video.codec_context.thread_count = 1
        self._audio = self._container.add_stream("aac", rate=48000, layout="stereo") if sound else None
        self._heard = 0

    def show(self, rgb: np.ndarray, seconds: float) -> None:
        """Add a frame, (H, W, 3) uint8, that appears at a time; another size is fitted in between black bars."""
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
        """Leave nothing of it."""
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
