"""A training for trial: whether what is learned of some videos holds for others, before all are learned from.

Training labels are told right by any network that is wide enough. Whether it looks at the actions or learned its videos
by heart is seen where videos are held out: there the second kind is no better than the labels' frequencies. That is
where hiding helps (benchmarks/temporal.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..core.errors import DataError
from ..core.runners import Runner
from ..core.training import Schedule, fit
from .heads import build_head
from .losses import video_loss
from .model import Model
from .rules import Decision, hiding
from .settings import Settings
from .task import HeadTask, LabelledVideos
from .validation import held_out

FEWEST, MOST = 30, 1000
"""Of fewer videos a fifth says nothing; of more, none is needed: so many are not learned by heart."""


def whether_to_hide(
    videos: LabelledVideos, labels: Mapping[str, Sequence[str]], settings: Settings, *, runner: Runner
) -> Decision:
    """What `hide.probability` becomes, by a training that hides nothing on four fifths of the videos.

    Args:
        videos: To learn from.
        labels: By video, in the same order.
        settings: With everything else decided.
        runner: The device.
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
