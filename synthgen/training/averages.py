"""Which average of the weights a run keeps: those tracked, and with `ema.snapshots` any width in between.

Snapshots lie in `state/snapshots/` while training runs, in half precision as in Karras et al. 2024; a resumed run
forgets those that are later than its checkpoint.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from synthgen.distributed import Ranks
from synthgen.io.run import load_tensors, save_tensors
from synthgen.nn.ema import PowerEma
from synthgen.nn.post_hoc import Profile, combination, combined

__all__ = ["Averages"]

_WIDTHS = (0.03, 0.05, 0.075, 0.10, 0.13, 0.16, 0.20, 0.25)


class Averages:
    """Averages of a training, for the choice at its end.

    Args:
        run: its directory.
        ema: what tracks.
        snapshots: how many to keep; 0: none, and only the tracked widths can be chosen.
        ranks: processes of the training; the first one writes.
    """

    def __init__(self, run: Path, ema: PowerEma, *, snapshots: int, ranks: Ranks | None = None) -> None:
        self._folder = run / "state" / "snapshots"
        self._ema = ema
        self._snapshots = snapshots
        self._ranks = Ranks() if ranks is None else ranks

    def keep(self, samples: int, progress: float, before: float) -> None:
        """Take a snapshot after a step, if one is due between the two shares of training."""
        if self._snapshots and int(progress * self._snapshots) > int(before * self._snapshots):
            self._save(samples)

    def forget_after(self, samples: int) -> None:
        """Delete snapshots later than this."""
        for path in self._folder.glob("*.safetensors"):
            if int(path.stem) > samples:
                path.unlink(missing_ok=True)

    def candidates(self, samples: int) -> dict[float, dict[str, Tensor]]:
        """Relative width -> average at the end of training, after `samples` records."""
        tracked = {width: self._ema.state(width) for width in self._ema.widths}
        if not self._snapshots:
            return tracked
        self._save(samples)
        profiles: list[Profile] = []
        states: list[dict[str, Tensor]] = []
        for path in sorted(self._folder.glob("*.safetensors")):
            stored = load_tensors(path)
            for width in self._ema.widths:
                prefix = f"{width!r}/"
                profiles.append((width, float(path.stem)))
                states.append({n.removeprefix(prefix): v for n, v in stored.items() if n.startswith(prefix)})
        made = {
            width: combined(states, combination(profiles, (width, float(samples))))
            for width in _WIDTHS
            if width not in tracked
        }
        return dict(sorted((tracked | made).items()))

    def _save(self, samples: int) -> None:
        halves = {name: value.to(torch.float16) for name, value in self._ema.state_dict().items()}
        self._ranks.first(lambda: save_tensors(self._folder / f"{samples:012d}.safetensors", halves))
