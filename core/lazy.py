"""Public names that load their module when they are first used, so that importing a package stays cheap."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` (PEP 562) and `__all__` for a package's `__init__`.

    Type checkers, which cannot see these, take the names from the imports that stand there under `TYPE_CHECKING`.

    Args:
        package: Its `__name__`.
        names: For each module below the package the public names that it defines, divided by spaces. A name must not be
            its module's own: once imported, the module would take the name's place.
    """
    home = {name: module for module, several in names.items() for name in several.split()}

    def __getattr__(name: str) -> object:
        if name in home:
            return getattr(import_module(f".{home[name]}", package), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*home, *vars(sys.modules[package])})

    return __getattr__, __dir__, sorted(home)
