"""Where what was typed belongs: an option that takes several values takes none that stands for what the command is of.

`thas localize --run A B match.mp4` means a video, `thas sweep --preset has mine.toml` an experiment. An option keeps
its first value and those that it can have; from the first that it cannot have on, they are the command's. Where even
that does not tell, `--` does: all behind it is the command's.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from inspect import signature
from itertools import groupby
from pathlib import Path

import cyclopts

from ..core.tables import is_number
from .overview import COMMANDS


def rearranged(app: cyclopts.App, tokens: Sequence[str]) -> list[str]:
    """The tokens of a command with what it is of in front of the options."""
    chain, apps, rest = app.parse_commands(tokens)
    if " ".join(chain) not in COMMANDS or not _doubtful(rest) or not _is_of_something(apps[-1]):
        return list(tokens)
    arguments = [one for one in apps[-1].assemble_argument_collection() if one.parse and one.names != ("*",)]
    known = {name: one for one in arguments for name in one.names if name.startswith("-")}
    own: list[str] = []
    options: list[str] = []
    at = 0
    while at < len(rest):
        name = rest[at]
        at += 1
        if name == "--":
            own += rest[at:]
            break
        if not _is_option(name):
            own.append(name)
            continue
        options.append(name)
        option = known.get(name)
        if option is None:  # --name=value, --help, or none that there is
            continue
        most = _most_values(option)
        values = rest[at : at + most] if most is not None else rest[at:]
        ends = [i for i, value in enumerate(values) if _is_option(value)]
        values = values[: ends[0]] if ends else values
        at += len(values)
        kept = len(values)
        if most is None:
            fits = _fits(name, _kind(option.hint))
            kept = next((i for i, value in enumerate(values) if i and not fits(value)), kept)
        options += values[:kept]
        own += values[kept:]
    return [*chain, *own, *options] if not any(map(_is_option, own)) else [*chain, *options, "--", *own]


def _doubtful(rest: Sequence[str]) -> bool:
    """Whether a token behind some option may be the command's: a second one behind it, or one where others are apart.

    What the command is of must stand together; whether an option takes the one token behind it is not known here.
    """
    together = [len(list(run)) for option, run in groupby(rest, _is_option) if not option]
    return "--" in rest or len(together) > 1 or (together not in ([], [1]) and _is_option(rest[0]))


def _is_of_something(command: cyclopts.App) -> bool:
    """Whether a command takes anything but options. Its options themselves take long to be looked through."""
    function = command.default_command
    return function is None or any(one.kind is not one.KEYWORD_ONLY for one in signature(function).parameters.values())


def _is_option(token: str) -> bool:
    return token.startswith("-") and not is_number(token) and token != "-"


def _kind(hint: object) -> object:
    """A type without the `None` that says it may be left out."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(one for one in typing.get_args(hint) if one is not type(None))
    return hint


def _most_values(option: cyclopts.Argument) -> int | None:
    """How many values an option takes; None for as many as there are."""
    if _kind(option.hint) is bool:
        return 0
    count, several = option.token_count()
    return None if several else count


def _fits(name: str, kind: object) -> Callable[[str], bool]:
    """Whether a text can be a value of an option of several."""
    of = (typing.get_args(kind) or (str,))[0]
    if of in (int, float):
        return is_number
    if name in _FITS:
        return _FITS[name]
    return lambda value: not Path(value).exists()


def _is_pair(value: str) -> bool:
    return "=" in value


def _is_run(value: str) -> bool:
    from ..features.video_files import VIDEO_SUFFIXES
    from ..image_has.images import IMAGE_SUFFIXES

    path = Path(value)
    return path.is_dir() or path.suffix.lower() not in VIDEO_SUFFIXES | IMAGE_SUFFIXES | {".json", ".csv", ".txt"}


def _is_dataset(value: str) -> bool:
    from ..sweep.plan import experiment_names

    return Path(value).is_dir() or not (Path(value).exists() or value in experiment_names())


def _is_preset(value: str) -> bool:
    from ..core.presets import preset_names

    if value in preset_names():
        return True
    path = Path(value)
    if path.suffix != ".toml":
        from ..sweep.plan import experiment_names

        return not path.exists() and value not in experiment_names()
    try:
        return not {"arms", "grid"} & _tables(path)
    except OSError:
        return True


def _tables(path: Path) -> set[str]:
    import tomllib

    try:
        return set(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        return set()


# Options whose values are told from others by more than that no file is called so.
_FITS: dict[str, Callable[[str], bool]] = {
    "--columns": _is_pair,
    "--datasets": _is_dataset,
    "--preset": _is_preset,
    "--run": _is_run,
    "--set": _is_pair,
    "--split": _is_pair,
    "--where": _is_pair,
}
