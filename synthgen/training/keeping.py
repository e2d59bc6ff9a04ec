"""What a run keeps of its training beside the model: an early average to guide by, and the averages of all widths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from synthgen.config import EmaConfig
from synthgen.io.run import save_tensors
from synthgen.nn.ema import PowerEma
from synthgen.nn.lora import merged

__all__ = ["Kept"]


class Kept:
    """Keeps averages.

    Args:
        config: when, and whether all at the end.
        ema: the averages.
    """

    def __init__(self, config: EmaConfig, ema: PowerEma) -> None:
        self._config = config
        self._ema = ema
        self.guide: dict[str, Tensor] = {}
        """The middle average of an early moment: the worse version that autoguidance needs."""

    def after(self, progress: float) -> None:
        """Look at a step: take the snapshot once `ema.guide_at` is reached."""
        if not self.guide and 0 < self._config.guide_at <= progress:
            widths = self._ema.widths
            self.guide = self._ema.state(widths[len(widths) // 2])

    def write(
        self, run: Path, buffers: Mapping[str, Tensor], averages: Mapping[float, Mapping[str, Tensor]]
    ) -> list[str]:
        """Write the files and return their names.

        Args:
            run: the run's directory.
            buffers: what the network has beside parameters.
            averages: at the end of training, by width.
        """
        names = []
        if self.guide:
            names.append("guide.safetensors")
            save_tensors(run / names[-1], merged({**self.guide, **buffers}))
        if self._config.keep:
            names.append("averages.safetensors")
            whole = {width: merged({**state, **buffers}) for width, state in averages.items()}
            flat = {f"{width:g}/{name}": value for width, state in whole.items() for name, value in state.items()}
            save_tensors(run / names[-1], flat)
        return names
