"""One training from request to finished run: where it goes, what is logged, when it is saved, how it ends."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from synthgen import registry
from synthgen.api import API_VERSION
from synthgen.config import dump_toml, merge, resolve
from synthgen.data.augmentation import augmentation_of
from synthgen.data.super_resolution import LOW_RESOLUTION
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.gaussian import GaussianBase
from synthgen.distributed import Ranks, launched
from synthgen.errors import ConfigError, UsageError
from synthgen.io.atomic import make_directory, remove_leftovers, sha256_of, write_text
from synthgen.io.card import run_card, versions
from synthgen.io.condition_texts import with_texts
from synthgen.io.lock import locked
from synthgen.io.run import Run, build_denoiser, load_tensors, read_facts, save_tensors
from synthgen.nn.lora import merged
from synthgen.training.ahead import close, read_ahead
from synthgen.training.averages import Averages
from synthgen.training.choosing import choose
from synthgen.training.continuing import Forgetting
from synthgen.training.events import Events, Progress, stop_requested
from synthgen.training.gradients import OutOfMemory
from synthgen.training.guarantee import refuse_company, wants_privacy
from synthgen.training.keeping import Kept
from synthgen.training.loop import Step, Trainer
from synthgen.training.monitor import noise_profile
from synthgen.training.place import clear, place
from synthgen.training.precision import choose_device, choose_precision, seconds_a_step
from synthgen.training.prepare import Prepared, prepare
from synthgen.training.private import train_privately
from synthgen.training.regularisation import sentence
from synthgen.training.starting import adapt, check_sharding, freeze, take_weights
from synthgen.training.state import (
    load_checkpoint,
    note_parts,
    noted_parts,
    remove_state,
    save_checkpoint,
    settled_before,
)
from synthgen.training.threads import settle_threads
from synthgen.training.watching import Watching, remarks

__all__ = ["run_training"]

_LONGEST_DEFAULT_SECONDS = 900
_LOGGED_ROWS = 400
_LARGEST_OF = 1_000
_COVARIANCE_RECORDS = 5_000
_LEAST_DEVIATION = 0.25  # of a direction of the data, in smallest noise levels


def run_training(
    overrides: Mapping[str, Any],
    *,
    out: Path | None,
    resume: bool,
    force: bool,
    init: Path | None,
    continued: Path | None,
    progress: Progress | None,
) -> Run:
    """See `synthgen.train`."""
    request = {"overrides": overrides, "init": None if init is None else str(init.absolute())}
    if continued is not None:
        request["continue"] = str(continued.absolute())
    with launched() as ranks, contextlib.ExitStack() as held:
        path = Path(ranks.first(lambda: str(place(request, out, resume=resume, force=force))))
        ranks.first(lambda: held.enter_context(locked(path, "training")))
        if force:
            ranks.first(lambda: clear(path))
        return _train_in(path, request, init, continued, progress, ranks)


def _train_in(
    path: Path,
    request: dict[str, Any],
    init: Path | None,
    continued: Path | None,
    progress: Progress | None,
    ranks: Ranks,
) -> Run:
    overrides: Mapping[str, Any] = request["overrides"]
    facts = ranks.first(lambda: read_facts(path) if (path / "run.json").exists() else None)
    if facts is not None:
        if facts.get("request") != json.loads(json.dumps(request)):
            raise UsageError(
                f"{path} holds a run of another request", hint="Choose another --out, or replace it with --force."
            )
        if facts["status"] == "finished":
            if ranks.leads:
                remove_state(path)  # it was killed after its last file
            return Run.open(path)
    if wants_privacy(overrides):
        refuse_company(overrides, others=init is not None or continued is not None, processes=ranks.size)
        return train_privately(path, request, overrides, progress)
    begun = ranks.first(lambda: settled_before(path))
    asked = overrides if begun is None else begun
    old = None if continued is None else Run.open(continued)
    start = old or (None if init is None else Run.open(init))
    if start is not None:  # its network reads what is given and several noise levels, or does not
        noise = {name: getattr(start.config.noise, name) for name in ("independent", "clean", "covariance", "details")}
        asked = merge({"train": {"context": start.config.train.context}, "noise": noise}, asked)
    try:
        session = _Session(path, request, prepare(asked, old), start, progress, ranks)
        if begun is None and not {"samples", "minutes"} & dict(overrides.get("train", {})).keys():
            session.shorten_default_budget()
        return session.run()
    except OutOfMemory as error:
        note_parts(path, error.parts)
        raise


class _Session:
    """The mutable state around a `Trainer`: log, checkpoints, what is watched."""

    def __init__(
        self,
        path: Path,
        request: dict[str, Any],
        prepared: Prepared,
        start: Run | None,
        progress: Progress | None,
        ranks: Ranks,
    ) -> None:
        self.path = path
        self.prepared = prepared
        self.ranks = ranks
        self.config = prepared.config
        if ranks.size > 1:
            check_sharding(self.config)
            self.config = prepared.config = resolve([ranks.agreed(self.config.model_dump(mode="json"))])
        if ranks.leads:
            make_directory(path)
            remove_leftovers(path)
        self.facts: dict[str, Any] = {
            "format": 1,
            "status": "training",
            "modality": self.config.modality,
            "records": len(prepared.source),
            "split": prepared.split.sizes(),
            "label_counts": prepared.label_counts,
            "notes": list(prepared.source.notes),
            "quality": list(prepared.quality.findings),
            "request": request,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": {},
            "processes": ranks.size,
        }
        if prepared.low is not None:
            self.facts["upsample_from"] = {"run": str(prepared.low.path.absolute()), "model": prepared.low.fingerprint}
        if self.config.train.threads:
            torch.set_num_threads(self.config.train.threads)
        self.device = choose_device()
        torch.manual_seed(self.config.train.seed)
        self.messages: list[str] = []
        self.denoiser = build_denoiser(self.config, prepared.schema)
        if isinstance(self.denoiser.network, GaussianBase):
            least = _LEAST_DEVIATION * self.config.noise.sigma_min
            self.denoiser.network.fit(self.prepared.data.sample(_COVARIANCE_RECORDS).x, least=least)
        self._start_from(start)
        self.denoiser = self.denoiser.to(self.device)
        average = copy.deepcopy(self.denoiser)
        self.data = read_ahead(prepared)
        self.trainer = Trainer(
            self.config,
            self.denoiser,
            self.data,
            prepared.schema.conditions,
            device=self.device,
            augmentation=augmentation_of(self.config, prepared.schema),
            ranks=ranks,
        )
        self.trainer.gradients.parts = max(self.trainer.gradients.parts, noted_parts(path))
        self.kept = Kept(self.config.ema, self.trainer.ema)
        self.watching = Watching(prepared, self.trainer, average, path, record=self._row, note=self._note)
        self.averages = Averages(path, self.trainer.ema, snapshots=self.config.ema.snapshots, ranks=ranks)
        self.log: list[dict[str, Any]] = []
        self._settle_threads()
        self.trainer.precision = ranks.agreed(choose_precision(self.config.train.precision, self.trainer.trial))
        self._settle({"precision": self.trainer.precision})
        self.facts["precision"] = self.trainer.precision
        told = self.config.train.loggers
        self.events = Events(path, self.trainer, loggers=told, progress=progress, silent=not ranks.leads)
        self._take_up()

    def shorten_default_budget(self) -> None:
        """Nobody asked for a budget: keep the modality's, but no longer than a quarter of an hour on this machine."""
        samples = self.config.train.samples
        (seconds,) = self.ranks.agreed(seconds_a_step(self.trainer.trial, self.trainer.precision))
        fitting = max(1, int(_LONGEST_DEFAULT_SECONDS / seconds)) * self.trainer.batch_size
        if samples is None or fitting >= samples:
            return
        fitting = round(fitting, 2 - len(str(fitting)))
        self._settle({"samples": fitting})
        self.messages.append(
            f"about {_LONGEST_DEFAULT_SECONDS // 60} minutes on this machine allow {fitting:,} samples; "
            "--samples or --minutes asks for more"
        )

    def _settle_threads(self) -> None:
        """Take fewer threads where steps get much quicker by it; a run that was begun keeps to its own."""
        if self.ranks.size > 1 or settled_before(self.path) is not None:
            return
        if said := settle_threads(self.config.train, self.trainer.trial):
            self._settle({"threads": torch.get_num_threads()})
            self.messages.append(said)

    def _settle(self, choices: dict[str, Any]) -> None:
        """Fix what was left to this machine, in `train`."""
        self.config = resolve([merge(self.config.model_dump(), {"train": choices})])
        self.trainer.config = self.config

    def run(self) -> Run:
        """Train, then write the finished run."""
        if self.ranks.leads:
            self._write_description()
        records = len(self.prepared.data)
        opening = f"training on {records:,} records, {self._size():,} parameters"
        own, continued = self.facts["request"]["overrides"], self.prepared.old is not None
        self.messages.append(sentence(self.config, records, own, continued=continued))
        self.events.tell("start", message="; ".join([opening, *self.messages]))
        for finding in self.prepared.quality.findings:
            self.events.tell("start", message=f"about the data: {finding}")
        ended: str | None = None
        saved = time.monotonic()
        before = self.trainer.progress
        with stop_requested() as stop:
            for step in self.trainer.steps():
                self._record(step)
                self.averages.keep(step.samples, step.progress, before)
                before = step.progress
                self.kept.after(step.progress)
                reason = self.watching.after(step)
                due = time.monotonic() - saved > self.config.train.checkpoint_seconds
                turned, stopped, due = self.ranks.any(reason is not None, stop.is_set(), due)
                if turned and self.config.train.early_stop:
                    ended = reason or "another process saw a reason"
                    break
                if stopped:
                    self._save()
                    raise KeyboardInterrupt(f"training stopped at {step.samples:,} records; a checkpoint was written")
                if due:
                    self._save()
                    saved = time.monotonic()
        return self._finish(ended)

    def _size(self) -> int:
        return sum(weight.numel() for weight in merged(dict(self.denoiser.network.named_parameters())).values())

    def _start_from(self, run: Run | None) -> None:
        """Take over another run's weights, freeze what is to stay, and say what did not match."""
        train, network = self.config.train, self.denoiser.network
        if run is None:
            for key in ("freeze", "lora_rank"):
                if getattr(train, key):
                    raise ConfigError(f"train.{key} needs trained weights to begin with", hint="Add --init RUN.")
            return
        weights = load_tensors(run.path / "model.safetensors")
        taken = take_weights(network, weights, labels=self.prepared.schema.labels, others=run.schema.labels)
        self.facts["init"] = {"run": str(run.path), **asdict(taken)}
        self.messages.append(f"from {run.path}: {taken.sentence()}")
        if train.lora_rank:
            left = adapt(network, train.lora_rank, trainable=(*taken.fresh, *taken.partly))
            self.messages.append(f"{left:,} numbers are trained, in adapters of rank {train.lora_rank}")
        if train.freeze:
            self.messages.append(f"{freeze(network, train.freeze):,} numbers are frozen")

    def _take_up(self) -> None:
        found = load_checkpoint(self.path)
        if found is None:
            return
        tensors, facts = found
        self.trainer.restore(tensors, facts["trainer"])
        self.watching.restore(facts["watching"], tensors.get("best", {}))
        self.averages.forget_after(self.trainer.samples)
        self.kept.guide = tensors.get("guide", {})
        self.log = facts["log"]

    def _write_description(self) -> None:
        p = self.prepared
        # First, so that what an early crash leaves is known as a run.
        write_text(self.path / "run.json", json.dumps(self.facts, indent=2, ensure_ascii=False))
        write_text(self.path / "config.toml", dump_toml(self.config))
        write_text(self.path / "schema.json", p.schema.to_json())
        save_tensors(
            self.path / "split.safetensors",
            {name: torch.from_numpy(getattr(p.split, name)) for name in p.split.sizes()},
        )
        facts, tensors = p.codec.state()
        write_text(self.path / "codec.json", json.dumps(facts, indent=2))
        save_tensors(self.path / "codec.safetensors", tensors)
        small = {name: values for name, values in p.bank.items() if name != LOW_RESOLUTION}  # made anew, never kept
        save_tensors(self.path / "conditions.safetensors", with_texts(small, p.schema))
        write_text(self.path / "quality.json", json.dumps(p.quality.document(), indent=2, ensure_ascii=False))

    def _record(self, step: Step) -> None:
        last = self.log[-1]["progress"] if self.log else -1.0
        if step.message:
            self._note(step, step.message)
        elif step.progress - last >= 1 / _LOGGED_ROWS and math.isfinite(step.gradient_norm):
            row = {"loss": step.loss, "lr": step.learning_rate, "grad_norm": step.gradient_norm}
            self._row("step", step, {**row, "grad_z": round(step.gradient_z, 2), "seconds": round(step.seconds, 2)})

    def _row(self, kind: str, step: Step, figures: dict[str, Any]) -> None:
        self.log.append({"kind": kind, "samples": step.samples, "progress": step.progress, **figures})
        told = {"held_out" if name == "loss" and kind == "held_out" else name: f for name, f in figures.items()}
        own = {"preview": self.watching.preview} if kind == "held_out" else {}
        self.events.tell(kind, own, **{name: figure for name, figure in told.items() if name != "seconds"})

    def _note(self, step: Step, text: str) -> None:
        self.log.append({"kind": "note", "samples": step.samples, "progress": step.progress, "text": text})
        self.events.tell("step", message=text)

    def _save(self) -> None:
        tensors, counters = self.trainer.checkpoint()
        facts = {
            "trainer": counters,
            "watching": self.watching.state(),
            "log": self.log,
        }
        groups = {**tensors, "best": self.watching.best, "guide": self.kept.guide}
        save_checkpoint(self.path, groups, facts, self.ranks, step=self.trainer.step_index)
        self.events.tell("checkpoint")

    def _finish(self, ended: str | None) -> Run:
        """Choose the average, write the run. `ended`: why it ended early, None when the budget was used."""
        close(self.data)
        choice = choose(self.trainer, self.watching, self.averages, self.ranks, early=ended is not None)
        ended = ended or "the budget was used"
        weights = choice.weights
        buffers = {n: b for n, b in self.denoiser.network.state_dict().items() if n not in weights}
        if not self.ranks.leads:
            self.ranks.wait()
            return Run.open(self.path)
        save_tensors(self.path / "model.safetensors", merged({**weights, **buffers}))
        kept = self.kept.write(self.path, buffers, choice.averages)
        final = self.watching.with_weights(weights)
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in self.log))
        self.facts |= {
            "status": "finished",
            "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
            "ended": ended,
            "samples": self.trainer.samples,
            "seconds": round(self.trainer.seconds, 2),
            "parts": self.trainer.gradients.parts,
            "waited_for_data": round(self.trainer.waited, 2),
            "skipped_steps": self.trainer.skipped,
            "rollbacks": self.trainer.rollbacks,
            "gradient_spikes": self.trainer.watch.spikes,
            "noise_scale": self.trainer.noise_scale.measured,
            "remarks": remarks(self.trainer),
            "parameters": self._size(),
            **choice.facts(),
            "noise_profile": noise_profile(final, self.prepared.watched, self.config.noise, self.device),
            "largest_value": round(float(self.prepared.data.sample(_LARGEST_OF).x.abs().max()), 4),
            "held_out_on": "validation" if len(self.prepared.split.validation) else "holdout",
            "plugin": registry.find("modalities", self.config.modality).plugin,
            "api": API_VERSION,
            "versions": versions(),
        }
        if self.prepared.old is not None:
            self.facts["continued"] = self._forgotten(final)
            if "sentence" in self.facts["continued"]:
                self.facts["remarks"].append(self.facts["continued"]["sentence"])
        write_text(self.path / "card.md", run_card(self.facts, self.config, self.prepared.schema))
        names = [
            "config.toml",
            "schema.json",
            "split.safetensors",
            "codec.json",
            "codec.safetensors",
            "conditions.safetensors",
            "quality.json",
            "model.safetensors",
            "metrics.jsonl",
            *kept,
        ]
        self.facts["files"] = {name: sha256_of(self.path / name) for name in names}
        write_text(self.path / "run.json", json.dumps(self.facts, indent=2, ensure_ascii=False))
        remove_state(self.path)
        noticed = "".join(f"; {text}" for text in self.facts["remarks"])
        self.events.tell("finish", held_out=choice.loss, message=f"training ended: {ended}{noticed}")
        self.ranks.wait()
        return Run.open(self.path)

    def _forgotten(self, final: Denoiser) -> dict[str, Any]:
        """What the final weights do to the old run's held-out records."""
        old, schema = self.prepared.old, self.prepared.schema
        assert old is not None
        known = {"run": str(old.run.path), "rehearsed": 0 if old.buffer is None else len(old.buffer)}
        if old.watched is None:
            return known
        return {**known, **Forgetting(old, schema.labels, self.device).facts(final)}
