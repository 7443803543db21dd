"""thas: when do actions happen in untrimmed videos? Learned from each video's labels alone, by Hide-and-Seek.

`import thas` is cheap: the public names below load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__
from .core.lazy import lazy_names

if TYPE_CHECKING:
    from .annotators.annotation_files import read_annotations
    from .core.errors import ThasError
    from .core.plugin_imports import trust
    from .core.plugins import register
    from .core.segments import Segments
    from .datasets.dataset import Dataset
    from .datasets.opening import open_dataset
    from .eval.annotations import Annotations
    from .eval.average_precision import Scores, evaluate
    from .features.cache import FeatureCache, Features
    from .temporal_has.localize import localize
    from .temporal_has.localizer import Localizer
    from .temporal_has.settings import Settings
    from .temporal_has.train import train

_HOME = {
    "Annotations": "eval.annotations",
    "Dataset": "datasets.dataset",
    "FeatureCache": "features.cache",
    "Features": "features.cache",
    "Localizer": "temporal_has.localizer",
    "Scores": "eval.average_precision",
    "Segments": "core.segments",
    "Settings": "temporal_has.settings",
    "ThasError": "core.errors",
    "evaluate": "eval.average_precision",
    "localize": "temporal_has.localize",
    "open_dataset": "datasets.opening",
    "read_annotations": "annotators.annotation_files",
    "register": "core.plugins",
    "train": "temporal_has.train",
    "trust": "core.plugin_imports",
}

__all__ = [
    "Annotations",
    "Dataset",
    "FeatureCache",
    "Features",
    "Localizer",
    "Scores",
    "Segments",
    "Settings",
    "ThasError",
    "__version__",
    "evaluate",
    "localize",
    "open_dataset",
    "read_annotations",
    "register",
    "train",
    "trust",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
