"""A judge of images without classes: the small CNN predicts an attribute, members or a number."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional as F

from synthgen.api import Attribute, Outcome, Records, Schema
from synthgen.data.attribute_outcome import MemberOutcome, NumberOutcome
from synthgen.errors import DataError
from synthgen_image.classifier import Classifier
from synthgen_image.schema import Pixels

__all__ = ["AttributeJudge", "judged_attribute"]

_KINDS = ("members", "number")


def judged_attribute(schema: Schema) -> Attribute | None:
    """The first attribute that is members or a number; None where there is none."""
    return next((item for item in schema.attributes if item.kind in _KINDS and not item.derived), None)


class AttributeJudge:
    """The CNN of `synthgen_image.classifier` with one output a member, or one for a number.

    Records whose attribute is unknown are neither learnt from nor judged.

    Args:
        attribute: what is predicted.
        seed: of the training.
    """

    def __init__(self, attribute: Attribute, *, seed: int) -> None:
        self._attribute = attribute
        self._members = attribute.kind == "members"
        self.measure = "mean_ap" if self._members else "r2"
        self._network = Classifier(
            classes=len(attribute.values) if self._members else 1,
            seed=seed,
            loss=F.binary_cross_entropy_with_logits if self._members else F.mse_loss,
        )
        self._centre, self._spread = 0.0, 1.0

    def fit(self, records: Records) -> Self:
        """Train from scratch."""
        images, truth = self._known(records)
        if not self._members:
            self._centre, self._spread = float(truth.mean()), float(truth.std()) or 1.0
            truth = ((truth - self._centre) / self._spread)[:, None]
        self._network.fit(images, truth.astype(np.float32))
        return self

    def evaluate(self, records: Records) -> Outcome:
        """Predict and compare."""
        images, truth = self._known(records)
        answer = self._network.outputs(images)
        if self._members:
            return MemberOutcome(truth.astype(np.int8), answer, self._attribute.values)
        return NumberOutcome(truth, answer[:, 0].astype(np.float64) * self._spread + self._centre)

    def _known(self, records: Records) -> tuple[Pixels, NDArray[np.float64]]:
        values = np.asarray(records[self._attribute.name], dtype=np.float64)
        if self._attribute.logarithmic:
            values = np.log(np.where(values > 0, values, np.nan))
        rows = (values >= 0).all(axis=1) if self._members else ~np.isnan(values)
        if not rows.any():
            raise DataError(f"no image says what its {self._attribute.name} is")
        return records["image"][rows], values[rows]
