"""The mean colour of a data set: what hidden places take, so that on average the network meets the same."""

from __future__ import annotations

import numpy as np

from ..core.errors import DataError
from .decode import read_image
from .images import ImageTable
from .loading import shrunk


def measured_colours(
    table: ImageTable, *, short_side: int = 64, most: int = 2000
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean RGB and its standard deviation over the pixels of a table's images.

    Args:
        table: The training images.
        short_side: Images are shrunk to this first.
        most: So many images at most, evenly spread over the table.

    Returns:
        (3,) means and (3,) standard deviations, of values from 0 to 1.

    Raises:
        DataError: None of the images can be read.
    """
    total, squares, pixels = np.zeros(3), np.zeros(3), 0
    for row in np.unique(np.linspace(0, len(table) - 1, min(len(table), most)).astype(int)):
        try:
            image = read_image(table.path(row), upright=table.upright, short_side=short_side)
            image = shrunk(image, short_side=short_side)
        except DataError:
            continue  # training meets it again, and names it
        values = np.asarray(image, dtype=np.float64).reshape(-1, 3) / 255
        total, squares, pixels = total + values.sum(0), squares + (values**2).sum(0), pixels + len(values)
    if not pixels:
        raise DataError(f"none of the images of {table.root} could be read", next="check the files")
    mean = total / pixels
    # A data set of one colour has no deviation to divide by.
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-4))
    return tuple(mean.round(6).tolist()), tuple(std.round(6).tolist())
