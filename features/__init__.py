"""From a video file to feature vectors with true times: frames, snippets, backbones, and the cache they end in.

The names below are loaded when first used, so that importing this package imports neither torch nor h5py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .backbones import Backbone as Backbone
    from .backbones import register as register
    from .c3d import C3D as C3D
    from .cache import FeatureCache as FeatureCache
    from .cache import Features as Features
    from .cache import write_features as write_features
    from .clips import SnippetGrid as SnippetGrid
    from .clips import snippet_edges as snippet_edges
    from .extract import extract_dataset as extract_dataset
    from .extraction_settings import ExtractionResult as ExtractionResult
    from .extraction_settings import ExtractionSettings as ExtractionSettings
    from .importing import import_features as import_features
    from .preprocessing import Preprocessing as Preprocessing
    from .video import FrameTable as FrameTable
    from .video import scan_video as scan_video
    from .video_features import Recipe as Recipe

__getattr__, __dir__, __all__ = lazy_names(__name__)
