"""Where training runs: one device by plain torch, several by Lightning Fabric under torchrun."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .errors import UsageError, first_line

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # type: ignore[import-not-found]
    from torch.distributed.checkpoint.stateful import Stateful

Value = TypeVar("Value")
_OfFabric = Literal["32-true", "bf16-mixed", "16-mixed"]
PRECISIONS: dict[str, _OfFabric] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


class Runner:
    """What the training loop needs to know of its devices; this one is plain torch on one device.

    Args:
        device: Where.
        precision: "32", or "bf16" or "16" for mixed.
    """

    def __init__(self, device: torch.device, precision: str) -> None:
        self.device, self.rank, self.world = device, 0, 1
        self._kind = {"bf16": torch.bfloat16, "16": torch.float16}.get(precision)
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "16")
        self._kept: Stateful = self._scaler

    def set_up(self, network: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """The network and the optimizer, ready to train here: the network was moved before the optimizer was made."""
        return network, optimizer

    def autocast(self) -> AbstractContextManager[object]:
        """The arithmetic's precision: mixed, if asked for."""
        return torch.autocast(self.device.type, dtype=self._kind) if self._kind else nullcontext()

    def step(self, loss: Tensor, optimizer: Optimizer, *, clip_norm: float = 0.0) -> None:
        """Backpropagate and change the weights, by gradients no longer than `clip_norm` all together; 0 for any."""
        self._scaler.scale(loss).backward()
        if clip_norm:
            self._scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip_norm)
        self._scaler.step(optimizer)
        self._scaler.update()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return values

    def gathered(self, values: list[Value]) -> list[Value]:
        """The values of all processes, each of which waits here for the others."""
        return values

    def state(self) -> dict[str, object]:
        """What a checkpoint must keep of it: the scale of 16-bit gradients; empty for other precisions."""
        return self._kept.state_dict()

    def restore(self, state: dict[str, object]) -> None:
        """Continue from such a state."""
        if state:
            self._kept.load_state_dict(state)


class SeveralDevices(Runner):
    """Lightning Fabric with distributed data parallelism, started by torchrun on each node."""

    def __init__(self, accelerator: str, precision: str) -> None:
        local = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"]))
        self._network = nn.Module()
        self.fabric = _fabric()(
            accelerator=accelerator,
            devices=local,
            num_nodes=int(os.environ["WORLD_SIZE"]) // local,
            strategy="ddp",
            precision=PRECISIONS[precision],
        )
        self.fabric.launch()
        self._kind = None  # Fabric's network mixes precisions itself
        self._kept = self.fabric.strategy.precision
        self.device, self.rank, self.world = self.fabric.device, self.fabric.global_rank, self.fabric.world_size

    def set_up(self, network: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """Wrapped by Fabric, which averages the gradients and sets the precision."""
        self._network, wrapped = self.fabric.setup(network, optimizer)
        return self._network, wrapped

    def step(self, loss: Tensor, optimizer: Optimizer, *, clip_norm: float = 0.0) -> None:
        """Backpropagate, average over the processes and change the weights."""
        self.fabric.backward(loss)
        if clip_norm:  # of 16-bit gradients some are infinite, and the scaler leaves such a step out
            self.fabric.clip_gradients(self._network, optimizer, max_norm=clip_norm, error_if_nonfinite=False)
        optimizer.step()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return cast(Tensor, self.fabric.all_reduce(values, reduce_op="sum"))

    def gathered(self, values: list[Value]) -> list[Value]:
        """The values of all processes, in the order of their ranks."""
        everyone: list[list[Value]] = [[]] * self.world
        torch.distributed.all_gather_object(everyone, values)
        return [value for several in everyone for value in several]


def _fabric() -> type[Fabric]:
    try:
        from lightning_fabric import Fabric  # type: ignore[import-not-found]
    except ImportError:
        try:
            from lightning.fabric import Fabric  # type: ignore[import-not-found]
        except ImportError:
            raise UsageError(
                "training on several devices needs Lightning Fabric",
                why="torchrun started several processes, and neither lightning nor lightning_fabric is installed",
                next="pip install lightning-fabric",
            ) from None
    return Fabric


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


def choose_runner(device: str, precision: str) -> Runner:
    """One device, or all that torchrun started processes for.

    Raises:
        UsageError: There is no such device, or Fabric is needed and missing.
    """
    chosen = choose_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return SeveralDevices(chosen.type, precision)
    return Runner(chosen, precision)
