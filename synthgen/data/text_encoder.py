"""Free text as a vector that a denoiser is told: built-in hashing, or a sentence encoder in a local directory.

    hashing   h(text) = unit(unit(words) + 0.75 unit(letters)) * sqrt(256)
              words: counts of single words and pairs, letters: of runs of 2 to 4 letters within words, each hashed with
              a sign into 256 entries; texts that share words, or most letters of them, lie near each other
    DIR       mean (or first) token of a transformer, unit(.) * sqrt(size); Sentence-Transformers directories too

A denoiser is told vectors alone, and a vector cannot be read. So an encoder remembers the texts that it has encoded,
and tells a vector of its own back as its text.

Sources: Weinberger et al. 2009, arXiv:0902.2206 (hashing); Reimers and Gurevych 2019, arXiv:1908.10084 (mean token).
"""

from __future__ import annotations

import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError, RunError, UsageError

if TYPE_CHECKING:
    from synthgen.api import Attribute

__all__ = ["HASHING", "HashingEncoder", "LocalEncoder", "TextEncoder", "encoder_named", "encoder_of"]

HASHING = "hashing-1"
"""Name of the built-in encoder; the number counts changes of what it computes."""

_HASHED = 256
_LETTERS = 0.75  # weight of letters beside words
_REMEMBERED = 50_000  # texts an encoder; more than a run keeps
_HASHED_FILES = (".json", ".txt", ".model", ".safetensors")
_POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}
_MODULES = ("Transformer", "Pooling", "Normalize")


class TextEncoder(ABC):
    """Texts to vectors of mean square 1, and back for texts that it has seen.

    Args:
        name: `HASHING`, or the absolute path of a directory.
        size: entries of a vector.
        sha256: of the files behind it; empty without files.
    """

    def __init__(self, name: str, size: int, sha256: str = "") -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._texts: dict[bytes, str] = {}
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors `(N, size)`; an empty text is unknown, a row of NaN."""
        with self._lock:
            missing = [text for text in dict.fromkeys(texts) if text and text not in self._vectors]
        made = dict(zip(missing, self._embed(missing), strict=True)) if missing else {}
        found = np.full((len(texts), self.size), np.nan, dtype=np.float32)
        with self._lock:
            for row, text in enumerate(texts):
                if text:
                    found[row] = made[text] if text in made else self._vectors[text]
        self.remember(made.values(), made)
        return found

    def texts_of(self, vectors: NDArray[np.float32]) -> list[str]:
        """The text of each vector `(N, size)`; empty where this encoder has not made it."""
        with self._lock:
            return [self._texts.get(_key(vector), "") for vector in vectors]

    def remember(self, vectors: Iterable[NDArray[np.float32]], texts: Iterable[str]) -> None:
        """That these vectors, made before and read from a file, belong to these texts."""
        with self._lock:
            for vector, text in zip(vectors, texts, strict=True):
                if text:
                    self._vectors[text] = vector
                    self._texts[_key(vector)] = text
            _forget(self._vectors)
            _forget(self._texts)

    @abstractmethod
    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors `(N, size)` of texts that are not empty; that of a text depends on no other."""


class HashingEncoder(TextEncoder):
    """Signed hashes of words and letters; needs no model and no download."""

    def __init__(self) -> None:
        super().__init__(HASHING, _HASHED)

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        from sklearn.feature_extraction.text import HashingVectorizer

        options: dict[str, Any] = {"n_features": _HASHED, "alternate_sign": True, "norm": "l2"}
        words = HashingVectorizer(token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2), **options).transform(texts)
        letters = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), **options).transform(texts)
        return _scaled(words.toarray() + _LETTERS * letters.toarray())


class LocalEncoder(TextEncoder):
    """A transformer in a directory, as `save_pretrained` of transformers or Sentence-Transformers writes it.

    Texts are encoded one by one on the CPU, so that a vector does not depend on what is encoded beside it.

    Args:
        directory: with `config.json`, a tokenizer and `*.safetensors`; nothing is ever downloaded, no code of it run.

    Raises:
        DataError: the directory is not such a model.
        UsageError: the package `transformers` is not installed.
    """

    def __init__(self, directory: Path) -> None:
        files = sorted(path for path in directory.rglob("*") if path.is_file() and path.suffix in _HASHED_FILES)
        if not (directory / "config.json").is_file() or not any(path.suffix == ".safetensors" for path in files):
            raise DataError(
                f"{directory} holds no text encoder: expected config.json, a tokenizer and weights as .safetensors",
                hint="Save one with save_pretrained, or leave data.text_encoder away for the built-in hashing.",
            )
        self._pooling = _pooling(directory)
        try:
            import transformers
        except ModuleNotFoundError as error:
            raise UsageError(
                "a text encoder from a directory needs the package transformers", hint="pip install 'synthgen[text]'"
            ) from error
        transformers.utils.logging.disable_progress_bar()  # nothing is downloaded: there is nothing to wait for
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(str(directory), local_files_only=True)
            self._model, loaded = transformers.AutoModel.from_pretrained(
                str(directory),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise DataError(f"the text encoder {directory} cannot be loaded: {error}") from error
        missing = sorted(name for name in loaded["missing_keys"] if "pooler" not in name)  # what pools is not used
        size = getattr(self._model.config, "hidden_size", None)
        if missing or size is None:
            lack = f"its weights lack {', '.join(missing[:3])}" if missing else "it is no encoder of text alone"
            raise DataError(f"the text encoder {directory} cannot be used: {lack}")
        if getattr(self._model.config, "is_encoder_decoder", False):
            self._model = self._model.encoder
        self._model.float().eval()
        super().__init__(str(directory), int(size), _hash(directory, files))

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import torch

        rows = []
        limit = min(int(self._tokenizer.model_max_length), getattr(self._model.config, "max_position_embeddings", 512))
        with torch.inference_mode():
            for text in texts:
                tokens = self._tokenizer(text, return_tensors="pt", truncation=True, max_length=limit)
                states = self._model(**tokens).last_hidden_state[0]  # (tokens, size)
                rows.append((states[0] if self._pooling == "first" else states.mean(dim=0)).numpy())
        return _scaled(np.stack(rows))


@lru_cache(maxsize=4)
def encoder_named(name: str) -> TextEncoder:
    """The built-in encoder, or that of a directory; one a process.

    Raises:
        DataError: there is no such directory, or no encoder in it.
        UsageError: the package that reads it is not installed.
    """
    if name in ("", "hashing"):
        return encoder_named(HASHING)
    if name == HASHING:
        return HashingEncoder()
    directory = Path(name).expanduser().resolve()
    if str(directory) != name:
        return encoder_named(str(directory))
    if not directory.is_dir():
        raise DataError(
            f"there is no text encoder {directory}: it is a directory", hint="Nothing is downloaded; put a model there."
        )
    return LocalEncoder(directory)


def encoder_of(attribute: Attribute) -> TextEncoder:
    """The encoder with which a run was trained.

    Raises:
        RunError: it cannot be loaded, or is not the same any more.
    """
    try:
        encoder = encoder_named(attribute.encoder)
    except DataError as error:
        raise RunError(f"the text encoder of {attribute.name} is gone: {error.message}", hint=error.hint) from error
    if (encoder.sha256, encoder.size) != (attribute.encoder_sha256, attribute.size):
        raise RunError(
            f"the text encoder {encoder.name} is not the one that {attribute.name} was trained with",
            hint=f"Put back the files whose hash is {attribute.encoder_sha256[:16]}.",
        )
    return encoder


def _forget(memory: dict[Any, Any]) -> None:
    """All but the newest."""
    for oldest in list(islice(memory, max(0, len(memory) - _REMEMBERED))):
        del memory[oldest]


def _key(vector: NDArray[np.float32]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(vector).tobytes(), digest_size=16).digest()


def _scaled(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of mean square 1; nothing stays nothing."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(length > 0, length, 1)
    return np.asarray(unit * np.sqrt(vectors.shape[1]), dtype=np.float32)


def _pooling(directory: Path) -> str:
    """`mean` or `first`, by what a Sentence-Transformers directory says of itself; mean for others."""
    listing = directory / "modules.json"
    if not listing.is_file():
        return "mean"
    try:
        modules = json.loads(listing.read_text(encoding="utf-8"))
        kinds = {str(module["type"]).rsplit(".", 1)[-1]: directory / str(module["path"]) for module in modules}
        if (strange := sorted(set(kinds) - set(_MODULES))) or kinds.get("Transformer", directory) != directory:
            raise DataError(f"{listing} has parts that are not supported: {', '.join(strange) or 'a nested model'}")
        pooling = json.loads((kinds["Pooling"] / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{listing} is unreadable: {error}") from error
    chosen = [name for name, value in pooling.items() if name.startswith("pooling_mode") and value is True]
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise DataError(
            f"{directory} pools its tokens by {', '.join(chosen) or 'nothing'}", hint="Known: mean, first token."
        )
    return _POOLINGS[chosen[0]]


def _hash(directory: Path, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(directory).as_posix()} {content}\n".encode())
    return digest.hexdigest()
