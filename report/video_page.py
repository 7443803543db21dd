"""The page of a single video file, as `thas localize` writes it beside its other results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..core.narrowing import as_list
from ..core.segments import Segments
from ..temporal_has.activation import ClassActivationSequence
from ..temporal_has.results import told_threshold
from .content import RunContent
from .page import write_page


def write_video_page(
    path: Path, sequence: ClassActivationSequence, detections: Segments, facts: Mapping[str, object]
) -> Path:
    """Write what was found in one video as a page.

    Args:
        path: The HTML file.
        sequence: The video's.
        detections: In it.
        facts: What the result says of its making: `source`, the file; `run` or `runs`; `settings`.

    Returns:
        The file.
    """
    runs = [Path(str(run)).name for run in as_list(facts.get("runs", [facts.get("run", "")]))]
    threshold, rule = told_threshold(facts.get("settings"))
    content = RunContent(
        name=" and ".join(filter(None, runs)) or "a run",
        detections=detections,
        sequences=lambda: iter([sequence]),
        videos=(sequence.video,),
        threshold=threshold,
        threshold_rule=rule,
        files={sequence.video: Path(str(facts["source"]))} if "source" in facts else {},
    )
    return write_page(path, [content], title=sequence.video)
