"""Public names that load their module when they are first used, so that importing a package stays cheap."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, home: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package's `__init__` (PEP 562).

    Args:
        package: Its `__name__`.
        home: For each public name the module below the package that defines it. A name must not be its module's own:
            once imported, the module would take the name's place.
    """

    def __getattr__(name: str) -> object:
        if name in home:
            return getattr(import_module(f".{home[name]}", package), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*home, *vars(sys.modules[package])})

    return __getattr__, __dir__
