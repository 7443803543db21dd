"""A small C3D of one's own, trained on clips that take their video's labels. No segment is read.

For those without pretrained weights, or far from what they were trained on. Most clips of an untrimmed video do not
show its action. A network made to call them by it all the same learns its videos by heart, and then marks every moment
of them. So after a while it learns only from those of a video's clips that its labels fit best: multiple instance
learning, where a bag is positive by its most positive instances (Andrews et al., "Support Vector Machines for
Multiple-Instance Learning", NIPS 2002).
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .._version import __version__
from ..core.errors import DataError, UsageError, listing, plural
from ..core.files import cannot_write, write_atomically
from .c3d import C3D
from .failures import Failure
from .preprocessing import square
from .training_clips import TrainingClips


@dataclass(frozen=True)
class BackboneSettings:
    """How the network is built and trained; all ours.

    Attributes:
        width: Channels of conv1a; 64 in the paper's C3D.
        input_size: Height and width in pixels that frames are squeezed into; 112 in the paper's.
        depth: Blocks of convolutions, 1 to 5; 5 in the paper's.
        clip_frames: Frames of a clip; 16 in the paper's.
        frame_step: Frames of the video from one of these to the next.
        fc_width: Units of fc6 and fc7, the features' dimension; 4096 in the paper's.
        epochs: Passes over the videos.
        clips_per_video: Clips learned from, of each video in a pass.
        candidates: Clips drawn of each video in a pass, from which those are chosen that the network, as it stands,
            finds likeliest to show one of the video's labels. As many as `clips_per_video` choose nothing.
        warm_up: Share of the passes in which nothing is chosen, before the network knows anything.
        batch: Clips a step, of whole videos.
        learning_rate: Highest, of Adam; it rises over the first tenth of the steps and falls as a cosine to 0.
        weight_decay: Of Adam, decoupled.
        dropout: Of fc6 and fc7. 0: so small a network hardly starts to learn from such noisy labels with dropout.
        shift_pixels: Each clip is shifted by up to so many pixels either way.
        flip: Mirror every other clip. Only where left and right mean the same: a mirrored gesture may be another one.
        memory_gigabytes: Frames are kept in memory up to here; videos beyond are decoded again in every pass.
    """

    width: int = 16
    input_size: int = 56
    depth: int = 4
    clip_frames: int = 16
    frame_step: int = 1
    fc_width: int = 256
    epochs: int = 30
    clips_per_video: int = 2
    candidates: int = 8
    warm_up: float = 0.3
    batch: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    dropout: float = 0.0
    shift_pixels: int = 0
    flip: bool = False
    memory_gigabytes: float = 2.0

    def __post_init__(self) -> None:
        for name in ("epochs", "clips_per_video", "batch", "frame_step", "learning_rate"):
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in ("weight_decay", "shift_pixels", "memory_gigabytes"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("dropout", 0 <= self.dropout < 1, "from 0 to below 1")
        self._require("warm_up", 0 <= self.warm_up <= 1, "from 0 to 1")
        if self.candidates < self.clips_per_video:
            raise UsageError(
                f"{self.clips_per_video} clips of a video cannot be chosen among {self.candidates} candidates",
                next=f"raise candidates to {self.clips_per_video} or more, or lower clips_per_video",
                subject="candidates",
            )
        if self.shift_pixels >= self.input_size:
            raise UsageError(
                f"clips of {self.input_size} px cannot be shifted by {self.shift_pixels}", next="lower shift_pixels"
            )

    def _require(self, name: str, holds: bool, must: str) -> None:
        if not holds:
            value = getattr(self, name)
            raise UsageError(f"{name} must be {must}, but is {value}", next="correct it", subject=name)

    def network(self, classes: int, generator: torch.Generator) -> C3D:
        """A network with drawn weights.

        Raises:
            UsageError: These settings leave nothing of the input.
        """
        try:
            return C3D(
                width=self.width,
                input_size=self.input_size,
                clip_frames=self.clip_frames,
                depth=self.depth,
                fc_width=self.fc_width,
                classes=classes,
                dropout=self.dropout,
                generator=generator,
            )
        except ValueError as error:
            raise UsageError(
                "such a network cannot be built", why=str(error), next="change width, input_size, depth or clip_frames"
            ) from None


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

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        failed = [asdict(failure) for failure in self.failed]
        return asdict(self) | {"path": str(self.path), "failed": failed}


def train_backbone(
    videos: Mapping[str, Path],
    labels: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    out: Path | str,
    *,
    settings: BackboneSettings | None = None,
    seed: int = 0,
    workers: int | None = None,
    missing: Sequence[Failure] = (),
    on_video: Callable[[], object] = lambda: None,
    progress: Callable[[str], object] = lambda note: None,
) -> BackboneResult:
    """Train a small C3D from video-level labels and write it as a weights file that extraction takes.

    The same seed gives the same bytes on one machine with the same number of threads.

    Args:
        videos: Name and file of each training video.
        labels: The labels of each; several share a clip's target evenly.
        classes: All class names, C; their order is that of the classifier.
        out: The file, safetensors; its metadata say how it was made.
        settings: How.
        seed: Of the weights, the clips and their order.
        workers: Decoding processes; None for one a core, at most 16.
        missing: Videos that have no file; they join the failed ones.
        on_video: Called after each video is read.
        progress: Called after each epoch with its loss and accuracy in words.

    Raises:
        DataError: A video has no label, there are fewer than two classes, no video can be read, or `out` cannot be
            written.
        UsageError: The settings are out of range.
    """
    settings = settings or BackboneSettings()
    out = Path(out)
    targets = _targets(videos, labels, classes)
    with torch.random.fork_rng(devices=[]):  # layers draw from the global generator before they get their weights
        network = settings.network(len(classes), torch.Generator().manual_seed(seed))
    _check_writable(out)
    preparation = square(settings.input_size)
    clips = TrainingClips(
        videos,
        preparation,
        settings.clip_frames,
        frame_step=settings.frame_step,
        memory_bytes=int(settings.memory_gigabytes * 1e9),
        workers=workers or min(len(os.sched_getaffinity(0)), 16),
    )
    clips.read(on_video)
    if not clips.lengths:
        first = (*clips.failed, *missing)[0]
        raise DataError(
            f"of {plural(len(videos) + len(missing), 'training video')} none can be read",
            why=f"{first.video}: {first.reason}",
            next="check that they are videos and play to their end",
            subject=first.video,
        )
    mean, deviation = clips.mean_and_deviation()
    preparation = replace(preparation, mean=tuple(mean.tolist()), std=tuple(deviation.tolist()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout
        loss, accuracy, count = _fit(network, clips, targets, mean, deviation, settings, seed, progress)
    failed = (*clips.failed, *missing)
    about = {
        "backbone": "c3d",
        "architecture": network.architecture,
        "preprocessing": preparation.to_dict(),
        "frame_step": settings.frame_step,
        "classes": list(classes),
        "training": {
            **asdict(settings),
            "seed": seed,
            "videos": len(clips.lengths),
            "failed": sorted(failure.video for failure in failed),
            "loss": loss[-1],
            "accuracy": accuracy[-1],
            "thas_version": __version__,
            "torch_version": str(torch.__version__),
        },
    }
    _write(out, network, about)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return BackboneResult(out, loss, accuracy, len(clips.lengths), len(clips.streamed), failed, count, parameters)


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
    targets = {}
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


def _check_writable(out: Path) -> None:
    """Refuse before the work what would fail after it."""
    try:
        if out.is_dir():
            raise IsADirectoryError(21, "it is a folder", str(out))
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise cannot_write(out, error) from error


def _fit(
    network: C3D,
    clips: TrainingClips,
    targets: Mapping[str, np.ndarray],
    mean: np.ndarray,
    deviation: np.ndarray,
    settings: BackboneSettings,
    seed: int,
    progress: Callable[[str], object],
) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Train; gives loss and accuracy of each epoch, and the number of clips."""
    draw = np.random.default_rng(seed)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    centre = torch.from_numpy(mean.astype(np.float32)).view(3, 1, 1, 1)
    scale = torch.from_numpy(deviation.astype(np.float32)).view(3, 1, 1, 1)

    def prepared(bytes_: np.ndarray) -> torch.Tensor:
        return (torch.from_numpy(bytes_).permute(0, 4, 1, 2, 3).float() - centre) / scale

    _, first = next(clips.one_pass(1, 64, np.random.default_rng(seed)))
    _even_out(network, prepared(first[:, 0]))
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    together = max(1, settings.batch // settings.clips_per_video)
    total = settings.epochs * math.ceil(len(clips.lengths) / together)
    steps = seen_in_all = 0
    losses, accuracies = [], []
    network.train()
    for epoch in range(settings.epochs):
        loss_sum = right = seen = 0.0
        choose = epoch >= settings.warm_up * settings.epochs and settings.candidates > settings.clips_per_video
        drawn = settings.candidates if choose else settings.clips_per_video
        for names, bytes_ in clips.one_pass(drawn, together, draw):
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * _rate(steps, total)
            target = torch.from_numpy(np.stack([targets[name] for name in names]))
            shown = prepared(_augmented(bytes_.reshape(-1, *bytes_.shape[2:]), settings, draw))
            if choose:
                shown = shown[_likeliest(network, shown, target, settings.clips_per_video)]
            target = target.repeat_interleave(settings.clips_per_video, dim=0)
            logits = network(shown)
            loss = nn.functional.cross_entropy(logits, target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            steps += 1
            seen += len(target)
            loss_sum += loss.item() * len(target)
            right += (target.gather(1, logits.argmax(dim=1, keepdim=True)) > 0).sum().item()
        seen_in_all += int(seen)
        losses.append(loss_sum / seen)
        accuracies.append(right / seen)
        progress(f"epoch {epoch + 1}, loss {losses[-1]:.3f}, right {accuracies[-1]:.0%}")
    return tuple(losses), tuple(accuracies), seen_in_all


@torch.no_grad()
def _likeliest(network: nn.Module, clips: torch.Tensor, target: torch.Tensor, count: int) -> torch.Tensor:
    """(V * count,) rows of the clips (V * K, ...) that likeliest show one of their video's labels, target (V, C)."""
    network.eval()
    probability = network(clips).unflatten(0, (len(target), -1)).softmax(dim=2)
    network.train()
    fitting = (probability * (target[:, None] > 0)).sum(dim=2)
    rows = torch.arange(len(clips)).view(len(target), -1)
    return rows.gather(1, fitting.topk(count, dim=1).indices).flatten()


def _rate(step: int, total: int) -> float:
    """The share of the highest learning rate: up in a line over the first tenth, down in a cosine."""
    rise = max(1, total // 10)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, total - rise))))


def _augmented(clips: np.ndarray, settings: BackboneSettings, draw: np.random.Generator) -> np.ndarray:
    """Clips (B, F, H, W, 3), each shifted and mirrored as a whole; the border is repeated."""
    reach, size = settings.shift_pixels, settings.input_size
    if reach:
        moves = draw.integers(-reach, reach + 1, (len(clips), 2))
        places = np.arange(size)
        rows, columns = (np.clip(places - move[:, None], 0, size - 1) for move in moves.T)
        clips = np.stack([clip[:, row][:, :, column] for clip, row, column in zip(clips, rows, columns, strict=True)])
    if settings.flip:
        mirrored = draw.random(len(clips)) < 0.5
        clips = np.where(mirrored[:, None, None, None, None], clips[:, :, :, ::-1], clips)
    return clips


@torch.no_grad()
def _even_out(network: C3D, clips: torch.Tensor) -> None:
    """Scale and shift each layer's drawn weights so that its units have mean 0 and deviation 1 on real clips.

    Krahenbuhl et al., Data-dependent Initializations of Convolutional Neural Networks, ICLR 2016. Without batch
    normalisation, and with labels as noisy as these, the first epochs otherwise teach next to nothing.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv3d | nn.Linear)]
    network.eval()
    for layer in layers[:-1]:
        found: list[torch.Tensor] = []
        hook = layer.register_forward_hook(lambda module, inputs, output, found=found: found.append(output))
        network(clips)
        hook.remove()
        units = found[0].transpose(0, 1).flatten(1)
        mean, deviation = units.mean(dim=1), units.std(dim=1).clamp_min(1e-3)
        layer.weight.div_(deviation.view(-1, *[1] * (layer.weight.dim() - 1)))
        assert layer.bias is not None
        layer.bias.copy_((layer.bias - mean) / deviation)
    # A classifier that starts near 0 believes in no class yet.
    layers[-1].weight.mul_(0.1)


def _write(out: Path, network: C3D, about: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    tensors = {name: value.detach().contiguous().clone() for name, value in network.state_dict().items()}
    write_atomically(out, save(tensors, metadata={"thas": json.dumps(about, sort_keys=True)}))
