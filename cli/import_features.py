"""`thas import-features`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ..core.errors import UsageError
from .console import progress
from .features_output import report_features
from .options import DATASET, OUT, DataRoot, Printed, also, options


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
    out: Annotated[Path | None, also(OUT, "The cache; `features` by default.")] = None,
    dataset: Annotated[str | None, also(DATASET, "Its features are written, instead.")] = None,
    arrays: Arrays = Arrays(),
    data: DataRoot = DataRoot(),
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

        opened = open_dataset(dataset, data_root=data.data_root)
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
    report_features(
        result, target, "imported", json=printed.json, next="mend or remove these, and run the same command again"
    )
