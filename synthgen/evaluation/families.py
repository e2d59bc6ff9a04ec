"""The families of anomaly scores that a trained denoiser gives: what each measures, and what it costs.

    denoising                 || D(x + sigma n; sigma) - x ||^2                    at 8 levels x 4 antithetic noises
    reconstruction            || ODE(x + sigma n, sigma -> 0) - x ||^2             see `reconstruction`
    reconstruction-simplex    the same with simplex noise
    likelihood                | -ln p(x) - its median on normal records |          see `likelihoods`
    score-norm                || (D(x; sigma) - x) / sigma ||^2                    at 8 levels, x as it is
    time                      E[ln sigma | x]                                      see `likelihoods`

Simple records are more likely than normal ones whatever they show (Nalisnick et al. 2019, "Detecting
out-of-distribution inputs to deep generative models using typicality"), so the likelihood is read from both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.evaluation.denoising import restore
from synthgen.evaluation.likelihoods import LIKELIHOOD_EVALUATIONS, TIME_EVALUATIONS, likelihood, time
from synthgen.evaluation.measuring import Measure, Measured, Setting, by_position, log_mean, pieces_of
from synthgen.evaluation.reconstruction import RECONSTRUCTION_EVALUATIONS, reconstruction

if TYPE_CHECKING:
    from synthgen.api import Batch
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["FAMILIES", "Family", "family"]

_TINY = 1e-12


@dataclass(frozen=True)
class Family:
    """One family of scores.

    Args:
        name: as users name it.
        title: for reports.
        summary: one line for the list.
        measure: the measurement.
        evaluations: network evaluations a record, for a setting.
        two_sided: unusually small values are as odd as unusually large ones.
    """

    name: str
    title: str
    summary: str
    measure: Measure
    evaluations: Callable[[Setting], int]
    two_sided: bool = False


def family(name: str) -> Family:
    """The family of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in FAMILIES:
        raise UsageError(f"unknown score family {name!r}", hint=f"Families: {', '.join(FAMILIES)}.")
    return FAMILIES[name]


def _denoising(
    denoiser: AnyDenoiser, batch: Batch, told: Mapping[str, torch.Tensor] | None, setting: Setting
) -> Measured:
    found = restore(
        denoiser,
        batch,
        setting.sigmas,
        seed=setting.seed,
        repeats=setting.repeats,
        batch_size=setting.batch_size,
        conditions=told,
    )
    return Measured(np.log(np.maximum(found.errors, _TINY)), found.maps)


@torch.no_grad()
def _score_norm(
    denoiser: AnyDenoiser, batch: Batch, told: Mapping[str, torch.Tensor] | None, setting: Setting
) -> Measured:
    values = np.empty((len(batch.x), setting.levels))
    maps = np.empty((len(batch.x), setting.levels, *batch.x.shape[2:]), dtype=np.float32)
    for piece in pieces_of(denoiser, batch, told, records=setting.batch_size):
        rows, x, weight = piece.rows, piece.x, piece.weight
        for k, sigma in enumerate(setting.sigmas):
            pull = (denoiser(x, x.new_full((len(x),), sigma), piece.told) - x) / sigma
            squared = pull.square() * weight
            values[rows, k] = log_mean(squared, weight)
            maps[rows, k] = by_position(squared, weight)
    return Measured(values, maps)


FAMILIES: Mapping[str, Family] = {
    item.name: item
    for item in (
        Family(
            "denoising",
            "denoising error of the model",
            "error of one-step restoration at several noise levels",
            _denoising,
            lambda setting: setting.levels * setting.repeats,
        ),
        Family(
            "reconstruction",
            "reconstruction from partial noise",
            "error after noising part of the way and denoising back step by step",
            reconstruction(simplex=False),
            lambda _: RECONSTRUCTION_EVALUATIONS,
        ),
        Family(
            "reconstruction-simplex",
            "reconstruction from partial simplex noise",
            "the same with smooth noise, for anomalies larger than a pixel",
            reconstruction(simplex=True),
            lambda _: RECONSTRUCTION_EVALUATIONS,
        ),
        Family(
            "likelihood",
            "typicality of the probability-flow likelihood",
            "how far the likelihood is from that of normal records, above or below",
            likelihood,
            lambda _: LIKELIHOOD_EVALUATIONS,
            two_sided=True,
        ),
        Family(
            "score-norm",
            "norm of the score",
            "how strongly the model pulls at the record as it is",
            _score_norm,
            lambda setting: setting.levels,
        ),
        Family(
            "time",
            "diffusion time",
            "the noise level that the record seems to carry",
            time,
            lambda _: TIME_EVALUATIONS,
        ),
    )
}
"""Name -> family, the default first."""
