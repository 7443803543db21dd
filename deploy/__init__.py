"""Runs put to work elsewhere: as files that need no thas (ONNX, `torch.export`), and on videos that are still arriving.

The public names below load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .exporting import Exported, export_run
    from .live import Live, SureInterval
    from .streaming import stream_video

_HOME = {
    "Exported": "exporting",
    "Live": "live",
    "SureInterval": "live",
    "export_run": "exporting",
    "stream_video": "streaming",
}

__all__ = [
    "Exported",
    "Live",
    "SureInterval",
    "export_run",
    "stream_video",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
