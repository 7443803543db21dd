"""How other programs lay out a folder of features: which files, or members of a file, are one video's arrays.

Known are one file a video; two folders of the same names (`rgb/` and `flow/`); `<video>_rgb`, `_flow`, `_fps` and
`_timestamps_ms` side by side (video_features); one file of all videos; and W-TALC's pair of object arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..core.errors import FeatureError, UsageError, listing
from .array_files import ARRAY_SUFFIXES, Stored, Tree, open_arrays
from .pickled_arrays import load_array

# Tried in this order where a file holds several arrays and no key was named.
_KEYS = ("features", "feature", "feats", "feat", "c3d_features", "data")
STREAMS = ("rgb", "flow")
# What lies beside features and is no video of its own.
_SIDE = ("fps", "timestamps_ms")
_TEXT = (".csv", ".txt")
_HOLDS_SEVERAL = (".npz", ".pt", ".pth", ".pkl", ".pickle", ".h5", ".hdf5", ".mat")
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
    side = {path: name for path in files for name in _SIDE if path.stem.endswith(f"_{name}")}
    bases = {path.stem.removesuffix(f"_{name}") for path, name in side.items()}
    features = [path for path in files if path not in side]
    suffixed = _all_suffixed(features)
    found: dict[str, _Parts] = {}
    for path in features:
        folder_stream = _stream_of_folder(path, source, keys)
        video, stream = _split(path.stem, bases, suffixed)
        stream = folder_stream or stream
        inside = _collection(path, keys, set(videos)) if len(features) <= _MOST_COLLECTIONS else None
        if inside is None:
            _put(found, video, stream, lambda path=path: pick(path, open_arrays(path), keys), path)
            continue
        for name, tree in inside.items():
            stream = folder_stream or next((word for word in STREAMS if word in _words(path.stem)), "")
            _put(found, name, stream, lambda path=path, tree=tree: pick(path, tree, keys), path)
    for path, name in side.items():
        parts = found.get(path.stem.removesuffix(f"_{name}"))
        if parts is not None:
            parts.side[name] = lambda path=path: load_array(path)
    return [_joined(video, parts, keys) for video, parts in sorted(found.items())]


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


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", name.lower())


def _stream_of_folder(path: Path, source: Path, keys: Sequence[str]) -> str:
    """The folder of one stream that a file lies in, if any: one that was named, or one called after a stream."""
    folders = path.relative_to(source).parts[:-1] if source.is_dir() else ()
    for folder in folders:
        if folder in keys:
            return folder
        for word in STREAMS:
            if word in _words(folder) and not set(STREAMS) <= set(_words(folder)):
                return word
    return ""


def _all_suffixed(files: Sequence[Path]) -> bool:
    """Whether every file's name ends with a stream's."""
    return bool(files) and all(_words(path.stem)[-1] in STREAMS for path in files)


def _split(stem: str, bases: set[str], suffixed: bool) -> tuple[str, str]:
    """A file's video and stream: `vid_rgb` beside `vid_fps`, or where all files end so."""
    if stem in bases:
        return stem, ""
    for i in range(len(stem) - 1, 0, -1):
        if stem[i] == "_" and stem[:i] in bases:
            return stem[:i], stem[i + 1 :]
    if suffixed and len(_words(stem)) > 1:
        stream = _words(stem)[-1]
        return stem[: -len(stream) - 1], stream
    return stem, ""


def _collection(path: Path, keys: Sequence[str], videos: set[str]) -> Mapping[str, Tree] | None:
    """A file's members by video, if it holds several: two or more alike, of which none is called as arrays are."""
    if path.suffix.lower() not in _HOLDS_SEVERAL:
        return None
    try:
        tree = open_arrays(path)
    except FeatureError:
        return None  # named when it is read
    if isinstance(tree, Stored) or any(name in keys or name.lower() in _KEYS for name in tree):
        return None
    if any(set(_words(name)) & {*STREAMS, *_SIDE, "times", "labels", "label"} for name in tree):
        return None
    if len(tree) == 1:
        return tree if set(tree) <= videos else None
    kinds = {tuple(sorted(_flat(member))) for member in tree.values()}
    widths = {stored.shape[-1:] for member in tree.values() for stored in _flat(member).values() if stored.shape}
    inside = len(kinds) == 1 and kinds != {("",)}  # a group a video, of the same arrays each
    rows = all(len(stored.shape) > 1 for member in tree.values() for stored in _flat(member).values())
    return tree if inside or set(tree) & videos or (len(kinds) == 1 and rows and len(widths) == 1) else None


def _flat(tree: Tree, place: str = "") -> dict[str, Stored]:
    """All arrays of a tree by their whole names; "" for a single one."""
    if isinstance(tree, Stored):
        return {place: tree}
    return {
        name: stored
        for key, inner in tree.items()
        for name, stored in _flat(inner, f"{place}/{key}".strip("/")).items()
    }


def _put(found: dict[str, _Parts], video: str, stream: str, read: _Read, path: Path) -> None:
    other = found.setdefault(video, _Parts()).streams.setdefault(stream, (read, path))
    if other[0] is not read:
        raise UsageError(f"video {video} has two files", why=f"{other[1]} and {path}", next="keep one", subject=video)


def _joined(video: str, parts: _Parts, keys: Sequence[str]) -> Source:
    names = list(parts.streams)
    named = [key for key in keys if key in parts.streams]
    chosen = named or [name for name in STREAMS if name in names] or names
    fault = ""
    if not named and len(names) > 1 and set(names) != set(STREAMS):
        fault = f"it has {listing(sorted(name or 'one without a name' for name in names), 8)}"
    reads = tuple(parts.streams[name][0] for name in chosen)
    path = parts.streams[chosen[0]][1]
    if fault:
        reads = (lambda: _several(path, video, fault),)
    return Source(video, reads, path, parts.side.get("fps"), parts.side.get("timestamps_ms"))


def _several(path: Path, video: str, why: str) -> list[Stored]:
    raise FeatureError(f"{path}: video {video} has several arrays", why=why, next="name them with --key", subject=video)


def pick(path: Path, tree: Tree, keys: Sequence[str]) -> list[Stored]:
    """The array meant of those in a file, or several in the order named.

    Raises:
        FeatureError: It holds several and none was named, or lacks a named one.
    """
    arrays = {name: stored for name, stored in _flat(tree).items() if stored.numeric}
    if set(arrays) == {""}:
        return [arrays[""]]
    last = {key: [name for name in arrays if name == key or name.rsplit("/", 1)[-1] == key] for key in keys}
    # A key may name a folder of streams, as `--key rgb flow` does, while files hold one array each.
    chosen = [last[key][0] for key in keys if len(last[key]) == 1]
    rows = [name for name, stored in arrays.items() if len(stored.shape) > 1] or list(arrays)
    if not chosen and not (keys and len(rows) > 1):
        usual = [name for key in _KEYS for name in rows if name.rsplit("/", 1)[-1].lower() == key]
        chosen = usual[:1] or (rows if len(rows) == 1 else [])
    missing = [key for key in keys if not last[key]] if chosen and len(chosen) < len(keys) and len(rows) > 1 else []
    if missing or not chosen:
        absent = missing or [key for key in keys if not last[key]]
        raise FeatureError(
            f"{path} has no array {absent[0]!r}" if absent else f"{path} holds several arrays",
            why=f"it holds {listing(arrays, 8) or 'no array of numbers'}",
            next=f"name it with --key, such as --key {' '.join(rows[:2])}" if rows else "give another file",
            subject=str(path),
        )
    return [arrays[name] for name in chosen]


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
