"""Runs put to work elsewhere: as files that need no thas (ONNX, `torch.export`), and on videos that are still arriving.

The public names below load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .exporting import export_run as export_run
    from .image_exporting import export_image_run as export_image_run
    from .live import Live as Live
    from .live import SureInterval as SureInterval
    from .parts import Exported as Exported
    from .streaming import stream_video as stream_video

__getattr__, __dir__, __all__ = lazy_names(__name__)
