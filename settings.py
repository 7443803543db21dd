"""Every default of training, localization and evaluation in one place, each with its source.

The defaults are the temporal half of Hide-and-Seek (Singh & Lee, ICCV 2017). The paper leaves a good deal unsaid; the
source of each value is one of

    paper       stated in the paper
    unverified  how the paper's experiments are said to have been run; not stated in it
    ours        the paper says nothing; chosen by us

Precedence: defaults < preset of the data set < --preset < --config FILE.toml < options.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .errors import UsageError, listing, suggestion

PRESETS_FOLDER = Path(__file__).parent / "presets"


def _setting(
    default: Any, doc: str, source: str = "ours", *, low: float | None = None, high: float | None = None
) -> Any:
    return field(default=default, metadata={"doc": doc, "source": source, "low": low, "high": high})


@dataclass(frozen=True)
class InputSettings:
    """What the network is shown."""

    snippets: int = _setting(
        2000, "F_total: longer videos are sampled uniformly to so many; 0 for all", "unverified", low=0
    )
    normalise: Literal["none", "standard"] = _setting(
        "none", "features as they come, or zero mean and unit variance over the training set", "paper"
    )


@dataclass(frozen=True)
class HideSettings:
    """What is hidden in training."""

    probability: float = _setting(
        0.5, "p_hide of each segment; 0 hides nothing (Video-full)", "unverified", low=0, high=1
    )
    segments: int = _setting(20, "a video is divided in so many (2000 frames in segments of 100)", "unverified", low=1)
    size: tuple[int, ...] = _setting(
        (), "F_segment in snippets, instead of `segments`; of several each video draws one", "ours", low=0
    )
    fill: Literal["mean", "zero"] = _setting("mean", "hidden snippets take the training set's mean feature", "paper")


@dataclass(frozen=True)
class NetworkSettings:
    """The temporal network."""

    channels: int = _setting(500, "kernels in each layer", "unverified", low=1)
    layers: int = _setting(2, "convolutions over time", "unverified", low=1)
    kernel_size: int = _setting(1, "in snippets, odd", "unverified", low=1)
    pooling: Literal["max", "mean"] = _setting("max", "over time", "unverified")
    dropout: float = _setting(0.0, "of the last layer's maps, in training", "ours", low=0, high=1)


@dataclass(frozen=True)
class TrainSettings:
    """How it learns."""

    seed: int = _setting(0, "of the weights, the order of the videos and the hiding", "ours", low=0)
    epochs: int = _setting(100, "passes over the training videos", "ours", low=1)
    batch_size: int = _setting(16, "videos", "ours", low=1)
    learning_rate: float = _setting(1e-4, "of Adam", "ours", low=0)
    weight_decay: float = _setting(0.0, "of Adam, decoupled", "ours", low=0)
    loss: Literal["softmax", "sigmoid"] = _setting(
        "softmax", "softmax shares its mass among a video's labels; sigmoid asks for each class by itself", "unverified"
    )
    checkpoint_epochs: int = _setting(10, "a checkpoint to resume from every so many epochs", "ours", low=1)
    memory_gigabytes: float = _setting(4.0, "features are kept in memory up to here, else read again", "ours", low=0)
    device: str = _setting("auto", "cpu, cuda, cuda:1, or auto", "ours")


@dataclass(frozen=True)
class LocalizeSettings:
    """From class activation sequences to segments."""

    labels: Literal["known", "predicted"] = _setting(
        "predicted", "look for a video's true labels (the paper; it flatters) or for those predicted", "ours"
    )
    class_threshold: float = _setting(0.1, "probability from which a class counts as predicted", "ours", low=0, high=1)
    threshold: tuple[float, ...] = _setting(
        (0.5,), "of the sequence's maximum; several are pooled", "unverified", low=0, high=1
    )
    score: Literal["max", "mean", "outer-inner"] = _setting("mean", "of a run, times its class's probability", "ours")
    gap_seconds: float = _setting(0.0, "runs no further apart are joined", "ours", low=0)
    minimum_seconds: float = _setting(0.0, "shorter detections are dropped", "ours", low=0)
    upsample: int = _setting(1, "interpolate the sequence to so many times its moments", "ours", low=1)


@dataclass(frozen=True)
class EvalSettings:
    """How detections are scored."""

    protocol: Literal["activitynet", "thumos14", "thumos14-11point", "wtalc"] = _setting(
        "activitynet", "whose evaluation program to follow", "ours"
    )
    iou: tuple[float, ...] = _setting(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), "temporal IoU thresholds", "paper", low=0, high=1
    )


@dataclass(frozen=True)
class Settings:
    """All settings of a run; a section each for input, hide, network, train, localize and eval.

    >>> Settings().updated({"hide.probability": 0}).hide.probability
    0.0
    """

    input: InputSettings = field(default_factory=InputSettings)
    hide: HideSettings = field(default_factory=HideSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    localize: LocalizeSettings = field(default_factory=LocalizeSettings)
    eval: EvalSettings = field(default_factory=EvalSettings)

    def updated(self, values: Mapping[str, Any], *, origin: str = "settings") -> Settings:
        """A copy with dotted keys replaced; values are checked and may be text, as typed.

        Raises:
            UsageError: A key is unknown (the nearest is named), or a value is of the wrong kind or out of bounds.
        """
        changes: dict[str, dict[str, Any]] = {}
        for key, value in values.items():
            section, name, description = self._find(key, origin)
            changes.setdefault(section, {})[name] = _parsed(key, value, description, origin)
        return replace(self, **{section: replace(getattr(self, section), **new) for section, new in changes.items()})

    @staticmethod
    def _find(key: str, origin: str) -> tuple[str, str, _Description]:
        known = descriptions()
        if key not in known:
            raise UsageError(
                f"{origin}: there is no setting {key!r}",
                why=suggestion(key, known),
                next="thas train --print-config lists every setting",
                subject=key,
            )
        section, name = key.split(".")
        return section, name, known[key]

    def flat(self) -> dict[str, Any]:
        """{"hide.probability": 0.5, ...}, in the order of the sections."""
        return {key: getattr(getattr(self, key.split(".")[0]), key.split(".")[1]) for key in descriptions()}

    def to_toml(self, origins: Mapping[str, str] | None = None) -> str:
        """TOML that can be fed back, each line with what it means and where its value came from."""
        lines: list[str] = []
        section = ""
        for key, value in self.flat().items():
            if not key.startswith(section + "."):
                section = key.split(".")[0]
                lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
            description = descriptions()[key]
            origin = (origins or {}).get(key, f"default, {description.source}")
            lines.append(f"{key.split('.')[1]} = {_toml(value)}".ljust(34) + f"# {description.doc} ({origin})")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Description:
    kind: Any
    doc: str
    source: str
    low: float | None
    high: float | None


def descriptions() -> dict[str, _Description]:
    """Every setting's type, meaning, source and bounds, by dotted key."""
    found: dict[str, _Description] = {}
    for section, kind in get_type_hints(Settings).items():
        hints = get_type_hints(kind)
        for one in fields(kind):
            found[f"{section}.{one.name}"] = _describe(one, hints[one.name])
    return found


def _describe(one: Field[Any], kind: Any) -> _Description:
    return _Description(kind, one.metadata["doc"], one.metadata["source"], one.metadata["low"], one.metadata["high"])


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _parsed(key: str, value: Any, description: _Description, origin: str) -> Any:
    """`value`, as TOML or the command line gave it, as the setting's own type."""

    def refuse(must: str) -> UsageError:
        return UsageError(
            f"{origin}: {key} must be {must}, but is {value!r}",
            why=description.doc,
            next=f"--set {key}=...",
            subject=key,
        )

    kind = description.kind
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise refuse("one of " + ", ".join(get_args(kind)))
        return value
    if get_origin(kind) is tuple:
        parts = value.replace(",", " ").split() if isinstance(value, str) else value
        parts = parts if isinstance(parts, Iterable) else [parts]
        one = _Description(get_args(kind)[0], description.doc, description.source, description.low, description.high)
        return tuple(_parsed(key, part, one, origin) for part in parts)
    if kind is str:
        return str(value)
    try:
        number = kind(value)
        if isinstance(value, bool) or float(number) != float(value):
            raise ValueError
    except (TypeError, ValueError):
        raise refuse("a whole number" if kind is int else "a number") from None
    low, high = description.low, description.high
    if not (low is None or number >= low) or not (high is None or number <= high):
        raise refuse(f"from {low} to {high}" if high is not None else f"{low} or more")
    return number


def flatten(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"hide": {"probability": 0}} -> {"hide.probability": 0}."""
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as nested tables.

    Raises:
        UsageError: The file is missing or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no settings file {path}", next="check the path", subject=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not a TOML file", why=str(error), next="thas train --print-config prints one"
        ) from None


def preset_names() -> list[str]:
    """The presets that come with thas: of methods and of data sets."""
    return sorted(path.stem for path in PRESETS_FOLDER.glob("*.toml"))


def read_preset(name: str) -> dict[str, Any]:
    """The tables of a preset: `[data]` describes a data set, the others are settings.

    `[features]` and `[backbone]` are what extract-features and train-backbone take unless told otherwise.

    Raises:
        UsageError: There is no such preset.
    """
    path = PRESETS_FOLDER / f"{name}.toml"
    if name not in preset_names():
        raise UsageError(
            f"there is no preset {name!r}",
            why=suggestion(name, preset_names()),
            next=f"use one of {listing(preset_names(), 20)}",
        )
    return read_toml(path)


def preset_table(name: str, table: str) -> dict[str, Any]:
    """A preset's table for another command than train, `features` or `backbone`; empty where it has none.

    >>> preset_table("has2017", "features")
    {}
    """
    return dict(read_preset(name).get(table, {})) if name in preset_names() else {}


def _of_training(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Without the tables that describe the data set and the commands before training."""
    return {name: table for name, table in tables.items() if name not in {"data", "features", "backbone"}}


def resolve_settings(
    *,
    data_preset: str | None = None,
    presets: Iterable[str] = (),
    config: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Settings, dict[str, str]]:
    """Settings by precedence, and for each changed key where its value came from."""
    layers: list[tuple[str, Mapping[str, Any]]] = []
    for name in [*([data_preset] if data_preset else []), *presets]:
        layers.append((f"preset {name}", _of_training(read_preset(name))))
    if config is not None:
        layers.append((str(config), _of_training(read_toml(config))))
    if options:
        layers.append(("option", options))
    settings, origins = Settings(), {}
    for origin, layer in layers:
        flat = flatten(layer)
        settings = settings.updated(flat, origin=origin)
        origins |= dict.fromkeys(flat, origin)
    return settings, origins
