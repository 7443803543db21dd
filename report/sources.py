"""What may be summed up or cut: a run, a file of detections or of annotations; with what is known of its videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..annotators.annotation_files import read_any
from ..core.errors import DataError, UsageError, suggestion
from ..core.segments import Segments
from ..eval.annotations import Annotations
from ..temporal_has.suppress import sure_segments
from .content import read_run, video_files


@dataclass(frozen=True, eq=False)
class Moments:
    """Actions in videos, apart from each other unless they are annotations.

    Attributes:
        actions: By video and time.
        videos: All that were looked at, with actions or without.
        seconds: Lengths of videos, as far as known.
        files: Video files at hand.
    """

    actions: Segments
    videos: tuple[str, ...]
    seconds: Mapping[str, float]
    files: Mapping[str, Path]

    def chosen(self, labels: Sequence[str] = (), videos: Sequence[str] = ()) -> dict[str, Segments]:
        """Those of some actions and videos, or of all, by video.

        Raises:
            UsageError: There is none.
        """
        actions = self.actions
        for wanted, known, option in ((labels, set(actions.label), "--label"), (videos, set(actions.video), "--video")):
            unknown = [name for name in wanted if name not in known]
            if unknown:
                raise UsageError(
                    f"nothing was found of {unknown[0]!r}", why=suggestion(unknown[0], sorted(known)), next=option
                )
        by_video = {name: rows for name, rows in actions.by_video().items() if not videos or name in videos}
        if labels:
            by_video = {name: rows[[one in labels for one in rows.label]] for name, rows in by_video.items()}
        by_video = {name: rows for name, rows in by_video.items() if len(rows)}
        if not by_video:
            raise UsageError(
                "no moment was found to cut", next="thas localize; or thas clips --all for unsure ones, too"
            )
        return by_video


def read_moments(
    source: Path, *, dataset: str | None = None, data_root: Path = Path("data"), everything: bool = False
) -> Moments:
    """Read a run's folder, or a file that `thas eval` reads.

    Args:
        source: Either.
        dataset: Where videos lie, if the source does not know.
        data_root: The folder that holds data sets called by name.
        everything: All candidates instead of the few that are sure and apart.

    Raises:
        ThasError: It cannot be read.
    """
    from ..core.runs import SETTINGS

    files: Mapping[str, Path] = {}
    if (source / SETTINGS).exists():
        run = read_run(source)
        table: Segments | Annotations = run.detections
        videos, files = run.videos, run.files
        seconds = {sequence.video: sequence.duration_seconds for sequence in run.sequences()}
    else:
        table = read_any(source)
        videos = table.videos if isinstance(table, Annotations) else tuple(dict.fromkeys(table.video))
        seconds = dict(table.durations) if isinstance(table, Annotations) else {}
    actions = table.segments if isinstance(table, Annotations) else table
    if actions.score is not None and not everything:
        actions = sure_segments(actions)
    if dataset is not None:
        from ..datasets.opening import open_dataset

        files = video_files(open_dataset(dataset, data_root=data_root), videos)
    return Moments(actions, videos, seconds, files)


def files_named(folder: Path, videos: tuple[str, ...]) -> dict[str, Path]:
    """The video files in a folder that bear the videos' names.

    Raises:
        UsageError: It is no folder.
        DataError: It holds none of them.
    """
    from ..features.video_files import VIDEO_SUFFIXES

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", next="--videos FOLDER names the folder that the videos lie in")
    inside = {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in VIDEO_SUFFIXES}
    found = {video: inside[name] for video in videos for name in (video, Path(video).stem) if name in inside}
    if not found:
        raise DataError(
            f"{folder} holds none of the videos",
            why=f"{len(inside)} video files lie there; the first moment is in {videos[0] if videos else 'no video'}",
            next="a video's file bears its name",
            subject=str(folder),
        )
    return found
