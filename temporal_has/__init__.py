"""Temporal action localization from video-level labels: hide, network, activation, localize, train.

The names below are loaded when first used, so that importing this package does not import torch. Functions that bear
their module's name are imported from it (`from thas.temporal_has.hide import hide`): a package cannot hold both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .activation import ClassActivationSequence, activation_map
    from .hide import HideSegments, hide_mask
    from .localizer import Localizer
    from .network import HasNetwork

_HOME = {
    "ClassActivationSequence": "activation",
    "HasNetwork": "network",
    "HideSegments": "hide",
    "Localizer": "localizer",
    "activation_map": "activation",
    "hide_mask": "hide",
}

__all__ = [
    "ClassActivationSequence",
    "HasNetwork",
    "HideSegments",
    "Localizer",
    "activation_map",
    "hide_mask",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
