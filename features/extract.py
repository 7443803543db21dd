"""Videos in, a feature cache out. Running it again continues; what failed is tried again.

And the same features of other videos: an `Extractor` follows the recipe that a cache or a trained run carries.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import Failure, FeatureError, UsageError, VideoError
from ..core.files import writing
from ..core.messages import Progress, logger, silent
from ..core.temporary_names import remove_unfinished
from ..core.weight_catalogue import is_non_commercial
from .cache import FeatureCache
from .cache_writer import file_name
from .decode import require_decoder
from .extraction_job import Estimate, Job, estimate_job, recipe_of
from .extraction_run import ExtractionRun
from .extraction_settings import BackboneWeights, ExtractionResult, ExtractionSettings, Machines, write_failures
from .video_features import Features, Recipe, difference

if TYPE_CHECKING:
    from .ray_engine import ClusterRun
    from .weights import LoadedBackbone

__all__ = ["BackboneWeights", "Estimate", "ExtractionResult", "ExtractionSettings", "Machines", "extract_dataset"]


def extract_dataset(
    videos: Mapping[str, Path],
    out: Path | str,
    *,
    settings: ExtractionSettings | None = None,
    weights: BackboneWeights | str | Path | None = None,
    loaded: LoadedBackbone | None = None,
    machines: Machines | None = None,
    missing: Sequence[Failure] = (),
    progress: Progress | None = None,
    announce: Callable[[Estimate], object] | None = None,
) -> ExtractionResult:
    """Extract the features of videos into the cache `out`.

    Args:
        videos: Name and file of each. A name becomes the file's name in the cache.
        out: The cache, a folder; made if absent. If it holds features already, their recipe must be this run's.
        settings: How.
        weights: Where the backbone's come from, or their file; None takes the published ones.
        loaded: The backbone that `settings` name, loaded already; nothing said of weights counts then.
        machines: What computes; this one if None.
        missing: Videos that have no file; they join the failed ones.
        progress: Called with the share of a video that was just finished; the shares sum up to the number of videos.
        announce: Called with an estimate of time and disk before the work begins.

    Returns:
        What became of each video. Failures do not raise: they are listed, and written to `failed.csv`.

    Raises:
        FeatureError: The cache holds features of another recipe; the differing lines are named.
        CheckpointError: The weights are missing or do not fit.
        DataError: The cache cannot be written to. What was finished is kept.
        UsageError: The engine is not installed, or does not go with another argument.
    """
    from .weights import load_backbone

    machines = machines or Machines()
    if machines.engine == "ray":
        from ..core.ray_session import check_ray

        check_ray(machines.address, machines.device)
    elif machines.address:
        raise UsageError("an address is of a Ray cluster", next="thas extract-features --engine ray --address ...")
    settings = settings or ExtractionSettings()
    require_decoder(settings.decoder)
    progress = progress or silent
    out = Path(out)
    _distinct_files(videos)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        remove_unfinished(out)
    if loaded is None:
        of = weights if isinstance(weights, BackboneWeights) else BackboneWeights(weights=weights)
        loaded = load_backbone(settings.backbone, layer=settings.layer, **vars(of))
    if is_non_commercial(loaded.backbone.licence):
        logger.warning(f"{loaded.backbone.name}: licence {loaded.backbone.licence}: not for commercial use")
    job = Job(out, settings, loaded, machines)
    present = check_cache(out, job.recipe, videos)
    todo = {video: Path(path) for video, path in videos.items() if video not in present}
    progress(float(len(present) + len(missing)))
    skipped = tuple(video for video in videos if video in present)
    if not todo:
        write_failures(out, missing)
        return ExtractionResult((), skipped, tuple(missing))
    order = {video: i for i, video in enumerate(videos)}

    def failures() -> list[Failure]:
        return sorted(run.failed, key=lambda failure: order[failure.subject])

    run: ExtractionRun | ClusterRun
    with ExitStack() as stack:
        if machines.engine == "ray":
            from .ray_engine import ClusterRun

            run = ClusterRun(job, progress, address=machines.address, announce=announce)
        else:
            runner = stack.enter_context(job.runner())
            run = ExtractionRun(job, runner, progress)
            if announce is not None:
                announce(estimate_job(job, todo, runner))
        stack.callback(lambda: write_failures(out, [*failures(), *missing]))
        run.work(todo.items(), decoders=min(job.decoders(), len(todo)))
    done = tuple(sorted(run.done, key=order.__getitem__))
    # Of a machine that is lost after it told of a video, and before the video had its name, another tells the same.
    partial, guessed = tuple(sorted(set(run.partial))), tuple(sorted(set(run.guessed)))
    return ExtractionResult(done, skipped, (*failures(), *missing), partial, run.clips, guessed)


def check_cache(out: Path, recipe: Mapping[str, object], videos: Mapping[str, Path]) -> set[str]:
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
            source = cache.recipe_of(video).get("imported_source")
            old = f"they were imported from {source}" if source else "or remove the old features"
            raise FeatureError(
                f"{out} holds features of another recipe than this run's ({video} is one)",
                why="this run and the cache differ in " + "; ".join(lines),
                next=f"extract into another folder with --out{';' if source else ','} {old}",
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


# Settings that stand in a recipe under their own names.
_TOLD = (
    *("backbone", "layer", "snippets", "stride_frames", "stride_seconds", "frame_step", "fps"),
    *("sampler", "precision", "decoder", "stored"),
)


def settings_of_recipe(recipe: Recipe) -> ExtractionSettings:
    """The settings that a recipe was made with.

    Raises:
        FeatureError: The features were imported, not extracted.
    """
    if recipe.get("backbone") in {None, "imported"} or recipe.get("clip_frames") is None:
        raise FeatureError(
            "the run was trained on features that thas did not extract",
            why="an imported cache does not say how to make features of another video",
            next="make them as the others were, thas import-features, then thas localize --features FOLDER",
        )
    told = {name: recipe[name] for name in _TOLD if recipe.get(name) is not None}
    return replace(ExtractionSettings(), length_frames=recipe["clip_frames"], **told)


class Extractor:
    """Makes features that a network trained on `recipe` can take. The backbone is loaded once.

    Args:
        recipe: Of the features that the network was trained on.
        weights: The backbone's weights; None looks where the recipe found them.
        near: More folders to look for them in.
        device: As for `extract_dataset`; "auto" is None.

    Raises:
        FeatureError: The features were imported, or would come out by another recipe.
        CheckpointError: The weights are no longer where they were, or are others.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        weights: str | Path | None = None,
        near: Sequence[Path] = (),
        device: str | None = None,
    ) -> None:
        from .weights import load_backbone, weights_of_recipe

        self.settings = settings_of_recipe(recipe)
        self.device = None if device == "auto" else device
        if recipe.get("mean_cube") is not None:
            raise FeatureError(
                "the run's features were made with a mean cube, which a recipe records but does not hold",
                next="thas extract-features VIDEO --mean-cube FILE.npy --out FOLDER, "
                "then thas localize --features FOLDER",
            )
        random_weights = recipe.get("weights_source") == "random"
        if not random_weights:
            weights = weights or weights_of_recipe(recipe, near)
        pool5 = json.loads(str(recipe.get("architecture") or "{}")).get("pool5")
        self.loaded = load_backbone(
            self.settings.backbone,
            layer=self.settings.layer,
            weights=None if random_weights else weights,
            random_weights=random_weights,
            pool5=pool5 if self.settings.backbone == "c3d" else None,
        )
        lines = difference(recipe, recipe_of(self.settings, self.loaded))
        if lines:
            raise FeatureError(
                "features like the run's cannot be made with these weights",
                why="the run's and these differ in " + "; ".join(lines),
                next="name the weights that the run's features were made with: --weights FILE",
            )

    def __call__(self, videos: Mapping[str, Path], out: Path, *, progress: Progress | None = None) -> ExtractionResult:
        """Extract videos, by name, into the cache `out`."""
        return extract_dataset(
            videos,
            out,
            settings=self.settings,
            loaded=self.loaded,
            machines=Machines(device=self.device),
            progress=progress,
        )

    def features(self, path: Path, *, progress: Progress | None = None) -> Features:
        """The features of one video file, under its name without suffix.

        Raises:
            VideoError: It gave none.
        """
        with tempfile.TemporaryDirectory(prefix="thas-") as folder:
            result = self({path.stem: path}, Path(folder), progress=progress)
            if result.failed:
                raise VideoError(
                    f"{path} gave no features",
                    why=result.failed[0].why,
                    next="replace the file, or leave it out",
                    subject=path.stem,
                )
            return FeatureCache(Path(folder))[path.stem]
