"""Images with masks that follow from no record: what a private training learns its scaling from."""

from __future__ import annotations

import numpy as np

from synthgen.api import Records, Schema, Source
from synthgen.data.source import ArraySource
from synthgen.seeding import generator
from synthgen_mask.classes import IGNORE, classes_of

__all__ = ["invent"]

_RECORDS, _MOST_VALUES = 1_000, 2**26


def invent(schema: Schema, *, seed: int) -> Source:
    """8-bit noise over all grey levels beside masks of some of the classes, each class as likely as the others.

    Every second image has one level a channel, so that the largest distance is that of the range.
    """
    draws, (height, width) = generator(seed, "invented-masks"), schema.shape[1:]
    bands, ids = len(schema.channels) - 1, np.array([entry.id for entry in classes_of(schema)])
    count = int(np.clip(_MOST_VALUES // (height * width * (bands + 1)), 50, _RECORDS))
    image = draws.integers(0, 256, (count, height, width, bands), dtype=np.uint8)
    image[1::2] = image[1::2, :1, :1]
    mask = np.empty((count, height, width), dtype=np.uint8 if ids.max() <= IGNORE else np.uint16)
    for one in mask:
        present = draws.permutation(ids)[: draws.integers(1, len(ids) + 1)]
        one[:] = draws.choice(present, one.shape)
    label = np.arange(count, dtype=np.int64) % len(schema.labels) if schema.labels else None
    return ArraySource(schema, Records({"image": image, "mask": mask}, label))
