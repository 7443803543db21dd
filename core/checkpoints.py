"""The one form of trained networks on disk: safetensors, whose header describes the rest as JSON under `thas`.

A checkpoint of either half, or of a backbone, holds the network's tensors under `network.`, what a training needs to go
on under `optimiser.`, `random.` and `best.`, and what the half adds. Its description says the `kind`, the `format`, the
version of `thas`, `settings` by dotted key, `classes`, the `epoch`, and what the half adds. Nothing in a file is
executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINT = "checkpoint.safetensors"
"""The last epoch's network, and all that resuming needs."""
FORMATS = (2, 3)
"""Those that are read; the last is written. 1 had no heads, 2 did not say its kind: it is of videos."""
OLD_CHECKPOINT = "checkpoint.pt"
"""What runs of images had instead."""
BEST = "best.safetensors"
"""The best epoch's network, where some data was held out to choose it by."""


def packed(tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> bytes:
    """Tensors and their description as the content of a file."""
    from safetensors.torch import save

    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    pointers = [tensor.untyped_storage().data_ptr() for tensor in ready.values()]
    if len(set(pointers)) < len(pointers):  # tied weights, which a file holds once each
        ready = {name: tensor.clone() for name, tensor in ready.items()}
    return save(ready, metadata={"thas": json.dumps(description, sort_keys=True)})


def unpacked(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, on the CPU, and its description.

    Raises:
        CheckpointError: It is missing, damaged, or not of thas.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    description = read_header(path)
    try:
        return load_file(path), description
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, str(error)) from None


def read_header(path: Path) -> dict[str, Any]:
    """What a file says of itself; neither its tensors nor torch are loaded.

    Raises:
        CheckpointError: It is missing, damaged, or not of thas.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > 100_000_000:  # as safetensors itself refuses
                raise ValueError("its header is no header")
            return dict(json.loads(json.loads(file.read(length))["__metadata__"]["thas"]))
    except FileNotFoundError:
        raise CheckpointError(
            f"there is no weights file {path}", next="name a run's folder, or train one", subject=str(path)
        ) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    except KeyError:
        raise _unreadable(path, "it does not say what it is") from None
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise _unreadable(path, "its header is no header") from None


def _unreadable(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a checkpoint of thas",
        why=" ".join(why.split())[:200],
        next="name a run's folder, or train one",
        subject=str(path),
    )
