"""Where the command line prints: results on stdout; progress, warnings and advice on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.measure import Measurement
from rich.segment import Segment

from ..core.messages import Progress, silent
from ..core.runs import first_process

if TYPE_CHECKING:
    from rich.table import Table

    from ..core.errors import ThasError
    from ..core.table_text import Form

# What would steer a terminal, or turn the direction of its text, and is no line's end or tab: shown as what it is.
_STEERING = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


class PlainConsole(Console):
    """A console that shows the control signs in names and labels instead of obeying them."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:  # type: ignore[override]
        """As rich does, whose own colours are no text yet at this point."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(segment.text.translate(_STEERING), segment.style)


# Soft wrapping, so that a path in a message can be copied whole; NO_COLOR and non-terminals are rich's to obey.
# Of the processes of torchrun one speaks; only errors are told by all.
out = PlainConsole(soft_wrap=True, highlight=False, quiet=not first_process())
err = PlainConsole(stderr=True, soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """A line on stdout, in whose text brackets are no markup."""
    out.print(text, markup=False)


@contextmanager
def hushed(quiet: bool) -> Iterator[None]:
    """What is said on stdout in the block is not shown if `quiet`: something else is to stand there alone."""
    before, out.quiet = out.quiet, out.quiet or quiet
    try:
        yield
    finally:
        out.quiet = before


def print_json(value: object) -> None:
    """One JSON object on stdout. NaN, which JSON lacks, must have become null before."""
    if first_process():
        sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def print_json_line(value: object) -> None:
    """A JSON object on a line of its own on stdout, at once: for what goes on and on."""
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_wide(table: RenderableType) -> None:
    """A table on stdout with all its columns whole, however narrow the terminal is thought to be."""
    needed = Measurement.get(out, out.options.update(max_width=1000), table).maximum
    PlainConsole(width=max(out.width, needed), soft_wrap=True, highlight=False).print(table)


def print_as(tables: Iterable[Table], form: Form) -> None:
    """Tables on stdout as Markdown or LaTeX, for a paper or an issue."""
    from ..core.table_text import of_rich, table_text

    for i, table in enumerate(tables):
        heading, rows = of_rich(table)
        out.print(("\n" if i else "") + table_text(heading, rows, form=form), markup=False, end="")


def warn(message: str) -> None:
    """A warning on stderr."""
    if first_process():
        err.print(f"[yellow]warning:[/] {escape(message)}")


def note(message: str) -> None:
    """Advice on stderr."""
    if first_process():
        err.print(f"[dim]{escape(message)}[/]")


def print_error(error: ThasError) -> None:
    """Three lines: what and where; why; the next command."""
    err.print(f"[bold red]error:[/] {escape(error.what)}")
    if error.why:
        err.print(f"  why:  {escape(error.why)}")
    if error.next:
        err.print(f"  next: {escape(error.next)}")


@contextmanager
def progress(description: str, total: int | None = None, unit: str = "") -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a line at each tenth.

    Yields:
        `advance(n=1, note="")`: `n` more are done; `note` stands beside the bar.
    """
    if not first_process():
        yield silent
        return
    if not err.is_terminal:
        yield _Lines(description, total, unit)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=False) as bars:
        task = bars.add_task(description, total=total, note="")

        def advance(n: float = 1, note: str = "", /) -> None:
            if note:
                bars.update(task, note=note)
            bars.advance(task, n)

        yield advance


class _Lines:
    """Progress for logs and pipes: a line whenever another tenth is done."""

    def __init__(self, description: str, total: int | None, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done, self.printed, self.said = 0.0, 0, 0

    def __call__(self, n: float = 1, note: str = "", /) -> None:
        self.done += n
        tenth = int(10 * self.done / self.total + 1e-9) if self.total else 0
        if tenth > self.printed and int(self.done + 1e-9) > self.said:
            self.printed, self.said = tenth, int(self.done + 1e-9)
            err.print(f"{self.description}: {self.done:.0f} of {self.total} {self.unit} {note}".rstrip())
