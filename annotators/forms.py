"""Which form an annotation file has, and the reader of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from xml.etree.ElementTree import Element

from ..core.errors import DataError, UsageError, suggestion
from ..core.reading import reading
from ..core.spreadsheets import is_spreadsheet, plain_rows
from ..core.tables import split_heading
from ..eval.annotations import Annotations
from ..features.video_files import VIDEO_SUFFIXES
from . import anvil, bento, boris, boris_project, cvat, data_sets, elan, frame_labels, label_studio, own_tables, via
from .events import NOTHING_SAID, Found, ReadingOptions, annotations_of
from .texts import GZIP, Rows, bytes_of, json_of, text_of, xml_of

_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Form(Generic[_Content]):
    """A form that is read.

    Attributes:
        what: Whose it is.
        opens: Reads what a file holds.
        adds: Adds the events in that to what is found.
        fits: Whether it is of this form, where that is seen before its events are read.
        label: The fields that make a label unless others are asked for.
        again: What to do about a file that is damaged.
    """

    what: str
    opens: Callable[[Path], _Content]
    adds: Callable[[Found, _Content], object]
    fits: Callable[[_Content], bool] | None = None
    label: tuple[str, ...] = ("label",)
    again: str = "export the annotations anew"

    def read(self, path: Path, options: ReadingOptions) -> Found:
        """All that a file of this form holds.

        Raises:
            DataError: It is of another form, malformed, or does not say what `options` do not say either.
        """
        found = Found(path, options, self.label, self.again)
        content = self.opens(path)
        if self.fits is not None and not self.fits(content):
            other = FORMS.get(form_of(path) or "")
            why, next = "nothing in it tells of what form it is", self.again
            if other is not None and other is not self:
                why, next = f"it looks like {other.what}", "leave --from out: what a file holds tells its form"
            raise found.fail(f"it is not of the form {self.what}", why=why, next=next)
        self.adds(found, content)
        return found


#: Suffixes that annotation tools give to files of their own.
TOOL_SUFFIXES = frozenset({".xml", ".eaf", ".anvil", ".annot", ".boris", ".gz"})

#: What tells the forms of files of each kind apart, in the order in which they are asked.
_XML: Mapping[str, Callable[[Element], bool]] = {"elan": elan.is_elan, "cvat": cvat.is_cvat, "anvil": anvil.is_anvil}
_JSON: Mapping[str, Callable[[object], bool]] = {
    "boris-project": boris_project.is_project,
    "label-studio": label_studio.is_tasks,
    "via": via.is_via,
    "soccernet": data_sets.is_soccernet,
    "spot": data_sets.is_spot,
    "multithumos": data_sets.is_multithumos,
}

_EVENTS, _ROW, _LINE = "export the events anew", "correct the row", "correct the line"
#: By the name that `--from` takes.
FORMS: Mapping[str, Form[Element] | Form[object] | Form[str] | Form[Rows] | Form[Path]] = {
    "boris": Form("BORIS, tabular or aggregated events", boris.rows_of, boris.read, label=("behavior",), again=_EVENTS),
    "boris-project": Form("BORIS, project", json_of, boris_project.read, boris_project.is_project, ("behavior",)),
    "elan": Form("ELAN", xml_of, elan.read, elan.is_elan, ("value",), "save it anew in ELAN"),
    "label-studio": Form(
        "Label Studio, timelines of videos", label_studio.tasks_of, label_studio.read, label_studio.is_tasks
    ),
    "cvat": Form("CVAT, tracks and tags", xml_of, cvat.read, cvat.is_cvat, again="export as CVAT for video 1.1"),
    "via": Form("VGG Image Annotator 3", text_of, via.read, label=("value",), again="save it anew in VIA 3"),
    "anvil": Form("Anvil", xml_of, anvil.read, anvil.is_anvil, ("value",), "save it anew in Anvil"),
    "bento": Form("BENTO", text_of, bento.read, bento.is_bento),
    "deepethogram": Form("DeepEthogram", text_of, frame_labels.read_deepethogram, frame_labels.is_deepethogram),
    "frame-labels": Form("a label a line, a line a frame", text_of, frame_labels.read_lines, again=_LINE),
    "table": Form("a table of your own, see --columns", own_tables.rows_of, own_tables.read, again=_ROW),
    "epic-kitchens": Form("EPIC-Kitchens", Path, data_sets.read_epic, label=("narration",), again=_ROW),
    "charades": Form("Charades", Path, data_sets.read_charades, again=_ROW),
    "multithumos": Form("MultiTHUMOS", json_of, data_sets.read_multithumos, data_sets.is_multithumos),
    "breakfast": Form("Breakfast", text_of, frame_labels.read_breakfast, again=_LINE),
    "50salads": Form("50 Salads", text_of, frame_labels.read_salads, again=_LINE),
    "jigsaws": Form("JIGSAWS", text_of, frame_labels.read_jigsaws, again=_LINE),
    "soccernet": Form("SoccerNet, action spotting", json_of, data_sets.read_soccernet, data_sets.is_soccernet),
    "spot": Form("events at frames, as of figure skating", json_of, data_sets.read_spot, data_sets.is_spot),
}


def form_of(path: Path) -> str | None:
    """The form of a file by its content; None if it is none of these.

    Raises:
        DataError: It cannot be read, or is of a tool whose files hold no times.
    """
    if is_spreadsheet(path):
        rows = ([cell.strip().lower() for cell in cells] for _, cells in plain_rows(path))
        return "boris" if any(boris.is_boris(names) for names in rows) else None
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
        root = xml_of(path)
        if root.tag == "View":
            raise label_studio.refuse_config(path, root)
        return next((name for name, fits in _XML.items() if fits(root)), None)
    if start.lstrip()[:1] in ("{", "["):
        if '"results"' in start[:4096] or '"database"' in start[:4096]:
            return None  # ActivityNet's forms, which have readers of their own
        content = json_of(path)
        if via.is_old_via(content):
            return "via"
        return next((name for name, fits in _JSON.items() if fits(content)), None)
    return _text_form(path, start)


def _text_form(path: Path, head: str) -> str | None:
    names = split_heading(head.split("\n", 1)[0])[0]
    kinds = {
        "boris": boris.holds_table(head),
        "label-studio": label_studio.holds_csv(head),
        "via": ("# CSV_HEADER" in head and "temporal_coordinates" in head) or via.is_old_csv(head),
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
    return FORMS[name].read(path, options)


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
