"""A run as files that need no thas: ONNX and `torch.export`, each checked against what thas itself computes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from .._version import __version__
from ..core.errors import DataError, UsageError
from ..core.files import write_atomically
from ..core.temporary_names import replacing
from ..core.weight_store import sha256
from ..temporal_has.localizer import Localizer
from ..temporal_has.model import checkpoint_path
from .networks import ExportedBackbone, ExportedHead, ExportedWhole
from .onnx_files import needs_onnx, onnx_answer, write_onnx

if TYPE_CHECKING:
    from ..features.weights import LoadedBackbone
    from ..temporal_has.model import Model

Format = Literal["onnx", "torch"]

ABOUT = "export.json"
# Lengths that the head is tried with; the last is not among those that it was traced with.
_LENGTHS = (1, 2, 7, 50)
# Single precision, another order of additions: the difference that is no fault, of the largest number there is.
TOLERANCE = 1e-4


class About(TypedDict):
    """What stands in export.json, and in each ONNX file under the key `thas`."""

    thas_version: str
    run: str
    checkpoint_sha256: str
    classes: list[str]
    inputs: dict[str, str]
    outputs: dict[str, str]
    spread: float
    localize: dict[str, object]
    recipe: dict[str, object]


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


def export_run(
    run: Path | str,
    out: Path | str | None = None,
    *,
    formats: Sequence[Format] = ("onnx", "torch"),
    backbone: bool = False,
    weights: Path | str | None = None,
    checkpoint: Literal["best", "last"] = "best",
    localizer: Localizer | None = None,
) -> tuple[Path, list[Exported]]:
    """Write the network of a run of videos as files that need no thas, and compare each with thas's own output.

    `head.*` takes features (1, T, D) of any number T of snippets. With `backbone`, `backbone.*` takes clips of prepared
    frames, and `whole.*` all clips of a video.

    Args:
        run: The run's folder.
        out: The folder for the files; `export` in the run's folder by default.
        formats: `onnx`, `torch` (`torch.export`), or both.
        backbone: Whether to export the backbone, too, alone and before the head.
        weights: The backbone's, where they are no longer where the run found them.
        checkpoint: The best epoch's network, where there is one, or the last one's.
        localizer: The run, opened already; for networks of one's own.

    Returns:
        The folder, and what was written there.

    Raises:
        UsageError: ONNX is not installed, or the network cannot be exported.
        DataError: An exported network computes something else; its file is removed.
        CheckpointError: The run holds no network, or the backbone's weights are not at hand.
    """
    run = Path(run)
    if "onnx" in formats:
        needs_onnx()
    localizer = localizer or Localizer.from_run(run, device="cpu", weights=weights, checkpoint=checkpoint)
    model = localizer.model
    model.network.eval()
    folder = Path(out) if out is not None else run / "export"
    about = _about(run, model, checkpoint)
    _refuse_others(folder, about)
    _keep(folder, about, ())  # the folder is this run's, whatever becomes of the next minute
    head = ExportedHead(model).eval()
    draw = torch.Generator().manual_seed(0)
    width = len(model.mean)
    inputs = [model.mean + model.deviation * torch.randn(1, count, width, generator=draw) for count in _LENGTHS]
    parts: list[_Part] = [_Part("head", head, "features", ("sequence", "probabilities"), inputs, _own_head(model), 1)]
    if backbone:
        loaded = localizer.extractor.loaded
        clips = _clips(loaded, draw)
        own = _own_backbone(loaded)
        alone = ExportedBackbone(loaded).eval()
        parts.append(_Part("backbone", alone, "clips", ("features",), [clips[:1], clips], own, 0))

        def whole(x: Tensor) -> tuple[Tensor, ...]:
            return _own_head(model)(own(x)[0][None])

        both = ExportedWhole(alone, head).eval()
        parts.append(_Part("whole", both, "clips", ("sequence", "probabilities"), [clips[:2], clips], whole, 0))
    written = [_write(part, folder, one, about) for part in parts for one in formats]
    _keep(folder, about, written)
    return folder, written


def _keep(folder: Path, about: About, written: Sequence[Exported]) -> None:
    """Write export.json."""
    kept = {"files": {one.path.name: _kept(one) for one in written}, "torch_version": str(torch.__version__), **about}
    write_atomically(folder / ABOUT, json.dumps(kept, indent=1, ensure_ascii=False).encode())


@dataclass(frozen=True)
class _Part:
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


def _write(part: _Part, folder: Path, form: Format, about: About) -> Exported:
    path = folder / f"{part.name}.{'onnx' if form == 'onnx' else 'pt2'}"
    example = max(part.tried, key=lambda one: one.shape[part.axis])
    with _quietly(), torch.no_grad():
        try:
            free = {part.given: {part.axis: torch.export.Dim("count", min=1)}}
            program = torch.export.export(part.module, (example,), dynamic_shapes=free)
            if form == "onnx":
                write_onnx(path, program, part.given, part.gives, json.dumps(about))
            else:
                with replacing(path) as temporary:
                    torch.export.save(program, temporary)
        except (OSError, DataError):
            raise
        except Exception as error:  # each network has its own reasons
            first = str(error).strip().splitlines() or [type(error).__name__]
            raise UsageError(
                f"the {part.name} of this run cannot be exported",
                why=f"{type(error).__name__}: {first[0][:300]}",
                next="write it in operations that torch.export knows: nothing may depend on the number of snippets "
                "but by shapes",
            ) from error
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


def _own_head(model: Model) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """What localization computes: `Model.sequence` itself."""
    from ..features.cache import Features

    def own(x: Tensor) -> tuple[Tensor, ...]:
        count = x.shape[1]
        times = np.arange(float(count))
        sequence = model.sequence(Features("tried", x[0].numpy(), times, times + 1, float(count)))
        return torch.from_numpy(sequence.logits)[None], torch.from_numpy(sequence.probabilities)[None]

    return own


def _own_backbone(loaded: LoadedBackbone) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """What extraction computes."""
    from ..features.runner import Runner

    def own(clips: Tensor) -> tuple[Tensor, ...]:
        with Runner(loaded, device="cpu", batch=len(clips)) as runner:
            return (torch.from_numpy(runner(clips.numpy())),)

    return own


def _clips(loaded: LoadedBackbone, draw: torch.Generator) -> Tensor:
    """Three clips: noise, as coarse as pictures are."""
    how, frames = loaded.backbone.preprocessing, loaded.backbone.clip_frames
    coarse = torch.rand(3, how.channels, max(frames // 4, 1), 8, 8, generator=draw)
    size = (frames, how.crop_height, how.crop_width)
    fine = nn.functional.interpolate(coarse, size=size, mode="trilinear")
    return (fine * 255).round().to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous()


def _about(run: Path, model: Model, checkpoint: Literal["best", "last"]) -> About:
    recipe = {name: value for name, value in model.recipe.items() if name != "weights_source"}
    return {
        "thas_version": __version__,
        "run": run.resolve().name,
        "checkpoint_sha256": sha256(checkpoint_path(run, checkpoint)),
        "classes": list(model.classes),
        "inputs": {
            "features": f"(1, T, {len(model.mean)}) float32, features as extracted, one row a snippet",
            "clips": "(T, frames, height, width, channels) uint8, resized, cropped and ordered as the recipe says",
        },
        "outputs": {
            "sequence": f"(1, T, {len(model.classes)}) float32, the class activation sequence",
            "probabilities": f"(1, {len(model.classes)}) float32, of the whole video",
        },
        "spread": model.spread,
        "localize": json.loads(json.dumps(vars(model.settings.localize))),
        "recipe": json.loads(json.dumps(recipe, default=str)),
    }


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
