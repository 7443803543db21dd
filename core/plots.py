"""What pictures need wherever they are drawn: labels in any script, shown as they are."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager

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
