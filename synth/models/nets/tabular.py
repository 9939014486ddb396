"""Codes, one-hots, softmaxes and their one-way tables: what networks over tables of codes share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synth.models.given import Given

CALIBRATION_DRAWS = 16_384  # rows that output biases are matched on
FloatArray = npt.NDArray[np.float64]


def torch_generator(rng: np.random.Generator) -> torch.Generator:
    """A torch generator fed from a public numpy one."""
    generator = torch.Generator()
    generator.manual_seed(int(rng.integers(2**63)))
    return generator


def one_hot(positions: Tensor, width: int) -> Tensor:
    """Positions of ones, shape (rows, columns), to zeros and ones of shape (rows, width)."""
    return torch.zeros(len(positions), width).scatter_(1, positions, 1.0)


def fold_codes(one_way: Sequence[FloatArray], max_width: int) -> Tensor:
    """Share input positions between rare codes, so that a network's input stays narrow. Public.

    Args:
        one_way: Distribution of every column.
        max_width: Positions in all, where one per column allows it; no code is folded if all fit.

    Returns:
        Position of each code, shape (sum of sizes,), int64: the commonest codes have one of their own, the rest of a
        column share one.
    """
    sizes = [len(p) for p in one_way]
    flat = np.concatenate(one_way)
    column = np.repeat(np.arange(len(sizes)), sizes)
    keep = np.zeros(len(flat), dtype=bool)
    room = len(flat) if len(flat) <= max_width else max(max_width - len(sizes), 0)
    keep[np.argsort(-flat, kind="stable")[:room]] = True
    position, base = np.empty(len(flat), dtype=np.int64), 0
    for j in range(len(sizes)):
        mine = np.flatnonzero(column == j)
        own = mine[keep[mine]]
        position[own] = base + np.arange(len(own))
        rest = mine[~keep[mine]]
        position[rest] = base + len(own)
        base += len(own) + (len(rest) > 0)
    return torch.from_numpy(position)


def column_of(sizes: Sequence[int]) -> Tensor:
    """Column of each one-hot position, shape (sum of sizes,)."""
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


def softmaxes(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """Per-column softmax, shape (rows, width)."""
    return torch.cat([part.softmax(1) for part in torch.split(logits, list(sizes), 1)], 1)


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """One code per row by inversion: (rows, size) or (1, size), and (rows,), to (rows,)."""
    cumulative = probabilities.cumsum(1)
    if len(cumulative) == 1:
        scaled = uniforms * cumulative[0, -1]
        return torch.searchsorted(cumulative[0], scaled, right=True).clamp_max(probabilities.shape[1] - 1)
    scaled = (uniforms * cumulative[:, -1]).unsqueeze(1)
    return (cumulative <= scaled).sum(1).clamp_max(probabilities.shape[1] - 1)


def draw_given(probabilities: Tensor, uniforms: Tensor, given: Given) -> tuple[Tensor, Tensor]:
    """One code per row under a condition.

    Args:
        probabilities: Of one column, shape (rows, size) or (1, size), rows summing to 1.
        uniforms: Shape (rows,).
        given: What is asked of the column.

    Returns:
        Codes, and the logarithm of the probability that the condition had, both of shape (rows,).
    """
    mass = torch.zeros(len(uniforms))
    if given.likelihood is not None:
        probabilities = probabilities * torch.from_numpy(given.likelihood).float()
        mass = probabilities.sum(1).log().expand(len(uniforms))
    codes = draw(probabilities, uniforms)
    if given.likelihood is not None:  # the end of the last code can be hit by rounding
        mass = torch.where(torch.from_numpy(given.likelihood > 0)[codes], mass, -torch.inf)
    if given.codes is not None:
        known = torch.from_numpy(given.codes)
        fixed = known >= 0
        codes = torch.where(fixed, known, codes)
        chance = probabilities.expand(len(uniforms), -1).gather(1, codes[:, None])[:, 0].log()
        mass = torch.where(fixed, chance, mass)
    return codes, mass


def schedule(step: int, steps: int, warm_up: int) -> float:
    """Share of the peak learning rate: a linear warm-up, then a cosine down to 5 %."""
    return min(1.0, (step + 1) / warm_up) * (0.05 + 0.475 * (1 + math.cos(math.pi * step / steps)))


def matching_bias(logits: Tensor, target: Tensor, rounds: int = 25) -> Tensor:
    """What to add to a column's logits so that the mean softmax is ``target``. Post-processing of paid tables.

    Args:
        logits: Shape (rows, size).
        target: Distribution, shape (size,).
        rounds: Fixed-point steps; each adds the log ratio of target and mean, at most 3 per step.

    Returns:
        Shape (size,).
    """
    bias, wanted = torch.zeros_like(target), target.clamp_min(1e-7).log()
    for _ in range(rounds):
        mean = (logits + bias).softmax(1).mean(0).clamp_min(1e-9)
        bias = bias + (wanted - mean.log()).clamp(-3, 3)
    return bias
