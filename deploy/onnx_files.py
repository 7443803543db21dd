"""Writing and asking ONNX files; the libraries are optional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.temporary_names import replacing

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


def needs_onnx() -> None:
    """Raise a UsageError where the libraries for ONNX are not all there."""
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX needs {' and '.join(missing)}",
            why="onnx and onnxscript write the file, onnxruntime checks what it computes",
            next="pip install 'thas[onnx]'; or without ONNX: --format torch",
            subject="onnx",
        )


def write_onnx(path: Path, program: ExportedProgram, given: str, gives: Sequence[str], about: str) -> None:
    """Write an exported program as one ONNX file, with `about` among its metadata under the key `thas`."""
    converted = torch.onnx.export(program, input_names=[given], output_names=list(gives), dynamo=True, verbose=False)
    assert converted is not None
    converted.model.metadata_props["thas"] = about
    with replacing(path) as temporary:
        converted.save(str(temporary), external_data=False)


def onnx_answer(path: Path, given: str) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """What onnxruntime computes with a file: its input as a tensor in, its outputs as tensors out."""
    import onnxruntime  # type: ignore[import-not-found,unused-ignore]

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def ask(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(answer) for answer in session.run(None, {given: x.numpy()}))

    return ask
