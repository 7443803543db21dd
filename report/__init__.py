"""What people look at and hand on: a page of a run, tables of time, subtitles, clips.

The public names below load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .content import RunContent as RunContent
    from .content import read_run as read_run
    from .page import write_page as write_page

__getattr__, __dir__, __all__ = lazy_names(__name__)
