"""Tables of settings: frozen dataclasses whose fields say what they mean, where they come from and what they allow."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import (
    ClassVar,
    Literal,
    Self,
    SupportsFloat,
    SupportsInt,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from .errors import UsageError, suggestion
from .narrowing import is_table
from .plugins import PartKind, check_name, code_digest, is_built_in
from .plugins import origin as origin_of_part
from .reading import refuse_pipe, said

Kind = Literal["temporal", "image", "backbone"]
"""Of which half they are, or of a backbone."""

COMMANDS: Mapping[Kind, str] = {
    "temporal": "thas train",
    "image": "thas image train",
    "backbone": "thas train-backbone",
}
"""What trains by settings of a kind, and prints them all."""

AUTO = "auto"
"""What a setting says that rules are to decide."""

Value = TypeVar("Value")


def setting(
    default: Value,
    doc: str,
    source: str = "ours",
    *,
    low: float | None = None,
    high: float | None = None,
    part: PartKind | None = None,
    auto: bool = False,
) -> Value:
    """A field of a section.

    Args:
        default: Its default.
        doc: What it means, in a few words.
        source: Whose default that is: `paper`, `unverified` (said of the paper, not stated in it) or `ours`.
        low: The least allowed.
        high: The most allowed.
        part: The sort of part that it names, which may be a plug-in.
        auto: Whether it may be `auto` instead, for rules to decide.
    """
    bounds = {"low": low, "high": high}
    return field(default=default, metadata={"doc": doc, "source": source, **bounds, "part": part, "auto": auto})


@dataclass(frozen=True)
class Description:
    """What is known of a setting: its type, meaning, source, bounds, the part it names, whether rules may decide."""

    kind: object
    doc: str
    source: str
    low: float | None
    high: float | None
    part: PartKind | None
    auto: bool


@dataclass(frozen=True)
class SettingsTable:
    """Sections of settings, each a frozen dataclass made of `setting` fields; to be subclassed.

    A setting is called by its dotted key, such as `hide.probability`.
    """

    kind: ClassVar[Kind] = "temporal"
    """Of which half they are."""
    earlier: ClassVar[Mapping[str, object]] = {}
    """Of settings that came later than the first runs, what those runs did, if it is not what is usual now."""

    @classmethod
    def kept(cls, values: Mapping[str, object], *, origin: str = "settings") -> Self:
        """The settings that a run or a checkpoint keeps by dotted key: what it does not say was as in earlier runs.

        Raises:
            UsageError: As `updated`.
        """
        return cls().updated({**cls.earlier, **values}, origin=origin)

    @classmethod
    def descriptions(cls) -> Mapping[str, Description]:
        """Every setting by dotted key, in the order of the sections."""
        return _described(cls)

    def updated(self, values: Mapping[str, object], *, origin: str = "settings") -> Self:
        """A copy with dotted keys replaced; values are checked and may be text, as typed.

        Raises:
            UsageError: A key is unknown (the nearest is named), a value is of the wrong kind or out of bounds, or the
                values contradict each other.
        """
        known = self.descriptions()
        changes: dict[str, dict[str, object]] = {}
        for key, value in values.items():
            if key not in known:
                raise UsageError(
                    f"{origin}: there is no setting {key!r}",
                    why=suggestion(key, known),
                    next=f"{COMMANDS[self.kind]} --print-config lists every setting",
                    subject=key,
                )
            section, name = key.split(".")
            changes.setdefault(section, {})[name] = _parsed(key, value, known[key], origin)
        new = replace(
            self, **{section: replace(getattr(self, section), **values) for section, values in changes.items()}
        )
        new.check(origin)
        return new

    def localizing(self, values: Mapping[str, object]) -> Self:
        """The same after training, localizing by settings that differ.

        Raises:
            UsageError: As for `updated`.
        """
        return self.updated(values, origin="option")

    def problems(self) -> Mapping[str, object]:
        """What settings demand of each other, each beginning with a key, and a true value where it is not met."""
        return {}

    def check(self, origin: str) -> None:
        """Raise a UsageError where values contradict each other."""
        for problem, there in self.problems().items():
            if there:
                key = problem.split()[0]
                raise UsageError(f"{origin}: {problem}", next=f"--set {key}=VALUE", subject=key)

    def flat(self) -> dict[str, object]:
        """{"hide.probability": 0.5, ...}, in the order of the sections."""
        return {key: getattr(getattr(self, key.split(".")[0]), key.split(".")[1]) for key in self.descriptions()}

    def origins_of_parts(self) -> dict[str, dict[str, str]]:
        """Of each setting that names a plug-in, where that comes from; what comes with thas is left out."""
        found: dict[str, dict[str, str]] = {}
        for key, part, name in self._plug_ins():
            found[key] = {fact: text for fact, text in vars(origin_of_part(part, name)).items() if text}
        return found

    def code_of_parts(self) -> dict[str, str]:
        """Of each setting that names a plug-in, the SHA-256 of its code."""
        return {key: code_digest(part, name) for key, part, name in self._plug_ins()}

    def _plug_ins(self) -> Iterator[tuple[str, PartKind, str]]:
        """Of each setting that names a plug-in its key, the sort of part and the name."""
        values = self.flat()
        for key, known in self.descriptions().items():
            name = str(values[key])
            if known.part is not None and not is_built_in(known.part, name) and not (known.auto and name == AUTO):
                yield key, known.part, name

    def to_toml(self, origins: Mapping[str, str] | None = None) -> str:
        """TOML that can be fed back, each line with what it means and where its value came from."""
        known, usual, section = self.descriptions(), type(self)().flat(), ""
        lines = [f"# {line}" for line in _LEGEND]
        for key, value in self.flat().items():
            if not key.startswith(section + "."):
                section = key.split(".")[0]
                lines += ["", f"[{section}]"]
            otherwise = f"default, {known[key].source}" if value == usual[key] else "given in code"
            origin = (origins or {}).get(key, otherwise)
            lines.append(f"{key.split('.')[1]} = {_toml(value)}".ljust(34) + f" # {known[key].doc} ({origin})")
        parts = self.origins_of_parts()
        lines += ["", "[plugins]"] if parts else []
        for key, facts in parts.items():
            lines.append(f'"{key}" = {{ ' + ", ".join(f"{name} = {_toml(text)}" for name, text in facts.items()) + " }")
        return "\n".join(lines) + "\n"


@cache  # each checkpoint asks, and evaluating annotations took longer than an epoch of a small set
def _described(table: type[SettingsTable]) -> Mapping[str, Description]:
    found: dict[str, Description] = {}
    hints = get_type_hints(table)
    for section in fields(table):
        kinds = get_type_hints(hints[section.name])
        for one in fields(hints[section.name]):
            found[f"{section.name}.{one.name}"] = Description(kinds[one.name], **one.metadata)
    return MappingProxyType(found)


_LEGEND = (
    "Behind each setting: what it means, and in brackets where its value came from and whose it is.",
    "paper: the paper says so; unverified: it is said of the paper, which does not say it; ours: chosen for thas.",
)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in cast("tuple[object, ...]", value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _parsed(key: str, value: object, description: Description, origin: str) -> object:
    """`value`, as TOML or the command line gave it, as the setting's own type."""

    def refuse(must: str) -> UsageError:
        return UsageError(
            f"{origin}: {key} must be {must}, but is {value!r}",
            why=description.doc,
            next=f"--set {key}=...",
            subject=key,
        )

    kind = description.kind
    if kind is bool:
        if str(value).lower() not in {"true", "false"}:
            raise refuse("true or false")
        return str(value).lower() == "true"
    if get_origin(kind) is Literal:
        choices = {str(choice): choice for choice in get_args(kind)}
        if str(value) not in choices:
            raise refuse("one of " + ", ".join(choices))
        return choices[str(value)]
    if get_origin(kind) is tuple:
        parts = value.replace(",", " ").split() if isinstance(value, str) else value
        parts = cast("Iterable[object]", parts) if isinstance(parts, Iterable) else [parts]
        one = replace(description, kind=get_args(kind)[0])
        return tuple(_parsed(key, part, one, origin) for part in parts)
    if kind is str:
        if description.part is not None and not (description.auto and value == AUTO):
            check_name(description.part, str(value), what=f"{origin}: {key}", subject=key)
        return str(value)
    try:
        if isinstance(value, bool) or not isinstance(value, str | SupportsFloat):
            raise TypeError
        number = int(cast("str | SupportsInt", value)) if kind is int else float(value)
        if float(number) != float(value) or abs(float(number)) == float("inf"):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise refuse("a whole number" if kind is int else "a number") from None
    low, high = description.low, description.high
    if not (low is None or number >= low) or not (high is None or number <= high):
        raise refuse(f"from {low} to {high}" if high is not None else f"{low} or more")
    return number


def flatten(tables: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """{"hide": {"probability": 0}} -> {"hide.probability": 0}."""
    flat: dict[str, object] = {}
    for key, value in tables.items():
        flat |= flatten(value, f"{prefix}{key}.") if is_table(value) else {f"{prefix}{key}": value}
    return flat


def read_toml(path: Path) -> dict[str, object]:
    """A TOML file as nested tables.

    Raises:
        UsageError: The file is missing or is not TOML.
    """
    try:
        refuse_pipe(Path(path))
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no settings file {path}", next="check the path", subject=str(path)) from None
    except (ValueError, RecursionError, OSError) as error:  # a number of thousands of digits is no TOMLDecodeError
        why = "its tables lie too deep in each other" if isinstance(error, RecursionError) else said(error)
        raise UsageError(f"{path} is not a TOML file", why=why, next="--print-config prints one") from None
