"""Networks of other libraries: where published models lie and what their cards say, how a clip is laid out in time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..core.errors import CheckpointError, UsageError, first_line
from ..core.weight_store import sha256
from .backbones import Backbone

# At 25 frames a second: about as much of a video as such networks saw of it in training.
_CLIP_SECONDS = 2.0
LIBRARIES = ("hf", "timm")


@dataclass(frozen=True, eq=False)
class LibraryBackbone:
    """A network of a library, loaded.

    Attributes:
        backbone: How it is used, from its own configuration.
        network: (B, 3, T, H, W) float -> (B, D).
        about: For the recipe: the weights' hash and place, the revision, the library's version.
    """

    backbone: Backbone
    network: nn.Module
    about: Mapping[str, object]


def clip_step(frames: int) -> int:
    """The step between the frames of a clip at 25 a second, so that it spans about two seconds.

    >>> clip_step(8), clip_step(16), clip_step(64)
    (6, 3, 1)
    """
    return max(1, round(_CLIP_SECONDS * 25 / frames))


def probe(network: nn.Module, backbone: Backbone) -> int:
    """Give a network one black clip; the length of the vector that comes out.

    Raises:
        ValueError: What comes out is not one vector, or another one each time.
    """
    how = backbone.preprocessing
    clip = torch.zeros(1, 3, backbone.clip_frames, how.crop_height, how.crop_width)
    with torch.inference_mode():
        chance = torch.get_rng_state()
        found = network(clip)
        drawn = not torch.equal(chance, torch.get_rng_state())
        again = network(clip) if drawn else found  # a second look costs seconds, and few draw anything
    if found.ndim != 2 or len(found) != 1:
        raise ValueError(f"it gives {tuple(found.shape)} for one clip")
    if not torch.allclose(found, again, rtol=1e-3, atol=1e-3 * float(found.abs().max())):
        raise ValueError("it gives another vector each time it is shown the same clip")
    return found.shape[1]


def needs_library(library: str, name: str) -> UsageError:
    """The message for a backbone whose library is not installed."""
    return UsageError(
        f"{name} needs {library}", why="it is an optional extra", next=f"pip install {library}", subject=name
    )


def cached_folder(repository: str) -> Path | None:
    """A repository's folder in the cache of huggingface_hub, if it was downloaded; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def missing_model(name: str, repository: str, files: Sequence[str]) -> CheckpointError:
    """The message for a model that is not on this machine: the exact files, and both ways to get them here."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return CheckpointError(
        f"{name} is not on this machine",
        why=f"neither is there a folder {repository}, nor does the cache {HF_HUB_CACHE} hold it",
        next=f"thas weights fetch {name}; without a network bring {', '.join(files)} of {repository} into a folder, "
        "and name that: --weights FOLDER",
        subject=name,
    )


def repository_of(model: str) -> str:
    """The repository of a model's published weights.

    Raises:
        UsageError: timm is not installed, or has no such model, or none are published.
    """
    try:
        from timm.models import get_pretrained_cfg
    except ImportError:
        raise needs_library("timm", f"timm:{model}") from None
    settings = get_pretrained_cfg(model, allow_unregistered=True)
    repository = settings.hf_hub_id if settings else None
    if not repository:
        raise UsageError(f"timm knows no published weights of {model!r}", next="--weights FILE", subject=model)
    return repository


def fetch_model(name: str) -> Path:
    """Download the model that a backbone's name says, `hf:ORG/NAME` or `timm:NAME`, into the cache of its library.

    Returns:
        Its folder.

    Raises:
        CheckpointError: It could not be had.
        UsageError: The library is not installed, or the name has another form.
    """
    library, _, model = name.partition(":")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise needs_library("transformers", name) from None
    repository = model
    if library == "timm":
        repository = repository_of(model)
    elif library != "hf":
        raise UsageError(f"{name} is no model of a library", next="hf:ORG/NAME or timm:NAME", subject=name)
    try:
        folder = Path(snapshot_download(repository, allow_patterns=["*.json", "README.md", "*.safetensors"]))
        if not list(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(repository, allow_patterns=["*.json", "README.md", "pytorch_model*.bin"]))
    except Exception as error:  # the hub has dozens of kinds, and those of its client beside them
        message = missing_model(name, repository, ("config.json", "preprocessor_config.json", "model.safetensors"))
        raise CheckpointError(
            f"{name} could not be fetched",
            why=first_line(error),
            next=message.next.partition("; ")[2],
            subject=name,
        ) from error
    return folder


def weight_files(folder: Path) -> list[Path]:
    """The files of weights in a model's folder: safetensors, or else PyTorch's."""
    found = sorted(folder.glob("*.safetensors"))
    return found or sorted([*folder.glob("pytorch_model*.bin"), *folder.glob("*.pth"), *folder.glob("*.pt")])


def weights_digest(files: Sequence[Path]) -> str:
    """The SHA-256 of one file; of several, that of their names and hashes in order."""
    digests = [sha256(path) for path in files]
    if len(digests) == 1:
        return digests[0]
    lines = "".join(f"{path.name} {digest}\n" for path, digest in zip(files, digests, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def revision_of(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache is of; None for a folder of one's own."""
    return folder.name if re.fullmatch(r"[0-9a-f]{40}", folder.name) else None


def licence_of(folder: Path) -> str:
    """The licence in the front matter of a model's card; "not stated" if there is none."""
    card = folder / "README.md"
    try:
        text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    except OSError:
        text = ""
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    found = dict(re.findall(r"^(license|license_name):[ \t]*(\S.*?)[ \t]*$", front[1], re.MULTILINE)) if front else {}
    stated = found.get("license", "")
    return (found.get("license_name", stated) if stated == "other" else stated) or "not stated"
