"""Muon: orthogonal updates for matrices, AdamW for the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.config import OptimConfig
from synthgen.training.muon import Muon, orthogonalised
from synthgen.training.optim import build_optimizer


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (24, 24)])
def test_the_update_has_singular_values_near_one_and_the_same_singular_vectors(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalised(matrix)
    values = torch.linalg.svdvals(result)
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.4
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ result @ vh.T
    assert torch.allclose(inner, torch.diag(torch.diag(inner)), atol=1e-4)


@pytest.mark.parametrize("shape", [(4, 7), (9, 3), (5, 2, 3, 3)])
def test_a_step_is_the_published_one_in_numpy(shape):
    """Jordan et al. 2024 with Nesterov's momentum; the length of the step of Liu et al. 2025, arXiv:2502.16982."""
    rng = np.random.default_rng(0)
    start, phase = rng.normal(size=shape), rng.normal(size=shape)
    w, momentum = start.copy(), np.zeros(shape)
    ours = torch.nn.Parameter(torch.tensor(start))
    optimizer = Muon([{"params": [ours], "orthogonal": True, "weight_decay": 0.1}], lr=0.02, momentum=0.9)
    for step in range(1, 6):
        gradient = np.cos(w * step + phase)
        ours.grad = torch.cos(ours.detach() * step + torch.tensor(phase))
        optimizer.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        x = (0.1 * gradient + 0.9 * momentum).reshape(shape[0], -1)
        x = x / np.linalg.norm(x)
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        length = 0.02 * 0.2 * np.sqrt(max(x.shape))
        w = (1 - 0.02 * 0.1) * w - length * x.reshape(shape)
    np.testing.assert_allclose(ours.detach().numpy(), w, rtol=1e-5, atol=1e-6)


def test_what_is_not_a_hidden_matrix_moves_as_adamw_moves_it():
    start = torch.randn(5, generator=torch.Generator().manual_seed(1))
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    muon = Muon([{"params": [ours], "orthogonal": False, "weight_decay": 0.1}], lr=0.01)
    adamw = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for step in range(20):
        for parameter, optimizer in ((ours, muon), (theirs, adamw)):
            parameter.grad = torch.sin(parameter.detach() + step)
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_convolutions_are_orthogonalised_inputs_and_vectors_are_not():
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 32, 3), torch.nn.Conv2d(32, 32, 3), torch.nn.Linear(32, 4))
    optimizer = build_optimizer([module], OptimConfig(name="muon"))
    hidden = [tuple(p.shape) for group in optimizer.param_groups if group["orthogonal"] for p in group["params"]]
    others = [tuple(p.shape) for group in optimizer.param_groups if not group["orthogonal"] for p in group["params"]]
    assert hidden == [(32, 32, 3, 3)]
    assert sorted(others) == [(4,), (4, 32), (32,), (32,), (32, 1, 3, 3)]


def test_it_learns():
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(20, 20, generator=generator)
    layer = torch.nn.Linear(20, 20)
    optimizer = build_optimizer([layer], OptimConfig(name="muon", weight_decay=0.0))
    for group in optimizer.param_groups:
        group["lr"] = 0.05
    first = last = 0.0
    for step in range(200):
        x = torch.randn(64, 20, generator=generator)
        loss = (layer(x) - x @ target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = (float(loss.detach()), first) if step == 0 else (first, float(loss.detach()))
    assert last < 0.05 * first
