"""How much of the machine a training step uses: its FLOPs a second over the peak of a matrix product in bf16.

    python benchmarks/utilisation.py                      # images 3x32x32, series of 128 steps in the transformer
    python benchmarks/utilisation.py --threads 1 --profile

FLOPs are those of convolutions and matrix products, forward and backward, as torch counts them; normalisations,
activations, the optimiser and the averages count as time only. The peak is the best of several square products in bf16,
taken in turn with the steps, so that both see the same machine. `--profile` prints where the time goes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch
from record import Recording
from torch.utils.flop_counter import FlopCounterMode

from synthgen.api import Batch, Channel, Condition, Schema
from synthgen.config import resolve
from synthgen.io.run import build_denoiser
from synthgen.training.loop import Trainer
from synthgen.training.precision import choose_device

CLASSES = 10
CASES: Mapping[str, tuple[str, tuple[int, ...], Mapping[str, Any]]] = {
    "images 3x32x32": ("image", (3, 32, 32), {}),
    "series 6x128, transformer": ("timeseries", (6, 128), {"preset": "dit"}),
    "series 6x128, grid": ("timeseries", (6, 128), {"preset": "grid"}),
    "series 6x24, grid": ("timeseries", (6, 24), {"preset": "grid"}),
    "series 6x24, U-Net": ("timeseries", (6, 24), {}),
    "series 6x128, U-Net": ("timeseries", (6, 128), {}),
}


class Noise:
    """Training data of the right shape; its values do not matter."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._x = 0.5 * torch.randn(2048, *shape)
        self._label = torch.arange(2048) % CLASSES

    def __len__(self) -> int:
        return len(self._x)

    def step(self, samples_seen: int, batch_size: int, progress: float) -> Batch:
        rows = torch.arange(samples_seen, samples_seen + batch_size) % len(self._x)
        return Batch(self._x[rows], None, {"label": self._label[rows]})


def trainer_of(modality: str, shape: tuple[int, ...], overrides: Mapping[str, Any]) -> Trainer:
    """What `synthgen train` would build for 5,000 records of this shape."""
    from synthgen import registry

    channels = tuple(Channel(f"c{index}") for index in range(shape[0]))
    condition = Condition("label", "class", CLASSES)
    labels = tuple(str(index) for index in range(CLASSES))
    schema = Schema(modality, shape, channels, labels=labels, conditions=(condition,))
    plugin = registry.modality(modality)
    preset = plugin.presets()[str(overrides.get("preset", "default"))]
    fixed = {"modality": modality, "noise": {"sigma_max": 40.0}, "train": {"samples": 1 << 40, "sample_checks": 0}}
    config = resolve([fixed, plugin.configure(schema, 5_000), preset, overrides, {"train": {"samples": 1 << 40}}])
    device = choose_device()
    denoiser = build_denoiser(config, schema)
    with torch.no_grad():  # behind layers that begin at zero gradients are denormal at first, and products of them slow
        for parameter in denoiser.network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return Trainer(config, denoiser.to(device), Noise(shape), schema.conditions, device=device)


def peak(precision: torch.dtype, size: int, device: torch.device) -> float:
    """FLOPs a second of one square matrix product."""
    a = torch.randn(size, size, device=device).to(precision)
    started = time.perf_counter()
    for _ in range(4):
        a @ a
    _wait()
    return 4 * 2 * size**3 / (time.perf_counter() - started)


def step_seconds(trainer: Trainer, precision: str) -> float:
    """Seconds of one whole step: data, network, optimiser, averages."""
    trainer.precision = precision
    steps = trainer.steps()
    next(steps)
    started = time.perf_counter()
    next(steps)
    _wait()
    return time.perf_counter() - started


def flops_of(trainer: Trainer) -> int:
    """FLOPs of one step, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        trainer.trial("fp32")
    return counter.get_total_flops()


def measure(name: str, rounds: int, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Utilisation of one case: medians over the rounds, and the quickest step against the best product."""
    modality, shape, overrides = CASES[name]
    trainer = trainer_of(modality, shape, overrides)
    flops = flops_of(trainer)
    peaks: list[float] = []
    times: dict[str, list[float]] = {"bf16": [], "fp32": []}
    plain: list[float] = []
    for _ in range(rounds):
        peaks.append(max(peak(torch.bfloat16, size, trainer.device) for size in sizes))
        plain.append(max(peak(torch.float32, size, trainer.device) for size in sizes))
        for precision, found in times.items():
            found.append(step_seconds(trainer, precision))
    best = max(peaks)
    return {
        "parameters": sum(p.numel() for p in trainer.denoiser.network.parameters()),
        "batch": trainer.batch_size,
        "gflop_a_step": round(flops / 1e9, 3),
        "peak_bf16_gflops": round(best / 1e9, 1),
        "peak_fp32_gflops": round(max(plain) / 1e9, 1),
        "milliseconds": {name: round(1e3 * statistics.median(found), 2) for name, found in times.items()},
        "utilisation_median": {
            name: round(flops / statistics.median(found) / statistics.median(peaks), 4) for name, found in times.items()
        },
        "utilisation_best": {name: round(flops / min(found) / best, 4) for name, found in times.items()},
    }


def profile(name: str, precision: str) -> None:
    """Print the operators that take the most time."""
    modality, shape, overrides = CASES[name]
    trainer = trainer_of(modality, shape, overrides)
    trainer.precision = precision
    steps = trainer.steps()
    next(steps)
    with torch.profiler.profile() as profiler:
        for _ in range(3):
            next(steps)
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=50))


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1024, 2048], help="of the matrices")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--name", default="utilisation")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.profile:
        for name in arguments.cases:
            for precision in ("bf16", "fp32"):
                print(name, precision)
                profile(name, precision)
        return
    with Recording(arguments.name, seeds=[0]) as recording:
        torch.manual_seed(0)
        recording.results = {name: measure(name, arguments.rounds, tuple(arguments.sizes)) for name in arguments.cases}
    for name, row in recording.results.items():
        print(name, row)


if __name__ == "__main__":
    main()
