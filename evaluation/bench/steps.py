"""What a DP-SGD step costs: plain torch, this package's closed form with noise, Opacus' hooks; side by side, one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.bench.grid import circumstances
from synth.models.dpvae import DPVAE
from synth.models.nets.adversarial import Critic
from synth.models.nets.tabular import one_hot
from synth.models.nets.vae import VAE, Shape
from synth.privacy.dpsgd import NoisyGradient, SgdPlan
from synth.privacy.opacus_bridge import exact_hooks_sum
from synth.privacy.randomness import os_entropy

SIZES = (19, 9, 20, 16, 16, 7, 15, 6, 5, 2, 10, 6, 18, 42, 2)  # Adult
BATCH = 2048
REPEATS = 9


def timed(step: Callable[[], object], repeats: int) -> float:
    """Median milliseconds of a step, after one warm-up."""
    step()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds)


def measure_steps() -> list[dict[str, Any]]:
    """Cost of a step of every shipped network and of a two-layer perceptron; a record each."""
    torch.set_num_threads(1)
    rng, public = np.random.default_rng(0), torch.Generator().manual_seed(0)
    codes = np.column_stack([rng.integers(k, size=BATCH) for k in SIZES])
    width, offsets = sum(SIZES), torch.tensor(np.cumsum((0, *SIZES[:-1])))
    shape = Shape(sizes=SIZES, target=14, fold=torch.arange(width), latent=DPVAE().latent, components=DPVAE().components)
    mlp = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))

    def vae_loss(module: nn.Module, rows: Tensor, normals: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
        losses: Tensor = module(one_hot(rows + offsets, width), rows + offsets, normals)
        return losses

    def critic_loss(module: nn.Module, rows: Tensor, normals: object) -> Tensor:  # noqa: ARG001
        scores: Tensor = module(one_hot(rows + offsets, width))
        return -scores.reshape(len(rows))

    records = []
    for name, module, loss, hooks in (
        ("dpvae", VAE(shape, torch.zeros(width), public), vae_loss, False),
        ("dpgan critic", Critic(width), critic_loss, True),
        ("perceptron 256-256", mlp, critic_loss, True),
    ):
        records += _network(name, module, loss, codes, hooks=hooks)
    return [{**record, **circumstances()} for record in records]


def _network(name: str, module: nn.Module, loss: Any, codes: Any, *, hooks: bool) -> list[dict[str, Any]]:
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9)
    rows = torch.from_numpy(codes)

    def normals(size: tuple[int, ...]) -> Tensor:
        return torch.randn(size)

    def plain() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(loss(module, torch.from_numpy(codes.astype(np.int64)), normals).mean())
        optimizer.step()

    plan = SgdPlan(steps=10_000, sample_rate=0.05, divisor=BATCH, max_grad_norm=1.0)
    gradients = NoisyGradient(module, loss, plan, 2.0, lambda: codes, os_entropy)

    def private() -> None:
        gradients.step()
        optimizer.step()

    found = {"plain torch": timed(plain, REPEATS), "synth, noise included": timed(private, REPEATS)}
    if hooks:
        found["Opacus hooks, clipped sum only"] = timed(
            lambda: exact_hooks_sum(module, lambda m, r: loss(m, r, normals), rows, 1.0), 2
        )
    size = sum(p.numel() for p in module.parameters())
    return [
        {
            "network": name,
            "parameters": size,
            "batch": BATCH,
            "step": step,
            "milliseconds": ms,
            "ratio": ms / found["plain torch"],
        }
        for step, ms in found.items()
    ]
