"""The demo set: scikit-learn's digits (UCI optical recognition of handwritten digits, test part)."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from synthgen.api import Records, Source
from synthgen.data.source import ArraySource
from synthgen_image.schema import image_schema

__all__ = ["digits"]


def digits() -> Source:
    """1,797 grey images of 8 x 8 pixels in ten classes; the values 0..16 become 0..255."""
    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    records = Records({"image": images}, bunch.target.astype(np.int64))
    schema = image_schema(height=8, width=8, mode="L", labels=[str(name) for name in bunch.target_names])
    return ArraySource(schema, records, notes=("1,797 handwritten digits, 8 x 8 grey, 10 classes (scikit-learn)",))
