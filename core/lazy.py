"""Public names that load their module when they are first used, so that importing a package stays cheap."""

from __future__ import annotations

import ast
import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module


def lazy_names(package: str) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` (PEP 562) and `__all__` for a package's `__init__`.

    The names are those that it imports as themselves (`from .module import Name as Name`) under `TYPE_CHECKING`, where
    type checkers see them; they are read from its source, so that each stands there once. A name must not be its
    module's own: once imported, the module would take the name's place.

    Raises:
        ImportError: It was installed without its source.
    """
    try:
        source = pkgutil.get_data(package, "__init__.py")  # by its loader: from a folder or a zip archive
    except OSError:
        source = None
    if source is None:
        raise ImportError(
            f"{package} is here without its source files, which it reads to know its public names: "
            "install thas with them, not as byte code alone",
            name=package,
        )
    home = {
        alias.name: "." * node.level + (node.module or "")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }

    def __getattr__(name: str) -> object:
        if name in home:
            return getattr(import_module(home[name], package), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*home, *vars(sys.modules[package])})

    return __getattr__, __dir__, sorted(home)
