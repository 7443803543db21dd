"""How features are extracted, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.errors import UsageError
from ..core.failures import Failure
from .clips import Sampler

if TYPE_CHECKING:
    from .backbones import Backbone


@dataclass(frozen=True)
class ExtractionSettings:
    """How features are made. What the paper leaves unsaid is marked; everything here ends up in the recipe.

    Attributes:
        backbone: A name of `thas list backbones`. C3D in the paper.
        layer: None for the backbone's first; fc7 of C3D in the paper.
        snippets: At most so many clips a video, spread evenly; 2000 for the paper's data sets, as is said of the paper,
            unverified. None goes by the stride.
        stride_frames: Instead: frames from one clip's start to the next one's.
        stride_seconds: Instead: seconds from one to the next. With all three None the backbone's own stride.
        length_frames: Frames that the network is given; None for the backbone's own, 16 of C3D.
        frame_step: Frames from one of these to the next; None for the backbone's own, 1 of C3D.
        fps: Sample the video at this rate first; None for the backbone's own rate, or else the video's frames. Frames
            that carry no times, as pictures in a folder, are taken to come at this rate.
        sampler: "frames", or "pytorchvideo" for that library's UniformClipSampler.
        precision: "fp32", or on a GPU the faster "tf32" or "bf16".
        decoder: "auto", "decord", "pyav", "torchcodec" or "torchcodec-cuda".
        stored: "float32" or "float16", the type in the files.
        compress: Gzip the files.
        keep_partial: Keep a damaged video, and mark each snippet that the damage touches.
        batch: Clips in the network at once, over all its lanes; None for what is quick and small in memory.
    """

    backbone: str = "c3d"
    layer: str | None = None
    snippets: int | None = None
    stride_frames: int | None = None
    stride_seconds: float | None = None
    length_frames: int | None = None
    frame_step: int | None = None
    fps: float | None = None
    sampler: Sampler = "frames"
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    decoder: Literal["auto", "decord", "pyav", "torchcodec", "torchcodec-cuda"] = "auto"
    stored: Literal["float32", "float16"] = "float32"
    compress: bool = False
    keep_partial: bool = False
    batch: int | None = None

    def __post_init__(self) -> None:
        for name in ("snippets", "stride_frames", "stride_seconds", "length_frames", "frame_step", "fps", "batch"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} must be above 0, but is {value}", next="correct it", subject=name)


@dataclass(frozen=True, kw_only=True)
class BackboneWeights:
    """Where a backbone's weights come from.

    Attributes:
        weights: A network's weights: a file, or a name of `thas weights list`. Or an address; by default the backbone's
            published ones, if they were fetched. A file of `thas train-backbone` brings its network along.
        weights_sha256: What the file's SHA-256 must be, or its first digits.
        random_weights: Draw the weights (seed 0) instead: for trying things out.
        mean_cube: The original C3D's mean cube as .npy, instead of a mean a channel.
        pool5: Overrides the pool5 that goes with a C3D checkpoint: caffe is the original's.
    """

    weights: str | Path | None = None
    weights_sha256: str | None = None
    random_weights: bool = False
    mean_cube: Path | None = None
    pool5: Literal["caffe", "port"] | None = None


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What computes features.

    Attributes:
        device: cpu, cuda, cuda:1 or auto. A GPU if there is one by default.
        compile: Compile the network first.
        workers: Processes; one a core by default, at most 16.
        patience_seconds: A decoder that is silent for so long is ended, and its video fails.
        engine: ray takes all machines of a Ray cluster, each with its GPUs or cores (pip install ray). Videos and cache
            must lie in folders that they share; `workers` and `device` are then of each part.
        address: HOST:PORT of the cluster, or auto for the one this machine is in; without it Ray starts on this machine
            alone. Ray has no passwords: who reaches its ports can run any program on its machines.
    """

    device: str | None = None
    compile: bool = False
    workers: int | None = None
    patience_seconds: float = 120.0
    engine: Literal["local", "ray"] = "local"
    address: str | None = None


@dataclass(frozen=True)
class ExtractionResult:
    """What became of the videos.

    Attributes:
        done: Extracted in this run.
        skipped: Were there already.
        failed: Gave nothing; also in `failed.csv`.
        partial: Of those done or skipped now, extracted in part only.
        clips: Clips that the network saw in this run.
        guessed: Of those done, the ones whose frame rate had to be assumed.
    """

    done: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: tuple[Failure, ...]
    partial: tuple[str, ...] = ()
    clips: int = 0
    guessed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clipping:
    """How clips are taken from videos, once settings and backbone have both been heard.

    Attributes:
        length_frames: Frames of a clip.
        frame_step: From one of them to the next.
        fps: Rate at which the video is sampled first; None keeps its own frames.
        snippets: Clips a video at most, or None.
        stride_frames: Frames between clips' starts, or None.
        stride_seconds: Seconds between them, or None. One of these three is given.
    """

    length_frames: int
    frame_step: int
    fps: float | None
    snippets: int | None = None
    stride_frames: int | None = None
    stride_seconds: float | None = None


def clipping_of(settings: ExtractionSettings, backbone: Backbone) -> Clipping:
    """How clips are taken: as the settings say, else as the backbone is used."""
    frames, seconds, snippets = settings.stride_frames, settings.stride_seconds, settings.snippets
    if frames is not None:
        seconds = snippets = None
    elif seconds is not None:
        snippets = None
    elif snippets is None:
        seconds = backbone.stride_seconds
    return Clipping(
        settings.length_frames or backbone.clip_frames,
        settings.frame_step or backbone.frame_step,
        settings.fps or backbone.fps,
        snippets,
        frames,
        seconds,
    )
