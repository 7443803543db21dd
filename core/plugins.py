"""Parts brought from outside: heads, image networks, losses, backbones and readers of data sets, called by name.

A name is one that thas brings along, one that a program registered, one that an installed package declares as an entry
point (`thas.heads`, `thas.networks`, `thas.losses`, `thas.backbones`, `thas.datasets`), or MODULE:ATTRIBUTE.
What of the latter may be imported says `plugin_imports`.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal, TypeVar, overload

from .errors import CheckpointError, ThasError, UsageError, suggestion
from .narrowing import is_table
from .plugin_imports import attribute_of, import_trusted, is_path, trusted

PartKind = Literal["heads", "networks", "losses", "backbones", "datasets"]

_ONE: dict[PartKind, str] = {
    "heads": "head",
    "networks": "network",
    "losses": "loss",
    "backbones": "backbone",
    "datasets": "reader of data sets",
}
_built_in: dict[PartKind, dict[str, str | None]] = {kind: {} for kind in _ONE}
_prefixes: dict[PartKind, tuple[str, ...]] = dict.fromkeys(_ONE, ())
_registered: dict[PartKind, dict[str, object]] = {kind: {} for kind in _ONE}

Part = TypeVar("Part")


@dataclass(frozen=True)
class Origin:
    """Where a part comes from, as a checkpoint remembers it.

    Attributes:
        kind: What sort of part.
        name: As it was called.
        module: MODULE:ATTRIBUTE, as far as that is known.
        package: The installed package that declares it, with its version; empty if none does.
    """

    kind: PartKind
    name: str
    module: str = ""
    package: str = ""

    def __str__(self) -> str:
        return f"package {self.package}" if self.package else self.module or "a program that registered it"


def bring(kind: PartKind, parts: Mapping[str, str | None], *, prefixes: tuple[str, ...] = ()) -> None:
    """Make parts that come with thas known: for each name its `module:attribute` below thas, imported when it is used.

    None stands for one that is registered as an object as well. Names that begin with one of `prefixes`, such as
    `timm:`, are of a library that thas knows how to ask; whoever brings them opens them.
    """
    _built_in[kind] |= parts
    _prefixes[kind] += prefixes


@overload
def register(kind: PartKind, name: str, part: Part) -> Part: ...
@overload
def register(kind: PartKind, name: str) -> Callable[[Part], Part]: ...
def register(kind: PartKind, name: str, part: object = None) -> object:
    """Make a part known by a name, in this process; a second one of that name replaces the first.

    Without `part` it is a decorator. What each kind must be, docs/plugins.md says.

    Raises:
        UsageError: There is no such kind, or thas has a part of that name itself.

    >>> @register("losses", "doctest")
    ... def loss(logits, target): ...
    >>> names("losses")[-1], load("losses", "doctest") is loss
    ('doctest', True)
    >>> del _registered["losses"]["doctest"]
    """
    if kind not in _registered:
        raise UsageError(
            f"there are no plug-ins {kind!r}", why=suggestion(kind, _registered), next="see docs/plugins.md"
        )
    if _built_in[kind].get(name) is not None:
        raise UsageError(f"{name} is a {_ONE[kind]} of thas itself", next="register yours by another name")

    def add(part: object) -> object:
        _registered[kind][name] = part
        return part

    return add if part is None else add(part)


@lru_cache(maxsize=1)
def _entry_points() -> dict[PartKind, dict[str, metadata.EntryPoint]]:
    return {kind: {one.name: one for one in metadata.entry_points(group=f"thas.{kind}")} for kind in _registered}


def registered(kind: PartKind) -> list[str]:
    """The names of those of a kind that were registered in this process."""
    return list(_registered[kind])


def names(kind: PartKind) -> list[str]:
    """The names of a kind: of thas itself, registered, of installed packages."""
    import_trusted()
    return list(dict.fromkeys([*_built_in[kind], *_registered[kind], *_entry_points()[kind]]))


def is_built_in(kind: PartKind, name: str) -> bool:
    """Whether a part comes with thas."""
    return name in _built_in[kind] or name.startswith(_prefixes[kind])


def check_name(kind: PartKind, name: str, *, what: str = "", subject: str | None = None) -> None:
    """Refuse a name that is neither known nor of the form MODULE:ATTRIBUTE; nothing is imported.

    Raises:
        UsageError: There is no such part.
    """
    if not (is_built_in(kind, name) or name in _registered[kind] or is_path(name)) and name not in names(kind):
        known = names(kind)
        also = [*(f"{prefix}NAME" for prefix in _prefixes[kind]), "MODULE:ATTRIBUTE of your own"]
        raise UsageError(
            f"{what}: there is no {_ONE[kind]} {name!r}" if what else f"there is no {_ONE[kind]} {name!r}",
            why=f"it must be one of {', '.join(known)}, or {', '.join(also)}; {suggestion(name, known)}",
            next=f"thas list {kind}; a plug-in must be installed, or imported by --plugin MODULE",
            subject=subject or name,
        )


def load(kind: PartKind, name: str) -> object:
    """The part of a name, imported if need be.

    Raises:
        UsageError: There is no such part, nobody named its module, or it cannot be imported.
    """
    check_name(kind, name)
    if name in _registered[kind]:
        return _registered[kind][name]
    path = _built_in[kind].get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        return getattr(import_module(f"..{module}", __package__), attribute)
    if not is_path(name):
        point = _entry_points()[kind][name]
        return attribute_of(point.value, name, package=_package(point))
    if name not in trusted():
        raise UsageError(
            f"the {_ONE[kind]} {name} does not come with thas",
            why="a file names it, and files do not get modules imported that nobody named here",
            next=f"if you trust it: the same command with --plugin {name}; from Python, thas.trust({name!r})",
            subject=name,
        )
    return attribute_of(name, name)


def _package(point: metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else ""


def origin(kind: PartKind, name: str) -> Origin:
    """Where a part comes from, without importing it."""
    if name in _registered[kind]:
        part = _registered[kind][name]
        module = getattr(part, "__module__", type(part).__module__)
        qualified = getattr(part, "__qualname__", "")
        return Origin(kind, name, f"{module}:{qualified}" if qualified else module)
    if is_path(name):
        return Origin(kind, name, name)
    point = _entry_points()[kind].get(name)
    return Origin(kind, name, point.value, _package(point)) if point is not None else Origin(kind, name)


def is_reader(dataset: str) -> bool:
    """Whether a data set is called by the name of a reader from outside, rather than by a preset's or as a folder."""
    return not os.path.isdir(dataset) and (is_path(dataset) or dataset in names("datasets"))


def read_by_plugin(dataset: str, data_root: str | Path) -> tuple[object, Path]:
    """What a reader from outside gives for its folder below `data_root`, and that folder.

    Raises:
        UsageError: There is no such reader, nobody named its module, or it raises.
    """
    folder = Path(data_root) / dataset.rpartition(":")[2]
    return built(load("datasets", dataset), {}, folder, what="reader of data sets", name=dataset), folder


def parameters(function: Callable[..., object]) -> set[str]:
    """The names of what a function, or a class, takes."""
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # as of some functions in C
        return set()


def built(part: object, options: Mapping[str, object], *arguments: object, what: str, name: str) -> object:
    """What a part makes of its arguments, and of those options that it has parameters for.

    Raises:
        UsageError: It cannot be called, or raises.
    """
    if not callable(part):
        raise not_a(what, name, "it cannot be called")
    wanted = parameters(part)
    try:
        return part(*arguments, **{key: value for key, value in options.items() if key in wanted})
    except ThasError:
        raise
    except Exception as error:
        called = ", ".join(map(repr, arguments)) or "no more"
        raise not_a(what, name, f"called with {called} it raises {type(error).__name__}: {error}") from error


def not_a(what: str, name: str, why: str) -> UsageError:
    """The error for a part that is not what it should be."""
    return UsageError(f"{name} is no {what}", why=why, next="docs/plugins.md shows one", subject=name)


def code_digest(kind: PartKind, name: str) -> str:
    """SHA-256 of the file that a part is written in, to notice that it was edited; empty where there is none.

    Raises:
        UsageError: As `load`.
    """
    part = load(kind, name)
    file = getattr(sys.modules.get(getattr(part, "__module__", type(part).__module__)), "__file__", None)
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    except OSError:
        return ""


def require(origins: object, *, path: str) -> None:
    """Refuse a file that needs parts which are not there, and say what to install or to name.

    Args:
        origins: By setting, the fields of the `Origin` that the file remembers.
        path: The file, for the message.

    Raises:
        CheckpointError: A part is missing; nothing is imported to find out.
    """
    absent: list[Origin] = []
    for one in filter(is_table, origins.values() if is_table(origins) else ()):
        kind: PartKind | None = next((kind for kind in _ONE if kind == one.get("kind")), None)
        name, module, package = (str(one.get(fact, "")) for fact in ("name", "module", "package"))
        if kind is not None and name not in {*names(kind), *filter(is_path, trusted())}:
            absent.append(Origin(kind, name, module, package))
    paths = list(dict.fromkeys(one.name for one in absent if is_path(one.name) and not one.package))
    for came in absent:
        kind, name = came.kind, came.name
        why = f"it is {'named by a file' if is_path(name) else 'of ' + str(came)}, and nobody named it here"
        typed, called = " ".join(f"--plugin {one}" for one in paths), ", ".join(map(repr, paths))
        it = "it" if len(paths) < 2 else "them"
        advice = f"if you trust {it}: the same command with {typed}; from Python, thas.trust({called})"
        if came.package:
            why, advice = f"it is of {came}, which is not installed", f"pip install '{came.package.replace(' ', '==')}'"
        elif not is_path(name):
            module = came.module.partition(":")[0]
            why = f"it was registered by {came.module or 'a program'}, which did not do so here"
            advice = f"--plugin {module}, if you trust it and it registers {name}; from Python, import {module} before"
            if module in ("", "__main__"):
                advice = f"register it before, as that program did: thas.register({kind!r}, {name!r}, ...)"
        raise CheckpointError(f"{path} needs the {_ONE[kind]} {name}", why=why, next=advice, subject=name)
