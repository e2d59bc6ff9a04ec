"""Which metrics are measured on which records: all rows of a report, what does not apply and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen import registry
from synthgen.api import Batch, Modality, Records, Schema
from synthgen.evaluation import diversity, fidelity, privacy, restoration, utility
from synthgen.evaluation.comparison import Comparison, draw, extractor_name, standardised
from synthgen.evaluation.material import Material
from synthgen.evaluation.metric import MetricRow, guarded

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["Measured", "ask_model", "measure_records"]

Progress = Callable[[Mapping[str, Any]], None]

_TRAINING_ROWS = ("copy_rate", "dcr_share", "mia_auc")
_LEVELS = 5


@dataclass(frozen=True)
class Measured:
    """All rows of an evaluation, what does not apply and why, and the closest pairs."""

    rows: list[MetricRow]
    absent: dict[str, str]
    pairs: list[privacy.Pair]


def measure_records(
    modality: Modality,
    schema: Schema,
    train: Records,
    holdout: Records,
    synthetic: Records,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    draws: int = 1000,
    stand_in: bool = False,
    progress: Progress | None = None,
) -> Measured:
    """Every metric that needs records alone, without a run.

    Args:
        modality: makes judge, embedder and plain vectors.
        schema: of the records.
        train, holdout, synthetic: real training, held-out real and synthetic records.
        seeds: of the judges.
        draws: bootstrap samples of the cheap metrics.
        stand_in: `train` is not what the model was trained on, so leaks cannot be looked for.
        progress: told what is being done.
    """
    tell = progress or (lambda event: None)
    rows: list[MetricRow] = []
    absent: dict[str, str] = {}
    measure = utility.judge_measure(modality, schema)
    unlabelled = bool(schema.labels) and (synthetic.label is None or train.label is None)
    if measure is None or (unlabelled and measure == "accuracy"):
        reason = "the records carry no labels" if measure else utility.missing_judge(modality, schema)
        absent |= dict.fromkeys((*utility.row_names("accuracy"), "label_fidelity"), reason)
    else:
        rows += utility.measure(
            modality, schema, train, holdout, synthetic, seeds=list(seeds), draws=draws, progress=progress
        )
        if measure not in {"accuracy", "miou"}:
            reason = f"without labels, usefulness is measured as {measure}: see {measure}_tstr"
            absent |= dict.fromkeys((*utility.row_names("accuracy"), "label_fidelity"), reason)
    tell({"kind": "evaluate", "stage": "comparing", "done": 0, "total": 1})
    rows += _feature_rows(modality, schema, train, holdout, synthetic, draws=min(draws, 200))
    pairs: list[privacy.Pair] = []
    if stand_in:
        absent |= dict.fromkeys(_TRAINING_ROWS, "the training records cannot be read")
    else:
        flat = [np.asarray(modality.flatten(side, schema), dtype=np.float32) for side in (train, holdout, synthetic)]
        rows += privacy.measure(flat[0], flat[1], flat[2], draws=draws)
        pairs = privacy.nearest_pairs(flat[0], flat[1], flat[2])
    return Measured(rows + _plugin_rows(modality, schema, train, holdout, synthetic), absent, pairs)


def _feature_rows(
    modality: Modality, schema: Schema, train: Records, holdout: Records, synthetic: Records, *, draws: int
) -> list[MetricRow]:
    names = ("fd", "kd", "c2st_auc", "precision", "recall", "density", "coverage", "vendi_ratio")

    def rows() -> list[MetricRow]:
        embedder = modality.embedder(schema, seed=0).fit(train)
        chosen = draw(train, holdout, synthetic)
        sides = (train.take(chosen.train), holdout.take(chosen.holdout), synthetic.take(chosen.synthetic))
        raw = [np.asarray(embedder.transform(side), dtype=np.float64) for side in sides]
        scale = standardised(raw[0])
        features = Comparison(
            scale(raw[0]),
            scale(raw[1]),
            scale(raw[2]),
            train_label=sides[0].label,
            holdout_label=sides[1].label,
            synthetic_label=sides[2].label,
            extractor=extractor_name(embedder.name, raw[1]),
            notes=chosen.notes,
        )
        flat = [np.asarray(modality.flatten(side, schema), dtype=np.float64) for side in sides]
        plain = Comparison(flat[0], flat[1], flat[2])
        classes = schema.labels if synthetic.label is not None else ()
        return [
            *fidelity.measure(features, plain, draws=draws),
            *diversity.measure(features, classes=classes, draws=draws),
        ]

    return guarded(names, rows)


def _plugin_rows(
    modality: Modality, schema: Schema, train: Records, holdout: Records, synthetic: Records
) -> list[MetricRow]:
    """Rows of metrics that plugins add: `target(real, synthetic, context)`, a row or a mapping of a row's fields."""
    rows: list[MetricRow] = []
    context = {"schema": schema, "modality": modality, "train": train}
    for name in registry.names("metrics", modality.name):

        def measured(name: str = name) -> list[MetricRow]:
            found = registry.load("metrics", name, modality.name)(holdout, synthetic, context)
            row = found if isinstance(found, MetricRow) else MetricRow(**{"name": name, "n": len(synthetic), **found})
            return [replace(row, name=name)]

        rows += guarded([name], measured)
    return rows


def ask_model(run: Run, material: Material, *, limit: int) -> list[MetricRow]:
    """The rows `mia_auc` and `anomaly_shift`, from at most `limit` records of each side."""

    def rows() -> list[MetricRow]:
        from synthgen.evaluation.denoising import denoising_errors, noise_levels

        chosen = draw(material.train, material.holdout, material.synthetic, limit=limit)
        codec, denoiser = run.codec(), run.denoiser()
        sigmas = noise_levels(run.config.noise.sigma_data, levels=_LEVELS)

        def errors(records: Records) -> Any:
            batch: Batch = codec.encode(records)
            return denoising_errors(denoiser, batch, sigmas, seed=0, repeats=2, conditions=batch.conditions)[0]

        holdout = errors(material.holdout.take(chosen.holdout))
        train = errors(material.train.take(chosen.train))
        synthetic = errors(material.synthetic.take(chosen.synthetic))
        shift = restoration.anomaly_shift(train, holdout, synthetic)
        return shift if material.stand_in else restoration.membership(train, holdout) + shift

    return guarded(("anomaly_shift",) if material.stand_in else ("mia_auc", "anomaly_shift"), rows)
