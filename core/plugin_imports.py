"""What may be imported from outside: modules of parts, by MODULE:ATTRIBUTE.

The rule: a module of MODULE:ATTRIBUTE is imported only where somebody named it here and now, on the command line, in a
preset or an experiment named there, by `trust` from Python, or in THAS_PLUGINS. What a file says that may come from a
stranger (a checkpoint, a run's settings.toml, any `--config`) names parts, but makes nobody import them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib import import_module

from .errors import ThasError, UsageError, suggestion

ENVIRONMENT = "THAS_PLUGINS"
"""What was named, separated by spaces; processes that are started from here inherit it."""

_TYPED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def trust(name: str) -> None:
    """Let files name MODULE:ATTRIBUTE, which is imported once it is used; or import a MODULE that registers its parts.

    Raises:
        UsageError: It is neither, or the module cannot be imported.
    """
    if not (is_path(name) or re.fullmatch(r"[A-Za-z_][\w.]*", name)):
        raise UsageError(f"{name!r} is no plug-in", next="name it MODULE:ATTRIBUTE, or MODULE", subject=name)
    if name not in trusted():
        os.environ[ENVIRONMENT] = " ".join([*trusted(), name])
    if not is_path(name):
        _import(name, name)


def trust_typed(texts: Iterable[object]) -> None:
    """Trust each MODULE:ATTRIBUTE among what somebody typed, also as a value, `network.head=MODULE:ATTRIBUTE`."""
    for text in texts:
        if isinstance(text, str):
            for name in re.split(r"[=,\s\[\]]+", text):
                if is_path(name):
                    trust(name)


def is_path(name: str) -> bool:
    """Whether a name is of the form MODULE:ATTRIBUTE.

    >>> is_path("mine.heads:Wide"), is_path("attention"), is_path("cuda:1")
    (True, False, False)
    """
    return _TYPED.fullmatch(name) is not None


def trusted() -> list[str]:
    """What was named here and now: each a MODULE:ATTRIBUTE, or a MODULE."""
    return os.environ.get(ENVIRONMENT, "").split()


def import_trusted() -> None:
    """Import the modules named without an attribute, so that they register what they hold; once each."""
    for name in trusted():
        if not is_path(name):
            _import(name, name)


def typed_attribute(name: str) -> object:
    """What a MODULE:ATTRIBUTE names that somebody typed here and now and that is no part of a network, imported.

    Raises:
        UsageError: It is of another form, or cannot be imported.
    """
    if not is_path(name):
        why = "it must name a module that Python finds and what to take from it"
        raise UsageError(f"{name!r} is no MODULE:ATTRIBUTE", why=why, next="name it as in mine:track", subject=name)
    return attribute_of(name, name)


def _import(module: str, name: str, package: str = "") -> object:
    try:
        return import_module(module)
    except ThasError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        absent = isinstance(error, ModuleNotFoundError) and error.name in (module, module.split(".")[0])
        what = str(error) if absent else f"it raises on import: {type(error).__name__}: {error}"
        advice = f"pip install --force-reinstall {package.split()[0]}" if package else ""
        advice = advice or (
            f"put the folder of {module.replace('.', '/')}.py on PYTHONPATH"
            if absent
            else f"python -c 'import {module}' shows where; correct it"
        )
        raise UsageError(f"plug-in {name} cannot be loaded", why=what, next=advice, subject=name) from error


def attribute_of(path: str, name: str, package: str = "") -> object:
    """What a MODULE:ATTRIBUTE names, imported.

    Args:
        path: MODULE:ATTRIBUTE.
        name: As the part was called, for messages.
        package: That declares it, with its version.

    Raises:
        UsageError: The module cannot be imported, or lacks the attribute.
    """
    module, _, attribute = path.partition(":")
    found = _import(module, name, package)
    for one in attribute.split("."):
        if not hasattr(found, one):
            known = [key for key in vars(found) if not key.startswith("_")] if hasattr(found, "__dict__") else []
            raise UsageError(
                f"plug-in {name} cannot be loaded",
                why=f"module {module} has no {attribute}; {suggestion(attribute, known)}",
                next="name it MODULE:ATTRIBUTE",
                subject=name,
            )
        found = getattr(found, one)
    return found
