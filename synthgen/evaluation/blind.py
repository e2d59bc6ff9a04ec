"""`synthgen judge`: can a person tell? One offline page that shows real and synthetic records blind and counts votes.

Whether a record is real is a coin thrown for each, and its class is drawn from the classes that both sides have, so
that neither number nor class gives anything away: whoever guesses is right in half of the cases. Real records are
held-out ones; both went through the same encoding, and every picture is drawn in the same way. The page ends with the
share of right answers and its 95 % interval (Wilson), which it works out itself. The key is in the page, scrambled: a
reader who wants to cheat can.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synthgen.api import Modality, Records, Schema
from synthgen.errors import DataError, UsageError
from synthgen.evaluation.figures import png
from synthgen.evaluation.material import gather
from synthgen.io.atomic import write_text
from synthgen.seeding import generator

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["Judging", "write_judging_page"]

_READ = 2000


@dataclass(frozen=True)
class Judging:
    """A page for a reader.

    Args:
        path: of the page.
        synthetic: for each record shown, whether it is synthetic.
    """

    path: Path
    synthetic: NDArray[np.bool_]


def write_judging_page(
    run: Run | Path | str | None, synthetic: Path | str, *, out: Path | str | None = None, n: int = 40, seed: int = 0
) -> Judging:
    """Write the page.

    Args:
        run: whose held-out records are the real ones; None: the run that the data set names, else the newest.
        synthetic: the data set.
        out: of the page; None: `judge.html` beside the data set's files.
        n: records shown.
        seed: of the choice and of the order.

    Raises:
        UsageError: fewer than ten records are asked for.
        DataError: too few records, or no class that both sides have.
        RunError: the run cannot be read.
    """
    from synthgen.evaluation.report import made_by
    from synthgen.io.run import Run

    if n < 10:
        raise UsageError(f"{n} votes say nothing", hint="Show at least ten records: --n 40.")
    chosen = made_by(Path(synthetic)) if run is None else run
    opened = Run.newest() if chosen is None else Run.open(chosen) if isinstance(chosen, str | Path) else chosen
    material = gather(opened, Path(synthetic), real=None, limit=_READ)
    is_synthetic, positions = _choose(material.holdout, material.synthetic, n, seed)
    pictures = [
        _picture(opened.modality, opened.schema, material.synthetic if fake else material.holdout, int(position))
        for fake, position in zip(is_synthetic, positions, strict=True)
    ]
    labels = [
        _label(opened.schema, material.synthetic if fake else material.holdout, int(position))
        for fake, position in zip(is_synthetic, positions, strict=True)
    ]
    path = Path(synthetic) / "judge.html" if out is None else Path(out)
    title = f"{Path(opened.config.data.path or opened.modality.demo or '').name} and {Path(synthetic).name}"
    write_text(path, _render(title, pictures, labels, is_synthetic, seed))
    return Judging(path, is_synthetic)


def _choose(real: Records, synthetic: Records, n: int, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which side each record is from, and its position there; no record is shown twice."""
    rng = generator(seed, "judge")
    is_synthetic = rng.integers(0, 2, n).astype(bool)
    if real.label is None or synthetic.label is None:
        label = [np.zeros(len(side), dtype=np.int64) for side in (real, synthetic)]
    else:
        label = [real.label, synthetic.label]
    common = np.intersect1d(label[0], label[1])
    waiting = [{int(k): list(rng.permutation(np.flatnonzero(side == k))) for k in common} for side in label]
    positions = np.empty(n, dtype=np.int64)
    for place, fake in enumerate(is_synthetic):
        # A class that either side has used up would tell which side is left.
        open_classes = [k for k in waiting[0] if waiting[0][k] and waiting[1][k]]
        if not open_classes:
            raise DataError(
                f"the classes that both sides have hold too few records for {n} votes", hint="Show fewer: --n 20."
            )
        positions[place] = waiting[int(fake)][int(rng.choice(open_classes))].pop()
    return is_synthetic, positions


def _picture(modality: Modality, schema: Schema, records: Records, index: int) -> str:
    figure = Figure(figsize=(3.2, 3.2), layout="constrained")
    axis = figure.add_subplot()
    modality.draw(axis, records, index, schema)
    axis.set_title("")
    return png(figure, dpi=100)


def _label(schema: Schema, records: Records, index: int) -> str:
    if records.label is None or not schema.labels or records.label[index] < 0:
        return ""
    return schema.labels[int(records.label[index])]


def _render(title: str, pictures: list[str], labels: list[str], is_synthetic: NDArray[np.bool_], seed: int) -> str:
    environment = Environment(
        loader=PackageLoader("synthgen.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pad = generator(seed, "judge-key").integers(0, 256, len(is_synthetic)).astype(np.uint8)
    # The lowest bit of the exclusive or is the answer.
    key = (pad & 0xFE) | ((pad & 1) ^ is_synthetic.astype(np.uint8))
    data = {
        "items": [{"picture": picture, "label": label} for picture, label in zip(pictures, labels, strict=True)],
        "a": base64.b64encode(pad.tobytes()).decode(),
        "b": base64.b64encode(key.astype(np.uint8).tobytes()).decode(),
    }
    # In a script nothing but "</" and "<!--" can end it early.
    text = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    return environment.get_template("judge.html.j2").render(title=title, n=len(pictures), data=text, generated=[])
