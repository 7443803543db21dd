"""What the preset of a published data set says of it: where its parts lie, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..core.presets import made_of_preset, preset_names, read_preset


@dataclass(frozen=True, kw_only=True)
class DataPreset:
    """The table `data` of a preset; of a folder without a preset nothing is known.

    Attributes:
        folder: Its folder below the data's root, if not its name.
        labels: The table of labels, where it must be there; videos that it does not name have their annotations'.
        classes: The order of the classes.
        train_subset: The subset that is trained on.
        test_subset: The subset that is scored.
        ignore_label: The label of segments that count neither way.
        bad_videos: Videos known to be faulty, each with the reason.
        expected: For each subset the numbers of `videos` and `segments` it is published with.
        note: How it is obtained, with `{folder}` for its folder.
    """

    folder: str = ""
    labels: str = ""
    classes: Sequence[str] = ()
    train_subset: str | None = None
    test_subset: str | None = None
    ignore_label: str = "Ambiguous"
    bad_videos: Mapping[str, str] = field(default_factory=dict[str, str])
    expected: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    note: str = ""


def dataset_presets() -> list[str]:
    """The names `--dataset` knows without a folder."""
    return [name for name in preset_names() if "data" in read_preset(name).tables]


def data_preset(name: str) -> DataPreset:
    """What is known of a published data set."""
    return made_of_preset(DataPreset, name, "data")
