"""`thas localize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..core.data_options import ChosenVideos
from ..core.errors import PartialFailure, ThasError, UsageError, listing, plural, reasons
from ..core.runs import ROOTS
from ..core.spread import Spread
from .console import note, print_json, print_json_line, progress, say, warn
from .eval_output import say_told
from .options import Checkpoint, Help, Members, Printed, Runs, Set, Streaming, Weights, also, options, parse_localizing

if TYPE_CHECKING:
    from ..temporal_has.settings import LocalizeSettings
    from ..temporal_has.video_results import FileLocalizer, VideoResult

_MOVING = {".gif", ".avif"}  # images that may be videos


@options
class Localizing:
    """What is localized, how, and what is written."""

    watch: Path | None = None
    """Localize the videos in this folder and, until Ctrl-C, those that are put there, each once it has been copied
    whole. With --json it prints an object a line."""
    once: bool = False
    """With --watch: localize what is there, then stop."""
    out_: Annotated[
        Path | None,
        also(
            Help.OUT,
            "By default `detections` for video files, the run's folder for a data set, and `with-...` in the first "
            "run's folder if there are several.",
            name="--out",
        ),
    ] = None
    labels: Literal["known", "predicted"] | None = None
    """Whether a video's true labels are given (known, as in the paper) or predicted."""
    set_: Annotated[Set, also(Help.SET, "Of localizing, as localize.threshold=0.3,0.5.")] = None
    weights: Weights = None
    checkpoint: Checkpoint = "best"
    device: Annotated[str, Parameter(help=Help.DEVICE)] = "auto"
    pictures: Annotated[bool | None, Parameter(negative="--no-pictures")] = None
    """Draw a picture of each result: by default of files, not of a data set's videos."""


def localize(
    inputs: Annotated[list[str] | None, Parameter(name="VIDEO")] = None,
    /,
    *,
    networks: Members = Members(),
    how: Localizing = Localizing(),
    of: Annotated[ChosenVideos, Parameter(name="*")] = ChosenVideos(),
    spread: Annotated[Spread, Parameter(name="*")] = Spread(),
    live: Streaming = Streaming(),
    runs: Runs = ROOTS["temporal"],
    printed: Printed = Printed(),
) -> None:
    """Find when actions happen: a run (or several, averaged) and videos (or a data set) in, intervals out.

    Of each video file it writes detections/VIDEO.json (ActivityNet's form), .csv, .png, a timeline, and .html, a page.
    They replace nothing but the same result: anything else of that name stays, and the new files are called VIDEO-2.
    Running it again takes what was found before. Of a data set it writes detections.json, detections.csv and
    sequences.h5.

    For example:

        thas localize match.mp4 training.mp4 --run runs/latest

        thas localize --watch incoming --out found

        thas localize --stream recording.ts

        thas localize --dataset my_videos --subset test --pictures

        thas localize match.mp4 --run runs/my_videos/A runs/my_videos/B

    Parameters
    ----------
    inputs
        Video files; their features are extracted as the run's were. Without any, the test videos of the data set.
    """
    from ..core.run_settings import read_settings
    from ..core.runs import find_run
    from ..image_has.images import IMAGE_SUFFIXES
    from ..temporal_has.settings import Settings

    inputs, watch = inputs or [], how.watch
    photographs = [one for one in inputs if Path(one).suffix.lower() in IMAGE_SUFFIXES - _MOVING]
    if photographs:
        raise UsageError(f"{photographs[0]} is a picture", why="actions take time", next="thas image localize PHOTO...")
    if (inputs or watch) and (of.dataset or of.subset or of.features):
        raise UsageError("name video files or a data set, not both", next="thas localize --help")
    if inputs and watch:
        raise UsageError("name video files or a folder to watch, not both", next="thas localize --watch FOLDER")
    if live.stream and (inputs or watch or of.dataset or of.subset or of.features):
        raise UsageError("a stream is localized by itself", next="thas localize --stream SOURCE")
    if how.once and not watch:
        raise UsageError("--once goes with --watch", next="thas localize --watch FOLDER --once")
    folders = [find_run(one, root=runs) for one in networks.run or [None]]
    trained = read_settings(folders[0], Settings)[0]
    changes = parse_localizing(how.set_, trained) | ({"localize.labels": how.labels} if how.labels else {})
    settings = trained.updated(changes, origin="option").localize
    if spread != Spread() and (inputs or watch or live.stream):
        raise UsageError(
            "--engine and --workers go with a data set", next="thas localize --dataset FOLDER --engine ray"
        )
    spread.check()
    if not (inputs or watch or live.stream):
        _dataset(folders, settings, networks, how, of, spread, json=printed.json)
        return
    if how.labels == "known":
        raise UsageError(
            "the labels of mere files are not known",
            why="--labels known takes them from a data set",
            next="thas localize --dataset FOLDER --labels known, or leave --labels out",
        )
    absent = [name for name in inputs if not Path(name).exists()]
    if absent and len(absent) == len(inputs):
        raise UsageError(f"there is no video {absent[0]}", next="check the path", subject=absent[0])
    from ..temporal_has.localizer import Localizer

    localizer = Localizer.from_run(
        *folders,
        settings=settings,
        checkpoint=how.checkpoint,
        map_members=networks.map_members or (),
        weights=how.weights,
        device=how.device,
    )
    out = how.out_ or Path("detections")
    if live.stream:
        from .stream import stream

        stream(live.stream, localizer, folders[0], how=live, out=out)
        return
    from ..report.video_page import write_video_page
    from ..temporal_has.video_results import FileLocalizer

    localize_file = FileLocalizer(
        localizer,
        runs=folders,
        out=out,
        pictures=how.pictures is not False,
        checkpoint=how.checkpoint,
        page=write_video_page,
    )
    if watch:
        _watch(watch, localize_file, once=how.once, json=printed.json)
    else:
        _videos([Path(name) for name in inputs], localize_file, json=printed.json)


def _videos(paths: list[Path], localize_file: FileLocalizer, *, json: bool) -> None:
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


def _watch(folder: Path, localize_file: FileLocalizer, *, once: bool, json: bool) -> None:
    from ..temporal_has.watch import watch

    failed: dict[str, str] = {}
    count = 0
    note(f"watching {folder}" + ("" if once else "; Ctrl-C ends it, and the same command goes on"))
    for result in watch(folder, localize_file, once=once):
        count += 1
        if result.failed:
            failed[str(result.path)] = result.failed
        if json:
            print_json_line(result.to_json())
        else:
            _show(result)
    _refuse(failed, count)


def _show(result: VideoResult) -> None:
    if result.failed:
        warn(next(result.lines()))
        return
    for line in result.lines():
        say(line)
    written = ", ".join(str(path) for path in result.written)
    note(("found before, in " if result.found_before else "written: ") + written)


def _dataset(
    runs: list[Path],
    settings: LocalizeSettings,
    networks: Members,
    how: Localizing,
    of: ChosenVideos,
    spread: Spread,
    *,
    json: bool,
) -> None:
    from ..temporal_has.results import write_result
    from ..temporal_has.runs import localize_dataset, result_folder

    run, *others = runs
    members = networks.map_members or ()
    with progress("localizing", unit="videos") as advance:
        result = localize_dataset(
            *runs,
            settings=settings,
            map_members=members,
            of=of,
            checkpoint=how.checkpoint,
            device=how.device,
            spread=None if spread == Spread() else spread,
            progress=advance,
        )
    folder = how.out_ or result_folder(runs, result, map_members=members)
    written = write_result(folder, result, pictures=bool(how.pictures))
    failed = reasons(result.failed)
    if json:
        told = {"labels_told": result.told.to_json()} if result.told else {}
        print_json({"results": result.detections.sorted_by_score().to_activitynet(), "failed": failed, **told})
    else:
        for line in result.lines(most=20):
            say(line)
        shown = [str(path) for path in written if path.suffix != ".png"]
        drawn = f" and {plural(len(written) - len(shown), 'timeline')}" if how.pictures else ""
        note("written: " + ", ".join(shown) + drawn)
        if not others and folder == run:
            note(f"next: thas report {run}   (a page to look at)")
        if others:
            dataset = of.dataset or result.facts["dataset"]
            subset = f" --subset {of.subset}" if of.subset else ""
            note(f"next: thas eval {written[0]} --dataset {dataset}{subset}   (scores the mean)")
    say_told(result.told)
    _refuse(failed, len(failed) + len(result.sequences))


def _refuse(failed: dict[str, str], count: int) -> None:
    """Raise an error if any failed, another one if all did."""
    if failed:
        error = PartialFailure if len(failed) < count else ThasError
        raise error(
            f"{len(failed)} of {plural(count, 'video')} could not be localized: {listing(failed)}",
            why=next(iter(failed.values())),
            next="correct or replace them and run the same command again",
        )
