"""Names that were meant to be the same: `v_x` and `x`, `match1.mp4` and `match1`, another case or another dash.

Tables, annotations, features and detections come from different hands. Where their names do not meet, the near miss is
said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import PurePosixPath

from ..core.errors import listing

_SUFFIX = re.compile(
    r"\.(mp4|mkv|webm|avi|mov|m4v|mpe?g|m?ts|m2ts|wmv|flv|ogv|3gp|vob|asf|mxf|dv|gif|h5|hdf5|npy|npz|pt|pth|csv|json)$",
    re.I,
)


def plain_name(name: str) -> str:
    """What remains of a name without what writers differ in: folder, suffix, ActivityNet's v_, case, dashes and spaces.

    >>> plain_name("videos/V_Ab-1.MP4"), plain_name("ab 1")
    ('ab_1', 'ab_1')
    """
    bare = _SUFFIX.sub("", PurePosixPath(name.replace("\\", "/")).name or name)
    bare = bare[2:] if bare[:2].lower() == "v_" else bare
    return re.sub(r"[\s_.-]+", "_", bare).casefold() or name


def near_names(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """For each name that is not known, the known one that differs in writing alone; nothing where two would fit.

    >>> near_names(["v_a", "b", "C"], ["a", "b", "c"])
    {'v_a': 'a', 'C': 'c'}
    """
    known = list(dict.fromkeys(known))
    exact = set(known)
    names = list(dict.fromkeys(names))
    free: dict[str, list[str]] = {}
    for name in known:
        free.setdefault(plain_name(name), []).append(name)
    taken = exact & set(names)
    found: dict[str, str] = {}
    wanted: dict[str, int] = {}
    for name in names:
        fits = [one for one in free.get(plain_name(name), []) if one not in taken]
        if name not in exact and len(fits) == 1:
            found[name] = fits[0]
            wanted[fits[0]] = wanted.get(fits[0], 0) + 1
    return {name: other for name, other in found.items() if wanted[other] == 1}


def near_label(label: str, known: Iterable[str]) -> str:
    """The label that was probably meant: one that differs in writing alone, else the closest; empty if none is close.

    >>> near_label("Milk", ["milk", "tea"]), near_label("aa", ["a", "b"]), near_label("high_jump", ["HighJump", "Jump"])
    ('milk', 'a', 'HighJump')
    """
    known = list(known)
    alike = [one for one in known if _letters(one) == _letters(label)]
    close = alike or get_close_matches(label, known, n=1, cutoff=0.6)
    return close[0] if close else ""


def _letters(label: str) -> str:
    return re.sub(r"[\W_]+", "", label).casefold()


def near_sentence(names: Iterable[str], known: Iterable[str]) -> str:
    """`; 'v_a' is probably 'a' (2 such)`, to put behind a message; empty if nothing is near."""
    return told(near_names(names, known))


def told(near: Mapping[str, str]) -> str:
    """Near misses as the end of a sentence."""
    if not near:
        return ""
    # In order: names of features come as a set.
    pairs = listing((f"{a!r} is probably {b!r}" for a, b in sorted(near.items())), 3)
    return f"; {pairs}"


def label_sentence(labels: Iterable[str], known: Iterable[str]) -> str:
    """`; 'aa' is probably 'a'` for labels that are not known; empty if none is close."""
    known = list(known)
    return told({label: near for label in labels if (near := near_label(label, known))})
