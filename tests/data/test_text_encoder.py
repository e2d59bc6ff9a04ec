"""Free text becomes vectors that say what is alike, the same everywhere, and is told back as it was written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from synthgen.api import Attribute
from synthgen.data.attribute_codec import from_condition, to_condition
from synthgen.data.attributes import described, recoded, unknown
from synthgen.data.text_encoder import HASHING, HashingEncoder, encoder_named, encoder_of
from synthgen.errors import DataError, RunError, UsageError

TEXTS = ["a large red circle", "a red circle", "the circle is red", "two dogs run along a beach"]

FIRST = [3, 9, 13, 15, 30, 31, 33, 41]
VALUES = [-7.0375, -1.7418, 1.7418, -1.7418, -1.7418, 5.2958, 1.7418, -1.7418]
"""Of the vector of the second text: the first entries that are not 0."""


def cosine(vectors):
    return vectors @ vectors.T / vectors.shape[1]


def test_texts_that_share_words_are_near_and_others_are_not():
    alike = cosine(HashingEncoder().encode(TEXTS))
    assert np.allclose(np.diag(alike), 1, atol=1e-5)
    assert alike[0, 1] > alike[1, 2] > 0.3
    assert abs(alike[1, 3]) < 0.3
    words = ["elephant", "giraffe", "circle", "square", "mountain"]
    plural = cosine(HashingEncoder().encode([*words, *(f"{word}s" for word in words)]))[:5, 5:]
    assert np.diag(plural).mean() > plural[~np.eye(5, dtype=bool)].mean() + 0.15


def test_a_vector_depends_on_its_text_alone():
    together = HashingEncoder().encode(TEXTS)
    alone = np.concatenate([HashingEncoder().encode([text]) for text in reversed(TEXTS)])[::-1]
    assert np.array_equal(together, alone)
    # A change of these numbers breaks every run that was trained with them: it needs a new name of the encoder.
    found = HashingEncoder().encode(["a red circle"])[0]
    assert HASHING == "hashing-1"
    assert found.nonzero()[0][:8].tolist() == FIRST
    assert found[FIRST] == pytest.approx(VALUES, abs=1e-4)


def test_an_encoder_tells_its_vectors_back_and_no_others():
    encoder = HashingEncoder()
    vectors = encoder.encode(["", *TEXTS])
    assert np.isnan(vectors[0]).all()
    assert encoder.texts_of(vectors) == ["", *TEXTS]
    assert HashingEncoder().texts_of(vectors) == [""] * 5
    other = HashingEncoder()
    other.remember(vectors[1:], TEXTS)
    assert other.texts_of(vectors) == ["", *TEXTS]


def test_no_words_at_all_are_no_error():
    assert np.isfinite(HashingEncoder().encode(["?", "…", "猫が好き"])).all()


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("caption", ["red", "blue"], "text"),
        ("seen", [f"picture {k} of a thing" for k in range(40)], "text"),
        ("seen", [f"picture {k % 5} of a thing" for k in range(40)], "category"),
        ("code", [f"c{k}" for k in range(40)], "category"),
        ("caption", [1.0, 2.0], "number"),
    ],
)
def test_many_different_texts_are_free_text_and_few_names_are_not(name, cells, kind):
    assert described(name, cells, text_encoder="")[0].kind == kind
    assert described(name, cells)[0].kind != "text"


def test_a_column_of_text_goes_to_a_condition_and_back():
    attribute, column = described("caption", ["a  cat\nsleeps", None, "a dog"], kind="text")
    assert column.tolist() == ["a cat sleeps", "", "a dog"]
    assert (attribute.encoder, attribute.size) == (HASHING, 256)
    condition = attribute.condition
    assert (condition.kind, condition.size, condition.fourier) == ("vector", 256, False)
    told = to_condition(attribute, column)
    assert told[1].isnan().all()
    assert from_condition(attribute, told).tolist() == column.tolist()
    assert unknown(attribute, 2).tolist() == ["", ""]


def test_names_read_back_from_a_small_file_are_text_again():
    wanted, _ = described("caption", ["x y", "z"], kind="text")
    for cells, texts in (
        (["red cat", "blue cat", None], ["red cat", "blue cat", ""]),
        ([["a", "b"], ["a"], None], ["a; b", "a", ""]),
        ([1.0, 2.5, None], ["1", "2.5", ""]),
    ):
        own, column = described("caption", cells)
        found = recoded({"caption": column}, schema_of(own), schema_of(wanted))
        assert found["caption"].tolist() == texts
    names = Attribute("caption", "category", values=("z",))
    assert recoded({"caption": np.array(["z", "q", ""])}, schema_of(wanted), schema_of(names))["caption"].tolist() == [
        0, -1, -1,
    ]  # fmt: skip


def schema_of(attribute):
    from synthgen.api import Channel, Schema

    return Schema("toy", (1, 4), (Channel("v"),), conditions=(attribute.condition,), attributes=(attribute,))


def test_another_encoder_than_that_of_training_is_refused(tmp_path):
    changed = Attribute("caption", "text", encoder=HASHING, encoder_sha256="0" * 64, size=256)
    with pytest.raises(RunError, match="not the one that caption was trained with"):
        encoder_of(changed)
    gone = Attribute("caption", "text", encoder=str(tmp_path / "gone"), size=8)
    with pytest.raises(RunError, match="there is no text encoder"):
        encoder_of(gone)
    with pytest.raises(DataError, match="holds no text encoder"):
        encoder_named(str(tmp_path))


def saved_model(folder, *, pooling=None, seed=0):
    """A tiny BERT with a vocabulary of a few words, as `save_pretrained` writes it."""
    transformers = pytest.importorskip("transformers", reason="the package transformers is not installed")
    torch = pytest.importorskip("torch")
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "circle", "dog"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **sizes))
    model.save_pretrained(folder, safe_serialization=True)
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
        parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        modules = [{"idx": k, "path": path, "type": f"sentence_transformers.models.{kind}"} for k, (path, kind) in
                   enumerate(parts)]  # fmt: skip
        (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def test_a_transformer_in_a_directory(tmp_path):
    import torch

    folder = saved_model(tmp_path / "plain")
    encoder = encoder_named(str(folder))
    vectors = encoder.encode(["a red circle", "a blue dog"])
    assert vectors.shape == (2, 16)
    assert np.allclose((vectors**2).mean(axis=1), 1, atol=1e-5)
    assert encoder.texts_of(vectors) == ["a red circle", "a blue dog"]
    import transformers

    model = transformers.AutoModel.from_pretrained(str(folder)).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(str(folder))("a red circle", return_tensors="pt")
    with torch.no_grad():
        states = model(**tokens).last_hidden_state[0]
    for pooling, wanted in (("mean_tokens", states.mean(dim=0)), ("cls_token", states[0])):
        other = encoder_named(str(saved_model(tmp_path / pooling, pooling=pooling))).encode(["a red circle"])[0]
        assert np.allclose(other, 4 * wanted / wanted.norm(), atol=1e-4)
    attribute, _ = described("caption", ["a red circle"], kind="text", text_encoder=str(folder))
    assert encoder_of(attribute) is encoder
    assert len(attribute.encoder_sha256) == 64


def test_weights_that_changed_since_training_are_refused(tmp_path):
    attribute, _ = described("c", ["a dog"], kind="text", text_encoder=str(saved_model(tmp_path / "one")))
    moved = tmp_path / "two"
    changed = saved_model(moved, seed=1)
    with pytest.raises(RunError, match="not the one"):
        encoder_of(Attribute("c", "text", encoder=str(changed), encoder_sha256=attribute.encoder_sha256, size=16))
    with pytest.raises(DataError, match=r"pools its tokens by pooling_mode_max_tokens"):
        encoder_named(str(saved_model(tmp_path / "max", pooling="max_tokens")))


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match="needs the package transformers") as caught:
        encoder_named(str(tmp_path))
    assert "synthgen[text]" in caught.value.hint
