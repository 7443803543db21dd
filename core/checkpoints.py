"""The one form of trained networks on disk: safetensors, whose header describes the rest as JSON under `thas`.

A checkpoint of either half, or of a backbone, holds the network's tensors under `network.`, what a training needs to go
on under `optimiser.`, `random.` and `best.`, and what the half adds. Its description says the `kind`, the `format`, the
version of `thas`, `settings` by dotted key, `classes`, the `epoch`, and what the half adds. Nothing in a file is
executed.
"""

from __future__ import annotations

import json
import pickle
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CheckpointError
from .narrowing import is_row, is_table
from .reading import advice, check_archive, check_expansion, refuse_pipe, said

if TYPE_CHECKING:
    from torch import Tensor, nn

CHECKPOINT = "checkpoint.safetensors"
"""The last epoch's network, and all that resuming needs."""
FORMATS = (2, 3)
"""Those that are read; the last is written. 1 had no heads, 2 did not say its kind: it is of videos."""
OLD_CHECKPOINT = "checkpoint.pt"
"""What runs of images had instead."""
BEST = "best.safetensors"
"""The best epoch's network, where some data was held out to choose it by."""
CHECKSUM = "crc32"
"""The entry of the description that tells whether anything has changed since."""


def packed(tensors: Mapping[str, Tensor], description: Mapping[str, object]) -> bytes:
    """Tensors and their description as the content of a file."""
    from safetensors.torch import save

    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    pointers = [tensor.untyped_storage().data_ptr() for tensor in ready.values()]
    if len(set(pointers)) < len(pointers):  # tied weights, which a file holds once each
        ready = {name: tensor.clone() for name, tensor in ready.items()}
    told = {**description, CHECKSUM: f"{_checksum(ready, description):08x}"}
    return save(ready, metadata={"thas": json.dumps(told, sort_keys=True)})


def unpacked(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The tensors of a file, on the CPU, and its description.

    Raises:
        CheckpointError: It is missing, damaged, or not of thas; or a number in it has changed since, or is not finite.
    """
    from safetensors import SafetensorError

    description = read_header(path)
    try:
        tensors = raw_tensors(path)[0]
    except (OSError, SafetensorError, ValueError, MemoryError) as error:
        raise _unreadable(path, said(error)) from None
    check_unchanged(tensors, description, path)
    check_finite(tensors, path)
    return tensors, description


def raw_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of any safetensors file, on the CPU and in its order, and its metadata; nothing is checked."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def torch_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of `torch.save`, on the CPU and in its order; what else its table holds is left out.

    Read by torch's restricted loader, which runs nothing of it. Training programs put the table into another one.

    Raises:
        CheckpointError: It cannot be read, or holds no table of tensors.
    """
    import torch

    next, cause = "bring it again: it is damaged, or cut short", None
    try:
        check_archive(path)
        with warnings.catch_warnings():  # of what other programs pickle, which is read or refused all the same
            warnings.simplefilter("ignore")
            found: object = torch.load(path, map_location="cpu", weights_only=True)
        for outer in ("state_dict", "model_state", "model"):
            found = found[outer] if is_table(found) and is_table(found.get(outer)) else found
        held: Mapping[str, object] = found if is_table(found) else {}
        tensors = {str(name): tensor for name, tensor in held.items() if isinstance(tensor, torch.Tensor)}
        check_expansion(path.stat().st_size, sum(tensor.nbytes for tensor in tensors.values()))
        if tensors:
            return tensors
        why, next = (
            "it is no table of tensors",
            "name a file of weights: safetensors, or torch.save(model.state_dict())",
        )
    except pickle.UnpicklingError as error:
        cause, why = error, "it holds other things than weights, which are not read, or is no file of torch's"
        next = "name a file of weights alone: safetensors, or torch.save(model.state_dict())"
    except Exception as error:  # each of its formats has its own kinds
        cause, why, next = error, said(error), advice(error, next)
    raise CheckpointError(f"{path} holds no weights", why=why, next=next, subject=str(path)) from cause


def part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Those whose names begin with `name.`, by the rest of their names."""
    return {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


def check_unchanged(tensors: Mapping[str, Tensor], description: dict[str, object], path: Path) -> None:
    """Compare a file with its checksum, which is taken out of the description; files of older versions have none.

    Raises:
        CheckpointError: Something has changed since it was written.
    """
    kept = description.pop(CHECKSUM, None)
    if kept is not None and kept != f"{_checksum(tensors, description):08x}":
        raise _unreadable(path, "it has changed since it was written: its checksum differs")


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Weights that are not numbers give no detections, and no error either.

    Raises:
        CheckpointError: A number is NaN or infinite.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"{path} holds numbers that are not finite",
                why=f"{name} has {int((~tensor.isfinite()).sum())} that are NaN or infinite",
                next="take an older copy, or train anew",
                subject=str(path),
            )


def _checksum(tensors: Mapping[str, Tensor], description: Mapping[str, object]) -> int:
    """CRC-32 of the description and of all tensors by name."""
    import torch

    value = zlib.crc32(json.dumps(json.loads(json.dumps(description)), sort_keys=True).encode())
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        value = zlib.crc32(flat.numpy().data, zlib.crc32(name.encode(), value))
    return value


def class_names(value: object) -> tuple[str, ...]:
    """The classes in a file's description.

    Raises:
        ValueError: They are no list of different names.

    >>> class_names(["Run", "Jump"])
    ('Run', 'Jump')
    """
    if not is_row(value):
        raise ValueError("its classes are no list")
    names = tuple(name for name in value if isinstance(name, str) and name)
    if len(names) != len(value) or len(set(names)) != len(names):
        raise ValueError("its classes are no list of different names")
    return names


def check_shapes(build: Callable[[], nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Hold a network against the tensors that it is to take, before it takes any memory: a file may claim any size.

    Args:
        build: Makes the network; it is called on torch's device `meta`.
        tensors: By the network's names.

    Raises:
        ValueError: They are of other shapes.
    """
    import torch

    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted({*wanted, *given}):
        there, here = given.get(name, "absent"), wanted.get(name, "absent")
        if there != here:
            raise ValueError(f"{name} is {there} in the file and {here} in the network")


def read_header(path: Path) -> dict[str, object]:
    """What a file says of itself; neither its tensors nor torch are loaded.

    Raises:
        CheckpointError: It is missing, damaged, or not of thas.
    """
    try:
        refuse_pipe(path)
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
        raise _unreadable(path, said(error)) from None
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
