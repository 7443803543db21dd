"""Which form an annotation file has, and the reader of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ..core.errors import DataError, UsageError, suggestion
from ..core.spreadsheets import is_spreadsheet, plain_rows
from ..datasets.video_files import VIDEO_SUFFIXES
from ..eval.annotations import Annotations
from .events import NOTHING_SAID, Found, ReadingOptions, annotations_of
from .texts import json_of, xml_of

Reader = Callable[[Path, ReadingOptions], Found]


@dataclass(frozen=True)
class Form:
    """A form that is read.

    Attributes:
        what: Whose it is.
        module: Where its reader `read` is.
        function: The reader's name.
    """

    what: str
    module: str
    function: str = "read"


#: By the name that `--from` takes.
FORMS: dict[str, Form] = {
    "boris": Form("BORIS, tabular or aggregated events", "boris"),
    "boris-project": Form("BORIS, project", "boris_project"),
    "elan": Form("ELAN", "elan"),
}


def form_of(path: Path) -> str | None:
    """The form of a file by its content; None if it is none of these.

    Raises:
        DataError: It cannot be read, or is of a tool whose files hold no times.
    """
    if is_spreadsheet(path):
        from .boris import is_boris

        rows = ([cell.strip().lower() for cell in cells] for _, cells in plain_rows(path))
        return "boris" if any(is_boris(names) for names in rows) else None
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(1 << 16)
    start = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", errors="ignore").lstrip(
        "\ufeff \t\r\n"
    )
    if start.startswith("<"):
        return _xml_form(path)
    if start[:1] in ("{", "["):
        return _json_form(path, start)
    return _text_form(start)


def _xml_form(path: Path) -> str | None:
    root = xml_of(path)
    return {"ANNOTATION_DOCUMENT": "elan"}.get(root.tag)


def _json_form(path: Path, head: str) -> str | None:
    if '"results"' in head[:4096] or '"database"' in head[:4096]:
        return None  # ActivityNet's forms, which have readers of their own
    content = json_of(path)
    from .boris_project import is_project

    return "boris-project" if is_project(content) else None


def _text_form(head: str) -> str | None:
    from .boris import holds_table

    return "boris" if holds_table(head) else None


def read(path: Path, options: ReadingOptions = NOTHING_SAID, *, form: str | None = None) -> Found:
    """Read a file in a form by its name, or in the form that it has.

    Raises:
        UsageError: There is no such form.
        DataError: The file is in none of the forms, or malformed.
    """
    name = form or options.form or form_of(path)
    if name is None:
        raise DataError(
            f"{path} is in none of the forms that are read",
            why="neither its content nor its name tells what it is",
            next="give --from FORM: " + ", ".join(FORMS),
            subject=str(path),
        )
    if name not in FORMS:
        raise UsageError(f"there is no form {name!r} to read", why=suggestion(name, FORMS), next="give --from FORM")
    reader: Reader = getattr(import_module(f".{FORMS[name].module}", __package__), FORMS[name].function)
    return reader(path, options)


def read_file(
    path: Path,
    options: ReadingOptions = NOTHING_SAID,
    *,
    form: str | None = None,
    classes: Sequence[str] | None = None,
    ignore_label: str = "Ambiguous",
) -> Annotations:
    """Read a file as ground truth; see `read`."""
    return annotations_of(read(path, options, form=form), classes=classes, ignore_label=ignore_label)


def files_in(folder: Path) -> list[Path]:
    """The files of a folder that may hold annotations, by name: none that is hidden, a video, or a tool's memory."""
    beside = VIDEO_SUFFIXES | {".pfsx", ".psfx", ".wav", ".mp3", ".md", ".png", ".jpg"}
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() not in beside)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
