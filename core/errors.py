"""The errors a user can cause or meet, each carrying its subject.

One short tree. Every error says three things: what went wrong and where, why, and the next command to type. The
command line prints them as three lines and exits with `exit_code`; from Python they are ordinary exceptions. A
`Failure` is what could not be used or done and did not end the rest: of videos, images, features, trainings alike.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class ThasError(Exception):
    """Base of all errors that thas raises on purpose.

    Args:
        what: What went wrong and with which thing.
        why: The cause, as far as it is known.
        next: What to do, preferably a command to type.
        subject: The file, video, label or setting concerned.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", next: str = "", subject: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.subject = subject

    def __str__(self) -> str:
        lines = [self.what]
        if self.why:
            lines.append(f"why:  {self.why}")
        if self.next:
            lines.append(f"next: {self.next}")
        return "\n".join(lines)


class UsageError(ThasError):
    """Something typed is wrong: an option, a setting, a name."""

    exit_code = 2


class DataError(ThasError):
    """A data set, label table or annotation file is missing or malformed. Subject: the file."""


class VideoError(ThasError):
    """A video cannot be decoded, or not wholly. Subject: the video's name."""


class FeatureError(ThasError):
    """Features are missing, malformed or made by another recipe. Subject: the video's name or the cache."""


class CheckpointError(ThasError):
    """Weights or a run cannot be loaded. Subject: the file."""


class PartialFailure(ThasError):
    """The job ran to its end, but some inputs failed; what succeeded is kept."""

    exit_code = 3


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as from a scheduler whose time is up; handled as an interruption."""


class NothingKept(KeyboardInterrupt):
    """Interrupted before there was anything to keep, and so nothing to resume."""


def listing(names: Iterable[str], most: int = 5) -> str:
    """Join names for a message, the first `most` of them and a count of the rest.

    >>> listing(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    names = list(names)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def plural(count: int, one: str, many: str = "") -> str:
    """A number with its noun, or more of a sentence.

    >>> plural(1, "video"), plural(3, "video"), plural(0, "class is", "classes are")
    ('1 video', '3 videos', '0 classes are')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def counted(names: Iterable[str], one: str, many: str = "", *, count: int | None = None) -> str:
    """How many there are and what is with them, then the first of their names.

    Args:
        names: Of the things concerned.
        one: What is said of a single one.
        many: What is said of several; `one` with an s if empty.
        count: Instead of the number of names.

    >>> counted(["a", "b"], "video is short", "videos are short")
    '2 videos are short: a, b'
    """
    names = list(names)
    return f"{plural(len(names) if count is None else count, one, many)}: {listing(names)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, else list some of them.

    >>> suggestion("Divin", ["Diving", "Shotput"])
    "did you mean 'Diving'?"
    >>> suggestion("refine", ["localize.refine", "localize.scale"])
    "did you mean 'localize.refine'?"
    >>> suggestion("tyni", ["wide", "tiny"])
    "did you mean 'tiny'?"
    """
    known = list(known)
    last = [one for one in known if one.endswith(f".{name}")]
    close = last if len(last) == 1 else get_close_matches(name, known, n=1)
    # Of a short name two letters that changed places are half of it; and case is no letter.
    close = close or [one for one in known if sorted(one.casefold()) == sorted(name.casefold())]
    return f"did you mean {close[0]!r}?" if close else f"known: {listing(known, 20)}"


@dataclass(frozen=True)
class Failure:
    """One of many inputs, or pieces of work, that failed.

    Attributes:
        subject: Its name: a video, an image, a class.
        what: A few words that are the same for all of its kind, or the stage at which it failed: "find", "open",
            "scan", "plan", "decode", "network" or "write" of a video.
        why: What exactly, in one line.
        frames: Of a video, the frames that came before.
        next: What to do about it.
    """

    subject: str
    what: str
    why: str = ""
    frames: int = 0
    next: str = ""

    def __str__(self) -> str:
        return "; ".join(part for part in (self.what, self.why) if part)


def reasons(failures: Iterable[Failure]) -> dict[str, str]:
    """Why, by name.

    >>> reasons([Failure("match", "open", "the file is empty")])
    {'match': 'the file is empty'}
    """
    return {one.subject: one.why for one in failures}


def failure_lines(failures: Iterable[Failure], most: int = 3) -> list[str]:
    """One line a kind of failure: how often, and the first few by name.

    >>> failure_lines([Failure("a.jpg", "broken image"), Failure("b.jpg", "broken image")])
    ['2 x broken image: a.jpg, b.jpg']
    """
    failures = list(failures)
    lines: list[str] = []
    for what, count in Counter(one.what for one in failures).items():
        named = [f"{one.subject} ({one.why})" if one.why else one.subject for one in failures if one.what == what]
        lines.append(f"{count} x {what}: {listing(named, most)}")
    return lines


_TURN = {
    "train": "--set train.batch_size=4 (16 by default), or --set input.snippets=500",
    "image train": "--set train.batch_size=16 (128 by default), or --set train.cache_gigabytes=0",
    "train-backbone": "--batch 4 (16 by default)",
    "extract-features": "--batch 1 and --workers 1",
    "localize": "--device cpu, or fewer files at once",
    "image localize": "--device cpu, or smaller copies of the largest images",
    "image eval": "--device cpu, or smaller copies of the largest images",
    "sweep": "--workers 1",
    "image sweep": "--workers 1",
    "run": "thas extract-features with --batch 1, then the same command again",
}
"""By command, what makes it take less."""


def first_line(error: BaseException) -> str:
    """What an error says, in its first line; the name of its kind where it says nothing.

    >>> first_line(ValueError("no such mode")), first_line(KeyError())
    ('no such mode', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()[:300]


def out_of_memory(error: BaseException, tokens: Sequence[str] = ()) -> ThasError | None:
    """The error to show for one that says that memory ran out, of the processor or a GPU; None for others.

    >>> told = out_of_memory(MemoryError("Unable to allocate 3.2 GiB for an array"), ["train"])
    >>> told.why
    'Unable to allocate 3.2 GiB for an array'
    """
    said = " ".join(str(error).split())
    on_gpu = type(error).__name__ == "OutOfMemoryError" or "CUDA out of memory" in said
    by_torch = isinstance(error, RuntimeError) and ("not enough memory" in said or "allocate memory" in said)
    by_system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if not (on_gpu or by_torch or by_system or isinstance(error, MemoryError)):
        return None
    command = next((name for name in (" ".join(tokens[:2]), *tokens[:1]) if name in _TURN), "")
    turn = _TURN.get(command, "end other programs, or use a machine with more memory")
    return ThasError(
        f"there is not enough memory{' on the GPU' if on_gpu else ''}",
        why=said[:300] or "Python could not say for what",
        next=f"{turn}; what was finished is kept",
    )
