"""What one page or picture shows: a video by `thas localize`, a folder by `thas run`, a timeline by `thas plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.errors import UsageError, suggestion
from ..core.narrowing import as_list
from ..core.segments import Segments
from ..eval.labels_told import LabelsTold
from ..temporal_has.activation import ClassActivationSequence
from ..temporal_has.results import told_threshold
from ..temporal_has.suppress import sure_segments
from ..temporal_has.timeline import draw_timeline
from .content import RunContent, read_run
from .page import write_page


def write_video_page(
    path: Path, sequence: ClassActivationSequence, detections: Segments, facts: Mapping[str, object]
) -> Path:
    """Write what was found in one video as a page.

    `facts` say how that was found: `source`, the file; `run` or `runs`; `settings`.
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


def plot_video(
    path: Path,
    runs: Sequence[Path],
    video: str,
    *,
    labels: Sequence[str] = (),
    everything: bool = False,
    dataset: str | None = None,
    data_root: Path = Path("data"),
) -> tuple[str, ...]:
    """Draw truth, class activation and detections of a video, as .svg, .png or .pdf.

    Labels are the true ones if none are given, else those found. With `everything` all candidates instead of the few
    that are sure and apart. `dataset` is where the runs' data set is now, if it was moved.

    Returns:
        What is missing, a sentence each.

    Raises:
        UsageError: The picture is of no kind that is drawn, or a run has not localized the video.
    """
    if path.suffix.lower() not in {".svg", ".png", ".pdf"}:
        raise UsageError(f"{path} is no kind of picture that is drawn here", next="--out FILE.svg, .png or .pdf")
    contents = {folder.name: read_run(folder, dataset=dataset, data_root=data_root) for folder in runs}
    sequences, detections = dict[str, ClassActivationSequence](), dict[str, Segments]()
    for name, content in contents.items():
        sequence = next((one for one in content.sequences() if one.video == video), None)
        if sequence is None:
            raise UsageError(
                f"{name} has no video {video!r}", why=suggestion(video, content.videos), next="thas plot --video NAME"
            )
        shown = name if len(contents) > 1 else ""
        found = content.detections[content.detections.video == video]
        sequences[shown], detections[shown] = sequence, found if everything else sure_segments(found)
    first = next(iter(contents.values()))
    truth = None if first.truth is None else first.truth.segments[first.truth.segments.video == video]
    draw_timeline(
        path,
        sequences,
        detections,
        truth=truth,
        labels=tuple(labels) or None,
        threshold=first.threshold or (0.5,),
        threshold_rule=first.threshold_rule,
    )
    return tuple(dict.fromkeys(line for content in contents.values() for line in content.notes))


def write_folder_page(path: Path, work: Path, told: LabelsTold | None, *, scored: bool) -> Path:
    """Write what the whole way found in a folder of videos as a page.

    `work` holds all candidates, sequences and the network (`ChainResult.all_detections`). Where there are true segments
    (`scored`), the videos that are scored are shown, else all.
    """
    content = read_run(work / "run", found=None if scored else work / "all")
    return write_page(path, [replace(content, told=told)], title=path.resolve().parent.name)
