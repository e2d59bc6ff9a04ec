"""Fine-tuning, frozen parts, adapters and continued runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from synthgen.config import merge
from synthgen.errors import ConfigError, DataError, RunError, UsageError
from synthgen.io.run import Run, load_tensors
from synthgen.nn.lora import add_adapters, merged
from synthgen.training import train
from synthgen.training.starting import take_weights


def short(overrides, **train_options):
    return merge(overrides, {"train": {"samples": 320, "sample_checks": 0, **train_options}})


def weights(run):
    return load_tensors(run.path / "model.safetensors")


@pytest.fixture(scope="module")
def other_digits(tmp_path_factory):
    """Digits 8 and 9, and 0 upside down as the new class `zero`, as a folder of images."""
    root = tmp_path_factory.mktemp("data") / "more"
    digits = load_digits()
    for name, digit in (("8", 8), ("9", 9), ("ring", 0)):
        (root / name).mkdir(parents=True)
        for index, image in enumerate(digits.images[digits.target == digit][:40]):
            pixels = np.rint(image * 255 / 16).astype(np.uint8)
            Image.fromarray(255 - pixels if name == "ring" else pixels).save(root / name / f"{index:03d}.png")
    return root


def test_class_tables_are_filled_by_class_name():
    def network(classes):
        module = torch.nn.Module()
        module.table = torch.nn.Embedding(classes + 1, 3)
        module.linear = torch.nn.Linear(3, 2)
        holder = torch.nn.Module()
        holder.part = module
        return holder

    old, new = network(3), network(4)
    before = new.part.table.weight.detach().clone()
    taken = take_weights(new, old.state_dict(), labels=("c", "x", "a", "y"), others=("a", "b", "c"))
    table = new.part.table.weight
    assert torch.equal(table[[0, 2, 4]], old.part.table.weight[[2, 0, 3]])
    assert torch.equal(table[[1, 3]], before[[1, 3]])
    assert taken.partly == ("part.table.weight",)
    assert taken.taken == ("part.linear.weight", "part.linear.bias")
    assert "1 were filled for the classes that both runs have (part.table.weight)" in taken.sentence()


def test_what_does_not_match_is_said(tiny_run, tiny_overrides, tmp_path):
    events = []
    wider = merge(short(tiny_overrides, samples=64), {"network": {"multipliers": [1, 3]}})
    run = train(wider, out=tmp_path / "run", init=tiny_run.path, progress=events.append)
    facts = run.facts["init"]
    assert "stem.weight" in facts["taken"]
    assert "coarsest.0.conv_in.weight" in facts["fresh"]
    assert "are new or of another shape and start fresh (" in events[0]["message"]


def test_frozen_parameters_stay_bit_for_bit(tiny_run, tiny_overrides, tmp_path):
    run = train(short(tiny_overrides, freeze=["down.*", "stem.*"]), out=tmp_path / "run", init=tiny_run.path)
    before, after = weights(tiny_run), weights(run)
    for name, value in after.items():
        assert torch.equal(value, before[name]) == name.startswith(("down.", "stem.")), name


def test_freezing_nothing_known_or_everything_is_refused(tiny_run, tiny_overrides, tmp_path):
    with pytest.raises(ConfigError, match="no parameter matches 'dwon") as caught:
        train(short(tiny_overrides, freeze=["dwon.*"]), out=tmp_path / "a", init=tiny_run.path)
    assert "down" in caught.value.hint
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        train(short(tiny_overrides, freeze=["*"]), out=tmp_path / "b", init=tiny_run.path)
    with pytest.raises(ConfigError, match=r"train\.lora_rank needs trained weights"):
        train(short(tiny_overrides, lora_rank=2), out=tmp_path / "c")


def test_adapters_start_as_the_identity_and_merge_to_the_same_function():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 6))
    x = torch.randn(2, 3, 6, 6)
    expected = network(x)
    names = add_adapters(network, 2)
    assert names == ["0", "2"]
    torch.testing.assert_close(network(x), expected)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("up"):
                parameter.normal_()
    changed = network(x)
    plain = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 6))
    plain.load_state_dict(merged(network.state_dict()))
    torch.testing.assert_close(plain(x), changed)
    assert not torch.allclose(changed, expected)


def test_a_run_with_adapters_changes_weights_by_low_rank_and_opens_as_any_other(tiny_run, tiny_overrides, tmp_path):
    overrides = short(tiny_overrides, lora_rank=2)
    run = train(overrides, out=tmp_path / "run", init=tiny_run.path)
    before, after = weights(tiny_run), weights(run)
    assert before.keys() == after.keys()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed
    for name in changed:
        change = (after[name] - before[name]).flatten(1)
        values = torch.linalg.svdvals(change.double())
        assert values[2:].max() < 1e-4 * values[0], name
    Run.open(run.path).denoiser()


def test_a_continued_run_knows_old_and_new_classes_and_says_what_it_forgot(
    tiny_run, tiny_overrides, other_digits, tmp_path
):
    overrides = {"data": {"path": str(other_digits)}, "train": short(tiny_overrides)["train"]}
    overrides["optim"] = {"batch_size": 32}
    events = []
    run = train(overrides, out=tmp_path / "run", continued=tiny_run.path, progress=events.append)
    assert run.schema.labels == (*tiny_run.schema.labels, "ring")
    assert run.config.network == tiny_run.config.network
    told = run.facts["continued"]
    assert told["rehearsed"] == len(tiny_run.split.train)
    assert set(told["after"]["classes"]) == set(tiny_run.schema.labels)
    assert "on the old run's held-out records the loss went from" in events[-1]["message"]
    assert run.facts["quality"] == []  # old classes are not missing from the new data
    assert sorted(np.unique(run.source().labels)) == [8, 9, 10]
    counts = dict(zip(run.schema.labels, run.facts["label_counts"], strict=True))
    assert counts["ring"] > 10
    assert counts["0"] == tiny_run.facts["label_counts"][0]
    from synthgen.generation import generate_records

    records = generate_records(run, n=6, labels=["0", "ring"])
    assert sorted(records.label.tolist()) == [0, 0, 0, 10, 10, 10]


def test_rehearsal_forgets_less(tiny_run, tiny_overrides, other_digits, tmp_path):
    def forgotten(share):
        overrides = {
            "data": {"path": str(other_digits)},
            "train": {**short(tiny_overrides)["train"], "samples": 3200, "rehearsal": share},
            "optim": {"batch_size": 32},
        }
        run = train(overrides, out=tmp_path / f"{share}", continued=tiny_run.path)
        return run.facts["continued"]["after"]["total"]

    assert forgotten(0.5) < forgotten(0.0)


def test_continuing_with_other_records_is_refused(tiny_run, tiny_overrides, tmp_path):
    overrides = {"data": {"path": "basic-motions"}, "train": short(tiny_overrides)["train"]}
    with pytest.raises((UsageError, DataError)):
        train(overrides, out=tmp_path / "run", continued=tiny_run.path)
    with pytest.raises(RunError, match="is not a run"):
        train(overrides, out=tmp_path / "run", continued=tmp_path)
    with pytest.raises(UsageError, match="either the start of another"):
        train(overrides, out=tmp_path / "run", continued=tiny_run.path, init=tiny_run.path)


@pytest.mark.parametrize("kind", ["adapters", "continued"])
def test_a_run_with_a_start_resumes_to_the_same_weights(kind, tiny_run, tiny_overrides, other_digits, tmp_path):
    class Enough(Exception):
        pass

    def interrupt(event):
        if event["kind"] == "checkpoint" and event["progress"] > 0.4:
            raise Enough

    if kind == "adapters":
        overrides, start = short(tiny_overrides, lora_rank=2), {"init": tiny_run.path}
    else:
        training = {**short(tiny_overrides)["train"], "rehearsal": 0.5, "rehearsal_records": 50}
        overrides = {"data": {"path": str(other_digits)}, "train": training, "optim": {"batch_size": 32}}
        start = {"continued": tiny_run.path}
    whole = train(overrides, out=tmp_path / "whole", **start)
    with pytest.raises(Enough):
        train(overrides, out=tmp_path / "cut", progress=interrupt, **start)
    assert train(overrides, out=tmp_path / "cut", **start).fingerprint == whole.fingerprint
