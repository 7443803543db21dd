"""The same features of other videos: extract by the recipe that a cache or a trained run carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, FeatureError
from .extract import ExtractionResult, ExtractionSettings, Progress, extract_dataset, recipe_of
from .recipe import Recipe, difference


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
    values: dict[str, Any] = {
        name: recipe[name]
        for name in ("backbone", "layer", "frame_step", "stride_frames", "fps", "precision", "decoder", "stored")
        if recipe.get(name) is not None
    }
    if recipe.get("snippets") is not None:
        values["snippets"] = int(recipe["snippets"])
    return ExtractionSettings(length_frames=int(recipe["clip_frames"]), **values)


def extract_like(
    videos: Mapping[str, Path],
    out: Path,
    *,
    recipe: Recipe,
    weights: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> ExtractionResult:
    """Extract features that a network trained on `recipe` can take.

    Args:
        videos: Name and file of each.
        out: The cache.
        recipe: Of the features that the network was trained on.
        weights: The backbone's weights; None looks where the recipe found them.
        device: As for `extract_dataset`.
        progress: As for `extract_dataset`.

    Raises:
        FeatureError: The features were imported, or came out by another recipe.
        CheckpointError: The weights are no longer where they were, or are others.
    """
    from .weights import load_backbone

    settings = settings_of_recipe(recipe)
    random_weights = recipe.get("weights_source") == "random"
    if recipe.get("mean_cube") is not None:
        raise FeatureError(
            "the run's features were made with a mean cube, which a recipe records but does not hold",
            next="thas extract-features VIDEO --mean-cube FILE.npy --out FOLDER, then thas localize --features FOLDER",
        )
    if not random_weights:
        weights = weights or str(recipe.get("weights_source") or "")
        if "://" not in str(weights) and not Path(weights).is_file():
            raise CheckpointError(
                "the backbone's weights that the run's features were made with are not at hand",
                why=f"they lay at {weights or 'an unknown place'}, SHA-256 {str(recipe.get('weights_sha256'))[:16]}",
                next="name them with --weights FILE",
                subject=str(weights),
            )
    pool5 = json.loads(str(recipe.get("architecture") or "{}")).get("pool5")
    options: dict[str, Any] = {"weights": None if random_weights else weights, "random_weights": random_weights}
    options["pool5"] = pool5 if settings.backbone == "c3d" else None
    loaded = load_backbone(settings.backbone, layer=settings.layer, **options)
    lines = difference(recipe, recipe_of(settings, loaded))
    if lines:
        raise FeatureError(
            "features like the run's cannot be made with these weights",
            why="the run's and these differ in " + "; ".join(lines),
            next="name the weights that the run's features were made with: --weights FILE",
        )
    device = None if device == "auto" else device
    return extract_dataset(videos, out, settings=settings, device=device, progress=progress, **options)
