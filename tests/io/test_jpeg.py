"""Generated images take the way through JPEG files that the real ones took, and no other."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from synthgen.api import Records
from synthgen.config import DataConfig
from synthgen.data.opening import open_source, relabel
from synthgen.io.jpeg import JpegFiles


def _photos(count: int, size: int = 32) -> np.ndarray:
    """Patches of a photograph, uint8 `(n, size, size, 3)`."""
    photo = load_sample_images().images[0]
    rng = np.random.default_rng(0)
    corners = [(rng.integers(0, 427 - size), rng.integers(0, 640 - size)) for _ in range(count)]
    return np.stack([photo[y : y + size, x : x + size] for y, x in corners])


def _jpeg(image: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("quality", "subsampling"), [(35, 0), (75, 2), (92, 1)])
def test_records_come_back_as_pillow_compresses_them_at_the_files_own_quality(quality: int, subsampling: int) -> None:
    real, generated = _photos(6), _photos(12)[6:]
    files = [("file", _jpeg(image, quality=quality, subsampling=subsampling)) for image in real]
    stored, said = JpegFiles(lambda: files, height=32, width=32)(Records({"image": generated}))
    compressed = [_jpeg(image, quality=quality, subsampling=subsampling) for image in generated]
    expected = [np.asarray(Image.open(io.BytesIO(data))) for data in compressed]
    np.testing.assert_array_equal(stored["image"], np.stack(expected))
    assert "JPEG" in said


def test_a_mixed_set_stays_mixed_and_a_seed_draws_the_same_files_again() -> None:
    real = _photos(40)
    png = io.BytesIO()
    Image.fromarray(real[0]).save(png, "PNG")
    files = [("jpeg", _jpeg(image, quality=20)) for image in real[:20]] + [("png", png.getvalue())] * 20
    through = JpegFiles(lambda: files, height=32, width=32)
    records = Records({"image": _photos(200)})
    stored, said = through(records, seed=3)
    changed = np.any(stored["image"] != records["image"], axis=(1, 2, 3)).mean()
    assert 0.35 < changed < 0.65
    assert "20 of 40" in said
    np.testing.assert_array_equal(stored["image"], through(records, seed=3)[0]["image"])


def test_files_that_were_reduced_and_other_formats_change_nothing() -> None:
    large = [("file", _jpeg(image, quality=20)) for image in _photos(4, size=64)]
    records = Records({"image": _photos(5)})
    stored, said = JpegFiles(lambda: [*large, ("damaged", b"no image")], height=32, width=32)(records)
    assert stored is records
    assert said == ""


def test_files_that_a_camera_stored_turned_are_not_counted() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = [("file", _jpeg(image, quality=20, exif=exif)) for image in _photos(4)]
    records = Records({"image": _photos(5)})
    assert JpegFiles(lambda: turned, height=32, width=32)(records) == (records, "")


def test_a_folder_of_jpeg_images_says_what_storing_does_also_under_other_label_names(tmp_path: Path) -> None:
    for number, image in enumerate(_photos(12)):
        folder = tmp_path / f"class-{number % 2}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(_jpeg(image, quality=30))
    source = open_source("image", DataConfig(path=str(tmp_path)))
    generated = Records({"image": _photos(3)})
    for one in (source, relabel(source, source.schema)):
        stored, said = one.through_file(generated)  # type: ignore[attr-defined]
        assert said
        assert np.any(stored["image"] != generated["image"])
