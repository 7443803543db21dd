"""Features that others made, into a cache of ours: one array file a video, or W-TALC's pair of object arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .._version import __version__
from ..core.errors import FeatureError, UsageError, listing
from ..core.files import cannot_write
from ..core.tables import number, table_rows
from .cache import Features, write_features
from .extraction_settings import ExtractionResult, Progress
from .failures import Failure, write_failures
from .pickles import load_array
from .snippets import SnippetGrid
from .temporary_names import remove_unfinished

ARRAY_SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".h5", ".hdf5")
# Tried in this order where a file holds several arrays and no key was named.
_KEYS = ("features", "feature", "feats", "feat", "data")


@dataclass(frozen=True)
class Source:
    """One video's array, not yet read.

    Attributes:
        video: The video's name.
        read: Gives its array.
        path: Where it lies.
    """

    video: str
    read: Callable[[], np.ndarray]
    path: Path


def import_features(
    source: Path | str,
    out: Path | str,
    *,
    fps: float | Mapping[str, float],
    length_frames: int,
    stride_frames: float,
    offset_frames: float = 0.0,
    durations: Mapping[str, float] | None = None,
    keys: tuple[str, ...] = (),
    transposed: bool = False,
    stored: Literal["float32", "float16"] = "float32",
    progress: Progress | None = None,
) -> ExtractionResult:
    """Turn a folder of arrays into a feature cache.

    Args:
        source: A folder of .npy, .npz, .pt or .h5 files, one a video, named after it; or W-TALC's folder, with
            `*-I3D-JOINTFeatures.npy` beside `*-Annotations/videoname.npy`.
        out: The cache; made if absent.
        fps: Frames a second of the videos when the features were made; one number, or one a video.
        length_frames: Frames that a row describes.
        stride_frames: Frames from one row's start to the next one's.
        offset_frames: The first row's first frame.
        durations: Length of each video in seconds; by default the last row's end.
        keys: Names of the arrays inside .npz, .pt and .h5 files; several are joined side by side.
        transposed: The arrays are (D, T).
        stored: The type in the cache.
        progress: Called with 1.0 after each video.

    Returns:
        What became of each video; failures do not raise.

    Raises:
        UsageError: The folder holds no arrays.
        DataError: The cache cannot be written to.
    """
    source, out = Path(source), Path(out)
    sources = list(find_arrays(source, keys=keys))
    if source.resolve() == out.resolve():
        raise UsageError(
            "features cannot be imported into the folder they come from",
            why=f"{out} would hold both",
            next="--out another folder",
            subject=str(out),
        )
    recipe = {
        "backbone": "imported",
        "length_frames": length_frames,
        "stride_frames": float(stride_frames),
        "offset_frames": float(offset_frames),
        "stored": stored,
        "imported_source": str(source),
        "thas_version": __version__,
    }
    done: list[str] = []
    failed: list[Failure] = []
    width: int | None = None
    for one in sources:
        try:
            data = _two_dimensional(one, transposed=transposed)
            rate = _rate(fps, one.video)
            if width is not None and data.shape[1] != width:
                raise FeatureError(
                    f"{one.path} has another width",
                    why=f"its rows have {data.shape[1]} numbers, those of {done[0]} {width}",
                )
            grid = _grid(rate, length_frames, stride_frames, offset_frames, len(data))
            start, end = grid.start_seconds, grid.end_seconds
            duration = float((durations or {}).get(one.video, end[-1] if len(end) else 0.0))
            features = Features(one.video, data, start, end, duration)
            write_features(
                out, features, recipe=recipe, source={"average_fps": float(rate), "path": str(one.path)}, dtype=stored
            )
        except FeatureError as error:
            failed.append(Failure(one.video, "read", " ".join((error.why or error.what).split())))
        except OSError as error:
            raise cannot_write(out, error) from error
        else:
            width = data.shape[1]
            done.append(one.video)
        if progress is not None:
            progress(1.0)
    if out.is_dir():
        remove_unfinished(out)
        write_failures(out, failed)
    return ExtractionResult(tuple(done), (), tuple(failed))


def _grid(fps: float, length: int, stride: float, offset: float, count: int) -> SnippetGrid:
    from fractions import Fraction

    exact = [Fraction(value).limit_denominator(1_000_000) for value in (fps, stride, offset)]
    return SnippetGrid(exact[0], length, exact[1], exact[2], count)


def _rate(fps: float | Mapping[str, float], video: str) -> float:
    rate = fps.get(video) if isinstance(fps, Mapping) else fps
    if rate is None or not rate > 0 or not np.isfinite(rate):
        why = "the table of frame rates lacks it" if rate is None else f"its frame rate is {rate}"
        raise FeatureError(f"{video} has no frame rate", why=why, subject=video)
    return float(rate)


def _two_dimensional(source: Source, *, transposed: bool) -> np.ndarray:
    data = np.asarray(source.read())
    if data.ndim > 2:
        data = data.squeeze(axis=tuple(i for i in range(data.ndim) if data.shape[i] == 1 and data.ndim > 2))
    if data.ndim == 1 and data.size:
        data = data[None]
    if data.ndim != 2 or data.dtype.kind not in "fiu":
        raise FeatureError(
            f"{source.path} holds no feature rows", why=f"its array is {data.shape} of {data.dtype}, not (T, D) numbers"
        )
    return data.T if transposed else data


def find_arrays(source: Path, *, keys: tuple[str, ...] = ()) -> Iterator[Source]:
    """The arrays of a folder, by video.

    Raises:
        UsageError: There are none, or two files would be one video.
    """
    if not source.is_dir():
        why = "it is a file" if source.exists() else "no such folder"
        raise UsageError(
            f"there is no folder {source}", why=why, next="thas import-features FOLDER", subject=str(source)
        )
    pair = _wtalc(source)
    if pair is not None:
        yield from pair
        return
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in ARRAY_SUFFIXES and path.is_file())
    if not files:
        kinds = sorted({path.suffix for path in source.iterdir() if path.is_file()})
        raise UsageError(
            f"{source} holds no features",
            why=f"no {', '.join(ARRAY_SUFFIXES)} file lies there" + (f", only {listing(kinds)}" if kinds else ""),
            next="thas import-features FOLDER",
            subject=str(source),
        )
    seen: dict[str, Path] = {}
    for path in files:
        other = seen.setdefault(path.stem, path)
        if other != path:
            raise UsageError(
                f"video {path.stem} has two files", why=f"{other} and {path}", next="keep one", subject=path.stem
            )
        yield Source(path.stem, lambda path=path: read_array(path, keys=keys), path)


def _wtalc(source: Path) -> list[Source] | None:
    """W-TALC's pair: one object array of feature matrices, one of names; None if the folder is not that."""
    features = [path for path in sorted(source.glob("*.npy")) if "features" in path.stem.lower()]
    names = [*sorted(source.glob("videoname.npy")), *sorted(source.glob("*nnotations/videoname.npy"))]
    if len(features) != 1 or not names:
        return None
    videos = [name.decode() if isinstance(name, bytes) else str(name) for name in load_array(names[0]).ravel()]
    arrays = load_array(features[0])
    if len(arrays) != len(videos) or len(set(videos)) != len(videos):
        raise UsageError(
            f"{features[0].name} and {names[0].name} do not belong together",
            why=f"{len(arrays)} arrays, {len(videos)} names, {len(set(videos))} of them distinct",
            next="download both again",
            subject=str(source),
        )
    return [Source(video, lambda i=i: arrays[i], features[0]) for i, video in enumerate(videos)]


def read_array(path: Path, *, keys: tuple[str, ...] = ()) -> np.ndarray:
    """One video's array from a .npy, .npz, .pt or .h5 file; nothing in it is run.

    Raises:
        FeatureError: It cannot be read, or holds several arrays and none was named.
    """
    try:
        suffix = path.suffix.lower()
        if suffix == ".npy":
            return load_array(path)
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as opened:
                return _pick(path, {name: (lambda name=name: opened[name]) for name in opened.files}, keys)
        if suffix in (".pt", ".pth"):
            import torch

            loaded = torch.load(path, map_location="cpu", weights_only=True)
            if isinstance(loaded, torch.Tensor):
                return loaded.numpy()
            tensors = {k: v for k, v in loaded.items() if isinstance(v, torch.Tensor)}
            return _pick(path, {name: tensor.numpy for name, tensor in tensors.items()}, keys)
        import h5py

        with h5py.File(path, "r") as file:
            found: dict[str, Callable[[], Any]] = {}

            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    found[name] = lambda: item[()]

            file.visititems(visit)
            return _pick(path, found, keys)
    except FeatureError:
        raise
    except Exception as error:
        raise FeatureError(
            f"{path} cannot be read",
            why=f"{type(error).__name__}: {str(error) or 'it is cut off'}"[:300],
            next="make it again",
            subject=str(path),
        ) from error


def _pick(path: Path, arrays: Mapping[str, Callable[[], Any]], keys: tuple[str, ...]) -> np.ndarray:
    missing = [key for key in keys if key not in arrays]
    chosen = list(keys) or [key for key in _KEYS if key in arrays][:1] or (list(arrays) if len(arrays) == 1 else [])
    if missing or not chosen:
        raise FeatureError(
            f"{path} has no array {missing[0]!r}" if missing else f"{path} holds several arrays",
            why=f"it holds {listing(arrays, 8) or 'none'}",
            next="name it with --key",
            subject=str(path),
        )
    return np.concatenate([np.asarray(arrays[key]()) for key in chosen], axis=-1)


def read_numbers(path: Path, column: str) -> dict[str, float]:
    """A table `video,<column>`, separated by commas, semicolons or tabs, as a dictionary.

    Raises:
        DataError: It has no such columns, or a value is no number; the line is named.
    """
    return {
        row["video"]: number(row[column], place=f"{path}, line {line}", name=column)
        for line, row in table_rows(path, ("video", column))
    }
