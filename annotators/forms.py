"""Which form an annotation file has, and the reader of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ..core.errors import DataError, UsageError, suggestion
from ..core.reading import reading
from ..core.spreadsheets import is_spreadsheet, plain_rows
from ..core.tables import split_heading
from ..eval.annotations import Annotations
from ..features.video_files import VIDEO_SUFFIXES
from .events import NOTHING_SAID, Found, ReadingOptions, annotations_of
from .texts import GZIP, bytes_of, json_of, xml_of

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


#: Suffixes that annotation tools give to files of their own.
TOOL_SUFFIXES = frozenset({".xml", ".eaf", ".anvil", ".annot", ".boris", ".gz"})

#: By the name that `--from` takes.
FORMS: dict[str, Form] = {
    "boris": Form("BORIS, tabular or aggregated events", "boris"),
    "boris-project": Form("BORIS, project", "boris_project"),
    "elan": Form("ELAN", "elan"),
    "label-studio": Form("Label Studio, timelines of videos", "label_studio"),
    "cvat": Form("CVAT, tracks and tags", "cvat"),
    "via": Form("VGG Image Annotator 3", "via"),
    "anvil": Form("Anvil", "anvil"),
    "bento": Form("BENTO", "bento"),
    "deepethogram": Form("DeepEthogram", "frame_labels", "read_deepethogram"),
    "frame-labels": Form("a label a line, a line a frame", "frame_labels", "read_lines"),
    "table": Form("a table of your own, see --columns", "own_tables"),
    "epic-kitchens": Form("EPIC-Kitchens", "data_sets", "read_epic"),
    "charades": Form("Charades", "data_sets", "read_charades"),
    "multithumos": Form("MultiTHUMOS", "data_sets", "read_multithumos"),
    "breakfast": Form("Breakfast", "frame_labels", "read_breakfast"),
    "50salads": Form("50 Salads", "frame_labels", "read_salads"),
    "jigsaws": Form("JIGSAWS", "frame_labels", "read_jigsaws"),
    "soccernet": Form("SoccerNet, action spotting", "data_sets", "read_soccernet"),
    "spot": Form("events at frames, as of figure skating", "data_sets", "read_spot"),
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
    with reading(path, "cannot be read", next="check the path"), path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(GZIP):
        head = bytes_of(path)[: 1 << 16]
    marked = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    start = head.decode("utf-16" if marked else "utf-8", errors="ignore")
    start = start.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")
    if start.lstrip().startswith("<"):
        return _xml_form(path)
    if start.lstrip()[:1] in ("{", "["):
        return _json_form(path, start)
    return _text_form(path, start)


def _xml_form(path: Path) -> str | None:
    from . import anvil, cvat, label_studio

    root = xml_of(path)
    if root.tag == "View":
        raise label_studio.refuse_config(path, root)
    if root.tag == "ANNOTATION_DOCUMENT":
        return "elan"
    return "cvat" if cvat.is_cvat(root) else "anvil" if anvil.is_anvil(root) else None


def _json_form(path: Path, head: str) -> str | None:
    if '"results"' in head[:4096] or '"database"' in head[:4096]:
        return None  # ActivityNet's forms, which have readers of their own
    content = json_of(path)
    from . import boris_project, data_sets, label_studio, via

    kinds = {
        "boris-project": boris_project.is_project,
        "label-studio": label_studio.is_tasks,
        "via": via.is_via,
        "soccernet": data_sets.is_soccernet,
        "spot": data_sets.is_spot,
        "multithumos": data_sets.is_multithumos,
    }
    if via.is_old_via(content):
        return "via"
    return next((name for name, fits in kinds.items() if fits(content)), None)


def _text_form(path: Path, head: str) -> str | None:
    from . import bento, boris, data_sets, frame_labels, label_studio, via

    if boris.holds_table(head):
        return "boris"
    if label_studio.holds_csv(head):
        return "label-studio"
    if ("# CSV_HEADER" in head and "temporal_coordinates" in head) or via.is_old_csv(head):
        return "via"
    names = split_heading(head.split("\n", 1)[0])[0]
    kinds = {
        "bento": bento.is_bento(head),
        "epic-kitchens": data_sets.is_epic(names),
        "charades": data_sets.is_charades(names),
        "deepethogram": frame_labels.is_deepethogram(head),
        "50salads": path.stem.endswith("activityAnnotation"),
        "jigsaws": frame_labels.is_jigsaws(head),
        "frame-labels": frame_labels.is_line_a_frame(head),
    }
    found = next((name for name, fits in kinds.items() if fits), None)
    if found is None and frame_labels.ranges_of(head):
        raise DataError(
            f"{path} holds numbers and labels, and it is not known what the numbers are",
            why="lines of START END LABEL are frames in one data set and microseconds in another",
            next="give --from jigsaws, or --from 50salads, to thas convert",
            subject=str(path),
        )
    return found


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
