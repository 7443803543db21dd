"""The feature cache: one HDF5 file a video, complete or absent, that says how it was made.

A file holds the datasets `features` (T, D), `start_seconds`, `end_seconds`, `centre_frame` and, of a damaged
video, `lost_seconds` (T,), the group `recipe`
(attributes: what must agree within a cache) and the group `source` (attributes: what concerns this video alone), and a
checksum of each, which is compared on reading; files of older versions lack it and are read as they are. A file is
written under a temporary name, synced and renamed, so that whatever bears a final name is whole.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, cast

import h5py
import numpy as np

from ..core import hdf5
from ..core.errors import FeatureError, plural
from .cache_writer import SUFFIX, FeatureWriter, file_name, video_name
from .video_features import Features, Recipe, attributes_sum, difference, digest, read_attributes


def write_features(
    folder: Path | str,
    features: Features,
    *,
    recipe: Recipe,
    centre_frame: np.ndarray | None = None,
    source: Recipe | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    compress: bool = False,
) -> Path:
    """Write one video's features as a file of the cache `folder`, whole or not at all; returns its path.

    Args:
        folder: The cache; made if absent.
        features: What to write.
        recipe: How the features were made: names to numbers, texts, booleans, None or lists of them. Must be the same
            for all files of a cache.
        centre_frame: (T,) int, index of each snippet's middle frame among the shown ones; None if unknown.
        source: What concerns this video alone, as attributes: its path, number of frames, decoder, what was lost.
        dtype: "float32" or "float16".
        compress: Gzip with byte shuffling.
    """
    shape = {"rows": len(features), "dimension": features.dimension}
    with FeatureWriter(folder, video=features.video, **shape, dtype=dtype, compress=compress) as writer:
        writer.write(0, features.data)
        return writer.commit(
            start_seconds=features.start_seconds,
            end_seconds=features.end_seconds,
            duration_seconds=features.duration_seconds,
            recipe=recipe,
            centre_frame=centre_frame,
            source=source,
            lost_seconds=features.lost_seconds,
        )


class FeatureCache(Mapping[str, Features]):
    """A read-only mapping from a video's name to its `Features`.

    Args:
        path: A folder of files written by `write_features`, or one file made by `thas features pack`.
        strange: Whether the structure of each file is checked before it is read; see `thas.core.hdf5_structure`.

    Raises:
        FeatureError: There is no such cache, or it is empty.
    """

    def __init__(self, path: Path | str, *, strange: bool = False) -> None:
        self.path = Path(path)
        self._strange = strange
        self._packed = self.path.is_file()
        if self._packed:
            with self._file(self.path, str(self.path)) as file:
                names = [video_name(name) for name in hdf5.members(file)]
        elif self.path.is_dir():
            names = [video_name(e.name) for e in self.path.iterdir() if e.name.endswith(SUFFIX) and e.name[0] != "."]
        else:
            raise self._absent(f"there is no feature cache at {self.path}", "no such file or folder")
        self._names = tuple(sorted(names))
        self._members = frozenset(names)
        if not names:
            raise self._absent(f"the feature cache {self.path} is empty", f"it holds no {SUFFIX} file")

    def _absent(self, what: str, why: str) -> FeatureError:
        return FeatureError(what, why=why, next="thas extract-features --help", subject=str(self.path))

    def __repr__(self) -> str:
        return f"<FeatureCache: {plural(len(self), 'video')} in {self.path}>"

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, video: object) -> bool:
        return video in self._members

    @cached_property
    def recipe(self) -> dict[str, object]:
        """How the features were made, by the first file; reading a video of another recipe is an error."""
        return self.recipe_of(self._names[0])

    @cached_property
    def dimension(self) -> int:
        """Length D of a feature vector."""
        with self.reading(self._names[0]) as group:
            return int(hdf5.dataset(group, "features", dimensions=2).shape[1])

    def recipe_of(self, video: str) -> dict[str, object]:
        """The recipe in one video's file; empty where it has none."""
        with self.reading(video) as group:
            return read_attributes(hdf5.member(group, "recipe"))

    def has_recipe(self, video: str, recipe: Recipe) -> bool:
        """Whether one video's file was made by a recipe; quicker than reading its own."""
        with self.reading(video) as group:
            written = hdf5.attribute(group, "recipe_digest")
        if isinstance(written, str) and written:
            return written == digest(recipe)
        return not difference(recipe, self.recipe_of(video))

    def source_of(self, video: str) -> dict[str, object]:
        """What one video's file says about it: frames, duration, decoder, what was lost."""
        with self.reading(video) as group:
            return read_attributes(hdf5.member(group, "source"))

    def shape_of(self, video: str) -> tuple[int, int]:
        """(T, D) of one video, without reading its features."""
        with self.reading(video) as group:
            rows, dimension = hdf5.dataset(group, "features", dimensions=2).shape
            return int(rows), int(dimension)

    def __getitem__(self, video: str) -> Features:
        """The features of one video, float32 whatever the file's type.

        Raises:
            KeyError: The video is not in the cache.
            FeatureError: Its file is damaged, of another recipe or width than the first one's, or holds NaN.
        """
        other = partial(FeatureError, next=f"thas features verify {self.path}", subject=video)
        with self.reading(video) as group:
            details = Details.of(group)
            lines = difference(self.recipe, details.recipe)
            if lines:
                what = f"the features of {video!r} were made differently from the others in {self.path}"
                raise other(what, why="; ".join(lines))
            data, start, end = (
                hdf5.dataset(group, name, dimensions=count)[()]
                for name, count in (("features", 2), ("start_seconds", 1), ("end_seconds", 1))
            )
            duration = details.source.get("duration_seconds", float(end[-1]) if len(end) else 0.0)
            lost = hdf5.dataset(group, "lost_seconds", dimensions=1)[()] if "lost_seconds" in group else None
            features = Features(video, data, start, end, cast("float", duration), lost)  # which looks whether it is one
            if fault := details.fault():
                raise ValueError(fault)
            for name, array in (("features", data), ("start_seconds", start), ("end_seconds", end)):
                hdf5.check(name, array, details.sums)
            if lost is not None:
                hdf5.check("lost_seconds", lost, details.sums)
        if features.dimension != self.dimension:
            what = f"the features of {video!r} have {features.dimension} numbers a row, the others {self.dimension}"
            raise other(what, why=f"{self.path} mixes features of different backbones or layers")
        return features

    def _file(self, path: Path, subject: str) -> AbstractContextManager[h5py.File]:
        again = f"remove {path} and run the same extraction again; it continues with what is missing"
        return hdf5.opened(path, subject, next=again, strange=self._strange)

    @contextmanager
    def reading(self, video: str) -> Generator[h5py.Group]:
        """One video's HDF5 group, open for reading within a `with` block."""
        if video not in self._members:
            raise KeyError(video)
        name = file_name(video)
        path = self.path / name
        if self._packed:
            path = self.path
            with self._file(path, video) as file:
                path = _linked(file, name, path) or path
        with self._file(path, video) as file:
            yield hdf5.group(file, name) if path == self.path else file


def _linked(file: h5py.Group, name: str, packed: Path) -> Path | None:
    """The file that a member of `thas features pack --links` points to; None where the member is in the packed file.

    Only a file of the member's own name is followed, where `may_link` says so.
    """
    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.ExternalLink):
        return None
    folder = packed.resolve().parent
    target = (folder / link.filename).resolve()
    if target.name != name or link.path != "/" or not may_link(packed, target):
        raise ValueError(
            f"{name!r} is a link to {link.filename[:80]!r}, where links of packed caches are not followed to"
        )
    return target


def may_link(packed: Path, target: Path) -> bool:
    """Whether a packed cache may point to a file or folder: one below its folder, or below a folder next to that."""
    return target.resolve().is_relative_to(packed.resolve().parent.parent)


@dataclass(frozen=True)
class Details:
    """What one video's file says beside its numbers.

    Attributes:
        source: What concerns this video alone.
        recipe: How the features were made.
        recipe_digest: Of the recipe when it was written; None if unknown.
        sums: Checksums of data sets and of `source`, by name; none in files of older versions.
    """

    source: dict[str, object]
    recipe: dict[str, object]
    recipe_digest: str | None
    sums: dict[str, int]

    @classmethod
    def of(cls, group: h5py.Group) -> Details:
        """Read from one video's group."""
        source, recipe = (read_attributes(hdf5.member(group, name)) for name in ("source", "recipe"))
        written = hdf5.attribute(group, "recipe_digest")
        if not isinstance(written, str | None):
            raise ValueError("the digest of its recipe is no text")
        return cls(source, recipe, written, hdf5.read_checksums(group))

    def fault(self) -> str:
        """What has changed since it was written; empty if nothing has."""
        if "source" in self.sums and attributes_sum(self.source) != self.sums["source"]:
            return hdf5.changed("source")
        if self.recipe_digest is not None and self.recipe_digest != digest(self.recipe):
            return hdf5.changed("recipe")
        return ""
