"""What pictures need wherever they are drawn: labels in any script, shown as they are."""

from __future__ import annotations

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# After matplotlib's own, those that come with the usual systems and hold Chinese, Japanese and Korean.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)


@contextmanager
def drawing() -> Generator[None]:
    """Draw and save a figure inside: letters come from any installed font that has them, and $ is a dollar.

    Where no font has a letter, a box stands for it; matplotlib's warning about that is left out, all others are not.
    """
    import matplotlib
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    fonts = [name for name in _FONTS if name in installed]
    with warnings.catch_warnings(), matplotlib.rc_context({"font.family": fonts, "text.parse_math": False}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def save_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure in the form that the path's suffix says; the file is whole or not there.

    Raises:
        DataError: It could not be written.
    """
    content = io.BytesIO()
    figure.savefig(content, dpi=dpi, format=path.suffix[1:].lower())
    write_atomically(path, content.getvalue())
