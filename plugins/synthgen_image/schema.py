"""The schema of images: forms of pixels, channel names, class labels, and the range that pictures are scaled by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Channel, Condition, Schema

__all__ = [
    "CHANNELS",
    "MODE_NAMES",
    "NARROW",
    "PLAIN_FORMS",
    "Form",
    "Pixels",
    "bits_of",
    "dtype_of",
    "image_schema",
    "largest_values",
    "scaled",
    "with_range",
]

CHANNELS = {"L": ("grey",), "RGB": ("red", "green", "blue"), "RGBA": ("red", "green", "blue", "alpha")}
"""Channel names by Pillow mode, poorest mode first."""

MODE_NAMES = {"L": "grey", "RGB": "rgb", "RGBA": "rgba", "bands": "multi-band"}
"""What `data.image_mode` and users call a mode."""

NARROW, _WIDE = 8, 16

Pixels: TypeAlias = "NDArray[np.unsignedinteger[Any]]"
"""Images as they are held: uint8, or uint16 where they have 16 bits a channel."""


@dataclass(frozen=True)
class Form:
    """What the pixels of an image are: a mode of `MODE_NAMES`, the number of channels, 8 or 16 bits each."""

    mode: str
    channels: int
    bits: int = NARROW

    @classmethod
    def of_array(cls, channels: int, dtype: np.dtype[np.generic]) -> Form:
        """The form of an array of uint8 or uint16 with so many channels; four of 16 bits are bands, not alpha."""
        wide = dtype != np.uint8
        modes = {len(names): mode for mode, names in CHANNELS.items() if not (wide and mode == "RGBA")}
        return cls(modes.get(channels, "bands"), channels, _WIDE if wide else NARROW)

    @property
    def plain(self) -> bool:
        """Whether Pillow has a mode for it, so that it can be converted to another such form."""
        return self.bits == NARROW and self.mode in CHANNELS

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Of one value."""
        return np.dtype(np.uint8 if self.bits == NARROW else np.uint16)

    @property
    def text(self) -> str:
        """For messages, such as `rgb` or `16-bit grey`."""
        name = MODE_NAMES[self.mode] if self.mode != "bands" else f"{self.channels}-band"
        return name if self.plain else f"{self.bits}-bit {name}"


PLAIN_FORMS = tuple(Form(mode, len(names)) for mode, names in CHANNELS.items())
"""The forms that Pillow converts into each other, poorest first."""


def image_schema(
    *,
    height: int,
    width: int,
    mode: str,
    labels: Sequence[str] = (),
    label_column: str = "label",
    bits: int = NARROW,
    bands: int | None = None,
) -> Schema:
    """Schema of images of one size.

    Args:
        height, width: in pixels.
        mode: `"L"`, `"RGB"`, `"RGBA"`, or `"bands"`.
        labels: class names.
        label_column: what the label is called.
        bits: of a channel, 8 or 16.
        bands: number of channels of the mode `"bands"`.
    """
    names = CHANNELS.get(mode) or tuple(f"band_{number + 1}" for number in range(bands or 1))
    return Schema(
        modality="image",
        shape=(len(names), height, width),
        channels=tuple(Channel(name, "integer", low=0.0, high=float(2**bits - 1)) for name in names),
        labels=tuple(labels),
        label_column=label_column,
        conditions=(Condition("label", "class", len(labels)),) if labels else (),
        extra={"mode": MODE_NAMES[mode]} | ({} if bits == NARROW else {"bits": bits}),
    )


def with_range(schema: Schema, pixels: Pixels) -> Schema:
    """The range of 16-bit channels as images `(N, H, W, C)` have it: 12-bit data would be black on the whole scale."""
    if bits_of(schema) == NARROW or not pixels.size:
        return schema
    ends = zip(pixels.min((0, 1, 2)).tolist(), pixels.max((0, 1, 2)).tolist(), strict=True)
    channels = [
        Channel(channel.name, "integer", low=float(low), high=float(high))
        for channel, (low, high) in zip(schema.channels, ends, strict=True)
    ]
    return replace(schema, channels=tuple(channels))


def bits_of(schema: Schema) -> int:
    """Bits a channel; 8 where the schema does not say."""
    return int(schema.extra.get("bits", NARROW))


def dtype_of(schema: Schema) -> np.dtype[np.unsignedinteger[Any]]:
    """Of the column `image`."""
    return np.dtype(np.uint8 if bits_of(schema) == NARROW else np.uint16)


def largest_values(schema: Schema) -> NDArray[np.float32]:
    """float32 `(C,)`: what becomes 1 where pixels are scaled, 255 for 8 bits, the largest value seen for 16."""
    most = float(2 ** bits_of(schema) - 1)
    if bits_of(schema) == NARROW:
        return np.full(schema.shape[0], most, dtype=np.float32)
    return np.array([channel.high or most for channel in schema.channels], dtype=np.float32)


def scaled(images: Pixels, schema: Schema) -> NDArray[np.float32]:
    """Images `(..., C)` as float32, 0 to `largest_values` as 0..1."""
    result: NDArray[np.float32] = images.astype(np.float32) * (np.float32(1) / largest_values(schema))
    return result
