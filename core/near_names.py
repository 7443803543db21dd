"""Names that were meant to be the same: `v_x` and `x`, `match1.mp4` and `match1`, another case or another dash.

Tables, annotations, features and detections come from different hands. Where their names do not meet, the near miss is
said.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePosixPath

from .errors import listing

_SUFFIX = re.compile(
    r"\.(mp4|mkv|webm|avi|mov|m4v|mpe?g|m?ts|m2ts|wmv|flv|ogv|3gp|vob|asf|mxf|dv|gif|h5|hdf5|npy|npz|pt|pth|csv|json)$",
    re.I,
)

# Words before and behind count as what a program adds where so many of the names have them.
_MOST = 0.8


def plain_name(name: str) -> str:
    """What remains of a name without what writers differ in.

    That is folder, suffix, ActivityNet's v_, case, zeros before a number, how letters with accents are encoded, and
    dashes, dots and spaces, unless they part two numbers.

    >>> plain_name("videos/V_Ab-01.MP4"), plain_name("ab 1"), plain_name("1_1")
    ('ab1', 'ab1', '1_1')
    """
    return _joined(_words(name)) or name


def _words(name: str) -> list[str]:
    bare = _SUFFIX.sub("", PurePosixPath(name.replace("\\", "/")).name or name)
    bare = bare[2:] if bare[:2].lower() == "v_" else bare
    bare = re.sub(r"(?<!\d)0+(?=\d)", "", unicodedata.normalize("NFKC", bare).casefold())
    return [word for word in re.split(r"[\s_.-]+", bare) if word]


def _joined(words: Sequence[str]) -> str:
    return re.sub(r"(?<!\d)_|_(?!\d)", "", "_".join(words))


def near_names(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """For each name that is not known, the known one that is meant; nothing where two would fit.

    That is the one that differs in writing alone, or by what most names have before or behind, such as `_i3d`.

    >>> near_names(["v_a", "b", "C"], ["a", "b", "c"])
    {'v_a': 'a', 'C': 'c'}
    >>> near_names(["a_i3d", "b_i3d"], ["a", "b"])
    {'a_i3d': 'a', 'b_i3d': 'b'}
    """
    known = list(dict.fromkeys(known))
    names = list(dict.fromkeys(names))
    taken = set(known) & set(names)
    free: dict[str, list[str]] = {}
    for name in known:
        if name not in taken:
            free.setdefault(plain_name(name), []).append(name)
    left = [name for name in names if name not in taken]
    found = {name: fits[0] for name in left if len(fits := free.get(plain_name(name), [])) == 1}
    found |= _but_for_affixes([name for name in left if name not in found], free)
    wanted = Counter(found.values())
    return {name: other for name, other in found.items() if wanted[other] == 1}


def _but_for_affixes(names: Sequence[str], free: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The known names that names consist of but for words before and behind, if most of them have the same."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        words = _words(name)
        for i in range(len(words)):
            for j in range(i + 1, len(words) + 1):
                fits = free.get(_joined(words[i:j]), [])
                if len(fits) == 1:
                    found.setdefault((_joined(words[:i]), _joined(words[j:])), {})[name] = fits[0]
    nothing: dict[str, str] = {}
    best = max(found.values(), key=len, default=nothing)
    return best if len(best) > 1 and len(best) >= _MOST * len(names) else {}


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
