"""A folder of numbered pictures as a video: img_00001.jpg, img_00002.jpg, ..."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import first_line
from ..core.reading import advice, open_picture, size_fault
from .frame_table import FrameTable, UnreadableVideo
from .stamps import times_of_rate

if TYPE_CHECKING:
    import PIL.Image

# What a frame table of a folder says in place of a container's format.
FOLDER = "folder"
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
_USUAL_FPS = 25
_MOST_FRAMES = 10_000_000  # a week of them; two pictures whose numbers lie further apart are no video
_LAST_NUMBER = re.compile(r"(\d+)(?=\D*$)")


def is_frame_folder(folder: Path) -> bool:
    """Whether a folder holds the frames of a video: two pictures or more, numbered, and no folder."""
    return len(_pictures(folder)) > 1


def _pictures(folder: Path) -> list[tuple[int, Path]]:
    """The numbered pictures of a folder, in the order of their numbers; none where pictures are not numbered alike."""
    found: list[tuple[int, Path]] = []
    stems: set[str] = set()
    for path in folder.iterdir():
        if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
            continue
        number = _LAST_NUMBER.search(path.stem)
        if number is None:
            return []
        stems.add(path.stem[: number.start()] + "#" + path.stem[number.end() :])
        found.append((int(number.group()), path))
    return sorted(found) if len(stems) == 1 else []


def scan_folder(folder: Path, *, fps: float | None = None) -> FrameTable:
    """The frame table of a folder of numbered pictures. A number that is left out is a frame that was lost.

    Without `fps`, pictures a second, 25 is assumed, and said.

    Raises:
        UnreadableVideo: It holds no numbered pictures, or a number twice, or the first cannot be read.
    """
    pictures, failed = _pictures(folder), partial(UnreadableVideo, folder.name)
    if not pictures:
        why = "the folder holds no pictures that are numbered alike, such as img_00001.jpg"
        raise failed(stage="open", why=why, next="name its pictures by their number, or name a video file")
    numbers = np.array([number for number, _ in pictures])
    twice = np.flatnonzero(np.diff(numbers) == 0)
    if len(twice):
        pair = " and ".join(pictures[int(twice[0]) + i][1].name for i in (0, 1))
        raise failed(stage="scan", why=f"{pair} have one number", next="remove one of them")
    if int(numbers[-1]) - int(numbers[0]) >= _MOST_FRAMES:
        why = f"{pictures[0][1].name} and {pictures[-1][1].name} are more than {_MOST_FRAMES:,} frames apart"
        raise failed(stage="scan", why=why, next="number its pictures by their frame")
    with _told(folder, pictures[0][1]), _checked(pictures[0][1]) as picture:
        width, height, codec = *picture.size, str(picture.format or "").lower()
    rate = Fraction(fps or _USUAL_FPS).limit_denominator(1_000_000)
    times = times_of_rate(int(numbers[-1] - numbers[0]) + 1, rate, guessed=fps is None)
    places = numbers - numbers[0]
    starts = times.start_seconds[places]
    ends = np.append(starts[1:], times.end_seconds[-1])
    gaps = np.flatnonzero(np.diff(numbers) > 1)
    damage, holes = "", None
    if len(gaps):
        first = int(gaps[0])
        missing = int(numbers[-1] - numbers[0]) + 1 - len(numbers)
        damage = f"{missing} pictures are missing, the first after {pictures[first][1].name}"
        holes = np.stack([times.end_seconds[places[gaps]], starts[gaps + 1]], axis=1)
    return FrameTable(
        starts, ends, FOLDER, codec, width, height,
        damage=damage, holes_seconds=holes, notes=times.notes, guessed_fps=times.guessed_fps,
    )  # fmt: skip


def folder_frames(folder: Path, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """The pictures `wanted`, by their place in the folder's order: (H, W, 3) uint8, upright.

    Raises:
        UnreadableVideo: One cannot be read; it is named.
    """
    from PIL import ImageOps

    pictures = _pictures(folder)
    for place in wanted:
        path = pictures[int(place)][1]
        with _told(folder, path, int(place)), _checked(path) as picture:
            frame = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        yield frame


def _checked(path: Path) -> PIL.Image.Image:
    picture = open_picture(path)
    if fault := size_fault(*picture.size):
        picture.close()
        raise ValueError(fault)
    return picture


@contextmanager
def _told(folder: Path, path: Path, frames: int = 0) -> Generator[None]:
    try:
        yield
    except Exception as error:  # a damaged picture makes its decoder raise almost anything
        why = f"{path.name} cannot be read: {first_line(error)}"
        mend = advice(error, f"replace {path}")
        raise UnreadableVideo(folder.name, stage="decode", why=why, frames=frames, next=mend) from error
