"""Which arrays of a file are meant: one video's, or those of many videos, each by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ..core.errors import FeatureError, listing
from .array_files import Tree, open_arrays
from .matlab_files import Stored

STREAMS = ("rgb", "flow")
# What lies beside features and is no video of its own.
SIDE = ("fps", "timestamps_ms")
# Tried in this order where a file holds several arrays and no key was named.
_KEYS = ("features", "feature", "feats", "feat", "c3d_features", "data")
_HOLDS_SEVERAL = (".npz", ".pt", ".pth", ".pkl", ".pickle", ".h5", ".hdf5", ".mat")


def words(name: str) -> list[str]:
    """What a name consists of.

    >>> words("i3d-RGB")
    ['i3d', 'rgb']
    """
    return re.split(r"[^a-z0-9]+", name.lower())


def collection(path: Path, keys: Sequence[str], videos: set[str]) -> Mapping[str, Tree] | None:
    """A file's members by video, if it holds several: two or more alike, of which none is called as arrays are."""
    if path.suffix.lower() not in _HOLDS_SEVERAL:
        return None
    try:
        tree = open_arrays(path)
    except FeatureError:
        return None  # named when it is read
    if isinstance(tree, Mapping) and not set(tree) & videos:
        tree = _one_level(tree)
    if isinstance(tree, Stored) or any(name in keys or name.lower() in _KEYS for name in tree):
        return None
    if any(name.startswith("[") for name in tree):
        return None  # a list, whose arrays have no names
    if any(set(words(name)) & {*STREAMS, *SIDE, "times", "labels", "label"} for name in tree):
        return None
    if len(tree) == 1:
        return tree if set(tree) <= videos else None
    kinds = {tuple(sorted(_flat(member))) for member in tree.values()}
    widths = {stored.shape[-1:] for member in tree.values() for stored in _flat(member).values() if stored.shape}
    inside = len(kinds) == 1 and kinds != {("",)}  # a group a video, of the same arrays each
    rows = all(len(stored.shape) > 1 for member in tree.values() for stored in _flat(member).values())
    return tree if inside or set(tree) & videos or (len(kinds) == 1 and rows and len(widths) == 1) else None


def _one_level(tree: Mapping[str, Tree]) -> Mapping[str, Tree]:
    """The members of a table of videos that lies in another one: alone beside single numbers, or split into parts."""
    groups = [member for member in tree.values() if isinstance(member, Mapping)]
    others = [member for member in tree.values() if isinstance(member, Stored)]
    names = [name for group in groups for name in group]
    alone = len(groups) == 1 and all(not member.shape for member in others)
    split = len(groups) > 1 and not others and len(set(names)) == len(names) > len(groups)
    if (alone and len(names) > 1) or split:
        return {name: member for group in groups for name, member in group.items()}
    return tree


def _flat(tree: Tree, place: str = "") -> dict[str, Stored]:
    """All arrays of a tree by their whole names; "" for a single one."""
    if isinstance(tree, Stored):
        return {place: tree}
    return {
        name: stored
        for key, inner in tree.items()
        for name, stored in _flat(inner, f"{place}/{key}".strip("/")).items()
    }


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
        failed = partial(FeatureError, subject=str(path))
        if any("[" in name for name in rows):
            why, next = "which video each one is of is not said", "save a file a video, or one table of video: array"
            raise failed(f"{path} holds a list of arrays", why=why, next=next)
        rows.sort(key=lambda name: (name.rsplit("/", 1)[-1].lower() != STREAMS[0], name))
        what = f"has no array {absent[0]!r}" if absent else "holds several arrays" if rows else "holds no features"
        raise failed(
            f"{path} {what}",
            why=f"it holds {listing(arrays, 8) or 'no array of numbers'}",
            next=f"name it with --key, such as --key {' '.join(rows[:2])}" if rows else "give another file",
        )
    return [arrays[name] for name in chosen]
