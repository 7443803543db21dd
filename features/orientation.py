"""How a picture is to be turned and mirrored: the display matrix that cameras write beside the frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .opening import opened

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# The matrix is 3 x 3, row by row, of which the upper left 2 x 2 turn and mirror (ISO/IEC 14496-12, 8.2.2).
_A, _B, _C, _D = 0, 1, 3, 4


def display_matrix(frame: VideoFrame | None) -> tuple[int, int, int, int] | None:
    """The turning part (a, b, c, d) of a decoded frame's display matrix; None if it has none."""
    # By name: PyAV gave side data when gone through until 18, and gives their kinds since.
    data = frame.side_data.get("DISPLAYMATRIX") if frame is not None else None
    if data is None:
        return None
    numbers = np.frombuffer(bytes(data), dtype="=i4")
    # Writers round: what is less than the sine of a degree of the largest is nothing.
    turning = numbers[[_A, _B, _C, _D]].astype(np.int64)
    least = 0.0175 * np.abs(turning).max()
    a, b, c, d = (int(n) if abs(n) > least else 0 for n in turning)
    return a, b, c, d


def upright(picture: np.ndarray, matrix: tuple[int, int, int, int] | None) -> np.ndarray:
    """A picture as it is meant to be seen: turned by a multiple of 90 degrees and mirrored as the matrix says.

    A stored pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift. Another angle leaves the picture as it is.

    Args:
        picture: (H, W, 3).
        matrix: (a, b, c, d) of `display_matrix`.

    >>> picture = np.arange(6).reshape(2, 3, 1)
    >>> upright(picture, (-1, 0, 0, 1))[..., 0].tolist()
    [[2, 1, 0], [5, 4, 3]]
    >>> upright(picture, (0, 1, -1, 0))[..., 0].tolist()
    [[3, 0], [4, 1], [5, 2]]
    """
    if matrix is None or matrix_is_odd(matrix):
        return picture
    a, b, c, d = matrix
    if a:
        across, down = a, d
    else:
        picture = picture.swapaxes(0, 1)
        across, down = c, b
    if across < 0:
        picture = picture[:, ::-1]
    if down < 0:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def mirrors(matrix: tuple[int, int, int, int] | None) -> bool:
    """Whether a matrix shows the picture as in a mirror."""
    return matrix is not None and matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0


def matrix_is_odd(matrix: tuple[int, int, int, int] | None) -> bool:
    """Whether a matrix turns by another angle than a multiple of 90 degrees."""
    if matrix is None:
        return False
    a, b, c, d = (bool(number) for number in matrix)
    return not (a and d and not b and not c) and not (b and c and not a and not d)


def first_matrix(path: Path) -> tuple[int, int, int, int] | None:
    """The display matrix of a video's first frame.

    Raises:
        FFmpegError: That frame cannot be decoded.
    """
    with opened(path) as (container, stream):
        return display_matrix(next(container.decode(stream), None))


def mirrored_or_tilted(path: Path) -> bool:
    """Whether the display matrix of a video's first frame asks for more than turning by a multiple of 90 degrees.

    True, too, where that frame cannot be decoded.
    """
    from av.error import FFmpegError

    try:
        matrix = first_matrix(path)
    except FFmpegError:
        return True
    return mirrors(matrix) or matrix_is_odd(matrix)
