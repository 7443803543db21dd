"""Video files by the name of their video."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..core.errors import UsageError
from ..core.messages import logger
from .frame_folder import is_frame_folder
from .video_files import find_videos, named


def named_videos(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by the name of their video; folders stand for the videos in them.

    Raises:
        UsageError: A folder holds no videos, or two files are called the same.
    """
    files: dict[str, Path] = {}
    for path in paths:
        inside = [path]
        if path.is_dir() and not is_frame_folder(path):
            inside, left_out = find_videos(path)
            if not inside:
                why = named(left_out) if left_out else ""
                raise UsageError(f"{path} holds no videos", why=why, next="name a folder of videos", subject=str(path))
            if left_out:
                logger.warning(named(left_out))
        for file in inside:
            other = files.setdefault(file.name if file.is_dir() else file.stem, file)
            if other != file:
                raise UsageError(
                    f"two files are called {file.stem}",
                    why=f"{other} and {file} would share one feature file",
                    next="rename one, or extract them into different caches with --out",
                    subject=file.stem,
                )
    return files
