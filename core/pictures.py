"""Picture files from elsewhere: which are opened, and how large they may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .reading import refuse_pipe

if TYPE_CHECKING:
    import PIL.Image

MOST_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded (300 MB as RGB): such a file may be a decompression bomb."""

# What a file holds counts, not its name, and of the forty kinds that Pillow knows some start other programs (EPS runs
# Ghostscript) or are seldom tested: a stranger's a.jpg may be any. The usual ones first, they are tried in order.
_KINDS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF")


def open_picture(path: Path) -> PIL.Image.Image:
    """A picture file's head; its pixels are decoded when they are asked for.

    Raises:
        OSError: There is no such file, or it is none.
        PIL.UnidentifiedImageError: It is no picture, or of a kind that is not read.
        Exception: Whatever else Pillow meets in damaged bytes.
    """
    import PIL.Image

    refuse_pipe(path)
    PIL.Image.init()
    return PIL.Image.open(path, formats=[kind for kind in _KINDS if kind in PIL.Image.OPEN])


def size_fault(width: int, height: int) -> str:
    """Why a picture of that size is not decoded; empty if it is.

    >>> size_fault(640, 480), size_fault(20_000, 20_000)
    ('', 'its 20000 x 20000 pixels are more than 100,000,000')
    """
    return f"its {width} x {height} pixels are more than {MOST_PIXELS:,}" if width * height > MOST_PIXELS else ""
