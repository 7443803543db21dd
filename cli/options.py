"""Options that several commands share: each is spelt, typed and described here once, and commands put them together.

A class of `options` is a group of them. What stands below a field is its help; what it means in a single command beyond
that is said there.
"""

# No annotations of the future here: those of fields must be types where another module's class inherits them.
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, dataclass_transform

from cyclopts import Parameter

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..core.presets import Table
    from ..core.settings_table import SettingsTable
    from ..core.table_text import Form

Group = TypeVar("Group")


class Help:
    """The first sentences of options that mean more in some commands."""

    DATASET = "A data set's name (`thas list datasets`) or its folder."
    DEVICE = "cpu, cuda, cuda:1 or auto."
    FRAME_STEP = "Frames of the video from one of these to the next."
    EPOCHS = "Passes over what is learned from."
    NEWEST = "The run's folder; the newest by default."
    OUT = "Where the result is written."
    PRESET = "Settings by name (`thas list presets`) or file, the last on top."
    SEED = "Of all random draws."
    SET = "Any setting, as section.name=value; several after one --set."
    TRACKER = (
        "MODULE:ATTRIBUTE of functions of your own that are told each event, for Weights & Biases, MLflow and the like."
    )
    SUBSET = "The subset of the data set."
    WEIGHTS = "A network's weights: a file, or a name of `thas weights list`."


@dataclass_transform(kw_only_default=True, frozen_default=True)
def options(group: type[Group]) -> type[Group]:
    """Make a class a group of options, each of which is typed as any other."""
    return Parameter(name="*")(dataclass(frozen=True, kw_only=True)(group))


def also(first: str, more: str, *, name: str | None = None) -> Parameter:
    """Help that begins as it does in other commands, and goes on with what is so in this one alone."""
    help = f"{first} {more}"
    return Parameter(help=help) if name is None else Parameter(name=name, help=help)


Dataset = Annotated[str | None, Parameter(help=Help.DATASET)]
Set = Annotated[list[str] | None, Parameter(name="--set", help=Help.SET)]
Run = Annotated[Path | None, Parameter(help=Help.NEWEST)]
Source = Annotated[
    Path | None, Parameter(help="A run's folder, or a file of detections or annotations; the newest run by default.")
]
All = Annotated[
    bool,
    Parameter(name="--all", help="All candidates, overlapping or not, instead of the few that are sure and apart."),
]
Weights = Annotated[str | None, also(Help.WEIGHTS, "The backbone's, if they no longer lie where the run found them.")]
Checkpoint = Annotated[
    Literal["best", "last"],
    Parameter(help="The best epoch's network, if the run held out videos to choose it by, or the last one's."),
]
Device = Annotated[str, Parameter(help=Help.DEVICE)]
DataRoot = Annotated[Path, Parameter(help="The folder that holds data sets called by name.")]
Runs = Annotated[Path, Parameter(help="The folder that holds runs.")]
Tracker = Annotated[list[str] | None, Parameter(help=Help.TRACKER)]


@options
class Printed:
    """How a result is printed."""

    json: bool = False
    """Print one JSON object."""

    def as_json(self, value: object) -> bool:
        """Print the result as one object if that was asked for; whether it was."""
        if self.json:
            from .console import print_json

            print_json(value)
        return self.json


@options
class Tables(Printed):
    """How tables are printed."""

    markdown: bool = False
    """Print the tables alone, as Markdown."""
    latex: bool = False
    """Print the tables alone, as LaTeX (booktabs)."""

    def form(self) -> "Form | None":
        """The form of tables alone that was asked for.

        Raises:
            UsageError: More than one form is asked for.
        """
        if self.markdown + self.latex + self.json > 1:
            raise UsageError("--markdown, --latex and --json exclude each other", next="give one of them")
        return "markdown" if self.markdown else "latex" if self.latex else None


@options
class Going:
    """Which run is gone on with."""

    resume: bool = False
    """Continue the interrupted run of this data set, or the one named with --run."""
    run: Path | None = None
    """The run to resume."""


@options
class TrainingSettings:
    """How the trainings of both halves are told what they are to do."""

    preset: Annotated[list[str] | None, Parameter(help=Help.PRESET)] = None
    config: Path | None = None
    """A TOML file of settings, such as a run's settings.toml."""
    set_: Set = None
    hide_probability: float | None = None
    """Probability of hiding a segment, of images a cell; 0 hides nothing. Left out, rules decide for videos."""
    epochs: Annotated[int | None, Parameter(help=Help.EPOCHS)] = None
    seed: Annotated[int | None, Parameter(help=Help.SEED)] = None
    device: Annotated[str | None, Parameter(help=Help.DEVICE)] = None
    tracker: Tracker = None
    print_config: bool = False
    """Print all settings and where each comes from, then stop."""


@options
class Members:
    """Which networks localize."""

    run: list[Path] | None = None
    """Runs' folders, of images also files of weights; the newest run by default, several are averaged."""
    map_members: list[int] | None = None
    """Which of several give the maps or sequences, counted from 0, the others probabilities alone; all by default."""


@options
class Streaming:
    """A video that is still arriving."""

    stream: str | None = None
    """A file that grows (.ts, .mkv, fragmented .mp4), a camera (/dev/video0) or an address (rtsp://...): each interval
    is printed as a line of JSON as soon as it is sure, with how long that took."""
    stream_patience: float = 10.0
    """A stream that gives nothing for so many seconds has ended."""
    stream_again: float = 0.0
    """An address or camera that ended is opened again for so many seconds."""
    stream_horizon: float = 300.0
    """Levels and labels follow from so many of the last seconds of a stream."""
    stream_fps: float | None = None
    """Frames a second, of a stream that does not say so."""


@options
class Library:
    """A library's network instead of a run."""

    network: str | None = None
    """A network of ImageNet's classes instead of a run: timm:NAME or torchvision:NAME; nothing needs training."""
    weights: Annotated[str | None, also(Help.WEIGHTS, "A name says the network, too.")] = None
    classes: list[str] | None = None
    """Only these of its classes, by name or number; all thousand by default."""


@options
class Boxing:
    """How boxes are made of maps."""

    threshold: float | None = None
    """Fraction of a map's maximum."""
    ten_crop: bool = False
    """Average maps and probabilities over ten crops."""


def parse_set(pairs: list[str] | None) -> dict[str, str]:
    """What `--set` says, by dotted key.

    >>> parse_set(["hide.probability=0"])
    {'hide.probability': '0'}

    Raises:
        UsageError: A setting has no value.
    """
    values: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair} has no value", next=f"--set {pair}=VALUE")
        values[key.strip()] = value.strip()
    return values


def parse_localizing(
    pairs: list[str] | None, settings: "SettingsTable", *, allowed: tuple[str, ...] = ("localize.",)
) -> dict[str, str]:
    """What `--set` changes after training; what is no setting, or no longer heeded then, is refused."""
    changes = parse_set(pairs)
    settings.localizing(changes)
    other = [key for key in changes if not key.startswith(allowed)]
    if other:
        raise UsageError(
            f"{other[0]} has no effect on localization", why="the network is trained", next="--set localize.NAME=VALUE"
        )
    return changes


def chosen_settings(
    table: "type[Table]", training: TrainingSettings, *, data_preset: str | None, options: Mapping[str, object]
) -> "tuple[Table, dict[str, str]]":
    """The settings that were asked for, and where each came from."""
    from ..core.presets import resolve_settings

    options = {
        **options,
        "hide.probability": training.hide_probability,
        "train.epochs": training.epochs,
        "train.seed": training.seed,
        "train.device": training.device,
    }
    given = {key: value for key, value in options.items() if value is not None}
    return resolve_settings(
        table,
        data_preset=data_preset,
        presets=training.preset or [],
        config=training.config,
        options=parse_set(training.set_) | given,
    )
