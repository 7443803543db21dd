"""How features are extracted, and what became of it.

`failed.csv` in the cache has a row for each video that failed, and is rewritten after every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.errors import Failure, UsageError
from ..core.files import write_atomically
from ..core.tables import csv_text
from .clips import Sampler

if TYPE_CHECKING:
    from .backbones import Backbone


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Which clips, and how they become vectors. All of it ends up in the recipe.

    Attributes:
        layer: fc7 (the paper's) or fc6 of C3D; the backbone's first by default.
        snippets: At most so many clips a video, spread evenly; 2000 for THUMOS14 with c3d, as is said of the paper
            (unverified). None goes by the stride.
        stride_frames: Instead: frames from one clip's start to the next one's.
        stride_seconds: Instead: seconds from one to the next; each backbone has its own by default.
        length_frames: Frames that the network is given; the backbone's own by default, 16 of C3D.
        frame_step: Frames of the video from one of these to the next. The backbone's own by default, 1 of C3D.
        fps: Sample the video at this rate first; by default the backbone's own, or else the video's frames. Folders of
            pictures, and bare streams that say none, are taken to have it.
        sampler: pytorchvideo lets that library's UniformClipSampler choose the clips, by time instead of frames.
        decoder: auto takes decord where it is installed and gives the right frames, PyAV elsewhere. torchcodec and
            torchcodec-cuda (on a GPU) need pip install 'thas[torchcodec]' and FFmpeg's libraries.
        precision: tf32 and bf16 are faster on GPUs.
        stored: float16 halves the disk; it is the type in the files.
        compress: Gzip the files: smaller by half, slower to write.
        keep_partial: Keep a damaged video, and mark each snippet that the damage touches: training and localization
            leave those out.
        batch: Clips in the network at once. By default what is quick and keeps memory small, over all its lanes.
    """

    layer: str | None = None
    snippets: int | None = None
    stride_frames: int | None = None
    stride_seconds: float | None = None
    length_frames: int | None = None
    frame_step: int | None = None
    fps: float | None = None
    sampler: Sampler = "frames"
    decoder: Literal["auto", "decord", "pyav", "torchcodec", "torchcodec-cuda"] = "auto"
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
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
class ExtractionSettings(ClipSettings):
    """How features are made.

    Attributes:
        backbone: A name of `thas list backbones`. C3D in the paper.
    """

    backbone: str = "c3d"


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
            alone. Without RAY_AUTH_MODE=token (docs/many_machines.md) who reaches its ports can run any program on
            its machines.
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


FAILED_TABLE = "failed.csv"
_COLUMNS = ("video", "stage", "reason", "frames_decoded", "next")


def row_of(failure: Failure) -> dict[str, str | int]:
    """A row of the table, by the names of its columns."""
    cells = (failure.subject, failure.what, failure.why, failure.frames, failure.next)
    return dict(zip(_COLUMNS, cells, strict=True))


def write_failures(folder: Path, failures: Sequence[Failure]) -> None:
    """Write `failed.csv`; without failures remove it."""
    path = folder / FAILED_TABLE
    if not failures:
        path.unlink(missing_ok=True)
        return
    text = csv_text([_COLUMNS, *(list(row_of(failure).values()) for failure in failures)])
    write_atomically(path, text)
