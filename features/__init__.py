"""From a video file to feature vectors with true times: frames, snippets, backbones, and the cache they end in.

The names below are loaded when first used, so that importing this package imports neither torch nor h5py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .c3d import C3D
    from .cache import FeatureCache, Features, write_features
    from .recipe import Recipe
    from .snippets import SnippetGrid, snippet_edges

_HOMES = {
    "C3D": "c3d",
    "FeatureCache": "cache",
    "Features": "cache",
    "write_features": "cache",
    "Recipe": "recipe",
    "SnippetGrid": "snippets",
    "snippet_edges": "snippets",
}

__all__ = ["C3D", "FeatureCache", "Features", "Recipe", "SnippetGrid", "snippet_edges", "write_features"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
