"""Private training: gradients clipped record by record, noise as promised, nothing else that follows from records."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from synthgen.api import Batch, Condition
from synthgen.config import resolve
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.loss import DenoisingLoss
from synthgen.diffusion.weights import LossWeight
from synthgen.errors import ConfigError
from synthgen.generation import generate, generate_records
from synthgen.nn.dit import DiT
from synthgen.nn.unet import UNet
from synthgen.training import train
from synthgen.training.clipping import _poisson_batch, clipped_sum
from synthgen.training.distilling import distill
from synthgen.training.guarantee import plan_guarantee, refuse_batch_statistics, refuse_what_breaks_privacy
from synthgen.training.public import parse_ranges

pytest.importorskip("opacus", reason="opacus is not installed")

CONDITIONS = (Condition("label", "class", 4), Condition("length", "vector", 1))
SIZES = {"width": 8, "blocks": 1, "heads": 1, "dropout": 0.0}
NETWORKS = {
    "unet of images": ((1, 6, 6), lambda shape: UNet(shape, CONDITIONS, multipliers=(1, 2), **SIZES)),
    "unet of series": ((2, 16), lambda shape: UNet(shape, CONDITIONS, multipliers=(1, 2), **SIZES)),
    "dit": ((2, 16), lambda shape: DiT(shape, CONDITIONS, **SIZES)),
}


@pytest.fixture(params=NETWORKS)
def subject(request):
    """A denoiser with random weights, its loss, a batch of five with every kind of null condition, and noise."""
    shape, make = NETWORKS[request.param]
    generator = torch.Generator().manual_seed(0)
    network = make(shape)
    for parameter in network.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    x = torch.randn(5, *shape, generator=generator)
    observed = (torch.rand(x.shape, generator=generator) < 0.8).float()
    conditions = {
        "label": torch.tensor([0, 1, -1, 3, 2]),
        "length": torch.tensor([[0.1], [0.5], [math.nan], [0.3], [1.0]]),
    }
    batch = Batch(x, observed, conditions)
    sigma, noise = torch.rand(5, generator=generator) + 0.1, torch.randn(x.shape, generator=generator)
    return Denoiser(network), DenoisingLoss(LossWeight("edm", 0.5), uncertainty=False), batch, sigma, noise


def one_by_one(denoiser, loss, batch, sigma, noise):
    """Each record's gradients by ordinary backward passes."""
    found = []
    for i in range(len(batch.x)):
        rows = slice(i, i + 1)
        denoiser.zero_grad()
        conditions = {name: values[rows] for name, values in batch.conditions.items()}
        loss(denoiser, batch.x[rows], sigma[rows], noise[rows], batch.observed[rows], conditions)[0].backward()
        found.append({n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in denoiser.named_parameters()})
        found[-1] = {name: gradient.clone() for name, gradient in found[-1].items()}
    return found


def norm(gradients):
    return float(torch.sqrt(sum(gradient.square().sum() for gradient in gradients.values())))


@pytest.mark.parametrize("part", [2, 16])
def test_each_records_gradient_is_clipped_by_itself(subject, part):
    single = one_by_one(*subject)
    norms = [norm(gradients) for gradients in single]
    clip = sorted(norms)[2]  # some are clipped and some are not
    total = clipped_sum(*subject, clip=clip, part=part)
    for name, found in total.items():
        expected = sum(gradients[name] * min(1.0, clip / size) for gradients, size in zip(single, norms, strict=True))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_one_record_moves_the_sum_by_no_more_than_the_clipping_norm(subject):
    denoiser, loss, batch, sigma, noise = subject
    fewer = Batch(batch.x[1:], batch.observed[1:], {name: v[1:] for name, v in batch.conditions.items()})
    total = clipped_sum(*subject, clip=0.3)
    without = clipped_sum(denoiser, loss, fewer, sigma[1:], noise[1:], clip=0.3)
    moved = norm({name: total[name] - without[name] for name in total})
    assert 0.01 < moved <= 0.3 * (1 + 1e-4)


def test_an_empty_batch_has_a_sum_of_zero(subject):
    denoiser, loss, batch, sigma, noise = subject
    none = Batch(batch.x[:0], None, {name: v[:0] for name, v in batch.conditions.items()})
    assert norm(clipped_sum(denoiser, loss, none, sigma[:0], noise[:0], clip=1.0)) == 0


def test_without_subsampling_epsilon_is_that_of_composed_gaussian_mechanisms():
    """Renyi divergence of T Gaussians is alpha T / (2 sigma^2); converted as Canonne et al. 2020, proposition 12."""
    found = plan_guarantee(epsilon=3.0, delta=1e-5, records=100, batch_size=100, samples=2000, clip=1.0)
    assert (found.sample_rate, found.steps) == (1.0, 20)
    orders = [1 + x / 10 for x in range(1, 100)] + list(range(12, 64))  # the best one is among these

    def epsilon(a):
        divergence = 20 * a / (2 * found.noise_multiplier**2)
        return divergence + math.log1p(-1 / a) - (math.log(1e-5) + math.log(a)) / (a - 1)

    assert found.epsilon == pytest.approx(min(epsilon(a) for a in orders), rel=1e-6)
    assert 2.9 < found.epsilon <= 3.0


def test_with_subsampling_epsilon_is_bounded_by_the_binomial_sum_of_mironov():
    found = plan_guarantee(epsilon=2.0, delta=1e-5, records=1000, batch_size=50, samples=5000, clip=1.0)
    q, sigma, steps = found.sample_rate, found.noise_multiplier, found.steps

    def epsilon(a):
        terms = [
            math.comb(a, k) * (1 - q) ** (a - k) * q**k * math.exp((k * k - k) / (2 * sigma**2)) for k in range(a + 1)
        ]
        divergence = steps * math.log(sum(terms)) / (a - 1)
        return divergence + math.log1p(-1 / a) - (math.log(1e-5) + math.log(a)) / (a - 1)

    by_hand = min(epsilon(a) for a in range(2, 48))
    assert found.epsilon <= by_hand * (1 + 1e-9)  # orders that are no integers only help
    assert found.epsilon == pytest.approx(by_hand, rel=0.02)


def test_more_steps_need_more_noise_and_a_loose_delta_is_refused():
    few, many = (
        plan_guarantee(epsilon=2.0, delta=1e-5, records=1000, batch_size=50, samples=n, clip=1.0) for n in (1000, 20000)
    )
    assert many.noise_multiplier > few.noise_multiplier
    with pytest.raises(ConfigError, match="not below 1 / 1,000"):
        plan_guarantee(epsilon=2.0, delta=1e-3, records=1000, batch_size=50, samples=1000, clip=1.0)


PRIVATE = {"modality": "image", "noise": {"sigma_max": 20.0}, "train": {"dp_epsilon": 8.0, "dp_delta": 1e-5}}


@pytest.mark.parametrize(
    ("section", "choice", "reason"),
    [
        ("train", {"dp_delta": None}, "needs train.dp_delta"),
        ("train", {"minutes": 1.0}, "train.minutes cannot be used"),
        ("train", {"data_curriculum": 0.5}, "train.data_curriculum cannot be used"),
        ("train", {"context": 0.5}, "train.context cannot be used"),
        ("train", {"precision": "bf16"}, "train.precision cannot be used"),
        ("data", {"balance": 0.5}, "data.balance cannot be used"),
        ("noise", {"adaptive": True}, "noise.adaptive cannot be used"),
        ("loss", {"contrastive": 0.05}, "loss.contrastive cannot be used"),
        ("ema", {"choose": "utility"}, "ema.choose cannot be used"),
        ("train", {"loggers": ("tensorboard",)}, "train.loggers cannot be used"),
        ("optim", {"accumulate": 2}, "optim.accumulate cannot be used"),
    ],
)
def test_what_would_break_the_guarantee_is_refused_with_the_reason(section, choice, reason):
    config = resolve([{**PRIVATE, section: {**PRIVATE.get(section, {}), **choice}}])
    with pytest.raises(ConfigError, match=reason):
        refuse_what_breaks_privacy(config)


def test_a_delta_without_an_epsilon_is_refused_instead_of_guaranteeing_nothing(tmp_path):
    with pytest.raises(ConfigError, match=r"train\.dp_delta without train\.dp_epsilon"):
        train({"modality": "image", "train": {"dp_delta": 1e-5}}, out=tmp_path / "run")


def test_batch_statistics_are_refused_and_group_normalisation_is_not():
    with pytest.raises(ConfigError, match=r"normalises over the batch \(1\)"):
        refuse_batch_statistics(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    refuse_batch_statistics(NETWORKS["dit"][1]((2, 16)))


def test_a_modality_that_learns_its_scaling_asks_for_ranges_or_public_data(tmp_path):
    with pytest.raises(ConfigError, match="would be learnt from the records") as caught:
        train({**PRIVATE, "modality": "timeseries"}, out=tmp_path / "run")
    assert "--dp-range" in caught.value.hint
    assert "--dp-public" in caught.value.hint


def test_a_fixed_scale_still_needs_the_largest_noise_level(tmp_path):
    with pytest.raises(ConfigError, match=r"noise\.sigma_max would be taken from the private records"):
        train({**PRIVATE, "noise": {}}, out=tmp_path / "run")


def test_ranges_are_read_for_all_channels_and_for_one():
    names = ["pulse", "age"]
    assert parse_ranges(["age=0:120", "-1:1"], names) == {"pulse": (-1.0, 1.0), "age": (0.0, 120.0)}
    assert parse_ranges(["pulse=30:220"], names) == {"pulse": (30.0, 220.0)}


@pytest.mark.parametrize("text", ["3", "1:2:3", "age=5:5", "0:inf", "height=0:1", "age=a:b"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ConfigError, match=r"train\.dp_range"):
        parse_ranges([text], ["age"])


class Ten:
    """Ten records, for drawing."""

    def __len__(self):
        return 10

    def at(self, positions):
        return Batch(torch.from_numpy(np.asarray(positions, dtype=np.float32))[:, None], None, {})


def test_every_record_is_drawn_by_itself_with_the_given_probability():
    generator = torch.Generator().manual_seed(0)
    drawn = np.zeros((4000, 10))
    for row in drawn:
        row[_poisson_batch(Ten(), 0.3, generator).x[:, 0].numpy().astype(int)] = 1
    assert drawn.mean(axis=0) == pytest.approx(0.3, abs=0.03)
    sizes = drawn.sum(axis=1)
    assert sizes.var() == pytest.approx(10 * 0.3 * 0.7, rel=0.1)  # as of a binomial, not of a fixed size
    assert sizes.min() == 0


def write_images(path, seed, n=120):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 6, 6, 1)) if seed else np.full((n, 6, 6, 1), 7)
    labels = np.array(["a", "b"])[(rng.random(n) < (0.5 if seed else 0.9)).astype(int)]
    labels[:20] = ["a", "b"] * 10
    np.savez(path, X=images.astype(np.uint8), y=labels)
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two private runs with one seed, on data sets that share nothing but size and classes."""
    place = tmp_path_factory.mktemp("private")
    network = {"width": 8, "multipliers": [1], "blocks": 1, "attention": False, "heads": 1}
    options = {**PRIVATE, "network": network, "optim": {"batch_size": 32}}
    options["train"] = {**PRIVATE["train"], "samples": 320, "seed": 3}
    data = [write_images(place / f"{seed}.npz", seed) for seed in (0, 1)]
    return [train(options, data=path, out=place / path.stem) for path in data]


def test_nothing_but_the_weights_follows_from_the_records(runs):
    for name in ("schema.json", "codec.json", "codec.safetensors", "conditions.safetensors"):
        assert (runs[0].path / name).read_bytes() == (runs[1].path / name).read_bytes(), name
    for run in runs:
        assert not {"loss", "grad_norm", "held_out"} & {key for row in run.history() for key in row}
        assert not (run.path / "quality.json").exists()
        assert not (run.path / "state").exists()
    facts = [json.loads((run.path / "run.json").read_text(encoding="utf-8")) for run in runs]
    differing = {key for key in facts[0] if facts[0][key] != facts[1][key]}
    assert differing <= {"files", "request", "started", "finished", "seconds"}


SMALL = {"unet": {"width": 8, "multipliers": [1], "blocks": 1, "attention": False, "heads": 1}, "mlp": {"width": 8}}


def write_vectors(path, rng, calm):
    np.savez(path, X=rng.normal(3 if calm else -40, 1 if calm else 9, (90, 3)), y=np.array(["a", "b"] * 45))


def write_lengths(path, rng, calm):
    """Series of 16 steps, some of them shorter."""
    values = rng.normal(3 if calm else -40, 1 if calm else 9, (90, 2, 16))
    values[::3, :, 9 if calm else 12 :] = np.nan
    np.savez(path, X=values, y=np.array(["a", "b"] * 45))


@pytest.mark.parametrize("how", ["ranges", "public data"])
@pytest.mark.parametrize(("modality", "write"), [("vectors", write_vectors), ("timeseries", write_lengths)])
def test_ranges_or_public_data_stand_for_what_readers_and_codecs_learn_from_records(modality, write, how, tmp_path):
    for name in ("calm", "wild", "public"):
        write(tmp_path / f"{name}.npz", np.random.default_rng(len(name)), name == "calm")
    known = {"dp_range": ("-100:100",)} if how == "ranges" else {"dp_public": str(tmp_path / "public.npz")}
    train_options = {"dp_epsilon": 8.0, "dp_delta": 1e-5, "samples": 64, **known}
    network = SMALL["mlp" if modality == "vectors" else "unet"]
    options = {"modality": modality, "train": train_options, "network": network, "optim": {"batch_size": 32}}
    found = [train(options, data=tmp_path / f"{name}.npz", out=tmp_path / name) for name in ("calm", "wild")]
    for name in ("schema.json", "codec.json", "codec.safetensors", "conditions.safetensors"):
        assert (found[0].path / name).read_bytes() == (found[1].path / name).read_bytes(), name
    assert found[0].config.noise == found[1].config.noise
    made = generate_records(found[0], n=5, seed=0)
    assert np.abs(made["values"]).max() <= 120  # a range and a tenth of it


def test_masks_need_neither(tmp_path):
    settings = {**PRIVATE, "modality": "mask", "noise": {}}
    rng = np.random.default_rng(0)
    for name, most in (("dark", 60), ("light", 256)):
        for folder in ("images", "masks"):
            (tmp_path / name / folder).mkdir(parents=True)
        for index in range(40):
            image = rng.integers(0, most, (8, 8), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / name / "images" / f"{index}.png")
            Image.fromarray((image > most // 2).astype(np.uint8)).save(tmp_path / name / "masks" / f"{index}.png")
    settings |= {"network": SMALL["unet"], "optim": {"batch_size": 16}}
    settings["train"] = {**PRIVATE["train"], "samples": 32}
    found = [train(settings, data=tmp_path / name, out=tmp_path / f"{name}-run") for name in ("dark", "light")]
    for name in ("schema.json", "codec.safetensors", "conditions.safetensors"):
        assert (found[0].path / name).read_bytes() == (found[1].path / name).read_bytes(), name
    assert generate_records(found[0], n=3, seed=0)["mask"].shape == (3, 8, 8)


def test_the_guarantee_stands_in_the_cards_and_the_run_generates(runs, tmp_path):
    run = runs[0]
    privacy = run.facts["privacy"]
    assert 0 < privacy["epsilon"] <= 8
    assert privacy["steps"] == 10
    card = (run.path / "card.md").read_text(encoding="utf-8")
    assert privacy["statement"] in card
    assert "no formal guarantee" not in card
    records = generate_records(run, n=6, seed=0)
    assert records["image"].shape == (6, 6, 6, 1)
    described = generate(run, n=6, out=tmp_path / "d").path / "README.md"
    assert privacy["statement"] in described.read_text(encoding="utf-8")


def test_noise_does_not_follow_from_the_published_seed(runs, tmp_path):
    options = json.loads(json.dumps(runs[0].facts["request"]["overrides"]))
    again = train(options, out=tmp_path / "again")
    assert again.fingerprint != runs[0].fingerprint


def test_another_runs_weights_are_no_start(runs, tmp_path):
    options = json.loads(json.dumps(runs[0].facts["request"]["overrides"]))
    with pytest.raises(ConfigError, match="fresh weights"):
        train(options, out=tmp_path / "run", init=runs[0].path)


def test_distilling_a_private_run_would_void_its_guarantee(runs, tmp_path):
    with pytest.raises(ConfigError, match="reads the records again"):
        distill(runs[0], out=tmp_path / "run")
