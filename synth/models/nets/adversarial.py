"""The two players of a kernel GAN on codes: a generator of soft rows, and a critic that is bilinear in one-hot rows.

The critic ``f(x) = x W_c x``, with one ``W`` for each class ``c`` of a class target or a single one, plays under the
ridge-penalised integral probability metric ``max_W E_real f - E_fake f - |W|^2 / 2`` (Li et al. 2017, arXiv:1705.08584;
Unterthiner et al. 2018, arXiv:1708.08819): its best response is the difference of real and fake second moments.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from synth.errors import AccountingError
from synth.models.nets.tabular import column_of, draw, matching_bias, softmaxes
from synth.privacy.layers import OneHotLinear

ONE_WAY_WEIGHT = 1.0
REFRESH = 5  # critic steps between two looks at the spectrum


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a critic sees of codes; public.

    Attributes:
        sizes: Codes per column.
        fold: Position of every code, shape (sum of sizes,); those of the split column share one.
        split: Column whose classes have a ``W`` each, or -1.
    """

    sizes: tuple[int, ...]
    fold: Tensor
    split: int = -1

    @staticmethod
    def splitting(sizes: tuple[int, ...], fold: Tensor, split: int) -> Sight:
        """Give the codes of ``split`` one position, always on: a class's tables of one column lie there."""
        if split >= 0:
            fold = torch.where(column_of(sizes) == split, fold[column_of(sizes) == split].min(), fold)
            fold = torch.unique(fold, return_inverse=True)[1]
        return Sight(sizes=sizes, fold=fold, split=split)

    @property
    def width(self) -> int:
        """Positions."""
        return int(self.fold.max()) + 1

    @property
    def classes(self) -> int:
        """Number of matrices."""
        return self.sizes[self.split] if self.split >= 0 else 1

    def gates(self, shares: Tensor) -> Tensor:
        """Probability of each class in soft rows (rows, sum of sizes), shape (rows, classes)."""
        return torch.split(shares, list(self.sizes), 1)[self.split] if self.split >= 0 else torch.ones(len(shares), 1)

    def moments(self, shares: Tensor, weights: Tensor) -> Tensor:
        """Weighted second moments of soft rows for each class, shape (classes, width, width)."""
        seen = shares @ torch.zeros(len(self.fold), self.width).scatter_(1, self.fold[:, None], 1.0)
        return torch.stack([(seen * (gate * weights)[:, None]).T @ seen for gate in self.gates(shares).T])

    def slots(self) -> Tensor:
        """Column of each position, shape (width,)."""
        return torch.zeros(self.width, dtype=torch.long).scatter_(0, self.fold, column_of(self.sizes))

    def mask(self) -> Tensor:
        """Zero where both positions belong to one column, shape (width, width)."""
        columns = self.slots()
        return (columns[:, None] != columns[None, :]).float()


class Generator(nn.Module):
    """Normal noise through one hidden layer to logits of every column."""

    def __init__(self, latent: int, hidden: int, bias: Tensor, generator: torch.Generator) -> None:
        """Start near the independent columns that ``bias`` (width,) describes."""
        super().__init__()
        self.body, self.out = nn.Linear(latent, hidden), nn.Linear(hidden, len(bias))
        with torch.no_grad():
            for layer, scale in ((self.body, 1.0), (self.out, 0.5)):
                layer.weight.copy_(
                    (torch.rand(layer.weight.shape, generator=generator) * 2 - 1) * scale / math.sqrt(layer.in_features)
                )
            self.body.bias.copy_((torch.rand(hidden, generator=generator) * 2 - 1) / math.sqrt(latent))
            self.out.bias.copy_(bias)

    def forward(self, z: Tensor) -> Tensor:
        """Noise (rows, latent) to logits (rows, width)."""
        logits: Tensor = self.out(torch.tanh(self.body(z)))
        return logits

    @torch.no_grad()
    def draw_rows(self, uniforms: Tensor, sizes: tuple[int, ...]) -> Tensor:
        """Codes, shape (rows, columns), from uniform numbers of shape (rows, latent + columns)."""
        latent = self.body.in_features
        z = torch.special.ndtri(uniforms[:, :latent].double().clamp(1e-7, 1 - 1e-7)).float()
        parts = torch.split(self(z), list(sizes), 1)
        return torch.stack([draw(p.softmax(1), uniforms[:, latent + j]) for j, p in enumerate(parts)], 1)


class Critic(nn.Module):
    """``f(x) = x W_c x`` on one-hot rows of class ``c``; one linear layer, used once per row."""

    def __init__(self, sight: Sight) -> None:
        """Start at zero: every row alike."""
        super().__init__()
        self._sight = sight
        self.bilinear = OneHotLinear(sight.slots().repeat(sight.classes), sight.width)

    def forward(self, codes: Tensor) -> Tensor:
        """Scores of codes, shape (rows, columns) to (rows,)."""
        sight = self._sight
        positions = sight.fold[codes + torch.tensor(sight.sizes).cumsum(0) - torch.tensor(sight.sizes)]
        inputs = positions if sight.split < 0 else positions + sight.width * codes[:, sight.split : sight.split + 1]
        scores: Tensor = self.bilinear(inputs).gather(1, positions).sum(1)
        return scores


class Game:
    """The data-free side: everything here is a function of noisy gradients, paid tables and what was learnt from them."""

    def __init__(
        self, sight: Sight, critic: Critic, generator: Generator, one_way: Tensor, known: Tensor, public: torch.Generator
    ) -> None:
        """Start from ``known`` second moments, shape (classes, width, width), and ``one_way`` (sum of sizes,)."""
        self._sight, self._critic, self._public, self._generator = sight, critic, public, generator
        self._mask, self._target = sight.mask(), one_way
        self._known = known * self._mask
        self._real, self._goal = torch.zeros_like(self._known), self._known.clone()
        self._average = copy.deepcopy(generator)
        self._optimizer = torch.optim.Adam(generator.parameters(), lr=1.0, betas=(0.9, 0.99))
        for p in generator.parameters():
            moments = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            self._optimizer.state[p] |= {"step": torch.zeros(()), **moments}
        self._played = torch.zeros(1)

    def critic_step(self, step: int, noise_std: float) -> None:
        """SGD with step size 1/t on the ridge objective: its optimum's real part is the mean of the noisy gradients."""
        grad = self._critic.bilinear.weight.grad
        if grad is None:
            raise AccountingError("the critic has no gradient; draw one before its step")
        parts = torch.stack(torch.split(grad, len(grad), 1))
        symmetric = -(parts + parts.transpose(1, 2)) / 2
        self._real += (symmetric - self._real) / step
        if step == 1 or step % REFRESH == 0:
            noise, columns = noise_std / math.sqrt(2 * step), len(self._sight.sizes)
            excess = self._real * self._mask - self._known
            self._goal[:] = self._known + torch.stack([shrunk(part, noise, columns) for part in excess]) * self._mask

    def generator_step(self, rate: float, batch: int) -> None:
        """One Adam step against the critic's best response to the current fakes."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        z = torch.randn(batch, self._generator.body.in_features, generator=self._public)
        shares = softmaxes(self._generator(z), self._sight.sizes)
        moments = self._sight.moments(shares, torch.full((batch,), 1 / batch))
        with torch.no_grad():
            best = (self._goal - moments) * self._mask
            self._critic.bilinear.weight.copy_(torch.cat(list(best), 1))
        score = (best * moments).sum()  # E_fake f
        loss = (shares.mean(0) - self._target).square().sum() * ONE_WAY_WEIGHT - score
        self._optimizer.zero_grad()
        torch.autograd.backward(100 * loss)
        self._optimizer.step()
        self._played += 1
        played = float(self._played)
        keep = min(0.99, played / (played + 9))
        with torch.no_grad():
            for mean, now in zip(self._average.parameters(), self._generator.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)

    def state(self) -> list[Tensor]:
        """All that steps change, for a checkpoint."""
        optimizer = [value for p in self._generator.parameters() for value in self._optimizer.state[p].values()]
        players = [*self._generator.parameters(), *self._average.parameters(), *self._critic.parameters()]
        return [self._real, self._goal, self._played, *players, *optimizer]

    def seen(self) -> Tensor:
        """Mean of the noisy gradients so far: second moments of rows, shape (classes, width, width)."""
        return self._real

    def finished(self, draws: int) -> Generator:
        """The averaged generator, its output biases moved until its one-way tables are the paid ones."""
        with torch.no_grad():
            z = torch.randn(draws, self._average.body.in_features, generator=self._public)
            sizes = list(self._sight.sizes)
            parts, targets = torch.split(self._average(z), sizes, 1), torch.split(self._target, sizes)
            shift = torch.cat([matching_bias(part, t) for part, t in zip(parts, targets, strict=True)])
            self._average.out.bias.add_(shift)
        return self._average


def shrunk(excess: Tensor, noise_std: float, columns: int, strength: float = 100.0) -> Tensor:
    """Shrink the eigenvalues of a noisy symmetric matrix by what noise alone would show.

    Symmetric noise of standard deviation ``s`` has eigenvalues up to ``tau = 2 s sqrt(width)``: ``e`` becomes
    ``sign(e) sqrt(e^2 - tau^2)`` (zero inside). Where noise is small next to the critic's scale, ``tau`` is reduced further,
    as the generator's low rank regularises by itself. (Gavish and Donoho 2017, arXiv:1405.7511.)
    """
    values, vectors = torch.linalg.eigh(excess)
    tau = 2 * noise_std * math.sqrt(len(values))
    tau *= min(1.0, strength * tau / columns)
    kept = values.sign() * (values.square() - tau * tau).clamp_min(0).sqrt()
    matrix: Tensor = (vectors * kept) @ vectors.T
    return matrix
