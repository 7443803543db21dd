"""What a sweep compares: arms, a grid of settings, and the files in experiments/ that describe them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import cast

from ..core.errors import UsageError, listing, suggestion
from ..core.files import is_file
from ..core.narrowing import as_list, is_table, is_texts
from ..core.presets import Layer, preset_layer, read_preset
from ..core.settings_table import Kind, flatten, read_toml

EXPERIMENTS_FOLDER = Path(__file__).parents[1] / "experiments"
_KEYS = ("title", "source", "half", "preset", "seeds", "reference", "settings", "grid", "arms")
_ARM_KEYS = ("ensemble", "map_members")
_NOT_SETTINGS = (*_ARM_KEYS, "preset")
_VALUES = re.compile(r"\s*\[[^\[\]]*\]\s*|[^,\[\]]+")  # a list in brackets, or what stands between commas


@dataclass(frozen=True)
class Arm:
    """One of the things compared.

    Attributes:
        label: Its name in the table.
        values: The settings that make it, by dotted key.
        ensemble: Other arms whose networks are averaged, each seed with its like; nothing is trained then.
        map_members: Which of these give maps, the rest probabilities alone; all if empty.
    """

    label: str
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    ensemble: tuple[str, ...] = ()
    map_members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """A comparison, before it is known on which data.

    Attributes:
        name: For the folder of its results.
        arms: Those named; one without a name where only the grid makes arms.
        grid: Values by dotted key; every arm is run with every combination.
        settings: What all arms have, by dotted key.
        presets: Settings by name or file, below `settings`.
        half: Whose settings they are.
        seeds: Runs of each arm.
        reference: The arm the others are compared with; the first if empty.
        title: In a few words.
        source: The paper and its table.
        folder: Where the paths of its presets begin.
    """

    name: str
    arms: tuple[Arm, ...] = (Arm(""),)
    grid: Mapping[str, tuple[object, ...]] = field(default_factory=dict[str, tuple[object, ...]])
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    presets: tuple[str, ...] = ()
    half: Kind = "temporal"
    seeds: int = 3
    reference: str = ""
    title: str = ""
    source: str = ""
    folder: Path = Path()

    def with_options(self, options: Mapping[str, Sequence[object]]) -> Experiment:
        """With what was typed after --set: a key of several values joins the grid, one of a single value is fixed.

        Raises:
            UsageError: An arm is made by the same setting.
        """
        for key in options:
            arm = next((arm for arm in self.arms if key in arm.values), None)
            if arm is not None:
                raise UsageError(
                    f"{key} is what the arms of {self.name} differ in",
                    why=f"{arm.label} has it at {shown(arm.values[key])}",
                    next=f"sweep it without the experiment: thas sweep --set {key}=...",
                    subject=key,
                )
        several = {key: tuple(values) for key, values in options.items() if len(values) > 1}
        single = {key: values[0] for key, values in options.items() if len(values) == 1}
        grid = {key: values for key, values in self.grid.items() if key not in single} | several
        fixed = {key: value for key, value in self.settings.items() if key not in several} | single
        return replace(self, grid=grid, settings=fixed)

    def all_arms(self) -> tuple[Arm, ...]:
        """The arms at every point of the grid.

        >>> [arm.label for arm in Experiment("x", grid={"hide.probability": (0, 0.5)}).all_arms()]
        ['hide.probability=0', 'hide.probability=0.5']
        """
        points = [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]

        def name(label: str, point: Mapping[str, object]) -> str:
            return ", ".join(filter(None, (label, *(f"{key}={shown(value)}" for key, value in point.items()))))

        return tuple(
            Arm(
                name(arm.label, point),
                {**arm.values, **point},
                tuple(name(member, point) for member in arm.ensemble),
                tuple(name(member, point) for member in arm.map_members),
            )
            for arm in self.arms
            for point in points
        )

    def layers(self) -> list[Layer]:
        """What all arms have, over the data set's preset."""
        presets = [preset_layer(name, self.half, folder=self.folder) for name in self.presets]
        return [*presets, Layer(f"experiment {self.name}", self.settings)]

    @property
    def swept(self) -> str:
        """The one setting that is swept where there is just one and no named arm; else empty."""
        return next(iter(self.grid)) if len(self.grid) == 1 and self.arms == (Arm(""),) else ""


def shown(value: object) -> str:
    """A value as it can be typed after --set.

    >>> shown([5, 10]), shown(0.5), shown("max")
    ('[5,10]', '0.5', 'max')
    """
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(shown, cast("list[object]", value))) + "]"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def split_values(text: str) -> list[str | list[str]]:
    """The values of a setting, divided by commas; a value that is itself a list stands in brackets.

    Raises:
        UsageError: A value is empty, or brackets do not match.

    >>> split_values("0,0.25,0.5")
    ['0', '0.25', '0.5']
    >>> split_values("[5,10],[0,5,10],5")
    [['5', '10'], ['0', '5', '10'], '5']
    """
    parts = [part.strip() for part in _VALUES.findall(text)]
    # What the expression passes over is in no part: joined again, these must be the text, but for blanks.
    if not all(parts) or "".join(",".join(parts).split()) != "".join(text.split()) or not parts:
        raise UsageError(
            f"{text!r} is not a list of values",
            why="values are divided by commas; one that is itself a list stands in brackets",
            next="for example hide.probability=0,0.25,0.5 or 'hide.size=[5,10],[0,5,10],5'",
            subject=text,
        )
    lists = ([one.strip() for one in part[1:-1].split(",") if one.strip()] for part in parts)
    return [several if part.startswith("[") else part for part, several in zip(parts, lists, strict=True)]


def parse_options(pairs: Sequence[str]) -> dict[str, list[str | list[str]]]:
    """["hide.probability=0,0.5"] -> {"hide.probability": ["0", "0.5"]}."""
    found: dict[str, list[str | list[str]]] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair} has no value", next=f"--set {pair}=VALUE,VALUE,...")
        found[key.strip()] = split_values(text)
    return found


def experiment_names() -> list[str]:
    """The experiments that come with thas."""
    return sorted(path.stem for path in EXPERIMENTS_FOLDER.glob("*.toml"))


def find_experiment(name: str) -> Path:
    """The file of an experiment: one that is there, or one that comes with thas.

    Raises:
        UsageError: It is neither.
    """
    if is_file(Path(name)):
        return Path(name)
    if name in experiment_names():
        return EXPERIMENTS_FOLDER / f"{name}.toml"
    raise UsageError(
        f"there is no experiment {name!r}",
        why=f"it is no file, and of those that come with thas: {suggestion(Path(name).stem, experiment_names())}",
        next="thas list experiments",
        subject=name,
    )


def read_experiment(path: Path) -> Experiment:
    """An experiment's file.

    Raises:
        UsageError: It is not TOML, or not of an experiment's form.
    """
    tables = read_toml(path)

    def refuse(what: str, why: str = "") -> UsageError:
        return UsageError(f"{path}: {what}", why=why, next="docs/experiments.md shows the form", subject=str(path))

    for key in tables:
        if key not in _KEYS:
            raise refuse(f"an experiment has no {key!r}", suggestion(key, _KEYS))
    below: dict[str, Mapping[str, object]] = {}
    for key in ("settings", "grid", "arms"):
        if not is_table(table := tables.get(key, {})):
            raise refuse(f"{key} must be a table")
        below[key] = table
    named, seeds = tables.get("half", "temporal"), tables.get("seeds", 3)
    if named not in ("temporal", "image"):
        raise refuse(f"half must be temporal or image, not {named!r}")
    half: Kind = "image" if named == "image" else "temporal"
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise refuse(f"seeds must be a whole number from 1, not {seeds!r}")
    arms = tuple(_arm(label, table, half, path.parent, refuse) for label, table in below["arms"].items())
    labels = [arm.label for arm in arms]
    for arm in arms:
        for member in (*arm.ensemble, *arm.map_members):
            other = next((one for one in arms if one.label == member), None)
            if other is None or other.ensemble:
                raise refuse(
                    f"arm {arm.label!r} is made of {member!r}, which is no arm with networks of its own",
                    f"the arms are {listing(labels, 20)}",
                )
    grid: dict[str, tuple[object, ...]] = {}
    for key, values in flatten(below["grid"]).items():
        if not isinstance(values, list) or not values:
            raise refuse(f"grid.{key} must be a list of values, not {values!r}")
        grid[key] = tuple(as_list(cast("object", values)))
    if not arms and not grid:
        raise refuse("it compares nothing", "it has neither arms nor a grid")
    presets = _names(tables.get("preset", []))
    if presets is None:
        raise refuse(f"preset must be a name or a list of names, not {tables['preset']!r}")
    return Experiment(
        name=path.stem,
        arms=arms or (Arm(""),),
        grid=grid,
        settings=flatten(below["settings"]),
        presets=tuple(presets),
        folder=path.parent,
        half=half,
        seeds=seeds,
        reference=str(tables.get("reference", "")),
        title=str(tables.get("title", "")),
        source=str(tables.get("source", "")),
    )


def _names(value: object) -> list[str] | None:
    """One name, or several; None where it is something else."""
    return [value] if isinstance(value, str) else value if is_texts(value) else None


def _arm(label: str, table: object, half: Kind, folder: Path, refuse: Callable[..., UsageError]) -> Arm:
    if not is_table(table):
        raise refuse(f"arm {label!r} must be a table of settings, not {table!r}")
    values = flatten({key: value for key, value in table.items() if key not in _NOT_SETTINGS})
    if "preset" in table:
        presets = _names(table["preset"])
        if presets is None:
            raise refuse(f"preset of arm {label!r} must be a name or a list of names, not {table['preset']!r}")
        for name in reversed(presets):
            values = {**read_preset(name, kind=half, folder=folder).settings, **values}
    members: dict[str, list[str]] = {}
    for key in _ARM_KEYS:
        if not is_texts(names := table.get(key, [])):
            raise refuse(f"{key} of arm {label!r} must be a list of arms' names, not {names!r}")
        members[key] = names
    if set(members["map_members"]) - set(members["ensemble"]):
        raise refuse(f"map_members of arm {label!r} must be among its ensemble")
    return Arm(label, values, tuple(members["ensemble"]), tuple(members["map_members"]))
