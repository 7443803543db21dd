"""From an image file to RGB pixels, whatever the file holds."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..core.errors import DataError
from ..core.reading import advice, open_picture, said, size_fault

_LARGE_PIXELS = 20_000_000
_large = threading.Lock()  # for the memory: one of 100 million pixels takes gigabytes while it is decoded

_ROTATED = {5, 6, 7, 8}  # values of the EXIF orientation that exchange width and height
_ORIENTATION = 0x0112


def image_size(path: Path, *, upright: bool = True) -> tuple[int, int]:
    """(width, height) in pixels, from the file's header alone.

    Args:
        path: The file.
        upright: Of the image as it is shown, after EXIF rotation.

    Raises:
        DataError: The file is missing or is no image.
    """
    with _opened(path) as image:
        width, height = image.size
        turned = upright and image.getexif().get(_ORIENTATION) in _ROTATED
        return (height, width) if turned else (width, height)


def read_image(path: Path, *, upright: bool = True, short_side: int | None = None) -> PIL.Image.Image:
    """Decode an image file to RGB.

    Grey, palette, CMYK, 16-bit and floating-point images become RGB; transparent places become black, as in the file's
    own colours they may hold anything; of animations and multi-page files the first picture is taken.

    Args:
        path: The file.
        upright: Apply the rotation that the camera noted in EXIF.
        short_side: Shrink so that the short side is at least this many pixels: a JPEG is then decoded at a half, a
            quarter or an eighth of its size. What comes back may be larger, and smaller only if the file is.

    Raises:
        DataError: The file is missing, is no image, is damaged, or has more than `core.reading.MOST_PIXELS`.
    """
    with _opened(path) as image:
        if fault := size_fault(image.width, image.height):
            raise DataError(
                f"{path} is not decoded",
                why=fault,
                next="make a smaller copy of it",
                subject=str(path),
            )
        if short_side is not None and image.format == "JPEG":
            image.draft(None, (short_side, short_side))
        try:
            with _large if image.width * image.height > _LARGE_PIXELS else nullcontext():
                image.load()
                return as_rgb(PIL.ImageOps.exif_transpose(image) if upright else image)
        except Exception as error:  # decoders raise whatever the damaged bytes provoke
            raise _broken(path, error) from None


def as_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    """Any decoded image as RGB.

    >>> as_rgb(PIL.Image.new("I;16", (1, 1), 65535)).getpixel((0, 0))
    (255, 255, 255)
    """
    if image.mode.startswith("I") or image.mode == "F":  # PIL's own conversion would cut everything above 255
        values = np.asarray(image).astype(np.float64)
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        if image.mode.startswith("I;16") or values.max(initial=0) > 255:
            values = values / 257 if values.max(initial=0) <= 65535 else values * (255 / values.max())
        elif image.mode == "F" and values.max(initial=0) <= 1:
            values = values * 255
        return PIL.Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image.convert("RGB")


class _Silence:
    """No warnings while any thread decodes: Pillow warns of large images and odd metadata.

    Size is checked here, and odd metadata does no harm. `warnings.catch_warnings` alone would leave them off for good
    where one thread enters before, and leaves after, another.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


_silence = _Silence()


@contextmanager
def _opened(path: Path) -> Generator[PIL.Image.Image]:
    try:
        with _silence, open_picture(path) as image:
            yield image
    except FileNotFoundError:
        raise DataError(f"there is no image {path}", next="check the path", subject=str(path)) from None
    except DataError:
        raise
    except Exception as error:  # decoders raise whatever the damaged bytes provoke
        raise _broken(path, error) from None


def _broken(path: Path, error: Exception) -> DataError:
    why = "it is no image, or of an unknown kind" if isinstance(error, PIL.UnidentifiedImageError) else said(error)
    return DataError(
        f"{path} cannot be decoded", why=why, next=advice(error, "replace or remove the file"), subject=str(path)
    )
