"""What a DP-SGD step costs: plain torch, this package with exact noise, Opacus; side by side in one run, on one thread."""

from __future__ import annotations

import copy
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.bench.grid import circumstances
from evaluation.bench.opacus_steps import ghost_step, hooks_step
from synth.models.dpvae import DPVAE, row_loss
from synth.models.nets.adversarial import Critic, Sight
from synth.models.nets.autoregressive import Autoregressive, smooth_bases, target_scores
from synth.models.nets.tabular import one_hot
from synth.models.nets.vae import VAE, Shape
from synth.privacy.dpsgd import NoisyGradient, SgdPlan
from synth.privacy.layers import OneHotLinear
from synth.privacy.randomness import os_entropy
from synth.table import Domain

SIZES = (19, 9, 20, 16, 16, 7, 15, 6, 5, 2, 10, 6, 18, 42, 2)  # Adult
ORDERED = (18, 0, 19, 0, 15, 0, 0, 0, 0, 0, 9, 5, 17, 0, 0)
TARGET = len(SIZES) - 1
BATCH = 2048
REPEATS = 25
SLOW_REPEATS = 2  # where every row's gradient is stored
NOISE = 2.0
DENSE, SAME, OURS = "plain torch, dense one-hots", "plain torch, same layers", "synth, noise included"
HOOKS, GHOST = "Opacus hooks", "Opacus ghost clipping"
Loss = Callable[[nn.Module, Tensor, Callable[[tuple[int, ...]], Tensor]], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network to time.

    Attributes:
        name: In the table.
        module: The network.
        loss: Of each row, as ``PrivateTable.noisy_gradients`` wants it.
        opacus: Whether Opacus supports its layers.
    """

    name: str
    module: nn.Module
    loss: Loss
    opacus: bool = True


class DenseOneHot(nn.Module):
    """What a ``OneHotLinear`` computes, as it is commonly written: one-hot rows times a weight matrix."""

    def __init__(self, layer: OneHotLinear, *, masked: bool) -> None:
        """Of the same shape; Opacus wants a plain linear layer, so that its twin goes without the mask."""
        super().__init__()
        self._layer, self._mask = [layer], layer.mask if masked else None  # in a list: not a submodule
        self.inner = nn.Linear(layer.weight.shape[1], layer.weight.shape[0], bias=layer.bias is not None)

    def forward(self, positions: Tensor) -> Tensor:
        """Positions, shape (rows, slots), to outputs, shape (rows, out)."""
        x = one_hot(positions, self.inner.in_features)
        x = x if self._layer[0].basis is None else x @ self._layer[0].basis
        if self._mask is None:
            outputs: Tensor = self.inner(x)
            return outputs
        return nn.functional.linear(x, self.inner.weight * self._mask, self.inner.bias)


def dense_twin(module: nn.Module, *, masked: bool = True) -> nn.Module:
    """The same network without the layer that looks one-hots up."""
    twin = copy.deepcopy(module)
    for name, layer in list(twin.named_children()):
        if isinstance(layer, OneHotLinear):
            setattr(twin, name, DenseOneHot(layer, masked=masked))
    return twin


def shipped() -> list[Network]:
    """Every network that DP-SGD trains, cold and warm, on Adult's columns; and a perceptron."""
    rng, public = np.random.default_rng(0), torch.Generator().manual_seed(0)
    width, names = sum(SIZES), tuple(f"c{j}" for j in range(len(SIZES)))
    domain = Domain(names=names, sizes=SIZES, target=names[TARGET], in_order=ORDERED)
    shape = Shape(sizes=SIZES, target=TARGET, fold=torch.arange(width), latent=DPVAE().latent, components=DPVAE().components)
    basis = torch.block_diag(*smooth_bases(domain))  # type: ignore[no-untyped-call]
    sight = Sight(sizes=SIZES, fold=torch.arange(width))
    even = [np.full(k, 1 / k) for k in SIZES]
    scores = target_scores(domain, even, [None if j == TARGET else rng.normal(size=k) for j, k in enumerate(SIZES)])
    mlp = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))
    offsets = torch.tensor(domain.offsets)

    def critic_loss(module: nn.Module, rows: Tensor, normals: object) -> Tensor:  # noqa: ARG001
        scores: Tensor = -module(rows)
        return scores

    def likelihood(module: nn.Module, rows: Tensor, normals: object) -> Tensor:  # noqa: ARG001
        losses: Tensor = module(rows)
        return losses

    def mlp_loss(module: nn.Module, rows: Tensor, normals: object) -> Tensor:  # noqa: ARG001
        outputs: Tensor = module(one_hot(rows + offsets, width))
        return outputs.square().reshape(len(rows))

    split = Sight.splitting(SIZES, torch.arange(width), TARGET)
    return [
        Network(name="hybrid", module=Autoregressive(domain, torch.zeros(width), scores), loss=likelihood),
        Network(name="dpvae cold", module=VAE(shape, torch.zeros(width), public), loss=row_loss, opacus=False),
        Network(name="dpvae warm", module=VAE(shape, torch.zeros(width), public, basis), loss=row_loss, opacus=False),
        Network(name="dpgan critic cold", module=Critic(sight), loss=critic_loss),
        Network(name="dpgan critic warm", module=Critic(split), loss=critic_loss),
        Network(name="perceptron 256-256", module=mlp, loss=mlp_loss),
    ]


def steps_of(network: Network, codes: Any) -> dict[str, Callable[[], None]]:
    """Every way to make a step of a network on the rows ``codes``."""

    def normals(size: tuple[int, ...]) -> Tensor:
        return torch.randn(size)

    def row_losses(module: nn.Module) -> Tensor:
        return network.loss(module, torch.from_numpy(codes.astype(np.int64)), normals)

    def plain(module: nn.Module) -> Callable[[], None]:
        optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9)

        def step() -> None:
            optimizer.zero_grad()
            torch.autograd.backward(row_losses(module).mean())
            optimizer.step()

        return step

    ours = copy.deepcopy(network.module)
    optimizer = torch.optim.SGD(ours.parameters(), lr=1e-3, momentum=0.9)
    plan = SgdPlan(steps=1_000_000, sample_rate=0.05, divisor=len(codes), max_grad_norm=1.0)
    gradients = NoisyGradient(ours, network.loss, plan, NOISE, lambda: (codes, None), os_entropy)

    def private() -> None:
        gradients.step()
        optimizer.step()

    found = {DENSE: plain(dense_twin(network.module)), SAME: plain(copy.deepcopy(network.module)), OURS: private}
    if network.opacus:
        twin = dense_twin(network.module, masked=False)
        found[GHOST] = ghost_step(twin, row_losses, len(codes), NOISE)
        found[HOOKS] = hooks_step(twin, row_losses, len(codes), NOISE)
    return found


def timed(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Median CPU milliseconds of each step after one warm-up; steps take turns, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 1):
        for name, step in steps.items():
            if turn > (SLOW_REPEATS if name == HOOKS else repeats):
                continue
            started = time.process_time()
            step()
            seconds[name].append(time.process_time() - started)
    return {name: 1000 * statistics.median(times[1:]) for name, times in seconds.items()}


def peak_mib(step: Callable[[], None]) -> float | None:
    """How far three steps raise the resident memory of a process that has just started them; ``None`` where unknown."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # a process of its own, whose memory no other step has touched
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            before = _memory("VmRSS")
            for _ in range(3):
                step()
            os.write(writer, str(_memory("VmHWM") - before).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return int(told) / 1024 if told else None


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def measure_steps() -> list[dict[str, Any]]:
    """Cost of a step of every network; a record each."""
    torch.set_num_threads(1)
    rng, networks = np.random.default_rng(0), shipped()
    codes = np.column_stack([rng.integers(k, size=BATCH) for k in SIZES]).astype(np.uint16)
    for network in networks:  # load every library before memory is compared
        for step in steps_of(network, codes[:8]).values():
            step()
    memory = {network.name: {name: peak_mib(step) for name, step in steps_of(network, codes).items()} for network in networks}
    records = []
    for network in networks:
        milliseconds, size = timed(steps_of(network, codes), REPEATS), sum(p.numel() for p in network.module.parameters())
        records += [
            {
                "network": network.name,
                "parameters": size,
                "batch": BATCH,
                "step": name,
                "milliseconds": ms,
                "ratio": ms / milliseconds[DENSE],
                "ratio_same": ms / milliseconds[SAME],
                "peak_mib": memory[network.name][name],
                "peak_dense_mib": memory[network.name][DENSE],
            }
            for name, ms in milliseconds.items()
        ]
    return [{**record, **circumstances()} for record in records]
