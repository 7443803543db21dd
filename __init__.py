"""thas: when do actions happen in untrimmed videos? Learned from each video's labels alone, by Hide-and-Seek.

`import thas` is cheap: the public names below load their modules when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__ as __version__
from .core.lazy import lazy_names

if TYPE_CHECKING:
    from .annotators.annotation_files import read_annotations as read_annotations
    from .core.errors import ThasError as ThasError
    from .core.plugin_imports import trust as trust
    from .core.plugins import register as register
    from .core.segments import Segments as Segments
    from .datasets.dataset import Dataset as Dataset
    from .datasets.opening import open_dataset as open_dataset
    from .eval.annotations import Annotations as Annotations
    from .eval.average_precision import Scores as Scores
    from .eval.average_precision import evaluate as evaluate
    from .features.cache import FeatureCache as FeatureCache
    from .features.cache import Features as Features
    from .temporal_has.localize import localize as localize
    from .temporal_has.localizer import Localizer as Localizer
    from .temporal_has.settings import Settings as Settings
    from .temporal_has.train import train as train

__getattr__, __dir__, __all__ = lazy_names(__name__)
