"""Which metrics are measured on which records: all rows of a report, what does not apply and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Batch, Embedder, Modality, Records, Schema
from synthgen.evaluation import diversity, fidelity, plugin_metrics, privacy, restoration, shift, utility
from synthgen.evaluation.cache import Cache
from synthgen.evaluation.catalogue import FULL_ONLY
from synthgen.evaluation.comparison import Comparison, Draw, draw, extractor_name, standardised
from synthgen.evaluation.effort import Clock
from synthgen.evaluation.material import Material
from synthgen.evaluation.metric import MetricRow, guarded

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["Measured", "ask_model", "expected_work", "measure_records"]

_PRIVACY = ("copy_rate", "authenticity", "dcr_share", "nndr_share", "mia_samples_auc", "mia_samples_tpr")
_MODEL_PRIVACY = ("mia_auc", "mia_tpr")
_FEATURES = ("fd", "kd", "c2st_auc", "c2st_linear", "c2st_raw", "precision", "recall", "density", "coverage",
             "vendi_ratio", "intra_diversity", "duplicate_rate", "anomaly_shift")  # fmt: skip
_LEVELS = 5
_PIECE = 4096
_MARKED = 16


@dataclass
class Measured:
    """All rows of an evaluation, what does not apply and why, and what the pictures show.

    Args:
        rows: of the table.
        absent: metric name -> why it is not among them.
        pairs: synthetic records closest to training records.
        odd: synthetic records that independent detectors find anomalous; positions in the synthetic set.
        curve: the learning curve over the amount of synthetic data.
    """

    rows: list[MetricRow] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    pairs: list[privacy.Pair] = field(default_factory=list)
    odd: list[shift.Odd] = field(default_factory=list)
    curve: list[utility.CurvePoint] = field(default_factory=list)


def expected_work(*, seeds: int, shares: int, curve: bool) -> float:
    """Units of work of one data set, for `Clock`; a judge trained for one seed is about one."""
    return 1 + seeds * (4 + 3 * shares + (6 if curve else 0)) + 8


def measure_records(
    modality: Modality,
    schema: Schema,
    train: Records,
    holdout: Records,
    synthetic: Records,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    draws: int = 1000,
    shares: Sequence[float] = (),
    curve: bool = False,
    compared: int = 5000,
    stand_in: bool = False,
    cache: Cache | None = None,
    clock: Clock | None = None,
) -> Measured:
    """Every metric that needs records alone, without a run.

    Args:
        modality: makes judge, embedder and plain vectors.
        schema: of the records.
        train, holdout, synthetic: real training, held-out real and synthetic records.
        seeds: of the judges.
        draws: bootstrap samples of the cheap metrics.
        shares: of the real records, for `gain_25`, `tstr_25`, `gain_10` and `tstr_10`.
        curve: measure the learning curve and what plugins call costly.
        compared: most records a side in feature space.
        stand_in: `train` is not what the model was trained on, so leaks cannot be looked for.
        cache: where features and judges' answers are kept.
        clock: told what is being done.
    """
    cache = cache or Cache()
    clock = clock or Clock(lambda event: None, 1.0)
    found = Measured()
    measure = utility.judge_measure(modality, schema)
    unlabelled = bool(schema.labels) and (synthetic.label is None or train.label is None)
    if measure is None or (unlabelled and measure == "accuracy"):
        reason = "the records carry no labels" if measure else utility.missing_judge(modality, schema)
        found.absent |= dict.fromkeys((*utility.row_names("accuracy"), "label_fidelity"), reason)
        found.absent |= dict.fromkeys(utility.WORST, reason)
    else:
        sides = (train, holdout, synthetic)
        found.rows += utility.measure(
            modality, schema, *sides, seeds=seeds, draws=draws, shares=shares, cache=cache, clock=clock
        )
        if curve:
            found.curve = utility.learning_curve(
                modality, schema, *sides, seeds=seeds, draws=draws, cache=cache, clock=clock
            )
        if measure not in utility.PLAIN:
            reason = f"without labels, usefulness is measured as {measure}: see {measure}_tstr"
            found.absent |= dict.fromkeys((*utility.row_names("accuracy"), "label_fidelity", *utility.WORST), reason)
        elif not shares:
            found.absent |= dict.fromkeys(FULL_ONLY, "measured with --full")
    clock.begin("comparing features", 4)
    _compare(modality, schema, train, holdout, synthetic, found, draws=min(draws, 200), limit=compared, cache=cache)
    clock.begin("looking for copies", 2)
    if stand_in:
        found.absent |= dict.fromkeys((*_PRIVACY, *_MODEL_PRIVACY), "the training records cannot be read")
    else:
        flat = [np.asarray(modality.flatten(side, schema), dtype=np.float32) for side in (train, holdout, synthetic)]
        near = privacy.Nearness(*flat)
        found.rows += privacy.measure(near, draws=draws)
        found.pairs = privacy.nearest_pairs(near)
    rows, absent = plugin_metrics.measure(modality, schema, train, holdout, synthetic, costly=curve)
    found.rows += rows
    found.absent |= absent
    if not any(row.name == "vendi_worst_class" for row in found.rows):
        found.absent["vendi_worst_class"] = "no two classes have eight records on every side"
    return found


class _Features:
    """The modality's embedder, fitted when first needed; features come in pieces and are kept.

    Its random numbers are fixed, so the same training records give the same features.
    """

    def __init__(self, modality: Modality, schema: Schema, train: Records, cache: Cache) -> None:
        self._schema, self._train, self._cache = schema, train, cache
        self._fresh = modality.embedder(schema, seed=0)
        self.name = self._fresh.name

    def of(self, records: Records) -> NDArray[np.float64]:
        """`(n, d)`."""
        kind = type(self._fresh)
        follows_from = (self._schema.to_json(), f"{kind.__module__}.{kind.__qualname__}", self._train)

        def embed() -> dict[str, NDArray[np.float32]]:
            fitted = self._cache.live("embedder", *follows_from, make=lambda: self._fresh.fit(self._train))
            return {"features": _in_pieces(fitted, records)}

        found = self._cache.arrays("features", *follows_from, records, make=embed)
        return np.asarray(found["features"], dtype=np.float64)


def _in_pieces(embedder: Embedder, records: Records) -> NDArray[np.float32]:
    starts = range(0, len(records), _PIECE)
    return np.concatenate([embedder.transform(records.take(slice(k, k + _PIECE))) for k in starts])


def _compare(
    modality: Modality,
    schema: Schema,
    train: Records,
    holdout: Records,
    synthetic: Records,
    found: Measured,
    *,
    draws: int,
    limit: int,
    cache: Cache,
) -> None:
    """Everything that compares equal numbers of records in feature space."""

    def rows() -> list[MetricRow]:
        embed = _Features(modality, schema, train, cache)
        chosen = draw(train, holdout, synthetic, limit=limit)
        sides = (train.take(chosen.train), holdout.take(chosen.holdout), synthetic.take(chosen.synthetic))
        features = _comparison(embed, sides, chosen, embed.of(train.take(slice(0, _MARKED))))
        flat = [np.asarray(modality.flatten(side, schema), dtype=np.float32) for side in sides]
        del sides  # with many large records each copy of a side counts
        classes = schema.labels if synthetic.label is not None else ()
        scored = shift.independent_scores(features.train, features.holdout, features.synthetic)
        found.odd = [replace(odd, synthetic=int(chosen.synthetic[odd.synthetic])) for odd in shift.oddest(scored)]
        odd_row = shift.anomaly_shift(scored)
        facts = dict(odd_row.facts) | {"extractor": features.extractor, "listed": len(found.odd)}
        plain = Comparison(flat[0], flat[1], flat[2])
        return [
            *fidelity.measure(features, plain, draws=draws),
            *diversity.measure(features, classes=classes, draws=draws),
            *guarded(["duplicate_rate"], lambda: [diversity.duplicates(plain)]),
            replace(odd_row, facts=facts),
        ]

    found.rows += guarded(_FEATURES, rows)


def _comparison(
    embed: _Features, sides: tuple[Records, Records, Records], chosen: Draw, marked: NDArray[np.float64]
) -> Comparison:
    raw = [embed.of(side) for side in sides]
    scale = standardised(raw[0])
    return Comparison(
        scale(raw[0]),
        scale(raw[1]),
        scale(raw[2]),
        train_label=sides[0].label,
        holdout_label=sides[1].label,
        synthetic_label=sides[2].label,
        extractor=extractor_name(embed.name, marked),
        notes=chosen.notes,
    )


def ask_model(run: Run, material: Material, *, limit: int, cache: Cache | None = None) -> list[MetricRow]:
    """The rows that need the model, from at most `limit` records of each side."""
    kept = cache or Cache()

    def rows() -> list[MetricRow]:
        from synthgen.evaluation.denoising import denoising_errors, noise_levels

        chosen = draw(material.train, material.holdout, material.synthetic, limit=limit)
        sigmas = noise_levels(run.config.noise.sigma_data, levels=_LEVELS)

        def restored(records: Records) -> Any:
            batch: Batch = run.codec().encode(records)
            found = denoising_errors(run.denoiser(), batch, sigmas, seed=0, repeats=2, conditions=batch.conditions)
            return {"errors": found[0]}

        def errors(records: Records) -> NDArray[np.float64]:
            found = kept.arrays("restored", run.fingerprint, sigmas, records, make=lambda: restored(records))
            return found["errors"]

        holdout = errors(material.holdout.take(chosen.holdout))
        train = errors(material.train.take(chosen.train))
        synthetic = errors(material.synthetic.take(chosen.synthetic))
        moved = restoration.denoising_shift(train, holdout, synthetic)
        return moved if material.stand_in else restoration.loss_attack(train, holdout) + moved

    return guarded(("denoising_shift",) if material.stand_in else (*_MODEL_PRIVACY, "denoising_shift"), rows)
