"""Coverage-guided fuzzing of every reader, configuration, run and data set: records or one sentence, no traceback.

    pip install -e ".[fuzz]"
    python benchmarks/coverage_fuzzing.py                                          # five minutes for all of them
    python benchmarks/coverage_fuzzing.py --only vectors/vector_csv config --seconds 60 --keep found

atheris (libFuzzer) watches which branches of synthgen and its modalities an input reaches, keeps the inputs that reach
new ones and mutates those. It begins with a valid file of each format of `hostile_files.py`, the files made to do harm
there, and the corpus of `tests/fuzz`. Archives, PNG and safetensors files are mutated inside, with checksums and
lengths made anew, and so are the hashes of a run's files, or nothing but these checks would ever be reached.

Counted as in `hostile_files.py`: `traceback` (each place once), `hang` and `memory` (libFuzzer's limits), `crash` (the
process died). `--keep DIR` copies what led there; it belongs into `tests/fuzz/corpus` once it is mended.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import re
import shutil
import struct
import sys
import tempfile
import traceback
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import atheris
from record import RESULTS, Recording

PACKAGES = ["synthgen", "synthgen_image", "synthgen_mask", "synthgen_timeseries", "synthgen_vectors"]
CORPUS = Path(__file__).parents[1] / "tests" / "fuzz" / "corpus"
HANG_SECONDS = 60
MEMORY_MB = 6_000
LARGEST = 1 << 16

with atheris.instrument_imports(include=PACKAGES):
    import hostile_files as hostile

Opens = Callable[[Path], Any]


@dataclass(frozen=True)
class Target:
    """One file whose content is looked for.

    Args:
        name: of the format, and of the file where there are several.
        path: that is opened.
        file: whose content changes; `path` itself, or a file below it.
        opens: what to do; see `hostile_files.Kind`.
        seeds: contents to begin with.
        after: called once the content is in place.
    """

    name: str
    path: Path
    file: Path
    opens: Opens
    seeds: Sequence[bytes]
    after: Callable[[], None] = field(default=lambda: None)

    def outcome(self, content: bytes) -> Any:
        """Put the content in place and open."""
        self.file.write_bytes(content)
        self.after()
        return hostile.outcome_of(self.opens, self.path, None)


# --- what is fuzzed -------------------------------------------------------------------------------------------------


def targets(place: Path) -> list[Target]:
    """Every format of `hostile_files`, every file of a small run, and the descriptions and one shard of a data set."""
    found = []
    for kind in hostile.kinds():
        folder = place / kind.name.replace("/", "-")
        folder.mkdir()
        path = kind.build(folder, random.Random(0))
        file = path if path.is_file() else _chosen(path)
        seeds = _corpus(f"{kind.name.partition('/')[0]}-*{file.suffix}")
        found.append(Target(kind.name, path, file, kind.opens, [file.read_bytes(), *seeds]))
    return found + _of_a_run(place) + _of_a_dataset(place)


def _chosen(folder: Path) -> Path:
    """The description of a folder where it has one, else its first mask or image."""
    for pattern in ("metadata.*", "annotations.json", "masks/*.png", "*.png"):
        for file in sorted(folder.rglob(pattern)):
            return file
    raise SystemExit(f"{folder} holds nothing to fuzz")


def _corpus(pattern: str) -> list[bytes]:
    """Files of the tests' corpus."""
    return [path.read_bytes() for path in sorted(CORPUS.glob(pattern))]


def _of_a_run(place: Path) -> list[Target]:
    from synthgen.training import train

    tiny = {"network": {"width": 16, "blocks": 1}, "train": {"samples": 64, "precision": "fp32"}}
    run = train({"modality": "vectors", **tiny}, out=place / "run").path

    found = []
    for file in sorted(run.iterdir()):
        if file.is_file() and file.stat().st_size <= LARGEST and file.name != "card.md":
            own = place / f"run-{file.name}"
            shutil.copytree(run, own)
            seeds = [file.read_bytes(), *_corpus(f"run/{file.name}/*")]
            found.append(
                Target(f"run/{file.name}", own, own / file.name, hostile.as_run, seeds, _sealing(own, file.name))
            )
    return found


def _sealing(run: Path, name: str) -> Callable[[], None]:
    """Makes the hash of a file in `run.json` anew, as a stranger who means harm would."""
    described = (run / "run.json").read_text()

    def seal() -> None:
        if name != "run.json":
            facts = json.loads(described)
            facts["files"][name] = hashlib.sha256((run / name).read_bytes()).hexdigest()
            (run / "run.json").write_text(json.dumps(facts))

    return seal


def _as_plan(path: Path) -> tuple[int, tuple[str, ...]]:
    from synthgen.generation.plan import Plan

    return Plan.read(path.parent).n, ()


def _of_a_dataset(place: Path) -> list[Target]:
    from synthgen.generation import generate

    made = generate(place / "run", n=30, shards=3, steps=1, out=place / "made").path
    found = [Target("plan.json", made / "plan.json", made / "plan.json", _as_plan, [(made / "plan.json").read_bytes()])]
    for name in ("provenance.json", "manifest.json", "data/train-00000-of-00003.parquet"):
        own = place / f"set-{Path(name).name}"
        shutil.copytree(made, own)
        found.append(Target(f"set/{Path(name).name}", own, own / name, hostile.as_dataset, [(own / name).read_bytes()]))
    return found


# --- mutations that get past checksums ------------------------------------------------------------------------------


def mutator(suffix: str) -> Callable[[bytes, int, int], bytes] | None:
    """What mutates a file of this ending from the inside; None: bytes as they are."""
    inside = {".npz": _in_archive, ".png": _in_png, ".safetensors": _in_tensors}.get(suffix)
    if inside is None:
        return None

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        draw = random.Random(seed)
        if draw.random() < 0.8:
            with contextlib.suppress(Exception):  # too damaged to have an inside
                return inside(data, draw)[:most]
        return bytes(atheris.Mutate(data, most))

    return mutate


def _in_archive(data: bytes, draw: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()[:8]}
    chosen = draw.choice(sorted(members))
    members[chosen] = bytes(atheris.Mutate(members[chosen][:LARGEST], LARGEST))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def _in_tensors(data: bytes, draw: random.Random) -> bytes:
    size = struct.unpack("<Q", data[:8])[0]
    header, body = data[8 : 8 + size], data[8 + size :]
    if draw.random() < 0.7:
        header = bytes(atheris.Mutate(header[:LARGEST], LARGEST))
    else:
        body = bytes(atheris.Mutate(body[:LARGEST], LARGEST))
    return struct.pack("<Q", len(header)) + header + body


def _in_png(data: bytes, draw: random.Random) -> bytes:
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    which = draw.randrange(len(chunks))
    kind, content = chunks[which]
    if kind == b"IDAT" and draw.random() < 0.5:
        content = zlib.compress(bytes(atheris.Mutate(zlib.decompressobj().decompress(content, LARGEST), LARGEST)))
    else:
        content = bytes(atheris.Mutate(content[:LARGEST], LARGEST))
    chunks[which] = (kind, content)
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


# --- searching ------------------------------------------------------------------------------------------------------


def search(target: Target, seconds: int, place: Path) -> dict[str, Any]:
    """Fuzz one target in a process of its own.

    Returns:
        `inputs` tried, `covered` branches, `corpus` of inputs that reached new ones, how the process `ended`, and
        `findings`, each with its `outcome`, `detail` and the `file` below `place` that led there.
    """
    corpus, found = place / "corpus", place / "found"
    corpus.mkdir(parents=True)
    found.mkdir()
    for number, content in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(content)
    log = place / "log"
    log.touch()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            _fuzz(target, seconds, corpus, found, log)
        except BaseException:
            traceback.print_exc()
        finally:  # never back into the caller, whose directory this is not
            os._exit(1)
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    text = log.read_text(encoding="utf-8", errors="replace")
    states = re.findall(r"^#(\d+)\s.*?cov: (\d+).*?corp: (\d+)", text, re.MULTILINE)
    tried = re.findall(r"^(?:Done (\d+) runs|stat::number_of_executed_units:\s+(\d+))", text, re.MULTILINE)
    last = states[-1] if states else ("0", "0", "0")
    return {
        "target": target.name,
        "inputs": max([int(last[0]), *(int(one or other) for one, other in tried)]),
        "covered": int(last[1]),
        "corpus": int(last[2]),
        "ended": ended,
        "findings": [*_findings(found), *_ended(found)],
    }


def _fuzz(target: Target, seconds: int, corpus: Path, found: Path, log: Path) -> None:
    """Never returns: libFuzzer ends the process."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    known: set[str] = set()

    def one(content: bytes) -> None:
        outcome = target.outcome(content)
        if outcome.kind in ("records", "refused"):
            return
        where = outcome.detail.partition(":")[0] + outcome.detail.rpartition(" at ")[2]
        if where not in known:
            known.add(where)
            (found / f"{len(known):02d}.bin").write_bytes(content)
            (found / f"{len(known):02d}.json").write_text(json.dumps([outcome.kind, outcome.detail]))

    inside = mutator(target.file.suffix)
    atheris.Setup(
        [
            *("fuzz", str(corpus), f"-artifact_prefix={found}/", f"-max_total_time={seconds}", "-print_final_stats=1"),
            *(f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={LARGEST}", "-seed=1"),
        ],
        one,
        **({} if inside is None else {"custom_mutator": inside}),
    )
    atheris.Fuzz()


def _findings(found: Path) -> list[dict[str, str]]:
    """What the harness noted."""
    rows = []
    for note in sorted(found.glob("*.json")):
        kind, detail = json.loads(note.read_text())
        rows.append({"outcome": kind, "detail": detail, "file": note.with_suffix(".bin").name})
    return rows


def _ended(found: Path) -> list[dict[str, str]]:
    """What libFuzzer ended for."""
    names = {"timeout": "hang", "oom": "memory", "crash": "crash"}
    return [
        {"outcome": outcome, "detail": f"libFuzzer's {kind}", "file": path.name}
        for kind, outcome in names.items()
        for path in sorted(found.glob(f"{kind}-*"))
    ]


def main() -> None:
    """Fuzz each target for its share of the time, and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=300, help="for all targets together")
    parser.add_argument("--only", nargs="+", help="targets whose names begin so")
    parser.add_argument("--keep", type=Path, help="copy what was found here")
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory of the record")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Recording("coverage_fuzzing", seeds=[1], directory=arguments.results) as recording,
    ):
        place = Path(folder)
        with atheris.instrument_imports(include=PACKAGES):  # what is imported on first use
            known = targets(place)
            for target in known:
                target.outcome(target.seeds[0])
        known = [one for one in known if one.name.startswith(tuple(arguments.only or [""]))]
        rows = []
        for number, target in enumerate(known):
            where = place / f"search-{number}"
            rows.append(search(target, max(1, arguments.seconds // len(known)), where))
            print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
            for finding in rows[-1]["findings"] if arguments.keep else []:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                name = f"{target.name.replace('/', '-')}-{finding['file']}{target.file.suffix}"
                shutil.copyfile(where / "found" / finding["file"], arguments.keep / name)
        recording.results = {
            "inputs": sum(row["inputs"] for row in rows),
            "findings": sum(len(row["findings"]) for row in rows),
            "targets": rows,
        }
        print(recording.results["inputs"], "inputs,", recording.results["findings"], "findings")


if __name__ == "__main__":
    main()
