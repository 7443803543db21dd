"""`thas extract-features` and `thas import-features`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..core.errors import Failure, PartialFailure, UsageError, listing, plural
from ..features.extraction_settings import BackboneWeights, ClipSettings, ExtractionSettings, Machines, row_of
from .console import err, note, progress, say, warn
from .options import DataRoot, Dataset, Help, Printed, also, options

if TYPE_CHECKING:
    from ..features.extract import ExtractionResult


def extract_features(
    videos: Annotated[list[Path] | None, Parameter(name="VIDEO")] = None,
    *,
    dataset: Dataset = None,
    out: Annotated[
        Path | None, also(Help.OUT, "The cache; `<data set>/features` by default, `features` for files.")
    ] = None,
    backbone: str | None = None,
    network: Annotated[BackboneWeights, Parameter(name="*")] = BackboneWeights(),
    clips: Annotated[ClipSettings, Parameter(name="*")] = ClipSettings(),
    machines: Annotated[Machines, Parameter(name="*")] = Machines(),
    data_root: DataRoot = Path("data"),
    printed: Printed = Printed(),
) -> None:
    """Turn videos into features, one HDF5 file a video: features (T, D), start_seconds and end_seconds (T,).

    Running it again continues with what is missing and tries again what failed (see failed.csv in the cache).

    For example:

        thas extract-features --dataset my_videos --weights i3d

        thas extract-features --dataset thumos14 --weights c3d.pickle

        thas extract-features clips/*.mp4 --out features --stride-seconds 0.16 --weights c3d.pickle

        thas extract-features --dataset my_videos --backbone r3d_18 --precision bf16

        thas extract-features --dataset thumos14 --weights c3d.pickle --engine ray --address auto

    Parameters
    ----------
    videos
        Video files, or folders of them; or none, with --dataset.
    backbone
        A name of `thas list backbones`, or MODULE:ATTRIBUTE for your own; by default the one that the weights' name
        says, or else c3d.
    """
    if bool(videos) == bool(dataset):
        raise UsageError(
            "name videos or a data set" if not videos else "name videos or a data set, not both",
            next="thas extract-features --dataset NAME, or thas extract-features VIDEO...",
        )
    spacing = {name: getattr(clips, name) for name in ("snippets", "stride_frames", "stride_seconds")}
    typed = [f"--{name.replace('_', '-')}" for name, value in spacing.items() if value is not None]
    if len(typed) > 1:
        raise UsageError(
            f"{' and '.join(typed)} exclude each other",
            why="each says how many clips a video gives",
            next="give one of them",
        )
    from ..features.backbones import backbone_for
    from ..features.extract import extract_dataset

    missing: list[Failure] = []
    weights = None if network.weights is None else str(network.weights)
    if dataset:
        from ..core.presets import preset_table
        from ..datasets.opening import present_videos
        from ..demo.run import open_with_videos

        bare = weights is None and not network.random_weights
        opened = open_with_videos(dataset, data_root, stage=progress, backbone=bare)
        files, missing = present_videos(opened, opened.videos)
        folder = out or opened.features_folder
        if bare and backbone in (None, "c3d") and opened.default_weights:
            weights = str(opened.default_weights)
            note(f"weights: {weights}")
        # The presets' numbers are the paper's, of its network.
        if not typed and backbone_for(backbone, weights) == "c3d":
            spacing |= preset_table(dataset, "features")
    else:
        from ..features.video_files import named_videos

        files = named_videos(videos or [])
        folder = out or Path("features")
    settings = ExtractionSettings(backbone=backbone_for(backbone, weights), **vars(clips) | spacing)
    with progress("extracting", len(files) + len(missing), "videos") as advance:
        result = extract_dataset(
            files,
            folder,
            settings=settings,
            weights=replace(network, weights=weights),
            machines=machines,
            missing=missing,
            progress=advance,
            announce=lambda estimate: err.print(estimate.sentence(), markup=False),
        )
    _say_short(result, folder)
    report_features(result, folder, "extracted", printed)


def _say_short(result: ExtractionResult, folder: Path) -> None:
    """Name the videos that have fewer frames than the network wants."""
    if not result.done:
        return
    from ..features.cache import FeatureCache

    cache = FeatureCache(folder)
    short = [video for video in result.done if cache.source_of(video).get("repeated_frames")]
    if short:
        warn(
            f"{plural(len(short), 'video is', 'videos are')} shorter than a clip of {cache.recipe['clip_frames']} "
            f"frames, and the last frame was repeated: {listing(short)}"
        )


@options
class Rows:
    """When the rows are."""

    fps: str | None = None
    """Frames a second when the features were made: a number, a CSV table video,fps, or annotations in JSON whose
    videos have "fps"."""
    length_frames: int | None = None
    """Frames that a row describes."""
    stride_frames: float | None = None
    """Frames from one row's start to the next one's."""
    offset_frames: float = 0.0
    """The first row's first frame."""
    rescaled: bool = False
    """Each video's rows are spread evenly over its whole duration (BSN's hundred rows)."""
    durations: Path | None = None
    """A CSV table video,duration_seconds; by default the annotations' durations, or the last row's end."""


@options
class Arrays:
    """How the arrays lie."""

    key: list[str] | None = None
    """Name of the array in files of several, of a stream or of its folder; several are joined side by side: --key rgb
    flow."""
    transposed: bool = False
    """The arrays are (D, T)."""
    crops: Literal["mean", "first", "all"] | None = None
    """What becomes of arrays of ten crops, (T, 10, D) or (10, T, D): their mean, the first, or all side by side."""
    stored: Literal["float32", "float16"] = "float32"
    """float16 halves the disk."""


def import_features(
    folder: Path,
    *,
    rows: Rows = Rows(),
    out: Annotated[Path | None, also(Help.OUT, "The cache; `features` by default.")] = None,
    dataset: Annotated[str | None, also(Help.DATASET, "Its features are written, instead.")] = None,
    arrays: Arrays = Arrays(),
    data_root: DataRoot = Path("data"),
    printed: Printed = Printed(),
) -> None:
    """Turn features made elsewhere into a feature cache: .npy, .npz, .pt, .pkl, .h5, .mat or .csv, (T, D) a video.

    Known are a file a video, folders rgb/ and flow/ of the same names, video_features' _rgb, _flow, _fps and
    _timestamps_ms, one file of all videos, and W-TALC's pair. Pickles are read without running them.
    docs/imported_features.md has the command for each.

    For example:

        thas import-features i3d --fps 25 --length-frames 16 --stride-frames 16 --dataset thumos14

        thas import-features arrays --fps fps.csv --length-frames 16 --stride-frames 8 --out features

        thas import-features csv_mean_100 --rescaled --dataset activitynet-1.3

    Parameters
    ----------
    folder
        The arrays, each named after its video; or a file that holds those of all videos.
    """
    from ..features.importing import find_sources, read_numbers, read_rates
    from ..features.importing import import_features as run
    from ..features.row_times import RowTimes

    if out and dataset:
        raise UsageError("--out and --dataset exclude each other", next="give one of them")
    keys = tuple(arrays.key or ())
    known: tuple[str, ...] = ()
    lasts: dict[str, float] = {}
    if dataset:
        from ..datasets.opening import open_dataset

        opened = open_dataset(dataset, data_root=data_root)
        out, known, lasts = opened.features_folder, opened.videos, opened.durations()
    target = out or Path("features")
    if folder.resolve() == target.resolve():
        raise UsageError(
            "features cannot be imported into the folder they come from",
            why=f"{target} would hold both",
            next="--out another folder",
        )
    if rows.durations:
        lasts = read_numbers(rows.durations, "duration_seconds")
    sources = find_sources(folder, keys=keys, videos=known)
    with progress("importing", len(sources), "videos") as advance:
        result = run(
            sources,
            target,
            times=RowTimes(
                fps=None if rows.fps is None else read_rates(rows.fps),
                length_frames=rows.length_frames,
                stride_frames=rows.stride_frames,
                offset_frames=rows.offset_frames,
                rescaled=rows.rescaled,
                durations=lasts,
            ),
            keys=keys,
            transposed=arrays.transposed,
            crops=arrays.crops,
            stored=arrays.stored,
            videos=known,
            progress=advance,
        )
    report_features(result, target, "imported", printed, next="mend or remove these, and run the same command again")


def report_features(result: ExtractionResult, folder: Path, verb: str, printed: Printed, *, next: str = "") -> None:
    """What became of each video, and exit code 3 if some gave nothing."""
    told = {name: list(getattr(result, name)) for name in ("done", "skipped", "failed", "partial", "guessed")}
    told["failed"] = [row_of(failure) for failure in result.failed]
    if not printed.as_json({"folder": str(folder), **told, "clips": result.clips}):
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
