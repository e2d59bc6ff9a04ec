"""The metrics of series in a report: what each one is, and how records become the arrays that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synthgen.api import Metric, Records
from synthgen.errors import DataError
from synthgen_timeseries import dynamics, protocol
from synthgen_timeseries.contrastive import ContrastiveEncoder
from synthgen_timeseries.rocket import MiniRocket
from synthgen_timeseries.series import ChannelScale, interpolated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Schema

__all__ = [
    "AUTOCORRELATION",
    "CONTEXT_FID",
    "CORRELATIONAL",
    "CROSS_CORRELATION",
    "DISCRIMINATIVE",
    "PREDICTIVE",
    "ROCKET_AUC",
    "SPECTRUM",
    "complete",
    "unit_windows",
]

_LEAST = 10
_MOST_CELLS = 2**20  # of a side, for what every report measures many times over
_REPEATS = 5
_TRAINED_ON = 2_000
_LONGEST = 512  # steps that the recurrent judges read
_ALPHAS = np.logspace(-1, 5, 7)

_YUAN = "protocol of Yuan and Qiao 2024, arXiv 2403.01742"


def unit_windows(records: Records, context: Mapping[str, Any]) -> NDArray[np.float32]:
    """`(N, C, L)` with each channel of the training records on [0, 1]; gaps interpolated, 0 after the end."""
    scale = ChannelScale.fit([context["train"]])
    steps = int(context["schema"].shape[1])
    values = interpolated(records)
    scaled = (values - scale.low[:, None]) / np.where(scale.high > scale.low, scale.high - scale.low, 1.0)[:, None]
    found = np.zeros((len(records), values.shape[1], steps), dtype=np.float32)
    kept = min(steps, values.shape[2])
    found[:, :, :kept] = np.nan_to_num(scaled[:, :, :kept], nan=0.0)
    return found


def complete(real: Records, other: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sides without padding: cut to the median length of the real series, shorter ones left out; gaps filled.

    Raises:
        DataError: fewer than two series of that length on a side.
    """
    steps = int(np.median(real["length"]))
    sides = []
    for records in (real, other):
        long = records.take(records["length"] >= steps)
        if len(long) < 2:
            raise DataError(f"fewer than two series have {steps} steps")
        sides.append(np.nan_to_num(interpolated(long)[:, :, :steps], nan=0.0))
    return sides[0], sides[1]


class _TrainedOnce:
    """What was fitted to the training records of one evaluation, for all its resamples."""

    def __init__(self, fit: Callable[[NDArray[np.float32]], Any]) -> None:
        self._fit = fit
        self._train: Records | None = None
        self._fitted: Any = None

    def __call__(self, context: Mapping[str, Any]) -> Any:
        if self._train is not context["train"]:
            train: Records = context["train"]
            part = train.take(np.random.default_rng(0).permutation(len(train))[:_TRAINED_ON])
            self._fitted = self._fit(unit_windows(part, context))
            self._train = train
        return self._fitted


_encoder = _TrainedOnce(lambda x: ContrastiveEncoder(seed=0).fit(x))
_rocket = _TrainedOnce(lambda x: MiniRocket(seed=0).fit(x))


def _context_fid(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    sides = (unit_windows(side, context) for side in (real, synthetic))
    return protocol.context_fid(*sides, seed=0, encoder=_encoder(context))


def _on_windows(score: Callable[..., float]) -> Callable[[Records, Records, Mapping[str, Any]], float]:
    def measured(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
        return score(unit_windows(real, context), unit_windows(synthetic, context), seed=0)

    return measured


def _correlational(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    most = max(_LEAST, _MOST_CELLS // int(np.prod(context["schema"].shape)))
    sides = (unit_windows(side.take(slice(0, most)), context) for side in (real, synthetic))
    return protocol.correlational(*sides, share=None)


def _on_complete(distance: Callable[..., float]) -> Callable[[Records, Records, Mapping[str, Any]], float]:
    def measured(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
        most = max(_LEAST, _MOST_CELLS // int(np.prod(context["schema"].shape)))
        return distance(*complete(real.take(slice(0, most)), synthetic.take(slice(0, most))))

    return measured


def _rocket_auc(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    if min(len(real), len(synthetic)) < _LEAST:
        raise DataError(f"{min(len(real), len(synthetic))} series a side are too few for a two-sample test")
    rocket: MiniRocket = _rocket(context)
    x = np.concatenate([rocket.transform(unit_windows(side, context)) for side in (synthetic, real)])
    truth = np.repeat([1, 0], [len(synthetic), len(real)])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probe = make_pipeline(StandardScaler(), RidgeClassifierCV(_ALPHAS))
    return float(roc_auc_score(truth, cross_val_predict(probe, x, truth, cv=folds, method="decision_function")))


def _one_channel(schema: Schema) -> str | None:
    return "a single channel correlates with no other" if len(schema.channels) == 1 else None


def _too_long(schema: Schema) -> str | None:
    steps = schema.shape[1]
    return f"a recurrent judge of {steps} steps takes hours; see rocket_auc" if steps > _LONGEST else None


AUTOCORRELATION = Metric(
    _on_complete(dynamics.autocorrelation_distance),
    "lower",
    "Mean absolute difference of the autocorrelation, over channels and lags up to half of the series (at most 64); "
    "pooled over series, each about its own mean.",
    "Wiese et al. 2020, arXiv 1907.06673",
    cost="moderate",
)
SPECTRUM = Metric(
    _on_complete(dynamics.spectrum_distance),
    "lower",
    "Log-spectral distance in decibels: root mean square over frequencies of the ratio of the periodograms' geometric "
    "means, mean over channels. Faint noise left in the series raises it.",
    "Gray and Markel 1976, IEEE TASSP 24(5)",
    cost="moderate",
)
CROSS_CORRELATION = Metric(
    _on_complete(dynamics.cross_correlation_distance),
    "lower",
    "Mean absolute difference of the correlation of one channel with another, over pairs and lags from 0 to 8 steps.",
    "Liao et al. 2020, arXiv 2006.05421",
    cost="moderate",
    inapplicable=_one_channel,
)
CORRELATIONAL = Metric(
    _correlational,
    "lower",
    "The correlational score of papers: sum over pairs of channels of the difference of their correlation, over 10. "
    "It grows with the number of channels.",
    f"Liao et al. 2020, arXiv 2006.05421; {_YUAN}",
    cost="moderate",
    inapplicable=_one_channel,
)
CONTEXT_FID = Metric(
    _context_fid,
    "lower",
    "Fréchet distance of representations by a contrastive encoder, trained on (at most 2,000) training series scaled "
    "to [0, 1]; 320 features, the largest value over time of each.",
    f"Jeha et al. 2022 (ICLR, PSA-GAN); Yue et al. 2022, arXiv 2106.10466; {_YUAN}",
    cost="costly",
    resamples=_REPEATS,
)
DISCRIMINATIVE = Metric(
    _on_windows(protocol.discriminative),
    "lower",
    "Distance from 1/2 of the accuracy of a GRU with half as many units as channels, 2,000 steps, that tells synthetic "
    "from held-out series on a fifth kept from it. A weak judge, kept for comparison: `rocket_auc` sees more.",
    f"Yoon et al. 2019 (NeurIPS, TimeGAN); {_YUAN}",
    cost="costly",
    resamples=_REPEATS,
    inapplicable=_too_long,
)
PREDICTIVE = Metric(
    _on_windows(protocol.predictive),
    "lower",
    "Mean absolute error on held-out series, scaled to [0, 1], of a GRU trained for 5,000 steps on synthetic ones to "
    "predict the last channel one step ahead from the others (a single channel from its own past).",
    f"Yoon et al. 2019 (NeurIPS, TimeGAN); {_YUAN}",
    cost="costly",
    resamples=_REPEATS,
    inapplicable=_too_long,
)
ROCKET_AUC = Metric(
    _rocket_auc,
    "lower",
    "Five-fold cross-validated AUC of telling synthetic from held-out series by a ridge classifier on about 2,000 "
    "MiniRocket features, without reduction.",
    "Dempster et al. 2021, arXiv 2012.08791; Lopez-Paz and Oquab 2017, arXiv 1610.06545",
    cost="costly",
    resamples=_REPEATS,
)
