"""Masks that the model doubts: where an image and its mask disagree.

The mask is drawn anew from the model with the image known: on the way down from the largest noise level the estimate of
the image channels is the image (`synthgen.diffusion.imputation.Replaced`), and the mask channels follow the
probability-flow ODE. A pixel's disagreement is the
share of draws that give it another class than its mask, a record's the mean over its pixels that have a class. On the
calibration records, whose masks are taken to be mostly right, it gives conformal p-values.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from synthgen import seeding
from synthgen.diffusion.imputation import Replaced
from synthgen.evaluation.calibration import conformal_p
from synthgen.evaluation.label_errors import Doubt
from synthgen.evaluation.measuring import pieces_of
from synthgen.evaluation.scorer import pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records, Source
    from synthgen.evaluation.measuring import Setting
    from synthgen.evaluation.scorer import Model

__all__ = ["MaskJudge"]

_DRAWS, _STEPS = 4, 10
_HIGHEST, _LOWEST = 40.0, 0.05  # noise levels, in units of sigma_data
_CALIBRATION_RECORDS = 200


class MaskJudge:
    """Doubts masks by a run of images with masks.

    Args:
        model: denoiser, codec and schema; its records have the columns `image` and `mask`.
        setting: seed and batch size.
    """

    evaluations = _DRAWS * _STEPS
    """Network evaluations a record."""

    def __init__(self, model: Model, setting: Setting) -> None:
        self._model, self._setting = model, setting
        self._bands = len(model.schema.channels) - 1  # the last channel of the record is its mask

    def fit(self, source: Source, calibration: NDArray[np.int64]) -> Self:
        """Calibrate on records that the model never saw, at most 200 of them."""
        step = max(1, -(-len(calibration) // _CALIBRATION_RECORDS))
        shares = [
            self._share(records, self.disagreement(records))
            for records in map(source.read, pieces(calibration[::step], self._model.schema, _DRAWS))
        ]
        found = np.concatenate([*shares, np.empty(0)])
        self._calibration = found[np.isfinite(found)]
        return self

    def doubt(self, records: Records) -> Doubt:
        """Judge the masks of records; `best` is their own label, which is not in question."""
        share = self._share(records, self.disagreement(records))
        p, known = np.ones(len(share)), np.isfinite(share)
        p[known] = conformal_p(self._calibration, share[known])
        label = np.full(len(share), -1, dtype=np.int64) if records.label is None else records.label
        return Doubt(share, p, label)

    def disagreement(self, records: Records) -> NDArray[np.float32]:
        """Share of draws that give each pixel another class than its mask, `(N, H, W)`."""
        wrong = np.zeros(records["mask"].shape, dtype=np.float32)
        for draw in range(_DRAWS):
            wrong += self._drawn(records, draw) != records["mask"]
        return wrong / np.float32(_DRAWS)

    @torch.no_grad()
    def _drawn(self, records: Records, draw: int) -> NDArray[np.integer]:
        """Masks drawn for the images, `(N, H, W)`."""
        batch, denoiser = self._model.codec.encode(records), self._model.denoiser
        data = self._model.sigma_data
        sigmas = [*np.geomspace(_HIGHEST * data, _LOWEST * data, _STEPS), 0.0]
        noises = seeding.standard_normal(self._setting.seed, "mask-errors", [draw], batch.x.shape[1:])
        noise = torch.from_numpy(noises[0])
        drawn = torch.empty_like(batch.x)
        for piece in pieces_of(denoiser, batch, batch.conditions, records=self._setting.batch_size):
            image = torch.zeros_like(piece.x, dtype=torch.bool)
            image[:, : self._bands] = True
            replaced = Replaced(denoiser, piece.x, image)
            state = piece.x * image + float(sigmas[0]) * noise.to(piece.x)
            for sigma, lower in pairwise(sigmas):
                clean = replaced(state, state.new_full((len(state),), float(sigma)), piece.told)
                state = clean + float(lower / sigma) * (state - clean)
            drawn[piece.rows] = state.cpu()
        return np.asarray(self._model.codec.decode(drawn, batch.conditions)["mask"])

    @staticmethod
    def _share(records: Records, disagreement: NDArray[np.float32]) -> NDArray[np.float64]:
        counted = records["mask"] != np.iinfo(records["mask"].dtype).max  # 255 or 65535 is no class
        pixels = counted.sum(axis=(1, 2))
        total = np.where(counted, disagreement, 0.0).sum(axis=(1, 2), dtype=np.float64)
        return np.where(pixels > 0, total / np.maximum(pixels, 1), math.nan)
