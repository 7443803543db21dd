"""`thas train-backbone`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..core.errors import PartialFailure, listing, plural
from ..core.runs import ROOTS
from .console import note, progress, say, warn
from .options import DataRoot, Going, Help, Printed, Runs, Tracker, also, options


@options
class BackboneTraining:
    """The network, and how it is trained."""

    width: int | None = None
    """Channels of the first convolution; the deeper ones have up to 8 times as many. 16 by default."""
    input_size: int | None = None
    """Height and width in pixels that frames are squeezed into. 56 by default."""
    depth: int | None = None
    """Blocks of convolutions, 1 to 5. 4 by default."""
    clip_frames: int | None = None
    """Frames of a clip. 16 by default."""
    frame_step: Annotated[int | None, also(Help.FRAME_STEP, "1 by default.")] = None
    fc_width: int | None = None
    """Length of a feature vector. 256 by default."""
    motion: bool | None = None
    """See each clip without its mean picture, so that places are not learned by heart; the default. --no-motion where
    actions differ by what is seen, not by how it moves."""
    epochs: Annotated[
        int | None, also(Help.EPOCHS, "Each decodes again what did not fit into --memory-gigabytes. 30 by default.")
    ] = None
    clips_per_video: int | None = None
    """Clips of each video that are learned from in a pass. 2 by default."""
    candidates: int | None = None
    """Clips drawn of each video in a pass: those that fit its labels best are learned from. 8 by default; as many as
    --clips-per-video choose nothing."""
    warm_up: float | None = None
    """Share of the passes in which nothing is chosen yet. 0.3 by default."""
    batch: int | None = None
    """Clips in the network at once. 16 by default."""
    learning_rate: float | None = None
    """Highest, of Adam. 0.001 by default."""
    weight_decay: float | None = None
    """Of Adam. 0.0001 by default."""
    dropout: float | None = None
    """Of fc6 and fc7. 0 by default."""
    shift_pixels: int | None = None
    """Shift each clip by up to so many pixels either way. 0 by default."""
    flip: bool | None = None
    """Mirror every other clip. Only where left and right mean the same."""
    memory_gigabytes: float | None = None
    """Keep decoded frames in memory up to here; decode the rest again in every pass. 2 by default."""
    precision: Literal["32", "bf16", "16"] | None = None
    """Of the arithmetic: mixed for bf16 and 16. 32 by default."""
    seed: Annotated[int | None, Parameter(help=Help.SEED)] = None
    device: Annotated[str | None, Parameter(help=Help.DEVICE)] = None


def train_backbone(
    *,
    dataset: Annotated[str, Parameter(help=Help.DATASET)],
    out_: Annotated[
        Path | None,
        also(
            Help.OUT,
            "The weights file, safetensors; by default `backbone.safetensors` in the data set's folder, where "
            "extract-features finds it by itself.",
            name="--out",
        ),
    ] = None,
    training: BackboneTraining = BackboneTraining(),
    going: Going = Going(),
    runs: Runs = ROOTS["backbone"],
    train_subset: str | None = None,
    workers: int | None = None,
    tracker: Tracker = None,
    data_root: DataRoot = Path("data"),
    printed: Printed = Printed(),
) -> None:
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
    train_subset
        The subset to learn from; the data set's own by default.
    workers
        Processes; one a core by default.
    """
    from ..core.presets import Layer, layered, preset_table
    from ..core.weight_catalogue import WITHOUT_THEM
    from ..datasets.data_preset import dataset_presets
    from ..demo.run import open_with_videos

    opened = open_with_videos(dataset, data_root, stage=progress)
    from ..core.resume import Begin
    from ..core.trackers import Trackers
    from ..features.backbone_settings import BackboneRunSettings
    from ..temporal_has.session import train_backbone_run

    given = {
        f"preset {dataset}": preset_table(dataset, "backbone") if dataset in dataset_presets() else {},
        "option": {key: value for key, value in vars(training).items() if value is not None},
    }
    layers = [Layer(one, {f"backbone.{key}": value for key, value in values.items()}) for one, values in given.items()]
    settings, origins = layered(BackboneRunSettings, layers)
    trackers = Trackers(tracker or ())
    with progress("training the backbone", settings.backbone.epochs, "epochs") as advance:
        result = train_backbone_run(
            opened,
            begin=Begin(runs, going.run or going.resume),
            settings=settings,
            out=out_,
            origins=origins,
            subset=train_subset,
            workers=workers,
            progress=advance,
            on_event=trackers,
        )
    target = result.path
    if not printed.as_json(result.to_json()):
        say(
            f"{target}: C3D of {result.parameters:,} weights from {plural(result.videos, 'video')}, "
            f"right on {result.accuracy[-1]:.0%} of the last {result.clips // len(result.loss):,} clips learned from"
        )
        warn(
            "a network learned from so few videos may know them by heart: trust it only as far as `thas train` then "
            f"tells labels of held-out videos right; {WITHOUT_THEM} (thas weights fetch i3d)"
        )
        note(f"next: thas extract-features --dataset {dataset}" + (f" --weights {target}" if out_ else ""))
        note(f"then: thas train --dataset {dataset}")
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
