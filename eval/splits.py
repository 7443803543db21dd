"""A subset for every video: shares that come out, labels spread as they are in all, people kept together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from ..core.errors import UsageError, plural


def split(
    labels: Mapping[str, tuple[str, ...]],
    shares: Mapping[str, float],
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> dict[str, str]:
    """Divide videos among subsets so that each label has its share in each, as far as groups allow.

    Groups with the rarest labels are dealt first, each to the subset that lacks most of its labels (iterative
    stratification, Sechidis et al. 2011); what remains equal is drawn.

    Args:
        labels: Of each video.
        shares: Of each subset, above 0; they need not sum to 1.
        groups: For each video what must stay together, such as its person; by default each video is a group.
        seed: Of the draws; the same seed gives the same split, in whatever order videos come.

    Raises:
        UsageError: There are fewer groups than subsets, or a share is not above 0.

    >>> labels = {f"v{i}": ("a",) if i % 2 else ("b",) for i in range(10)}
    >>> found = split(labels, {"training": 0.8, "test": 0.2})
    >>> sorted(Counter((labels[v][0], where) for v, where in found.items()).items())
    [(('a', 'test'), 1), (('a', 'training'), 4), (('b', 'test'), 1), (('b', 'training'), 4)]
    """
    own = {video: video if groups is None else groups[video] for video in labels}
    members: dict[str, list[str]] = {}
    for video in sorted(labels):
        members.setdefault(own[video], []).append(video)
    if not shares or any(not share > 0 for share in shares.values()):
        raise UsageError(
            "a share of a split must be above 0", next="give --split test=0.2, or --split training=0.7 test=0.3"
        )
    if len(members) < len(shares):
        raise UsageError(
            f"{plural(len(members), 'group')} cannot be divided among {len(shares)} subsets",
            why="what belongs together stays in one subset",
            next="leave --split-by out, or give fewer subsets",
        )
    draw = np.random.default_rng(seed)
    names, total = list(shares), sum(shares.values())
    counts = {
        group: Counter(label for video in videos for label in (*labels[video], "")) for group, videos in members.items()
    }
    all_labels = Counter[str]()
    for one in counts.values():
        all_labels.update(one)  # the label "" counts videos
    lacking = {name: {label: n * shares[name] / total for label, n in all_labels.items()} for name in names}
    order: list[str] = draw.permutation(sorted(members)).tolist()
    rarity = {group: min(all_labels[label] for label in counts[group]) for group in order}
    order.sort(key=lambda group: (rarity[group], -sum(counts[group].values())))
    found: dict[str, str] = {}
    empty = set(names)
    for i, group in enumerate(order):
        rarest = min(counts[group], key=lambda label: (all_labels[label], label))
        among = sorted(empty) if len(order) - i <= len(empty) else names  # no subset stays without any
        best = max(among, key=lambda name: (round(lacking[name][rarest], 9), round(lacking[name][""], 9)))
        empty.discard(best)
        for label, n in counts[group].items():
            lacking[best][label] -= n
        found |= dict.fromkeys(members[group], best)
    return {video: found[video] for video in labels}
