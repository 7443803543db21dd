"""Checkpoint files: read without running what they may hold, and put into a network only if they fit it whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.checkpoints import check_unchanged, raw_tensors, torch_tensors
from ..core.errors import CheckpointError, FeatureError, listing
from ..core.reading import advice, refuse_pipe, said
from .pickled_arrays import load_tree

if TYPE_CHECKING:
    import torch
    from torch import nn


def read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, object] | None]:
    """The weights in a file, and the description that a file of our own carries.

    Pickled files are read with torch's restricted loader, plain pickles of arrays with ours: they can hold weights and
    run nothing.

    Raises:
        CheckpointError: It cannot be read.
    """
    import torch

    tree_fault = ""
    try:
        refuse_pipe(path)
        with open(path, "rb") as file:
            start = file.read(9)
        if path.suffix == ".safetensors" or start[8:9] == b"{":
            tensors, metadata = raw_tensors(path)
            description = json.loads(metadata["thas"]) if metadata.get("thas") else None
            if not isinstance(description, dict | None):
                raise ValueError("what it says of itself is no table")
            if description:
                check_unchanged(tensors, description, path)
            return tensors, description
        if start[:1] == b"\x80" and start[1:2] >= b"\x04":  # torch itself writes protocol 2, or a zip archive
            try:
                return {key: torch.from_numpy(value) for key, value in load_tree(path).items()}, None
            except FeatureError as error:
                tree_fault = error.why
        tensors = torch_tensors(path)
    except CheckpointError as error:
        if tree_fault:
            next = "bring it again if it is cut short; else name a file of weights alone"
            raise CheckpointError(error.what, why=tree_fault, next=next, subject=str(path)) from None
        raise
    except Exception as error:  # each loader has its own kinds
        raise CheckpointError(
            f"{path} holds no weights",
            why=said(error),
            next=advice(error, "bring it again: it is damaged, or cut short"),
            subject=str(path),
        ) from error
    return {key.removeprefix("module.").removeprefix("backbone."): value for key, value in tensors.items()}, None


# The classifiers that features are taken before; a checkpoint may have them, the networks here have not.
_HEADS = re.compile(r"^(fc8|fc|classifier|head|logits|cls_head.*|blocks\.\d+\.proj|(network\.)?blocks\.\d+\.proj)\.")


def load_state(path: Path, network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Put weights into a network.

    Args:
        path: Where they came from, for the messages.
        network: May have been built without memory of its own (`torch.device("meta")`).
        state: The weights by name.

    Raises:
        CheckpointError: Something is missing, unexpected or of another shape, or a weight is not a number.
    """
    import torch

    expected = network.state_dict()
    # SlowFast lies one level deeper than its checkpoint.
    if expected and all(key.startswith("network.") for key in expected):
        state = {f"network.{key}": value for key, value in state.items()}
    state = {key: value for key, value in state.items() if key in expected or not _HEADS.match(key)}
    # Old files lack the counters of batches, which nothing here reads.
    counters = {key: value for key, value in expected.items() if key.endswith(".num_batches_tracked")}
    state = {key: torch.zeros_like(value, device="cpu") for key, value in counters.items()} | dict(state)
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} is {tuple(state[key].shape)}, not {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    faults = [f"missing: {listing(missing, 4)}"] * bool(missing)
    faults += [f"unexpected: {listing(unexpected, 4)}"] * bool(unexpected)
    faults += [f"of another shape: {listing(shapes, 3)}"] * bool(shapes)
    if faults:
        raise CheckpointError(
            f"the weights in {path} do not fit the network",
            why="; ".join(faults),
            next="name the --backbone that they were trained for: thas list backbones",
            subject=str(path),
        )
    broken = [key for key, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(
            f"the weights in {path} are broken",
            why=f"NaN or infinity in {listing(broken, 4)}",
            next="take another file: a training that went astray left these",
            subject=str(path),
        )
    full = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    # Taken over instead of copied: C3D is 312 MB, and its network was built without memory of its own.
    network.load_state_dict(full, assign=True)
