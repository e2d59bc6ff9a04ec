"""Several labels and numbers beside an image: read from what people have, asked for, written, read back, judged."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, r2_score
from synthgen_image.attribute_judge import AttributeJudge
from synthgen_image.codec import ImageCodec
from synthgen_image.folder_reader import FolderReader
from synthgen_image.modality import ImageModality
from synthgen_image.npz_reader import NpzReader
from synthgen_image.parquet_reader import ParquetReader

from synthgen.api import Records
from synthgen.config import DataConfig
from synthgen.data.attribute_outcome import MemberOutcome, NumberOutcome
from synthgen.errors import DataError
from synthgen.generation import generate
from synthgen.training import train

NAMES = ("findings", "age")


def bars(size, seed=0):
    """Images with a bar on the left, on the right, both or none, as bright as the age; what they hold, and the age."""
    rng = np.random.default_rng(seed)
    held = rng.random((size, 2)) < 0.5
    age = rng.integers(20, 90, size)
    images = np.zeros((size, 8, 8, 1), np.uint8)
    for row in range(size):
        images[row, 3:5, :, 0] = age[row] * 2
        for side in np.flatnonzero(held[row]):
            images[row, :, 1 + 5 * side, 0] = 255
    return images, [[("left", "right")[k] for k in np.flatnonzero(row)] for row in held], age


def saved(folder, save, images):
    for number, image in enumerate(images):
        save(folder / f"{number}.png", image)


def opened(reader, path):
    source = reader.read(path, DataConfig(path=str(path), attributes=NAMES))
    return source, source.read(np.arange(len(source)))


def test_every_layout_says_the_same(tmp_path, save):
    images, held, age = bars(12)
    for name in ("csv", "jsonl"):
        saved(tmp_path / name, save, images)
    rows = [{"file_name": f"{k}.png", "findings": held[k], "age": int(age[k])} for k in range(12)]
    (tmp_path / "jsonl" / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    lines = [f"{row['file_name']},{';'.join(row['findings'])},{row['age']}" for row in rows if row["findings"]]
    (tmp_path / "csv" / "metadata.csv").write_text("\n".join(["file_name,findings,age", *lines]))
    multi = np.array([["left" in items, "right" in items] for items in held]).astype(int)
    np.savez(tmp_path / "bars.npz", X=images, findings=multi, age=age)
    for reader, path in ((FolderReader(), "jsonl"), (FolderReader(), "csv"), (NpzReader(), "bars.npz")):
        source, records = opened(reader, tmp_path / path)
        findings, number = source.schema.attributes
        assert (findings.kind, number.kind, number.integer) == ("members", "number", True)
        shown = [k for k in range(12) if held[k]] if path == "csv" else range(12)
        assert set(records["age"]) == {float(age[k]) for k in shown}
        assert int(records["findings"].sum()) == int(multi.sum())
        assert [condition.name for condition in source.schema.conditions] == list(NAMES)


def test_classes_by_folder_stay_beside_attributes(tmp_path, save):
    images, _, age = bars(4)
    for number in range(4):
        save(tmp_path / "ab"[number % 2] / f"{number}.png", images[number])
    lines = [f"{'ab'[k % 2]}/{k}.png,{age[k]}" for k in range(4)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,age", *lines]))
    source = FolderReader().read(tmp_path, DataConfig(path=str(tmp_path), attributes=("age",)))
    assert source.schema.labels == ("a", "b")
    assert source.read(np.arange(4))["age"].tolist() == age[:4].tolist()


def test_attributes_that_are_not_there_are_refused(tmp_path, save):
    images, _, _ = bars(3)
    saved(tmp_path, save, images)
    with pytest.raises(DataError, match="nothing says what age"):
        FolderReader().read(tmp_path, DataConfig(path=str(tmp_path), attributes=("age",)))
    (tmp_path / "metadata.csv").write_text("file_name,years\n0.png,3\n1.png,4\n2.png,5\n")
    with pytest.raises(DataError, match="age"):
        FolderReader().read(tmp_path, DataConfig(path=str(tmp_path), attributes=("age",)))


def test_a_request_is_written_and_read_back(tmp_path, tiny_overrides):
    images, held, age = bars(80)
    multi = np.array([["left" in items, "right" in items] for items in held]).astype(int)
    np.savez(tmp_path / "bars.npz", X=images, findings=multi, age=age)
    choices = {**tiny_overrides, "data": {"attributes": list(NAMES)}}
    run = train({**choices, "train": {**tiny_overrides["train"], "samples": 640}}, data=tmp_path / "bars.npz",
                out=tmp_path / "run")  # fmt: skip
    asked = {"findings": "1", "age": "60"}
    tables = []
    for kind in ("parquet", "folder"):
        dataset = generate(run, n=6, conditions=asked, format=kind, out=tmp_path / kind)
        records = dataset.open(run).read(np.arange(6))
        assert records["findings"].tolist() == [[0, 1]] * 6
        assert records["age"].tolist() == [60.0] * 6
        table = tmp_path / kind / ("data" if kind == "parquet" else "train/metadata.csv")
        tables.append(pd.read_parquet(table) if kind == "parquet" else pd.read_csv(table))
    assert tables[0]["findings"].tolist()[0].tolist() == ["1"]
    assert tables[1]["age"].tolist() == [60] * 6
    again = ParquetReader().read(tmp_path / "parquet", DataConfig(path=str(tmp_path / "parquet")))
    assert [attribute.name for attribute in again.schema.attributes] == list(NAMES)
    codec = ImageCodec(again.schema).fit([again.read(np.arange(6))])
    batch = codec.encode(again.read(np.arange(6)))
    assert codec.decode(batch.x, batch.conditions)["age"].tolist() == [60.0] * 6


@pytest.mark.parametrize(("name", "measure"), [("findings", "mean_ap"), ("age", "r2")])
def test_the_judge_learns_what_the_image_shows(name, measure, tmp_path):
    images, held, age = bars(300)
    multi = np.array([["left" in items, "right" in items] for items in held]).astype(int)
    np.savez(tmp_path / "bars.npz", X=images, findings=multi, age=age)
    source = NpzReader().read(tmp_path / "bars.npz", DataConfig(attributes=(name,)))
    judge = ImageModality().judge(source.schema, seed=0)
    assert isinstance(judge, AttributeJudge)
    assert judge.measure == measure
    outcome = judge.fit(source.read(np.arange(200))).evaluate(source.read(np.arange(200, 300)))
    assert outcome.value() > 0.9
    blank = Records({**source.read(np.arange(200, 300)).columns, "image": np.zeros((100, 8, 8, 1), np.uint8)})
    assert judge.evaluate(blank).value() < 0.7


def test_the_measures_are_those_of_scikit_learn_with_each_record_counted_as_often_as_asked():
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, (60, 3)), rng.random((60, 3))
    weights = rng.integers(0, 4, 60)
    members = MemberOutcome(truth.astype(np.int8), score.astype(np.float32), ("a", "b", "c"))
    repeated = np.repeat(np.arange(60), weights)
    expected = np.mean([average_precision_score(truth[repeated, k], score[repeated, k]) for k in range(3)])
    assert members.value(weights) == pytest.approx(expected, rel=1e-6)
    number = NumberOutcome(rng.random(60), rng.random(60))
    assert number.value(weights) == pytest.approx(r2_score(number.truth[repeated], number.predicted[repeated]))
