"""`thas train-backbone`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..core.errors import PartialFailure, listing, plural
from ..core.runs import ROOTS
from .console import note, out, print_json, progress, warn

_FLAG = Parameter(negative=())


def train_backbone(
    *,
    dataset: str,
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    width: int | None = None,
    input_size: int | None = None,
    depth: int | None = None,
    clip_frames: int | None = None,
    frame_step: int | None = None,
    fc_width: int | None = None,
    epochs: int | None = None,
    clips_per_video: int | None = None,
    candidates: int | None = None,
    warm_up: float | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    dropout: float | None = None,
    shift_pixels: int | None = None,
    flip: Annotated[bool, _FLAG] = False,
    memory_gigabytes: float | None = None,
    precision: Literal["32", "bf16", "16"] | None = None,
    seed: int | None = None,
    device: str | None = None,
    resume: bool = False,
    run: Path | None = None,
    runs: Path = ROOTS["backbone"],
    train_subset: str | None = None,
    workers: int | None = None,
    data_root: Path = Path("data"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Train a small C3D on a data set's video labels, as a backbone for its features.

    For those who have nothing else: on films of people, features of a pretrained network (thas weights fetch i3d)
    localized far better (docs/backbones.md). Clips take their video's labels, and after a while only those that fit
    them best are learned from; segments are never read. The file then serves as any other: thas extract-features
    --weights FILE.

    For example:

        thas train-backbone --dataset my_videos --out backbone.safetensors

        thas train-backbone --dataset my_videos --out big.safetensors --width 32 --input-size 112 --depth 5

    Parameters
    ----------
    dataset
        A data set's name (`thas list datasets`) or its folder.
    out_
        The weights file, safetensors; by default `backbone.safetensors` in the data set's folder, where
        extract-features finds it by itself.
    width
        Channels of the first convolution; the deeper ones have up to 8 times as many. 16 by default.
    input_size
        Height and width in pixels that frames are squeezed into. 56 by default.
    depth
        Blocks of convolutions, 1 to 5. 4 by default.
    clip_frames
        Frames of a clip. 16 by default.
    frame_step
        Frames of the video from one of these to the next. 1 by default.
    fc_width
        Length of a feature vector. 256 by default.
    epochs
        Passes over the videos; each decodes again what did not fit into --memory-gigabytes. 30 by default.
    clips_per_video
        Clips of each video that are learned from in a pass. 2 by default.
    candidates
        Clips drawn of each video in a pass: those that fit its labels best are learned from. 8 by default; as many as
        --clips-per-video choose nothing.
    warm_up
        Share of the passes in which nothing is chosen yet. 0.3 by default.
    batch
        Clips a step. 16 by default.
    learning_rate
        Highest, of Adam. 0.001 by default.
    weight_decay
        Of Adam. 0.0001 by default.
    dropout
        Of fc6 and fc7. 0 by default.
    shift_pixels
        Shift each clip by up to so many pixels either way. 0 by default.
    flip
        Mirror every other clip. Only where left and right mean the same.
    memory_gigabytes
        Keep decoded frames in memory up to here; decode the rest again in every pass. 2 by default.
    precision
        Of the arithmetic: mixed for bf16 and 16. 32 by default.
    seed
        Of weights, clips and their order.
    device
        cpu, cuda, cuda:1 or auto.
    resume
        Continue the interrupted run of this data set, or the one named with --run.
    run
        The run to resume.
    runs
        The folder that holds runs of backbones, with log and checkpoint.
    train_subset
        The subset to learn from.
    workers
        Decoding processes; one a core by default.
    data_root
        The folder that holds data sets called by name.
    json
        Print one JSON object.
    """
    from ..core.presets import preset_table
    from ..datasets.dataset import dataset_presets
    from .datasets import open_with_videos, video_files

    opened = open_with_videos(dataset, data_root)
    videos, missing = video_files(opened, opened.videos_of(train_subset or opened.train_subset))
    given = {
        "width": width,
        "input_size": input_size,
        "depth": depth,
        "clip_frames": clip_frames,
        "frame_step": frame_step,
        "fc_width": fc_width,
        "epochs": epochs,
        "clips_per_video": clips_per_video,
        "candidates": candidates,
        "warm_up": warm_up,
        "batch": batch,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "dropout": dropout,
        "shift_pixels": shift_pixels,
        "flip": flip or None,
        "memory_gigabytes": memory_gigabytes,
        "precision": precision,
        "seed": seed,
        "device": device,
    }
    from ..core.resume import Begin
    from ..features.backbone_settings import BackboneRunSettings
    from ..features.train_backbone import train_backbone_run

    preset = preset_table(dataset, "backbone") if dataset in dataset_presets() else {}
    typed = {f"backbone.{key}": value for key, value in given.items() if value is not None}
    settings = BackboneRunSettings().updated({f"backbone.{key}": value for key, value in preset.items()})
    settings = settings.updated(typed, origin="option")
    origins = {f"backbone.{key}": f"preset {dataset}" for key in preset} | dict.fromkeys(typed, "option")
    with progress("training the backbone", settings.backbone.epochs, "epochs") as advance:
        result = train_backbone_run(
            opened,
            videos,
            begin=Begin(runs, run or resume),
            settings=settings,
            out=out_,
            origins=origins,
            subset=train_subset,
            workers=workers,
            missing=missing,
            progress=advance,
        )
    target = result.path
    if json:
        print_json(result.to_json())
    else:
        out.print(
            f"{target}: C3D of {result.parameters:,} weights from {plural(result.videos, 'video')}, "
            f"right on {result.accuracy[-1]:.0%} of the last {result.clips // len(result.loss):,} clips learned from",
            markup=False,
        )
        warn(
            "a network learned from so few videos may know them by heart: trust it only as far as `thas train` then "
            "tells labels of held-out videos right; on films of people, --weights i3d localized far better"
        )
        note(f"next: thas extract-features --dataset {dataset}" + (f" --weights {target}" if out_ else ""))
        note(f"then: thas train --dataset {dataset} --preset has   (the head for features that have seen the labels)")
    if result.streamed:
        warn(f"{plural(result.streamed, 'video')} did not fit into --memory-gigabytes: decoded again in every pass")
    if result.failed:
        first = result.failed[0]
        raise PartialFailure(
            f"{plural(len(result.failed), 'video')} could not be read: "
            + listing(failure.subject for failure in result.failed),
            why=f"{first.subject}: {first.why}",
            next="the backbone was trained without them; mend or remove them and run the same command again",
            subject=first.subject,
        )
    return 0
