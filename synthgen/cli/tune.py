"""`synthgen tune`: many short trainings, and the best settings as a file for `train --config`.

`--json`: `{"config", "objective", "value", "default", "chosen": {key: value}, "trials": [{"number", "state", "value",
"seconds", "choices"}]}`; values are to be small: the held-out loss, or 1 - tstr.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from synthgen.cli.console import Console, reporting
from synthgen.cli.shared_options import (
    ConfigFileOption,
    DataOption,
    ForceOption,
    LabelColumnOption,
    ModalityOption,
    SeedOption,
    SetOption,
)
from synthgen.cli.user_layers import checked_layers
from synthgen.errors import UsageError

__all__ = ["tune"]


@reporting
def tune(
    console: Console,
    *,
    modality: ModalityOption = None,
    data: DataOption = None,
    label_column: LabelColumnOption = None,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="M", min=0.01, help="Time for all trials together.")
    ] = 10.0,
    trials: Annotated[int | None, typer.Option("--trials", metavar="N", min=1, help="At most so many trials.")] = None,
    objective: Annotated[
        str, typer.Option("--objective", metavar="O", help="What is to be good: held-out (loss) or tstr (utility).")
    ] = "held-out",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="TOML file to write.")] = Path("tuned.toml"),
    seed: SeedOption = 0,
    config: ConfigFileOption = None,
    assignments: SetOption = None,
    force: ForceOption = False,
) -> None:
    """Find settings for your data: learning rate, batch, network width, dropout and the like.

    What you set yourself stays as it is. One trial lasts for `train.samples` or `train.minutes`
    where you set it, else a twelfth of the time.
    """
    chosen = _objective(objective)
    if out.exists() and not force:
        raise UsageError(f"{out} exists", hint="--force overwrites it.")
    overrides = checked_layers(
        config,
        assignments,
        {"modality": modality, "data.path": data, "data.label_column": label_column},
    )
    from synthgen.training.tuning import tune as search

    with console.progress("tune") as progress:
        tuned = search(
            overrides, minutes=minutes, trials=trials, objective=chosen, out=out, seed=seed, progress=progress
        )
    lines = [
        f"{tuned.path}",
        f"  {len(tuned.trials)} trials; {objective} {tuned.value:.5g}, as things stood {tuned.default:.5g}",
        *(f"  {key} = {value}" for key, value in tuned.chosen.items()),
    ]
    if not tuned.chosen:
        lines.append("  nothing was better than what stood")
    console.result(
        "\n".join(lines),
        {
            "config": str(tuned.path),
            "objective": objective,
            "value": tuned.value,
            "default": tuned.default,
            "chosen": dict(tuned.chosen),
            "trials": list(tuned.trials),
        },
    )
    console.note(f"Next: synthgen train --config {tuned.path}")


def _objective(name: str) -> Literal["held-out", "tstr"]:
    if name == "held-out":
        return "held-out"
    if name == "tstr":
        return "tstr"
    raise UsageError(f"unknown objective {name}", hint="held-out or tstr.")
