"""`thas train` and `thas image train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..core.data_options import DataOptions, VideoOptions
from ..core.errors import PartialFailure, UsageError, listing, plural
from ..core.runs import ROOTS
from .console import note, say, warn
from .eval_output import say_told
from .image_output import account_for
from .options import Dataset, Going, Help, Printed, Runs, TrainingSettings, also, chosen_settings, options


@options
class TemporalTraining(TrainingSettings):
    """What is learned from, and how."""

    preset: Annotated[
        list[str] | None,
        also(
            Help.PRESET,
            "auto (the defaults), attention and has (as measured on gestures), has2017 (the paper, known labels), "
            "video-full (that without hiding).",
        ),
    ] = None
    head: str | None = None
    """attention, has2017, or one of your own: a plug-in's name or MODULE:ATTRIBUTE (docs/plugins.md)."""
    loss: str | None = None
    """softmax, sigmoid, or one of your own, likewise."""
    members: int | None = None
    """So many networks, each from weights of its own, trained at once and averaged; one checkpoint."""
    labels: Literal["known", "predicted"] | None = None
    """Whether a video's true labels are given (known, as in the paper) or predicted."""


def train(
    *,
    dataset: Dataset = None,
    training: TemporalTraining = TemporalTraining(),
    data: Annotated[VideoOptions, Parameter(name="*")] = VideoOptions(),
    runs: Runs = ROOTS["temporal"],
    going: Going = Going(),
    printed: Printed = Printed(),
) -> None:
    """Train a temporal network from video-level labels, with hiding, and localize the test videos.

    The default network is the attention head; the loss, the normalisation, the sizes in snippets and whether to hide
    follow from the training videos, each with its reason. Segments are never read in training.

    For example:

        thas train --dataset thumos14

        thas train --dataset my_videos --hide-probability 0.5 --seed 1

        thas train --dataset my_videos --set localize.threshold=0.3,0.5,0.7 hide.segments=10
    """
    from ..datasets.data_preset import dataset_presets
    from ..temporal_has.settings import Settings

    settings, origins = chosen_settings(
        Settings,
        training,
        data_preset=dataset if dataset in dataset_presets() else None,
        options={
            "network.head": training.head,
            "train.loss": training.loss,
            "network.members": training.members,
            "localize.labels": training.labels,
        },
    )
    if training.print_config:
        print(settings.to_toml(origins), end="")
        return
    if dataset is None:
        raise UsageError(
            "--dataset is missing", why="training needs videos", next="thas train --dataset NAME-OR-FOLDER"
        )
    from ..core.resume import Begin
    from ..temporal_has.session import Tested, train_run
    from .training_bar import TrainingBar

    begin = Begin(runs, going.run or going.resume)
    with TrainingBar(f"training on {dataset}", trackers=training.tracker or ()) as bar:
        result = train_run(dataset, settings=settings, origins=origins, options=data, begin=begin, on_event=bar)
    if not printed.as_json(result.to_json()):
        say(result.summary())
    found = result.found or Tested()
    say_told(found.told)
    if found.reliability is not None:
        note(found.reliability.line())
    if found.standing is not None:
        (note if found.standing.above else warn)(found.standing.line())
    if not printed.json:
        where = "" if runs == ROOTS["temporal"] else f"{result.run} "
        scored = f"thas eval {where}--iou 0.1 0.3 0.5   (scores {result.run})"
        note("next: " + (scored if found.standing else f"thas report {where}  (there are no true segments to score)"))
    if lost := (*result.failed, *found.untested):
        raise PartialFailure(
            f"{plural(len(result.failed), 'training video')} and {plural(len(found.untested), 'test video')} "
            "without usable features: " + listing(one.subject for one in lost),
            why="the run was made without them",
            next=f"thas extract-features --dataset {dataset}",
        )


@options
class ImageTraining(TrainingSettings):
    """What is learned from, and how."""

    preset: Annotated[
        list[str] | None, also(Help.PRESET, "ilsvrc (the defaults), googlenet, images-128, image-demo, finetune.")
    ] = None
    network: str | None = None
    """alexnet, googlenet, vgg16, resnet50, resnet18 or small; timm:NAME or torchvision:NAME; or one of your own
    (docs/plugins.md)."""
    hide_size: list[int] | None = None
    """Side of a cell in pixels; of several each image draws one, 0 hides nothing."""


def image_train(
    dataset: Annotated[
        str | None,
        also(
            Help.DATASET,
            "`ilsvrc`, which lies in `<data-root>/ilsvrc`, or a folder with train/CLASS/IMAGE and val/CLASS/IMAGE.",
        ),
    ] = None,
    *,
    training: ImageTraining = ImageTraining(),
    data: Annotated[DataOptions, Parameter(name="*")] = DataOptions(),
    runs: Runs = ROOTS["image"],
    going: Going = Going(),
    printed: Printed = Printed(),
) -> None:
    """Train a network from image labels, with hiding.

    The defaults are the paper's AlexNet-GAP on ILSVRC with cells of mixed sizes. Boxes are never read in training. For
    several GPUs or nodes start it with torchrun (needs Lightning Fabric).

    For example:

        thas image train --dataset ilsvrc

        thas image train --dataset my_photos --preset images-128 --network resnet18 --hide-size 0 8 16

        thas image train --dataset my_photos --preset finetune-has --network timm:tf_efficientnet_lite0
            --set network.weights=efficientnet_lite0

        torchrun --nproc-per-node 8 -m thas image train --dataset ilsvrc --set train.precision=bf16
    """
    from ..image_has.datasets import NAMES
    from ..image_has.settings import ImageSettings

    settings, origins = chosen_settings(
        ImageSettings,
        training,
        data_preset=dataset if dataset in NAMES else None,
        options={"network.name": training.network, "hide.size": training.hide_size},
    )
    if training.print_config:
        print(settings.to_toml(origins), end="")
        return
    if dataset is None:
        raise UsageError("no data set is named", next="thas image train --dataset FOLDER, or --dataset ilsvrc")
    from ..core.resume import Begin
    from ..image_has.session import train_run
    from .training_bar import TrainingBar

    sized = any(key.startswith("input.") for key in origins)
    new = not (training.config or going.resume or going.run)
    if training.preset in (None, ["ilsvrc"]) and new and not sized and Path(dataset).name not in NAMES:
        note("these are ILSVRC's settings, large images and 55 epochs; for small images there is --preset images-128")

    begin = Begin(runs, going.run or going.resume)
    with TrainingBar(f"training on {dataset}", trackers=training.tracker or ()) as bar:
        result = train_run(dataset, settings=settings, origins=origins, options=data, begin=begin, on_event=bar)
    if not printed.as_json(result.to_json()):
        say(result.summary())
        note(f"next: thas image eval {result.run}")
    account_for(
        list(result.failed),
        "training image could not be read and was left out",
        "training images could not be read and were left out",
    )
