"""Videos in, a feature cache out. Running it again continues; what failed is tried again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .._version import __version__
from ..errors import FeatureError, UsageError
from ..files import cannot_write
from .cache import FeatureCache
from .cache_writer import file_name, remove_unfinished
from .estimate import Estimate, estimate_job
from .extraction_run import ExtractionRun
from .extraction_settings import ExtractionResult, ExtractionSettings, Progress, clip_of
from .failures import Failure, write_failures
from .pool import Decoding
from .recipe import difference

if TYPE_CHECKING:
    from .weights import LoadedBackbone

__all__ = ["Estimate", "ExtractionResult", "ExtractionSettings", "Progress", "extract_dataset"]


def extract_dataset(
    videos: Mapping[str, Path],
    out: Path | str,
    *,
    settings: ExtractionSettings | None = None,
    weights: str | Path | None = None,
    weights_sha256: str | None = None,
    random_weights: bool = False,
    mean_cube: Path | None = None,
    pool5: Literal["caffe", "port"] | None = None,
    loaded: LoadedBackbone | None = None,
    device: str | None = None,
    compile: bool = False,
    workers: int | None = None,
    patience_seconds: float = 120.0,
    missing: Sequence[Failure] = (),
    progress: Progress | None = None,
    announce: Callable[[Estimate], object] | None = None,
) -> ExtractionResult:
    """Extract the features of videos into the cache `out`.

    Args:
        videos: Name and file of each. A name becomes the file's name in the cache.
        out: The cache, a folder; made if absent. If it holds features already, their recipe must be this run's.
        settings: How.
        weights: A checkpoint, or an address of one; None takes the backbone's published ones, if it has any.
        weights_sha256: What the checkpoint's SHA-256 must be.
        random_weights: Draw weights from seed 0 instead.
        mean_cube: The original C3D's mean cube, a .npy file.
        pool5: Overrides the pool5 that goes with a C3D checkpoint.
        loaded: The backbone that `settings` name, loaded already; nothing said of weights counts then.
        device: "cpu", "cuda", ...; None takes a GPU if there is one.
        compile: Compile the network first.
        workers: Decoding processes; None for one a core, at most 16.
        patience_seconds: A decoder silent for so long is ended, and its video fails.
        missing: Videos that have no file; they join the failed ones.
        progress: Called with the share of a video that was just finished; the shares sum up to the number of videos.
        announce: Called with an estimate of time and disk before the work begins.

    Returns:
        What became of each video. Failures do not raise: they are listed, and written to `failed.csv`.

    Raises:
        FeatureError: The cache holds features of another recipe; the differing lines are named.
        CheckpointError: The weights are missing or do not fit.
        DataError: The cache cannot be written to. What was finished is kept.
    """
    from .weights import load_backbone

    settings = settings or ExtractionSettings()
    progress = progress or (lambda share: None)
    out = Path(out)
    _distinct_files(videos)
    try:
        out.mkdir(parents=True, exist_ok=True)
        remove_unfinished(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    loaded = loaded or load_backbone(
        settings.backbone,
        weights=weights,
        weights_sha256=weights_sha256,
        random_weights=random_weights,
        layer=settings.layer,
        mean_cube=mean_cube,
        pool5=pool5,
    )
    recipe = recipe_of(settings, loaded)
    present = check_cache(out, recipe, videos)
    todo = {video: Path(path) for video, path in videos.items() if video not in present}
    progress(float(len(present) + len(missing)))
    skipped = tuple(video for video in videos if video in present)
    if not todo:
        write_failures(out, missing)
        return ExtractionResult((), skipped, tuple(missing))
    from .runner import Runner

    runner = Runner(loaded, device=device, precision=settings.precision, compile=compile, batch=settings.batch)
    run = ExtractionRun(out, recipe, settings, loaded, runner, progress)
    if announce is not None:
        preparation = loaded.backbone.preprocessing
        clip = (clip_of(settings, loaded)[0], preparation.crop_height, preparation.crop_width, 3)
        row = loaded.backbone.dimension * (2 if settings.stored == "float16" else 4)
        announce(estimate_job(todo, plan=run.plan, runner=runner, clip_shape=clip, row_bytes=row, folder=out))
    count = min(workers or min(os.cpu_count() or 1, 16), len(todo))
    decoding = Decoding(
        todo.items(),
        plan=lambda video, table: run.plan(todo[video].name, table),
        preparation=loaded.backbone.preprocessing,
        decoder=settings.decoder,
        workers=count,
        patience_seconds=patience_seconds,
    )
    try:
        with runner, decoding, run:
            run.consume(decoding)
    finally:
        write_failures(out, [*run.failed, *missing])
    order = {video: i for i, video in enumerate(videos)}
    done = tuple(sorted(run.done, key=order.__getitem__))
    failed = tuple(sorted(run.failed, key=lambda failure: order[failure.video]))
    return ExtractionResult(done, skipped, (*failed, *missing), tuple(sorted(run.partial)), run.clips)


def recipe_of(settings: ExtractionSettings, loaded: LoadedBackbone) -> dict[str, Any]:
    """What a cache writes down about how its features were made."""
    from importlib.metadata import version

    frames, step = clip_of(settings, loaded)
    return {
        **loaded.recipe,
        "clip_frames": frames,
        "frame_step": step,
        "snippets": None if settings.stride_frames else settings.snippets,
        "stride_frames": settings.stride_frames,
        "fps": settings.fps,
        "sampler": settings.sampler,
        "precision": settings.precision,
        "decoder": settings.decoder,
        "stored": settings.stored,
        "thas_version": __version__,
        "torch_version": version("torch"),
    }


def check_cache(out: Path, recipe: Mapping[str, Any], videos: Mapping[str, Path]) -> set[str]:
    """Which of the videos the cache holds already, each with this recipe.

    Raises:
        FeatureError: One was made by another recipe, or its file is damaged.
    """
    try:
        cache = FeatureCache(out)
    except FeatureError:
        return set()
    present = [video for video in videos if video in cache]
    for video in present or list(cache)[:1]:
        if not cache.has_recipe(video, recipe):
            lines = difference(recipe, cache.recipe_of(video))
            if not lines:
                continue
            raise FeatureError(
                f"{out} holds features of another recipe than this run's ({video} is one)",
                why="this run and the cache differ in " + "; ".join(lines),
                next="extract into another folder with --out, or remove the old features",
                subject=str(out),
            )
    return set(present)


def _distinct_files(videos: Mapping[str, Path]) -> None:
    """Refuse names that a file system without upper and lower case would take for one."""
    seen: dict[str, str] = {}
    for video in videos:
        other = seen.setdefault(file_name(video).lower(), video)
        if other != video:
            raise UsageError(f"videos {other!r} and {video!r} would share a file", next="rename one", subject=video)
