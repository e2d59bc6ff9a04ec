"""What resuming needs, in `state/`: weights, optimiser, averages and counters as safetensors and JSON, never pickle.

The random numbers of a step depend on (seed, step) alone, so no generator state is kept, and a run that was killed and
started again takes the same steps as one that was not. One file carries everything, so a checkpoint is whole or absent;
tensors that are cut over processes lie in a folder beside it that it names (`shards`).
"""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from synthgen.distributed import Ranks
from synthgen.errors import RunError
from synthgen.io.atomic import atomic_file, read_text, write_text
from synthgen.nn.sharded import as_parts_of, is_cut
from synthgen.training.shards import read_shards, sizes, write_shards

__all__ = [
    "load_checkpoint",
    "note_parts",
    "noted_parts",
    "optimizer_tensors",
    "remove_state",
    "restore_optimizer",
    "save_checkpoint",
    "settled_before",
]

_FILE = "state/checkpoint.safetensors"
_SHARDS = "shards-"
PARTS = "state/parts.json"


def save_checkpoint(
    run: Path, groups: dict[str, dict[str, torch.Tensor]], facts: dict[str, Any], ranks: Ranks, *, step: int
) -> None:
    """Write a checkpoint atomically; all processes call this together, and the first writes what is not cut.

    Args:
        run: the run directory.
        groups: group name (`network`, `optimizer`, ...) -> named tensors.
        facts: JSON-able counters.
        ranks: the processes of this training.
        step: names the folder of what is cut; no other checkpoint of this training has the same.
    """
    tensors = {f"{group}|{name}": tensor.detach() for group, named in groups.items() for name, tensor in named.items()}
    parts = {name: tensor for name, tensor in tensors.items() if is_cut(tensor)}
    folder = (run / _FILE).parent / f"{_SHARDS}{step}" if parts else None
    if folder is not None:
        ranks.first(lambda: shutil.rmtree(folder, ignore_errors=True))
        write_shards(folder, parts)

    def write() -> None:
        plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items() if name not in parts}
        told = facts if folder is None else {**facts, "shards": {"folder": folder.name, "bytes": sizes(folder)}}
        with atomic_file(run / _FILE) as temporary:
            save_file(plain, temporary, metadata={"facts": json.dumps(told)})
        for old in (run / _FILE).parent.glob(f"{_SHARDS}*"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)

    ranks.first(write)


def load_checkpoint(run: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]] | None:
    """The checkpoint of an interrupted run, or None when there is none.

    Raises:
        RunError: the file is damaged.
    """
    path = run / _FILE
    if not path.exists():
        return None
    try:
        groups: dict[str, dict[str, torch.Tensor]] = {}
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        if "shards" in facts:
            folder = path.parent / Path(facts["shards"]["folder"]).name
            if sizes(folder) != facts["shards"]["bytes"]:
                raise ValueError(f"files in {folder.name} are missing or cut")
            tensors |= read_shards(folder)
        for key, tensor in tensors.items():
            group, _, name = key.partition("|")
            groups.setdefault(group, {})[name] = tensor
        return groups, facts
    except RunError:
        raise
    except Exception as error:
        raise RunError(
            f"the checkpoint {path} is damaged: {error}", hint="Start over with --force, or in another --out."
        ) from error


def remove_state(run: Path) -> None:
    """Delete what nobody needs once the run is finished."""
    shutil.rmtree(run / "state", ignore_errors=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's state as named tensors `<parameter>.<key>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value)
        for index, values in state.items()
        for key, value in values.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = as_parts_of(tensor, parameters[int(index)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def note_parts(run: Path, parts: int) -> None:
    """Note that batches of this run go through the network in so many parts, where no checkpoint can say it."""
    write_text(run / PARTS, json.dumps({"parts": parts}))


def noted_parts(run: Path) -> int:
    """What was noted; 1 without a note."""
    try:
        return max(1, int(json.loads(read_text(run / PARTS))["parts"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return 1


def settled_before(path: Path) -> dict[str, Any] | None:
    """The configuration that an interrupted run had settled on, so that resuming cannot settle otherwise."""
    try:
        return tomllib.loads(read_text(path / "config.toml"))
    except (OSError, ValueError):
        return None
