"""Training from video-level labels, with hiding; and before it, where nobody says whether to hide, one for trial.

Training labels are told right by any network that is wide enough. Whether it looks at the actions or learned its videos
by heart is seen where videos are held out: there the second kind is no better than the labels' frequencies. That is
where hiding helps (benchmarks/temporal.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ..core.errors import DataError, listing
from ..core.log import Epoch
from ..core.runners import Runner, choose_runner
from ..core.segments import Segments
from ..core.training import Schedule, fit
from ..features.cache import Features
from .data import TrainingFeatures
from .heads import as_head, build_head
from .losses import video_loss
from .model import Model
from .points import PointLabels, snippets_of
from .rules import Decision, Known, decide, hiding, most_labels, share_of_several
from .settings import Settings
from .task import HeadTask, LabelledVideos
from .validation import held_out


def train(
    features: Mapping[str, Features],
    labels: Mapping[str, Sequence[str]],
    *,
    classes: Sequence[str],
    settings: Settings | None = None,
    recipe: Mapping[str, object] | None = None,
    folder: Path | None = None,
    resume: bool = False,
    on_rules: Callable[[Settings, Sequence[Decision]], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    network: nn.Module | None = None,
) -> Model:
    """Train a temporal network on videos of which only the labels are known.

    Same seed, same device and same number of threads: same bytes. Runs that differ only in `hide.probability` meet the
    same initial weights and the same videos in the same order. Several processes, as torchrun starts them, share each
    batch and give the result of one, but for the order of additions; only the first writes. Torch's global generator is
    neither heeded nor changed.

    With `train.validation` some of the videos are held out, and the result is the model of the epoch that told their
    labels best. Segments are never read.

    What is `auto`, and a kernel or a smoothing given in seconds, becomes a value by `rules`; the model's settings hold
    the values.

    Args:
        features: By video.
        labels: The training videos' labels; videos without any are left out. `points.PointLabels` have moments, too.
        classes: C names, the order of the network's outputs.
        settings: Of everything; the defaults if None.
        recipe: How the features were made, kept with the model.
        folder: Where checkpoints and the log go; None keeps nothing. `checkpoint.safetensors` is the last epoch's, also
            after Ctrl-C; `best.safetensors` the best one's, where some videos are held out.
        resume: Continue from the checkpoint in `folder`, to the same bytes as without an interruption.
        on_rules: Called before the first epoch, with the settings as they became and what rules decided of them.
        on_epoch: Called after each epoch.
        network: Your own, trained in place of the head that the settings name: a `Head`, or any module
            (B, T, D) -> (B, T, C). Its file is read back with `load_model(path, network=...)`.

    Raises:
        DataError: No training video has a label, or a label is none of the classes.
        FeatureError: A video has no features, or features of another width.
        CheckpointError: The checkpoint to resume from belongs to another run, or to other labels.
    """
    settings = settings or Settings()
    known = _checked_labels(labels, classes)
    share = settings.train.validation
    apart = held_out(known, fraction=share, seed=settings.train.seed) if share else []
    points = labels.points if isinstance(labels, PointLabels) and settings.train.points else None
    points = points if points is not None and len(points) else None
    mine = {video: names for video, names in known.items() if video not in set(apart)}
    taught = _taught(features, mine, classes, settings, 1 - share, points)
    judged = _taught(features, {v: known[v] for v in apart}, classes, settings, share) if apart else None
    runner = choose_runner(settings.train.device, settings.train.precision)
    device, data = runner.device, taught.data
    asked, facts = settings, _known(data, known)
    decisions = decide(asked, facts)
    settings = asked.updated({one.key: one.value for one in decisions})
    if asked.hide.probability < 0:
        if network is None:
            learned = {video: known[video] for video in data.videos}
            tried = whether_to_hide(taught, learned, settings, runner=runner)
        else:
            tried = hiding(None, "not tried out with a network of your own")
        # What else is decided depends on what the trial said.
        decisions = [*decide(asked, replace(facts, by_heart=bool(tried.value))), tried]
        settings = asked.updated({one.key: one.value for one in decisions})
    if on_rules is not None:
        on_rules(settings, decisions)
    if network is None:
        head = build_head(data.dimension, len(classes), settings.network, seed=settings.train.seed)
    else:
        head = as_head(network, classes=len(classes), settings=settings.network)
    known_by = (data.mean, data.deviation, tuple(classes), settings, dict(recipe or {}))
    model = Model(head.to(device), *known_by, own=network is not None)
    task = HeadTask(model, taught, judged, runner=runner, labels=_fingerprint(known, points))
    of = settings.train
    schedule = Schedule(of.epochs, of.checkpoint_epochs, of.patience, of.clip_norm)
    done = fit(task, schedule, runner=runner, folder=folder, resume=resume, on_epoch=on_epoch)
    model.spread, model.calibration = task.spread(head.state_dict()), task.calibrations.get(done)
    return model


def _checked_labels(labels: Mapping[str, Sequence[str]], classes: Sequence[str]) -> dict[str, Sequence[str]]:
    """The labelled videos, if they can be learnt from."""
    known = {video: names for video, names in labels.items() if names}
    if not known:
        raise DataError("no training video has a label", next="write the labels into labels.csv")
    if len(classes) < 2:
        raise DataError(
            f"there is only one class, {listing(classes)}, which every labelled video has",
            why="nothing tells what the action is not",
            next="add videos of another class to labels.csv",
        )
    unknown = sorted({label for names in known.values() for label in names} - set(classes))
    if unknown:
        raise DataError(f"labels outside the classes: {listing(unknown)}", next="name them in `classes`")
    return known


def _taught(
    features: Mapping[str, Features],
    labels: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    settings: Settings,
    share: float,
    points: Segments | None = None,
) -> LabelledVideos:
    """Videos with their features, in a share of the memory, and labels as numbers."""
    memory_bytes = settings.train.memory_gigabytes * 1e9 * share
    data = TrainingFeatures(features, list(labels), snippets=settings.input.snippets, memory_bytes=memory_bytes)
    column = {label: i for i, label in enumerate(classes)}
    targets = torch.zeros(len(labels), len(classes))
    for row, names in enumerate(labels.values()):
        targets[row, [column[label] for label in names]] = 1
    clicked = snippets_of(points, data.videos, data.centres, classes) if points is not None else ()
    return LabelledVideos(data, targets, clicked)


def _known(data: TrainingFeatures, labels: Mapping[str, Sequence[str]]) -> Known:
    """What rules may look at."""
    return Known(
        several=share_of_several(labels),
        probabilities=data.probabilities,
        length_seconds=data.length_seconds,
        stride_seconds=data.stride_seconds,
        most=max(data.lengths),
        labels=most_labels(labels),
    )


def _fingerprint(labels: Mapping[str, Sequence[str]], points: Segments | None = None) -> str:
    """Of the training videos, their labels and their points, to notice that they changed."""
    rows: list[object] = []
    rows += sorted((video, sorted(set(names))) for video, names in labels.items())
    rows += [] if points is None else sorted(points)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


FEWEST, MOST = 30, 1000
"""Of fewer videos a fifth says nothing; of more, none is needed: so many are not learned by heart."""


def whether_to_hide(
    videos: LabelledVideos, labels: Mapping[str, Sequence[str]], settings: Settings, *, runner: Runner
) -> Decision:
    """What `hide.probability` becomes, by a training that hides nothing on four fifths of the videos.

    Labels are in the order of the videos, and everything else is decided in the settings.
    """
    count = len(labels)
    if settings.train.loss not in ("sigmoid", "softmax"):
        return hiding(None, f"not tried out, as {settings.train.loss} says nothing of the labels' frequencies")
    if runner.world > 1:
        return hiding(None, "not tried out on several devices")
    if not FEWEST <= count <= MOST:
        return hiding(None, f"not tried out, which takes {FEWEST} to {MOST} videos, and these are {count}")
    try:
        apart = set(held_out(labels, fraction=0.2, seed=settings.train.seed))
    except DataError:
        return hiding(None, "not tried out, as each class needs a video to learn from")
    learned = [row for row, video in enumerate(labels) if video not in apart]
    judged = [row for row, video in enumerate(labels) if video in apart]
    if bool((videos.targets[judged] == videos.targets[judged[:1]]).all()):  # then chance is all but without a fault
        return hiding(None, "not tried out, as all held-out videos have the same labels")
    return hiding(_loss(videos, learned, judged, settings, runner))


def _loss(
    videos: LabelledVideos, learned: Sequence[int], judged: Sequence[int], settings: Settings, runner: Runner
) -> float:
    """Of the judged videos' labels, as a share of the loss by the frequencies of the learned ones'."""
    settings = settings.updated({"hide.probability": 0.0})
    data, targets, of = videos.data, videos.targets, settings.train
    head = build_head(data.dimension, targets.shape[1], settings.network, seed=of.seed)
    classes = tuple(str(i) for i in range(targets.shape[1]))
    model = Model(head.to(runner.device), data.mean, data.deviation, classes, settings, {})
    task = HeadTask(
        model, LabelledVideos(data.part(learned), targets[learned]), None, runner=runner, labels="for trial"
    )
    fit(task, Schedule(of.epochs, of.checkpoint_epochs, 0, of.clip_norm), runner=runner)
    head.eval()
    with torch.inference_mode():
        shown = [model.shown(data[row].to(runner.device), data.videos[row])[None] for row in judged]
        logits = torch.cat([head(x).video_logits.float().cpu() for x in shown])
    frequency = (targets[learned].sum(dim=0) + 0.5) / (len(learned) + 1)
    guess = (frequency / (1 - frequency) if of.loss == "sigmoid" else frequency).log().expand_as(logits)
    own, blind = (float(video_loss(said, targets[judged], loss=of.loss).mean()) for said in (logits, guess))
    return own / max(blind, 1e-9)
