"""Opening data: demo sets, files, folders, and what is said when it does not work."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.api import Channel, Records, Schema
from synthgen.config import DataConfig
from synthgen.data.opening import open_source, relabel
from synthgen.data.source import ArraySource, LazySource
from synthgen.errors import DataError, UsageError


def small(labels, names, modality="image"):
    schema = Schema(modality, (1, 1, 1), (Channel("grey"),), names)
    image = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return ArraySource(schema, Records({"image": image}, np.asarray(labels)))


def test_an_empty_path_opens_the_demo_set_and_its_name_does_too():
    assert len(open_source("image", DataConfig())) == len(open_source("image", DataConfig(path="digits"))) == 1797


def test_a_missing_path_names_it_and_suggests_a_demo_set(tmp_path):
    with pytest.raises(DataError, match="no data at digitz") as caught:
        open_source("image", DataConfig(path="digitz"))
    assert "digits" in caught.value.hint


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        open_source("image", DataConfig(path=str(tmp_path)))


def test_a_file_that_no_reader_takes_is_refused_with_the_readers(tmp_path):
    (tmp_path / "x.docx").write_text("no")
    with pytest.raises(DataError, match="no reader of modality image") as caught:
        open_source("image", DataConfig(path=str(tmp_path / "x.docx")))
    assert "Readers:" in caught.value.hint


def test_labels_are_mapped_by_name_not_by_position():
    source = relabel(small([0, 1, 0], ("b", "a")), small([0], ("a", "b", "c")).schema)
    assert source.labels.tolist() == [1, 0, 1]
    assert source.read(np.array([1])).label.tolist() == [0]
    assert source.schema.labels == ("a", "b", "c")


def test_an_unknown_label_name_is_named():
    with pytest.raises(DataError, match="does not know: dog") as caught:
        relabel(small([0], ("dog",)), small([0], ("dogs",)).schema)
    assert "dogs" in caught.value.hint


def test_another_modality_is_refused():
    with pytest.raises(UsageError, match="of modality image, the run of mask"):
        relabel(small([0], ("a",)), small([0], ("a",), "mask").schema)


def test_a_lazy_source_reads_only_what_is_asked():
    asked = []

    def load(indices):
        asked.append(indices.tolist())
        return Records({"image": np.zeros((len(indices), 1, 1, 1), np.uint8)})

    source = LazySource(small([0], ("a",)).schema, 10, load)
    assert len(source) == 10
    assert asked == []
    assert len(source.read(np.array([3, 4]))) == 2
    assert asked == [[3, 4]]


def test_no_records_at_all_is_refused():
    with pytest.raises(DataError, match="no records"):
        LazySource(small([0], ("a",)).schema, 0, lambda indices: None)


def test_a_demo_set_says_what_it_does_not_heed():
    source = open_source("image", DataConfig(path="digits", image_size=16, holdout=0.3))
    assert source.notes[-1] == "the demo set digits is taken as it is: data.image_size changes nothing"
    assert len(open_source("image", DataConfig(path="digits", holdout=0.3)).notes) == len(source.notes) - 1
