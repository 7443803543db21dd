"""Every default of the temporal half in one place, each with its source; the twin of `thas.image_has.settings`.

The defaults are what held on data sets that they were not chosen on (benchmarks/temporal.md): the attention head, with
nothing hidden; what is `auto` follows from the training videos by `rules`. The temporal half of Hide-and-Seek (Singh &
Lee, ICCV 2017) as it stands in the paper is the preset `has2017`. The source of each default,
and of each value of a preset, is

    paper       stated in the paper
    unverified  how the paper's experiments are said to have been run; not stated in it
    ours        chosen by us, where nothing is said

How presets, files and options go over them says `thas.core.presets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ..core.plugins import bring
from ..core.settings_table import Kind, SettingsTable, setting

bring("heads", {"attention": "temporal_has.attention:AttentionNetwork", "has2017": "temporal_has.network:HasNetwork"})
LOSSES = {"sigmoid": "temporal_has.losses:SIGMOID", "softmax": "temporal_has.losses:SOFTMAX"}
bring("losses", LOSSES)


@dataclass(frozen=True)
class InputSettings:
    """What the network is shown."""

    snippets: int = setting(
        2000, "F_total: longer videos are sampled uniformly to so many; 0 for all", "unverified", low=0
    )
    normalise: Literal["auto", "none", "standard"] = setting(
        "auto", "zero mean and unit variance over the training set, or none: features as they come; auto: rules"
    )
    dropout: Literal["none", "training", "always"] = setting(
        "none", "drop single values with hide.probability instead of segments; always: at test time too", "paper"
    )


@dataclass(frozen=True)
class HideSettings:
    """What is hidden in training."""

    probability: float = setting(
        -1.0, "p_hide of each segment; 0 hides nothing (Video-full), -1 is for rules to say", low=-1, high=1
    )
    segments: int = setting(20, "a video is divided in so many (2000 frames in segments of 100)", "unverified", low=1)
    size: tuple[int, ...] = setting(
        (), "F_segment in snippets, instead of `segments`; of several each video draws one", low=0
    )
    layer: int = setting(
        0, "hide in the features (0) or in the maps of the first convolution (1)", "paper", low=0, high=1
    )
    fill: Literal["mean", "zero"] = setting(
        "mean", "hidden snippets take the training set's mean feature (maps: their mean over the batch), or 0", "paper"
    )


@dataclass(frozen=True)
class NetworkSettings:
    """The temporal network."""

    head: str = setting(
        "attention",
        "attention over top activations, the paper's network (its values: --preset has2017), or a plug-in",
        part="heads",
    )
    members: int = setting(
        1, "networks trained at once from weights of their own, whose sequences are averaged", low=1, high=99
    )
    channels: int = setting(256, "kernels in each layer", low=1)
    layers: int = setting(2, "convolutions over time; has2017 only", "unverified", low=1)
    kernel_size: int = setting(0, "in snippets, odd; 0: as many as see `kernel_seconds` of video, by rules", low=0)
    kernel_seconds: float = setting(1.1, "for kernel_size 0; a snippet's own length counts", low=0)
    kernel_most: int = setting(5, "for kernel_size 0: no more snippets than these; 0 sets no bound", low=0)
    pooling: Literal["max", "mean"] = setting("max", "over time; has2017 only", "unverified")
    dropout: float = setting(0.7, "of the last layer's maps, in training", low=0, high=1)
    top: float = setting(
        0.0, "share of a video's snippets whose mean stands for the video, 0: by rules; attention only", low=0, high=1
    )
    smoothing: int = setting(
        0, "snippets the sequence is averaged over, odd; 0: of `smoothing_seconds`; attention only", low=0
    )
    smoothing_seconds: float = setting(0.8, "for smoothing 0; attention only", low=0)
    attention: bool = setting(
        True, "how much a snippet belongs to any action, times each class's activation; attention only"
    )
    background: bool = setting(False, "a background class that attention must suppress; attention only")


@dataclass(frozen=True)
class TrainSettings:
    """How it learns."""

    seed: int = setting(0, "of the weights, the order of the videos and the hiding", low=0, high=2**62)
    epochs: int = setting(50, "passes over the training videos", low=1)
    batch_size: int = setting(16, "videos", low=1)
    learning_rate: float = setting(1e-3, "of Adam", low=0)
    weight_decay: float = setting(0.0, "of Adam, decoupled", low=0)
    average: float = setting(
        0.0, "keep a mean of the weights over the last 1 / (1 - average) steps; 0 the last step's", low=0, high=0.99999
    )
    loss: str = setting(
        "auto",
        "softmax shares its mass among a video's labels; sigmoid asks for each by itself; or a plug-in; auto: rules",
        part="losses",
        auto=True,
    )
    points: float = setting(
        1.0,
        "weight of the loss at clicked moments, if there is a points.csv, beside that of videos; 0 heeds no clicks",
        low=0,
    )
    clip_norm: float = setting(0.0, "longer gradients are shortened to this; 0 leaves them", low=0)
    validation: float = setting(
        0.0, "fraction of the training videos held out, to choose the best epoch by their labels", low=0, high=0.9
    )
    patience: int = setting(0, "stop so many epochs after the best one; 0 never does", low=0)
    precision: Literal["32", "bf16", "16"] = setting("32", "of the arithmetic: mixed for bf16 and 16")
    checkpoint_epochs: int = setting(10, "a checkpoint to resume from every so many epochs", low=1)
    memory_gigabytes: float = setting(1.0, "features are kept in memory up to here, else read again", low=0)
    device: str = setting("auto", "cpu, cuda, cuda:1, or auto")


@dataclass(frozen=True)
class LocalizeSettings:
    """From class activation sequences to segments."""

    labels: Literal["known", "predicted"] = setting(
        "predicted", "look for a video's true labels (the paper; it flatters) or for those predicted"
    )
    class_threshold: float = setting(0.05, "probability from which a class counts as predicted", low=0, high=1)
    classes: int = setting(-1, "predict no more labels a video, the likeliest; 0 all, -1 is for rules to say", low=-1)
    threshold: tuple[float, ...] = setting(
        (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), "by threshold_rule; the runs at several are pooled"
    )
    threshold_rule: Literal["range", "max", "fixed"] = setting(
        "range", "a fraction of the sequence's range or of its maximum (0 to 1), or an activation itself"
    )
    score: Literal["outer-inner", "mean", "max"] = setting(
        "outer-inner", "of a run, times a power of its class's probability"
    )
    probability_power: float = setting(
        0.35, "that power: 1 is the probability itself, which is surer than right; 0 heeds none", low=0
    )
    squash: bool = setting(
        True, "score runs by the logistic function of the activation over its spread, not by outliers"
    )
    margin: float = setting(0.25, "of the outer-inner score, in lengths of the run", low=0)
    gap_seconds: float = setting(0.0, "runs no further apart are joined", low=0)
    minimum_seconds: float = setting(0.0, "shorter detections are dropped", low=0)
    upsample: int = setting(8, "interpolate the sequence to so many times its moments", low=1)
    nms: Literal["soft", "soft-linear", "nms", "none"] = setting(
        "soft", "of detections of a class that overlap a surer one: lower their scores, drop or keep them"
    )
    nms_iou: float = setting(0.5, "overlap from which they are dropped (nms) or lowered (soft-linear)", low=0, high=1)
    nms_sigma: float = setting(0.4, "of soft's Gaussian decay, smaller is stricter", low=1e-6)
    detections: int = setting(
        200, "keep so many of a video, the surest, or one a snippet where that is more; 0 keeps all", low=0
    )


@dataclass(frozen=True)
class EvalSettings:
    """How detections are scored."""

    protocol: Literal["activitynet", "thumos14", "thumos14-11point", "wtalc"] = setting(
        "activitynet", "whose evaluation program to follow"
    )
    iou: tuple[float, ...] = setting(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), "temporal IoU thresholds", "paper", low=0, high=1
    )


@dataclass(frozen=True)
class Settings(SettingsTable):
    """All settings of a run; a section each for input, hide, network, train, localize and eval.

    >>> Settings().updated({"hide.probability": 0}).hide.probability
    0.0
    """

    kind: ClassVar[Kind] = "temporal"
    earlier: ClassVar[Mapping[str, object]] = {
        "train.points": 0.0,
        "network.kernel_most": 0,
        "network.top": 0.25,
        "localize.squash": False,
        "localize.probability_power": 1.0,
        "localize.detections": 0,
    }

    input: InputSettings = field(default_factory=InputSettings)
    hide: HideSettings = field(default_factory=HideSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    localize: LocalizeSettings = field(default_factory=LocalizeSettings)
    eval: EvalSettings = field(default_factory=EvalSettings)

    def problems(self) -> Mapping[str, object]:
        """As `SettingsTable.problems`."""
        hide, network, train, localize = self.hide, self.network, self.train, self.localize
        outside = [one for one in localize.threshold if not 0 <= one <= 1]
        return {
            "network.kernel_size must be odd, so that a snippet is at its centre": _even(network.kernel_size),
            "network.smoothing must be odd, so that a snippet is at its centre": _even(network.smoothing),
            "network.background needs network.attention, which suppresses it": (
                network.background and not network.attention
            ),
            "hide.probability must be from 0 to 1, or -1": -1 < hide.probability < 0,
            "hide.layer and input.dropout exclude each other": hide.layer and self.input.dropout != "none",
            "train.validation must be above 0 for train.patience": train.patience and not train.validation,
            "localize.threshold needs at least one value": not localize.threshold,
            "localize.threshold must be from 0 to 1 unless localize.threshold_rule is fixed": (
                localize.threshold_rule != "fixed" and outside
            ),
        }


def _even(snippets: int) -> bool:
    return snippets > 0 and snippets % 2 == 0
