"""A strip of records in the terminal: each drawn as the report draws it, two pixels a character, as half blocks."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.training.preview import Preview

__all__ = ["can_show_pictures", "half_blocks", "strip"]

_PIXELS = 24
_DOTS = 100


def can_show_pictures(environment: Mapping[str, str]) -> bool:
    """Whether the terminal says that it knows 24-bit colours, and the user did not forbid them."""
    return environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") and not environment.get("NO_COLOR")


def strip(preview: Preview) -> list[str]:
    """Lines of text with escape codes: the records side by side, 24 characters wide and 12 high each."""
    import numpy as np
    from matplotlib.figure import Figure

    count = len(preview.records)
    figure = Figure(figsize=(_PIXELS * count / _DOTS, _PIXELS / _DOTS), dpi=_DOTS)
    for index in range(count):
        axis = figure.add_axes((index / count, 0.0, 0.96 / count, 1.0))
        preview.modality.draw(axis, preview.records, index, preview.schema)
        axis.set_axis_off()
        axis.set_title("")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=_DOTS, facecolor="white")
    return half_blocks(np.frombuffer(buffer.getvalue(), dtype=np.uint8).reshape(_PIXELS, -1, 4)[..., :3])


def half_blocks(pixels: NDArray[Any]) -> list[str]:
    """Pixels uint8 `(H, W, 3)`, H even, as H / 2 lines of upper half blocks: foreground above, background below."""
    lines = []
    for above, below in zip(pixels[0::2], pixels[1::2], strict=True):
        cells = [
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m\u2580"
            for a, b in zip(above.tolist(), below.tolist(), strict=True)
        ]
        lines.append("".join(cells) + "\x1b[0m")
    return lines
