"""Folders of images: safe names and paths, guarded reading, atomic PNG files and tables that shards add up to."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from synthgen.api import WrittenFile
from synthgen.errors import DataError
from synthgen.io.atomic import atomic_file, write_bytes, write_text, written

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "ImageHeader",
    "class_folders",
    "csv_rows",
    "encode_png",
    "image_files",
    "load_image",
    "merge_parts",
    "open_image",
    "opened_image",
    "orientation",
    "read_header",
    "safe_join",
    "write_part",
    "write_png",
]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
"""File name endings, lower case, that count as images."""

MAX_PIXELS = 64_000_000
"""Images with more pixels are refused before they are decoded (decompression bombs)."""

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MODES = {
    **dict.fromkeys(("1", "L"), "L"),
    **dict.fromkeys(("P", "RGB", "CMYK", "YCbCr", "HSV", "LAB"), "RGB"),
    **dict.fromkeys(("RGBA", "RGBa", "LA", "La", "PA"), "RGBA"),
}
_SIDEWAYS = (5, 6, 7, 8)
_PARTS = ".parts"
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def class_folders(labels: Sequence[str]) -> dict[str, str]:
    """A safe folder name for every label: legal on every common file system, distinct also without regard to case.

    Letters, digits, spaces and `-_.,()+=` stay, all else is percent-encoded as in URLs: ordinary names are unchanged.
    """
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        name = "".join(c if c.isalnum() or c in " -_.,()+=@&'" else quote(c, safe="") for c in label)
        if not name or name[0] in ". " or name.split(".")[0].casefold() in _RESERVED:
            name = f"%{name}"
        if name[-1] in ". ":
            name += "%"
        digest = hashlib.sha256(label.encode()).hexdigest()[:8]
        if len(name.encode()) > 120:
            name = f"{name.encode()[:100].decode(errors='ignore').rstrip('. ')}%{digest}"
        if name.casefold() in taken:
            name = f"{name}%{digest}"
        taken.add(name.casefold())
        folders[label] = name
    return folders


def safe_join(directory: Path, relative: str) -> Path:
    """`directory / relative` for a path that comes from a data set.

    Raises:
        DataError: the path is absolute, leads out of the directory, holds a NUL, or is no name that the file system
            can hold: too long, or with halves of characters. A file that does not exist is no error.
    """
    if "\0" in relative or not relative.strip():
        raise DataError(f"{directory}: {relative!r} is not a file name")
    path = directory / relative.replace("\\", "/")
    try:
        inside = path.resolve().is_relative_to(directory.resolve())
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()  # resolve() lets a name pass that is too long, and is_file() raises on it later
    except (OSError, RuntimeError, UnicodeEncodeError) as error:  # a name too long, a link to itself, half a character
        raise DataError(f"{directory}: {relative[:80]!r} cannot be followed: {error}") from error
    if not inside:
        raise DataError(f"{directory}: the path {relative!r} leads out of the data set and is not followed")
    return path


def image_files(directory: Path) -> tuple[list[Path], list[Path]]:
    """All (images, other files) below a folder, sorted, by their endings; hidden files and folders are passed over."""
    images: list[Path] = []
    others: list[Path] = []
    for folder, folders, names in os.walk(directory, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(names):
            if not name.startswith("."):
                (images if Path(name).suffix.lower() in IMAGE_SUFFIXES else others).append(Path(folder, name))
    return images, others


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image's header says: size, Pillow mode, and whether a transparent colour is declared.

    The size is that of the upright image; `turned` where its pixels are stored otherwise, as cameras do.
    """

    width: int
    height: int
    mode: str
    transparent: bool
    turned: bool = False

    @classmethod
    def of(cls, image: Image.Image) -> ImageHeader:
        """Of an image as Pillow opened it."""
        turn = orientation(image)
        width, height = image.size[::-1] if turn in _SIDEWAYS else image.size
        return cls(width, height, image.mode, "transparency" in image.info, turn != 1)

    def natural_mode(self, name: str) -> str:
        """`"L"`, `"RGB"` or `"RGBA"`: the 8-bit mode that keeps all that the image holds; palettes become colours.

        Raises:
            DataError: more than 8 bits a channel.
        """
        if self.mode in ("P", "RGB") and self.transparent:
            return "RGBA"
        if self.mode not in _MODES:
            raise DataError(
                f"{name} has more than 8 bits a channel (mode {self.mode}), which cannot be read here",
                hint="Convert the images to 8 bits a channel first.",
            )
        return _MODES[self.mode]


def orientation(image: Image.Image) -> int:
    """How the pixels of an opened image are stored, as EXIF counts it: 1 upright, 2 to 8 mirrored or turned."""
    if "exif" not in image.info or image.format == "TIFF":  # which Pillow sets upright by itself
        return 1
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # what cameras and editors write there is often damaged, and nothing that an image needs
        return 1
    return int(turn) if turn in range(1, 9) else 1


def read_header(source: Path | bytes, *, name: str | None = None) -> ImageHeader:
    """Size and mode without decoding the pixels.

    Args:
        source: file, or the bytes of an encoded image.
        name: what to call it in errors; the path by default.

    Raises:
        DataError: missing, no image, or too large.
    """
    with opened_image(source, name) as image:
        return ImageHeader.of(image)


def load_image(source: Path | bytes, *, name: str | None = None, as_stored: bool = False) -> Image.Image:
    """A fully decoded Pillow image in its own mode; only common raster formats, never more than `MAX_PIXELS`.

    Args:
        source: file, or the bytes of an encoded image.
        name: what to call it in errors; the path by default.
        as_stored: do not set upright what a camera stored turned (EXIF's orientation).

    Raises:
        DataError: missing, no image, damaged, or too large.
    """
    with opened_image(source, name) as image:
        turn = 1 if as_stored else orientation(image)
        image.load()
        return image.copy() if turn == 1 else ImageOps.exif_transpose(image)


def open_image(source: Path | bytes, *, mode: str | None = None, name: str | None = None) -> NDArray[np.uint8]:
    """An image as uint8 `(H, W, C)` with C = 1, 3 or 4.

    Args:
        source: file, or the bytes of an encoded image.
        mode: `"L"`, `"RGB"` or `"RGBA"` to convert to; None keeps what it is (palettes become colours).
        name: what to call it in errors; the path by default.

    Raises:
        DataError: missing, no image, damaged, too large, or more than 8 bits a channel.
    """
    image = load_image(source, name=name)
    natural = ImageHeader.of(image).natural_mode(name or _name_of(source))
    pixels = np.asarray(image if image.mode == (mode or natural) else image.convert(mode or natural), dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


@contextmanager
def opened_image(source: Path | bytes, name: str | None) -> Iterator[Image.Image]:
    """A Pillow image, its header read; every way to fail becomes a `DataError`.

    Args:
        source: file, or the bytes of an encoded image.
        name: what to call it in errors; None: the path.
    """
    name = name or _name_of(source)
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise DataError(f"{name} is no ordinary file")  # a pipe would be waited for
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damage that we report, and of sizes that we limit
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(
                        f"{name} has {image.width} x {image.height} pixels, more than the {MAX_PIXELS:,} allowed"
                    )
                yield image
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"no file at {name}") from error
    except PermissionError as error:
        raise DataError(f"{name} cannot be read: permission denied") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{name} has far more than the {MAX_PIXELS:,} pixels allowed") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is not an image") from error
    except Exception as error:  # decoders raise what they like on damaged input
        raise DataError(f"{name} is a damaged image: {error}") from error


def _name_of(source: Path | bytes) -> str:
    return "an image" if isinstance(source, bytes) else str(source)


def encode_png(
    pixels: NDArray[Any], *, palette: Sequence[Sequence[int]] | None = None, text: Mapping[str, str] | None = None
) -> bytes:
    """Encode as PNG.

    Args:
        pixels: uint8 `(H, W)` or `(H, W, C)` with C = 1, 3, 4; or uint16 `(H, W)`.
        palette: for `(H, W)` class ids, the colours to show them in; the ids stay what they are.
        text: PNG text chunks.
    """
    squeezed = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(squeezed))
    if palette is not None:
        image = image.convert("L") if image.mode != "L" else image
        image.putpalette([int(value) for colour in palette for value in colour])
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_text(key, value)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def write_png(
    path: Path,
    pixels: NDArray[Any],
    *,
    palette: Sequence[Sequence[int]] | None = None,
    text: Mapping[str, str] | None = None,
) -> None:
    """Write a PNG file atomically; arguments as `encode_png`."""
    write_bytes(path, encode_png(pixels, palette=palette, text=text))


def csv_rows(columns: Mapping[str, Iterable[Any]]) -> str:
    """Columns as CSV, the header first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return buffer.getvalue()


def write_part(directory: Path, shard: int, shards: int, text: str, *, table: str, records: int) -> WrittenFile:
    """One shard's lines of a table that spans the data set, such as `metadata.csv`; `merge_parts` joins them."""
    path = _part(directory, shard, shards, table)
    write_text(path, text)
    return written(directory, path, records)


def merge_parts(directory: Path, shards: int, *, table: str, header_lines: int = 0) -> WrittenFile:
    """Join the parts of all shards into `directory / table`; the same again gives the same file.

    Args:
        directory: the data set.
        shards: how many parts there are.
        table: path of the table in the data set.
        header_lines: so many first lines of each part are its header, which the table has once.

    Raises:
        DataError: a part is missing.
    """
    rows = 0
    path = directory / table
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as target:
        for shard in range(shards):
            part = _part(directory, shard, shards, table)
            try:
                text = part.read_text(encoding="utf-8")
            except FileNotFoundError as error:
                raise DataError(f"{directory} is not complete: {part.name} is missing") from error
            lines = text.split("\n")  # not splitlines, which also cuts at characters that a name may hold
            target.write("\n".join(lines if shard == 0 else lines[header_lines:]))
            rows += len(lines) - 1 - header_lines
    return written(directory, path, rows)


def _part(directory: Path, shard: int, shards: int, table: str) -> Path:
    return directory / _PARTS / f"{table.replace('/', '-')}-{shard:05d}-of-{shards:05d}"
