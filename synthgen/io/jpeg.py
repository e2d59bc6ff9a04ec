"""The way of records through JPEG files like those that the real images come from.

JPEG leaves blocks and ringing. A probe of generated images, which no file has compressed, finds that and nothing else
(Parmar et al. 2022, "On aliased resizing and surprising subtleties in GAN evaluation", arXiv:2104.11222). So they are
compressed once with the real files' own quantisation tables and chroma subsampling, and decoded again.

Only what the real images went through is repeated: files that were reduced to the model's size lost most of their
artefacts on the way, other formats have none. A record takes the tables of one of the files looked at, drawn by its
position, so that sets of mixed quality and mixed formats stay mixed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from synthgen.api import Records
from synthgen.errors import DataError
from synthgen.io.folder import opened_image, orientation
from synthgen.seeding import generator

__all__ = ["MOST_FILES", "JpegFiles"]

MOST_FILES = 256
"""Files whose headers are looked at."""

_CHANNELS = (1, 3)


@dataclass(frozen=True)
class _Law:
    """How one JPEG file was compressed: quantisation tables, and Pillow's number of the subsampling (-1: of grey)."""

    tables: Mapping[int, Sequence[int]]
    subsampling: int

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Encode and decode `(H, W, C)`."""
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        buffer = io.BytesIO()
        subsampling = {} if self.subsampling < 0 or pixels.shape[2] == 1 else {"subsampling": self.subsampling}
        picture.save(buffer, "JPEG", qtables=self.tables, **subsampling)
        with Image.open(buffer, formats=("JPEG",)) as stored:
            return np.asarray(stored, dtype=np.uint8).reshape(pixels.shape)


class JpegFiles:
    """Takes records through JPEG as some of the real files did; a source's `through_file`.

    Args:
        files: some of the real images as (what to call it, file or bytes), looked at on the first call.
        height, width: of the records; files of another size were resized and are not counted.
        column: of the images, uint8 `(N, H, W, C)`.
    """

    def __init__(
        self,
        files: Callable[[], Iterable[tuple[str, Path | bytes | None]]],
        *,
        height: int,
        width: int,
        column: str = "image",
    ) -> None:
        self._files, self._size, self._column = files, (width, height), column
        self._laws: list[_Law | None] | None = None

    def __call__(self, records: Records, *, seed: int = 0) -> tuple[Records, str]:
        """The records as files like the real ones would give them back, and a sentence for the reader.

        The sentence is empty, and the records are what they were, where no real file of this size is a JPEG.
        """
        images = records[self._column]
        laws = self._found()
        compressed = sum(law is not None for law in laws)
        if not compressed or images.dtype != np.uint8 or images.shape[-1] not in _CHANNELS:
            return records, ""
        drawn = generator(seed, "jpeg").integers(0, len(laws), len(images))
        through = np.stack(
            [image if (law := laws[k]) is None else law.apply(image) for image, k in zip(images, drawn, strict=True)]
        )
        share = f"{compressed} of {len(laws)} that were looked at" if compressed < len(laws) else "all looked at"
        return (
            replace(records, columns={**records.columns, self._column: through}),
            f"the real images are JPEG files ({share}): the synthetic ones were compressed once with the same tables",
        )

    def _found(self) -> list[_Law | None]:
        if self._laws is None:
            self._laws = [self._law(name, file) for name, file in self._files() if file is not None]
        return self._laws

    def _law(self, name: str, file: Path | bytes) -> _Law | None:
        try:
            with opened_image(file, name) as image:
                if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.size != self._size:
                    return None
                if orientation(image) != 1:  # the blocks are turned, and cut elsewhere
                    return None
                tables = {number: [int(value) for value in table] for number, table in image.quantization.items()}
                return _Law(tables, JpegImagePlugin.get_sampling(image))
        except DataError:
            return None
