"""The private half of DP-SGD (Abadi et al. 2016, arXiv:1607.00133): Poisson sample, clip each row, sum, round, noise.

What leaves is a noisy sum over a constant divisor, in ``param.grad``, and with it a noisy count of the rows that clipping
left as they are (``clipping``); optimizers, schedules and anything else done with them are post-processing. The divisor and
the sampling rate are constants; an empty sample still gets noise and counts as a step.

Randomness inside a loss (a VAE's latent draw) must be unpredictable: were it a known sequence by position in the batch,
one more row would shift everybody else's draw, and the sum would move by far more than one clipped gradient. Fresh draws
from operating-system entropy make each row's draw its own, and the guarantee follows by averaging over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synth.errors import AccountingError, InputError, RefusedError
from synth.privacy.chunks import chunk_rows, chunks
from synth.privacy.clipping import FLAT, HEADROOM, Clipped, Clipping, ClipState, bounded, joint_norm
from synth.privacy.journal import StepCount
from synth.privacy.layers import is_closed_form, leaf_layers, squared_norms, weighted_sums
from synth.privacy.mechanisms import noisy_gradient_sum, rounded_sensitivity, spread
from synth.privacy.randomness import Apart, Entropy

# the first two mix rows; dropout masks come from torch's global generator, which an attacker may know
FORBIDDEN = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.modules.dropout._DropoutNd)
FloatArray = npt.NDArray[np.float64]
Normals = Callable[[tuple[int, ...]], Tensor]
Backward = dict[nn.Module, tuple[Tensor | None, Tensor | None]]
BatchLoss = Callable[[nn.Module, Tensor], Tensor]
Batch = tuple[npt.NDArray[np.integer], FloatArray | None]  # codes (rows, d), and each row's weight in (0, 1], or None for 1
RowLoss = Callable[[nn.Module, Tensor, Normals], Tensor]
Sums = tuple[FloatArray, float]  # of the gradients, shape (parameters,), and of the scores


@dataclass(frozen=True, slots=True, kw_only=True)
class SgdPlan:
    """Constants of one private training run: functions of public or paid figures only.

    Attributes:
        steps: Noisy sums.
        sample_rate: Probability that a row takes part in a step.
        divisor: What each noisy sum is divided by (the batch size one expects).
        max_grad_norm: Clipping norm of a row's gradient; where an adaptive one begins.
        clipping: How gradients are bounded.
    """

    steps: int
    sample_rate: float
    divisor: float
    max_grad_norm: float = 1.0
    clipping: Clipping = field(default_factory=Clipping)

    def __post_init__(self) -> None:
        if not (self.steps >= 1 and 0 < self.sample_rate <= 1 and self.divisor > 0 and self.max_grad_norm > 0):
            raise InputError("DP-SGD needs steps >= 1, 0 < sample_rate <= 1, and a positive divisor and max_grad_norm")


def check_signal(module: nn.Module, plan: SgdPlan, noise_multiplier: float, epsilon: float) -> None:
    """Refuse to train where noise would drown even gradients that all agree.

    Compares the norm of the noise averaged over the run, ``sigma sqrt(d) / (batch sqrt(T))``, with the clipping norm.

    Raises:
        RefusedError: Names the epsilon that would do.
    """
    size = sum(p.numel() for p in module.parameters() if p.requires_grad)
    ratio = noise_multiplier * math.sqrt(size) / (plan.divisor * math.sqrt(plan.steps))
    if ratio > 1:
        enough = _round_up(epsilon * ratio)
        raise RefusedError(
            f"epsilon = {epsilon:g} is too small to train a network of {size:,} parameters on this many rows: the noise "
            f"would be {ratio:.1f} times the largest signal; use --epsilon {enough:g} or more, or --model independent"
        )


def _round_up(value: float) -> float:
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit


def secret_normals(shape: tuple[int, ...], entropy: Entropy) -> Tensor:
    """Standard normals for a loss's own randomness, seeded with 256 secret bits a call. Not the privacy noise."""
    seed = np.frombuffer(entropy(32), dtype=np.uint32)
    draws = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed.tolist()))).standard_normal(
        shape, dtype=np.float32
    )
    return torch.from_numpy(draws)


class NoisyGradient:
    """Hands out ``plan.steps`` noisy gradients of ``module``, one per ``step()``, and then no more.

    Made by ``PrivateTable.noisy_gradients``, which has charged for all of them.

    Attributes:
        norm: Clipping norm of the last step, or of the first one before it. Public.
        counted: Noisy sum of the last step's scores; stays 0 where nothing is counted. Public.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: RowLoss,
        plan: SgdPlan,
        noise_multiplier: float,
        exact_batch: Callable[[], Batch],
        entropy: Entropy,
        count: StepCount | None = None,
        room: int = 0,
    ) -> None:
        """See ``PrivateTable.noisy_gradients``; ``room`` is that of a sample where others see to the weights (``chunks``).

        Raises:
            AccountingError: Nothing to train.
        """
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        if not self._parameters:
            raise AccountingError("the module has no trainable parameters")
        if sum(len(list(m.parameters(recurse=False))) for m in module.modules()) != len(list(module.parameters())):
            raise AccountingError("two layers share a parameter; per-row gradients do not cover that")
        if any(isinstance(layer, FORBIDDEN) for layer in module.modules()):
            raise AccountingError("batch or instance normalisation and dropout are not allowed where rows pass")
        self._module, self._loss, self._plan = module, loss, plan
        self._noise_multiplier, self._exact_batch, self._entropy = noise_multiplier, exact_batch, entropy
        self._count = count if count is not None else StepCount()
        self._left, self._room = plan.steps - self._count.drawn, room if isinstance(entropy, Apart) else 0
        self._size, self._weight = sum(p.numel() for p in self._parameters), plan.clipping.weight
        self._clip, self.norm, self.counted = ClipState(plan.clipping, plan.max_grad_norm), plan.max_grad_norm, 0.0
        self._sum = exact_closed_form_sum if is_closed_form(module) else _fallback()

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise in each coordinate of ``grad``, at ``norm``. Public."""
        moves = rounded_sensitivity(self._size + (self._weight > 0)) * joint_norm(self.norm, self._weight)
        return self._noise_multiplier * moves / self._plan.divisor * spread(self._entropy)

    def clipped(self) -> Clipped | None:
        """What the noisy counts so far say of the share that was cut; ``None`` where nothing is counted. Public."""
        if not self._weight:
            return None
        return self._clip.clipped(self.noise_std / (2 * (1 - HEADROOM) * self._weight * self.norm))

    @property
    def steps_left(self) -> int:
        """Charged steps that have not been drawn yet. Public: a function of what the caller did."""
        return self._left

    def steps(self, state: Sequence[Tensor]) -> Iterator[int]:
        """Draw all steps that are left; yields the number of each once its gradient is in place.

        Args:
            state: All that the caller's loop changes from step to step (weights, momentum). Kept in the run's checkpoint, and
                set back in place where an interrupted run goes on; steps that were counted and not kept are left out.
        """
        whole = [self._clip.kept, *state]
        self._count.restore(whole)
        while self.steps_left:
            number = self._plan.steps - self.steps_left
            self.step()
            yield number
            self._count.keep(whole)

    def step(self) -> None:
        """Put a noisy, averaged gradient of the rows' loss into ``grad`` of every trainable parameter.

        Raises:
            AccountingError: All charged steps have been drawn.
        """
        if self._left < 1:
            raise AccountingError("all DP-SGD steps that were charged have been used")
        self._left -= 1
        self._count.take()
        rows, shares = self._exact_batch()
        codes = torch.from_numpy(rows.astype(np.int64))
        weights = None if shares is None else torch.from_numpy(shares)
        norm, kind, weight = self._clip.norm, self._plan.clipping.kind, self._weight
        exact_sum, exact_score = np.zeros(self._size, dtype=np.float64), 0.0
        for chunk, part in chunks(codes, weights, chunk_rows(self._plan.divisor), self._room, self._entropy):
            more, score = self._sum(self._module, self._row_loss, chunk, norm, part, kind)
            exact_sum, exact_score = exact_sum + more, exact_score + score
        unit = weight * norm * (1 - HEADROOM)  # of the scores, beside the gradients
        noisy = noisy_gradient_sum(
            np.append(exact_sum, unit * exact_score) if weight else exact_sum,
            max_grad_norm=joint_norm(norm, weight),
            noise_multiplier=self._noise_multiplier,
            entropy=self._entropy,
        )
        self.norm = norm
        self._write(torch.from_numpy((noisy[: self._size] / self._plan.divisor).astype(np.float32)))
        if weight:
            self.counted = float(noisy[-1]) / unit
            self._clip.learn((1 + self.counted / self._plan.divisor) / 2)

    def _row_loss(self, module: nn.Module, codes: Tensor) -> Tensor:
        return self._loss(module, codes, lambda shape: secret_normals(shape, self._entropy))

    def _write(self, flat: Tensor) -> None:
        start = 0
        for p in self._parameters:
            p.grad = flat[start : start + p.numel()].reshape(p.shape).clone()
            start += p.numel()


def _fallback() -> Callable[[nn.Module, BatchLoss, Tensor, float, Tensor | None, str], Sums]:
    from synth.privacy.opacus_bridge import exact_hooks_sum

    return exact_hooks_sum


def exact_closed_form_sum(
    module: nn.Module, loss: BatchLoss, codes: Tensor, norm: float, weights: Tensor | None = None, kind: str = FLAT
) -> Sums:
    """Sum of clipped per-row gradients, without storing them, and of the rows' scores. Private.

    Args:
        module: Supported layers only, each used at most once per row.
        loss: ``loss(module, codes)``, per-row losses of shape (rows,), each a function of its own row.
        codes: Shape (rows, d), at least one row.
        norm: Clipping norm.
        weights: What each clipped gradient and score counts, in (0, 1], shape (rows,), float64; 1 by default. Weights of one
            unit's rows sum to at most 1, so the unit moves the sums by at most what one row does (triangle inequality).
        kind: How gradients are bounded; see ``clipping``.

    Returns:
        Shape (parameters,), float64, in the order of ``module.parameters()``; and the sum of the scores.

    Raises:
        AccountingError: A layer ran twice, got anything but (rows, in), or the loss has another shape: the closed form
            would not hold.
    """
    layers, seen = list(leaf_layers(module)), {}

    def record(layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        if layer in seen:
            raise AccountingError("a layer is used twice per row; closed-form clipping does not cover that")
        a = args[0].detach() if isinstance(args[0], Tensor) else None
        if output.shape[0] != len(codes) or (a is not None and a.dim() != 2):
            raise AccountingError("a layer does not keep one input row per private row")
        seen[layer] = (a, output)

    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        with torch.autocast("cpu", enabled=False):  # a caller's bfloat16 would void the margin of the norms
            losses = loss(module, codes)
    finally:
        for hook in hooks:
            hook.remove()
    if losses.shape != (len(codes),):
        raise AccountingError("a private loss returns one number per row, shape (rows,)")
    used = list(seen)
    grads = torch.autograd.grad(losses.sum(), [seen[layer][1] for layer in used], allow_unused=True)
    with torch.no_grad():
        found: Backward = {x: (seen[x][0], g) for x, g in zip(used, grads, strict=True)}
        return _clipped_sum(layers, found, len(codes), norm, weights, kind)


def _clipped_sum(layers: list[nn.Module], found: Backward, rows: int, norm: float, weights: Tensor | None, kind: str) -> Sums:
    """Clip and sum in float64, from each layer's input and the gradient at its output."""
    pairs = {layer: (a, g) for layer, (a, g) in found.items() if g is not None}
    none = torch.zeros(rows, dtype=torch.float64)
    squared = torch.stack([squared_norms(layer, *pairs[layer]) if layer in pairs else none for layer in layers])
    (factors, scores), bad = bounded(squared, norm, kind), ~torch.isfinite(squared.sum(0))
    if weights is not None:
        factors, scores = factors * weights, scores * weights
    if bad.any():
        pairs = {layer: (a if a is None else _zeroed(a, bad), _zeroed(g, bad)) for layer, (a, g) in pairs.items()}
    wide: dict[int, Tensor] = {}  # layers whose outputs are added share a gradient
    parts = []
    for layer, factor in zip(layers, factors, strict=True):
        if layer in pairs:
            a, g = pairs[layer]
            if id(g) not in wide:
                wide[id(g)] = g.double()
            parts += [s.reshape(-1) for s in weighted_sums(layer, a, wide[id(g)], factor)]
        else:
            parts += [torch.zeros(p.numel(), dtype=torch.float64) for p in layer.parameters(recurse=False)]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float64), float(scores.sum())


def _zeroed(values: Tensor, bad: Tensor) -> Tensor:
    return torch.where(bad.reshape(-1, *[1] * (values.dim() - 1)), torch.zeros_like(values), values)
