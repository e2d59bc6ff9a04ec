"""A few records from a model in training, to look at: few steps, the averaged weights, the same noise each time."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from synthgen.api import Modality, Records, Schema
from synthgen.config import RunConfig
from synthgen.diffusion.denoiser import Denoiser
from synthgen.training.prepare import Prepared
from synthgen.training.sampling import sample

__all__ = ["Preview", "make_preview"]

_RECORDS = 5
_EVALUATIONS = 8


@dataclass(frozen=True)
class Preview:
    """Records with what is needed to draw them."""

    modality: Modality
    records: Records
    schema: Schema


def make_preview(
    prepared: Prepared, config: RunConfig, denoiser: Denoiser, *, device: torch.device, precision: str
) -> Preview:
    """Five records, of five classes where there are labels.

    Args:
        prepared: codec, conditions of training records, schema.
        config: of the run; its sampler and noise range are used.
        denoiser: with the weights to look at.
        device, precision: where it lies, and how it runs.
    """
    schema = prepared.schema
    rows = torch.arange(_RECORDS)
    conditions = prepared.bank
    if "label" in conditions:
        known = sorted(set(conditions["label"].tolist()))
        classes = [int((conditions["label"] == label).nonzero()[0]) for label in known]
        rows = torch.tensor([classes[index % len(classes)] for index in range(_RECORDS)])
    told = {name: values[rows % len(values)] for name, values in conditions.items()}
    few = config.model_copy(update={"sampling": config.sampling.model_copy(update={"steps": _EVALUATIONS})})
    x = sample(denoiser.eval(), told, few, schema, count=_RECORDS, device=device, precision=precision)
    return Preview(prepared.modality, prepared.codec.decode(x, told), schema)
