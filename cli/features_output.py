"""What `thas extract-features` and `thas import-features` print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import PartialFailure, listing, plural
from .console import print_json, say, warn

if TYPE_CHECKING:
    from ..features.extract import ExtractionResult


def report_features(result: ExtractionResult, folder: Path, verb: str, *, json: bool, next: str = "") -> None:
    """What became of each video, and exit code 3 if some gave nothing."""
    if json:
        from ..features.extraction_settings import row_of

        print_json(
            {
                "folder": str(folder),
                "done": list(result.done),
                "skipped": list(result.skipped),
                "failed": [row_of(failure) for failure in result.failed],
                "partial": list(result.partial),
                "guessed": list(result.guessed),
                "clips": result.clips,
            }
        )
    else:
        parts = [f"{plural(len(result.done), 'video')} {verb}"]
        if result.skipped:
            parts.append(f"{plural(len(result.skipped), 'was', 'were')} there already")
        if result.failed:
            parts.append(f"{len(result.failed)} failed")
        say(f"{', '.join(parts)}: {folder}")
    if result.partial:
        warn(
            f"{plural(len(result.partial), 'video was', 'videos were')} damaged and kept in part: "
            + listing(result.partial)
        )
    if result.guessed:
        warn(
            f"nothing says the frame rate of {listing(result.guessed)}: 25 frames a second were assumed; "
            "if that is wrong, remove their files and give the rate with --fps"
        )
    if result.failed:
        first = result.failed[0]
        raise PartialFailure(
            f"{plural(len(result.failed), 'video')} failed: {listing(failure.subject for failure in result.failed)}",
            why=f"{first.subject}: {first.why}" + (f"; all reasons in {folder}/failed.csv" if folder.is_dir() else ""),
            next=first.next or next or "mend or remove these, and run the same command again; what is done stays done",
        )
