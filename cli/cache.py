"""`thas features verify|diff|pack` and `thas list backbones`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from ..core.errors import PartialFailure, counted, listing, plural
from .console import note, progress, say, warn
from .options import DataRoot, Help, Printed, also


def features_verify(
    cache: Path,
    *,
    dataset: Annotated[str | None, also(Help.DATASET, "Whether it holds all its videos is checked, too.")] = None,
    remove: bool = False,
    data_root: DataRoot = Path("data"),
    printed: Printed = Printed(),
) -> None:
    """Check every file of a feature cache: whole, finite, times in order, one recipe.

    For example:

        thas features verify data/thumos14/features --dataset thumos14

    Parameters
    ----------
    cache
        A folder of features, or a packed file.
    remove
        Remove faulty files, so that the next extraction makes them anew.
    """
    from ..core.reading import LET_BE_READ
    from ..features.cache import FeatureCache
    from ..features.cache_tools import damaged_files, made_again, verify_cache

    expected: Sequence[str] = ()
    if dataset:
        from ..datasets.opening import open_dataset

        expected = open_dataset(dataset, data_root=data_root).videos
    with progress("verifying", len(FeatureCache(cache)), "videos") as advance:
        found = verify_cache(cache, expected=expected, progress=advance)
    if not printed.as_json(vars(found)):
        say(f"{plural(found.videos, 'video')}, {plural(found.rows, 'row')}, {len(found.faults)} faulty: {cache}")
        for video, why in found.faults.items():
            say(f"  {video}: {why}")
    if found.partial:
        warn(f"{plural(len(found.partial), 'video is', 'videos are')} there in part: {listing(found.partial)}")
    if found.unchecked:
        note(
            f"{plural(found.unchecked, 'file has', 'files have')} no checksums, as older versions wrote them: "
            "changed bits would not be seen"
        )
    if found.missing:
        warn(f"not there: {plural(len(found.missing), 'video')} of the data set, {listing(found.missing)}")
    again = made_again(cache)
    if found.faults and remove and cache.is_dir():
        for file in damaged_files(found, cache):
            file.unlink(missing_ok=True)
        note(f"the faulty files are removed; {again}")
    if found.faults:
        raise PartialFailure(
            counted(found.faults, f"file of {cache} is faulty", f"files of {cache} are faulty"),
            why=next(iter(found.faults.values())),
            next=LET_BE_READ if found.refused else again if remove else f"thas features verify {cache} --remove",
        )


def features_diff(first: Path, second: Path, *, printed: Printed = Printed()) -> int:
    """Say why two feature caches differ: by their recipes and by their numbers. Exit code 1 if they do.

    For example:

        thas features diff data/thumos14/features old/features

    Parameters
    ----------
    first
        A folder of features, or a packed file.
    second
        Another one.
    """
    from ..features.cache import FeatureCache
    from ..features.cache_tools import compare_caches

    with progress("comparing", len(FeatureCache(first)), "videos") as advance:
        found = compare_caches(first, second, progress=advance)
    if printed.as_json({"same": found.same} | vars(found)):
        return 0 if found.same else 1
    differ = partial(plural, one="video differs", many="videos differ")
    for line in found.recipe:
        say(f"recipe   {line}")
    for line in found.versions:
        say(f"version  {line}")
    for name, videos in (("only in the first", found.only_first), ("only in the second", found.only_second)):
        if videos:
            say(f"videos   {len(videos)} {name}: {listing(videos)}")
    if found.shapes:
        video, (one, two) = next(iter(found.shapes.items()))
        say(f"shapes   {differ(len(found.shapes))}, {video}: {one} and {two}")
    if found.times:
        video = max(found.times, key=lambda name: found.times[name])
        say(f"times    {differ(len(found.times))}, most {video}: {found.times[video]:.3g} s")
    if found.values:
        video = max(found.values, key=lambda name: found.values[name][0])
        most, share = found.values[video]
        say(f"numbers  {differ(len(found.values))}, most {video}: by {most:.3g}, {share:.2g} of its largest")
    for video, why in found.failed.items():
        say(f"damaged  {video}: {why}")
    say(f"equal    {plural(len(found.equal), 'video')} to the last bit")
    return 0 if found.same else 1


def features_pack(
    cache: Path,
    target: Path,
    *,
    links: bool = False,
) -> None:
    """Make one HDF5 file of a feature cache; it is read like the folder.

    For example:

        thas features pack data/thumos14/features thumos14.h5

    Parameters
    ----------
    cache
        A folder of features.
    target
        The file to write.
    links
        Point to the folder's files instead of copying them; they must stay where they are.
    """
    from ..features.cache import FeatureCache
    from ..features.cache_tools import pack_cache

    with progress("packing", len(FeatureCache(cache)), "videos") as advance:
        count = pack_cache(cache, target, how="links" if links else "copy", progress=advance)
    say(f"{plural(count, 'video')} in {target}")
