"""Reading a file or folder whose content is not known: detections or ground truth, in any of the forms."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DataError
from ..core.segments import Segments
from ..core.spreadsheets import is_spreadsheet, read_sheet
from ..core.tables import opened, split_heading
from ..eval.annotations import Annotations
from ..eval.detections import ClassIds, read_detections
from ..eval.parsing import HEADINGS
from .annotation_files import read_annotations
from .events import NOTHING_SAID, ReadingOptions
from .forms import form_of


def read_any(
    path: str | Path, *, class_ids: ClassIds | None = None, options: ReadingOptions = NOTHING_SAID
) -> Segments | Annotations:
    """Detections or annotations, told apart by the content.

    Args:
        path: A file in any form, a folder of THUMOS14 text files, or a run folder with detections.json.
        class_ids: See `detections.read_detections`.
        options: What the files of annotation tools do not say themselves.

    Raises:
        DataError: Missing or malformed.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist", next="give a file or a folder", subject=str(path))
    if path.is_dir():
        found = path / "detections.json"
        return read_detections(found) if found.exists() else read_annotations(path, options=options)
    if options.form is not None or options.columns or form_of(path) is not None:
        return read_annotations(path, options=options)
    if is_spreadsheet(path):
        needed = ("video", "label", "start", "end")
        scored = set(read_sheet(path, HEADINGS, needed).names) & set(HEADINGS["score"])
        return read_detections(path) if scored else read_annotations(path, options=options)
    with opened(path) as file:
        head = file.read(1 << 16)
    if path.suffix.lower() in {".csv", ".tsv"}:
        names = set(split_heading((head.strip().splitlines() or [""])[0])[0])
        return read_detections(path) if names & set(HEADINGS["score"]) else read_annotations(path, options=options)
    if head.lstrip()[:1] == "{":
        truth = _holds(path, "database") or ('"annotations"' in head and '"results"' not in head)
        return read_annotations(path, options=options) if truth else read_detections(path)
    return read_detections(path, class_ids=class_ids)


def _holds(path: Path, key: str) -> bool:
    """Whether a JSON object's text has the key; a whole parse would cost what reading it costs again."""
    with opened(path) as file:
        while chunk := file.read(1 << 20):
            if f'"{key}"' in chunk:
                return True
            if '"results"' in chunk:
                return False
    return False
