"""Networks as files that need no thas: ONNX and `torch.export`, each checked against what thas itself computes."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from .._version import __version__
from ..core.errors import DataError, UsageError, first_line
from ..core.files import write_atomically
from ..core.temporary_names import replacing
from ..core.weight_store import sha256

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


def refuse_dropout(when: str) -> None:
    """Raise a UsageError for a network that drops values at random when it is used (input.dropout=always)."""
    if when == "always":
        raise UsageError(
            "a network that drops at random when it is used cannot be exported",
            why="its run has input.dropout=always",
            next="train with --set input.dropout=training, or none",
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


Format = Literal["onnx", "torch"]
About = Mapping[str, object]
"""What stands in export.json, and in each ONNX file under the key `thas`; `checkpoint_sha256` is in it."""

ABOUT = "export.json"
# Single precision, another order of additions: the difference that is no fault, of the largest number there is.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """A file that was written and compared.

    Attributes:
        path: The file.
        largest_difference: Between any of its outputs and thas's own, over all that was tried.
        largest_output: The largest number among these, which the difference is to be seen beside.
        tried: Inputs that were compared.
    """

    path: Path
    largest_difference: float
    largest_output: float
    tried: int


@dataclass(frozen=True)
class Part:
    """A network to be written.

    Attributes:
        name: Of its files.
        module: It.
        given: Its input's name.
        gives: Its outputs' names.
        tried: Inputs to compare with.
        own: What thas computes of such an input.
        axis: Of the input, whose length is free.
    """

    name: str
    module: nn.Module
    given: str
    gives: tuple[str, ...]
    tried: list[Tensor]
    own: Callable[[Tensor], tuple[Tensor, ...]]
    axis: int


def about_run(run: Path, checkpoint: Path, classes: Sequence[str], **more: object) -> About:
    """What a run's export says of itself: of which checkpoint it is, and what goes in and comes out."""
    known = {"run": run.resolve().name, "checkpoint_sha256": sha256(checkpoint), "classes": list(classes)}
    return {"thas_version": __version__, **known, **json.loads(json.dumps(more, default=str))}


def write_parts(parts: Sequence[Part], folder: Path, formats: Sequence[Format], about: About) -> list[Exported]:
    """Write networks into a folder in each format, and compare each file with what thas computes.

    Raises:
        UsageError: ONNX is not installed, a network cannot be exported, or the folder holds another network's export.
        DataError: An exported network computes something else; its file is removed.
    """
    if "onnx" in formats:
        needs_onnx()
    _refuse_others(folder, about)
    _keep(folder, about, ())  # the folder is this run's, whatever becomes of the next minute
    written = [one for part in parts for one in _write(part, folder, formats, about)]
    _keep(folder, about, written)
    return written


def _write(part: Part, folder: Path, formats: Sequence[Format], about: About) -> list[Exported]:
    example = max(part.tried, key=lambda one: one.shape[part.axis])
    written: list[Exported] = []
    with _quietly(), torch.no_grad():
        try:
            free = {part.given: {part.axis: torch.export.Dim("count", min=1)}}
            program = torch.export.export(part.module, (example,), dynamic_shapes=free)
            for form in formats:
                path = folder / f"{part.name}.{'onnx' if form == 'onnx' else 'pt2'}"
                if form == "onnx":
                    write_onnx(path, program, part.given, part.gives, json.dumps(about))
                else:
                    content = io.BytesIO()  # where it writes a file itself, a full disk ends the process
                    torch.export.save(program, content)
                    write_atomically(path, content.getvalue())
                written.append(_compared(part, path, form))
        except (OSError, DataError):
            raise
        except Exception as error:  # each network has its own reasons
            raise UsageError(
                f"the {part.name} of this run cannot be exported",
                why=f"{type(error).__name__}: {first_line(error)}",
                next="write it in operations that torch.export knows: nothing may depend on how many are given "
                "but by shapes",
            ) from error
    return written


def _compared(part: Part, path: Path, form: Format) -> Exported:
    """By how much a file differs from thas's own output; it is removed and refused where that is too much."""
    ask = onnx_answer(path, part.given) if form == "onnx" else _torch_answer(path)
    differences, sizes = [0.0], [0.0]
    for x in part.tried:
        for mine, theirs in zip(part.own(x), ask(x), strict=True):
            differences.append(float((mine - theirs).abs().max()))
            sizes.append(float(mine.abs().max()))
    exported = Exported(path, max(differences), max(sizes), len(part.tried))
    if not exported.largest_difference <= TOLERANCE * max(1.0, exported.largest_output):
        path.unlink()
        raise DataError(
            f"{path.name} does not compute what the run does, and is not kept",
            why=f"they differ by up to {exported.largest_difference:.2g} where outputs reach "
            f"{exported.largest_output:.2g}",
            next="export in the other format: --format " + ("torch" if form == "onnx" else "onnx"),
            subject=str(path),
        )
    return exported


def _torch_answer(path: Path) -> Callable[[Tensor], tuple[Tensor, ...]]:
    module = torch.export.load(path).module()

    def ask(x: Tensor) -> tuple[Tensor, ...]:
        answer = module(x)
        return answer if isinstance(answer, tuple) else (answer,)

    return ask


def _refuse_others(folder: Path, about: About) -> None:
    """Raise a UsageError where the export of another network lies."""
    try:
        there = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["checkpoint_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        if folder.is_dir() and any(folder.glob("*.onnx")):
            raise UsageError(f"{folder} holds other networks", next="--out FOLDER, a new one") from None
        return
    if there != about["checkpoint_sha256"]:
        raise UsageError(
            f"{folder} holds the export of another network", why=f"of {there[:12]}", next="--out FOLDER, a new one"
        )


def _keep(folder: Path, about: About, written: Sequence[Exported]) -> None:
    """Write export.json."""
    kept = {"files": {one.path.name: _kept(one) for one in written}, "torch_version": str(torch.__version__), **about}
    write_atomically(folder / ABOUT, json.dumps(kept, indent=1, ensure_ascii=False).encode())


def _kept(one: Exported) -> dict[str, float | int | str]:
    return {
        "sha256": sha256(one.path),
        "largest_difference": one.largest_difference,
        "largest_output": one.largest_output,
        "inputs_compared": one.tried,
    }


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings of the exporters about their own insides."""
    import logging

    noisy = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [one.level for one in noisy]
    try:
        for one in noisy:
            one.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(noisy, before, strict=True):
            one.setLevel(level)
