"""`thas image train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..core.errors import UsageError
from ..core.runs import ROOTS, first_process
from .console import note, out, print_json
from .image_output import account_for
from .temporal import SET, SEVERAL
from .typed_settings import chosen_settings


def image_train(
    dataset: str | None = None,
    *,
    preset: Annotated[list[str] | None, SEVERAL] = None,
    config: Path | None = None,
    set_: Annotated[list[str] | None, SET] = None,
    network: str | None = None,
    hide_probability: float | None = None,
    hide_size: Annotated[list[int] | None, SEVERAL] = None,
    epochs: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    train_subset: str = "train",
    test_subset: str | None = None,
    data_root: Path = Path("data"),
    runs: Path = ROOTS["image"],
    resume: bool = False,
    run: Path | None = None,
    print_config: bool = False,
    json: bool = False,
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
        `ilsvrc`, which lies in `<data-root>/ilsvrc`, or a folder with train/CLASS/IMAGE and val/CLASS/IMAGE.
    preset
        Settings by name or file, the last on top: ilsvrc (the defaults), googlenet, images-128, image-demo; or a TOML
        file of your own.
    config
        A TOML file of settings, such as a run's settings.toml.
    set_
        Any setting, as section.name=value; several after one --set.
    network
        alexnet, googlenet, vgg16, resnet50, resnet18 or small; timm:NAME or torchvision:NAME; or one of your own
        (docs/plugins.md).
    hide_probability
        Probability of hiding a cell; 0 trains without hiding.
    hide_size
        Side of a cell in pixels; of several each image draws one, 0 hides nothing.
    epochs
        Passes over the training images.
    seed
        Of weights, order, crops and hiding.
    device
        cpu, cuda, cuda:1 or auto.
    train_subset
        The subset to learn from.
    test_subset
        The subset that `thas image eval` scores.
    data_root
        The folder that holds data sets called by name.
    runs
        The folder that holds runs.
    resume
        Continue the newest run of this data set, or the one named with --run.
    run
        The run to resume.
    print_config
        Print all settings and where each comes from, then stop.
    json
        Print one JSON object.
    """
    from ..image_has.datasets import NAMES
    from ..image_has.settings import ImageSettings

    options: dict[str, object] = {
        "network.name": network,
        "hide.probability": hide_probability,
        "hide.size": hide_size,
        "train.epochs": epochs,
        "train.seed": seed,
        "train.device": device,
    }
    settings, origins = chosen_settings(
        ImageSettings,
        data_preset=dataset if dataset in NAMES else None,
        presets=preset,
        config=config,
        pairs=set_,
        options=options,
    )
    if print_config:
        print(settings.to_toml(origins), end="")
        return
    if dataset is None:
        raise UsageError("no data set is named", next="thas image train --dataset FOLDER, or --dataset ilsvrc")
    from ..core.data_options import DataOptions
    from ..core.resume import Begin
    from ..image_has.session import train_run
    from .training_bar import TrainingBar

    sized = any(key.startswith("input.") for key in origins)
    if preset in (None, ["ilsvrc"]) and not (sized or config or resume or run) and Path(dataset).name not in NAMES:
        note("these are ILSVRC's settings, large images and 55 epochs; for small images there is --preset images-128")

    with TrainingBar(f"training on {dataset}") as bar:
        result = train_run(
            dataset,
            settings=settings,
            origins=origins,
            options=DataOptions(train_subset=train_subset, test_subset=test_subset, data_root=data_root),
            begin=Begin(runs, run or resume),
            on_event=bar,
        )
    if json:
        print_json(result.to_json())
    else:
        out.print(result.summary(), markup=False)
        note(f"next: thas image eval {result.run}")
    account_for(
        list(result.failed) if first_process() else [],
        "training image could not be read and was left out",
        "training images could not be read and were left out",
    )
