"""What people look at and hand on: a page of a run, tables of time, subtitles, clips.

The public names below load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .content import RunContent, read_run
    from .page import write_page

_HOME = {
    "RunContent": "content",
    "read_run": "content",
    "write_page": "page",
}

__all__ = [
    "RunContent",
    "read_run",
    "write_page",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
