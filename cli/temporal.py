"""`thas train` and `thas list datasets`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from ..core.data_options import VideoOptions
from ..core.errors import PartialFailure, UsageError, listing, plural
from .console import note, print_json, say, warn
from .eval_output import say_told
from .options import PRESET, Going, Printed, Runs, TrainingSettings, also, options
from .typed_settings import chosen_settings


@options
class TemporalTraining(TrainingSettings):
    """What is learned from, and how."""

    preset: Annotated[
        list[str] | None,
        also(
            PRESET,
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
    dataset: str | None = None,
    training: TemporalTraining = TemporalTraining(),
    data: Annotated[VideoOptions, Parameter(name="*")] = VideoOptions(),
    runs: Runs = Runs(),
    going: Going = Going(),
    printed: Printed = Printed(),
) -> int:
    """Train a temporal network from video-level labels, with hiding, and localize the test videos.

    The default network is the attention head; the loss, the normalisation, the sizes in snippets and whether to hide
    follow from the training videos, each with its reason. Segments are never read in training.

    For example:

        thas train --dataset thumos14

        thas train --dataset my_videos --hide-probability 0.5 --seed 1

        thas train --dataset my_videos --set localize.threshold=0.3,0.5,0.7 hide.segments=10

    Parameters
    ----------
    dataset
        A data set's name (`thas list datasets`) or its folder.
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
        return 0
    if dataset is None:
        raise UsageError(
            "--dataset is missing", why="training needs videos", next="thas train --dataset NAME-OR-FOLDER"
        )
    from ..core.resume import Begin
    from ..temporal_has.session import Tested, train_run
    from .training_bar import TrainingBar

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
    found = result.found or Tested()
    say_told(found.told)
    if found.reliability is not None:
        note(found.reliability.line())
    if found.standing is not None:
        (note if found.standing.above else warn)(found.standing.line())
    if not printed.json:
        where = "" if runs == Runs() else f"{result.run} "
        scored = f"thas eval {where}--iou 0.1 0.3 0.5   (scores {result.run})"
        note("next: " + (scored if found.standing else f"thas report {where}  (there are no true segments to score)"))
    if lost := (*result.failed, *found.untested):
        raise PartialFailure(
            f"{plural(len(result.failed), 'training video')} and {plural(len(found.untested), 'test video')} "
            "without usable features: " + listing(one.subject for one in lost),
            why="the run was made without them",
            next=f"thas extract-features --dataset {dataset}",
        )
    return 0


def list_datasets(*, printed: Printed = Printed()) -> None:
    """The data sets that --dataset knows by name.

    For example:

        thas list datasets
    """
    from ..core.plugins import names, origin
    from ..core.presets import read_preset
    from ..datasets.data_preset import dataset_presets

    presets = {name: dict(read_preset(name).tables["data"]) for name in dataset_presets()}
    brought = {name: str(origin("datasets", name)) for name in names("datasets")}
    if printed.json:
        presets |= {name: {"from": whose} for name, whose in brought.items()}
        print_json(presets)
        return
    for name, data in presets.items():
        say(f"{name}: learns from {data['train_subset']}, scored on {data['test_subset']}")
        say(f"    {str(data['note']).format(folder='data/' + name)}")
    for name, whose in brought.items():
        say(f"{name}: {whose}")
    say("or a folder with videos/ and labels.csv (video,label,subset)")
