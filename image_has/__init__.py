"""Weakly supervised object localization by Hide-and-Seek: train with image labels, localize with boxes.

Importing this package is cheap: the names below load their modules, and torch, when they are first used. `hide`,
`localize`, `train`, `predict` and `evaluate` are modules here, each with the function of that name:
`from thas.image_has.train import train`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .activation import activation_map, captured, upsampled
    from .datasets import open_images
    from .decode import read_image
    from .hide import hide_mask
    from .images import ImageTable
    from .localize import scaled_boxes
    from .localizer import Localizer
    from .network import CamNetwork, OwnNetwork, build_network
    from .photographs import localize_photographs
    from .scores import score
    from .session import train_run
    from .settings import ImageSettings
    from .transforms import HidePatches
    from .weights import TrainedNetwork, load_weights, save_weights

_HOME = {
    "CamNetwork": "network",
    "HidePatches": "transforms",
    "ImageSettings": "settings",
    "ImageTable": "images",
    "Localizer": "localizer",
    "OwnNetwork": "network",
    "TrainedNetwork": "weights",
    "activation_map": "activation",
    "build_network": "network",
    "captured": "activation",
    "hide_mask": "hide",
    "load_weights": "weights",
    "localize_photographs": "photographs",
    "open_images": "datasets",
    "read_image": "decode",
    "save_weights": "weights",
    "scaled_boxes": "localize",
    "score": "scores",
    "train_run": "session",
    "upsampled": "activation",
}

__all__ = [
    "CamNetwork",
    "HidePatches",
    "ImageSettings",
    "ImageTable",
    "Localizer",
    "OwnNetwork",
    "TrainedNetwork",
    "activation_map",
    "build_network",
    "captured",
    "hide_mask",
    "load_weights",
    "localize_photographs",
    "open_images",
    "read_image",
    "save_weights",
    "scaled_boxes",
    "score",
    "train_run",
    "upsampled",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
