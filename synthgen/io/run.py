"""A run: the directory that `train` leaves and every other verb starts from. Opening one executes nothing.

Its files:

    run.json             status, request, files with their SHA-256, versions, what was measured while training
    config.toml          the resolved configuration
    schema.json          what one record is
    split.safetensors    positions of train, validation, holdout, calibration in the source
    codec.json, codec.safetensors
    conditions.safetensors   condition rows of training records, from which generation draws
    model.safetensors    averaged weights (EMA)
    guide.safetensors    an average from early in training, for autoguidance (with ema.guide_at)
    averages.safetensors averages of all widths, as `<width>/<name>` (with ema.keep)
    metrics.jsonl        loss curves
    card.md              for people
    state/               for resuming only
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from synthgen import registry
from synthgen.allocator import keep_freed_memory
from synthgen.api import Codec, Modality, Schema, Source
from synthgen.config import RunConfig, resolve
from synthgen.data.augmentation import augmentation_of
from synthgen.data.channel_groups import channel_groups
from synthgen.data.opening import open_source, relabel
from synthgen.data.split import Split
from synthgen.data.super_resolution import EnlargingCodec, low_resolution_of
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.details import details_condition
from synthgen.diffusion.gaussian import GaussianBase, plain_condition
from synthgen.diffusion.levels import levels_condition
from synthgen.errors import ConfigError, DataError, RunError, SynthgenError
from synthgen.io import notebook
from synthgen.io.atomic import atomic_file, read_text, sha256_of
from synthgen.io.condition_bank import Asked, ConditionBank
from synthgen.io.condition_texts import remembered
from synthgen.nn.context import context_condition

if TYPE_CHECKING:
    import synthgen

__all__ = ["Run", "build_denoiser", "codec_of", "load_tensors", "save_tensors"]


class Run:
    """A finished run.

    Attributes:
        path: the directory.
        facts: `run.json`.
        config, schema, split: as they were when training.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any], config: RunConfig, schema: Schema, split: Split) -> None:
        self.path = path
        self.facts = facts
        self.config = config
        self.schema = schema
        self.split = split

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a run and check its files.

        Raises:
            RunError: not a run, not finished, or a file is missing, truncated or changed.
        """
        path = Path(path)
        facts = read_facts(path)
        if facts["status"] != "finished":
            raise RunError(
                f"training of {path} has not finished ({facts['status']})",
                hint="Run the same `synthgen train` command again: it resumes.",
            )
        for name, sha256 in facts["files"].items():
            if not (path / name).is_file():
                raise RunError(f"the run {path} is damaged: {name} is missing")
            if sha256_of(path / name) != sha256:
                raise RunError(
                    f"the run {path} is damaged: {name} is not what training wrote",
                    hint="Restore the file from a copy, or train again.",
                )
        try:
            config = resolve([tomllib.loads(read_text(path / "config.toml"))])
            schema = Schema.from_json(read_text(path / "schema.json"))
        except (ValueError, RecursionError, DataError) as error:
            raise RunError(f"the run {path} is damaged: {error}") from error
        parts = load_tensors(path / "split.safetensors")
        if parts.keys() != {field.name for field in fields(Split)} or not all(_is_positions(p) for p in parts.values()):
            raise RunError(f"the run {path} is damaged: split.safetensors holds no split")
        return cls(path, facts, config, schema, Split(**{name: part.numpy() for name, part in parts.items()}))

    @classmethod
    def newest(cls, modality: str | None = None, root: Path | str = "runs") -> Self:
        """The run below `root` that finished last.

        Raises:
            RunError: there is none.
        """
        found = [path.parent for path in Path(root).glob("*/run.json")]
        finished = []
        for path in found:
            try:
                facts = read_facts(path)
            except RunError:
                continue
            if facts["status"] == "finished" and modality in (None, facts["modality"]):
                finished.append((facts["finished"], path))
        if not finished:
            kind = f" of modality {modality}" if modality else ""
            raise RunError(
                f"there is no finished run{kind} below {Path(root)}", hint="Train one: synthgen train --modality image"
            )
        return cls.open(max(finished)[1])

    @cached_property
    def modality(self) -> Modality:
        """The modality object; PluginError when its plugin is absent or failed."""
        return registry.modality(self.config.modality)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `model.safetensors`."""
        return str(self.facts["files"]["model.safetensors"])

    def codec(self) -> Codec:
        """The fitted codec."""
        tensors = load_tensors(self.path / "codec.safetensors")
        try:
            facts = json.loads(read_text(self.path / "codec.json"))
            return codec_of(self.modality, self.schema).load_state(facts, tensors)
        except (KeyError, ValueError, RecursionError, TypeError, DataError) as error:
            made_by = self.facts.get("versions", {}).get("synthgen", "another version")
            raise RunError(
                f"the codec of {self.path} was written by synthgen {made_by} and does not fit this one: {error}",
                hint="Train again, or install that version.",
            ) from error

    def denoiser(self) -> Denoiser:
        """The trained denoiser with averaged weights, for evaluation, on the CPU or the GPU at hand."""
        return self._denoiser

    def guide(self) -> Denoiser:
        """The denoiser early in training, for autoguidance.

        Raises:
            RunError: the run keeps none.
        """
        return self._built(load_tensors(self.path / "guide.safetensors"))

    def averages(self) -> list[Denoiser]:
        """The denoisers of all widths of the average but the one that became the model.

        Raises:
            RunError: the run does not keep them.
        """
        weights: dict[str, dict[str, torch.Tensor]] = {}
        for key, value in load_tensors(self.path / "averages.safetensors").items():
            width, _, name = key.partition("/")
            weights.setdefault(width, {})[name] = value
        chosen = self.facts.get("ema_width")
        return [self._built(weights[width]) for width in weights if chosen is None or float(width) != float(chosen)]

    @cached_property
    def _denoiser(self) -> Denoiser:
        return self._built(load_tensors(self.path / "model.safetensors"))

    def _built(self, weights: Mapping[str, torch.Tensor]) -> Denoiser:
        with torch.inference_mode(False):  # kept: whoever asks first must not decide what others can do with it
            denoiser = build_denoiser(self.config, self.schema)
            try:
                denoiser.network.load_state_dict(weights)
            except RuntimeError as error:
                raise RunError(f"the weights in {self.path} do not fit their configuration: {error}") from error
            return denoiser.eval().requires_grad_(False)

    def source(self) -> Source:
        """The training data, opened again.

        Raises:
            RunError: it is not where it was, or no longer has as many records.
        """
        hint = "Put the data back, or name other real data with --real."
        try:
            source = open_source(self.config.modality, self.config.data)
        except DataError as error:
            raise RunError(f"the data this run was trained on cannot be opened: {error.message}", hint=hint) from error
        if len(source) != self.facts["records"]:
            raise RunError(
                f"the data at {self.config.data.path} has {len(source)} records, training saw {self.facts['records']}",
                hint=hint,
            )
        found, own = source.schema, self.schema
        same = (found.labels, found.attributes) == (own.labels, own.attributes)
        return source if same else relabel(source, own)

    def generate(self, n: int | None = None, **options: Any) -> synthgen.Sample:
        """Synthetic records in memory: `run.generate(n=1000, label="cat").pandas()`; options as `synthgen.sample`."""
        import synthgen  # generation lies above this layer; its public name loads on use

        return synthgen.sample(self, n=n, **options)

    def as_dataset(self, **options: Any) -> synthgen.FreshSamples:
        """A torch dataset that makes records as they are asked for; options as `synthgen.fresh_samples`."""
        import synthgen

        return synthgen.fresh_samples(self, **options)

    def _repr_html_(self) -> str:
        """For notebooks: what was trained on what, and the losses."""
        facts = {
            "data": self.config.data.path,
            "training records": f"{self.facts['split']['train']:,}",
            "shape": " x ".join(map(str, self.schema.shape)),
            "labels": ", ".join(self.schema.labels) or "none",
            "network": f"{self.config.network.name}, {self.facts['parameters']:,} parameters",
            "trained": f"{self.facts['samples']:,} samples in {self.facts['seconds']:.0f} s; {self.facts['ended']}",
            "path": self.path,
        }
        kinds = {"step": "training", "held_out": "held-out"}
        losses = {
            name: [(row["samples"], row["loss"]) for row in self.history() if row.get("kind") == kind]
            for kind, name in kinds.items()
        }
        return notebook.facts_table(f"run {self.path.name}: {self.config.modality}", facts) + notebook.curve(losses)

    def history(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`.

        Raises:
            RunError: it is missing or damaged.
        """
        try:
            lines = read_text(self.path / "metrics.jsonl").splitlines()
            return [json.loads(line) for line in lines if line.strip()]
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"the run {self.path} is damaged: metrics.jsonl is unreadable ({error})") from error

    @cached_property
    def _bank(self) -> ConditionBank:
        rows = remembered(load_tensors(self.path / "conditions.safetensors"), self.schema)
        return ConditionBank(rows, self.schema)

    @property
    def condition_rows(self) -> Mapping[str, torch.Tensor]:
        """Conditions of up to 20,000 training records by name, `(rows, ...)` each."""
        return self._bank.rows

    def label_frequencies(
        self, asked: Asked | None = None, nearness: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Share of each class among the training records, `(K,)`; empty for unlabelled data.

        Args:
            asked: only among records with these attributes, see `synthgen.io.condition_bank`.
            nearness: only among rows where this is 1 or more, see `condition_rows`.
        """
        counts = np.array(self.facts["label_counts"], dtype=np.float64)
        if (asked or nearness is not None) and len(counts):
            return self._bank.label_frequencies(asked or {}, nearness)
        return cast(NDArray[np.float64], counts / counts.sum()) if len(counts) else counts

    def conditions(
        self,
        labels: NDArray[np.int64] | None,
        *,
        seed: int,
        sample_ids: Sequence[int],
        asked: Asked | None = None,
        nearness: NDArray[np.float64] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Conditions for records to generate: as asked, the rest of a training record like it, by (seed, id) alone.

        Args:
            labels: `(N,)` index into `schema.labels`; None for unlabelled data.
            seed: seed of the data set.
            sample_ids: `(N,)` position of each record in the data set.
            asked: attributes as `Plan.conditions` holds them.
            nearness: of each of the `condition_rows`, which ones are drawn from; see `ConditionBank.draw`.
        """
        return self._bank.draw(labels, asked or {}, seed=seed, sample_ids=sample_ids, nearness=nearness)

    def told(self, asked: Asked, *, seed: int, sample_ids: Sequence[int]) -> dict[str, torch.Tensor]:
        """The asked conditions alone; arguments as `conditions`."""
        return self._bank.told(asked, seed=seed, sample_ids=sample_ids)


def read_facts(path: Path) -> dict[str, Any]:
    """`run.json` of a run in any state.

    Raises:
        RunError: there is no run, or the file is damaged.
    """
    try:
        facts = json.loads(read_text(path / "run.json"))
    except FileNotFoundError as error:
        raise RunError(f"{path} is not a run: there is no run.json in it") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"the run {path} is damaged: run.json is unreadable ({error})") from error
    if not isinstance(facts, dict) or not {"status", "modality", "files", "records"} <= facts.keys():
        raise RunError(f"the run {path} is damaged: run.json lacks what every run has")
    if not isinstance(facts["files"], dict):
        raise RunError(f"the run {path} is damaged: run.json does not list its files")
    return facts


def codec_of(modality: Modality, schema: Schema) -> Codec:
    """A codec for the schema, not yet fitted; where the run enlarges pictures, one that also encodes the small ones."""
    codec, small = modality.codec(schema), low_resolution_of(schema)
    return codec if small is None else EnlargingCodec(codec, small)


def build_denoiser(config: RunConfig, schema: Schema) -> Denoiser:
    """The denoiser that a configuration describes, with fresh weights.

    Raises:
        ConfigError: choices that do not go together.
    """
    keep_freed_memory()
    network_class = registry.load("networks", config.network.name)
    options = config.network.model_dump(exclude={"name"})
    augmentation = augmentation_of(config, schema)
    conditions = schema.conditions if augmentation is None else (*schema.conditions, augmentation.condition)
    if config.train.context:
        conditions = (*conditions, context_condition(schema.shape))
    groups = tuple(channel_groups(config, schema).values())
    if groups:
        conditions = (*conditions, levels_condition(groups))
    noise = config.noise
    if noise.covariance:
        if groups:
            raise ConfigError("noise.covariance needs one noise level for all channels", hint="Leave it out.")
        conditions = (*conditions, plain_condition(schema.shape))
    if noise.details:
        conditions = (*conditions, details_condition(schema.shape, noise.details))
    try:
        network = network_class(schema.shape, conditions, **options)
    except TypeError as error:
        raise SynthgenError(f"network {config.network.name} cannot be built: {error}") from error
    if noise.covariance:
        network = GaussianBase(
            network, schema.shape[0], parameterisation=noise.parameterisation, sigma_data=noise.sigma_data
        )
    return Denoiser(
        network,
        parameterisation=noise.parameterisation,
        sigma_data=noise.sigma_data,
        groups=groups,
        octaves=noise.details,
    )


def _is_positions(part: torch.Tensor) -> bool:
    return part.dtype == torch.int64 and part.ndim == 1


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file.

    Raises:
        RunError: missing, truncated or not safetensors.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}") from error


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a safetensors file atomically."""
    with atomic_file(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)
