"""Consistency tuning of a finished run: a new run of the same data that samples in one or two network evaluations.

The new run starts from the old one's averaged weights, is tuned with `synthgen.diffusion.consistency` and keeps the
schema, codec and split of the old one, so that every other verb takes it. Its `sampling` section asks for the
sampler `consistency`: from sigma_max to a clean estimate, and once more from `distill.middle`.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from synthgen.config import RunConfig, dump_toml, merge, resolve
from synthgen.diffusion.consistency import consistency_loss, nearness
from synthgen.diffusion.guidance import drop
from synthgen.errors import ConfigError, TrainingError, UsageError
from synthgen.io.atomic import make_directory, sha256_of, write_text
from synthgen.io.card import run_card, versions
from synthgen.io.run import Run, build_denoiser, load_tensors, save_tensors
from synthgen.nn.ema import PowerEma
from synthgen.seeding import derive_seed
from synthgen.training.encoded import EncodedData
from synthgen.training.monitor import draw_sigma
from synthgen.training.optim import build_optimizer, rate_factor
from synthgen.training.precision import autocast, choose_device

__all__ = ["distill"]

_KEPT = ("schema.json", "split.safetensors", "codec.json", "codec.safetensors", "conditions.safetensors")
_LOGGED_ROWS = 200
_AVERAGE = 0.1


def distill(
    run: Run | Path | str | None = None,
    *,
    out: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: Callable[[Mapping[str, Any]], None] | None = None,
) -> Run:
    """Tune a run for one or two network evaluations a record.

    Args:
        run: a finished run or its directory; None: the newest below `runs/`.
        out: the new run's directory; None: the old one's name with `-distilled`.
        overrides: keys of the configuration's section `distill`.
        force: replace a run at `out`.
        progress: called with events as in `train`.

    Raises:
        UsageError: something stands at `out`.
        ConfigError, RunError, TrainingError: see `synthgen.errors`.
    """
    source = Run.newest() if run is None else run if isinstance(run, Run) else Run.open(run)
    if source.facts.get("privacy"):
        raise ConfigError(
            f"{source.path} was trained with differential privacy; distilling reads the records again and would void it"
        )
    path = source.path.with_name(source.path.name + "-distilled") if out is None else Path(out)
    if path.exists():
        if not force or not (path / "run.json").exists():
            raise UsageError(f"{path} exists", hint="Choose another --out, or replace a run with --force.")
        shutil.rmtree(path)
    config = _settled(source, overrides or {})
    data = EncodedData(source.source(), source.split.train, source.codec(), seed=config.train.seed)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    weights, log, facts = _tune(source, config, data, path, progress)
    make_directory(path)
    for name in _KEPT:
        shutil.copyfile(source.path / name, path / name)
    write_text(path / "config.toml", dump_toml(config))
    save_tensors(path / "model.safetensors", weights)
    write_text(path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in log))
    own = ("files", "held_out", "held_out_kept", "ema_width", "init", "guidance", "guidance_tried")
    kept = {key: value for key, value in source.facts.items() if key not in own}
    described = {
        **kept,
        **facts,
        "request": {"distill": str(source.path)},
        "distilled_from": source.fingerprint,
        "started": started,
        "finished": datetime.now(UTC).isoformat(timespec="microseconds"),
        "ended": "the budget was used",
        "versions": versions(),
        "held_out": {},
        "ema_width": _AVERAGE,
    }
    write_text(path / "card.md", run_card(described, config, source.schema))
    names = [*_KEPT, "config.toml", "model.safetensors", "metrics.jsonl"]
    described["files"] = {name: sha256_of(path / name) for name in names}
    write_text(path / "run.json", json.dumps(described, indent=2, ensure_ascii=False))
    return Run.open(path)


def _settled(source: Run, overrides: Mapping[str, Any]) -> RunConfig:
    asked = resolve([merge(source.config.model_dump(), {"distill": overrides})])
    tuning = asked.distill
    budget = {} if tuning.samples or tuning.minutes else {"samples": int(source.facts["samples"])}
    sampling = {"sampler": "consistency", "steps": 2, "grid": "log", "sigma_min": tuning.middle, "guidance": 1.0}
    # What was set for many small steps does not carry over to two large ones.
    cleared = {"guidance_interval": None, "autoguidance": 1.0, "guide": "", "rescale": 0.0, "ensemble": ()}
    return resolve([merge(asked.model_dump(), {"distill": budget, "sampling": {**sampling, **cleared}})])


def _tune(
    source: Run,
    config: RunConfig,
    data: EncodedData,
    path: Path,
    progress: Callable[[Mapping[str, Any]], None] | None,
) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]], dict[str, Any]]:
    """The tuned average, the log and the facts of it."""
    device = choose_device()
    tuning, seed = config.distill, derive_seed(config.train.seed, "distill")
    denoiser = build_denoiser(config, source.schema).to(device)
    denoiser.network.load_state_dict(load_tensors(source.path / "model.safetensors"))
    denoiser.train()
    optim = config.optim.model_copy(update={"lr": tuning.lr})
    optimizer = build_optimizer([denoiser.network], optim)
    average = PowerEma(denoiser.network, (_AVERAGE,))
    batch_size = min(optim.batch_size, max(8, len(data)))
    noise = config.noise.model_copy(update={"density": "lognormal", "mean": tuning.mean, "std": tuning.std})
    high = float(config.noise.sigma_max or 80.0)
    log: list[dict[str, Any]] = []
    samples = step = skipped = 0
    began = time.perf_counter()

    def used() -> float:
        if tuning.minutes is not None:
            return min(1.0, (time.perf_counter() - began) / (60 * tuning.minutes))
        return min(1.0, samples / max(1, tuning.samples or 1))

    while (share := used()) < 1.0:
        rate = optim.lr * rate_factor(share, optim)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = data.step(samples, batch_size, share)
        generator = torch.Generator().manual_seed(derive_seed(seed, "step", step=step))
        sigma = draw_sigma(noise, len(batch.x), generator).clamp(config.noise.sigma_min, high)
        draws = torch.randn(batch.x.shape, generator=generator)
        told = drop(batch.conditions, source.schema.conditions, generator)
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, str(source.facts["precision"])):
            loss = consistency_loss(
                denoiser,
                batch.x.to(device),
                sigma.to(device),
                draws.to(device),
                None if batch.observed is None else batch.observed.to(device),
                {name: value.to(device) for name, value in told.items()},
                q=nearness(share, tuning.stages),
                seed=derive_seed(seed, "dropout", step=step),
            )
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        norm = float(nn.utils.clip_grad_norm_(denoiser.network.parameters(), optim.clip))
        samples += batch_size
        step += 1
        if math.isfinite(value) and math.isfinite(norm):
            optimizer.step()
            average.update(samples, batch_size)
        else:
            skipped += 1
            if skipped > max(5, step // 2):
                raise TrainingError("the consistency loss keeps being non-finite", hint="Lower distill.lr.")
        if not log or share - log[-1]["progress"] >= 1 / _LOGGED_ROWS:
            log.append(
                {
                    "kind": "step",
                    "samples": samples,
                    "progress": share,
                    "loss": value,
                    "lr": rate,
                    "grad_norm": norm,
                }
            )
            if progress is not None:
                seconds = time.perf_counter() - began
                told_total = {"total": tuning.samples, "total_seconds": tuning.minutes and 60 * tuning.minutes}
                event = {"kind": "step", "samples": samples, "seconds": seconds, "progress": share, "loss": value}
                progress({**event, **told_total, "run": str(path)})
    buffers = {
        n: b for n, b in denoiser.network.state_dict().items() if n not in dict(denoiser.network.named_parameters())
    }
    facts = {"samples": samples, "seconds": round(time.perf_counter() - began, 2), "skipped_steps": skipped}
    return {**average.state(_AVERAGE), **buffers}, log, facts
