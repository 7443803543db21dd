"""What settings left at `auto` become: rules from what is known without a single segment.

Labels say whether a video may hold several actions, the features' values what kind of numbers they are, their times how
long a snippet is. Each rule gives its value and the reason in words, which are printed at the start of a training and
kept in its settings.toml. How each rule did on sets that it was not made for stands in benchmarks/temporal.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import UsageError, plural
from .settings import NetworkSettings, Settings

FEWEST_CLASSES = 5
"""That may be predicted of a video, however few labels the training videos have: the likeliest is not always right."""

BY_HEART = 1.0
"""Of the loss by the labels' frequencies alone: above it a network that tells its own videos learned them by heart."""

MOST = 0.5
"""Of the training videos: where more have several labels, an action has less of a video's time."""

_PROBABILITIES = "the features are probabilities of classes, and mean what they say"


@dataclass(frozen=True)
class Known:
    """What rules may look at: never a segment.

    Attributes:
        several: Share of the training videos with several labels, 0 to 1.
        probabilities: Whether every feature is a distribution over classes: no number below 0, and a sum of 1.
        length_seconds: Of a snippet, in the median video.
        stride_seconds: From one snippet to the next, in the median video.
        most: Snippets of the longest video.
        labels: Of the training video that has the most.
        by_heart: Whether a training for trial said that labels are learned by heart, so that half is hidden.
    """

    several: float
    probabilities: bool
    length_seconds: float
    stride_seconds: float
    most: int
    labels: int
    by_heart: bool = False


@dataclass(frozen=True)
class Decision:
    """What a rule decided.

    Attributes:
        key: Of the setting.
        value: What it became.
        why: In a few words.
    """

    key: str
    value: float | int | str
    why: str

    def line(self) -> str:
        """For a person.

        >>> Decision("train.loss", "sigmoid", "62 % of the training videos have several labels").line()
        'train.loss = sigmoid: 62 % of the training videos have several labels'
        """
        return f"{self.key} = {self.value}: {self.why}"


def share_of_several(labels: Mapping[str, Sequence[str]]) -> float:
    """The share of the labelled videos that have more than one label; 0 if there are none.

    >>> share_of_several({"a": ["Run"], "b": ["Run", "Jump"], "c": []})
    0.5
    """
    counts = [len(set(names)) for names in labels.values() if names]
    return float(np.mean([count > 1 for count in counts])) if counts else 0.0


def decide(settings: Settings, known: Known) -> list[Decision]:
    """What the settings at `auto`, and sizes in snippets at 0, become; those given by hand are not touched.

    Raises:
        UsageError: A number of snippets is to be found from seconds, but the features' times do not move on.

    >>> known = Known(several=0.62, probabilities=True, length_seconds=0.2, stride_seconds=0.2, most=33, labels=4)
    >>> for one in decide(Settings(), known):
    ...     print(one.line())
    train.loss = sigmoid: 62 % of the training videos have several labels
    input.normalise = none: the features are probabilities of classes, and mean what they say
    network.kernel_size = 1: the features are probabilities of classes, and mean what they say
    network.smoothing = 5: of 0.20 s each, for 0.8 s
    network.top = 0.125: 62 % of the training videos have several labels, which share their time
    localize.classes = 8: no training video has more than 4 labels
    """
    found: list[Decision] = []
    if settings.train.loss == "auto":
        alike = "it localized as well as softmax where each video has one label"
        found.append(Decision("train.loss", "sigmoid", _several(known) if known.several else alike))
    if settings.input.normalise == "auto":
        scaled = ("standard", "the features are no probabilities, so their scale says nothing")
        found.append(Decision("input.normalise", *(("none", _PROBABILITIES) if known.probabilities else scaled)))
    as_is = settings.input.normalise == "auto" and known.probabilities
    found += _snippets(settings.network, known, as_is=as_is)
    if not settings.network.top and settings.network.head != "has2017":
        found.append(_top(known))
    if settings.localize.classes < 0:
        why = f"no training video has more than {plural(known.labels, 'label')}"
        found.append(Decision("localize.classes", _classes(known.labels), why))
    return found


def hiding(loss: float | None, why: str = "") -> Decision:
    """Whether to hide segments: where held-out videos say that labels were learned by heart, not understood.

    Args:
        loss: Of the labels of held-out videos, as a share of what knowing their frequencies alone would cost; None
            where it was not tried out.
        why: It was not.

    >>> print(hiding(1.3).line())
    hide.probability = 0.5: labels of a held-out fifth are told worse than by chance, at 1.30 of its loss
    >>> hiding(0.7).value
    0.0
    """
    if loss is None:
        return Decision("hide.probability", 0.0, why)
    if loss > BY_HEART:
        told = f"labels of a held-out fifth are told worse than by chance, at {loss:.2f} of its loss"
        return Decision("hide.probability", 0.5, told)
    return Decision("hide.probability", 0.0, f"labels of a held-out fifth are told, at {loss:.2f} of chance's loss")


def _top(known: Known) -> Decision:
    if known.by_heart:
        return Decision("network.top", 0.125, "a quarter of what is seen, where half of the segments are hidden")
    if known.several > MOST:
        return Decision("network.top", 0.125, f"{_several(known)}, which share their time")
    return Decision("network.top", 0.25, f"{_several(known)}, so most actions have a video to themselves")


def _several(known: Known) -> str:
    share = f"{known.several:.0%}".replace("%", " %")
    return f"{share} of the training videos have several labels"


def most_labels(labels: Mapping[str, Sequence[str]]) -> int:
    """Of the video that has the most, each counted once.

    >>> most_labels({"a": ["Run", "Run"], "b": ["Run", "Jump"]})
    2
    """
    return max((len(set(names)) for names in labels.values()), default=0)


def classes_of(labels: Mapping[str, Sequence[str]]) -> int:
    """How many labels may be predicted of a video, by those of the training videos.

    A network that learned little finds hundreds of classes likely.

    >>> classes_of({"a": ["Run", "Jump"], "b": ["Run"]})
    5
    """
    return _classes(most_labels(labels))


def _classes(most: int) -> int:
    return max(2 * most, FEWEST_CLASSES)


def _snippets(network: NetworkSettings, known: Known, *, as_is: bool) -> list[Decision]:
    """Kernel and smoothing, odd: the nearest number of snippets, of two equally near the larger, none above the most.

    A kernel has weights of its own for each of its snippets, of which the rate of a video's frames would give it
    dozens: hence `kernel_most`. Smoothing has none, and follows the seconds.
    """
    stride, smooths = known.stride_seconds, network.head != "has2017"
    wanted = not network.kernel_size, smooths and not network.smoothing
    if stride <= 0 and any(wanted):
        raise UsageError(
            "how many snippets are network.kernel_seconds?",
            why="the features' times say that none passes from one snippet to the next",
            next="mend start_seconds, or --set network.kernel_size=3 network.smoothing=3",
        )

    def odd(snippets: float, most: int) -> int:
        # Measured strides are off by their rounding, which must not decide between two sizes.
        return min(1 + 2 * max(int(snippets / 2 + 1e-3), 0), most - (most + 1) % 2)

    found: list[Decision] = []
    if wanted[0] and as_is:
        found.append(Decision("network.kernel_size", 1, _PROBABILITIES))
    elif wanted[0]:
        seen = 1 + (network.kernel_seconds - known.length_seconds) / stride
        size = odd(seen, min(known.most, network.kernel_most or known.most))
        why = f"snippets of {known.length_seconds:.2f} s every {stride:.2f} s, for {network.kernel_seconds:g} s"
        found.append(Decision("network.kernel_size", size, why))
    if wanted[1]:
        size = odd(network.smoothing_seconds / stride, known.most)
        why = f"of {stride:.2f} s each, for {network.smoothing_seconds:g} s"
        found.append(Decision("network.smoothing", size, why))
    return found
