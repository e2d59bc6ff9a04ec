"""Loss weights: how much the squared error of the clean estimate counts at each noise level.

With SNR = (s / sigma)^2 and s = sigma_data,

    name           w(sigma) on |D - x_0|^2                     source
    edm            (sigma^2 + s^2) / (sigma s)^2               Karras et al. 2022, arXiv:2206.00364, table 1
    min-snr        min(SNR, gamma)                             Hang et al. 2023, arXiv:2303.09556, eq. 5
    soft-min-snr   gamma SNR / (gamma + SNR)                   Crowson et al. 2024, arXiv:2401.11605, section 4.4
    p2             SNR / (k + SNR)^gamma                       Choi et al. 2022, arXiv:2204.00227, eq. 8
    uniform        1                                           plain squared error of D
    native         1 / c_out^2                                 plain squared error of what the network predicts
    velocity       1 / max(t, 0.05)^2, t = sigma/(1 + sigma)   Li & He 2025, arXiv:2511.13720: error of n - x_0

The papers give weights for data of unit variance; dividing sigma by s carries them over. P2 is stated there on the
error of the predicted noise, which is (D - x_0) / sigma: hence the SNR in front, and gamma = 0 is DDPM's simple loss.
`native` is DDPM's simple loss for epsilon, the SNR + 1 weight for v and flow matching's loss for the flow velocity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synthgen.diffusion.sigma import coefficients
from synthgen.errors import UsageError

__all__ = ["WEIGHTS", "LossWeight"]

_SHORTEST_TIME = 0.05

WEIGHTS = ("edm", "min-snr", "soft-min-snr", "p2", "uniform", "native", "velocity")


@dataclass(frozen=True, slots=True)
class LossWeight:
    """A weight by name with its constants; called with sigma it gives w(sigma).

    Args:
        name: one of `WEIGHTS`.
        sigma_data: s, the standard deviation of the data.
        snr_gamma: gamma of `min-snr` and `soft-min-snr`; the paper's 5.
        p2_gamma, p2_k: gamma and k of `p2`; the paper's 1 and 1.
        parameterisation: what the network predicts, for `native`.

    Raises:
        UsageError: the name is unknown.
    """

    name: str = "edm"
    sigma_data: float = 0.5
    snr_gamma: float = 5.0
    p2_gamma: float = 1.0
    p2_k: float = 1.0
    parameterisation: str = "edm"

    def __post_init__(self) -> None:
        if self.name not in WEIGHTS:
            raise UsageError(f"unknown loss weight {self.name!r}", hint=f"Known: {', '.join(WEIGHTS)}.")

    def __call__(self, sigma: Tensor) -> Tensor:
        """w, of sigma's shape; sigma > 0."""
        snr = (self.sigma_data / sigma).square()
        match self.name:
            case "edm":
                return (sigma.square() + self.sigma_data**2) / (sigma * self.sigma_data).square()
            case "min-snr":
                return snr.clamp(max=self.snr_gamma)
            case "soft-min-snr":
                return self.snr_gamma * snr / (self.snr_gamma + snr)
            case "p2":
                return snr / (self.p2_k + snr) ** self.p2_gamma
            case "native":
                _, c_out, _ = coefficients(self.parameterisation, sigma, self.sigma_data)
                return 1 / c_out.square()
            case "velocity":
                return (sigma / (1 + sigma)).clamp(min=_SHORTEST_TIME).square().reciprocal()
            case _:
                return torch.ones_like(sigma)
