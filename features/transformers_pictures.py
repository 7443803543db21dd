"""How a model of transformers wants its pictures: from its processor's file, or as its family is used by default."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from ..core.errors import CheckpointError, first_line, listing
from ..core.narrowing import is_dict, is_row, is_tuple
from .preprocessing import Preprocessing, Values
from .timm_backbone import TimmSettings, timm_preprocessing

if TYPE_CHECKING:
    from transformers import ProcessorMixin

_FILES = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class _Processing:
    """What a processor says about pictures; the defaults where it is silent."""

    size: dict[str, int] = field(default_factory=dict[str, int])
    crop_size: dict[str, int] = field(default_factory=dict[str, int])
    image_mean: Sequence[float] = (0.0, 0.0, 0.0)
    image_std: Sequence[float] = (1.0, 1.0, 1.0)
    rescale_factor: float = 1 / 255
    do_center_crop: bool = False
    do_rescale: bool = True
    do_normalize: bool = True
    do_flip_channel_order: bool = False
    crop_pct: float = 1.0
    kind: str = ""
    black_and_white: tuple[tuple[float, ...], tuple[float, ...]] | None = None


def setting_of(config: object, *names: str) -> int | None:
    """The first of these numbers that a configuration has, itself or for its vision part; of a pair the first."""
    for part in (config, getattr(config, "vision_config", None)):
        for name in names:
            value: object = getattr(part, name, None)
            value = value[0] if is_row(value) else value
            if isinstance(value, int | float):
                return int(value)
    return None


def preprocessings(name: str, place: Path, config: object) -> list[Preprocessing]:
    """What to try, the likeliest first: as the processor says, and at the size that the configuration names.

    Raises:
        CheckpointError: Nothing says how its pictures are prepared.
    """
    if getattr(config, "model_type", "") == "timm_wrapper":  # timm's networks in the library's clothes
        inside: object = getattr(config, "pretrained_cfg", None) or {}
        return [timm_preprocessing(cast("TimmSettings", inside), name)]
    processor, errors = _processor(place, config)
    failed, add = partial(CheckpointError, subject=name), f"put the model's preprocessor_config.json into {place}"
    if hasattr(processor, "max_num_patches"):
        raise failed(
            f"{name} cannot be given pictures",
            why="it wants patches of pictures in their own proportions, with each patch's place (NaFlex)",
            next="take the model's variant for pictures of one size, such as google/siglip2-base-patch16-224",
        )
    if processor is None:
        why = f"{place} has no preprocessor_config.json, and transformers knows none for its family"
        if (place / "preprocessor_config.json").exists():
            why = f"its preprocessor_config.json is not usable ({listing(dict.fromkeys(errors), 2)})"
        raise failed(f"{name} does not say how its pictures are prepared", why=why, next=add)
    size = setting_of(config, "image_size", "crop_size")
    said = _read(processor)
    found = [_preprocessing(said, size)]
    if size is not None:
        found.append(_at_size(said, size))
        if not _has_file(place):  # a family's usual size is not this model's
            found.reverse()
    found = [how for how in dict.fromkeys(found) if how is not None]
    if not found:
        why = f"neither config.json nor the preprocessor's in {place} has a size"
        raise failed(f"{name} does not say how large its pictures are", why=why, next=add)
    return found


def _preprocessing(said: _Processing, own: int | None) -> Preprocessing | None:
    """As the processor says: resized to its size, then the crop; without one, all of it or the model's own square."""
    short, height, width = (said.size.get(key) for key in ("shortest_edge", "height", "width"))
    if short is not None and (others := _cut_otherwise(said, short)) is not None:
        return others
    crop = (said.crop_size.get("height"), said.crop_size.get("width")) if said.do_center_crop else (None, None)
    if short is None and height is None:
        short, height, width = None, own, own
    edge = min(own or short, short) if short is not None else None
    tall, wide = crop if crop[0] and crop[1] else (edge or height, edge or width)
    if tall is None or wide is None:
        return None
    if short is not None:
        cut = said.do_center_crop and crop[0]  # else nothing of the short side is cut away
        return Preprocessing(max(short if cut else 0, tall, wide), None, tall, wide, **_values(said))
    return Preprocessing(max(height or 0, tall), max(width or 0, wide), tall, wide, **_values(said))


def _cut_otherwise(said: _Processing, short: int) -> Preprocessing | None:
    """Of the families that resize by a share of their own before they crop; their settings alone do not say so."""
    if said.kind.startswith("Levit"):
        return Preprocessing(int(256 / 224 * short), None, short, short, **_values(said))
    if said.crop_pct == 1.0:
        return None
    if said.kind.startswith("ConvNext") and short >= 384:
        return Preprocessing(short, short, short, short, **_values(said))
    edge = said.crop_size.get("height", short) if said.do_center_crop else short
    return Preprocessing(max(edge, int(short / said.crop_pct)), None, edge, edge, **_values(said))


def _at_size(said: _Processing, size: int) -> Preprocessing:
    """The same at another size: as much of a picture is cut away as the processor would."""
    full = _preprocessing(said, None)
    if full is None or full.resize_width is not None:
        return Preprocessing(size, size, size, size, **_values(said))
    short = max(size, round(full.resize_height * size / full.crop_height))
    return replace(full, resize_height=short, crop_height=size, crop_width=size)


def _values(said: _Processing) -> Values:
    scale = said.rescale_factor * 255 if said.do_rescale else 255.0
    mean = tuple(float(value) for value in said.image_mean) if said.do_normalize else (0.0, 0.0, 0.0)
    std = tuple(float(value) for value in said.image_std) if said.do_normalize else (1.0, 1.0, 1.0)
    if said.black_and_white is not None:
        # What it does counts for more than what it says: ViViT's subtracts 1 besides.
        black, white = (np.array(values) for values in said.black_and_white)
        stated = [(np.array([value, value, value]) - mean) / std for value in (0.0, scale)]
        if not np.allclose([black, white], stated, atol=1e-3):
            std = tuple(np.round(1 / (white - black), 6).tolist())
            scale, mean = 1.0, tuple((0.0 - np.round(black / (white - black), 6)).tolist())
    colour = "bgr" if said.do_flip_channel_order else "rgb"
    return {"value_range": scale, "mean": mean, "std": std, "colour": colour}


def _tried(processor: ProcessorMixin) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """What a processor makes of black and of white, a number a channel; None if it cannot be told."""
    found: list[tuple[float, ...]] = []
    for value in (0, 255):
        frame = np.full((64, 64, 3), value, np.uint8)
        for inputs in ({"videos": [np.stack([frame] * 4)]}, {"images": frame}):
            try:
                out = processor(**inputs, return_tensors="np")
                pixels = np.asarray(out.get("pixel_values_videos", out.get("pixel_values")))
            except Exception:  # an image processor takes no videos; some take other things
                continue
            if pixels.ndim >= 3 and pixels.shape[-3] == 3:
                height, width = pixels.shape[-2:]
                found.append(tuple(pixels[..., height // 2, width // 2].reshape(-1, 3)[0].astype(float).tolist()))
                break
    if len(found) != 2 or any(low >= high for low, high in zip(*found, strict=True)):
        return None
    return found[0], found[1]


def _has_file(place: Path) -> bool:
    return any((place / file).is_file() for file in _FILES)


def _processor(place: Path, config: object) -> tuple[ProcessorMixin | None, list[str]]:
    """A model's processor, from its file; where it was saved without one, its family's. And what failed."""
    import transformers

    errors: list[str] = []
    makers: list[Callable[[], ProcessorMixin]] = []
    if _has_file(place):
        for auto in (transformers.AutoVideoProcessor, transformers.AutoImageProcessor):
            makers.append(lambda auto=auto: auto.from_pretrained(str(place), local_files_only=True))
    else:
        # Some families keep what a processor needs in config.json.
        makers.append(lambda: transformers.AutoImageProcessor.from_pretrained(str(place), local_files_only=True))
        makers += [getattr(transformers, name) for name in _family_processors(config) if hasattr(transformers, name)]
    for maker in makers:
        try:
            found = maker()
        except Exception as error:  # of one kind or the other: which one it is, the library tells by failing
            errors.append(first_line(error))
            continue
        for part in ("video_processor", "image_processor"):
            found = getattr(found, part, None) or found
        return found, errors
    return None, errors


def _family_processors(config: object) -> Iterator[str]:
    """Names of the processors that a model's family is used with, those for videos first."""
    from transformers.models.auto import image_processing_auto, video_processing_auto

    kind = str(getattr(config, "model_type", ""))
    # A tower by itself is prepared for as the model that it is a part of.
    ends = ("_vision_model", "_vision", "_encoder", "_with_registers")
    kinds = dict.fromkeys((kind, *(kind.removesuffix(end) for end in ends)))
    for module, table in (
        (video_processing_auto, "VIDEO_PROCESSOR_MAPPING_NAMES"),
        (image_processing_auto, "IMAGE_PROCESSOR_MAPPING_NAMES"),
    ):
        names: Mapping[str, object] = getattr(module, table, {})
        for one in kinds:
            found = names.get(one)
            values = found.values() if is_dict(found) else found if is_tuple(found) else (found,)
            yield from (value for value in reversed(list(values)) if isinstance(value, str))


def _read(processor: ProcessorMixin) -> _Processing:
    values = {key: getattr(processor, key, None) for key in _Processing.__dataclass_fields__}
    values |= {"black_and_white": _tried(processor), "kind": type(processor).__name__}
    for key in ("size", "crop_size"):
        values[key] = _edges(values[key])
    return _Processing(**{key: value for key, value in values.items() if value is not None})


def _edges(size: object) -> dict[str, int]:
    """A size in any of the library's forms as a table of edges.

    >>> _edges(224), _edges({"shortest_edge": 256})
    ({'height': 224, 'width': 224}, {'shortest_edge': 256})
    """
    if size is None:
        return {}
    if isinstance(size, int):
        return {"height": size, "width": size}
    table: dict[object, object] = size if is_dict(size) else {**vars(size)}
    edges = {key: table.get(key) for key in ("shortest_edge", "height", "width")}
    return {key: int(edge) for key, edge in edges.items() if isinstance(edge, int | float)}
