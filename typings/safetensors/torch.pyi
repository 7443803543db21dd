from collections.abc import Mapping

from torch import Tensor

def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes: ...
