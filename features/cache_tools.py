"""Looking after feature caches: check every file, say why two caches differ, make one file of many."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from ..core import hdf5
from ..core.errors import FeatureError, ThasError, UsageError
from ..core.files import need_room
from ..core.messages import Progress, silent
from ..core.reading import is_refused
from ..core.temporary_names import replacing
from .cache import Details, FeatureCache, may_link
from .cache_writer import file_name
from .video_features import difference, times_fault

# Rows read at a time, so that a long video needs no more memory than a short one.
_ROWS = 1024
_Shape = tuple[int, int]


@dataclass(frozen=True)
class Verification:
    """What `verify_cache` found.

    Attributes:
        videos: Files looked at.
        rows: Feature vectors in them.
        faults: For each faulty video what is wrong with it.
        unchecked: Files without checksums, which an older version wrote.
        refused: Of the faulty, the ones that the system did not let be read, which says nothing of them.
        partial: Videos whose files hold only a part, as they say themselves.
        missing: Videos that were asked for and are not there.
    """

    videos: int
    rows: int
    faults: dict[str, str]
    partial: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unchecked: int = 0
    refused: tuple[str, ...] = ()


def verify_cache(path: Path | str, *, expected: Sequence[str] = (), progress: Progress = silent) -> Verification:
    """Read a cache whole: every number as it was written and finite, times in order, one recipe and one width.

    Raises:
        FeatureError: There is no cache.
    """
    cache = FeatureCache(path, strange=True)
    faults: dict[str, str] = {}
    partial: list[str] = []
    refused: list[str] = []
    rows, unchecked = 0, 0
    reference: tuple[dict[str, object], int] | None = None
    for video in cache:
        try:
            with cache.reading(video) as group:
                details = Details.of(group)
            unchecked += not details.sums
            count, dimension = cache.shape_of(video)
            reference = reference or (details.recipe, dimension)
            lines = difference(reference[0], details.recipe)
            why = _first_fault(cache, video, details)
            if dimension != reference[1]:
                why = why or f"its rows have {dimension} numbers, the first video's {reference[1]}"
            if lines:
                why = "another recipe than the first video's: " + "; ".join(lines)
            if why:
                faults[video] = why
            else:
                rows += count
            if details.source.get("partial"):
                partial.append(video)
        except FeatureError as error:
            faults[video] = error.why or error.what
            refused += [video] * is_refused(error.__cause__)
        progress(1.0)
    missing = tuple(video for video in expected if video not in cache)
    return Verification(len(cache), rows, faults, tuple(partial), missing, unchecked, tuple(refused))


def _first_fault(cache: FeatureCache, video: str, details: Details) -> str:
    with cache.reading(video) as group:
        data = hdf5.dataset(group, "features", dimensions=2)
        names = ["start_seconds", "end_seconds"]
        names += [name for name in ("centre_frame", "lost_seconds") if name in group or name in details.sums]
        arrays = {name: hdf5.dataset(group, name, dimensions=1)[()] for name in names}
        if 0 in data.shape:
            return f"features are {data.shape}, not (T, D)"
        start, end = arrays["start_seconds"], arrays["end_seconds"]
        duration = details.source.get("duration_seconds", float(end[-1]) if len(end) else 0.0)
        if not isinstance(duration, int | float):
            return f"its duration is {str(duration)[:40]!r}"
        if why := times_fault(len(data), start, end, duration, arrays.get("lost_seconds")):
            return why
        if end[-1] > duration + 1e-3 and "frames" in details.source:
            return f"rows end at {end[-1]:.3f} s, after the video at {duration:.3f} s"
        found = 0
        for row in range(0, len(data), _ROWS):
            block = data[row : row + _ROWS]
            found = hdf5.checksum(block, found)
            finite = np.isfinite(block)
            if not finite.all():
                return f"row {row + int(np.argmin(finite.all(axis=1)))} holds NaN or infinity"
        if found != details.sums.get("features", found):
            return hdf5.changed("features")
        for name, array in arrays.items():
            hdf5.check(name, array, details.sums)
        return details.fault()


@dataclass(frozen=True)
class Difference:
    """How two caches differ.

    Attributes:
        recipe: Lines in which the recipes differ.
        versions: Lines about versions and origins, which do not count.
        only_first: Videos that only the first has.
        only_second: Videos that only the second has.
        shapes: For videos of another shape, both shapes.
        times: For videos with other times, the largest difference in seconds.
        values: For videos with other numbers, the largest difference, and that relative to the largest number.
        equal: Videos with the same bytes in features and times.
        failed: Videos that could not be read, and why.
    """

    recipe: list[str]
    versions: list[str]
    only_first: list[str]
    only_second: list[str]
    shapes: dict[str, tuple[_Shape, _Shape]] = field(default_factory=dict[str, tuple[_Shape, _Shape]])
    times: dict[str, float] = field(default_factory=dict[str, float])
    values: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    equal: list[str] = field(default_factory=list[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def same(self) -> bool:
        """Whether the caches hold the same videos with the same numbers."""
        return not (self.only_first or self.only_second or self.shapes or self.times or self.values or self.failed)


def compare_caches(first: Path | str, second: Path | str, *, progress: Progress = silent) -> Difference:
    """Say why two caches differ: what their recipes say, and what their numbers do.

    Raises:
        FeatureError: One of them is no cache.
    """
    one, two = FeatureCache(first), FeatureCache(second)
    recipe = difference(one.recipe, two.recipe)
    everything = difference(one.recipe, two.recipe, versions=True)
    result = Difference(
        recipe,
        [line for line in everything if line not in recipe],
        [video for video in one if video not in two],
        [video for video in two if video not in one],
    )
    for video in one:
        if video in two:
            try:
                _compare(result, one, two, video)
            except FeatureError as error:
                result.failed[video] = error.why or error.what
        progress(1.0)
    return result


def _compare(result: Difference, one: FeatureCache, two: FeatureCache, video: str) -> None:
    shapes = one.shape_of(video), two.shape_of(video)
    if shapes[0] != shapes[1]:
        result.shapes[video] = shapes
        return
    with one.reading(video) as a, two.reading(video) as b:
        apart = max(
            float(np.abs(hdf5.dataset(a, name)[()] - hdf5.dataset(b, name)[()]).max())
            for name in ("start_seconds", "end_seconds")
        )
        if apart:
            result.times[video] = apart
        largest, scale = 0.0, 0.0
        for row in range(0, shapes[0][0], _ROWS):
            x, y = (np.asarray(hdf5.dataset(group, "features")[row : row + _ROWS], np.float32) for group in (a, b))
            with np.errstate(invalid="ignore"):
                largest = max(largest, float(np.nan_to_num(np.abs(x - y), nan=np.inf).max()))
            scale = max(scale, float(np.nan_to_num(np.abs(x)).max()))
        if largest:
            result.values[video] = (largest, largest / scale if scale else np.inf)
        if not apart and not largest:
            result.equal.append(video)


def pack_cache(
    path: Path | str,
    target: Path | str,
    *,
    how: Literal["links", "copy"] = "copy",
    progress: Progress = silent,
) -> int:
    """Make one file of a cache; `FeatureCache(target)` reads it like the folder.

    Args:
        path: The cache, a folder.
        target: The file to write; it appears when it is complete.
        how: "copy" holds everything; "links" points to the folder's files, which must stay where they are, in
            a folder beside or below that of `target`.
        progress: Called with 1.0 after each video.

    Returns:
        The number of videos.

    Raises:
        FeatureError: A file of the cache is damaged.
        DataError: The target cannot be written.
        UsageError: The cache is a packed file already, or lies where links are not followed to.
    """
    cache, target = FeatureCache(path, strange=True), Path(target)
    if cache.path.is_file():
        raise UsageError(f"{path} is packed already", next="thas features verify " + str(path), subject=str(path))
    if how == "links" and not may_link(target, cache.path):
        raise UsageError(
            f"{target} cannot link to {cache.path}",
            why="links are followed to folders beside or below the packed file's, and nowhere else",
            next=f"thas features pack {cache.path} {cache.path.parent / target.name} --links, or without --links",
        )
    with replacing(target) as temporary, h5py.File(temporary, "w", libver=("v110", "v110")) as packed:
        for video in cache:
            name = file_name(video)
            if how == "copy":
                need_room(temporary.parent, (cache.path / name).stat().st_size + hdf5.MARGIN_BYTES)
            with cache.reading(video) as group:
                if how == "copy":
                    inside = packed.create_group(name)
                    inside.attrs.update(group.attrs)
                    for item in group:
                        group.copy(item, inside)
            if how == "links":
                relative = os.path.relpath(cache.path.resolve() / name, target.parent.resolve())
                packed[name] = h5py.ExternalLink(relative, "/")
            progress(1.0)
    return len(cache)


def made_again(path: Path) -> str:
    """How files of a cache are made anew: extracted, or imported from where they came from."""
    source = None
    with suppress(ThasError):
        source = FeatureCache(path).recipe.get("imported_source")
    if source is None:
        return "run the same extraction again"
    return f"import them again, with the options of then: thas import-features {source} --out {path}"


def damaged_files(verification: Verification, path: Path) -> Iterator[Path]:
    """The files to remove so that the next extraction makes them anew."""
    for video in verification.faults:
        if video not in verification.refused:
            yield path / file_name(video)
