"""The denoiser that remembers: exact for the training records smoothed by a Gaussian, with nothing learned.

For p = 1/N sum_i N(x_i, h^2 I) the posterior mean is closed form, with v = h^2 + sigma^2,

    w_i = softmax_i( -||x - x_i||^2 / 2v )        mu = sum_i w_i x_i        D(x; sigma) = mu + (h^2 / v) (x - mu)

Put in the place of the network it gives a nonparametric anomaly score: nearest neighbours, but soft and at several
noise levels. A network restores strokes and edges that it never saw together; this one does not, and so on small sets
it finds unseen kinds of record that the network explains too well (`benchmarks/digits_one_class_out.py`).

A remembered record is judged without itself: the condition `OWN` names the position that is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch

__all__ = ["OWN", "KernelDenoiser"]

OWN = "own record"
"""Condition: position among the remembered records of the record that is restored, int64 `(B,)`."""

_BANDWIDTH_RECORDS = 500


class KernelDenoiser:
    """Called like any denoiser, `D(x, sigma, conditions)`.

    Args:
        records: `(N, C, *S)`, what is remembered.
        label: `(N,)` class of each, or None.
        bandwidth: h, in the units of the records.
        condition: name of the class condition.
    """

    def __init__(
        self, records: torch.Tensor, label: torch.Tensor | None, *, bandwidth: float, condition: str = "label"
    ) -> None:
        self._records = records.flatten(1).float()
        self._label = label
        self._variance = bandwidth**2
        self._condition = condition

    @classmethod
    def fit(cls, records: torch.Tensor, label: torch.Tensor | None, *, condition: str = "label") -> Self:
        """With the bandwidth whose square is the median squared distance to the nearest other record, per dimension."""
        flat = records.flatten(1).float()
        some = flat[:: max(1, len(flat) // _BANDWIDTH_RECORDS)]
        nearest = torch.cdist(some, flat).topk(min(2, len(flat)), largest=False).values[:, -1]
        positive = nearest[nearest > 0]
        variance = float(positive.square().median()) / flat.shape[1] if len(positive) else 1.0
        return cls(records, label, bandwidth=variance**0.5, condition=condition)

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, conditions: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The posterior mean, of x's shape; a class of which nothing is remembered, and -1, is the null condition.

        Args:
            x: `(B, C, *S)`.
            sigma: `(B,)`.
            conditions: the class of each, and `OWN`.
        """
        flat = x.flatten(1).float()
        total = (self._variance + sigma.float().square())[:, None]  # (B, 1)
        logits = torch.cdist(flat, self._records).square() / (-2 * total)  # (B, N)
        own = conditions.get(OWN)
        if own is not None:
            logits = logits.scatter(1, own[:, None], -torch.inf)
        told = conditions.get(self._condition)
        if told is not None and self._label is not None:
            same = (told[:, None] == self._label[None]) & logits.isfinite()
            logits = logits.masked_fill(~same & same.any(dim=1, keepdim=True), -torch.inf)
        mean = logits.softmax(dim=1) @ self._records
        return (mean + self._variance / total * (flat - mean)).reshape(x.shape)
