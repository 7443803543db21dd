"""Weakly supervised object localization by Hide-and-Seek: train with image labels, localize with boxes.

Importing this package is cheap: the names below load their modules, and torch, when they are first used. `hide` and
`localize` are modules here, each with the function of that name: `from thas.image_has.hide import hide`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from .activation import activation_map, captured, upsampled
    from .hide import hide_mask
    from .localize import scaled_boxes
    from .settings import ImageSettings
    from .transforms import HidePatches

_HOME = {
    "HidePatches": "transforms",
    "ImageSettings": "settings",
    "activation_map": "activation",
    "captured": "activation",
    "hide_mask": "hide",
    "scaled_boxes": "localize",
    "upsampled": "activation",
}

__all__ = [
    "HidePatches",
    "ImageSettings",
    "activation_map",
    "captured",
    "hide_mask",
    "scaled_boxes",
    "upsampled",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
