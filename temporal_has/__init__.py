"""Temporal action localization from video-level labels: hide, network, activation, localize, train.

The names below are loaded when first used, so that importing this package does not import torch. Functions that bear
their module's name are imported from it (`from thas.temporal_has.hide import hide`): a package cannot hold both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .activation import ClassActivationSequence as ClassActivationSequence
    from .activation import activation_map as activation_map
    from .hide import HideSegments as HideSegments
    from .hide import hide_mask as hide_mask
    from .localizer import Localizer as Localizer
    from .network import HasNetwork as HasNetwork

__getattr__, __dir__, __all__ = lazy_names(__name__)
