"""`thas extract-features`, `import-features`, `features verify|diff|pack` and `list backbones`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..errors import DataError, PartialFailure, UsageError, listing
from .console import err, note, out, print_json, progress, warn

if TYPE_CHECKING:
    from ..features.extract import Estimate, ExtractionResult
    from ..features.failures import Failure

_FLAG = Parameter(negative=())


def extract_features(
    videos: Annotated[list[Path] | None, Parameter(name="VIDEO", consume_multiple=True)] = None,
    *,
    dataset: str | None = None,
    out: Path | None = None,
    backbone: str = "c3d",
    weights: str | None = None,
    weights_sha256: str | None = None,
    random_weights: Annotated[bool, _FLAG] = False,
    layer: str | None = None,
    snippets: int | None = None,
    stride_frames: int | None = None,
    length_frames: int | None = None,
    frame_step: int | None = None,
    fps: float | None = None,
    sampler: Literal["frames", "pytorchvideo"] = "frames",
    mean_cube: Path | None = None,
    pool5: Literal["caffe", "port"] | None = None,
    decoder: Literal["auto", "decord", "pyav"] = "auto",
    precision: Literal["fp32", "tf32", "bf16"] = "fp32",
    stored: Literal["float32", "float16"] = "float32",
    compress: Annotated[bool, _FLAG] = False,
    keep_partial: Annotated[bool, _FLAG] = False,
    batch: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    compile: Annotated[bool, _FLAG] = False,
    patience_seconds: float = 120.0,
    data_root: Path = Path("data"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Turn videos into features, one HDF5 file a video: features (T, D), start_seconds and end_seconds (T,).

    Running it again continues with what is missing and tries again what failed (see failed.csv in the cache).

    For example:

        thas extract-features --dataset thumos14 --weights c3d.pickle

        thas extract-features clips/*.mp4 --out features --stride-frames 8 --weights c3d.pickle

        thas extract-features --dataset my_videos --backbone r3d_18 --precision bf16

    Parameters
    ----------
    videos
        Video files, or folders of them; or none, with --dataset.
    dataset
        A data set's name (`thas list datasets`) or its folder.
    out
        The cache; `<data set>/features` by default, `features` for files.
    backbone
        A name of `thas list backbones`, or MODULE:ATTRIBUTE for your own.
    weights
        A checkpoint, or its address. A file of `thas train-backbone` brings its network along.
    weights_sha256
        What the checkpoint's SHA-256 must be.
    random_weights
        Draw the weights (seed 0) instead: for trying things out.
    layer
        fc7 (the paper's) or fc6 of C3D.
    snippets
        At most so many clips a video, spread evenly; 2000 by default.
    stride_frames
        Instead: frames from one clip's start to the next one's.
    length_frames
        Frames that the network is given; the backbone's own by default, 16 of C3D.
    frame_step
        Frames of the video from one of these to the next; the backbone's own by default.
    fps
        Sample the video at this rate first.
    sampler
        pytorchvideo lets that library's clip sampler choose the clips, by time instead of frames.
    mean_cube
        The original C3D's mean cube as .npy, instead of a mean a channel.
    pool5
        Overrides the pool5 that goes with a C3D checkpoint: caffe is the original's.
    decoder
        auto takes decord where it gives the right frames, PyAV elsewhere.
    precision
        tf32 and bf16 are faster on GPUs.
    stored
        float16 halves the disk.
    compress
        Gzip the files: smaller by half, slower to write.
    keep_partial
        Keep what precedes the damage in a damaged video, and mark its file.
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
    if snippets is not None and stride_frames is not None:
        raise UsageError(
            "--snippets and --stride-frames exclude each other",
            why="one fixes the number of clips, the other their distance",
            next="give one of them",
        )
    missing: list[Failure] = []
    preset: dict[str, Any] = {}
    if dataset:
        from ..settings import preset_table
        from .datasets import open_with_videos

        opened = open_with_videos(dataset, data_root, backbone=weights is None and not random_weights)
        if snippets is None and stride_frames is None:
            preset = preset_table(dataset, "features")
        files, missing = _dataset_files(opened)
        folder = out or opened.features_folder
        if weights is None and not random_weights and backbone == "c3d" and opened.default_weights:
            weights = str(opened.default_weights)
            note(f"weights: {weights}")
    else:
        files = _files(videos or [])
        folder = out or Path("features")
    from ..features.extract import ExtractionSettings, extract_dataset

    settings = ExtractionSettings(
        backbone=backbone,
        layer=layer,
        snippets=snippets or 2000,
        stride_frames=stride_frames or preset.get("stride_frames"),
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
            weights=weights,
            weights_sha256=weights_sha256,
            random_weights=random_weights,
            mean_cube=mean_cube,
            pool5=pool5,
            device=device,
            compile=compile,
            workers=workers,
            patience_seconds=patience_seconds,
            missing=missing,
            progress=advance,
            announce=_announce,
        )
    return _report(result, folder, "extracted", json=json)


def _announce(estimate: Estimate) -> None:
    err.print(estimate.sentence(), markup=False)


def _dataset_files(dataset: Any) -> tuple[dict[str, Path], list[Failure]]:
    """The data set's video files, and those that have none."""
    from ..features.failures import Failure

    files: dict[str, Path] = {}
    missing: list[Failure] = []
    first: DataError | None = None
    for video in dataset.videos:
        try:
            files[video] = dataset.video_path(video)
        except DataError as error:
            first = first or error
            missing.append(Failure(video, "find", error.why or error.what))
    if not files and first is not None:
        raise first
    return files, missing


def _files(paths: Sequence[Path]) -> dict[str, Path]:
    """Files by the name of their video; folders stand for the videos in them."""
    from ..dataset import VIDEO_SUFFIXES

    files: dict[str, Path] = {}
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file())
            if not inside:
                raise UsageError(f"{path} holds no videos", next="name a folder of videos", subject=str(path))
        for file in inside:
            other = files.setdefault(file.stem, file)
            if other != file:
                raise UsageError(
                    f"two files are called {file.stem}",
                    why=f"{other} and {file} would share one feature file",
                    next="rename one, or extract them into different caches with --out",
                    subject=file.stem,
                )
    return files


def _report(result: ExtractionResult, folder: Path, verb: str, *, json: bool) -> int:
    if json:
        print_json(
            {
                "folder": str(folder),
                "done": list(result.done),
                "skipped": list(result.skipped),
                "failed": [vars(failure) for failure in result.failed],
                "partial": list(result.partial),
                "clips": result.clips,
            }
        )
    else:
        parts = [f"{len(result.done)} videos {verb}"]
        if result.skipped:
            parts.append(f"{len(result.skipped)} were there already")
        if result.failed:
            parts.append(f"{len(result.failed)} failed")
        out.print(f"{', '.join(parts)}: {folder}", markup=False)
    if result.partial:
        warn(f"{len(result.partial)} videos were damaged and kept in part: {listing(result.partial)}")
    if result.failed:
        first = result.failed[0]
        raise PartialFailure(
            f"{len(result.failed)} videos failed: {listing(failure.video for failure in result.failed)}",
            why=f"{first.video}: {first.reason}" + (f"; all reasons in {folder}/failed.csv" if folder.is_dir() else ""),
            next="run the same command again to retry them; what is done stays done",
        )
    return 0


def import_features(
    folder: Path,
    *,
    fps: str,
    length_frames: int,
    stride_frames: float,
    offset_frames: float = 0.0,
    out: Path | None = None,
    dataset: str | None = None,
    durations: Path | None = None,
    key: Annotated[list[str] | None, Parameter(negative=())] = None,
    transposed: Annotated[bool, _FLAG] = False,
    stored: Literal["float32", "float16"] = "float32",
    data_root: Path = Path("data"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Turn features made elsewhere into a feature cache: a .npy, .npz, .pt or .h5 file (T, D) a video.

    W-TALC's folder Thumos14reduced (one array of arrays, and videoname.npy) is known too. Pickles are read without
    running them.

    For example:

        thas import-features i3d --fps 25 --length-frames 16 --stride-frames 16 --dataset thumos14

        thas import-features arrays --fps fps.csv --length-frames 16 --stride-frames 8 --out features

    Parameters
    ----------
    folder
        The arrays, each named after its video.
    fps
        Frames a second when the features were made: a number, or a CSV table video,fps.
    length_frames
        Frames that a row describes.
    stride_frames
        Frames from one row's start to the next one's.
    offset_frames
        The first row's first frame.
    out
        The cache to write; `features` by default.
    dataset
        Write into this data set's features instead: its name or folder.
    durations
        A CSV table video,duration_seconds; by default a video ends with its last row.
    key
        Name of the array in .npz, .pt and .h5 files; several are joined side by side.
    transposed
        The arrays are (D, T).
    stored
        float16 halves the disk.
    data_root
        The folder that holds data sets called by name.
    json
        Print one JSON object.
    """
    from ..features.importing import find_arrays, read_numbers
    from ..features.importing import import_features as run

    if out and dataset:
        raise UsageError("--out and --dataset exclude each other", next="give one of them")
    if dataset:
        from ..dataset import open_dataset

        out = open_dataset(dataset, data_root=data_root).features_folder
    target = out or Path("features")
    rates: float | Mapping[str, float]
    try:
        rates = float(fps)
    except ValueError:
        rates = read_numbers(Path(fps), "fps")
    count = len(list(find_arrays(folder, keys=tuple(key or ()))))
    with progress("importing", count, "videos") as advance:
        result = run(
            folder,
            target,
            fps=rates,
            length_frames=length_frames,
            stride_frames=stride_frames,
            offset_frames=offset_frames,
            durations=read_numbers(durations, "duration_seconds") if durations else None,
            keys=tuple(key or ()),
            transposed=transposed,
            stored=stored,
            progress=advance,
        )
    return _report(result, target, "imported", json=json)


def features_verify(
    cache: Path,
    *,
    dataset: str | None = None,
    data_root: Path = Path("data"),
    remove: Annotated[bool, _FLAG] = False,
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Check every file of a feature cache: whole, finite, times in order, one recipe.

    For example:

        thas features verify data/thumos14/features --dataset thumos14

    Parameters
    ----------
    cache
        A folder of features, or a packed file.
    dataset
        Also check that it holds all videos of this data set.
    data_root
        The folder that holds data sets called by name.
    remove
        Remove faulty files, so that the next extraction makes them anew.
    json
        Print one JSON object.
    """
    from ..features.cache import FeatureCache
    from ..features.cache_tools import damaged_files, verify_cache

    expected: Sequence[str] = ()
    if dataset:
        from ..dataset import open_dataset

        expected = open_dataset(dataset, data_root=data_root).videos
    with progress("verifying", len(FeatureCache(cache)), "videos") as advance:
        found = verify_cache(cache, expected=expected, progress=advance)
    if json:
        print_json(
            {
                "videos": found.videos,
                "rows": found.rows,
                "faults": found.faults,
                "partial": list(found.partial),
                "missing": list(found.missing),
            }
        )
    else:
        out.print(f"{found.videos} videos, {found.rows} rows, {len(found.faults)} faulty: {cache}", markup=False)
        for video, why in found.faults.items():
            out.print(f"  {video}: {why}", markup=False)
    if found.partial:
        warn(f"{len(found.partial)} videos are there in part: {listing(found.partial)}")
    if found.missing:
        warn(f"{len(found.missing)} videos of the data set are not there: {listing(found.missing)}")
    if found.faults and remove and cache.is_dir():
        for file in damaged_files(found, cache):
            file.unlink(missing_ok=True)
        note("the faulty files are removed; run the same extraction again")
    if found.faults:
        raise PartialFailure(
            f"{len(found.faults)} files of {cache} are faulty: {listing(found.faults)}",
            why=next(iter(found.faults.values())),
            next="run the same extraction again" if remove else f"thas features verify {cache} --remove",
        )
    return 0


def features_diff(first: Path, second: Path, *, json: Annotated[bool, _FLAG] = False) -> int:
    """Say why two feature caches differ: by their recipes and by their numbers. Exit code 1 if they do.

    For example:

        thas features diff data/thumos14/features old/features

    Parameters
    ----------
    first
        A folder of features, or a packed file.
    second
        Another one.
    json
        Print one JSON object.
    """
    from ..features.cache import FeatureCache
    from ..features.cache_tools import compare_caches

    with progress("comparing", len(FeatureCache(first)), "videos") as advance:
        found = compare_caches(first, second, progress=advance)
    if json:
        print_json({"same": found.same} | vars(found))
        return 0 if found.same else 1
    for line in found.recipe:
        out.print(f"recipe   {line}", markup=False)
    for line in found.versions:
        out.print(f"version  {line}", markup=False)
    for name, videos in (("only in the first", found.only_first), ("only in the second", found.only_second)):
        if videos:
            out.print(f"videos   {len(videos)} {name}: {listing(videos)}", markup=False)
    if found.shapes:
        video, (one, two) = next(iter(found.shapes.items()))
        out.print(f"shapes   {len(found.shapes)} videos differ, {video}: {one} and {two}", markup=False)
    if found.times:
        video = max(found.times, key=lambda name: found.times[name])
        out.print(f"times    {len(found.times)} videos differ, most {video}: {found.times[video]:.3g} s", markup=False)
    if found.values:
        video = max(found.values, key=lambda name: found.values[name][0])
        most, share = found.values[video]
        out.print(
            f"numbers  {len(found.values)} videos differ, most {video}: by {most:.3g}, {share:.2g} of its largest",
            markup=False,
        )
    for video, why in found.failed.items():
        out.print(f"damaged  {video}: {why}", markup=False)
    out.print(f"equal    {len(found.equal)} videos to the last bit", markup=False)
    return 0 if found.same else 1


def features_pack(
    cache: Path,
    target: Path,
    *,
    links: Annotated[bool, _FLAG] = False,
) -> int:
    """Make one HDF5 file of a feature cache; it is read like the folder.

    For example:

        thas features pack data/thumos14/features thumos14.h5

    Parameters
    ----------
    cache
        A folder of features.
    target
        The file to write.
    links
        Point to the folder's files instead of copying them; they must stay where they are.
    """
    from ..features.cache import FeatureCache
    from ..features.cache_tools import pack_cache

    with progress("packing", len(FeatureCache(cache)), "videos") as advance:
        count = pack_cache(cache, target, how="links" if links else "copy", progress=advance)
    out.print(f"{count} videos in {target}", markup=False)
    return 0


def list_backbones(*, json: Annotated[bool, _FLAG] = False) -> int:
    """List the backbones: dimension, clip, input, licence and where weights come from.

    For example:

        thas list backbones

    Parameters
    ----------
    json
        Print one JSON object.
    """
    from ..features.backbones import backbone_names, get_backbone

    rows = []
    for name in backbone_names():
        one = get_backbone(name)
        how = one.preprocessing
        rows.append(
            {
                "name": name,
                "dimension": one.dimension,
                "layers": list(one.layers),
                "clip_frames": one.clip_frames,
                "frame_step": one.frame_step,
                "input": f"{how.crop_height}x{how.crop_width} {how.colour}",
                "licence": one.licence,
                "weights": one.origin,
            }
        )
    if json:
        print_json({"backbones": rows})
        return 0
    from rich.table import Table

    table = Table("name", "D", "clip", "input", "weights", "licence", box=None, pad_edge=False)
    for row in rows:
        clip = f"{row['clip_frames']} x {row['frame_step']}"
        table.add_row(row["name"], str(row["dimension"]), clip, row["input"], row["weights"], row["licence"])
    out.print(table)
    note("clip: frames that the network is given x the step between them. D: length of a feature vector.")
    return 0
