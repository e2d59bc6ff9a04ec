"""What is looked at in the middle of training, what it says, and whether it is a reason to stop.

Held-out loss     ten times a run: in total, by noise level, by class; the weights are noted as good, and the average
                  with the lowest loss is kept for an early stop
Noise scale       with it, on at most one batch in fifty steps
Samples           four times a run: copies of training records, classes that all look the same, a picture where asked
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from synthgen.diffusion.denoiser import Denoiser
from synthgen.io.atomic import write_bytes
from synthgen.training import guiding
from synthgen.training.loop import Step, Trainer
from synthgen.training.monitor import HeldOut, HeldOutLoss, Turn
from synthgen.training.prepare import Prepared
from synthgen.training.preview import Preview, make_preview
from synthgen.training.sample_watch import SampleCheck, SampleWatch
from synthgen.training.sampling import judged, sample

__all__ = ["Watching", "remarks"]

Note = Callable[[Step, str], None]
Record = Callable[[str, Step, dict[str, Any]], None]

_WATCHED_RECORDS = 256
_JUDGED_RECORDS = 1_000
_REFERENCE_RECORDS, _CHANCE_RECORDS = 10_000, 1_000
_NOISE_SCALE_BATCHES, _NOISE_SCALE_STEPS = 4, 50
_ALARMS_FROM = 0.4  # of training; before, samples are blurred rather than collapsed


class Watching:
    """Looks at a training from outside.

    Args:
        prepared: data, codec and modality.
        trainer: what is watched.
        average: a second network like the trainer's, to hold averaged weights.
        path: of the run, for pictures.
        record: takes a row of the log: its kind, the step, the figures.
        note: takes a sentence.
    """

    def __init__(
        self, prepared: Prepared, trainer: Trainer, average: Denoiser, path: Path, *, record: Record, note: Note
    ) -> None:
        self.prepared = prepared
        self.trainer = trainer
        self.path = path
        self.turn = Turn()
        self.best: dict[str, Tensor] = {}
        self._record = record
        self._note = note
        self._measured = self._checked = self._measured_at = 0
        self._loss = math.nan
        self._warned: set[str] = set()
        config, schema = prepared.config, prepared.schema
        watched = prepared.watched.sample(_WATCHED_RECORDS)
        self._held_out = HeldOut(
            watched,
            config.noise,
            seed=config.train.seed,
            repeats=-(-_WATCHED_RECORDS // len(watched.x)),
            labels=schema.labels,
        )
        self._average = average
        self._samples: SampleWatch | None = None

    def after(self, step: Step) -> str | None:
        """Look, where it is time; why training should end, if it should."""
        train = self.trainer.config.train
        reason = None
        if step.progress * train.held_out_every >= self._measured + 1:
            reason = self._timed(self._measure, step)
        if step.progress * train.sample_checks >= self._checked + 1:
            reason = self._timed(self._check, step) or reason
        return reason

    @property
    def conditional(self) -> bool:
        """Whether records have conditions."""
        return bool(self.prepared.schema.conditions)

    def held_out_loss(self, weights: Mapping[str, Tensor]) -> HeldOutLoss:
        """The held-out loss with these weights."""
        return self._held_out.measure(self.with_weights(weights), self.trainer.device, self.trainer.ranks)

    def utility(self, weights: Mapping[str, Tensor]) -> float:
        """What a judge trained on samples reaches on the watched records, with these weights.

        Raises:
            UsageError: such records have nothing to judge by.
        """
        p, config = self.prepared, self.trainer.config
        training = p.data.sample(_JUDGED_RECORDS)
        x = sample(
            self.with_weights(weights).eval(),
            training.conditions,
            config,
            p.schema,
            count=len(training.x),
            device=self.trainer.device,
            precision=self.trainer.precision,
        )
        return judged(
            x,
            training.conditions,
            modality=p.modality,
            schema=p.schema,
            codec=p.codec,
            real=p.source.read(p.split.watched),
            seed=config.train.seed,
        )

    def guidance(self, weights: Mapping[str, Tensor], count: int) -> dict[float, float]:
        """How far `count` samples of each weight of guidance are from the watched records, with these weights."""
        p, config = self.prepared, self.trainer.config
        conditions = p.data.sample(count).conditions
        short = config.sampling.model_copy(update={"steps": min(guiding.STEPS, config.sampling.steps)})
        sampled = partial(
            sample,
            conditions=conditions,
            config=config.model_copy(update={"sampling": short}),
            schema=p.schema,
            count=min(len(rows) for rows in conditions.values()),
            device=self.trainer.device,
            precision=self.trainer.precision,
        )
        return guiding.best_weight(
            self.with_weights(weights).eval(),
            sampled,
            p.watched.sample(count).x,
            guided=config.sampling.guided,
            interval=config.sampling.guidance_interval,
            rescale=config.sampling.rescale,
        )

    def preview(self) -> Preview:
        """A few records of the middle average, to look at."""
        average = self.with_weights(self.trainer.ema.state(self._middle_width))
        trainer = self.trainer
        return make_preview(self.prepared, trainer.config, average, device=trainer.device, precision=trainer.precision)

    def state(self) -> dict[str, Any]:
        """JSON-able counters; `best` goes beside them."""
        return {
            "turn": [self.turn.lowest, self.turn.lowest_at],
            "done": [self._measured, self._checked, self._measured_at],
            "loss": self._loss if math.isfinite(self._loss) else None,
            "warned": sorted(self._warned),
        }

    def restore(self, state: dict[str, Any], best: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.turn.lowest, self.turn.lowest_at = state["turn"]
        self._measured, self._checked, self._measured_at = state["done"]
        self._loss = math.nan if state["loss"] is None else state["loss"]
        self._warned = set(state["warned"])
        self.best = best

    def _timed(self, look: Callable[[Step], str | None], step: Step) -> str | None:
        started = time.perf_counter()
        try:
            return look(step)
        finally:
            self.trainer.seconds += time.perf_counter() - started

    def _measure(self, step: Step) -> str | None:
        self._measured = int(step.progress * self.trainer.config.train.held_out_every)
        width = self._middle_width
        average = self.trainer.ema.state(width)
        found = self.held_out_loss(average)
        self._loss = found.total
        if math.isfinite(found.total):
            self.trainer.remember()
        if self.turn.lower(found.total, step.progress):
            self.best = average
        steps = self.trainer.step_index - self._measured_at
        self._measured_at = self.trainer.step_index
        self.trainer.measure_noise_scale(min(_NOISE_SCALE_BATCHES, steps // _NOISE_SCALE_STEPS))
        row = {
            "loss": found.total,
            "bands": list(found.bands),
            "classes": dict(found.classes),
            "ema_width": width,
            "noise_scale": self.trainer.noise_scale.measured,
        }
        self._record("held_out", step, row)
        return "the held-out loss had turned up" if self.turn.turned_up(found.total, step.progress) else None

    def _check(self, step: Step) -> str | None:
        config, p = self.trainer.config, self.prepared
        self._checked = int(step.progress * config.train.sample_checks)
        if self._samples is None:
            training, held_out = p.data.sample(_REFERENCE_RECORDS), p.watched.sample(_CHANCE_RECORDS)
            self._samples = SampleWatch(config, p.schema, training, held_out)
        denoiser = self.with_weights(self.trainer.ema.state(self._middle_width)).eval()
        x, conditions = self._samples.sample(denoiser, self.trainer.device, self.trainer.precision)
        found = self._samples.look(x)
        diversity = {name: round(ratio, 4) for name, ratio in found.diversity.items()}
        row = {"copies": found.copies, "copies_by_chance": found.chance, "diversity": diversity}
        self._record("check", step, row)
        if config.train.sample_grids and self.trainer.ranks.leads:
            self._draw(x, conditions, step)
        return self._alarm(found, step) if step.progress >= _ALARMS_FROM else None

    def _alarm(self, found: SampleCheck, step: Step) -> str | None:
        if found.collapsed:
            self._warn(
                step,
                f"mode collapse: samples of {', '.join(found.collapsed[:5])} hardly differ from one another "
                f"(variance {min(found.diversity.values()):.0%} of the training records')",
                about="collapse",
            )
        if not found.memorised:
            return None
        self._warn(
            step,
            f"memorisation: {found.copies:.0%} of the samples are near-copies of a training record, where chance "
            f"gives {found.chance:.0%}; more data, more dropout or a shorter training would help",
            about="copies",
        )
        if self.turn.is_up(self._loss):
            return "samples had begun to copy training records, and the held-out loss had risen"
        return None

    def _warn(self, step: Step, text: str, *, about: str) -> None:
        """A note that is made once in a run."""
        if about not in self._warned:
            self._warned.add(about)
            self._note(step, text)

    def _draw(self, x: Tensor, conditions: dict[str, Tensor], step: Step) -> None:
        """The samples beside held-out records, as the modality draws them."""
        p = self.prepared
        real = p.source.read(p.split.watched[: len(x)])
        figure = p.modality.overview(real, p.codec.decode(x, conditions), p.schema)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight", facecolor="white")
        write_bytes(self.path / "samples" / f"{step.samples:09d}.png", buffer.getvalue())

    @property
    def _middle_width(self) -> float:
        widths = self.trainer.ema.widths
        return widths[len(widths) // 2]

    def with_weights(self, weights: Mapping[str, Tensor]) -> Denoiser:
        """A denoiser with these weights; the next call overwrites it."""
        self._average.network.load_state_dict(weights, strict=False)
        return self._average


def remarks(trainer: Trainer) -> list[str]:
    """What was noticed in training, in sentences."""
    told = [trainer.noise_scale.sentence(trainer.batch_size)]
    if trainer.skipped:
        told.append(f"{trainer.skipped:,} steps were skipped because loss or gradient was not finite")
    if trainer.watch.spikes:
        told.append(
            f"{trainer.watch.spikes:,} gradients were far above usual (the largest by "
            f"{trainer.watch.largest:.0f} standard deviations); a lower optim.lr may be steadier"
        )
    return [text for text in told if text]
