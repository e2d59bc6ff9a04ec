"""Small sets of images made by the tests, in every form that is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def pixels() -> Callable[..., np.ndarray]:
    """uint8 images `(n, height, width, channels)` of noise, the same for the same arguments."""

    def make(n=6, height=6, width=5, channels=1, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (n, height, width, channels)).astype(np.uint8)

    return make


@pytest.fixture
def save() -> Callable[[Path, np.ndarray], None]:
    """Write one image `(H, W, C)` under a path, folders included; the ending says the format."""

    def write(path, image):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)

    return write
