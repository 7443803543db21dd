"""From a video file to feature vectors with true times: frames, snippets, backbones, and the cache they end in.

The names below are loaded when first used, so that importing this package imports neither torch nor h5py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .backbones import Backbone, register
    from .c3d import C3D
    from .cache import FeatureCache, Features, write_features
    from .extract import extract_dataset
    from .extraction_settings import ExtractionResult, ExtractionSettings
    from .importing import import_features
    from .preprocessing import Preprocessing
    from .recipe import Recipe
    from .snippets import SnippetGrid, snippet_edges
    from .video import FrameTable, scan_video

_HOMES = {
    "Backbone": "backbones",
    "C3D": "c3d",
    "ExtractionResult": "extraction_settings",
    "ExtractionSettings": "extraction_settings",
    "FeatureCache": "cache",
    "Features": "cache",
    "FrameTable": "video",
    "Preprocessing": "preprocessing",
    "Recipe": "recipe",
    "SnippetGrid": "snippets",
    "extract_dataset": "extract",
    "import_features": "importing",
    "register": "backbones",
    "scan_video": "video",
    "snippet_edges": "snippets",
    "write_features": "cache",
}

__all__ = [
    "C3D",
    "Backbone",
    "ExtractionResult",
    "ExtractionSettings",
    "FeatureCache",
    "Features",
    "FrameTable",
    "Preprocessing",
    "Recipe",
    "SnippetGrid",
    "extract_dataset",
    "import_features",
    "register",
    "scan_video",
    "snippet_edges",
    "write_features",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
