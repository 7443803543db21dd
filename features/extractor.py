"""The same features of other videos: extract by the recipe that a cache or a trained run carries."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.errors import FeatureError, VideoError
from ..core.messages import Progress
from .cache import FeatureCache
from .extract import ExtractionResult, ExtractionSettings, Machines, extract_dataset
from .extraction_job import recipe_of
from .video_features import Features, Recipe, difference

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
