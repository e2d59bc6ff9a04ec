"""The schema of images: modes, channel names and class labels."""

from __future__ import annotations

from collections.abc import Sequence

from synthgen.api import Channel, Condition, Schema

__all__ = ["CHANNELS", "MODE_NAMES", "image_schema"]

CHANNELS = {"L": ("grey",), "RGB": ("red", "green", "blue"), "RGBA": ("red", "green", "blue", "alpha")}
"""Channel names by Pillow mode, poorest mode first."""

MODE_NAMES = {"L": "grey", "RGB": "rgb", "RGBA": "rgba"}
"""What `data.image_mode` calls a Pillow mode."""


def image_schema(
    *, height: int, width: int, mode: str, labels: Sequence[str] = (), label_column: str = "label"
) -> Schema:
    """Schema of 8-bit images of one size and Pillow mode (`"L"`, `"RGB"`, `"RGBA"`)."""
    names = CHANNELS[mode]
    return Schema(
        modality="image",
        shape=(len(names), height, width),
        channels=tuple(Channel(name, "integer", low=0.0, high=255.0) for name in names),
        labels=tuple(labels),
        label_column=label_column,
        conditions=(Condition("label", "class", len(labels)),) if labels else (),
        extra={"mode": MODE_NAMES[mode]},
    )
