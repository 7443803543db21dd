"""`thas extract-features`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..core.errors import UsageError, listing, plural
from ..features.extraction_settings import BackboneWeights, ClipSettings, ExtractionSettings, Machines
from .console import err, note, progress, warn
from .features_output import report_features
from .options import OUT, DataRoot, Dataset, Printed, also

if TYPE_CHECKING:
    from ..core.errors import Failure
    from ..features.extract import ExtractionResult


def extract_features(
    videos: Annotated[list[Path] | None, Parameter(name="VIDEO")] = None,
    *,
    dataset: Dataset = None,
    out: Annotated[Path | None, also(OUT, "The cache; `<data set>/features` by default, `features` for files.")] = None,
    backbone: str | None = None,
    network: Annotated[BackboneWeights, Parameter(name="*")] = BackboneWeights(),
    clips: Annotated[ClipSettings, Parameter(name="*")] = ClipSettings(),
    machines: Annotated[Machines, Parameter(name="*")] = Machines(),
    data: DataRoot = DataRoot(),
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
        opened = open_with_videos(dataset, data.data_root, stage=progress, backbone=bare)
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
    report_features(result, folder, "extracted", json=printed.json)


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
