"""A trained temporal network with all that is needed to use it again, and its file."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from .._version import __version__
from ..core.checkpoints import BEST, CHECKPOINT, FORMATS, check_shapes, class_names, packed, part, unpacked
from ..core.dropping import dropped
from ..core.errors import CheckpointError, FeatureError, listing
from ..core.narrowing import as_table
from ..core.plugins import require
from ..core.reading import reading
from ..core.runs import WEIGHTS
from ..core.settings_table import flatten
from ..features.cache import Features
from .activation import ClassActivationSequence
from .data import sample_positions
from .heads import as_head, build_head
from .losses import get_loss
from .network import Head
from .settings import Settings
from .validation import Calibration


@dataclass(eq=False)
class Model:
    """A temporal network and what it was trained with.

    Attributes:
        network: The network.
        mean: (D,) float32, the training set's mean feature, which hidden snippets take.
        deviation: (D,) float32, by which features are divided after the mean is taken off, where the settings say so.
        classes: C names, in the order of the network's outputs.
        settings: All settings of the run.
        recipe: How the training features were made; other features are refused.
        spread: Of the activations over training videos, their standard deviation; 0 of a network that an older thas
            trained. See `localize.squashed`.
        calibration: What makes its probabilities those of videos not learned from; None where none were held out.
        own: Whether the network came from code of one's own, which alone can build it again.
    """

    network: Head
    mean: Tensor
    deviation: Tensor
    classes: tuple[str, ...]
    settings: Settings
    recipe: Mapping[str, object]
    spread: float = 0.0
    calibration: Calibration | None = None
    own: bool = False

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def normalised(self, x: Tensor) -> Tensor:
        """(..., D) features as the network takes them."""
        if self.settings.input.normalise == "none":
            return x
        return (x - self.mean.to(x.device)) / self.deviation.to(x.device)

    def normalise_(self, x: Tensor) -> Tensor:
        """`normalised`, written into `x` itself: for large batches that nobody else holds."""
        if self.settings.input.normalise == "none":
            return x
        return x.sub_(self.mean.to(x.device)).div_(self.deviation.to(x.device))

    def shown(self, x: Tensor, video: str) -> Tensor:
        """(T, D) features as the network sees them at test time: normalised, with dropout where it is `always` on."""
        x = self.normalised(x)
        if self.settings.input.dropout != "always":
            return x
        # Drawn by the video's name, so that it does not matter which others are localized.
        generator = torch.Generator().manual_seed(self.settings.train.seed + zlib.crc32(video.encode()))
        return dropped(x, probability=self.settings.hide.probability, generator=generator)

    @torch.inference_mode()
    def sequence(self, features: Features) -> ClassActivationSequence:
        """The class activation sequence of one video; nothing is hidden (dropout `always` drops here, too).

        Raises:
            FeatureError: The features are of another width than those trained on.
        """
        if features.data.shape[1] != len(self.mean):
            raise FeatureError(
                f"the features of {features.video} have {features.data.shape[1]} numbers a snippet, "
                f"the network was trained on {len(self.mean)}",
                why="they were made by another backbone or layer",
                next="extract them as the run's settings say, or train anew",
                subject=features.video,
            )
        rows = sample_positions(len(features.data), self.settings.input.snippets)
        x = torch.as_tensor(np.ascontiguousarray(features.data[rows], dtype=np.float32)).to(self.device)
        # What damage touched is hidden, as snippets are in training, and no detection reaches into it.
        lost = features.lost[rows]
        x[torch.as_tensor(lost).to(self.device)] = self.mean.to(x)
        self.network.eval()
        output = self.network(self.shown(x, features.video)[None])
        logits = output.sequence[0].cpu().numpy()
        if lost.any():
            logits[lost] = logits.min(axis=0)
        video_logits = output.video_logits[0]
        probabilities = get_loss(self.settings.train.loss).probabilities(video_logits)
        return ClassActivationSequence(
            video=features.video,
            logits=logits,
            video_logits=video_logits.cpu().numpy(),
            probabilities=probabilities.cpu().numpy(),
            start_seconds=features.start_seconds[rows],
            end_seconds=features.end_seconds[rows],
            duration_seconds=features.duration_seconds,
            classes=self.classes,
            spread=self.spread,
        )

    def to_bytes(
        self,
        extra: Mapping[str, Tensor] | None = None,
        facts: Mapping[str, object] | None = None,
        *,
        weights: Mapping[str, Tensor] | None = None,
    ) -> bytes:
        """Weights and description as the content of a safetensors file.

        Args:
            extra: More tensors, such as the optimiser's.
            facts: More JSON, such as the epoch.
            weights: Instead of the network's own, such as those of an earlier epoch.
        """
        weights = self.network.state_dict() if weights is None else weights
        tensors = {f"network.{name}": value for name, value in weights.items()}
        tensors |= {"mean": self.mean, "deviation": self.deviation, **(extra or {})}
        description = {
            "kind": "temporal",
            "format": FORMATS[-1],
            "thas": __version__,
            "classes": list(self.classes),
            "settings": self.settings.flat(),
            "recipe": dict(self.recipe),
            "spread": self.spread,
            **({"calibration": list(self.calibration)} if self.calibration else {}),
            **(facts or {}),
        }
        if self.own:
            description["own"] = True
        if parts := self.settings.origins_of_parts():
            description["plugins"] = parts
        return packed(tensors, description)


def checkpoint_path(run: Path, choice: Literal["best", "last"] = "best") -> Path:
    """The file of a run's network: the best epoch's where one was chosen, else the last one's.

    Raises:
        CheckpointError: The run is one of images, from before its half had such files.
    """
    path = run / (BEST if choice == "best" and (run / BEST).exists() else CHECKPOINT)
    if not path.exists() and (run / WEIGHTS).exists():
        raise _of_images(run)
    return path


def _of_images(run: Path) -> CheckpointError:
    opener = "thas.image_has.Localizer.from_run opens it, and thas image localize"
    return CheckpointError(f"{run} is a run of the image half", next=opener, subject=str(run))


def load_model(
    path: Path, *, device: torch.device | str = "cpu", network: nn.Module | None = None
) -> tuple[Model, dict[str, Tensor], dict[str, object]]:
    """Read a file of what `Model.to_bytes` gave. Nothing in the file is executed.

    Args:
        path: The file.
        device: Where the network goes.
        network: Built as yours was for training, where the file holds the weights of a network of your own.

    Returns:
        The model, the extra tensors and the whole description.

    Raises:
        CheckpointError: The file is missing, damaged, or of another kind or version.
    """
    next_, refused = "name a folder below runs/, or thas train to make one", CheckpointError
    with reading(path, "is not a checkpoint of thas", next=next_, kind=refused, but=refused):
        tensors, description = unpacked(path)
        if (kind := description.get("kind", "temporal")) != "temporal":
            raise _of_images(path.parent) if kind == "image" else ValueError(f"it holds a network of kind {kind}")
        if description["format"] not in FORMATS:
            raise CheckpointError(
                f"{path} is of format {description['format']}; thas {__version__} reads {listing(map(str, FORMATS))}",
                next=f"use thas {description['thas']}, or train anew",
                subject=str(path),
            )
        require(description.get("plugins", {}), path=str(path))
        settings = Settings.kept(flatten(as_table(description["settings"])), origin=str(path))
        own = bool(description.get("own"))
        if own != (network is not None):
            raise CheckpointError(
                f"{path} holds the weights of {'a' if own else 'no'} network of your own",
                why="only your code can build it" if own else f"it holds those of {settings.network.head}",
                next=f"load_model(path{', network=...' if own else ''}), in Python",
                subject=str(path),
            )
        classes, width, weights = class_names(description["classes"]), _width(tensors), part(tensors, "network")
        if network is None:
            check_shapes(lambda: build_head(width, len(classes), settings.network), weights)
            head = build_head(width, len(classes), settings.network)
        else:
            head = as_head(network, classes=len(classes), settings=settings.network)
        head.load_state_dict(weights)
        model = Model(
            network=head.to(device),
            mean=tensors["mean"],
            deviation=tensors["deviation"],
            classes=classes,
            settings=settings,
            recipe=dict(as_table(description["recipe"])),
            spread=_spread(description.get("spread", 0.0)),
            calibration=Calibration.of(description["calibration"]) if "calibration" in description else None,
            own=own,
        )
    extra = {k: v for k, v in tensors.items() if not k.startswith("network.") and k not in {"mean", "deviation"}}
    return model, extra, description


def _width(tensors: Mapping[str, Tensor]) -> int:
    """D, of what features are normalised by."""
    mean, deviation = tensors["mean"], tensors["deviation"]
    if (
        mean.ndim != 1
        or mean.shape != deviation.shape
        or not (mean.is_floating_point() and bool((deviation > 0).all()))
    ):
        raise ValueError("what features are normalised by is no row of numbers")
    return len(mean)


def _spread(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"the spread of its activations is {value!r:.60}")
    return float(value)
