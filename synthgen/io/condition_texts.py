"""The texts behind condition rows, beside them in `conditions.safetensors`, as nobody can read a vector.

caption          float32 (rows, size)     what the denoiser is told
text:caption     uint8 (bytes,)           the texts of all rows one after the other, UTF-8
ends:caption     int64 (rows,)            where each ends
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from synthgen.api import Schema
from synthgen.data.text_encoder import encoder_of
from synthgen.errors import RunError

__all__ = ["remembered", "with_texts"]

_TEXT, _ENDS = "text:", "ends:"


def with_texts(rows: Mapping[str, Tensor], schema: Schema) -> dict[str, Tensor]:
    """Condition rows and the texts of those that are text, to be saved."""
    kept = dict(rows)
    for attribute in schema.attributes:
        if attribute.kind == "text" and attribute.name in rows:
            texts = [text.encode() for text in encoder_of(attribute).texts_of(rows[attribute.name].cpu().numpy())]
            kept[_TEXT + attribute.name] = torch.frombuffer(bytearray(b"".join(texts) or b"\0"), dtype=torch.uint8)
            kept[_ENDS + attribute.name] = torch.from_numpy(np.cumsum([len(text) for text in texts], dtype=np.int64))
    return kept


def remembered(kept: Mapping[str, Tensor], schema: Schema) -> dict[str, Tensor]:
    """The inverse: the rows alone; the encoders know their texts from now on.

    Raises:
        RunError: the texts are damaged, or the encoder is not the one of training.
    """
    rows = dict(kept)
    for attribute in schema.attributes:
        if attribute.kind != "text" or attribute.name not in rows:
            continue
        try:
            content = rows.pop(_TEXT + attribute.name).numpy().tobytes()
            ends = rows.pop(_ENDS + attribute.name).tolist()
            texts = [content[begin:end].decode() for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
            encoder_of(attribute).remember(rows[attribute.name].numpy(), texts)
        except (KeyError, ValueError) as error:
            raise RunError(f"the texts of {attribute.name} in conditions.safetensors are damaged: {error}") from error
    return rows
