"""`thas localize`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..core.errors import PartialFailure, UsageError, listing, plural
from .console import note, out, print_json, print_json_line, progress, warn
from .eval_output import say_told
from .temporal import SET, SEVERAL
from .typed_settings import parse_localizing

if TYPE_CHECKING:
    from ..temporal_has.settings import LocalizeSettings
    from ..temporal_has.video_results import VideoResult

_MOVING = {".gif", ".avif"}  # images that may be videos


def localize(
    inputs: Annotated[list[str] | None, Parameter(name="VIDEO")] = None,
    /,
    *,
    run: Annotated[list[Path] | None, SEVERAL] = None,
    map_members: Annotated[list[int] | None, SEVERAL] = None,
    watch: Path | None = None,
    once: bool = False,
    dataset: str | None = None,
    subset: str | None = None,
    features: Path | None = None,
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    labels: Literal["known", "predicted"] | None = None,
    set_: Annotated[list[str] | None, SET] = None,
    weights: Path | None = None,
    checkpoint: Literal["best", "last"] = "best",
    runs: Path = Path("runs"),
    data_root: Path = Path("data"),
    device: str = "auto",
    pictures: Annotated[bool | None, Parameter(negative="--no-pictures")] = None,
    json: bool = False,
) -> int:
    """Find when actions happen: a run (or several, averaged) and videos (or a data set) in, intervals out.

    Of each video file it writes detections/VIDEO.json (ActivityNet's form), .csv, .png, a timeline, and .html, a page.
    They replace nothing but the same result: anything else of that name stays, and the new files are called VIDEO-2.
    Running it again takes what was found before. Of a data set it writes detections.json, detections.csv and
    sequences.h5.

    For example:

        thas localize match.mp4 training.mp4 --run runs/latest

        thas localize --watch incoming --out found

        thas localize --dataset my_videos --subset test --pictures

        thas localize match.mp4 --run runs/my_videos/A runs/my_videos/B

    Parameters
    ----------
    inputs
        Video files; their features are extracted as the run's were. Without any, the test videos of the data set.
    run
        The run's folder; the newest by default. Of several, class activation sequences and probabilities are averaged;
        settings are the first one's.
    map_members
        Which of several runs give sequences, counted from 0, the others probabilities alone; all by default.
    watch
        Localize the videos in this folder and, until Ctrl-C, those that are put there, each once it has been copied
        whole. With --json it prints an object a line.
    once
        With --watch: localize what is there, then stop.
    dataset
        Localize this data set instead of the run's own.
    subset
        Its subset; the run's test subset by default.
    features
        The feature cache; the data set's by default.
    out_
        The folder of the results: by default `detections` for video files, the run's folder for a data set, and
        `with-...` in the first run's folder if there are several.
    labels
        Take the data set's labels as known, or those predicted.
    set_
        Any localize setting, as localize.threshold=0.3,0.5.
    weights
        The backbone's weights, for video files, if they no longer lie where the run found them.
    checkpoint
        The best epoch's network, if the run held out videos to choose it by, or the last one's.
    runs
        The folder that holds runs.
    data_root
        The folder that holds data sets called by name.
    device
        cpu, cuda, cuda:1 or auto.
    pictures
        Draw a timeline of every video: by default of video files, not of a data set's videos.
    json
        Print the detections as one JSON object.
    """
    from ..core.run_settings import read_settings
    from ..core.runs import find_run
    from ..datasets.video_files import VIDEO_SUFFIXES
    from ..image_has.images import IMAGE_SUFFIXES
    from ..temporal_has.settings import Settings

    # Videos typed behind --run, which takes all that follows.
    behind = [one for one in run or [] if one.suffix.lower() in VIDEO_SUFFIXES and not one.is_dir()]
    inputs = [*(inputs or []), *map(str, behind)]
    photographs = [one for one in inputs if Path(one).suffix.lower() in IMAGE_SUFFIXES - _MOVING]
    if photographs:
        raise UsageError(f"{photographs[0]} is a picture", why="actions take time", next="thas image localize PHOTO...")
    if (inputs or watch) and (dataset or subset or features):
        raise UsageError("name video files or a data set, not both", next="thas localize --help")
    if inputs and watch:
        raise UsageError("name video files or a folder to watch, not both", next="thas localize --watch FOLDER")
    if once and not watch:
        raise UsageError("--once goes with --watch", next="thas localize --watch FOLDER --once")
    folders = [find_run(one, root=runs) for one in run or [] if one not in behind] or [find_run(None, root=runs)]
    trained = read_settings(folders[0], Settings)[0]
    changes = parse_localizing(set_, trained) | ({"localize.labels": labels} if labels else {})
    settings = trained.updated(changes, origin="option").localize
    if inputs or watch:
        if labels == "known":
            raise UsageError(
                "the labels of mere files are not known",
                why="--labels known takes them from a data set",
                next="thas localize --dataset FOLDER --labels known, or leave --labels out",
            )
        absent = [name for name in inputs if not Path(name).exists()]
        if absent and len(absent) == len(inputs):
            raise UsageError(f"there is no video {absent[0]}", next="check the path", subject=absent[0])
        draw = pictures is not False
        files = _files(
            folders,
            settings,
            folder=out_,
            pictures=draw,
            map_members=map_members or (),
            checkpoint=checkpoint,
            weights=weights,
            device=device,
        )
        if watch:
            return _watch(watch, files, once=once, json=json)
        return _videos([Path(name) for name in inputs], files, json=json)
    return _dataset(
        folders,
        settings,
        map_members=map_members or (),
        out_=out_,
        pictures=bool(pictures),
        json=json,
        dataset=dataset,
        data_root=data_root,
        subset=subset,
        features=features,
        device=device,
        checkpoint=checkpoint,
    )


def _files(
    runs: list[Path],
    settings: LocalizeSettings,
    *,
    folder: Path | None,
    pictures: bool,
    checkpoint: Literal["best", "last"],
    **how: Any,
) -> Callable[..., VideoResult]:
    from ..report.video_page import write_video_page
    from ..temporal_has.localizer import Localizer
    from ..temporal_has.video_results import FileLocalizer

    localizer = Localizer.from_run(*runs, settings=settings, checkpoint=checkpoint, **how)
    out = folder or Path("detections")
    return FileLocalizer(localizer, runs=runs, out=out, pictures=pictures, checkpoint=checkpoint, page=write_video_page)


def _videos(paths: list[Path], localize_file: Callable[..., VideoResult], *, json: bool) -> int:
    from ..features.frame_folder import is_frame_folder

    folder = next((path for path in paths if path.is_dir() and not is_frame_folder(path)), None)
    if folder is not None:
        raise UsageError(f"{folder} is a folder", next=f"thas localize --watch {folder} --once", subject=str(folder))
    results: list[VideoResult] = []
    with progress("localizing", total=len(paths), unit="videos") as advance:
        for path in paths:
            result = localize_file(path, progress=advance)
            results.append(result)
            if not json:
                _show(result)
    failed = {str(result.path): result.failed for result in results if result.failed}
    if not json and any(len(result.detections) > 5 for result in results):
        note("few and apart as printed: the .csv; all candidates, as mAP wants them: the .json")
    if json:
        print_json({"videos": [result.to_json() for result in results], "failed": failed})
    _refuse(failed, len(results))
    return 0


def _watch(folder: Path, localize_file: Callable[..., VideoResult], *, once: bool, json: bool) -> int:
    from ..temporal_has.watch import watch

    results: Iterator[VideoResult] = watch(folder, localize_file, once=once)
    failed: dict[str, str] = {}
    count = 0
    note(f"watching {folder}" + ("" if once else "; Ctrl-C ends it, and the same command goes on"))
    for result in results:
        count += 1
        if result.failed:
            failed[str(result.path)] = result.failed
        if json:
            print_json_line(result.to_json())
        else:
            _show(result)
    _refuse(failed, count)
    return 0


def _show(result: VideoResult) -> None:
    if result.failed:
        warn(next(result.lines()))
        return
    for line in result.lines():
        out.print(line, markup=False)
    written = ", ".join(str(path) for path in result.written)
    note(("found before, in " if result.found_before else "written: ") + written)


def _dataset(
    runs: list[Path], settings: LocalizeSettings, *, out_: Path | None, pictures: bool, json: bool, **where: Any
) -> int:
    from ..core.failures import reasons
    from ..core.run_settings import read_settings
    from ..temporal_has.results import write_result
    from ..temporal_has.runs import localize_dataset
    from ..temporal_has.settings import Settings

    with progress("localizing", unit="videos") as advance:
        result = localize_dataset(*runs, settings=settings, progress=advance, **where)
    # Other videos than the run is scored on, or a mean of runs, must not take the place of the run's own result.
    run, *others = runs
    folder = run / _mean_name(runs, where.get("map_members")) if others else run
    data = read_settings(run, Settings)[1]
    own = (Path(data.dataset).name, data.test_subset)
    of = (result.facts["dataset"], result.facts["subset"])
    folder = out_ or (folder if of == own else folder / "-".join(filter(None, of)))
    written = write_result(folder, result, pictures=pictures)
    if json:
        told = {"labels_told": result.told.to_json()} if result.told else {}
        print_json(
            {"results": result.detections.sorted_by_score().to_activitynet(), "failed": reasons(result.failed), **told}
        )
    else:
        for line in result.lines(most=20):
            out.print(line, markup=False)
        shown = [str(path) for path in written if path.suffix != ".png"]
        drawn = f" and {plural(len(written) - len(shown), 'timeline')}" if pictures else ""
        note("written: " + ", ".join(shown) + drawn)
        if not others and folder == run:
            note(f"next: thas report {run}   (a page to look at)")
        if others:
            dataset = where.get("dataset") or data.dataset
            subset = f" --subset {where['subset']}" if where.get("subset") else ""
            note(f"next: thas eval {written[0]} --dataset {dataset}{subset}   (scores the mean)")
    say_told(result.told)
    _refuse(reasons(result.failed), len(result.failed) + len(result.sequences))
    return 0


def _mean_name(runs: list[Path], map_members: list[int] | None) -> str:
    """A folder's name for a mean of runs, another for each mean: names alone may repeat, and are long."""
    digest = hashlib.sha256(repr(([str(run.resolve()) for run in runs], map_members)).encode()).hexdigest()[:8]
    return "-".join(["with", *(run.name for run in runs[1:3]), digest])


def _refuse(failed: dict[str, str], count: int) -> None:
    """Raise a PartialFailure if any failed."""
    if failed:
        raise PartialFailure(
            f"{len(failed)} of {plural(count, 'video')} could not be localized: {listing(failed)}",
            why=next(iter(failed.values())),
            next="correct or replace them and run the same command again",
        )
