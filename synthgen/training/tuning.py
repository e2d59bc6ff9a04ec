"""Finding settings: many short trainings, the worse ones broken off early, the best settings written as a file.

The first trial is the configuration as it stands, so the result says what tuning gained. The others are proposed by a
tree-structured Parzen estimator (Bergstra et al. 2011), within ranges around what stands; what the user has chosen is
left alone. After each held-out measurement, a trial that is worse than the median of the others at the same share of
training ends (Golovin et al. 2017, the median rule). Neither objective touches the records that reports are made on,
unless the data is too small for a validation part.

    held-out   the held-out loss of the average that the run keeps; the noise levels are not tuned, or it would change
    tstr       1 - what a judge trained on samples reaches on the validation records
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from synthgen.config import RunConfig, dump_layers, merge
from synthgen.errors import PluginError, SynthgenError, UsageError
from synthgen.io.atomic import write_text

if TYPE_CHECKING:
    import optuna

__all__ = ["Tuned", "tune"]

Progress = Callable[[Mapping[str, Any]], None]

_TRIALS_IN_BUDGET = 12
_BEFORE_PRUNING, _BEFORE_MODEL = 3, 4
_JUDGED_RECORDS = 1_000
_BUDGETS = ("samples", "minutes")


@dataclass(frozen=True)
class Tuned:
    """What tuning found.

    Args:
        path: of the TOML file for `train --config`.
        value: objective of the best trial, lower is better.
        default: objective of the configuration as it stood.
        chosen: key -> value of the best trial.
        trials: one row a trial: `number`, `state`, `value`, `seconds`, `choices`.
    """

    path: Path
    value: float
    default: float
    chosen: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...]


def tune(
    overrides: Mapping[str, Any],
    *,
    minutes: float = 10.0,
    trials: int | None = None,
    objective: Literal["held-out", "tstr"] = "held-out",
    out: Path | str = "tuned.toml",
    seed: int = 0,
    progress: Progress | None = None,
) -> Tuned:
    """Search settings for a data set and write them as a configuration file.

    Args:
        overrides: what is fixed, as for `synthgen.train`; `train.samples` or `train.minutes` is the budget of one
            trial, a twelfth of all when absent.
        minutes: for all trials together; a trial that would not fit is not begun.
        trials: at most so many.
        objective: what is to be small: the held-out loss, or 1 - `tstr`.
        out: the file; a list of all trials goes beside it as `.json`.
        seed: of the proposals.
        progress: called with events of kind `tune`.

    Raises:
        PluginError: Optuna is not installed.
        UsageError: the objective does not suit the data.
        ConfigError, DataError, TrainingError: of the first trial.
    """
    try:
        import optuna
    except ImportError as error:
        raise PluginError("tuning needs Optuna, which is not installed", hint="pip install optuna") from error
    from synthgen.training.prepare import prepare

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = prepare(overrides)
    if objective == "tstr" and base.modality.judge(base.schema, seed=seed) is None:
        raise UsageError("these records have nothing to judge by, so there is no tstr", hint="--objective held-out")
    study = optuna.create_study(
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_BEFORE_MODEL),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING, n_warmup_steps=2),
    )
    search = _Search(overrides, base.config, minutes=minutes, objective=objective, progress=progress)
    study.enqueue_trial(search.standing())
    study.optimize(search, n_trials=trials, callbacks=[search.stop_when_spent])
    return search.written(study, Path(out))


class _Search:
    """The objective function of a study."""

    def __init__(
        self,
        overrides: Mapping[str, Any],
        base: RunConfig,
        *,
        minutes: float,
        objective: str,
        progress: Progress | None,
    ) -> None:
        given = {key: value for key, value in dict(overrides.get("train", {})).items() if key in _BUDGETS}
        self._budget = given or {"minutes": minutes / _TRIALS_IN_BUDGET}
        self._overrides = merge(overrides, {"train": {**overrides.get("train", {}), **self._budget}})
        self._fixed = {
            f"{section}.{key}" for section, part in overrides.items() if isinstance(part, Mapping) for key in part
        }
        self._base = base
        self._objective = objective
        self._progress = progress
        self._seconds = 60 * minutes
        self._started = time.monotonic()
        self._longest = 0.0

    def standing(self) -> dict[str, Any]:
        """The first trial: everything as it is."""
        return {key: _value(self._base, key) for key in self._ranges()}

    def __call__(self, trial: optuna.Trial) -> float:
        """Train with the trial's choices; the objective.

        Raises:
            TrialPruned: broken off as worse than the others.
        """
        from synthgen.training import train

        begun = time.monotonic()
        choices = {key: propose(trial) for key, propose in self._ranges().items()}
        overrides = merge(self._overrides, _nested(choices))
        with tempfile.TemporaryDirectory(prefix="synthgen-tune-") as folder:
            try:
                run = train(overrides, out=Path(folder) / "run", progress=lambda event: self._watch(trial, event))
            except SynthgenError:
                if trial.number == 0:
                    raise
                return float("inf")  # a choice that cannot be trained is a bad one
            value = float(run.facts["held_out_kept"]) if self._objective == "held-out" else 1 - _tstr(run)
        self._longest = max(self._longest, time.monotonic() - begun)
        return value

    def stop_when_spent(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """End the study before a trial that would not fit into the time."""
        if time.monotonic() - self._started + self._longest > self._seconds:
            study.stop()

    def written(self, study: optuna.Study, out: Path) -> Tuned:
        """Write the file and the list of trials."""
        chosen = {key: value for key, value in study.best_params.items() if value != _value(self._base, key)}
        default = study.trials[0].value
        assert default is not None
        fixed = dict(self._overrides)
        fixed["train"] = {key: value for key, value in fixed["train"].items() if key not in self._budget}
        layers = merge(fixed, _nested(chosen))
        best = study.best_value
        heading = (
            f"Found by synthgen tune: {self._objective} {best:.5g} in trial {study.best_trial.number} of "
            f"{len(study.trials)}, {default:.5g} before.\nUse it with: synthgen train --config {out.name}"
        )
        write_text(out, dump_layers({key: value for key, value in layers.items() if value != {}}, heading=heading))
        rows = tuple(
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "value": trial.value,
                "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 1),
                "choices": trial.params,
            }
            for trial in study.trials
        )
        write_text(out.with_suffix(".json"), json.dumps({"objective": self._objective, "trials": rows}, indent=2))
        return Tuned(out, best, default, chosen, rows)

    def _watch(self, trial: optuna.Trial, event: Mapping[str, Any]) -> None:
        import optuna

        if self._progress is not None:
            spent = min(1.0, (time.monotonic() - self._started) / self._seconds)
            told = {"held_out": event["held_out"]} if "held_out" in event else {}
            self._progress({"kind": "tune", "stage": f"trial {trial.number + 1}", "progress": spent, **told})
        if event["kind"] == "held_out":
            trial.report(event["held_out"], round(event["progress"] * self._base.train.held_out_every))
            if trial.should_prune():
                raise optuna.TrialPruned

    def _ranges(self) -> dict[str, Callable[[optuna.Trial], Any]]:
        """Key -> what proposes a value, for every key that the user has left open."""
        b = self._base
        batch, width, lr = b.optim.batch_size, b.network.width, b.optim.lr
        ranges: dict[str, Callable[[optuna.Trial], Any]] = {
            "optim.name": lambda t: t.suggest_categorical("optim.name", _with(b.optim.name, "adamw", "muon")),
            "optim.lr": lambda t: t.suggest_float("optim.lr", lr / 5, lr * 5, log=True),
            "optim.batch_size": lambda t: t.suggest_categorical(
                "optim.batch_size", _with(batch, *(max(8, int(batch * share)) for share in (0.25, 0.5, 1, 2)))
            ),
            "optim.cooldown": lambda t: t.suggest_float("optim.cooldown", min(0.1, b.optim.cooldown), 1.0),
            "optim.weight_decay": lambda t: t.suggest_float("optim.weight_decay", 0.0, max(0.3, b.optim.weight_decay)),
            "network.dropout": lambda t: t.suggest_float("network.dropout", 0.0, max(0.4, b.network.dropout)),
            "network.width": lambda t: t.suggest_categorical(
                "network.width", _with(width, *(max(8, 8 * round(width * share / 8)) for share in (0.5, 0.75, 1.5)))
            ),
        }
        if self._objective == "tstr":
            mean, std = b.noise.mean, b.noise.std
            ranges["noise.mean"] = lambda t: t.suggest_float("noise.mean", mean - 0.8, mean + 0.8)
            ranges["noise.std"] = lambda t: t.suggest_float("noise.std", std / 1.5, std * 1.5)
        return {key: propose for key, propose in ranges.items() if key not in self._fixed}


def _tstr(run: Any) -> float:
    """What a judge trained on samples of a run reaches on its validation records."""
    from synthgen.generation import generate_records

    source = run.source()
    records = generate_records(run, n=min(_JUDGED_RECORDS, len(run.split.train)), seed=run.config.train.seed)
    judge = run.modality.judge(run.schema, seed=0)
    return float(judge.fit(records).evaluate(source.read(run.split.watched)).value())


def _with(standing: Any, *others: Any) -> list[Any]:
    """The value as it stands and the others, each once, in order."""
    return sorted({standing, *others})


def _value(config: RunConfig, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def _nested(choices: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in choices.items():
        section, _, name = key.partition(".")
        nested.setdefault(section, {})[name] = value
    return nested
