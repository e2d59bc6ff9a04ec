"""Which pictures a report shows, and what good looks like in each. A picture that fails says why and stops nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from synthgen.evaluation.figures import (
    PALETTE,
    Picture,
    closest_pairs,
    held_out_curves,
    learning_curve,
    loss_curves,
    oddest_records,
    png,
    themed_svg,
)
from synthgen.evaluation.material import Material
from synthgen.evaluation.measurement import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from synthgen.api import Palette
    from synthgen.io.run import Run

__all__ = ["pictures_of", "training_pictures"]


def training_pictures(run: Run) -> list[Picture]:
    """The loss curves of the run."""

    def losses() -> str | None:
        figure = loss_curves(run.history())
        return None if figure is None else themed_svg(figure)

    def by_noise_and_class() -> str | None:
        figure = held_out_curves(run.history())
        return None if figure is None else themed_svg(figure)

    training = _picture(
        "Training",
        losses,
        "Loss over records seen. Good: both curves fall and flatten, and the held-out one does not turn up while "
        "the training one goes on falling, which would be the start of memorising. Both are the "
        "weighted denoising error; the training curve has dropout, and the held-out one averaged weights.",
        themed=True,
        nothing="the run kept no history of its losses",
    )
    held_out = _picture(
        "Held-out loss by noise level and class",
        by_noise_and_class,
        "The held-out loss in each quarter of the noise levels, and by class with the same mixture of levels. "
        "Good: every curve falls. A class far above the others is harder or rarer; one that turns up alone is "
        "being memorised.",
        themed=True,
        nothing="the held-out loss was measured less than twice",
    )
    return [training, held_out]


def pictures_of(run: Run, material: Material, found: Measured) -> list[Picture]:
    """The pictures of one data set, in the order of the page."""
    schema, modality = run.schema, run.modality
    pictures = [
        _picture(
            "Real beside synthetic",
            lambda: png(modality.overview(material.holdout, material.synthetic, schema)),
            "Held-out real records beside synthetic ones, class by class. Good: without the headings you could not say "
            "which is which, and the synthetic ones differ among themselves as much as the real ones do.",
        )
    ]
    pictures += _of_modality(run, material)
    if found.pairs:
        pictures.append(
            _picture(
                "Closest to the training data",
                lambda: png(closest_pairs(modality, schema, material.synthetic, material.train, found.pairs)),
                "The synthetic records that come nearest to any training record, each above that record, with their "
                "distance and the share of held-out records nearer to theirs; what copy_rate counts is framed in red. "
                "Good: clearly different records, or records so plain that the held-out data has such pairs as well. "
                "Bad: the same record, noise and all.",
            )
        )
    if found.odd:
        pictures.append(
            _picture(
                "Oddest to independent detectors",
                lambda: png(oddest_records(modality, schema, material.synthetic, found.odd)),
                f"{len(found.odd)} synthetic records are odder than 99 % of the held-out ones to nearest neighbours "
                "and to an isolation forest, neither of which ever saw the generator; these are the oddest. Good: few, "
                "and rare but possible records. Bad: broken ones. All are listed in report.json.",
            )
        )
    if found.curve:
        measure = next((str(row.facts["measure"]) for row in found.rows if "measure" in row.facts), "measure")

        def curve() -> str | None:
            figure = learning_curve(found.curve, measure=measure)
            return None if figure is None else themed_svg(figure)

        pictures.append(
            _picture(
                "How much synthetic data helps",
                curve,
                "The judge on held-out records, trained on all real and ever more synthetic records with the same "
                "number of optimiser steps. Good: above the dashed line, interval and all, and not falling at the end.",
                themed=True,
            )
        )
    return pictures


def _of_modality(run: Run, material: Material) -> list[Picture]:
    """What the modality draws of its own kind of record, where it has the optional method `drawings`."""
    make = getattr(run.modality, "drawings", None)
    if make is None:
        return []
    try:
        drawn = list(make(run.schema, material.train, material.holdout, material.synthetic))
    except Exception as error:
        return [Picture("Pictures of the modality", "", "", True, f"{type(error).__name__}: {error}")]

    def themed(draw: Callable[[Palette], Figure]) -> Callable[[], str | None]:
        return lambda: themed_svg(draw(PALETTE))

    return [_picture(one.title, themed(one.draw), one.caption, themed=True) for one in drawn]


def _picture(
    title: str, make: Callable[[], str | None], caption: str, *, themed: bool = False, nothing: str = "nothing to show"
) -> Picture:
    try:
        uri = make()
    except Exception as error:
        return Picture(title, "", caption, themed, f"{type(error).__name__}: {error}")
    return Picture(title, "" if uri is None else uri, caption, themed, nothing if uri is None else None)
