"""Intervals of a video that is still arriving, each told once, as soon as what it rests on has been seen.

After each snippet the networks see the last minutes anew, and candidates are cut out as of a finished video. One is
told when its end, and all that its score is measured against, lie behind what the networks have yet to see. What comes
later can no longer change its sequence; only the height of the levels, which follow a video's range, and what the
video's labels are, were not known yet. That is what causality costs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError
from ..core.segments import Segments
from ..features.cache import Features
from ..temporal_has.suppress import sure_segments

if TYPE_CHECKING:
    from ..temporal_has.activation import ClassActivationSequence
    from ..temporal_has.localizer import Localizer
    from ..temporal_has.model import Model

# As for a person's list: of the score of a label's surest interval.
SHARE = 0.3
_TRIED = 160


@dataclass(frozen=True)
class SureInterval:
    """An interval that no later frame will change.

    Attributes:
        label: Its class.
        start_seconds: From the first frame seen.
        end_seconds: From the first frame seen.
        score: As of `thas.localize`, of what had been seen.
        delay_seconds: How much of the video had to be seen after its end.
    """

    label: str
    start_seconds: float
    end_seconds: float
    score: float
    delay_seconds: float


def lookahead(model: Model) -> int:
    """How many snippets after a moment its activation depends on, found by trial: one is changed, the rest looked at.

    Raises:
        UsageError: It depends on the whole video.
    """
    count = _TRIED
    draw = np.random.default_rng(0)
    mean, deviation = model.mean.numpy(), model.deviation.numpy()
    data = (mean + deviation * draw.normal(size=(count, len(mean)))).astype(np.float32)
    reach = 0
    for sign in (-1, 1):
        other = data.copy()
        other[-1] += sign * 10 * deviation
        times = np.arange(float(count))
        one, two = (model.sequence(Features("tried", x, times, times + 1, float(count))).logits for x in (data, other))
        moved = np.flatnonzero(np.abs(one - two).max(axis=1) > 1e-5 * max(1.0, float(np.abs(one).max())))
        reach = max(reach, count - 1 - int(moved.min())) if len(moved) else reach
    if reach > count // 2:
        raise UsageError(
            "this run's head needs the whole video, which a stream never is",
            why="what it says of a moment changes with what comes much later",
            next="localize the finished file without --stream, or train with the head attention",
        )
    return reach


class Live:
    """A video of which ever more is seen.

    Args:
        localizer: The networks and their rules.
        video: What the video is called.
        labels: The classes to look for; None for those predicted from what was seen.
        horizon_seconds: The networks, levels and labels see so much of the past.
        usual: For each label the score that the surest interval of a video with it usually has, as in the run's test
            videos. What is far below is not told; where none is named, what stands out from all so far is.

    Raises:
        UsageError: The networks need the whole video, or drop at random.
    """

    def __init__(
        self,
        localizer: Localizer,
        *,
        video: str = "stream",
        labels: Iterable[str] | None = None,
        horizon_seconds: float = 300.0,
        usual: Mapping[str, float] | None = None,
    ) -> None:
        if any(one.settings.input.dropout == "always" for one in localizer.members):
            raise UsageError("a network that drops at random when it is used sees no stream", next="train another run")
        self.video, self.horizon_seconds = video, horizon_seconds
        self.lookahead = max(lookahead(one) for one in localizer.members)
        self._localizer, self._labels = localizer, None if labels is None else tuple(labels)
        self._usual = dict(usual or {})
        self._rows: deque[tuple[np.ndarray, float, float]] = deque()
        self._told: list[SureInterval] = []
        self.snippets = 0
        self.forgot = False

    @property
    def told(self) -> tuple[SureInterval, ...]:
        """All that was told, in that order."""
        return tuple(self._told)

    def add(self, data: np.ndarray, start_seconds: float, end_seconds: float) -> list[SureInterval]:
        """See one more snippet: its feature (D,) and its time. What has become sure by it."""
        self._rows.append((data, start_seconds, end_seconds))
        self.snippets += 1
        while end_seconds - self._rows[0][1] > self.horizon_seconds:
            self._rows.popleft()
            self.forgot = True
        rules = self._localizer.settings
        # Behind this, activations no longer change; one more snippet for what is interpolated between two.
        back = min(self.lookahead + 1, len(self._rows) - 1)
        settled = self._rows[-1 - back][1] if back < len(self._rows) - 1 else -np.inf
        found = self.candidates(end_seconds)
        assert found.score is not None
        margin = rules.margin if rules.score == "outer-inner" else 0.0
        known = found.end_seconds + margin * (found.end_seconds - found.start_seconds) + rules.gap_seconds
        return self._tell(found[known <= settled], now=end_seconds)

    def finish(self, duration_seconds: float) -> list[SureInterval]:
        """The video is over: what was still open, cut at its end."""
        return self._tell(self.candidates(duration_seconds), now=duration_seconds) if self._rows else []

    def interrupt(self, seconds: float) -> list[SureInterval]:
        """The source broke off here: as `finish`; what comes after it is seen by itself."""
        told = self.finish(seconds)
        self._rows.clear()
        self.forgot = True
        return told

    def candidates(self, now: float) -> Segments:
        """A person's list of what was seen of the last minutes, sure or not yet; what was told before may be in it."""
        found = sure_segments(self._localizer.segments(self._sequence(now), self._labels), share=SHARE)
        assert found.score is not None
        least = np.array([SHARE * self._usual.get(label, 0.0) for label in found.label])
        return found[found.score >= least]

    def whole(self, duration_seconds: float) -> Segments | None:
        """All candidates, exactly as of the finished file; None if some of it is beyond the horizon, or a gap."""
        if self.forgot or not self._rows:
            return None
        return self._localizer.segments(self._sequence(duration_seconds), self._labels)

    def _sequence(self, now: float) -> ClassActivationSequence:
        data, start, end = (np.array(column) for column in zip(*self._rows, strict=True))
        features = Features(self.video, data, start, end, now)
        return self._localizer.sequence(features)

    def _tell(self, found: Segments, *, now: float) -> list[SureInterval]:
        assert found.score is not None
        new: list[SureInterval] = []
        for label, start, end, score in zip(
            found.label, found.start_seconds, found.end_seconds, found.score, strict=True
        ):
            same = [one for one in self._told if one.label == label]
            if not any(one.start_seconds < end and start < one.end_seconds for one in same):
                sure = SureInterval(str(label), float(start), float(end), float(score), float(now - end))
                self._told.append(sure)
                new.append(sure)
        return new
