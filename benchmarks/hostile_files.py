"""A thousand damaged or hostile files through every reader, the run loader, `verify` and the configuration.

    python benchmarks/hostile_files.py                       # 1,000 files, seed 0
    python benchmarks/hostile_files.py --count 200 --seed 7

Every case starts from a valid file or folder of one format, of which a random file is mutated, or is one that was made
to do harm: bombs, absurd shapes, paths that lead out, links, pipes, endless strings, wrong types, floods of NaN. What
must come back is records, or a `SynthgenError`; counted are

    traceback     any other exception
    hang          more than the time allowed, or a process that died
    silent loss   fewer records than the file holds, and no note that says so

With `--keep DIR` every failing file is copied there.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import traceback
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from synthgen.config import DataConfig
from synthgen.config.toml import load_toml
from synthgen.data.opening import open_source
from synthgen.errors import SynthgenError

RECORDS = 24
SECONDS = 120
MEMORY = 8 << 30

Build = Callable[[Path, random.Random], Path]


@dataclass(frozen=True)
class Kind:
    """A valid input and how it is opened.

    Args:
        name: modality and format.
        build: writes it into a directory; returns the path that is opened.
        opens: `(path) -> (records, notes)`.
        records: that it holds; None where a mutation may change the number without being wrong.
    """

    name: str
    build: Build
    opens: Callable[[Path], tuple[int, tuple[str, ...]]]
    records: int | None = None


# --- valid inputs ---------------------------------------------------------------------------------------------------


def png(draw: random.Random, *, size: int = 12, mode: str = "RGB") -> bytes:
    pixels = np.frombuffer(draw.randbytes(size * size * 3), np.uint8).reshape(size, size, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def image_folder(place: Path, draw: random.Random) -> Path:
    for index in range(RECORDS):
        path = place / "data" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(draw))
    return place / "data"


def image_table(place: Path, draw: random.Random) -> Path:
    (place / "data").mkdir()
    rows = ["file_name,label,person"]
    for index in range(RECORDS):
        (place / "data" / f"{index}.png").write_bytes(png(draw))
        rows.append(f"{index}.png,{'ab'[index % 2]},p{index // 2}")
    (place / "data" / "metadata.csv").write_text("\n".join(rows) + "\n")
    return place / "data"


def image_lines(place: Path, draw: random.Random) -> Path:
    (place / "data").mkdir()
    rows = []
    for index in range(RECORDS):
        (place / "data" / f"{index}.png").write_bytes(png(draw))
        rows.append(json.dumps({"file_name": f"{index}.png", "label": "ab"[index % 2], "age": index / 2}))
    (place / "data" / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    return place / "data"


def image_parquet(place: Path, draw: random.Random) -> Path:
    images = [{"bytes": png(draw), "path": None} for _ in range(RECORDS)]
    pq.write_table(pa.table({"image": images, "label": [i % 2 for i in range(RECORDS)]}), place / "data.parquet")
    return place / "data.parquet"


def image_npz(place: Path, draw: random.Random) -> Path:
    pixels = np.frombuffer(draw.randbytes(RECORDS * 12 * 12 * 3), np.uint8).reshape(RECORDS, 12, 12, 3)
    np.savez_compressed(place / "data.npz", X=pixels, y=np.arange(RECORDS) % 2)
    return place / "data.npz"


def mask_folder(place: Path, draw: random.Random) -> Path:
    for index in range(RECORDS):
        for part, content in (("images", png(draw)), ("masks", png(draw, mode="1"))):
            path = place / "data" / part / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return place / "data"


def mask_coco(place: Path, draw: random.Random) -> Path:
    (place / "data").mkdir()
    images, annotations = [], []
    for index in range(RECORDS):
        (place / "data" / f"{index}.png").write_bytes(png(draw))
        images.append({"id": index, "file_name": f"{index}.png", "width": 12, "height": 12})
        runs = {"size": [12, 12], "counts": [20, 30, 94]}
        square = [[1, 1, 1, 9, 9, 9, 9, 1]]
        annotations.append({"id": index, "image_id": index, "category_id": 1 + index % 2, "bbox": [1, 1, 8, 8],
                            "iscrowd": index % 2, "segmentation": runs if index % 2 else square})  # fmt: skip
    document = {"images": images, "annotations": annotations}
    document["categories"] = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    (place / "data" / "annotations.json").write_text(json.dumps(document))
    return place / "data"


def mask_parquet(place: Path, draw: random.Random) -> Path:
    columns = {
        name: [{"bytes": png(draw, mode=mode), "path": None} for _ in range(RECORDS)]
        for name, mode in (("image", "RGB"), ("mask", "1"))
    }
    pq.write_table(pa.table(columns), place / "data.parquet")
    return place / "data.parquet"


def numbers(draw: random.Random, *shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(draw.randrange(1 << 30)).standard_normal(shape)


def long_csv(place: Path, draw: random.Random) -> Path:
    rows = ["id,time,x,y,label"]
    for index, steps in enumerate(numbers(draw, RECORDS, 8, 2)):
        rows += [f"s{index},{t},{x:.4f},{y:.4f},{'ab'[index % 2]}" for t, (x, y) in enumerate(steps)]
    (place / "data.csv").write_text("\n".join(rows) + "\n")
    return place / "data.csv"


def wide_csv(place: Path, draw: random.Random) -> Path:
    rows = ["label," + ",".join(map(str, range(8)))]
    rows += [f"{'ab'[i % 2]}," + ",".join(f"{x:.4f}" for x in row) for i, row in enumerate(numbers(draw, RECORDS, 8))]
    (place / "data.csv").write_text("\n".join(rows) + "\n")
    return place / "data.csv"


def series_npz(place: Path, draw: random.Random) -> Path:
    np.savez(place / "data.npz", X=numbers(draw, RECORDS, 2, 8).astype(np.float32), y=np.arange(RECORDS) % 2)
    return place / "data.npz"


def series_ts(place: Path, draw: random.Random) -> Path:
    rows = ["@problemName d", "@timeStamps false", "@univariate false", "@classLabel true a b", "@data"]
    for index, (x, y) in enumerate(numbers(draw, RECORDS, 2, 8)):
        rows.append(":".join(",".join(f"{v:.4f}" for v in one) for one in (x, y)) + f":{'ab'[index % 2]}")
    (place / "data.ts").write_text("\n".join(rows) + "\n")
    return place / "data.ts"


def series_arff(place: Path, draw: random.Random) -> Path:
    rows = ["@relation d", *(f"@attribute t{t} numeric" for t in range(8)), "@attribute target {a,b}", "@data"]
    rows += [",".join(f"{x:.4f}" for x in row) + f",{'ab'[i % 2]}" for i, row in enumerate(numbers(draw, RECORDS, 8))]
    (place / "data_TRAIN.arff").write_text("\n".join(rows) + "\n")
    return place / "data_TRAIN.arff"


def series_ucr(place: Path, draw: random.Random) -> Path:
    rows = [f"{i % 2}\t" + "\t".join(f"{x:.4f}" for x in row) for i, row in enumerate(numbers(draw, RECORDS, 8))]
    (place / "data_TRAIN.tsv").write_text("\n".join(rows) + "\n")
    return place / "data_TRAIN.tsv"


def series_parquet(place: Path, draw: random.Random) -> Path:
    columns = {name: list(numbers(draw, RECORDS, 8).astype(np.float32)) for name in "xy"}
    pq.write_table(pa.table({**columns, "label": [i % 2 for i in range(RECORDS)]}), place / "data.parquet")
    return place / "data.parquet"


def vector_csv(place: Path, draw: random.Random) -> Path:
    rows = ["a,b,c,label"]
    rows += [",".join(f"{x:.4f}" for x in row) + f",{'uv'[i % 2]}" for i, row in enumerate(numbers(draw, RECORDS, 3))]
    (place / "data.csv").write_text("\n".join(rows) + "\n")
    return place / "data.csv"


def vector_npz(place: Path, draw: random.Random) -> Path:
    np.savez(place / "data.npz", X=numbers(draw, RECORDS, 3), y=np.arange(RECORDS) % 2)
    return place / "data.npz"


def vector_parquet(place: Path, draw: random.Random) -> Path:
    columns = {name: numbers(draw, RECORDS) for name in "abc"}
    pq.write_table(pa.table({**columns, "label": [i % 2 for i in range(RECORDS)]}), place / "data.parquet")
    return place / "data.parquet"


def config_toml(place: Path, draw: random.Random) -> Path:
    text = 'modality = "image"\n[train]\nsamples = 100\nseed = 1\n[ema]\nwidths = [0.05, 0.1]\n[optim]\nlr = 1e-3\n'
    (place / "run.toml").write_text(text)
    return place / "run.toml"


def copy_of(original: Path) -> Build:
    """A run or data set that was made once."""

    def build(place: Path, draw: random.Random) -> Path:
        shutil.copytree(original, place / "data")
        return place / "data"

    return build


# --- how they are opened --------------------------------------------------------------------------------------------


def as_data(modality: str) -> Callable[[Path], tuple[int, tuple[str, ...]]]:
    def opens(path: Path) -> tuple[int, tuple[str, ...]]:
        source = open_source(modality, DataConfig(path=str(path)))
        read = source.read(np.arange(len(source)))
        assert len(read) == len(source)
        return len(source), source.notes

    return opens


def as_config(path: Path) -> tuple[int, tuple[str, ...]]:
    from synthgen.config import resolve

    resolve([load_toml(path)])
    return 0, ()


def as_run(path: Path) -> tuple[int, tuple[str, ...]]:
    from synthgen.io.run import Run

    run = Run.open(path)
    run.denoiser()
    run.codec()
    run.history()
    run.label_frequencies()
    return 0, ()


def as_dataset(path: Path) -> tuple[int, tuple[str, ...]]:
    from synthgen.generation import verify
    from synthgen.generation.dataset import Dataset

    found = verify(path)
    dataset = Dataset(path)
    _ = dataset.n, dataset.format, dataset.manifest
    return (0 if found.faults else 1), tuple(fault.path for fault in found.faults)


def kinds(run: Path | None = None, dataset: Path | None = None) -> list[Kind]:
    """Every format; runs and data sets where one is given to copy."""
    data = [
        *(
            (f"image/{b.__name__}", "image", b, RECORDS)
            for b in (image_folder, image_table, image_lines, image_parquet, image_npz)
        ),
        *((f"mask/{b.__name__}", "mask", b, RECORDS) for b in (mask_folder, mask_coco, mask_parquet)),
        *(
            (f"timeseries/{b.__name__}", "timeseries", b, None)
            for b in (long_csv, wide_csv, series_npz, series_ts, series_arff, series_ucr, series_parquet)
        ),
        *((f"vectors/{b.__name__}", "vectors", b, None) for b in (vector_csv, vector_npz, vector_parquet)),
    ]
    found = [Kind(name, build, as_data(modality), records) for name, modality, build, records in data]
    found.append(Kind("config", config_toml, as_config))
    if run is not None:
        found.append(Kind("run", copy_of(run), as_run))
    if dataset is not None:
        found.append(Kind("data set", copy_of(dataset), as_dataset))
    return found


# --- mutations ------------------------------------------------------------------------------------------------------


def mutate(content: bytes, draw: random.Random) -> bytes:
    """Damage bytes in one of many ways."""
    size = len(content)
    start = draw.randrange(size + 1)
    stop = min(size, start + draw.choice([1, 2, 8, 64, 1024]))
    match draw.randrange(12):
        case 0:
            return content[:start]
        case 1:
            flipped = bytearray(content)
            for _ in range(draw.choice([1, 1, 4, 32])):
                if flipped:
                    flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
            return bytes(flipped)
        case 2:
            return content[:start] + bytes(stop - start) + content[stop:]
        case 3:
            return content[:start] + draw.randbytes(draw.choice([1, 16, 300])) + content[start:]
        case 4:
            return content[:start] + content[stop:]
        case 5:
            return content[:stop] + content[start:]
        case 6:
            return content + draw.randbytes(draw.choice([1, 100, 10_000]))
        case 7:
            return b""
        case 8:
            return content[:start] + b"\xff" * (stop - start) + content[stop:]
        case 9:
            other = [png(draw), b"PK\x03\x04", b"PAR1", b"{}", b"\x93NUMPY", b"<html>", b"%PDF-1.7", b"\0" * 64]
            return draw.choice(other)
        case 10:
            return content[start:]
        case _:
            return mutate(mutate(content, draw), draw)


def mutate_text(content: bytes, draw: random.Random) -> bytes:
    """Damage text in the ways that text is damaged."""
    lines = content.split(b"\n")
    row = draw.randrange(len(lines))
    cells = lines[row].split(b",")
    cell = draw.randrange(len(cells))
    match draw.randrange(14):
        case 0:
            return b"\n".join(line + draw.choice([b"\r", b"", b"\r"]) for line in lines)
        case 1:
            return content.replace(b"\n", b"\r")
        case 2:
            cells[cell] = b"\xff\xfe\x80"
        case 3:
            cells[cell] = b"9" * draw.choice([400, 100_000, 2_000_000])
        case 4:
            return b"\n".join(line + b"," + line.split(b",")[-1] for line in lines)
        case 5:
            return b"\n".join(line + (b",mood" if i == 0 else b",\xe2\x98\xba") for i, line in enumerate(lines))
        case 6:
            cells[cell] = draw.choice(
                [b"nan", b"inf", b"-inf", b"1e400", b"NULL", b"", b"--", b"0x10", b"1_000", b"1,5"]
            )
        case 7:
            return b"\n".join([lines[0], *(b",".join([b"nan"] * (line.count(b",") + 1)) for line in lines[1:])])
        case 8:
            cells[cell] = b'"' + cells[cell]
        case 9:
            return draw.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"# remark\n", b"\n\n"]) + content
        case 10:
            return content.decode("latin-1").encode("utf-16")
        case 11:
            return b"\n".join([lines[0], lines[0], *lines[1:]])
        case 12:
            cells[cell] = draw.choice(
                ["\u202e", "\u0000", "😀" * 999, "../../etc/passwd", "=cmd()", "<script>"]
            ).encode()
        case _:
            return b"\n".join(draw.sample(lines, len(lines)))
    lines[row] = b",".join(cells)
    return b"\n".join(lines)


TEXT = {".csv", ".tsv", ".ts", ".arff", ".txt", ".toml", ".json", ".jsonl", ".md"}


def mutated(kind: Kind, place: Path, draw: random.Random) -> Path:
    """A valid input with one to three files damaged, lost, linked or exchanged."""
    path = kind.build(place, draw)
    files = sorted(file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        file = draw.choice(files)
        if not file.is_file():
            continue
        match draw.randrange(20):
            case 0:
                file.unlink()
                file.symlink_to(draw.choice(["/etc/hostname", str(file), "/dev/zero", "/nowhere"]))
            case 1:
                file.unlink()
                file.mkdir()
            case 2 if path.is_dir():
                file.unlink()
                os.mkfifo(file)
            case 3 if path.is_dir() and not (file.parent / "loop").is_symlink():
                (file.parent / "loop").symlink_to(path)
            case 4 if path.is_dir():
                os.rename(file, os.fsencode(file.parent) + b"/\xff\xfe" + os.fsencode(file.name))
            case _:
                content = file.read_bytes()
                as_text = file.suffix in TEXT and draw.random() < 0.7
                file.write_bytes(mutate_text(content, draw) if as_text else mutate(content, draw))
    return path


# --- made to do harm ------------------------------------------------------------------------------------------------


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb_png(width: int = 50_000, height: int = 50_000) -> bytes:
    """A few kilobytes that claim to be gigabytes of pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes(4096)))
        + _chunk(b"IEND", b"")
    )


def npy(descr: str, shape: str, data: bytes = b"") -> bytes:
    """An array whose header says what it likes."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def _odd_columns(rows: int) -> dict[str, Any]:
    return {
        "decimal": pa.array([1] * rows, pa.decimal128(10, 2)),
        "when": pa.array([10**15] * rows, pa.timestamp("us")),
        "nothing": pa.nulls(rows),
        "yes": pa.array([True] * rows),
        "text": pa.array(["😀"] * rows),
        "bytes": pa.array([b"\0"] * rows),
        "nested": pa.array([{"a": [1]}] * rows),
        "map": pa.array([[("k", 1)]] * rows, pa.map_(pa.string(), pa.int64())),
        "half": pa.array(np.zeros(rows, np.float16)),
        "big": pa.array([2**63] * rows, pa.uint64()),
        "dictionary": pa.array(["a"] * rows).dictionary_encode(),
        "empty lists": pa.array([[]] * rows, pa.list_(pa.float32())),
        "ragged": pa.array([[1.0] * (i % 3) for i in range(rows)]),
        "nan": pa.array([float("nan")] * rows),
        "huge": pa.array([1e300] * rows),
    }


def hostile(place: Path, draw: random.Random) -> Iterator[tuple[str, str, Path]]:
    """`(name, modality, path)` of everything that was made to do harm."""
    made = iter(range(10_000))

    def fresh(name: str) -> Path:
        folder = place / f"h{next(made)}"
        folder.mkdir()
        return folder / name

    every = ("image", "mask", "timeseries", "vectors")
    shapes = ("(1099511627776,)", "(-1, 3)", "(24, 1099511627776)", "(0, 8)", "(24,)", "()", "(24, 3, 8, 8, 8)", "'x'")
    for modality in every:
        for shape in shapes:
            yield (
                f"npz shape {shape}",
                modality,
                archive(fresh("d.npz"), X=npy("'<f4'", shape), y=npy("'<i8'", "(24,)")),
            )
        for descr in ("'|O'", "'<c16'", "'<M8[s]'", "'<U4'", "'|b1'", "'<f2'", "[('a', '<f4')]", "'nonsense'"):
            data = bytes(24 * 64 * 16)
            yield f"npz dtype {descr}", modality, archive(fresh("d.npz"), X=npy(descr, "(24, 2, 8)", data))
        yield "npz bomb", modality, archive(fresh("d.npz"), X=npy("'<f4'", "(64, 1048576)", bytes(64 << 22)))
        yield "npz traversal", modality, archive(fresh("d.npz"), **{"../../X": npy("'<f4'", "(24, 8)", bytes(768))})
        yield "npz of nothing", modality, archive(fresh("d.npz"))
        nan = np.full((24, 8), np.nan)
        path = fresh("d.npz")
        np.savez(path, X=nan, y=nan)
        yield "npz of NaN", modality, path
        for name, column in _odd_columns(24).items():
            path = fresh("d.parquet")
            pq.write_table(pa.table({name: column, "label": [0, 1] * 12}), path)
            yield f"parquet {name}", modality, path
            path = fresh("d.parquet")
            pq.write_table(pa.table({"x": np.zeros(24), "image": column, "mask": column, "label": column}), path)
            yield f"parquet {name} in every place", modality, path
        path = fresh("d.parquet")
        pq.write_table(pa.table([pa.array([1.0] * 24)] * 3, names=["x", "x", ""]), path)
        yield "parquet duplicate names", modality, path
        path = fresh("d.parquet")
        pq.write_table(pa.table({"x": pa.array([], pa.float64())}), path)
        yield "parquet of no rows", modality, path
        for name, content in (("gif", b"GIF89a"), ("zip", b"PK\x05\x06" + bytes(18)), ("fifo", b"")):
            path = fresh(f"d.{'csv' if name == 'fifo' else 'npz'}")
            os.mkfifo(path) if name == "fifo" else path.write_bytes(content)
            yield f"{name} in disguise", modality, path
        for link in ("/dev/zero", "/etc/passwd", "/proc/self/environ", "."):
            path = fresh("d.csv")
            path.symlink_to(link)
            yield f"link to {link}", modality, path
        deep = fresh("a")
        for _ in range(60):
            deep /= "a" * 20
        deep.mkdir(parents=True)
        (deep / "x.png").write_bytes(png(draw))
        yield "deep folders", modality, deep.parents[59]
    for modality in ("image", "mask"):
        for name, content in (("bomb", bomb_png()), ("zero size", bomb_png(0, 0)), ("wide", bomb_png(2**31 - 1, 1))):
            folder = (mask_folder if modality == "mask" else image_folder)(fresh("x").parent, draw)
            victim = sorted(folder.rglob("*.png"))[0]
            victim.write_bytes(content)
            yield f"png {name}", modality, folder
    for name in ("../../../etc/passwd", "/etc/passwd", "a\0b.png", "x" * 5000, "", "0.png\n1.png", "C:\\x.png"):
        folder = image_table(fresh("x").parent, draw)
        table = folder / "metadata.csv"
        table.write_text(table.read_text() + f'"{name}",a,p\n')
        yield f"metadata names {name[:12]!r}", "image", folder


# --- counting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a file led to: `records`, `refused`, `traceback`, `hang` or `silent loss`, and the words."""

    kind: str
    detail: str


class _Late(KeyboardInterrupt):
    """Of a kind that nobody may catch, so that no guard around a plugin takes it for the plugin's fault."""


def look(opens: Callable[[Path], tuple[int, tuple[str, ...]]], path: Path, records: int | None) -> Outcome:
    """Open a path in this process, with the time limited."""

    def late(*_: Any) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return outcome_of(opens, path, records)
    except _Late:
        return Outcome("hang", f"more than {SECONDS} s")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome_of(opens: Callable[[Path], tuple[int, tuple[str, ...]]], path: Path, records: int | None) -> Outcome:
    """Open a path; how that ended."""
    try:
        found, notes = opens(path)
    except SynthgenError as error:
        return Outcome("refused", f"{error.message} | {error.hint}")
    except _Late:
        raise
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if "synthgen" in frame.filename]
        last = own[-1] if own else where
        return Outcome(
            "traceback", f"{type(error).__name__}: {str(error)[:120]} at {Path(last.filename).name}:{last.lineno}"
        )
    if records is not None and found < records and not notes:
        return Outcome("silent loss", f"{found} of {records} records and no note")
    return Outcome("records", str(found))


def cases(
    place: Path, count: int, seed: int, known: list[Kind]
) -> Iterator[tuple[str, Callable[[Path], tuple[int, tuple[str, ...]]], Path, int | None]]:
    """What was made to do harm first, then mutations of every format in turn: `(name, opens, path, records)`."""
    draw = random.Random(seed)
    place.mkdir(exist_ok=True)
    given = 0
    for name, modality, path in hostile(place, draw):
        if given == count:
            return
        given += 1
        yield f"{modality}: {name}", as_data(modality), path, None
    while given < count:
        kind = known[given % len(known)]
        folder = place / f"m{given}"
        folder.mkdir()
        given += 1
        yield f"{kind.name} mutated {given}", kind.opens, mutated(kind, folder, draw), kind.records
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Make, open, count and record."""
    from record import Recording

    from synthgen.generation import generate
    from synthgen.training import train

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="copy failing files here")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    tiny = {"network": {"width": 16, "blocks": 1}, "train": {"samples": 64, "precision": "fp32"}}
    with tempfile.TemporaryDirectory() as folder, Recording("hostile_files", seeds=[arguments.seed]) as recording:
        run = train({"modality": "image", **tiny}, out=Path(folder) / "run")
        dataset = generate(run, n=30, shards=3, steps=2, out=Path(folder) / "set")
        counts: Counter[str] = Counter()
        failures = []
        known = kinds(run.path, dataset.path)
        for name, opens, path, records in cases(Path(folder) / "c", arguments.count, arguments.seed, known):
            outcome = look(opens, path, records)
            counts[outcome.kind] += 1
            if outcome.kind not in ("records", "refused"):
                failures.append({"case": name, "outcome": outcome.kind, "detail": outcome.detail})
                print(json.dumps(failures[-1], ensure_ascii=False), flush=True)
                if arguments.keep and path.is_file() and path.stat().st_size < 1 << 16:
                    target = arguments.keep / f"{counts.total():04d}-{path.name}"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
        recording.results = {"files": counts.total(), **counts, "failures": failures}
        print(dict(counts))


if __name__ == "__main__":
    sys.exit(main())
