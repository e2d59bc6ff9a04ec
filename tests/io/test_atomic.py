"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from synthgen.errors import StorageError
from synthgen.io.atomic import atomic_file, remove_leftovers, sha256_of, write_bytes, write_text, written


def test_a_written_file_is_whole_and_described(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "grün")
    described = written(tmp_path, tmp_path / "a" / "b.txt", 3)
    expected = hashlib.sha256("grün".encode()).hexdigest()
    assert (described.path, described.sha256, described.bytes, described.records) == ("a/b.txt", expected, 5, 3)


def test_an_error_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    write_bytes(target, b"old")

    def fail() -> None:
        with atomic_file(target) as temporary:
            temporary.write_bytes(b"half")
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        fail()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_clear_sentence_and_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot write .*big\.bin: No space left on device"):
        write_bytes(small_disk / "big.bin", bytes(1 << 20))
    assert list(small_disk.iterdir()) == []


def test_a_place_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write_text(tmp_path / "file" / "below.txt", "x")


def test_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".tmp-abc").write_text("half")
    (tmp_path / "kept").write_text("whole")
    assert remove_leftovers(tmp_path) == 1
    assert sha256_of(tmp_path / "kept") == hashlib.sha256(b"whole").hexdigest()
