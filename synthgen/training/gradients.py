"""The gradient of one batch, in as many parts as memory asks for, by one process or by several in agreement.

A process that runs out of memory says so, and every process takes the batch again in twice as many parts: the step is
the same. That needs a moment in which none waits for the gradients of another, so with `ddp` the first step in so many
parts is taken apart: each process works out its own gradients, all say whether they could, and only then do they
average. Steps after it need no more memory, and gradients travel while they are worked out, as usual.

Where processes depend on one another from the first layer on (`fsdp`), or memory ends in a later step all the same,
the launch ends with `OutOfMemory`; the run notes the parts, and the same command goes on with them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synthgen.distributed import Ranks
from synthgen.errors import TrainingError, is_out_of_memory
from synthgen.training.draw import Draw, Objective
from synthgen.training.precision import autocast

__all__ = ["Gradients", "OutOfMemory"]


class OutOfMemory(TrainingError):
    """One of several processes has no memory left, and the others cannot wait for it.

    Args:
        rank, size: of the process.
        parts: of a batch that may fit.
    """

    def __init__(self, rank: int, size: int, parts: int) -> None:
        super().__init__(
            f"process {rank} of {size} ran out of memory",
            hint=f"The same command goes on from the last checkpoint with batches in {parts} parts; "
            "torchrun --max-restarts 3 does so by itself.",
        )
        self.parts = parts


class Gradients:
    """Adds the gradient of a batch's mean loss to what is trained.

    Args:
        own: what is trained, on its device.
        shared: the same, so that gradients are averaged over the processes; see `Ranks.together`.
        optimizer: whose gradients start at nothing.
        ranks: the processes that share each batch.
        device: of the network.
        parts: that a batch goes through the network in.
        alone: whether a process can do its part without the others, as it can with `ddp`.
    """

    def __init__(
        self,
        own: Objective,
        shared: nn.Module,
        optimizer: torch.optim.Optimizer,
        ranks: Ranks,
        device: torch.device,
        *,
        parts: int,
        alone: bool,
    ) -> None:
        self.parts = parts
        self._own = own
        self._shared = shared
        self._optimizer = optimizer
        self._ranks = ranks
        self._device = device
        self._alone = alone
        self._fits: set[tuple[int, str]] = set()  # parts and precision with which a step went well
        self._remark = ""

    def remark(self) -> str:
        """What there is to say since the last call."""
        said, self._remark = self._remark, ""
        return said

    def of(self, draw: Draw, seed: int, precision: str, scaler: torch.amp.GradScaler, *, count: int) -> Tensor:
        """See `add`, from nothing; where memory does not suffice, again in twice as many parts.

        Raises:
            OutOfMemory: another number of parts needs a new launch.
        """
        while True:
            together = self._ranks.size > 1 and (not self._alone or (self.parts, precision) in self._fits)
            errors, failure = None, None
            self._optimizer.zero_grad(set_to_none=True)
            try:
                errors = self.add(draw, seed, precision, scaler, parts=self.parts, count=count, together=together)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if together:
                    raise OutOfMemory(self._ranks.rank, self._ranks.size, 2 * self.parts) from error
                failure = error.with_traceback(None)  # which keeps the tensors of the step
            if together or self._all_well(failure, len(draw.x)):
                assert errors is not None
                self._fits.add((self.parts, precision))
                return errors

    def _all_well(self, failure: Exception | None, rows: int) -> bool:
        """Whether no process failed; then gradients are averaged, or else batches are in more parts from here on."""
        lacking = failure is not None
        lacking, hopeless = self._ranks.any(lacking, lacking and self.parts >= rows)
        if not lacking:
            self._ranks.average(p for group in self._optimizer.param_groups for p in group["params"])
            return True
        if hopeless:
            raise failure or TrainingError("out of memory in another process, with one record at a time")
        self.parts *= 2
        torch.cuda.empty_cache()
        self._remark = f"out of memory: batches go through the network in {self.parts} parts from here on"
        return False

    def add(
        self,
        draw: Draw,
        seed: int,
        precision: str,
        scaler: torch.amp.GradScaler,
        *,
        parts: int,
        count: int,
        together: bool = True,
    ) -> Tensor:
        """Add the gradient of the mean loss; each error without the learned weight, as held-out losses are, `(B,)`.

        Args:
            draw: this process's rows.
            seed: of dropout.
            precision: the network's; see `autocast`.
            scaler: of the loss in fp16.
            parts: that go through the network one after the other.
            count: records over which the mean is taken, in all processes.
            together: average the gradients over the processes.
        """
        objective = self._shared if together else self._own
        errors = []
        cuda = [self._device.index or 0] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):  # dropout draws from the global generator
            torch.manual_seed(seed)
            pieces = list(draw.parts(parts)) if parts > 1 else [draw]
            for part in pieces:
                share = len(part.x) * self._ranks.size / count  # gradients are averaged over the processes
                with self._ranks.accumulating(objective, last=part is pieces[-1]):
                    with autocast(self._device, precision):
                        loss, error = objective(part, self._device)
                    loss = loss if share == 1 else loss * share
                    (scaler.scale(loss) if precision == "fp16" else loss).backward()
                errors.append(error.cpu())
        return torch.cat(errors)
