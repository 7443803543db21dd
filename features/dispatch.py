"""Videos handed out to many extractors in small chunks, and what became of them.

One desk stands between the machines of a cluster: extractors come and take videos, and tell what they finished. Of one
that is lost, the desk knows what it had.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import Failure


@dataclass(eq=False)
class Account:
    """What became of the videos of an extraction.

    Attributes:
        done: Videos whose files have their final names.
        partial: Of those, the ones that hold only a part.
        failed: Videos that gave nothing.
        guessed: Of those done, the ones whose frame rate had to be assumed.
        clips: Clips that the network saw.
    """

    done: list[str] = field(default_factory=list[str])
    partial: list[str] = field(default_factory=list[str])
    failed: list[Failure] = field(default_factory=list[Failure])
    guessed: list[str] = field(default_factory=list[str])
    clips: int = 0

    def add(self, other: Account) -> None:
        """What became of others, too."""
        self.done += other.done
        self.partial += other.partial
        self.failed += other.failed
        self.guessed += other.guessed
        self.clips += other.clips

    def clear(self) -> None:
        """Forget what was told."""
        for videos in (self.done, self.partial, self.failed, self.guessed):
            videos.clear()
        self.clips = 0


@dataclass(eq=False)
class News(Account):
    """What an extractor did since it last told; `shares` is the sum of the shares of videos that were finished."""

    shares: float = 0.0
    warnings: list[str] = field(default_factory=list[str])


class Desk:
    """Hands out videos, names and files, in their order, each to one extractor.

    >>> desk = Desk([("a", Path("a.mp4")), ("b", Path("b.mp4")), ("c", Path("c.mp4"))])
    >>> [video for video, _ in desk.take(1, most=2)], [video for video, _ in desk.take(2, most=2)]
    (['a', 'b'], ['c'])
    >>> desk.tell(1, News(done=["a"]))
    >>> desk.dismiss(1)
    ['b']
    """

    def __init__(self, videos: Iterable[tuple[str, Path]]) -> None:
        self._waiting = deque(videos)
        self._held: dict[int, dict[str, Path]] = {}
        self._gone: set[int] = set()
        self._news: list[tuple[int, News]] = []

    def take(self, who: int, *, most: int) -> list[tuple[str, Path]]:
        """The next videos for an extractor; none if none wait, or if it was dismissed.

        At most `most`, and fewer towards the end, so that all extractors end together.
        """
        if who in self._gone:
            return []
        held = self._held.setdefault(who, {})
        count = min(most, -(-len(self._waiting) // (2 * len(self._held))), len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(count)]
        held.update(taken)
        return taken

    def tell(self, who: int, news: News) -> None:
        """Note what an extractor did, unless it was dismissed: others have its videos then."""
        if who in self._gone:
            return
        for video in (*news.done, *(failure.subject for failure in news.failed)):
            self._held.get(who, {}).pop(video, None)
        self._news.append((who, news))

    def news(self) -> tuple[list[tuple[int, News]], int]:
        """What was told since the last call, by whom; and how many videos wait."""
        news, self._news = self._news, []
        return news, len(self._waiting)

    def dismiss(self, who: int) -> list[str]:
        """The unfinished videos of an extractor that is lost; it is given no more, and not heard any more."""
        self._gone.add(who)
        return list(self._held.pop(who, {}))

    def put_back(self, videos: Iterable[tuple[str, Path]]) -> None:
        """Hand these out next."""
        self._waiting.extendleft(reversed(list(videos)))
