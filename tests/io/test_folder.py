"""Folders: names that are safe everywhere, paths that stay inside, images that cannot harm, tables made of shards."""

from __future__ import annotations

import csv
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synthgen.errors import DataError, StorageError
from synthgen.io.folder import (
    class_folders,
    csv_rows,
    encode_png,
    image_files,
    merge_parts,
    open_image,
    read_header,
    safe_join,
    write_part,
    write_png,
)


def png_bytes(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


@given(st.lists(st.text(max_size=300), max_size=8, unique=True))
def test_class_folders_are_single_safe_and_distinct_path_parts(labels):
    folders = class_folders(labels)
    names = list(folders.values())
    assert list(folders) == labels
    assert len({name.casefold() for name in names}) == len(labels)
    for name in names:
        assert 0 < len(name.encode()) < 200
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert name == name.strip(". ")


def test_ordinary_class_names_are_folder_names_unchanged():
    assert class_folders(["0", "cat", "T-shirt", "großer Hund"]) == {
        "0": "0",
        "cat": "cat",
        "T-shirt": "T-shirt",
        "großer Hund": "großer Hund",
    }


def test_class_names_that_differ_in_case_only_get_folders_that_differ_otherwise():
    folders = class_folders(["a", "A", "CON", ".."])
    assert folders["a"] == "a"
    assert folders["A"] != "A"
    assert folders["CON"] not in ("CON", "con")
    assert folders[".."] not in ("..", ".")


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png", "..\\..\\b.png", "", "a\0b"])
def test_a_path_of_a_data_set_cannot_leave_it(tmp_path, path):
    with pytest.raises(DataError):
        safe_join(tmp_path, path)


def test_a_symlink_out_of_the_data_set_is_not_followed(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "outside.png").write_bytes(b"x")
    (tmp_path / "set" / "link.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(DataError, match="leads out"):
        safe_join(tmp_path / "set", "link.png")


def test_a_path_inside_is_joined(tmp_path):
    assert safe_join(tmp_path, "cat/1.png") == tmp_path / "cat/1.png"


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_png_keeps_every_pixel(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    write_png(tmp_path / "x.png", pixels, text={"synthetic": "yes"})
    again = open_image(tmp_path / "x.png")
    np.testing.assert_array_equal(again, pixels.reshape(5, 7, -1))
    with Image.open(tmp_path / "x.png") as image:
        assert image.text == {"synthetic": "yes"}


def test_png_with_palette_keeps_the_class_ids(tmp_path):
    ids = np.array([[0, 1], [2, 1]], dtype=np.uint8)
    write_png(tmp_path / "m.png", ids, palette=[(0, 0, 0), (255, 0, 0), (0, 255, 0)])
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), ids)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB"))[0, 1], [255, 0, 0])


def test_16_bit_ids_survive_in_png():
    ids = np.array([[0, 300], [65535, 7]], dtype=np.uint16)
    with Image.open(io.BytesIO(encode_png(ids))) as image:
        np.testing.assert_array_equal(np.asarray(image), ids)


def test_a_palette_becomes_colours_and_a_transparent_one_gets_alpha():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    np.testing.assert_array_equal(open_image(png_bytes(image))[0], [[10, 20, 30], [200, 100, 50]])
    transparent = open_image(png_bytes(image, transparency=0))
    np.testing.assert_array_equal(transparent[0], [[10, 20, 30, 0], [200, 100, 50, 255]])


def test_16_bit_images_are_refused_in_one_sentence():
    data = encode_png(np.zeros((2, 2), dtype=np.uint16))
    with pytest.raises(DataError, match="more than 8 bits a channel"):
        open_image(data, name="deep.png")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" + b"\0" * 50])
def test_what_is_no_image_is_a_data_error_that_names_it(data):
    with pytest.raises(DataError, match=r"broken\.png"):
        open_image(data, name="broken.png")


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_truncated_image_is_a_data_error(kept):
    data = encode_png(np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8))
    with pytest.raises(DataError):
        open_image(data[: int(len(data) * kept)])


def test_a_decompression_bomb_is_refused_from_its_header():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    bomb = b"\x89PNG\r\n\x1a\n" + body
    for read in (read_header, open_image):
        with pytest.raises(DataError, match="pixels"):
            read(bomb, name="bomb.png")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no file at .*gone\.png"):
        open_image(tmp_path / "gone.png")


def test_images_are_listed_below_a_folder_without_hidden_ones(tmp_path):
    for name in ("b/2.PNG", "a/1.jpg", "a/note.txt", ".cache/3.png", "a/.4.png", "__MACOSX/5.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    images, others = image_files(tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in images] == ["a/1.jpg", "b/2.PNG"]
    assert [file.name for file in others] == ["note.txt"]


def test_the_parts_of_all_shards_become_one_table_and_again_the_same(tmp_path):
    names = [["a\u2028b", "c,d"], ["e"]]
    for shard, rows in enumerate(names):
        text = csv_rows({"file_name": rows, "label": range(len(rows))})
        write_part(tmp_path, shard, 2, text, table="train/metadata.csv", records=len(rows))
    first = merge_parts(tmp_path, 2, table="train/metadata.csv", header_lines=1)
    assert merge_parts(tmp_path, 2, table="train/metadata.csv", header_lines=1) == first
    with (tmp_path / "train/metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["file_name", "label"], ["a\u2028b", "0"], ["c,d", "1"], ["e", "0"]]
    assert first.records == 3


def test_a_table_with_a_missing_part_is_not_written(tmp_path):
    write_part(tmp_path, 0, 2, csv_rows({"file_name": ["a"]}), table="metadata.csv", records=1)
    with pytest.raises(DataError, match="not complete"):
        merge_parts(tmp_path, 2, table="metadata.csv", header_lines=1)
    assert not (tmp_path / "metadata.csv").exists()


def test_a_png_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        write_png(tmp_path / "file" / "x.png", np.zeros((2, 2), dtype=np.uint8))
