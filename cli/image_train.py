"""`thas image train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..core.data_options import DataOptions
from ..core.errors import UsageError
from ..core.runs import first_process
from .console import note, print_json, say
from .image_output import account_for
from .options import PRESET, Going, ImageRuns, Printed, TrainingSettings, also, options
from .typed_settings import chosen_settings


@options
class ImageTraining(TrainingSettings):
    """What is learned from, and how."""

    preset: Annotated[
        list[str] | None, also(PRESET, "ilsvrc (the defaults), googlenet, images-128, image-demo, finetune.")
    ] = None
    network: str | None = None
    """alexnet, googlenet, vgg16, resnet50, resnet18 or small; timm:NAME or torchvision:NAME; or one of your own
    (docs/plugins.md)."""
    hide_size: list[int] | None = None
    """Side of a cell in pixels; of several each image draws one, 0 hides nothing."""


def image_train(
    dataset: str | None = None,
    *,
    training: ImageTraining = ImageTraining(),
    data: Annotated[DataOptions, Parameter(name="*")] = DataOptions(),
    runs: ImageRuns = ImageRuns(),
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

    Parameters
    ----------
    dataset
        A data set's name (`thas list datasets`) or its folder. `ilsvrc`, which lies in `<data-root>/ilsvrc`, or a
        folder with train/CLASS/IMAGE and val/CLASS/IMAGE.
    """
    from ..image_has.datasets import NAMES
    from ..image_has.settings import ImageSettings

    settings, origins = chosen_settings(
        ImageSettings,
        training,
        data_preset=dataset if dataset in NAMES else None,
        options={
            "network.name": training.network,
            "hide.size": training.hide_size,
        },
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

    with TrainingBar(f"training on {dataset}", trackers=training.tracker or ()) as bar:
        result = train_run(
            dataset,
            settings=settings,
            origins=origins,
            options=data,
            begin=Begin(runs.runs, going.run or going.resume),
            on_event=bar,
        )
    if printed.json:
        print_json(result.to_json())
    else:
        say(result.summary())
        note(f"next: thas image eval {result.run}")
    account_for(
        list(result.failed) if first_process() else [],
        "training image could not be read and was left out",
        "training images could not be read and were left out",
    )
