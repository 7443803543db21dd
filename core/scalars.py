"""What TensorBoard shows of a training, where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from .log import Epoch


class _Writer(Protocol):
    """What is used of TensorBoard's."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int, /) -> None: ...
    def close(self) -> None: ...


FOLDER = "tensorboard"


class Scalars:
    """Writes each epoch's numbers into `<run>/tensorboard`; does nothing where TensorBoard is not installed.

    Args:
        run: The run's folder.
        epochs_done: What an earlier session wrote about later epochs no longer counts.
    """

    def __init__(self, run: Path, *, epochs_done: int = 0) -> None:
        self._writer: _Writer | None = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except Exception:  # absent, or broken, and then it raises whatever it meets: no reason not to train
            return
        self._writer = SummaryWriter(str(run / FOLDER), purge_step=epochs_done + 1)

    def add(self, epoch: Epoch) -> None:
        """Write an epoch's numbers."""
        if self._writer is not None:
            for name, value in epoch.known().items():
                if name != "number":
                    self._writer.add_scalar(name.replace("validation_", "validation/"), value, epoch.number)

    def close(self) -> None:
        """Let go of the file."""
        if self._writer is not None:
            self._writer.close()
