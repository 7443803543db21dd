"""Weakly supervised object localization by Hide-and-Seek: train with image labels, localize with boxes.

Importing this package is cheap: the names below load their modules, and torch, when they are first used. `hide`,
`localize`, `train`, `predict` and `evaluate` are modules here, each with the function of that name:
`from thas.image_has.train import train`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .activation import activation_map as activation_map
    from .activation import captured as captured
    from .activation import upsampled as upsampled
    from .datasets import open_images as open_images
    from .decode import read_image as read_image
    from .hide import hide_mask as hide_mask
    from .images import ImageTable as ImageTable
    from .localize import scaled_boxes as scaled_boxes
    from .localizer import Localizer as Localizer
    from .network import CamNetwork as CamNetwork
    from .network import OwnNetwork as OwnNetwork
    from .network import build_network as build_network
    from .photographs import localize_photographs as localize_photographs
    from .scores import score as score
    from .session import train_run as train_run
    from .settings import ImageSettings as ImageSettings
    from .transforms import HidePatches as HidePatches
    from .weights import TrainedNetwork as TrainedNetwork
    from .weights import load_weights as load_weights
    from .weights import save_weights as save_weights

__getattr__, __dir__, __all__ = lazy_names(__name__)
