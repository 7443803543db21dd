"""Which files of a folder are videos: by their suffix, else by whether FFmpeg finds moving pictures in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.errors import UsageError, counted
from ..core.messages import logger
from ..core.reading import refuse_pipe
from .frame_folder import is_frame_folder

VIDEO_SUFFIXES = frozenset({
    ".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".m2ts", ".wmv", ".flv", ".ogv", ".3gp",
    ".mts", ".vob", ".asf", ".mxf", ".dv", ".gif", ".m2v", ".m1v", ".mpv", ".h264", ".264", ".h265", ".265", ".hevc",
    ".mjpeg", ".mjpg", ".f4v", ".3g2", ".ogm", ".ogg", ".divx", ".rm", ".rmvb", ".qt", ".nut", ".ivf", ".y4m", ".m2t",
    ".tod", ".mod", ".dav", ".wtv", ".obu", ".av1", ".266", ".vvc", ".xvid", ".amv",
})  # fmt: skip
# What lies beside videos and is plainly something else; anything other is opened to see.
_COMPANIONS = frozenset({
    ".csv", ".tsv", ".json", ".jsonl", ".txt", ".md", ".xml", ".html", ".pdf", ".toml", ".yaml", ".yml", ".log",
    ".srt", ".vtt", ".ass", ".ssa", ".sub", ".idx", ".xlsx", ".xls", ".docx", ".eaf", ".boris", ".py", ".sh", ".jpg",
    ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".svg", ".heic", ".thm", ".wav", ".mp3",
    ".m4a", ".flac", ".aac", ".opus", ".npy", ".npz", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".mat", ".zip", ".tar",
    ".gz", ".7z", ".rar", ".db", ".ini", ".safetensors", ".ifo", ".bup", ".md5", ".sha256",
})  # fmt: skip
_UNFINISHED = frozenset({".part", ".crdownload", ".download", ".tmp", ".partial", ".aria2", ".ytdl"})


def find_videos(folder: Path, *, opening: bool = True) -> tuple[list[Path], dict[Path, str]]:
    """The videos in a folder and below it, by name, and the files that are left out, each with the reason.

    A folder of numbered pictures is a video; hidden files, tables, subtitles, pictures, sounds and the like are passed
    over. Without `opening`, files of unknown suffixes are, too: for folders that hold more than videos.
    """
    videos: list[Path] = []
    left_out: dict[Path, str] = {}
    for place, below, names in os.walk(folder):
        here = Path(place)
        below[:] = sorted(name for name in below if not name.startswith("."))
        if here != folder and not below and is_frame_folder(here):
            videos.append(here)
            continue
        for name in names:
            path = here / name
            suffix = path.suffix.lower()
            if name.startswith(".") or suffix in _COMPANIONS or not (opening or suffix in VIDEO_SUFFIXES):
                continue
            if not path.is_file():
                continue
            why = "" if suffix in VIDEO_SUFFIXES else _why_not(path, suffix)
            if why:
                left_out[path] = why
            else:
                videos.append(path)
    return sorted(videos), left_out


def named(left_out: Mapping[Path, str]) -> str:
    """One line about the files that are left out, for a message.

    >>> named({Path("a/b.xyz"): "FFmpeg does not know it"})
    '1 file is no video and was left out: b.xyz (FFmpeg does not know it)'
    """
    each: Iterable[str] = (f"{path.name} ({why})" for path, why in left_out.items())
    return counted(each, "file is no video and was left out", "files are no videos and were left out")


def _why_not(path: Path, suffix: str) -> str:
    """Why a file of an unknown suffix is no video; empty if it is one."""
    import av.error

    from .opening import open_container

    if suffix in _UNFINISHED:
        return "an unfinished download"
    try:
        refuse_pipe(path)
        with open_container(path) as container:
            name = container.format.name
            if not container.streams.video:
                return "it holds no pictures"
            # Texts pass for terminal recordings, and single pictures for streams of them.
            return "it holds no moving pictures" if name == "tty" or name.endswith("_pipe") else ""
    except (OSError, ValueError, av.error.FFmpegError) as error:
        return f"FFmpeg does not open it: {getattr(error, 'strerror', None) or error}"


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
