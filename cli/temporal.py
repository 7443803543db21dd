"""`thas train` and `thas list datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..core.errors import PartialFailure, UsageError, listing, plural
from .console import note, out, print_json, warn
from .eval_output import say_told
from .typed_settings import chosen_settings

SET = Parameter(name="--set", consume_multiple=True)
SEVERAL = Parameter(consume_multiple=True)


def train(
    *,
    dataset: str | None = None,
    preset: Annotated[list[str] | None, SEVERAL] = None,
    config: Path | None = None,
    set_: Annotated[list[str] | None, SET] = None,
    head: str | None = None,
    loss: str | None = None,
    hide_probability: float | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    members: int | None = None,
    labels: Literal["known", "predicted"] | None = None,
    features: Path | None = None,
    train_subset: str | None = None,
    test_subset: str | None = None,
    data_root: Path = Path("data"),
    runs: Path = Path("runs"),
    device: str | None = None,
    resume: bool = False,
    run: Path | None = None,
    skip_missing: bool = False,
    print_config: bool = False,
    json: bool = False,
) -> int:
    """Train a temporal network from video-level labels, with hiding, and localize the test videos.

    The default network is the attention head, with nothing hidden; the loss, the normalisation and the sizes in
    snippets follow from the training videos, each with its reason. Segments are never read in training.

    For example:

        thas train --dataset thumos14

        thas train --dataset my_videos --hide-probability 0.5 --seed 1

        thas train --dataset my_videos --set localize.threshold=0.3,0.5,0.7 hide.segments=10

    Parameters
    ----------
    dataset
        A data set's name (`thas list datasets`) or its folder.
    preset
        Settings by name or file, the last on top: auto (the defaults), attention and has (as measured on gestures),
        has2017 (the paper, known labels), video-full (that without hiding); or a TOML file of your own.
    config
        A TOML file of settings, such as a run's settings.toml.
    set_
        Any setting, as section.name=value; several after one --set.
    head
        attention, has2017, or one of your own: a plug-in's name or MODULE:ATTRIBUTE (docs/plugins.md).
    loss
        softmax, sigmoid, or one of your own, likewise.
    hide_probability
        Probability of hiding a segment; 0 trains without hiding.
    epochs
        Passes over the training videos.
    seed
        Of weights, order and hiding.
    members
        So many networks, each from weights of its own, trained at once and averaged; one checkpoint.
    labels
        Whether a test video's true labels are given (known, as in the paper) or predicted.
    features
        The feature cache; `<data set>/features` by default.
    train_subset
        The subset to learn from.
    test_subset
        The subset to localize and score.
    data_root
        The folder that holds data sets called by name.
    runs
        The folder that holds runs.
    device
        cpu, cuda, cuda:1 or auto.
    resume
        Continue the newest run of this data set, or the one named with --run.
    run
        The run to resume.
    skip_missing
        Train without the videos that have no features; they are named, and the exit code is 3.
    print_config
        Print all settings and where each comes from, then stop.
    json
        Print one JSON object.
    """
    options = {
        "network.head": head,
        "train.loss": loss,
        "hide.probability": hide_probability,
        "train.epochs": epochs,
        "train.seed": seed,
        "network.members": members,
        "train.device": device,
        "localize.labels": labels,
    }
    from ..datasets.dataset import dataset_presets
    from ..temporal_has.settings import Settings

    settings, origins = chosen_settings(
        Settings,
        data_preset=dataset if dataset in dataset_presets() else None,
        presets=preset,
        config=config,
        pairs=set_,
        options=options,
    )
    if print_config:
        print(settings.to_toml(origins), end="")
        return 0
    if dataset is None:
        raise UsageError(
            "--dataset is missing", why="training needs videos", next="thas train --dataset NAME-OR-FOLDER"
        )
    from ..core.data_options import VideoOptions
    from ..core.resume import Begin
    from ..temporal_has.session import Tested, train_run
    from .training_bar import TrainingBar

    with TrainingBar(f"training on {dataset}") as bar:
        result = train_run(
            dataset,
            settings=settings,
            origins=origins,
            options=VideoOptions(
                train_subset=train_subset,
                test_subset=test_subset,
                data_root=data_root,
                features=features,
                skip_missing=skip_missing,
            ),
            begin=Begin(runs, run or resume),
            on_event=bar,
        )
    if json:
        print_json(result.to_json())
    else:
        out.print(result.summary(), markup=False)
    found = result.found or Tested()
    say_told(found.told)
    if found.reliability is not None:
        note(found.reliability.line())
    if found.standing is not None:
        (note if found.standing.above else warn)(found.standing.line())
    if not json:
        where = "" if runs == Path("runs") else f"{result.run} "
        note(f"next: thas eval {where}--iou 0.1 0.3 0.5   (scores {result.run})")
    if lost := (*result.failed, *found.untested):
        raise PartialFailure(
            f"{plural(len(result.failed), 'training video')} and {plural(len(found.untested), 'test video')} "
            "without usable features: " + listing(one.subject for one in lost),
            why="the run was made without them",
            next=f"thas extract-features --dataset {dataset}",
        )
    return 0


def list_datasets(*, json: bool = False) -> None:
    """The data sets that --dataset knows by name.

    For example:

        thas list datasets

    Parameters
    ----------
    json
        Print one JSON object.
    """
    from ..core.plugins import names, origin
    from ..core.presets import read_preset
    from ..datasets.dataset import dataset_presets

    presets = {name: dict(read_preset(name).tables["data"]) for name in dataset_presets()}
    brought = {name: str(origin("datasets", name)) for name in names("datasets")}
    if json:
        presets |= {name: {"from": whose} for name, whose in brought.items()}
        print_json(presets)
        return
    for name, data in presets.items():
        out.print(f"{name}: learns from {data['train_subset']}, scored on {data['test_subset']}", markup=False)
        out.print(f"    {data['note'].format(folder='data/' + name)}", markup=False)
    for name, whose in brought.items():
        out.print(f"{name}: {whose}", markup=False)
    out.print("or a folder with videos/ and labels.csv (video,label,subset)", markup=False)
