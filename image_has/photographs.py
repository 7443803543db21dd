"""Photographs boxed by a network, drawn, and written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..core.errors import DataError, Failure, UsageError, listing
from ..core.files import write_atomically
from ..core.messages import Progress, logger, silent
from ..core.processes import cores
from ..core.reading import reading
from .activation import FoundBox
from .decode import read_image
from .images import IMAGE_SUFFIXES
from .loading import squashed
from .localize import scaled_boxes
from .localizer import Localizer, at_once
from .pictures import overlay, picture_sized, save_picture


@dataclass(frozen=True)
class Photograph:
    """What was found in one photograph.

    Attributes:
        path: The file.
        width: In pixels, upright.
        height: In pixels.
        boxes: The likeliest classes' boxes.
        picture: The overlay, if one was drawn.
    """

    path: Path
    width: int
    height: int
    boxes: tuple[FoundBox, ...]
    picture: Path | None = None

    def to_json(self) -> dict[str, object]:
        """As `thas image eval --boxes` reads it."""
        rows = [{"label": label, "score": score, "box": list(box)} for label, score, box in self.boxes]
        content = {"image": str(self.path), "width": self.width, "height": self.height, "boxes": rows}
        return {**content, **({"overlay": str(self.picture)} if self.picture else {})}


@dataclass(frozen=True, eq=False)
class _Read:
    """A photograph as far as it is needed further: pixels (3, S, S), and small, for the picture."""

    path: Path
    size: tuple[int, int]
    pixels: Tensor
    thumbnail: PIL.Image.Image | None


@contextmanager
def _cancelled_pool(threads: int) -> Generator[ThreadPoolExecutor]:
    """Threads whose work is not waited for where the block ends with an error."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read(path: Path, *, side: int, thumbnails: bool) -> _Read | Failure:
    try:
        image = read_image(path)
    except DataError as error:
        return Failure(str(path), "photograph that cannot be read", error.why or error.what)
    size, pixels = (image.height, image.width), squashed(image, side=side)
    return _Read(path, size, pixels, picture_sized(image) if thumbnails else None)


def localize_photographs(
    paths: Sequence[Path],
    localizer: Localizer,
    *,
    top: int = 1,
    pictures: Path | None = None,
    taken: Collection[str] = (),
    on_photo: Callable[[Photograph | None], None] = lambda photograph: None,
) -> tuple[list[Photograph], list[Failure]]:
    """Box the likeliest classes in photographs; those that cannot be read are reported, the rest are done.

    Args:
        paths: Image files.
        localizer: The networks.
        top: How many classes a photograph.
        pictures: The folder for overlays; none are drawn if None.
        taken: Names in that folder that belong to other photographs.
        on_photo: Called after each with what was found, None for one that cannot be read.
    """
    found, failed, used = [], [], set(taken)
    read = partial(_read, side=localizer.side, thumbnails=pictures is not None)
    with _cancelled_pool(min(4, cores())) as pool:
        groups = iter([paths[i : i + at_once(top)] for i in range(0, len(paths), at_once(top))])
        reading = pool.map(read, next(groups, ()))
        while several := list(reading):
            reading = pool.map(read, next(groups, ()))  # while the network looks at these
            good = [one for one in several if isinstance(one, _Read)]
            sizes = [one.size for one in good]
            seen = iter(localizer.boxed(torch.stack([one.pixels for one in good]), sizes, top=top) if good else ())
            for one in several:
                if isinstance(one, Failure):
                    failed.append(one)
                    on_photo(None)
                    continue
                boxes, activation = next(seen)
                picture = None
                if one.thumbnail is not None and pictures is not None:
                    small = (one.thumbnail.height, one.thumbnail.width)
                    corners = scaled_boxes(np.array([box.box for box in boxes]), map_size=one.size, image_size=small)
                    labels = [f"{localizer.title(box.label)} {box.score:.2f}" for box in boxes]
                    # At the top where there is one box; else each in its box.
                    title, labels = (labels[0], []) if len(labels) == 1 else ("", labels)
                    drawn = overlay(one.thumbnail, activation, boxes=corners.tolist(), title=title, labels=labels)
                    picture = save_picture(drawn, pictures / _free_name(one.path, used))
                found.append(Photograph(one.path, one.size[1], one.size[0], boxes, picture))
                on_photo(found[-1])
    return found, failed


def _free_name(path: Path, used: set[str]) -> str:
    """A name for the overlay that no photograph of another folder has taken."""
    name, i = f"{path.stem}.png", 1
    while name in used:
        i += 1
        name = f"{path.stem}-{i}.png"
    used.add(name)
    return name


def other_photographs(path: Path, photographs: Sequence[Path]) -> list[dict[str, object]]:
    """What a file of boxes that is about to be written anew says of other photographs; nothing if there is no file.

    Raises:
        DataError: There is a file, but not one that `box_photographs` wrote.
    """
    if not path.exists():
        return []
    anew = {photograph.resolve() for photograph in photographs}
    with reading(path, "is in the way: it holds no boxes of photographs", next="--output FOLDER"):
        images = json.loads(path.read_text(encoding="utf-8"))["images"]
        return [dict(one) for one in images if Path(one["image"]).resolve() not in anew]


def find_photographs(paths: Iterable[Path], *, but_below: Path) -> list[Path]:
    """Image files, and those in folders; what a folder holds besides is told as a warning.

    Args:
        paths: Files or folders.
        but_below: Pictures made here before are no photographs, unless this very folder is named.

    Raises:
        UsageError: A folder holds no images, or nothing that is named is there.
    """
    made, paths = but_below.resolve(), list(paths)
    if paths and not any(path.exists() for path in paths):
        raise UsageError(f"there is no image {paths[0]}", next="check the path", subject=str(paths[0]))
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        everything = sorted(one for one in path.rglob("[!.]*") if one.is_file())
        inside = [one for one in everything if one.suffix.lower() in IMAGE_SUFFIXES]
        if path.resolve() != made:
            inside = [one for one in inside if made not in one.resolve().parents]
        others = [one.name for one in everything if one.suffix.lower() not in IMAGE_SUFFIXES]
        if others:
            logger.warning(f"in {path}, no images by their names: {listing(others)}")
        if not inside:
            raise UsageError(f"{path} holds no images", next="name image files, or a folder of them", subject=str(path))
        files += inside
    return files


def box_photographs(
    files: Sequence[Path],
    localizer: Localizer,
    out: Path,
    *,
    top: int = 1,
    pictures: bool = True,
    progress: Progress = silent,
) -> tuple[list[Photograph], list[Failure]]:
    """Box photographs, and write boxes.json and, if asked for, pictures; of what is interrupted the finished part."""
    others = other_photographs(out / "boxes.json", files)
    taken = {Path(str(one["overlay"])).name for one in others if one.get("overlay")}
    kept: list[Photograph] = []

    def keep(photograph: Photograph | None) -> None:
        kept.extend([photograph] if photograph else [])
        progress(1)

    try:
        return localize_photographs(
            files, localizer, top=top, pictures=out if pictures else None, taken=taken, on_photo=keep
        )
    finally:
        if kept:
            content = {"images": [*others, *(one.to_json() for one in kept)]}
            write_atomically(out / "boxes.json", json.dumps(content, indent=1) + "\n")
