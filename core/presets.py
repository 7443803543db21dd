"""Presets and the order in which settings are layered: TOML files that hold only what differs from the defaults.

Precedence: defaults < preset of the data set < --preset < --config FILE.toml < options.

A preset is called by its name, or by the path of a file of one's own. Besides tables of settings it may have

    kind = "temporal"           or "image": the half whose settings it holds; a file without it goes with either
    extends = "has2017"         another preset, by name or by a path from this file's folder
    [sources]                   whose its values are: paper = ["hide.fill"], unverified = [...]; the rest is ours
    [data], [features], [backbone]    for the commands before training; a run's settings.toml has [data], too,
    [plugins]                   and where parts come from that do not come with thas
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from .errors import UsageError, listing, suggestion
from .files import is_file
from .narrowing import is_table, is_texts
from .plugin_imports import trust_typed
from .settings_table import Kind, SettingsTable, flatten, read_toml

PRESETS_FOLDER = Path(__file__).parents[1] / "presets"
_OTHER_TABLES = frozenset({"data", "features", "backbone", "plugins"})
_OTHER_KEYS = frozenset({"kind", "extends", "sources"})
_OF = {"temporal": "videos", "image": "images"}
_COMMANDS = {"temporal": "thas train, or thas sweep", "image": "thas image train, or thas image sweep"}

Table = TypeVar("Table", bound=SettingsTable)
Made = TypeVar("Made")


@dataclass(frozen=True)
class Preset:
    """What a preset, or any file of settings, says.

    Attributes:
        name: As it was called.
        kind: The half whose settings it holds; None where it does not say.
        tables: For other commands than train: `data` describes a data set, `features` and `backbone` are what
            extract-features and train-backbone take unless told otherwise.
        settings: What it sets, by dotted key.
        sources: Whose each value is, by dotted key: `paper`, `unverified` or `ours`. Of a file that does not come with
            thas only what the file says itself, for the rest is not ours.
    """

    name: str
    kind: Kind | None
    tables: Mapping[str, Mapping[str, object]]
    settings: Mapping[str, object]
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Layer:
    """Settings that go over others.

    Attributes:
        origin: Where they come from, for messages and for `--print-config`.
        values: By dotted key; may be text, as typed.
        sources: Whose they are, by dotted key, where that is known.
    """

    origin: str
    values: Mapping[str, object]
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    typed: bool = True
    """Whether somebody typed it or named its file as a preset, so that it may name plug-ins (`thas.core.plugins`)."""


def preset_names(kind: Kind | None = None) -> list[str]:
    """The presets that come with thas, of methods and of data sets; those of one half if named."""
    return [name for name in _own_names() if kind is None or _own(name).kind == kind]


@cache
def _own_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in PRESETS_FOLDER.glob("*.toml")))


@cache  # a command asks for all of them several times, and parsing TOML was a quarter of a short training
def _own(name: str) -> Preset:
    return _read(PRESETS_FOLDER / f"{name}.toml", name)


def preset_remark(name: str) -> str:
    """What the file of a preset that comes with thas says of it at its beginning.

    >>> preset_remark("video-full")
    "Video-full, the paper's baseline: has2017 with nothing hidden, and no other difference."
    """
    lines = (PRESETS_FOLDER / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    return " ".join(line[2:] for line in takewhile(lambda line: line.startswith("# "), lines))


def read_preset(name: str, *, kind: Kind | None = None, folder: Path | None = None) -> Preset:
    """A preset by its name or its file's path.

    Raises:
        UsageError: There is no such preset, it is of the other half, or not of a preset's form.
    """
    path = _file_of(name, folder or Path())
    if not (path.suffix == ".toml" or is_file(path)):
        known = preset_names(kind)
        half = f"{kind} " if kind == "image" else ""
        raise UsageError(
            f"there is no {half}preset {name!r}",
            why=suggestion(name, known),
            next=f"use one of {listing(known, 20)}; or a file of your own, MINE.toml",
            subject=name,
        )
    found = _own(name) if name in _own_names() else _read(path, name)
    _check_kind(found, kind)
    return found


def _file_of(name: str, folder: Path) -> Path:
    """Of a preset that comes with thas, or of one's own: its path from a folder."""
    return PRESETS_FOLDER / f"{name}.toml" if name in _own_names() else folder / name


def _check_kind(found: Preset, kind: Kind | None) -> None:
    if kind is None or found.kind in (None, kind):
        return
    assert found.kind is not None
    close = suggestion(found.name, preset_names(kind))
    raise UsageError(
        f"{found.name} holds settings for {_OF[found.kind]}",
        why=f"those for {_OF[kind]} are wanted here; {close}",
        next=_COMMANDS[found.kind],
        subject=found.name,
    )


def _read(path: Path, name: str, above: tuple[Path, ...] = ()) -> Preset:
    """A preset's file; `above` are the files that extend it."""
    content = read_toml(path)
    kind, base_name, sources = content.get("kind"), content.get("extends"), content.get("sources", {})
    half: Kind | None = "temporal" if kind == "temporal" else "image" if kind == "image" else None
    if kind is not None and half is None:
        raise _refusal(path, f'kind must be "temporal" or "image", not {kind!r}')
    whose: dict[str, str] = {}
    for source, keys in sources.items() if is_table(sources) else [("", None)]:
        if not is_texts(keys):
            raise _refusal(path, "[sources] must list settings", 'such as paper = ["hide.probability"]')
        whose |= dict.fromkeys(keys, source)
    base = None
    if base_name is not None:
        base = _extended(base_name, path, above)
        if half is None:
            half = base.kind
        elif base.kind not in (None, half):
            raise _refusal(path, f"it is for {_OF[half]} and cannot extend one for {_OF[str(base.kind)]}")
    tables: dict[str, Mapping[str, object]] = {}
    for key in (key for key in content if key in _OTHER_TABLES):
        if not is_table(table := content[key]):
            raise _refusal(path, f"{key} must be a table")
        tables[key] = table
    settings = flatten(settings_of(content))
    ours = path.parent == PRESETS_FOLDER
    said = {key: whose.get(key, "ours") for key in settings if ours or key in whose}
    if base is not None:
        tables = {key: {**base.tables.get(key, {}), **tables.get(key, {})} for key in {**base.tables, **tables}}
        said = {key: source for key, source in base.sources.items() if key not in settings} | said
        settings = {**base.settings, **settings}
    return Preset(name, half, tables, settings, said)


def _refusal(path: Path, what: str, why: str = "") -> UsageError:
    return UsageError(f"{path}: {what}", why=why, next="docs/training.md shows a preset's form", subject=str(path))


def _extended(name: object, path: Path, above: tuple[Path, ...]) -> Preset:
    """The preset that the one in `path` extends."""
    if not isinstance(name, str):
        raise _refusal(path, f"extends must be the name of a preset or its file, not {name!r}")
    file = _file_of(name, path.parent)
    if not is_file(file):
        raise _refusal(path, f"it extends {name!r}, which is no preset", suggestion(name, preset_names()))
    above = (*above, path.resolve())
    if file.resolve() in above:
        raise _refusal(path, "it extends itself", " -> ".join(one.name for one in (*above, file)))
    return _read(file, name, above)


def settings_of(tables: Mapping[str, object]) -> dict[str, object]:
    """The tables of settings of a TOML file, without what it says to others.

    >>> settings_of({"kind": "image", "data": {"dataset": "x"}, "hide": {"probability": 0}})
    {'hide': {'probability': 0}}
    """
    return {key: value for key, value in tables.items() if key not in _OTHER_TABLES | _OTHER_KEYS}


def preset_table(name: str, table: str) -> dict[str, object]:
    """A preset's table for another command than train, `features` or `backbone`; empty where it has none.

    >>> preset_table("has2017", "features")
    {}
    """
    return dict(read_preset(name).tables.get(table, {})) if name in preset_names() else {}


def made_of_preset(make: Callable[..., Made], name: str, table: str) -> Made:
    """What `make` gives for a preset's table, whose keys are its parameters."""
    return make(**preset_table(name, table))


def preset_layer(name: str, kind: Kind, *, folder: Path | None = None) -> Layer:
    """A preset as a layer of settings.

    Raises:
        UsageError: As `read_preset`.
    """
    found = read_preset(name, kind=kind, folder=folder)
    return Layer(f"preset {name}", found.settings, found.sources)


def config_layer(path: Path, kind: Kind) -> Layer:
    """A file of settings as a layer: a preset's, a run's settings.toml, or what `--print-config` printed.

    Raises:
        UsageError: It is missing, no TOML, or of the other half.
    """
    found = _read(path, str(path))
    _check_kind(found, kind)
    return Layer(str(path), found.settings, found.sources, typed=False)


def layered(table: type[Table], layers: Iterable[Layer]) -> tuple[Table, dict[str, str]]:
    """Defaults with layers over them, the last on top, and for each changed key where its value came from.

    Raises:
        UsageError: A layer sets what there is not, or to what it cannot be.
    """
    settings, origins = table(), dict[str, str]()
    named = {key for key, description in table.descriptions().items() if description.part is not None}
    for layer in layers:
        if layer.typed:
            trust_typed(value for key, value in layer.values.items() if key in named)
        settings = settings.updated(layer.values, origin=layer.origin)
        for key in layer.values:
            source = layer.sources.get(key)
            origins[key] = f"{layer.origin}, {source}" if source else layer.origin
    return settings, origins


def resolve_settings(
    table: type[Table],
    *,
    data_preset: str | None = None,
    experiment: Iterable[Layer] = (),
    presets: Iterable[str] = (),
    config: Path | None = None,
    options: Mapping[str, object] | None = None,
) -> tuple[Table, dict[str, str]]:
    """Settings by precedence, and for each changed key where its value came from; of a preset's, also whose it is.

    Raises:
        UsageError: There is no such preset or file, it is of the other half, or a setting or value makes no sense.
    """
    kind = table.kind
    layers = [*([preset_layer(data_preset, kind)] if data_preset else []), *experiment]
    layers += [preset_layer(name, kind) for name in presets]
    layers += [config_layer(config, kind)] if config is not None else []
    return layered(table, [*layers, Layer("option", options or {})])
