"""Training a backbone as the command does it: on a data set's videos, in a run of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..core.log import OnEvent
from ..core.messages import Progress, silent
from ..core.resume import Begin, begun
from ..core.run_settings import RunData, read_settings
from ..datasets.dataset import Dataset
from ..datasets.opening import present_videos
from ..features.backbone_settings import BackboneRunSettings
from ..features.train_backbone import BackboneResult, train_backbone


def train_backbone_run(
    opened: Dataset,
    *,
    begin: Begin,
    settings: BackboneRunSettings,
    out: Path | None = None,
    origins: Mapping[str, str] | None = None,
    subset: str | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    on_event: OnEvent = lambda event: None,
) -> BackboneResult:
    """Train a backbone on a data set in a run of its own, or go on with one that was interrupted.

    Args:
        opened: The data set.
        begin: A new run, or which is resumed.
        settings: How.
        out: The file of weights; `backbone.safetensors` in the data set's folder if None, or what a resumed run has.
        origins: Where each changed setting came from.
        subset: To learn from, instead of the data set's.
        workers: As for `train_backbone`, like what follows.
        progress: Called as it goes.
        on_event: Called with what happens in the training.

    Raises:
        DataError: No training video has a file, or nothing can be learned from them.
    """
    videos, missing = present_videos(opened, opened.videos_of(subset or opened.train_subset))
    target = out or opened.folder / "backbone.safetensors"
    data = RunData(
        dataset=opened.name if opened.note else str(opened.folder.resolve()),
        data_root=str(opened.folder.resolve().parent),
        train_subset=subset or opened.train_subset,
        test_subset=opened.test_subset,
        out=str(target.resolve()),
    )
    with begun(begin, settings, data, name=opened.name, origins=origins) as run:
        kept = read_settings(run.folder, BackboneRunSettings)[1]
        return train_backbone(
            videos,
            opened.labels,
            opened.classes,
            out or Path(kept.out or target),
            settings=run.settings.backbone,
            workers=workers,
            missing=missing,
            folder=run.folder,
            progress=progress,
            on_event=on_event,
        )
