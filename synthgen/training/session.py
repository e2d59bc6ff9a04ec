"""One training from request to finished run: where it goes, what is logged, when it is saved, how it ends."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from synthgen import registry
from synthgen.api import API_VERSION
from synthgen.config import dump_toml, merge, resolve
from synthgen.errors import RunError, UsageError
from synthgen.io.atomic import make_directory, remove_leftovers, sha256_of, write_text
from synthgen.io.card import run_card, versions
from synthgen.io.lock import OWNER, locked
from synthgen.io.run import Run, build_denoiser, load_tensors, read_facts, save_tensors
from synthgen.plugins import plugin_host
from synthgen.training.loop import Step, Trainer
from synthgen.training.monitor import HeldOut, Turn
from synthgen.training.precision import choose_device, choose_precision, seconds_a_step
from synthgen.training.prepare import Prepared, prepare
from synthgen.training.state import load_checkpoint, save_checkpoint

__all__ = ["run_training"]

Progress = Callable[[Mapping[str, Any]], None]

_WATCHED_RECORDS = 256
_LONGEST_DEFAULT_SECONDS = 900
_LOGGED_ROWS = 400


def run_training(
    overrides: Mapping[str, Any],
    *,
    out: Path | None,
    resume: bool,
    force: bool,
    init: Path | None,
    progress: Progress | None,
) -> Run:
    """See `synthgen.train`."""
    path = _place(overrides, out, resume=resume, force=force)
    with locked(path, "training"):
        if force:
            _clear(path)
        return _train_in(path, overrides, init, progress)


def _train_in(path: Path, overrides: Mapping[str, Any], init: Path | None, progress: Progress | None) -> Run:
    request = {"overrides": overrides, "init": None if init is None else str(init.absolute())}
    if (path / "run.json").exists():
        facts = read_facts(path)
        if facts.get("request") != json.loads(json.dumps(request)):
            raise UsageError(
                f"{path} holds a run of another request", hint="Choose another --out, or replace it with --force."
            )
        if facts["status"] == "finished":
            return Run.open(path)
    begun = _settled_before(path)
    asked = overrides if begun is None else begun
    session = _Session(path, request, prepare(asked), init, progress)
    if begun is None and not {"samples", "minutes"} & dict(overrides.get("train", {})).keys():
        session.shorten_default_budget()
    return session.run()


def _settled_before(path: Path) -> dict[str, Any] | None:
    """The configuration that an interrupted run had settled on, so that resuming cannot settle otherwise."""
    try:
        return tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


class _Session:
    """The mutable state around a `Trainer`: log, checkpoints, held-out losses, best weights."""

    def __init__(
        self, path: Path, request: dict[str, Any], prepared: Prepared, init: Path | None, progress: Progress | None
    ) -> None:
        self.path = path
        self.prepared = prepared
        self.config = prepared.config
        self.progress = progress
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
            "request": request,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": {},
        }
        if self.config.train.threads:
            torch.set_num_threads(self.config.train.threads)
        self.device = choose_device()
        torch.manual_seed(self.config.train.seed)
        self.denoiser = build_denoiser(self.config, prepared.schema).to(self.device)
        self.trainer = Trainer(
            self.config, self.denoiser, prepared.data, prepared.schema.conditions, device=self.device
        )
        watched = prepared.watched.sample(_WATCHED_RECORDS)
        self.held_out = HeldOut(
            watched, self.config.noise, seed=self.config.train.seed, repeats=-(-_WATCHED_RECORDS // len(watched.x))
        )
        self.average = build_denoiser(self.config, prepared.schema).to(self.device)
        self.turn = Turn()
        self.best: dict[str, torch.Tensor] = {}
        self.measured = 0
        self.log: list[dict[str, Any]] = []
        self.trainer.precision = choose_precision(self.config.train.precision, self.trainer.trial)
        self._settle({"precision": self.trainer.precision})
        self.facts["precision"] = self.trainer.precision
        self.message = ""
        self.loggers = [(record, make(path)) for record, make in _loggers()]
        self._start_from(init)
        self._take_up()

    def shorten_default_budget(self) -> None:
        """Nobody asked for a budget: keep the modality's, but no longer than a quarter of an hour on this machine."""
        samples = self.config.train.samples
        seconds = seconds_a_step(self.trainer.trial, self.trainer.precision)
        fitting = max(1, int(_LONGEST_DEFAULT_SECONDS / seconds)) * self.trainer.batch_size
        if samples is None or fitting >= samples:
            return
        fitting = round(fitting, 2 - len(str(fitting)))
        self._settle({"samples": fitting})
        self.message = (
            f"about {_LONGEST_DEFAULT_SECONDS // 60} minutes on this machine allow {fitting:,} samples; "
            "--samples or --minutes asks for more"
        )

    def _settle(self, choices: dict[str, Any]) -> None:
        """Fix what was left to this machine, in `train`."""
        self.config = resolve([merge(self.config.model_dump(), {"train": choices})])
        self.trainer.config = self.config

    def run(self) -> Run:
        """Train, then write the finished run."""
        self._write_description()
        opening = f"training on {len(self.prepared.data):,} records, {self._size():,} parameters"
        self._tell("start", message="; ".join(part for part in (opening, self.message) if part))
        ended = "the budget was used"
        saved = time.monotonic()
        with _signals() as stop:
            for step in self.trainer.steps():
                self._record(step)
                if self._due(step.progress) and self._measure(step) and self.config.train.early_stop:
                    ended = "the held-out loss had turned up"
                    break
                if stop.is_set():
                    self._save()
                    raise KeyboardInterrupt(f"training stopped at {step.samples:,} records; a checkpoint was written")
                if time.monotonic() - saved > self.config.train.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
        return self._finish(ended)

    def _size(self) -> int:
        return sum(parameter.numel() for parameter in self.denoiser.network.parameters())

    def _start_from(self, init: Path | None) -> None:
        if init is None:
            return
        weights = load_tensors(Run.open(init).path / "model.safetensors")
        own = self.denoiser.network.state_dict()
        fitting = {n: w for n, w in weights.items() if n in own and own[n].shape == w.shape}
        if not fitting:
            raise RunError(f"no weight of {init} fits this network", hint="Train with the network of that run.")
        self.denoiser.network.load_state_dict({**own, **fitting})
        self.facts["init"] = {"run": str(init), "taken": len(fitting), "fresh": sorted(own.keys() - fitting.keys())}

    def _take_up(self) -> None:
        found = load_checkpoint(self.path)
        if found is None:
            return
        tensors, facts = found
        self.trainer.restore(tensors, facts["trainer"])
        self.turn.lowest, self.turn.lowest_at = facts["lowest"]
        self.best = tensors.get("best", {})
        self.measured = facts["measured"]
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
        save_tensors(self.path / "conditions.safetensors", p.bank)

    def _record(self, step: Step) -> None:
        every = 1 / _LOGGED_ROWS
        last = self.log[-1]["progress"] if self.log else -1.0
        if step.message:
            self.log.append({"kind": "note", "samples": step.samples, "progress": step.progress, "text": step.message})
            self._tell("step", message=step.message)
        elif step.progress - last >= every:
            row = {
                "kind": "step",
                "samples": step.samples,
                "progress": step.progress,
                "loss": step.loss,
                "lr": step.learning_rate,
                "grad_norm": step.gradient_norm,
                "seconds": round(step.seconds, 2),
            }
            self.log.append(row)
            self._tell("step", loss=step.loss)

    def _due(self, progress: float) -> bool:
        return progress * self.config.train.held_out_every >= self.measured + 1

    def _measure(self, step: Step) -> bool:
        """Log the held-out loss of the middle average; whether it has turned up."""
        started = time.perf_counter()
        self.measured = int(step.progress * self.config.train.held_out_every)
        widths = self.trainer.ema.widths
        width = widths[len(widths) // 2]
        loss, bands = self._held_out_loss(width)
        self.trainer.remember()
        if self.turn.lower(loss, step.progress):
            self.best = self.trainer.ema.state(width)
        row = {"samples": step.samples, "progress": step.progress, "loss": loss, "bands": bands, "ema_width": width}
        self.log.append({"kind": "held_out", **row})
        self.trainer.seconds += time.perf_counter() - started
        self._tell("held_out", held_out=loss)
        return self.turn.turned_up(loss, step.progress)

    def _held_out_loss(self, width: float) -> tuple[float, list[float]]:
        self.average.network.load_state_dict(self.trainer.ema.state(width), strict=False)
        return self.held_out.measure(self.average, self.device)

    def _save(self) -> None:
        tensors, counters = self.trainer.checkpoint()
        facts = {
            "trainer": counters,
            "lowest": [self.turn.lowest, self.turn.lowest_at],
            "measured": self.measured,
            "log": self.log,
        }
        save_checkpoint(self.path, {**tensors, "best": self.best}, facts)
        self._tell("checkpoint")

    def _finish(self, ended: str) -> Run:
        losses = {width: self._held_out_loss(width)[0] for width in self.trainer.ema.widths}
        width = min(losses, key=lambda w: losses[w])
        turned = "turned" in ended
        weights = self.best if turned and self.best else self.trainer.ema.state(width)
        buffers = {n: b for n, b in self.denoiser.network.state_dict().items() if n not in weights}
        save_tensors(self.path / "model.safetensors", {**weights, **buffers})
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in self.log))
        self.facts |= {
            "status": "finished",
            "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
            "ended": ended,
            "samples": self.trainer.samples,
            "seconds": round(self.trainer.seconds, 2),
            "skipped_steps": self.trainer.skipped,
            "parameters": self._size(),
            "held_out": {f"{w:g}": loss for w, loss in losses.items()},
            "ema_width": None if turned else width,
            "held_out_on": "validation" if len(self.prepared.split.validation) else "holdout",
            "plugin": registry.find("modalities", self.config.modality).plugin,
            "api": API_VERSION,
            "versions": versions(),
        }
        write_text(self.path / "card.md", run_card(self.facts, self.config, self.prepared.schema))
        names = [
            "config.toml",
            "schema.json",
            "split.safetensors",
            "codec.json",
            "codec.safetensors",
            "conditions.safetensors",
            "model.safetensors",
            "metrics.jsonl",
        ]
        self.facts["files"] = {name: sha256_of(self.path / name) for name in names}
        write_text(self.path / "run.json", json.dumps(self.facts, indent=2, ensure_ascii=False))
        shutil.rmtree(self.path / "state", ignore_errors=True)
        self._tell("finish", held_out=min(losses.values()), message=f"training ended: {ended}")
        return Run.open(self.path)

    def _tell(self, kind: str, **more: Any) -> None:
        event = {
            "kind": kind,
            "samples": self.trainer.samples,
            "total": self.config.train.samples,
            "seconds": self.trainer.seconds,
            "total_seconds": None if self.config.train.minutes is None else 60 * self.config.train.minutes,
            "progress": self.trainer.progress,
            "run": str(self.path),
            **more,
        }
        if self.progress is not None:
            self.progress(event)
        plugin_host().notify("synthgen_train_event", event=event)
        for record, logger in self.loggers:
            with plugin_host().isolated(record.plugin, f"logger {record.spec.name}"):
                logger(event)


def _loggers() -> list[tuple[registry.Registered, Callable[[Path], Progress]]]:
    return [(record, registry.load("loggers", record.spec.name)) for record in registry.specs("loggers")]


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets, instead of stopping in the middle of a step."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _place(overrides: Mapping[str, Any], out: Path | None, *, resume: bool, force: bool) -> Path:
    """The run's directory: as asked, an interrupted run of the same request, or the next free number."""
    if out is not None:
        if not force and out.exists() and any(p.name != OWNER for p in (out.iterdir() if out.is_dir() else [out])):
            if not (out / "run.json").exists():
                raise UsageError(f"{out} exists and is not a run", hint="Choose another --out.")
            if not resume:
                raise UsageError(f"{out} exists", hint="Resume it (the default), or replace it with --force.")
        return out
    config = resolve([overrides])
    name = Path(config.data.path).stem if config.data.path else registry.modality(config.modality).demo
    stem = f"{config.modality}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name) or 'data'}"
    existing = {int(m[1]): p for p in Path("runs").glob(f"{stem}-*") if (m := re.fullmatch(rf"{stem}-(\d+)", p.name))}
    if existing and resume:
        newest = existing[max(existing)]
        with contextlib.suppress(RunError):
            facts = read_facts(newest)
            same = facts.get("request", {}).get("overrides") == json.loads(json.dumps(overrides))
            if facts["status"] != "finished" and same:
                return newest
    return Path("runs") / f"{stem}-{max(existing, default=0) + 1}"


def _clear(out: Path) -> None:
    """Empty a run's directory, which stays locked meanwhile."""
    contents = [path for path in out.iterdir() if path.name != OWNER]
    if contents and not (out / "run.json").exists():
        raise UsageError(f"--force replaces runs only, and {out} is not one", hint="Remove it yourself if it may go.")
    for path in contents:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
