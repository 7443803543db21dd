"""What is peculiar to training a backbone: clips drawn of videos, those chosen that fit, and how they are learned.

Most clips of an untrimmed video do not show its action. A network made to call them by it all the same learns its
videos by heart, and then marks every moment of them. So after a while it learns only from those of a video's clips that
its labels fit best: multiple instance learning, where a bag is positive by its most positive instances (Andrews et al.,
"Support Vector Machines for Multiple-Instance Learning", NIPS 2002).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ..core.checkpoints import FORMATS, packed
from ..core.narrowing import as_int, as_table
from ..core.runners import Runner
from ..core.task import Step, Verdict
from .backbone_settings import BackboneRunSettings, BackboneSettings
from .c3d import C3D
from .training_clips import TrainingClips


class BackboneTask:
    """The training of a C3D on clips; see `thas.core.training.Task`.

    Args:
        network: With drawn weights, on its device.
        clips: Read.
        targets: For each video (C,), its labels' shares.
        settings: How.
        runner: The device.
        about: What the checkpoint says of the network.
    """

    kind: str = "backbone"
    things: str = "clips"
    cure: str = "--learning-rate with a smaller value"

    def __init__(
        self,
        network: C3D,
        clips: TrainingClips,
        targets: Mapping[str, np.ndarray],
        *,
        settings: BackboneSettings,
        runner: Runner,
        about: Mapping[str, object],
    ) -> None:
        self.clips, self.targets, self.runner, self.about, self._own = clips, targets, runner, about, settings
        self.network: nn.Module = network
        self.trained: nn.Module = network
        mean, deviation = (
            torch.from_numpy(one.astype(np.float32)).view(3, 1, 1, 1) for one in clips.mean_and_deviation()
        )
        self.constants: Mapping[str, Tensor] = {"mean": mean, "deviation": deviation}
        self._centre, self._scale = mean.to(runner.device), deviation.to(runner.device)
        self.settings: Mapping[str, object] = BackboneRunSettings(settings).flat()
        self.usual: Mapping[str, object] = BackboneRunSettings.kept({}).flat()
        rows = sorted((video, target.tolist()) for video, target in targets.items())
        self.identity: Mapping[str, object] = {"labels": hashlib.sha256(json.dumps(rows).encode()).hexdigest()}
        self._draw = np.random.default_rng(settings.seed)
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(settings.seed)  # of dropout, which knows no other source
            self._chance = self._chance_now()
        _, first = next(clips.one_pass(1, 64, np.random.default_rng(settings.seed)))
        _even_out(network, self._prepared(first[:, 0]))
        self.optimiser: torch.optim.Optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._together = max(1, settings.batch // settings.clips_per_video)
        self._steps_in_all = settings.epochs * math.ceil(len(clips.lengths) / self._together)
        self.steps = self.seen = 0
        self._choosing = False

    @property
    def _devices(self) -> list[torch.device]:
        return [self.runner.device] if self.runner.device.type == "cuda" else []

    def _chance_now(self) -> dict[str, Tensor]:
        found = {"random.torch": torch.get_rng_state()}
        for device in self._devices:
            found["random.cuda"] = torch.cuda.get_rng_state(device)
        return found

    def _prepared(self, clips: np.ndarray) -> Tensor:
        """(B, F, H, W, 3) uint8 -> (B, 3, F, H, W) as the network takes them."""
        pixels = torch.from_numpy(clips).to(self.runner.device)
        return (pixels.permute(0, 4, 1, 2, 3).float() - self._centre) / self._scale

    @contextmanager
    def epoch(self, number: int) -> Iterator[Iterator[tuple[list[str], np.ndarray]]]:
        """Clips of every video; of more candidates those are chosen that fit, once the warm-up is over."""
        own = self._own
        self._choosing = number >= own.warm_up * own.epochs and own.candidates > own.clips_per_video
        drawn = own.candidates if self._choosing else own.clips_per_video
        with torch.random.fork_rng(devices=self._devices):
            torch.set_rng_state(self._chance["random.torch"])
            for device in self._devices:
                torch.cuda.set_rng_state(self._chance["random.cuda"], device)
            yield self.clips.one_pass(drawn, self._together, self._draw)
            self._chance = self._chance_now()

    def step(self, trained: nn.Module, batch: tuple[list[str], np.ndarray]) -> Step:
        """The mean loss of the clips of some videos; the rate rises and falls with the steps."""
        names, clips = batch
        for group in self.optimiser.param_groups:
            group["lr"] = self._own.learning_rate * _rate(self.steps, self._steps_in_all)
        target = torch.from_numpy(np.stack([self.targets[name] for name in names])).to(self.runner.device)
        shown = self._prepared(_augmented(clips.reshape(-1, *clips.shape[2:]), self._own, self._draw))
        if self._choosing:
            shown = shown[_likeliest(trained, shown, target, self._own.clips_per_video)]
        target = target.repeat_interleave(self._own.clips_per_video, dim=0)
        with self.runner.autocast():
            logits = trained(shown)
        logits = logits.float()
        loss = nn.functional.cross_entropy(logits, target)
        self.steps += 1
        self.seen += len(target)
        right = (target.gather(1, logits.argmax(dim=1, keepdim=True)) > 0).sum()
        return Step(loss, torch.stack([loss.detach().double() * len(target), right.double()]), len(target))

    def judge(self) -> Verdict | None:
        """No videos are held out."""
        return None

    def packed(self, extra: Mapping[str, Tensor], facts: Mapping[str, object], weights: Mapping[str, Tensor]) -> bytes:
        """The checkpoint's content."""
        tensors = {f"network.{name}": value for name, value in weights.items()}
        description = {"kind": self.kind, "format": FORMATS[-1], "settings": self.settings, **self.about, **facts}
        return packed({**tensors, **self.constants, **extra}, description)

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Of the clips' draws and of dropout, and how many steps were made."""
        return dict(self._chance), {"draw": self._draw.bit_generator.state, "steps": self.steps, "seen": self.seen}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """The draws as they were."""
        self._chance = {"random.torch": tensors["random.torch"]}
        if self._devices:  # begun on the CPU, it goes on with what the seed would have drawn
            self._chance["random.cuda"] = tensors.get("random.cuda", self._chance_now()["random.cuda"])
        self._draw.bit_generator.state = as_table(facts["draw"])
        self.steps, self.seen = as_int(facts["steps"]), as_int(facts["seen"])


@torch.no_grad()
def _likeliest(network: nn.Module, clips: torch.Tensor, target: torch.Tensor, count: int) -> torch.Tensor:
    """(V * count,) rows of the clips (V * K, ...) that likeliest show one of their video's labels, target (V, C)."""
    network.eval()
    probability = network(clips).unflatten(0, (len(target), -1)).softmax(dim=2)
    network.train()
    fitting = (probability * (target[:, None] > 0)).sum(dim=2)
    rows = torch.arange(len(clips), device=clips.device).view(len(target), -1)
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
