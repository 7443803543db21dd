"""A small C3D of one's own, trained on clips that take their video's labels. No segment is read.

For those without pretrained weights, or far from what they were trained on. `thas.features.backbone_task` says how
clips are drawn, chosen and learned.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
from scipy.special import entr

from .._version import __version__
from ..core.checkpoints import CHECKPOINT, packed
from ..core.errors import DataError, Failure, UsageError, listing, plural
from ..core.files import write_atomically, writing
from ..core.log import LOG, Epoch, OnEvent, Started, read_log
from ..core.messages import Progress, logger, silent
from ..core.processes import cores
from ..core.runners import choose_runner
from ..core.training import Schedule, fit
from .backbone_settings import BackboneSettings
from .backbone_task import BackboneTask
from .preprocessing import square
from .training_clips import TrainingClips

NOTHING_LEARNED = 0.8
"""Of the loss that can be learned away, what is left above which a backbone is said to see nothing of its actions.

Seen: 0.01 to 0.4 on films and drawings whose actions move otherwise, 0.95 on still pictures of two colours.
"""


@dataclass(frozen=True)
class BackboneResult:
    """A trained backbone.

    Attributes:
        path: The weights file.
        loss: Mean cross-entropy of the clips learned from, for each epoch; after the warm-up these are the likeliest.
        accuracy: Share of those clips whose likeliest class is one of their video's, for each epoch.
        videos: Videos learned from.
        streamed: Of these, videos too large for the memory allowed.
        failed: Videos that could not be read; the others were learned from.
        clips: Clips learned from.
        parameters: Weights in the network.
    """

    path: Path
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    videos: int
    streamed: int
    failed: tuple[Failure, ...]
    clips: int
    parameters: int

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {**asdict(self), "path": str(self.path), "failed": [asdict(failure) for failure in self.failed]}


def train_backbone(
    videos: Mapping[str, Path],
    labels: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    out: Path | str,
    *,
    settings: BackboneSettings | None = None,
    workers: int | None = None,
    missing: Sequence[Failure] = (),
    folder: Path | None = None,
    progress: Progress = silent,
    on_event: OnEvent = lambda event: None,
) -> BackboneResult:
    """Train a small C3D from video-level labels and write it as a weights file that extraction takes.

    The same seed gives the same bytes on one machine with the same number of threads, interrupted or not.

    Args:
        videos: Name and file of each training video.
        labels: The labels of each; several share a clip's target evenly.
        classes: All class names, C; their order is that of the classifier.
        out: The file, safetensors; its metadata say how it was made.
        settings: How.
        workers: Decoding processes; None for one a core, at most 16.
        missing: Videos that have no file; they join the failed ones.
        folder: Where log and checkpoint go; a checkpoint that lies there is gone on from. None keeps nothing.
        progress: Called with the epochs just done, 0 while videos are read, and what happens in words.
        on_event: Called when the training starts in the folder, and with each epoch.

    Raises:
        DataError: A video has no label, there are fewer than two classes, no video can be read, or `out` cannot be
            written.
        CheckpointError: The folder's checkpoint is of other settings, videos or labels.
        UsageError: The settings are out of range, or torchrun started several processes.
    """
    settings = settings or BackboneSettings()
    out = Path(out)
    targets = _targets(videos, labels, classes)
    runner = choose_runner(settings.device, settings.precision)
    if runner.world > 1:
        raise UsageError("a backbone is trained by one process", next="thas train-backbone, without torchrun")
    with torch.random.fork_rng(devices=[]):  # layers draw from the global generator before they get their weights
        network = settings.network(len(classes), torch.Generator().manual_seed(settings.seed))
    _check_writable(out)
    clips = _read_clips(videos, missing, settings=settings, workers=workers, progress=progress)
    network = network.to(runner.device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    mean, deviation = clips.mean_and_deviation()
    preparation = replace(clips.preparation, mean=tuple(mean.tolist()), std=tuple(deviation.tolist()))
    about: dict[str, object] = {
        "backbone": "c3d",
        "architecture": network.architecture,
        "preprocessing": preparation.to_dict(),
        "frame_step": settings.frame_step,
        "classes": list(classes),
    }
    task = BackboneTask(network, clips, targets, settings=settings, runner=runner, about=about)
    epochs: dict[int, Epoch] = {}
    before = [] if folder is None or not (folder / CHECKPOINT).exists() else read_log(folder / LOG)
    progress(len(before), "")
    if folder is not None:
        on_event(Started(settings.epochs, len(before), settings.clips_per_video * len(clips.lengths), folder))

    def keep(epoch: Epoch) -> None:
        epochs[epoch.number] = epoch
        progress(1, f"epoch {epoch.number}, loss {epoch.loss:.3f}, right {epoch.accuracy:.0%}")
        on_event(epoch)

    fit(task, Schedule(settings.epochs), runner=runner, folder=folder, resume=True, on_epoch=keep)
    log = [line for line in before if line["number"] not in epochs] + [epoch.known() for epoch in epochs.values()]
    if (
        settings.motion
        and _left_to_learn([targets[video] for video in clips.lengths], log[-1]["loss"]) > NOTHING_LEARNED
    ):
        logger.warning(
            "by what moves in them, clips are told hardly better than by how frequent labels are: if these actions "
            "differ by what is seen and not by how it moves, train with --no-motion"
        )
    failed = (*clips.failed, *missing)
    about["training"] = {
        **{name: value for name, value in asdict(settings).items() if name != "device"},
        "videos": len(clips.lengths),
        "failed": sorted(failure.subject for failure in failed),
        "loss": log[-1]["loss"],
        "accuracy": log[-1]["accuracy"],
        "thas_version": __version__,
        "torch_version": str(torch.__version__),
    }
    write_atomically(out, packed(network.state_dict(), about))
    return BackboneResult(
        path=out,
        loss=tuple(line["loss"] for line in log),
        accuracy=tuple(line["accuracy"] for line in log),
        videos=len(clips.lengths),
        streamed=len(clips.streamed),
        failed=failed,
        clips=task.seen,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def _read_clips(
    videos: Mapping[str, Path],
    missing: Sequence[Failure],
    *,
    settings: BackboneSettings,
    workers: int | None,
    progress: Progress,
) -> TrainingClips:
    clips = TrainingClips(
        videos,
        square(settings.input_size),
        settings.clip_frames,
        frame_step=settings.frame_step,
        memory_bytes=int(settings.memory_gigabytes * 1e9),
        workers=workers or min(cores(), 16),
    )
    read = count(1)
    clips.read(lambda *_: progress(0, f"reading video {next(read)} of {len(videos)}"))
    if not clips.lengths:
        first = (*clips.failed, *missing)[0]
        raise DataError(
            f"of {plural(len(videos) + len(missing), 'training video')} none can be read",
            why=f"{first.subject}: {first.why}",
            next="check that they are videos and play to their end",
            subject=first.subject,
        )
    return clips


def _targets(
    videos: Mapping[str, Path], labels: Mapping[str, Sequence[str]], classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """For each video (C,) float32 that sums to 1, shared evenly among its labels."""
    if len(set(classes)) < 2:
        raise DataError(
            f"a backbone learns from two classes or more, and there {'is one' if classes else 'are none'}",
            why=f"the labels name {listing(classes) or 'nothing'}",
            next="add videos of another class to labels.csv; they may be of anything else",
        )
    if not videos:
        raise DataError("there are no training videos", next="put videos and labels.csv into the data set's folder")
    bare = [video for video in videos if not labels.get(video)]
    if bare:
        raise DataError(
            f"{plural(len(bare), 'training video has', 'training videos have')} no label: {listing(bare)}",
            why="a clip is learned by its video's label",
            next="write their labels into labels.csv, or remove their rows",
            subject=bare[0],
        )
    column = {label: i for i, label in enumerate(classes)}
    targets: dict[str, np.ndarray] = {}
    for video in videos:
        unknown = [label for label in labels[video] if label not in column]
        if unknown:
            raise DataError(
                f"video {video} has the label {unknown[0]!r}, which is no class",
                why=f"the classes are {listing(classes, 20)}",
                next="correct the label, or name the class",
                subject=video,
            )
        target = np.zeros(len(classes), np.float32)
        target[[column[label] for label in labels[video]]] = 1
        targets[video] = target / target.sum()
    return targets


def _left_to_learn(targets: Sequence[np.ndarray], loss: float) -> float:
    """The loss as a share of what the labels' frequencies alone would give; of both, less what no network can lower.

    That is the entropy of the targets themselves: a video of two labels costs log 2 even where both are told.
    """
    each = np.stack(targets).astype(float)
    least = entr(each).sum(axis=1).mean()
    return float((loss - least) / max(entr(each.mean(axis=0)).sum() - least, 1e-9))


def _check_writable(out: Path) -> None:
    """Refuse before the work what would fail after it."""
    with writing(out):
        if out.is_dir():
            raise IsADirectoryError(21, "it is a folder", str(out))
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
