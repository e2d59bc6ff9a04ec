"""The processes of one training launch, `torchrun -m -- synthgen train ...`; a plain call is a launch of one.

Every process takes its own rows of each batch. With `ddp` each holds all weights and gradients are averaged; with
`fsdp` weights, gradients, optimiser state and averages are cut into as many parts as there are processes (torch's
FSDP2; Zhao et al. 2023, arXiv:2304.11277). Either way a step is that of one process with the whole batch: everything
random is drawn for the whole batch, each part of the loss counts by its records, and what is decided on (loss, end of
training, time) is agreed on. gloo joins CPUs, NCCL joins GPUs.

What processes tell one another is JSON and tensors, never pickles.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from synthgen import errors
from synthgen.errors import SynthgenError, TrainingError

__all__ = ["Ranks", "launched"]

_PATIENCE = timedelta(minutes=10)
_LOST = ("gloo", "nccl", "connection", "socket", "tcpstore", "peer")


class Ranks:
    """This process among those of its launch.

    Args:
        rank: number of this process, from 0.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size
        self._cuda = size > 1 and dist.get_backend() == "nccl"

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def first(self, work: Callable[[], Any]) -> Any:
        """What `work` returns in the first process, as JSON keeps it; an error there is raised everywhere."""
        if self.size == 1:
            return work()
        told: dict[str, Any] = {}
        failure: SynthgenError | None = None
        if self.leads:
            try:
                told["value"] = work()
            except SynthgenError as error:
                failure = error
                told["error"] = [type(error).__name__, error.message, error.hint]
        told = json.loads(self._broadcast(json.dumps(told).encode()))
        if failure is not None:
            raise failure
        if "error" in told:
            kind, message, hint = told["error"]
            raise getattr(errors, kind, SynthgenError)(message, hint=hint)
        return told["value"]

    def agreed(self, value: Any) -> Any:
        """The first process's value, where each has worked out its own."""
        return self.first(lambda: value)

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is set in any process."""
        if self.size == 1:
            return flags
        told = torch.tensor([int(flag) for flag in flags], device=self._device)
        dist.all_reduce(told, op=dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in told.tolist())

    def highest(self, value: float) -> float:
        """The largest of the processes' values."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=self._device)
        dist.all_reduce(told, op=dist.ReduceOp.MAX)
        return float(told)

    def rows(self, count: int) -> slice:
        """This process's rows of `count`; the first processes have one more where it does not divide."""
        least, more = divmod(count, self.size)
        start = self.rank * least + min(self.rank, more)
        return slice(start, start + least + (self.rank < more))

    def joined(self, own: Tensor, count: int) -> Tensor:
        """`(count,)` on the CPU: each process's rows in their order.

        Args:
            own: float values of `rows(count)`.
            count: of all processes.
        """
        if self.size == 1:
            return own
        whole = torch.zeros(count, dtype=torch.float64, device=self._device)
        whole[self.rows(count)] = own.to(whole)
        dist.all_reduce(whole)  # each place is 0 in all processes but one, so the sum is exact
        return whole.to(own.dtype).cpu()

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Make each gradient the mean of the processes' own."""
        if self.size > 1:
            for parameter in parameters:
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                dist.all_reduce(gradient)
                parameter.grad = gradient.div_(self.size)

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()

    def together(self, module: nn.Module, sharding: str) -> nn.Module:
        """The module whose gradients are those of all processes' rows.

        Args:
            module: what computes the loss, on its device.
            sharding: `ddp`, or `fsdp`, which cuts the module's own parameters in place.
        """
        if self.size == 1:
            return module
        if sharding == "fsdp":
            return self._sharded(module)
        ids = [torch.cuda.current_device()] if self._cuda else None
        return DistributedDataParallel(module, device_ids=ids)

    @contextlib.contextmanager
    def accumulating(self, module: nn.Module, *, last: bool) -> Iterator[None]:
        """Around one part of a batch: gradients travel with the last part only."""
        if isinstance(module, DistributedDataParallel) and not last:
            with module.no_sync():
                yield
            return
        synchronise = getattr(module, "set_requires_gradient_sync", None)  # of FSDP2
        if synchronise is not None:
            synchronise(last)
        yield

    def _sharded(self, module: nn.Module) -> nn.Module:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cuda" if self._cuda else "cpu", (self.size,))
        for block in _blocks(module):
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh)  # in place
        return module

    @property
    def _device(self) -> torch.device:
        return torch.device("cuda", torch.cuda.current_device()) if self._cuda else torch.device("cpu")

    def _broadcast(self, content: bytes) -> bytes:
        size = torch.tensor([len(content)], device=self._device)
        dist.broadcast(size, src=0)
        data = torch.zeros(int(size), dtype=torch.uint8, device=self._device)
        if self.leads:
            data.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        dist.broadcast(data, src=0)
        return bytes(data.cpu().numpy().tobytes())


@contextlib.contextmanager
def launched() -> Iterator[Ranks]:
    """The processes of the torchrun launch that this one belongs to; without a launch, this process alone.

    Raises:
        TrainingError: another process was lost on the way.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "MASTER_ADDR" not in os.environ:
        yield Ranks()
        return
    rank = int(os.environ["RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # Convolutions leave gradients in a layout of their own: a copy more, as torch says in four lines a process.
    warnings.filterwarnings("ignore", message="Grad strides do not match")
    try:
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=_store(rank, size), rank=rank, world_size=size, timeout=_PATIENCE)
        yield Ranks(rank, size)
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or any(word in str(error).lower() for word in _LOST):
            raise TrainingError(
                f"process {rank} of {size} lost the others: {str(error).splitlines()[0]}",
                hint="The same command goes on from the last checkpoint; torchrun --max-restarts 3 does so by itself.",
            ) from error
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _store(rank: int, size: int) -> Any:
    """Where the processes meet; after a restart elsewhere, or they would look for those that are no more."""
    agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    leads = rank == 0 and not agent
    store = dist.TCPStore(host, port, size, is_master=leads, timeout=_PATIENCE)  # type: ignore[attr-defined]
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return dist.PrefixStore(f"synthgen-{attempt}", store)  # type: ignore[attr-defined]


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The members of the module's lists, where networks keep their repeated blocks; the rest goes with the root."""
    for child in module.children():
        if isinstance(module, nn.ModuleList) and not isinstance(child, nn.ModuleList):
            yield child
        else:
            yield from _blocks(child)
