"""Results of video files: `<video>.json`, `.csv` and `.png` in one folder, never in the place of others.

A result is replaced only by a result of the same file, localized by the same network with the same settings. Anything
else of that name stays, and the new one is called `<video>-2`, `<video>-3` and so on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from .._version import __version__
from ..core.errors import DataError, FeatureError, VideoError
from ..core.files import sync_folder
from ..core.messages import Progress
from ..core.processes import only_one
from ..core.segments import Segments
from ..core.weight_store import sha256
from .activation import ClassActivationSequence
from .localizer import Localizer
from .model import checkpoint_path
from .results import detection_lines, read_detections, told_threshold, write_detections, write_table
from .settings import LocalizeSettings

WritePage = Callable[[Path, ClassActivationSequence, Segments, Mapping[str, object]], object]
"""Writes a result to an HTML file: its path, the sequence, the detections and the facts."""

_DRAFT = ".part."
"""How the names of files begin that are not yet all there."""
_SAME = ("source", "bytes", "modified_seconds", "checkpoint_sha256", "map_members", "settings", "thas_version")


@dataclass(frozen=True)
class VideoResult:
    """What was found in one video file.

    Attributes:
        path: The file.
        detections: In it.
        written: The files that say so.
        failed: Why nothing is known of it; empty if all went well.
        found_before: Whether an earlier result of the same file, network and settings was taken.
    """

    path: Path
    detections: Segments
    written: tuple[Path, ...] = ()
    failed: str = ""
    found_before: bool = False

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "video": self.path.stem,
            "source": str(self.path),
            "results": self.detections.sorted_by_score().to_activitynet().get(self.path.stem, []),
            "written": [str(path) for path in self.written],
            "failed": self.failed,
        }

    def lines(self, *, most: int = 20) -> Iterator[str]:
        """The surest detections, a line each, as a person reads them."""
        if self.failed:
            yield f"{self.path}: could not be localized: {self.failed}"
            return
        yield from detection_lines(self.path.stem, self.detections, most=most)


def run_facts(
    runs: Sequence[Path],
    settings: LocalizeSettings,
    *,
    map_members: Sequence[int] = (),
    checkpoint: Literal["best", "last"] = "best",
) -> dict[str, object]:
    """What a result says of how it was made: the run, its network and the settings; lists where there are several."""
    networks = [sha256(checkpoint_path(run, checkpoint)) for run in runs]
    several = {"runs": [str(run) for run in runs], "checkpoint_sha256": networks, "map_members": list(map_members)}
    return {
        "labels": "predicted",
        **(several if len(runs) > 1 else {"run": str(runs[0]), "checkpoint_sha256": networks[0]}),
        "settings": json.loads(json.dumps(vars(settings))),
        "thas_version": __version__,
    }


def video_facts(path: Path) -> dict[str, object]:
    """What a result says of the file it is of."""
    about = path.stat()
    return {"source": str(path.resolve()), "bytes": about.st_size, "modified_seconds": about.st_mtime}


def find_result(folder: Path, name: str, facts: Mapping[str, object]) -> Path | None:
    """The JSON file of an earlier result of the same file, network and settings, if there is one."""
    pattern = re.compile(re.escape(name) + r"(-\d+)?\.json")  # no drafts
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if pattern.fullmatch(path.name):
            try:
                found = read_detections(path)[1]
            except DataError:
                continue
            if all(found.get(key) == facts.get(key) for key in _SAME):
                return path
    return None


def place_for(folder: Path, name: str, facts: Mapping[str, object]) -> Path:
    """Where a result belongs, without suffix: that of the same request, else the first name that is free."""
    earlier = find_result(folder, name, facts)
    if earlier is not None:
        return earlier.with_suffix("")
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(folder / one for one in names if not any(path.exists() for path in _files(folder / one)))


def _files(place: Path) -> tuple[Path, Path, Path, Path]:
    """The files of a result: JSON, CSV, picture and page."""
    json_, csv, picture, page = (place.with_name(place.name + suffix) for suffix in (".json", ".csv", ".png", ".html"))
    return json_, csv, picture, page


def write_video_result(
    folder: Path,
    sequence: ClassActivationSequence,
    detections: Segments,
    facts: Mapping[str, object],
    *,
    pictures: bool,
    page: WritePage | None = None,
) -> tuple[Path, ...]:
    """Write the detections in one video as ActivityNet's JSON and as CSV, and draw its timeline.

    Returns:
        The files written. They appear together, the JSON last: where it is, the others are, and what a killed
        process did not come to give their names, the next one does.
    """
    with only_one(folder):  # against another process that localizes into it
        finish_results(folder)
        place = place_for(folder, sequence.video, facts)
        data, table, picture, html = _files(folder / f"{_DRAFT}{place.name}")
        write_table(table, detections)
        if pictures:
            from .timeline import draw_timeline

            threshold, rule = told_threshold(facts["settings"])
            draw_timeline(picture, {"": sequence}, {"": detections}, threshold=threshold, threshold_rule=rule)
            if page is not None:
                page(html, sequence, detections, facts)
        write_detections(data, detections, {**facts, "videos": [sequence.video]})
        finish_results(folder)
    return _files(place)[: _count(pictures, page)]


def finish_results(folder: Path) -> None:
    """Give results their names that are whole, and remove the others; only for who holds the folder.

    A process that is killed leaves drafts. Where there is one of the JSON file, which is written last, all are whole.
    """
    for draft in sorted(folder.glob(f"{_DRAFT}*.json")):
        name = draft.name.removesuffix(".json")
        for one, path in reversed(list(zip(_files(folder / name), _files(folder / name[len(_DRAFT) :]), strict=True))):
            if one.exists():
                os.replace(one, path)
    for left in (*folder.glob(f"{_DRAFT}*"), *folder.glob(f".{_DRAFT}*.part")):
        left.unlink()
    sync_folder(folder)


def _count(pictures: bool, page: WritePage | None) -> int:
    """How many of the files of a result are written."""
    return 2 + pictures + (pictures and page is not None)


class FileLocalizer:
    """Localizes video files, one by one, and writes what it finds; nothing is done twice.

    Raises:
        ThasError: The run's features were not extracted by thas, or its backbone's weights are not at hand.
    """

    def __init__(
        self,
        localizer: Localizer,
        *,
        runs: Sequence[Path],
        out: Path,
        pictures: bool = True,
        checkpoint: Literal["best", "last"] = "best",
        page: WritePage | None = None,
    ) -> None:
        self._page = page
        self._localizer, self._out, self._pictures = localizer, out, pictures
        self._facts = run_facts(runs, localizer.settings, map_members=localizer.map_members, checkpoint=checkpoint)
        _ = localizer.extractor

    def __call__(self, path: Path, *, progress: Progress | None = None) -> VideoResult:
        """Localize a file. What is wrong with the file does not raise; it is in the result.

        Raises:
            DataError: The results cannot be written.
        """
        nothing = Segments.empty(scored=True)
        try:
            facts = {**self._facts, **video_facts(path)}
            earlier = find_result(self._out, path.stem, facts)
            if earlier is not None:
                files = _files(earlier.with_suffix(""))[: _count(self._pictures, self._page)]
                if all(file.exists() for file in files):
                    if progress is not None:
                        progress(1.0)
                    return VideoResult(path, read_detections(earlier)[0], files, found_before=True)
            sequence = self._localizer.sequence(path, progress=progress)
            if video_facts(path) != {key: facts[key] for key in video_facts(path)}:
                return VideoResult(path, nothing, failed="it changed while it was read")
        except (VideoError, FeatureError) as error:
            return VideoResult(path, nothing, failed=error.why or error.what)
        except OSError as error:
            return VideoResult(path, nothing, failed=error.strerror or str(error))
        detections = self._localizer.segments(sequence)
        written = write_video_result(self._out, sequence, detections, facts, pictures=self._pictures, page=self._page)
        return VideoResult(path, detections, written)
