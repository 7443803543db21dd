"""Options that several commands share: each is spelt, typed and described here once, and commands put them together.

A class of `options` is a group of them. What stands below a field is its help; what it means in a single command beyond
that is said there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, dataclass_transform

from cyclopts import Parameter

from ..core.errors import UsageError
from ..core.runs import ROOTS

if TYPE_CHECKING:
    from ..core.table_text import Form

Group = TypeVar("Group")

DATASET = "A data set's name (`thas list datasets`) or its folder."
DEVICE = "cpu, cuda, cuda:1 or auto."
RUN = "The run's folder; the newest by default."
SUBSET = "The subset of the data set."


@dataclass_transform(kw_only_default=True, frozen_default=True)
def options(group: type[Group]) -> type[Group]:
    """Make a class a group of options, each of which is typed as any other."""
    return Parameter(name="*")(dataclass(frozen=True, kw_only=True)(group))


def named(name: str) -> Parameter:
    """An option whose name is none that a variable can have."""
    return Parameter(name=name)


def also(first: str, more: str) -> Parameter:
    """Help that begins as it does in other commands, and goes on with what is so in this one alone."""
    return Parameter(help=f"{first} {more}")


Set = Annotated[list[str] | None, Parameter(name="--set")]
"""Settings, as they are typed."""
All = Annotated[bool, Parameter(name="--all")]


@options
class Printed:
    """How a result is printed."""

    json: bool = False
    """Print one JSON object."""


@options
class Tables(Printed):
    """How tables are printed."""

    markdown: bool = False
    """Print the tables alone, as Markdown."""
    latex: bool = False
    """Print the tables alone, as LaTeX (booktabs)."""

    def form(self) -> Form | None:
        """The form of tables alone that was asked for.

        Raises:
            UsageError: More than one form is asked for.
        """
        if self.markdown + self.latex + self.json > 1:
            raise UsageError("--markdown, --latex and --json exclude each other", next="give one of them")
        return "markdown" if self.markdown else "latex" if self.latex else None


@options
class DataRoot:
    """Where data sets lie."""

    data_root: Path = Path("data")
    """The folder that holds data sets called by name."""


@options
class Runs:
    """Where runs lie."""

    runs: Path = ROOTS["temporal"]
    """The folder that holds runs."""


@options
class ImageRuns:
    """Where runs of images lie."""

    runs: Path = ROOTS["image"]
    """The folder that holds runs."""


@options
class Device:
    """What computes."""

    device: Annotated[str, Parameter(help=DEVICE)] = "auto"
