"""Weakly supervised object localization by Hide-and-Seek: train with image labels, localize with boxes.

Importing this package is cheap: the names below load their modules, and torch, when they are first used. `hide` and
`localize` are modules here, each with the function of that name: `from thas.image_has.hide import hide`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from .activation import activation_map, captured, upsampled
    from .datasets import open_images
    from .decode import read_image
    from .hide import hide_mask
    from .localize import scaled_boxes
    from .localizer import Localizer
    from .network import CamNetwork, OwnNetwork, build_network
    from .settings import ImageSettings
    from .transforms import HidePatches
    from .weights import load_weights

_HOME = {
    "CamNetwork": "network",
    "HidePatches": "transforms",
    "ImageSettings": "settings",
    "Localizer": "localizer",
    "OwnNetwork": "network",
    "activation_map": "activation",
    "build_network": "network",
    "captured": "activation",
    "hide_mask": "hide",
    "load_weights": "weights",
    "open_images": "datasets",
    "read_image": "decode",
    "scaled_boxes": "localize",
    "upsampled": "activation",
}

__all__ = [
    "CamNetwork",
    "HidePatches",
    "ImageSettings",
    "Localizer",
    "OwnNetwork",
    "activation_map",
    "build_network",
    "captured",
    "hide_mask",
    "load_weights",
    "open_images",
    "read_image",
    "scaled_boxes",
    "upsampled",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
