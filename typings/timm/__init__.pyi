"""What the package uses of timm, which is an optional extra."""

from torch import nn

from . import data as data
from . import models as models

__version__: str

def create_model(model_name: str, *, pretrained: bool = False, **settings: object) -> nn.Module: ...
def is_model(model_name: str) -> bool: ...
def list_models() -> list[str]: ...
