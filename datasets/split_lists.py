"""Lists that data sets bring beside their features: `split_train.txt` and others, a video a line; and lists of classes.

As BaS-Net's and CoLA's copies of THUMOS14 have them (`split_train.txt`, `split_test.txt`, `gt.json`), and the folders
of frame-wise action segmentation (`mapping.txt`, a number and a class a line).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.errors import DataError, counted
from ..core.near_names import label_sentence, near_names, told
from ..core.tables import opened

_CLASS_LISTS = ("classes.txt", "classlist.txt", "class_list.txt", "detclasslist.txt", "mapping.txt")
_NUMBERED = re.compile(r"\d+[\s,;:]+(?=\S)")


def _lines(path: Path) -> list[str]:
    with opened(path) as file:
        return [line.strip() for line in file if line.strip() and not line.lstrip().startswith("#")]


def read_splits(folder: Path) -> dict[str, str]:
    """The subset of each video by the files `split_<subset>.txt` of a folder; empty if there are none.

    Raises:
        DataError: A video is in two of them.
    """
    subsets: dict[str, str] = {}
    for path in sorted(folder.glob("split_*.txt")):
        subset = path.stem.removeprefix("split_")
        for line in _lines(path):
            video = re.split(r"[,;\t]", line)[0].strip()
            if subsets.setdefault(video, subset) != subset:
                raise DataError(
                    f"video {video} is in split_{subsets[video]}.txt and in {path.name}",
                    why="a video is in one subset",
                    next="of several ways to split, keep the lists of one",
                    subject=video,
                )
    return subsets


def read_classes(folder: Path) -> tuple[str, ...]:
    """The classes in the order of a folder's list of them, each perhaps behind its number; empty if there is none."""
    for name in _CLASS_LISTS:
        path = folder / name
        if path.exists():
            return tuple(dict.fromkeys(_NUMBERED.sub("", line, count=1) for line in _lines(path)))
    return ()


def with_splits(subsets: Mapping[str, str], splits: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The subset of each video by the lists, and what does not fit, a sentence each.

    Args:
        subsets: Of each video, by tables or annotations; these give way to the lists.
        splits: By `read_splits`. Names that differ in writing alone are taken for the same video.
    """
    if not splits:
        return dict(subsets), []
    near = near_names(splits, subsets)
    listed = {near.get(video, video): subset for video, subset in splits.items()}
    found = {video: listed.get(video, "") for video in subsets}
    sentences: list[str] = []
    if near:
        what = "listed video is called otherwise", "listed videos are called otherwise"
        sentences.append(counted(near, *what) + told(near))
    unlabelled = sorted(set(listed) - set(subsets))
    if unlabelled:
        what = "video of split_*.txt has no label, left out", "videos of split_*.txt have no label, left out"
        sentences.append(counted(unlabelled, *what))
    unlisted = sorted(video for video, subset in found.items() if not subset)
    if unlisted:
        what = "labelled video is in no split_*.txt", "labelled videos are in no split_*.txt"
        sentences.append(counted(unlisted, *what))
    return found, sentences


def unlisted_labels(found: Iterable[str], classes: Iterable[str]) -> list[str]:
    """A sentence about labels that the list of classes lacks; none if there is no list."""
    classes = list(classes)
    strange = sorted(set(found) - set(classes)) if classes else []
    if not strange:
        return []
    what = "label is not in the list of classes", "labels are not in the list of classes"
    return [counted(strange, *what) + label_sentence(strange, classes)]
