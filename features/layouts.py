"""How other programs lay out a folder of features: which files, or members of a file, are one video's arrays.

Known are one file a video; two folders of the same names (`rgb/` and `flow/`); `<video>_rgb`, `_flow`, `_fps` and
`_timestamps_ms` side by side (video_features); one file of all videos; and W-TALC's pair of object arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..core.errors import FeatureError, UsageError, listing
from .array_files import ARRAY_SUFFIXES, open_arrays
from .array_members import SIDE, STREAMS, collection, pick, words
from .matlab_files import Stored
from .pickled_arrays import load_array

_TEXT = (".csv", ".txt")
# Beyond so many files none is looked into for whether it holds several videos: each would be read twice.
_MOST_COLLECTIONS = 12


_Read = Callable[[], list[Stored]]


@dataclass(frozen=True)
class Source:
    """One video's arrays, not yet read.

    Attributes:
        video: The video's name.
        streams: Each gives the arrays of one file; all are joined side by side.
        path: Where the first lies.
        fps: Gives the frame rate, where the folder holds it.
        timestamps_ms: Gives a time for each row, where the folder holds them.
    """

    video: str
    streams: tuple[_Read, ...]
    path: Path
    fps: Callable[[], np.ndarray] | None = None
    timestamps_ms: Callable[[], np.ndarray] | None = None


@dataclass
class _Parts:
    """One video's streams by name while a folder is gone through, and what lies beside them."""

    streams: dict[str, tuple[_Read, Path]] = field(default_factory=dict[str, tuple[_Read, Path]])
    side: dict[str, Callable[[], np.ndarray]] = field(default_factory=dict[str, Callable[[], np.ndarray]])


def find_sources(source: Path, *, keys: Sequence[str] = (), videos: Iterable[str] = ()) -> list[Source]:
    """The videos of a folder, or of a file that holds several.

    Args:
        source: The folder or file.
        keys: Names of arrays inside files, of streams or of folders; several are joined in this order.
        videos: Names that are known, which help to tell a file of one video from one of many.

    Raises:
        UsageError: There are none, or two files would be one video.
        FeatureError: A file that may hold several videos cannot be read.
    """
    if not source.exists():
        raise UsageError(
            f"there is no folder {source}",
            why="no such folder",
            next="thas import-features FOLDER",
            subject=str(source),
        )
    if source.is_dir() and (pair := _wtalc(source)) is not None:
        return pair
    files = _array_files(source)
    side = {path: name for path in files for name in SIDE if path.stem.endswith(f"_{name}")}
    bases = {path.stem.removesuffix(f"_{name}") for path, name in side.items()}
    features = [path for path in files if path not in side]
    suffixed = bool(features) and all(words(path.stem)[-1] in STREAMS for path in features)
    found: dict[str, _Parts] = {}
    for path in features:
        folder_stream = _stream_of_folder(path, source, keys)
        video, stream = _split(path.stem, bases, suffixed)
        if path.parent != source and path.stem.lower() in (*STREAMS, *keys):  # a folder a video
            video, stream = path.parent.name, path.stem.lower()
        stream = folder_stream or stream
        inside = collection(path, keys, set(videos)) if len(features) <= _MOST_COLLECTIONS else None
        if inside is None:
            _put(found, video, stream, lambda path=path: pick(path, open_arrays(path), keys), path)
            continue
        for name, tree in inside.items():
            stream = folder_stream or next((word for word in STREAMS if word in words(path.stem)), "")
            _put(found, name, stream, lambda path=path, tree=tree: pick(path, tree, keys), path)
    for path, name in side.items():
        parts = found.get(path.stem.removesuffix(f"_{name}"))
        if parts is not None:
            parts.side[name] = lambda path=path: load_array(path)
    usual = Counter(frozenset(parts.streams) for parts in found.values()).most_common(1)[0][0]
    return [_joined(video, parts, keys, usual) for video, parts in sorted(found.items())]


def _array_files(source: Path) -> list[Path]:
    """Files of arrays; tables of text only where there is nothing else, since they often describe the arrays."""
    if source.is_file():
        return [source] if source.suffix.lower() in ARRAY_SUFFIXES else _none(source, [source.suffix])
    files = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in ARRAY_SUFFIXES and path.is_file()]
    arrays = [path for path in files if path.suffix.lower() not in _TEXT]
    tables = [path for path in files if path.suffix.lower() == ".csv"] or files
    chosen = arrays or tables
    return chosen or _none(source, sorted({path.suffix for path in source.iterdir() if path.is_file()}))


def _none(source: Path, kinds: list[str]) -> list[Path]:
    raise UsageError(
        f"{source} holds no features",
        why=f"no {', '.join(ARRAY_SUFFIXES)} file lies there" + (f", only {listing(kinds)}" if kinds else ""),
        next="thas import-features FOLDER",
        subject=str(source),
    )


def _stream_of_folder(path: Path, source: Path, keys: Sequence[str]) -> str:
    """The folder of one stream that a file lies in, if any: one that was named, or one called after a stream."""
    folders = path.relative_to(source).parts[:-1] if source.is_dir() else ()
    for folder in folders:
        if folder in keys:
            return folder
        for word in STREAMS:
            if word in words(folder) and not set(STREAMS) <= set(words(folder)):
                return word
    return ""


def _split(stem: str, bases: set[str], suffixed: bool) -> tuple[str, str]:
    """A file's video and stream: `vid_rgb` beside `vid_fps`, or where all files end so."""
    if stem in bases:
        return stem, ""
    for i in range(len(stem) - 1, 0, -1):
        if stem[i] == "_" and stem[:i] in bases:
            return stem[:i], stem[i + 1 :]
    if suffixed and len(words(stem)) > 1:
        stream = words(stem)[-1]
        return stem[: -len(stream) - 1], stream
    return stem, ""


def _put(found: dict[str, _Parts], video: str, stream: str, read: _Read, path: Path) -> None:
    other = found.setdefault(video, _Parts()).streams.setdefault(stream, (read, path))
    if other[0] is not read:
        pairs = zip(other[1].parts, path.parts, strict=False)
        folders = next((pair for pair in pairs if pair[0] != pair[1]), ())
        join = f", or join them side by side with --key {' '.join(folders)}" if other[1].name == path.name else ""
        why = f"{other[1]} and {path}"
        raise UsageError(f"video {video} has two files", why=why, next=f"keep one{join}", subject=video)


def _joined(video: str, parts: _Parts, keys: Sequence[str], usual: frozenset[str]) -> Source:
    names = list(parts.streams)
    named = [key for key in keys if key in parts.streams]
    chosen = named or [name for name in STREAMS if name in names] or names
    reads = tuple(parts.streams[name][0] for name in chosen)
    path = parts.streams[chosen[0]][1]
    if not named and len(names) > 1 and set(names) != set(STREAMS):
        known = sorted(name or parts.streams[name][1].parent.name for name in names)
        reads = (lambda: _several(path, video, known),)
    elif not named and frozenset(names) != usual:
        reads = (lambda: _other_streams(path, video, names, usual),)
    return Source(video, reads, path, parts.side.get("fps"), parts.side.get("timestamps_ms"))


def _several(path: Path, video: str, names: list[str]) -> list[Stored]:
    raise FeatureError(
        f"{path}: video {video} has several arrays",
        why=f"it has {listing(names, 8)}",
        next=f"name them with --key, such as --key {' '.join(names[:2])}, which joins two side by side",
        subject=video,
    )


def _other_streams(path: Path, video: str, names: list[str], usual: frozenset[str]) -> list[Stored]:
    own, others = (listing(sorted(name or "one without a name" for name in one)) for one in (names, usual))
    common = sorted(usual.intersection(names))
    raise FeatureError(
        f"{path}: video {video} has other streams than most",
        why=f"it has {own}, others have {others}",
        next="make what is missing" + (f", or take what all have with --key {' '.join(common)}" if common else ""),
        subject=video,
    )


def side_by_side(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays joined along their last axis; where one is a row longer, it loses its last one.

    Raises:
        FeatureError: They differ by more than a row.
    """
    if len(parts) == 1:
        return parts[0]
    lengths = [part.shape[0] if part.ndim else 0 for part in parts]
    if len({part.ndim for part in parts}) > 1 or max(lengths) - min(lengths) > 1:
        raise FeatureError(
            "its streams do not belong together",
            why=f"their shapes are {listing(map(str, (part.shape for part in parts)))}",
        )
    return np.concatenate([part[: min(lengths)] for part in parts], axis=-1)


def _wtalc(source: Path) -> list[Source] | None:
    """W-TALC's pair: one object array of feature matrices, one of names; None if the folder is not that."""
    features = [path for path in sorted(source.glob("*.npy")) if "features" in path.stem.lower()]
    names = [*sorted(source.glob("videoname.npy")), *sorted(source.glob("*nnotations/videoname.npy"))]
    if len(features) != 1 or not names:
        return None
    named = load_array(names[0])
    if named.dtype.kind not in "OSU":
        raise FeatureError(
            f"{names[0]} holds no names of videos",
            why=f"it holds {named.dtype}",
            next="download it again",
            subject=str(names[0]),
        )
    videos = [_name(name, names[0]) for name in named.ravel()]
    arrays = load_array(features[0])
    if arrays.ndim == 0 or len(arrays) != len(videos) or len(set(videos)) != len(videos):
        count = len(arrays) if arrays.ndim else 0
        raise UsageError(
            f"{features[0].name} and {names[0].name} do not belong together",
            why=f"{count} arrays, {len(videos)} names, {len(set(videos))} of them distinct",
            next="download both again",
            subject=str(source),
        )

    def stored(i: int) -> Stored:
        array = np.asarray(arrays[i])
        return Stored(array.shape, array.dtype.kind in "fiub", lambda: array)

    return [Source(video, (lambda i=i: [stored(i)],), features[0]) for i, video in enumerate(videos)]


def _name(value: object, path: Path) -> str:
    """A video's name from an array of names.

    Raises:
        FeatureError: It is no text.
    """
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        text = None
    if not isinstance(text, str) or not text:
        raise FeatureError(
            f"{path} holds no names of videos", why=f"one is {value!r:.60}", next="download it again", subject=str(path)
        )
    return str(text)
