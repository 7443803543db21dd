"""What the package uses of transformers, which is an optional extra."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import nn

__version__: str

class ProcessorMixin:
    def __call__(self, *, return_tensors: str, **inputs: object) -> Mapping[str, object]: ...

class AutoConfig:
    @staticmethod
    def from_pretrained(name: str, *, local_files_only: bool) -> object: ...

class AutoModel:
    @staticmethod
    def from_config(config: object) -> nn.Module: ...
    @staticmethod
    def from_pretrained(
        name: str,
        *,
        config: object,
        local_files_only: bool,
        dtype: torch.dtype,
        output_loading_info: Literal[True],
    ) -> tuple[nn.Module, Mapping[str, Sequence[str]]]: ...

class AutoImageProcessor:
    @staticmethod
    def from_pretrained(name: str, *, local_files_only: bool) -> ProcessorMixin: ...

class AutoVideoProcessor(AutoImageProcessor): ...
