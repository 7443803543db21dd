"""Devices by name."""

from __future__ import annotations

import torch

from .errors import UsageError, first_line


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.

    Raises:
        UsageError: The device is not there.
    """
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"there is no device {name!r}",
            why=first_line(error),
            next="use cpu, cuda, cuda:1 or auto; thas doctor lists the devices",
            subject=name,
        ) from None
    return device
