"""Tensors that are cut over processes, as torch's distributed checkpoints in safetensors: never pickle.

Each process writes its own part, and any number of processes reads the whole. What belongs together is named by the
checkpoint beside it (`state`), which is written last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from synthgen.errors import RunError, StorageError

__all__ = ["read_shards", "sizes", "write_shards"]


def write_shards(directory: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write this process's parts; all processes call this together.

    Args:
        directory: new, and seen by all processes.
        tensors: name -> DTensor, the same names in every process.

    Raises:
        StorageError: the directory cannot be written by one of them.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    try:
        save(dict(tensors), storage_writer=HuggingFaceStorageWriter(str(directory), save_distributed=True))
    except CheckpointException as error:
        raise StorageError(f"cannot write {directory}: {error}", hint="Check free space and permissions.") from error


def sizes(directory: Path) -> dict[str, int]:
    """Bytes of each file: what is read takes a part that is missing for one that never was."""
    return {path.name: path.stat().st_size for path in sorted(directory.glob("*.safetensors"))}


def read_shards(directory: Path) -> dict[str, Tensor]:
    """The whole tensors, on the CPU, in a process of its own; no others are needed.

    Raises:
        RunError: something is missing or damaged.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata
    from torch.distributed.checkpoint.state_dict_loader import load

    try:
        reader = HuggingFaceStorageReader(str(directory))
        found = {
            name: torch.empty(tuple(facts.size), dtype=facts.properties.dtype)
            for name, facts in reader.read_metadata().state_dict_metadata.items()
            if isinstance(facts, TensorStorageMetadata)
        }
        load(found, storage_reader=reader, no_dist=True)
    except (Exception, CheckpointException) as error:
        raise RunError(f"the checkpoint {directory} is damaged: {error}", hint="Start over with --force.") from error
    return found
