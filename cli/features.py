"""`thas extract-features` and `thas import-features`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..core.errors import PartialFailure, UsageError, listing, plural
from .console import err, note, out, print_json, progress, warn

if TYPE_CHECKING:
    from ..core.failures import Failure
    from ..features.extract import Estimate, ExtractionResult

_FLAG = Parameter(negative=())


def extract_features(
    videos: Annotated[list[Path] | None, Parameter(name="VIDEO", consume_multiple=True)] = None,
    *,
    dataset: str | None = None,
    out: Path | None = None,
    backbone: str | None = None,
    weights: str | None = None,
    weights_sha256: str | None = None,
    random_weights: Annotated[bool, _FLAG] = False,
    layer: str | None = None,
    snippets: int | None = None,
    stride_frames: int | None = None,
    stride_seconds: float | None = None,
    length_frames: int | None = None,
    frame_step: int | None = None,
    fps: float | None = None,
    sampler: Literal["frames", "pytorchvideo"] = "frames",
    mean_cube: Path | None = None,
    pool5: Literal["caffe", "port"] | None = None,
    decoder: Literal["auto", "decord", "pyav", "torchcodec", "torchcodec-cuda"] = "auto",
    precision: Literal["fp32", "tf32", "bf16"] = "fp32",
    stored: Literal["float32", "float16"] = "float32",
    compress: Annotated[bool, _FLAG] = False,
    keep_partial: Annotated[bool, _FLAG] = False,
    batch: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    compile: Annotated[bool, _FLAG] = False,
    patience_seconds: float = 120.0,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    data_root: Path = Path("data"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
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
    dataset
        A data set's name (`thas list datasets`) or its folder.
    out
        The cache; `<data set>/features` by default, `features` for files.
    backbone
        A name of `thas list backbones`, or MODULE:ATTRIBUTE for your own; by default the one that the weights' name
        says, or else c3d.
    weights
        A checkpoint, a name of `thas weights list`, or an address. A file of `thas train-backbone` brings its network
        along.
    weights_sha256
        What the checkpoint's SHA-256 must be.
    random_weights
        Draw the weights (seed 0) instead: for trying things out.
    layer
        fc7 (the paper's) or fc6 of C3D.
    snippets
        At most so many clips a video, spread evenly; 2000 for THUMOS14 with c3d, as in the paper.
    stride_frames
        Instead: frames from one clip's start to the next one's.
    stride_seconds
        Instead: seconds from one to the next; each backbone has its own by default.
    length_frames
        Frames that the network is given; the backbone's own by default, 16 of C3D.
    frame_step
        Frames of the video from one of these to the next; the backbone's own by default.
    fps
        Sample the video at this rate first. Folders of pictures, and bare streams that say none, are taken to have it.
    sampler
        pytorchvideo lets that library's clip sampler choose the clips, by time instead of frames.
    mean_cube
        The original C3D's mean cube as .npy, instead of a mean a channel.
    pool5
        Overrides the pool5 that goes with a C3D checkpoint: caffe is the original's.
    decoder
        auto takes decord where it is installed and gives the right frames, PyAV elsewhere. torchcodec and
        torchcodec-cuda (on a GPU) need pip install 'thas[torchcodec]' and FFmpeg's libraries.
    precision
        tf32 and bf16 are faster on GPUs.
    stored
        float16 halves the disk.
    compress
        Gzip the files: smaller by half, slower to write.
    keep_partial
        Keep a damaged video, and mark each snippet that the damage touches: training and localization leave those out.
    batch
        Clips in the network at once; by default what is quick and keeps memory small.
    workers
        Decoding processes; one a core by default.
    device
        cpu, cuda, cuda:1; a GPU if there is one by default.
    compile
        Compile the network first: pays for long jobs.
    patience_seconds
        A decoder that is silent for so long is ended, and its video fails.
    engine
        ray takes all machines of a Ray cluster, which share the folders (pip install ray).
    address
        HOST:PORT of the cluster, or auto for the one this machine is in; without it Ray starts on this machine alone.
    data_root
        The folder that holds data sets called by name.
    json
        Print one JSON object.
    """
    if bool(videos) == bool(dataset):
        raise UsageError(
            "name videos or a data set" if not videos else "name videos or a data set, not both",
            next="thas extract-features --dataset NAME, or thas extract-features VIDEO...",
        )
    spacing: dict[str, Any] = {"snippets": snippets, "stride_frames": stride_frames, "stride_seconds": stride_seconds}
    typed = [f"--{name.replace('_', '-')}" for name, value in spacing.items() if value is not None]
    if len(typed) > 1:
        raise UsageError(
            f"{' and '.join(typed)} exclude each other",
            why="each says how many clips a video gives",
            next="give one of them",
        )
    from ..features.backbones import backbone_for

    missing: list[Failure] = []
    if dataset:
        from ..core.presets import preset_table
        from .datasets import open_with_videos, video_files

        opened = open_with_videos(dataset, data_root, backbone=weights is None and not random_weights)
        files, missing = video_files(opened, opened.videos)
        folder = out or opened.features_folder
        if weights is None and not random_weights and backbone in (None, "c3d") and opened.default_weights:
            weights = str(opened.default_weights)
            note(f"weights: {weights}")
        backbone = backbone_for(backbone, weights)
        if not typed and backbone == "c3d":  # the presets' numbers are the paper's, of the paper's network
            spacing |= preset_table(dataset, "features")
    else:
        files = _files(videos or [])
        folder = out or Path("features")
    from ..features.extract import BackboneWeights, ExtractionSettings, Machines, extract_dataset

    settings = ExtractionSettings(
        backbone=backbone_for(backbone, weights),
        layer=layer,
        **spacing,
        length_frames=length_frames,
        frame_step=frame_step,
        fps=fps,
        sampler=sampler,
        precision=precision,
        decoder=decoder,
        stored=stored,
        compress=compress,
        keep_partial=keep_partial,
        batch=batch,
    )
    with progress("extracting", len(files) + len(missing), "videos") as advance:
        result = extract_dataset(
            files,
            folder,
            settings=settings,
            weights=BackboneWeights(
                weights=weights,
                weights_sha256=weights_sha256,
                random_weights=random_weights,
                mean_cube=mean_cube,
                pool5=pool5,
            ),
            machines=Machines(
                device=device,
                compile=compile,
                workers=workers,
                patience_seconds=patience_seconds,
                engine=engine,
                address=address,
            ),
            missing=missing,
            progress=advance,
            announce=_announce,
        )
    _say_short(result, folder)
    return _report(result, folder, "extracted", json=json)


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


def _announce(estimate: Estimate) -> None:
    err.print(estimate.sentence(), markup=False)


def _files(paths: Sequence[Path]) -> dict[str, Path]:
    """Files by the name of their video; folders stand for the videos in them."""
    from ..datasets.video_files import find_videos, named
    from ..features.frame_folder import is_frame_folder

    files: dict[str, Path] = {}
    for path in paths:
        inside = [path]
        if path.is_dir() and not is_frame_folder(path):
            inside, left_out = find_videos(path)
            if not inside:
                why = named(left_out) if left_out else ""
                raise UsageError(f"{path} holds no videos", why=why, next="name a folder of videos", subject=str(path))
            if left_out:
                warn(named(left_out))
        for file in inside:
            other = files.setdefault(file.name if file.is_dir() else file.stem, file)
            if other != file:
                raise UsageError(
                    f"two files are called {file.stem}",
                    why=f"{other} and {file} would share one feature file",
                    next="rename one, or extract them into different caches with --out",
                    subject=file.stem,
                )
    return files


def _report(result: ExtractionResult, folder: Path, verb: str, *, json: bool, next: str = "") -> int:
    if json:
        from ..features.failures import row_of

        print_json(
            {
                "folder": str(folder),
                "done": list(result.done),
                "skipped": list(result.skipped),
                "failed": [row_of(failure) for failure in result.failed],
                "partial": list(result.partial),
                "clips": result.clips,
            }
        )
    else:
        parts = [f"{plural(len(result.done), 'video')} {verb}"]
        if result.skipped:
            parts.append(f"{plural(len(result.skipped), 'was', 'were')} there already")
        if result.failed:
            parts.append(f"{len(result.failed)} failed")
        out.print(f"{', '.join(parts)}: {folder}", markup=False)
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
            next=next or first.next or "mend or remove these, and run the same command again; what is done stays done",
        )
    return 0


def import_features(
    folder: Path,
    *,
    fps: str | None = None,
    length_frames: int | None = None,
    stride_frames: float | None = None,
    offset_frames: float = 0.0,
    rescaled: Annotated[bool, _FLAG] = False,
    out: Path | None = None,
    dataset: str | None = None,
    durations: Path | None = None,
    key: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)] = None,
    transposed: Annotated[bool, _FLAG] = False,
    crops: Literal["mean", "first", "all"] | None = None,
    stored: Literal["float32", "float16"] = "float32",
    data_root: Path = Path("data"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
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
    fps
        Frames a second when the features were made: a number, a CSV table video,fps, or annotations in JSON whose
        videos have "fps".
    length_frames
        Frames that a row describes.
    stride_frames
        Frames from one row's start to the next one's.
    offset_frames
        The first row's first frame.
    rescaled
        Each video's rows are spread evenly over its whole duration (BSN's hundred rows).
    out
        The cache to write; `features` by default.
    dataset
        Write into this data set's features instead: its name or folder.
    durations
        A CSV table video,duration_seconds; by default the annotations' durations, or the last row's end.
    key
        Name of the array in files of several, of a stream or of its folder; several are joined side by side:
        --key rgb flow.
    transposed
        The arrays are (D, T).
    crops
        What becomes of arrays of ten crops, (T, 10, D) or (10, T, D): their mean, the first, or all side by side.
    stored
        float16 halves the disk.
    data_root
        The folder that holds data sets called by name.
    json
        Print one JSON object.
    """
    from ..features.importing import find_sources, read_numbers, read_rates
    from ..features.importing import import_features as run
    from ..features.row_times import RowTimes

    if out and dataset:
        raise UsageError("--out and --dataset exclude each other", next="give one of them")
    known: tuple[str, ...] = ()
    lasts: dict[str, float] = {}
    if dataset:
        from ..datasets.dataset import open_dataset

        opened = open_dataset(dataset, data_root=data_root)
        out, known, lasts = opened.features_folder, opened.videos, opened.durations()
    target = out or Path("features")
    if folder.resolve() == target.resolve():
        raise UsageError(
            "features cannot be imported into the folder they come from",
            why=f"{target} would hold both",
            next="--out another folder",
        )
    if durations:
        lasts = read_numbers(durations, "duration_seconds")
    sources = find_sources(folder, keys=tuple(key or ()), videos=known)
    with progress("importing", len(sources), "videos") as advance:
        result = run(
            sources,
            target,
            times=RowTimes(
                fps=None if fps is None else read_rates(fps),
                length_frames=length_frames,
                stride_frames=stride_frames,
                offset_frames=offset_frames,
                rescaled=rescaled,
                durations=lasts,
            ),
            keys=tuple(key or ()),
            transposed=transposed,
            crops=crops,
            stored=stored,
            videos=known,
            progress=advance,
        )
    return _report(result, target, "imported", json=json, next="mend or remove these, and run the same command again")
