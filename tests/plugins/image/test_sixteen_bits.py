"""Images of 16 bits a channel and of many bands: read, encoded, learnt and written without losing a level."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits
from synthgen_image.codec import ImageCodec
from synthgen_image.folder_reader import FolderReader
from synthgen_image.modality import ImageModality
from synthgen_image.npz_reader import NpzReader
from synthgen_image.parquet_reader import ParquetReader
from synthgen_image.schema import image_schema
from synthgen_image.writers import FolderWriter, ParquetWriter

import synthgen
from synthgen.api import Records
from synthgen.config import DataConfig
from synthgen.errors import DataError

FORMS = [(ParquetWriter, ParquetReader), (FolderWriter, FolderReader)]


def deep(n=6, height=6, width=5, channels=1, high=65_536, seed=0):
    """uint16 images `(n, height, width, channels)` of noise."""
    return np.random.default_rng(seed).integers(0, high, (n, height, width, channels)).astype(np.uint16)


def schema_of(channels, *, bits=16, labels=("a", "b"), **size):
    mode = {1: "L", 3: "RGB"}.get(channels, "bands")
    return image_schema(**{"height": 6, "width": 5, **size}, mode=mode, bands=channels, bits=bits, labels=labels)


def read(reader, path, **options):
    assert reader().accepts(path)
    return reader().read(path, DataConfig(path=str(path), **options))


def all_of(source):
    return source.read(np.arange(len(source)))["image"]


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_the_codec_returns_every_level_and_so_does_its_state(channels):
    images = deep(40, channels=channels)
    images[0, 0, :2, 0] = 0, 65_535
    schema = schema_of(channels, labels=())
    codec = ImageCodec(schema).fit([Records({"image": images[:20]}), Records({"image": images[20:]})])
    again = ImageCodec(schema).load_state(*codec.state())
    for each in (codec, again):
        decoded = each.decode(each.encode(Records({"image": images})).x, {})["image"]
        assert decoded.dtype == np.uint16
        np.testing.assert_array_equal(decoded, images)
    x = codec.encode(Records({"image": images})).x.double()
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.full((channels,), 0.5).double())
    for extreme in (1e9, -1e9, float("nan")):
        assert codec.decode(torch.full((1, channels, 6, 5), extreme), {})["image"].dtype == np.uint16


def test_twelve_bits_in_sixteen_are_decoded_to_the_levels_in_use():
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 300, (40, 40, 40, 1)) * 16).astype(np.uint16)
    codec = ImageCodec(schema_of(1, height=40, width=40, labels=())).fit([Records({"image": images})])
    noise = codec.encode(Records({"image": images})).x + 0.05 * torch.randn(40, 1, 40, 40)
    decoded = codec.decode(noise, {})["image"]
    assert set(np.unique(decoded)) <= set(np.unique(images))
    assert len(np.unique(decoded)) > 250


def test_the_codec_refuses_images_of_other_bits():
    codec = ImageCodec(schema_of(1))
    with pytest.raises(DataError, match=r"uint8.*uint16") as caught:
        codec.encode(Records({"image": deep().astype(np.uint8)}))
    assert "16 bits" in caught.value.hint


@pytest.mark.parametrize(("writer", "reader"), FORMS)
@pytest.mark.parametrize(("channels", "bits"), [(1, 16), (3, 16), (4, 16), (13, 16), (5, 8)])
def test_what_was_written_is_read_back_exactly(tmp_path, writer, reader, channels, bits):
    images = deep(8, channels=channels, high=2**bits).astype(np.uint16 if bits == 16 else np.uint8)
    schema = schema_of(channels, bits=bits)
    records = Records({"image": images}, np.arange(8) % 2)
    columns = {"sample_id": np.arange(8), "seed": np.zeros(8, np.uint64)}
    files = writer().write(tmp_path, 0, 1, records, columns, schema, {})
    if finish := getattr(writer(), "finish", None):
        files += finish(tmp_path, schema, 1)
    source = read(reader, tmp_path)
    found = all_of(source)
    assert found.dtype == images.dtype
    assert source.schema.labels == ("a", "b")
    np.testing.assert_array_equal(found, images)
    assert source.schema.extra.get("bits", 8) == bits
    assert [channel.name for channel in source.schema.channels] == [channel.name for channel in schema.channels]


def test_the_cells_of_many_bands_are_what_numpy_loads(tmp_path):
    images = deep(2, channels=6)
    records = Records({"image": images}, np.array([0, 1]))
    ParquetWriter().write(tmp_path, 0, 1, records, {"sample_id": np.arange(2)}, schema_of(6), {})
    (file,) = (tmp_path / "data").iterdir()
    cells = pq.read_table(file)["image"].to_pylist()
    features = datasets.Features.from_arrow_schema(pq.read_schema(file))
    assert features["image"]["bytes"] == datasets.Value("binary")
    np.testing.assert_array_equal(np.load(io.BytesIO(cells[1]["bytes"]), allow_pickle=False), images[1])


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_files_of_16_bits_keep_every_level_and_their_range_is_said(tmp_path, ending):
    images = deep(4, high=4096)
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number}.{ending}")
    source = read(FolderReader, tmp_path)
    np.testing.assert_array_equal(all_of(source), images)
    (channel,) = source.schema.channels
    assert (channel.low, channel.high) == (images.min(), images.max())
    assert "16 bits a channel" in source.notes[0]


def test_a_big_endian_tiff_is_read_as_what_it_means(tmp_path):
    image = deep(1)[0, ..., 0]
    Image.frombytes("I;16B", (5, 6), image.astype(">u2").tobytes()).save(tmp_path / "x.tif")
    np.testing.assert_array_equal(all_of(read(FolderReader, tmp_path))[0, ..., 0], image)


def test_deep_images_are_resized_at_their_own_depth(tmp_path):
    row = np.linspace(0, 60_000, 32).astype(np.uint16)
    np.savez(tmp_path / "x.npz", X=np.tile(row, (3, 32, 1)))
    (small, *_) = all_of(read(NpzReader, tmp_path / "x.npz", image_size=8))
    expected = row.reshape(8, 4).mean(1)
    np.testing.assert_allclose(small[4, 1:-1, 0], expected[1:-1], rtol=0, atol=150)


def test_arrays_of_any_number_of_bands_and_either_layout(tmp_path):
    images = deep(5, 9, 8, 4)
    np.savez(tmp_path / "last.npz", X=images, y=[0, 1, 0, 1, 0])
    np.savez(tmp_path / "first.npz", X=np.moveaxis(deep(5, 9, 8, 6), 3, 1))
    source = read(NpzReader, tmp_path / "last.npz")
    assert [channel.name for channel in source.schema.channels] == [f"band_{k}" for k in (1, 2, 3, 4)]
    np.testing.assert_array_equal(all_of(source), images)
    other = read(NpzReader, tmp_path / "first.npz")
    np.testing.assert_array_equal(all_of(other), deep(5, 9, 8, 6))
    assert any("second axis, of 6" in note for note in other.notes)


def test_other_whole_numbers_above_255_are_kept_and_it_is_said(tmp_path):
    images = deep(3, high=3000).astype(np.int32)
    np.savez(tmp_path / "x.npz", X=images)
    source = read(NpzReader, tmp_path / "x.npz")
    np.testing.assert_array_equal(all_of(source), images)
    assert any("kept at 16 bits" in note for note in source.notes)


def test_a_folder_of_8_and_16_bits_is_refused_with_the_counts(tmp_path):
    Image.fromarray(deep(1)[0, ..., 0]).save(tmp_path / "a.png")
    for name in "bc":
        Image.fromarray(deep(1, high=256)[0, ..., 0].astype(np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(DataError, match="mixes 2 grey and 1 16-bit grey images"):
        read(FolderReader, tmp_path)


def test_16_bits_are_not_turned_into_another_mode(tmp_path):
    np.savez(tmp_path / "x.npz", X=deep(3))
    with pytest.raises(DataError, match="16-bit grey and are not converted to rgb"):
        read(NpzReader, tmp_path / "x.npz", image_mode="rgb")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), np.float32), "holds float32"),
        (np.zeros((4, 4), np.int16), "holds int16"),
        (np.array([[None]]), "holds object"),
        (np.zeros(16, np.uint16), "has shape"),
        (np.zeros((2, 2, 2000), np.uint16), "at most 1024"),
    ],
)
def test_arrays_that_are_no_images_are_refused_by_their_header(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        read(FolderReader, tmp_path)


def test_an_array_shorter_than_it_says_is_damage_and_named(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((60, 60, 5), np.uint16))
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:2000])
    with pytest.raises(DataError, match=r"x\.npy is shorter than its header says"):
        read(FolderReader, tmp_path)


def colour_tiff(image):
    """A little-endian TIFF, uncompressed, one strip, of `(H, W, C)` uint16."""
    height, width, bands = image.shape
    data = image.astype("<u2").tobytes()
    entries = [(256, 4, 1, width), (257, 4, 1, height), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, bands)]
    entries += [(278, 4, 1, height), (279, 4, 1, len(data)), (284, 3, 1, 1), (338, 3, bands - 1, 0)]
    table = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries += [(258, 3, bands, table), (273, 4, 1, table + 4 * bands)]
    entries[8] = (338, 3, bands - 1, table + 2 * bands)
    body = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    lists = struct.pack(f"<{bands}H", *[16] * bands) + bytes(2 * bands)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + lists + data


@pytest.fixture
def many_bands(tmp_path):
    images = deep(3, channels=6)
    for number, image in enumerate(images):
        (tmp_path / f"{number}.tif").write_bytes(colour_tiff(image))
    return images


def test_a_tiff_of_many_bands_is_read(tmp_path, many_bands):
    np.testing.assert_array_equal(all_of(read(FolderReader, tmp_path)), many_bands)


@pytest.mark.usefixtures("many_bands")
def test_without_tifffile_a_tiff_of_many_bands_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(DataError, match="several channels") as caught:
        read(FolderReader, tmp_path)
    assert "synthgen[tiff]" in caught.value.hint


def test_colour_png_of_16_bits_is_read_at_8_and_it_is_said(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in deep(1, channels=3)[0].astype(">u2"))
    header = struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    source = read(FolderReader, tmp_path)
    assert all_of(source).dtype == np.uint8
    assert any("16 bits a channel, of which 8 are read" in note for note in source.notes)


@pytest.mark.parametrize(("channels", "bits"), [(1, 16), (2, 16), (3, 16), (8, 16), (2, 8)])
def test_pictures_and_features_scale_by_the_range_of_the_data(tmp_path, channels, bits):
    np.savez(tmp_path / "x.npz", X=deep(30, 12, 11, channels, high=250).astype(f"uint{bits}"), y=np.arange(30) % 2)
    source = read(NpzReader, tmp_path / "x.npz")
    records, modality = source.read(np.arange(30)), ImageModality()
    top = records["image"].max((0, 1, 2)).max() if bits == 16 else 255
    assert modality.flatten(records, source.schema).max() == pytest.approx(records["image"].max() / top, abs=0.02)
    figure = modality.overview(records, records, source.schema)
    modality.draw(Figure().subplots(), records, 0, source.schema, heat=np.zeros((12, 11)))
    assert isinstance(figure, Figure)
    shown = np.asarray(figure.axes[0].images[0].get_array(), dtype=float)[:12, :11]
    if bits == 16:
        assert shown.max() > 0.9
        assert shown.min() < 0.1
    judge = modality.judge(source.schema, seed=0, kind="svm").fit(records)
    assert 0 <= judge.evaluate(records).value() <= 1
    embedder = modality.embedder(schema_of(channels, bits=bits, labels=(), height=12, width=11), seed=0)
    assert np.isfinite(embedder.fit(records).transform(records)).all()


def test_a_run_on_16_bit_digits_makes_values_above_255_that_are_read_back(tmp_path):
    digits = load_digits()
    images = (digits.images[:300] * 250 + 96).astype(np.uint16)
    np.savez(tmp_path / "digits.npz", X=images, y=digits.target[:300])
    overrides = {"train": {"samples": 4000}, "network": {"width": 16, "blocks": 1}, "sampling": {"steps": 6}}
    run = synthgen.train(overrides, modality="image", data=tmp_path / "digits.npz", out=tmp_path / "run")
    assert run.schema.extra["bits"] == 16
    synthgen.generate(run, n=40, seed=1, out=tmp_path / "made")
    found = all_of(read(ParquetReader, tmp_path / "made"))
    assert found.dtype == np.uint16
    assert found.shape == (40, 8, 8, 1)
    assert found.max() > 255
    assert set(np.unique(found)) <= set(np.unique(images))
